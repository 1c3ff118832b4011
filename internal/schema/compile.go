package schema

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/nearest"
)

// compiler turns the files of a folder into a model. It goes on after a fault,
// so that all are found in one run.
type compiler struct {
	problems Problems
	files    []File
	declared []*declaration
	byName   map[string]*declaration
	// vocabulary is that of the rules of all files.
	vocabulary vocabulary
}

// declaration is one file on its way to a collection.
type declaration struct {
	root *node
	c    *Collection
	// open says that unknown fields are kept at the top.
	open bool
	// relations are the places of the relations, by name.
	relations map[string]*node
	// aggregates are compiled when every collection's fields are known; nil for
	// none.
	aggregates *node
	// shardKey is the place of the shard key.
	shardKey *node
	// access has the rules, which are compiled when the fields are; nil for none.
	access *node
}

// declare reads what other files need to know of a file: its name and id kind.
func (c *compiler) declare(root *node) {
	if root.kind != mappingNode {
		c.problems.add(root, `a schema file must be a mapping with "collection" and "fields", not %s`, root.kind)
		return
	}
	d := &declaration{root: root, c: &Collection{}, relations: map[string]*node{}}
	c.declared = append(c.declared, d)
	c.collectionName(d)
	if at := root.get("id"); at != nil {
		c.idKind(d, at)
	}
}

func (c *compiler) collectionName(d *declaration) {
	at := d.root.get("collection")
	if at == nil {
		c.problems.add(d.root, `"collection" is missing: the name of the collection`)
		return
	}
	name, ok := c.word(at)
	if !ok {
		return
	}
	if reason := BadCollectionName(name); reason != "" {
		c.problems.add(at, "the collection name %q %s", name, reason)
		return
	}
	if first, taken := c.byName[name]; taken {
		c.problems.add(at, "the collection %q is declared in %s already", name, first.root.file)
		return
	}
	if c.byName == nil {
		c.byName = map[string]*declaration{}
	}
	d.c.Name, c.byName[name] = name, d
}

// maxCollectionName keeps a collection's name, the database's and a dot within
// MongoDB's 255 bytes for a namespace.
const maxCollectionName = 120

var collectionNamePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)

// BadCollectionName says why a name cannot be that of a collection, "" where it
// can.
func BadCollectionName(name string) string {
	switch {
	case name == "":
		return "is empty"
	case len(name) > maxCollectionName:
		return fmt.Sprintf("is over %d characters long", maxCollectionName)
	case strings.HasPrefix(name, "_"):
		return `begins with "_", which is kept for the service's own`
	case strings.HasPrefix(name, "system."):
		return `begins with "system.", which is kept for MongoDB`
	case !collectionNamePattern.MatchString(name) || strings.HasSuffix(name, ".") || strings.Contains(name, ".."):
		return `must be letters, digits, "_", "-" and single dots, and begin with a letter or digit`
	}
	return ""
}

func (c *compiler) idKind(d *declaration, at *node) {
	if name, ok := c.word(at); ok {
		if i, ok := c.oneOf(at, "id kind", name, idKindNames); ok {
			d.c.ID = IDKind(i)
		}
	}
}

// oneOf returns the place of a word among those that may stand here.
func (c *compiler) oneOf(at *node, what, word string, among []string) (int, bool) {
	i := slices.Index(among, word)
	if i < 0 {
		c.problems.add(at, "unknown %s %q%s; there are %s", what, word, nearest.Hint(word, among), list(among))
	}
	return i, i >= 0
}

func list(words []string) string { return strings.Join(words, ", ") }

// compile makes the model of all that was declared. What it returns is to be
// used only when no problem was noted.
func (c *compiler) compile() *Model {
	for _, d := range c.declared {
		c.collection(d)
	}
	for _, d := range c.declared {
		c.crossChecks(d)
		c.aggregates(d)
		c.access(d)
	}
	for _, d := range c.declared {
		c.indexCount(d)
		c.shardedUniqueness(d)
		d.c.creatable, d.c.ChangeFields = d.c.Fields, d.c.Fields
		d.c.CreateFields, d.c.KeyFields = createFields(d.c), keyFields(d.c)
	}
	model := &Model{Files: c.files, byName: map[string]*Collection{}}
	c.callers(model)
	if len(c.problems) > 0 {
		return nil
	}
	for _, d := range c.declared {
		c.referrers(d)
		d.c.Model = model
		model.Collections = append(model.Collections, d.c)
		model.byName[d.c.Name] = d.c
	}
	slices.SortFunc(model.Collections, func(a, b *Collection) int { return strings.Compare(a.Name, b.Name) })
	model.Hash = hash(model)
	return model
}

func (c *compiler) collectionNames() []string {
	names := make([]string, 0, len(c.byName))
	for name := range c.byName {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// collection compiles one file.
func (c *compiler) collection(d *declaration) {
	var fields, indexes, relations, shardKey *node
	c.keys(d.root, "a collection", []keyReader{
		{"collection", func(*node) {}},
		{"description", func(at *node) { d.c.Description, _ = c.word(at) }},
		{"id", func(*node) {}},
		{"fields", func(at *node) { fields = at }},
		{"additional", func(at *node) { d.open = c.additional(at) }},
		{"indexes", func(at *node) { indexes = at }},
		{"relations", func(at *node) { relations = at }},
		{"aggregates", func(at *node) { d.aggregates = at }},
		{"access", func(at *node) { d.access = at }},
		{"shard_key", func(at *node) { shardKey = at }},
		{"soft_delete", func(at *node) { d.c.SoftDelete = c.retention(at) }},
		{"history", func(at *node) { d.c.History = c.retention(at) }},
	})
	c.document(d, fields)
	c.indexes(d, indexes)
	c.relations(d, relations)
	if shardKey != nil {
		c.shardKey(d, shardKey)
	}
}

// document compiles the fields of a collection's documents, and the system
// fields around them.
func (c *compiler) document(d *declaration, at *node) {
	if at == nil {
		c.problems.add(d.root, `"fields" is missing: the fields of the documents`)
		at = &node{file: d.root.file, kind: mappingNode}
	}
	top := newRules("")
	top.typ = typeObject
	f := fieldCompiler{compiler: c, d: d}
	declared := f.members(at, true)
	top.members = append(top.members, systemRules("id", d.c.ID.idType()))
	top.members = append(top.members, declared...)
	top.members = append(top.members, systemRules("version", typeInt),
		systemRules("createdAt", typeDate), systemRules("updatedAt", typeDate))
	system := systemOf
	if d.c.SoftDelete != nil {
		top.members = append(top.members, systemRules(DeletedAt, typeDate))
		system = systemOfKept
	}
	top.shape = &bsonjson.Shape{Kind: bsonjson.Object, Fields: shapeOf(top.members, d.open, system)}
	markRefs(top)
	d.c.rules, d.c.Fields = top, top.shape.Fields
	d.c.idShape = top.members[0].shape
}

// systemNames are the fields that the service keeps; _id is where it stores id.
var systemNames = map[string]bsonjson.System{
	"id": bsonjson.ID, "version": bsonjson.Version, "createdAt": bsonjson.CreatedAt, "updatedAt": bsonjson.UpdatedAt,
}

func systemOf(name string) bsonjson.System { return systemNames[name] }

// systemOfKept is systemOf for a collection whose deleted documents are kept.
func systemOfKept(name string) bsonjson.System {
	if name == DeletedAt {
		return bsonjson.DeletedAt
	}
	return systemOf(name)
}

func noSystem(string) bsonjson.System { return bsonjson.NotSystem }

func systemRules(name string, typ fieldType) *rules {
	r := newRules(name)
	r.typ, r.shape = typ, &bsonjson.Shape{Kind: fieldTypes[typ].kind}
	return r
}

// shapeOf builds what the codec needs of an object's members.
func shapeOf(members []*rules, open bool, system func(string) bsonjson.System) *bsonjson.Fields {
	fields := make([]bsonjson.Field, len(members))
	for i, r := range members {
		fields[i] = bsonjson.Field{Name: r.name, Shape: r.shape, Default: r.initial, System: system(r.name)}
	}
	return bsonjson.NewFields(fields, open)
}

// keyReader is one key that a mapping may have, and what reads its value.
type keyReader struct {
	name string
	read func(*node)
}

// keys reads the entries of a mapping and notes those that are not known.
func (c *compiler) keys(n *node, what string, readers []keyReader) {
	names := make([]string, len(readers))
	for i, r := range readers {
		names[i] = r.name
	}
	for _, e := range n.entries {
		if i := slices.Index(names, e.key.text); i >= 0 {
			readers[i].read(e.value)
			continue
		}
		if c.problems.full() {
			return
		}
		c.problems.add(e.key, "unknown key %q of %s%s; there are %s", e.key.text, what, nearest.Hint(e.key.text, names), list(names))
	}
}

// word returns the text of a single value.
func (c *compiler) word(n *node) (string, bool) {
	if n.kind != scalarNode {
		c.problems.add(n, "must be a single value, not %s", n.kind)
		return "", false
	}
	return n.text, true
}

// flag reads true or false.
func (c *compiler) flag(n *node) bool {
	if n.kind != scalarNode || n.quoted || n.text != "true" && n.text != "false" {
		c.problems.add(n, "must be true or false%s", got(n))
	}
	return n.text == "true"
}

// got repeats a single value at the end of a message.
func got(n *node) string {
	if n.kind != scalarNode {
		return ", not " + n.kind.String()
	}
	return fmt.Sprintf(", not %q", shorten(n.text))
}

// shorten bounds what a message repeats of a file.
func shorten(text string) string {
	const most = 60
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// keepWord is the value of additional that admits fields which are not declared.
const keepWord = "keep"

// additional reads what becomes of fields that are not declared.
func (c *compiler) additional(n *node) (keep bool) {
	word, ok := c.word(n)
	if !ok {
		return false
	}
	i, _ := c.oneOf(n, "value of additional", word, []string{"refuse", keepWord})
	return i == 1
}

package migrate

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/nearest"
	"github.com/sheafdb/sheaf/internal/schema"
)

// ParseFile reads a migration file. What is wrong with it is noted in problems;
// it returns nil where there is nothing to work with.
func ParseFile(file string, src []byte, problems *schema.Problems) *Migration {
	root := schema.ParseYAML(file, src, "migration", maxFileBytes, problems)
	if root == nil {
		return nil
	}
	r := reader{problems: problems}
	m := &Migration{File: file, Name: strings.TrimSuffix(strings.TrimSuffix(file, ".yaml"), ".yml"), OneWay: true}
	r.members(root, "a migration", map[string]func(*schema.Node){
		"description": func(n *schema.Node) { m.Description = r.text(n) },
		"up":          func(n *schema.Node) { m.Up = r.steps(n) },
		"down":        func(n *schema.Node) { m.Down, m.OneWay = r.steps(n), false },
	}, "up")
	m.Checksum = checksum(m)
	return m
}

// checksum is a hash of what a migration does.
func checksum(m *Migration) string {
	h := sha256.New()
	for _, steps := range [][]Step{m.Up, m.Down} {
		list := bson.A{}
		for _, step := range steps {
			list = append(list, canonical(step.declaration()))
		}
		h.Write(encoded(bson.D{{Key: "steps", Value: list}}))
	}
	if m.OneWay {
		h.Write([]byte("one way"))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// canonical turns a declaration into BSON.
func canonical(value any) any {
	switch value := value.(type) {
	case schema.JSON:
		doc := bson.D{}
		for _, member := range value {
			doc = append(doc, bson.E{Key: member.Name, Value: canonical(member.Value)})
		}
		return doc
	case []any:
		list := bson.A{}
		for _, item := range value {
			list = append(list, canonical(item))
		}
		return list
	}
	return value
}

// reader reads migration files, and goes on after a fault.
type reader struct{ problems *schema.Problems }

// members reads a mapping: each key by its function. Keys that are missing are
// noted, and those that are not known.
func (r reader) members(n *schema.Node, what string, keys map[string]func(*schema.Node), required ...string) {
	if !n.IsMapping() {
		r.problems.Add(n, "%s must be a mapping, not %s", what, n.KindName())
		return
	}
	for key, value := range n.Entries() {
		read, ok := keys[key.Text()]
		if !ok {
			names := slices.Sorted(maps.Keys(keys))
			r.problems.Add(key, "%s has no key %q%s; it has %s", what, key.Text(), nearest.Hint(key.Text(), names), strings.Join(names, ", "))
			continue
		}
		required = slices.DeleteFunc(required, func(name string) bool { return name == key.Text() })
		read(value)
	}
	for _, name := range required {
		r.problems.Add(n, "%s needs the key %q", what, name)
	}
}

func (r reader) text(n *schema.Node) string {
	if !n.IsWord() || n.Text() == "" {
		r.problems.Add(n, "must be text, not %s", n.KindName())
	}
	return n.Text()
}

func (r reader) flag(n *schema.Node) bool {
	word := n.Text()
	if !n.IsWord() || word != "true" && word != "false" {
		r.problems.Add(n, "must be true or false")
	}
	return word == "true"
}

func (r reader) list(n *schema.Node) []*schema.Node {
	if !n.IsList() {
		r.problems.Add(n, "must be a list, not %s", n.KindName())
	}
	return n.Items()
}

// oneOf reads a word that is one of some.
func (r reader) oneOf(n *schema.Node, what string, words []string) (string, bool) {
	word := r.text(n)
	if word != "" && !slices.Contains(words, word) {
		r.problems.Add(n, "unknown %s %q%s; there are %s", what, word, nearest.Hint(word, words), strings.Join(words, ", "))
		return "", false
	}
	return word, word != ""
}

// path reads the dotted path of a field.
func (r reader) path(n *schema.Node) string {
	path := r.text(n)
	for name := range strings.SplitSeq(path, ".") {
		if name == "" || strings.HasPrefix(name, "$") || strings.ContainsRune(name, 0) {
			r.problems.Add(n, "%q is not the path of a field", path)
			break
		}
	}
	if path == "id" || path == "_id" || strings.HasPrefix(path, "_id.") {
		r.problems.Add(n, "the id of a document cannot be changed")
	}
	return path
}

func (r reader) paths(n *schema.Node) []string {
	var paths []string
	if n.IsWord() {
		return append(paths, r.path(n))
	}
	for _, item := range r.list(n) {
		paths = append(paths, r.path(item))
	}
	if len(paths) == 0 && n.IsList() {
		r.problems.Add(n, "must name at least one field")
	}
	return paths
}

// document reads a mapping as a document of MongoDB: whole numbers are int64,
// and Extended JSON stands for the types that YAML has not.
func (r reader) document(n *schema.Node) bson.Raw {
	if !n.IsMapping() {
		r.problems.Add(n, "must be a mapping, not %s", n.KindName())
		return nil
	}
	value, _ := r.value(n)
	doc, ok := value.DocumentOK()
	if !ok {
		return nil
	}
	r.refuse(n)
	return doc
}

// value reads any value.
func (r reader) value(n *schema.Node) (bson.RawValue, bool) {
	text := append(append([]byte(`{"v":`), n.JSON()...), '}')
	var doc bson.D
	if err := bson.UnmarshalExtJSON(text, false, &doc); err != nil {
		r.problems.Add(n, "cannot be read as a value of MongoDB: %s", strings.TrimPrefix(err.Error(), "error decoding key v: "))
		return bson.RawValue{}, false
	}
	return encoded(wide(doc)).Lookup("v"), true
}

// wide makes int64 of int32: what a schema compiles to has no others.
func wide(value any) any {
	switch value := value.(type) {
	case int32:
		return int64(value)
	case bson.D:
		for i := range value {
			value[i].Value = wide(value[i].Value)
		}
	case bson.A:
		for i := range value {
			value[i] = wide(value[i])
		}
	}
	return value
}

// dangerous are the operators that do more than compute, and why they are
// refused.
var dangerous = map[string]string{
	"$where":       "it runs JavaScript",
	"$function":    "it runs JavaScript",
	"$accumulator": "it runs JavaScript",
	"$out":         "it writes to another collection",
	"$merge":       "it writes to another collection",
	"$lookup":      "an update reads the document alone",
	"$unionWith":   "an update reads the document alone",
}

// refuse notes the dangerous operators anywhere within a value.
func (r reader) refuse(n *schema.Node) {
	for key, value := range n.Entries() {
		if reason, ok := dangerous[key.Text()]; ok {
			r.problems.Add(key, "%s is refused: %s", key.Text(), reason)
		}
		r.refuse(value)
	}
	for _, item := range n.Items() {
		r.refuse(item)
	}
}

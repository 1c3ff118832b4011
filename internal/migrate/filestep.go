package migrate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/filter"
	"github.com/sheafdb/sheaf/internal/nearest"
	"github.com/sheafdb/sheaf/internal/schema"
)

// stepReader reads one step: the keys that its kind has beside those of all.
type stepReader struct {
	keys     func(reader, *Step) map[string]func(*schema.Node)
	required []string
	// check looks at the whole step when all keys are read; nil for none.
	check func(reader, *schema.Node, *Step)
}

func noKeys(reader, *Step) map[string]func(*schema.Node) { return nil }

var stepReaders = map[Kind]stepReader{
	CreateCollection: {keys: validatorKeys},
	DropCollection:   {keys: noKeys},
	RenameCollection: {keys: renameKeys, required: []string{"to"}},
	ShardCollection:  {keys: shardKeys, required: []string{"keys"}},
	CreateIndex:      {keys: indexKeys, required: []string{"keys"}, check: reader.indexName},
	DropIndex:        {keys: dropIndexKeys, required: []string{"name"}},
	SetValidator:     {keys: validatorKeys, required: []string{"validator"}},
	Update:           {keys: changeKeys, check: reader.oneChange},
}

func kindNames() []string {
	var names []string
	for kind := range stepReaders {
		names = append(names, string(kind))
	}
	slices.Sort(names)
	return names
}

func (r reader) steps(n *schema.Node) []Step {
	steps := []Step{}
	for _, item := range r.list(n) {
		if step, ok := r.step(item); ok {
			steps = append(steps, step)
		}
	}
	return steps
}

// step reads one step: its first key is its kind, and the value of that the
// collection.
func (r reader) step(n *schema.Node) (Step, bool) {
	kind, collection := r.kind(n)
	if kind == "" {
		return Step{}, false
	}
	step := Step{Kind: kind, Collection: r.collection(collection)}
	of := stepReaders[kind]
	risk := (*schema.Node)(nil)
	keys := map[string]func(*schema.Node){
		string(kind):   func(*schema.Node) {},
		"risk":         func(n *schema.Node) { risk = n },
		"irreversible": func(n *schema.Node) { step.Irreversible = r.text(n) },
	}
	maps.Copy(keys, of.keys(r, &step))
	r.members(n, string(kind), keys, slices.Clone(of.required)...)
	if of.check != nil {
		of.check(r, n, &step)
	}
	r.risk(risk, &step)
	return step, true
}

// kind finds the key of a step that is its kind.
func (r reader) kind(n *schema.Node) (Kind, *schema.Node) {
	if !n.IsMapping() {
		r.problems.Add(n, "a step must be a mapping that begins with its kind, such as create_index: users")
		return "", nil
	}
	for key, value := range n.Entries() {
		if _, ok := stepReaders[Kind(key.Text())]; ok {
			return Kind(key.Text()), value
		}
	}
	for key := range n.Entries() {
		names := kindNames()
		r.problems.Add(key, "%q is not a kind of step%s; there are %s", key.Text(), nearest.Hint(key.Text(), names), strings.Join(names, ", "))
		break
	}
	return "", nil
}

// collection reads the name of one that migrations may change.
func (r reader) collection(n *schema.Node) string {
	name := r.text(n)
	if strings.HasPrefix(name, "_") || strings.HasPrefix(name, "system.") || strings.Contains(name, "$") {
		r.problems.Add(n, "the collection %q is not one for migrations to change", name)
	}
	return name
}

// leastRisk is what a step risks whatever its file says; usualRisk what it risks
// where the file says nothing.
func leastRisk(s *Step) Risk {
	if s.Kind == DropCollection || s.Change != nil && s.Change.Unset != nil {
		return Contract
	}
	return Expand
}

func usualRisk(s *Step) Risk {
	switch s.Kind {
	case DropCollection, DropIndex, RenameCollection:
		return Contract
	case SetValidator:
		return Tighten
	case CreateIndex:
		return indexRisk(s.Index)
	case Update:
		return changeRisk(s.Change)
	}
	return Expand
}

// changeRisk is that of a change where its file says nothing: old instances do
// not find a value that got another name or type.
func changeRisk(c *Change) Risk {
	switch {
	case c.Unset != nil:
		return Contract
	case c.Rename != nil || c.Convert != nil:
		return Tighten
	}
	return Backfill
}

func (r reader) risk(n *schema.Node, s *Step) {
	s.Risk = usualRisk(s)
	if n == nil {
		return
	}
	word, ok := r.oneOf(n, "risk", riskNames)
	if !ok {
		return
	}
	if s.Risk = Risk(slices.Index(riskNames, word)); s.Risk < leastRisk(s) {
		r.problems.Add(n, "%s deletes, and so its risk is %s", s.Kind, Contract)
	}
}

func validatorKeys(r reader, s *Step) map[string]func(*schema.Node) {
	return map[string]func(*schema.Node){"validator": func(n *schema.Node) {
		if n.IsWord() && n.Text() == noValidator {
			return
		}
		s.Validator = r.document(n)
	}}
}

// noValidator stands for a validator that is to be taken away.
const noValidator = "none"

func renameKeys(r reader, s *Step) map[string]func(*schema.Node) {
	return map[string]func(*schema.Node){"to": func(n *schema.Node) { s.To = r.collection(n) }}
}

func shardKeys(r reader, s *Step) map[string]func(*schema.Node) {
	return map[string]func(*schema.Node){"keys": func(n *schema.Node) { s.ShardKey = r.keys(n, []string{"hashed"}) }}
}

func dropIndexKeys(r reader, s *Step) map[string]func(*schema.Node) {
	return map[string]func(*schema.Node){"name": func(n *schema.Node) { s.Index = encoded(bson.D{{Key: "name", Value: r.text(n)}}) }}
}

// The order in which the options of an index stand in its description.
var indexOptions = []string{"key", "name", "unique", "partialFilterExpression", "expireAfterSeconds"}

func indexKeys(r reader, s *Step) map[string]func(*schema.Node) {
	set := func(option string, value any) {
		doc := decode(orEmpty(s.Index))
		doc = append(doc, bson.E{Key: option, Value: value})
		slices.SortStableFunc(doc, func(a, b bson.E) int { return optionPlace(a.Key) - optionPlace(b.Key) })
		s.Index = encoded(doc)
	}
	return map[string]func(*schema.Node){
		"keys": func(n *schema.Node) { set("key", r.keys(n, []string{"text", "2dsphere", "2d", "hashed"})) },
		"name": func(n *schema.Node) { set("name", r.text(n)) },
		"unique": func(n *schema.Node) {
			if r.flag(n) {
				set("unique", true)
			}
		},
		"where": func(n *schema.Node) {
			if where := r.document(n); where != nil {
				set("partialFilterExpression", where)
			}
		},
		"expire_after": func(n *schema.Node) {
			after, err := time.ParseDuration(r.text(n))
			if err != nil || after < 0 || after%time.Second != 0 {
				r.problems.Add(n, "must be a duration of whole seconds, such as 720h, 30m or 0s")
			}
			set("expireAfterSeconds", int64(after.Seconds()))
		},
		"options": func(n *schema.Node) {
			for _, e := range decode(orEmpty(r.document(n))) {
				if slices.Contains(indexOptions, e.Key) {
					r.problems.Add(n, "%s is not for the options: it has a key of its own", e.Key)
					continue
				}
				set(e.Key, e.Value)
			}
		},
	}
}

func optionPlace(name string) int {
	if i := slices.Index(indexOptions, name); i >= 0 {
		return i
	}
	return len(indexOptions)
}

func orEmpty(doc bson.Raw) bson.Raw {
	if doc == nil {
		return encoded(bson.D{})
	}
	return doc
}

// keys reads the keys of an index: field, -field, or {field: kind}.
func (r reader) keys(n *schema.Node, kinds []string) bson.D {
	keys := bson.D{}
	for _, item := range r.list(n) {
		if item.IsMapping() {
			for key, value := range item.Entries() {
				if kind, ok := r.oneOf(value, "kind of key", kinds); ok {
					keys = append(keys, bson.E{Key: key.Text(), Value: kind})
				}
			}
			continue
		}
		path, descending := strings.CutPrefix(r.text(item), "-")
		if path == "id" {
			path = "_id"
		}
		direction := int32(1)
		if descending {
			direction = -1
		}
		keys = append(keys, bson.E{Key: path, Value: direction})
	}
	if len(keys) == 0 && n.IsList() {
		r.problems.Add(n, "must have at least one key")
	}
	return keys
}

// indexName gives an index the name that MongoDB's tools would, where it has
// none.
func (r reader) indexName(n *schema.Node, s *Step) {
	if s.Index == nil || s.IndexName() != "" {
		return
	}
	if !s.Index.Lookup("partialFilterExpression").IsZero() {
		r.problems.Add(n, "an index with where needs a name, since others can have the same keys")
	}
	key, _ := s.Index.Lookup("key").DocumentOK()
	var parts []string
	for _, e := range decode(orEmpty(key)) {
		parts = append(parts, fmt.Sprintf("%s_%v", e.Key, e.Value))
	}
	doc := decode(s.Index)
	doc = slices.Insert(doc, min(1, len(doc)), bson.E{Key: "name", Value: strings.Join(parts, "_")})
	s.Index = encoded(doc)
}

// filter reads which documents a change is for.
func (r reader) filter(n *schema.Node) bson.Raw {
	var faults fault.List
	tree := filter.Parse(n.JSON(), "", &faults)
	var bound *filter.Bound
	if tree != nil {
		bound = tree.Bind(filter.Untyped, &faults)
	}
	for _, item := range faults.Items {
		r.problems.Add(n.At(item.Pointer), "%s", item.Detail)
	}
	if bound == nil || bound.Empty() {
		return nil
	}
	return encoded(bound.BSON())
}

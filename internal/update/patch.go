package update

import (
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/nearest"
	"github.com/sheafdb/sheaf/internal/schema"
)

// Patch is a compiled JSON Patch (RFC 6902). It is never changed.
type Patch struct {
	operations []patchOperation
}

// patchOperation is one operation of a patch.
type patchOperation struct {
	verb       *patchVerb
	path, from []step
	value      bson.RawValue
	// index is the place among the operations, at where that is in what the client
	// sent.
	index int
	at    string
}

// patchVerb is a row of the table of operations.
type patchVerb struct {
	name string
	// value and from are set where the operation has such a member.
	value, from bool
	// writes and takes are set where what path, or from, leads to is changed.
	writes, takes bool
	run           func(p *patching, o *patchOperation) error
}

var (
	patchVerbs = map[string]*patchVerb{
		"add":     {name: "add", value: true, writes: true, run: (*patching).add},
		"remove":  {name: "remove", writes: true, run: (*patching).remove},
		"replace": {name: "replace", value: true, writes: true, run: (*patching).replace},
		"move":    {name: "move", from: true, writes: true, takes: true, run: (*patching).move},
		"copy":    {name: "copy", from: true, writes: true, run: (*patching).copy},
		"test":    {name: "test", value: true, run: (*patching).test},
	}
	patchVerbNames = []string{"add", "remove", "replace", "move", "copy", "test"}
)

// maxOperations is how many operations a patch has at most, and how many paths
// operators change.
const maxOperations = 1000

// CompilePatch reads a JSON Patch. Text that is no JSON is a MalformedJSON fault;
// all else that is wrong is noted in faults.
func CompilePatch(body []byte, c *schema.Collection, o Options, faults *fault.List) (*Patch, error) {
	elements, err := bsonjson.SplitArray(body)
	if err != nil {
		return nil, err
	}
	if len(elements) > maxOperations {
		faults.Add(o.Pointer, "items", "must hold at most %d operations", maxOperations)
		return &Patch{}, nil
	}
	k := patchCompiler{Options: o, collection: c, faults: faults}
	p := &Patch{operations: make([]patchOperation, len(elements))}
	for i, element := range elements {
		if p.operations[i], err = k.operation(element, o.Pointer+"/"+strconv.Itoa(i)); err != nil {
			return nil, err
		}
		p.operations[i].index = i
	}
	return p, nil
}

type patchCompiler struct {
	Options
	collection *schema.Collection
	faults     *fault.List
}

// operation reads one operation; members that are not its own mean nothing.
func (k *patchCompiler) operation(text []byte, at string) (o patchOperation, err error) {
	members, err := bsonjson.SplitObject(text)
	if fault.Is(err, fault.ValidationFailed) {
		k.faults.Add(at, "type", "must be an object with op and path")
		return o, nil
	}
	if err != nil {
		return o, err
	}
	given := make(map[string][]byte, len(members))
	for _, m := range members {
		given[m.Name] = m.Text
	}
	o.at = at
	if o.verb = k.verb(given["op"], at); o.verb == nil {
		return o, nil
	}
	var ok bool
	if o.path, ok = k.pointer(given, "path", at, o.verb.writes); !ok {
		return o, nil
	}
	if o.verb.from {
		if o.from, ok = k.pointer(given, "from", at, o.verb.takes); ok {
			k.moves(&o)
		}
	}
	if o.verb.value {
		o.value, err = k.value(given["value"], &o)
	}
	return o, err
}

func (k *patchCompiler) verb(text []byte, at string) *patchVerb {
	name, ok := jsonString(text)
	verb := patchVerbs[name]
	switch {
	case text == nil:
		k.faults.Add(at+"/op", "required", "is required")
	case !ok || verb == nil:
		k.faults.Add(at+"/op", "unknown-operator", "must be one of %s%s", strings.Join(patchVerbNames, ", "), nearest.Hint(name, patchVerbNames))
	}
	return verb
}

// jsonString reads a JSON string.
func jsonString(text []byte) (string, bool) {
	if len(text) == 0 || text[0] != '"' {
		return "", false
	}
	value, err := bsonjson.DecodeValue(text, &bsonjson.Shape{Kind: bsonjson.String}, bsonjson.Options{}, &fault.List{})
	if err != nil {
		return "", false
	}
	return value.StringValue(), true
}

// pointer reads path or from.
func (k *patchCompiler) pointer(given map[string][]byte, name, at string, changes bool) ([]step, bool) {
	at += "/" + name
	text, ok := jsonString(given[name])
	switch {
	case given[name] == nil:
		k.faults.Add(at, "required", "is required")
		return nil, false
	case !ok:
		k.faults.Add(at, "type", "must be a string that holds a JSON pointer")
		return nil, false
	}
	names, ok := splitPointer(text)
	if !ok {
		k.faults.Add(at, "format", `must be a JSON pointer (RFC 6901): empty, or steps that begin with "/", with ~0 for "~" and ~1 for "/"`)
		return nil, false
	}
	return k.resolve(names, at, changes)
}

// splitPointer takes a JSON pointer apart.
func splitPointer(text string) (names []string, ok bool) {
	if text == "" {
		return nil, true
	}
	names = strings.Split(text, "/")
	for i, name := range names {
		plain := strings.ReplaceAll(strings.ReplaceAll(name, "~1", "/"), "~0", "~")
		if strings.Count(name, "~") != strings.Count(name, "~0")+strings.Count(name, "~1") {
			return nil, false
		}
		names[i] = plain
	}
	return names[1:], names[0] == ""
}

// resolve finds what the steps lead to.
func (k *patchCompiler) resolve(names []string, at string, changes bool) ([]step, bool) {
	if len(names) > maxSteps {
		k.faults.Add(at, "depth", "lies more than %d levels deep", maxSteps)
		return nil, false
	}
	steps, place := make([]step, len(names)), k.collection.Document()
	for i, name := range names {
		s := newStep(name)
		next, reason := followPointer(place, s)
		if reason != "" {
			k.faults.Add(at, "unknown-field", "%s %s", pointer(append(steps[:i:i], s)), reason)
			return nil, false
		}
		if changes && next.System() != bsonjson.NotSystem {
			k.faults.Add(at, "read-only", "is kept by the service, and cannot be changed")
			return nil, false
		}
		s.place, place = next, next
		steps[i] = s
	}
	return steps, true
}

func followPointer(place schema.Place, s step) (schema.Place, string) {
	if place.Shape().Kind != bsonjson.Array {
		next, err := place.Member(s.name)
		if err != nil {
			return next, err.Error()
		}
		return next, ""
	}
	if !s.isIndex && s.name != appendStep {
		return schema.Place{}, `does not exist: the items of an array are named by their index, from 0, or "-" behind the last`
	}
	return place.Item(), ""
}

// appendStep is the place behind the last item of an array.
const appendStep = "-"

// moves refuses to put a value into itself.
func (k *patchCompiler) moves(o *patchOperation) {
	if o.verb.takes && len(o.from) < len(o.path) && sameSteps(o.from, o.path[:len(o.from)]) {
		k.faults.Add(o.at+"/path", "conflict", "lies within what is moved")
	}
}

func sameSteps(a, b []step) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].name != b[i].name {
			return false
		}
	}
	return true
}

// value types the value of an operation by what its path leads to.
func (k *patchCompiler) value(text []byte, o *patchOperation) (bson.RawValue, error) {
	at := o.at + "/value"
	if text == nil {
		k.faults.Add(at, "required", "is required")
		return bson.RawValue{}, nil
	}
	if !o.verb.writes && string(text) == "null" {
		return bson.RawValue{Type: bson.TypeNull}, nil
	}
	options := k.values(at)
	options.Defaults = o.verb.writes
	if len(o.path) == 0 {
		return k.whole(text, options, o.verb.writes)
	}
	return bsonjson.DecodeValue(text, o.path[len(o.path)-1].place.Shape(), options, k.faults)
}

// whole types a value that stands for the whole document. One that is to be
// stored has no system fields.
func (k *patchCompiler) whole(text []byte, options bsonjson.Options, writes bool) (bson.RawValue, error) {
	decoded, err := bsonjson.Decode(text, k.collection.Fields, options, k.faults)
	if fault.Is(err, fault.ValidationFailed) {
		k.faults.Items = append(k.faults.Items, fault.From(err).Items...)
		return bson.RawValue{}, nil
	}
	if err != nil {
		return bson.RawValue{}, err
	}
	b := bsonjson.NewBuilder(len(text)).AppendAll(decoded.Body, nil)
	for _, field := range k.collection.Fields.All() {
		value := decoded.System[field.System]
		if field.System == bsonjson.NotSystem || value.IsZero() {
			continue
		}
		if writes {
			k.faults.Add(options.Pointer+"/"+field.Name, "read-only", "is kept by the service; leave it out")
		}
		b.Append(field.Name, value)
	}
	return bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: b.Document()}, nil
}

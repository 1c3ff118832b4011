package schema

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/nearest"
)

// template is a value of a pipeline in which arguments take the place of
// parameters. An argument is only ever a value: in an expression it stands in
// $literal, so that text which begins with $ is no path.
type template struct {
	// name is the member's, within an object.
	name string
	kind templateKind
	// value is a fixed one, with what lies within it.
	value bson.RawValue
	// param is the place of a parameter.
	param int
	// inner are the members or the items.
	inner []template
}

type templateKind uint8

const (
	fixedTemplate   templateKind = iota
	paramTemplate                // the argument
	literalTemplate              // {$literal: the argument}
	objectTemplate
	arrayTemplate
)

// append writes the value as a member. Where the parameter has no argument it
// writes nothing, and neither an object or array that this leaves empty.
func (t *template) append(dst []byte, name string, args []bson.RawValue) ([]byte, bool) {
	switch t.kind {
	case fixedTemplate:
		return appendMember(dst, name, t.value), true
	case paramTemplate:
		if args[t.param].IsZero() {
			return dst, false
		}
		return appendMember(dst, name, args[t.param]), true
	case literalTemplate:
		at, dst := bsoncore.AppendDocumentElementStart(dst, name)
		dst = appendMember(dst, "$literal", args[t.param])
		dst, _ = bsoncore.AppendDocumentEnd(dst, at)
		return dst, true
	}
	kind := bsoncore.TypeEmbeddedDocument
	if t.kind == arrayTemplate {
		kind = bsoncore.TypeArray
	}
	before := len(dst)
	dst, count := t.appendInner(bsoncore.AppendHeader(dst, kind, name), args)
	if count == 0 && len(t.inner) > 0 {
		return dst[:before], false
	}
	return dst, true
}

// appendInner writes a document of the members or items, and counts them.
func (t *template) appendInner(dst []byte, args []bson.RawValue) ([]byte, int) {
	at, dst := bsoncore.ReserveLength(dst)
	count := 0
	for i := range t.inner {
		name := t.inner[i].name
		if t.kind == arrayTemplate {
			name = strconv.Itoa(count)
		}
		var written bool
		if dst, written = t.inner[i].append(dst, name, args); written {
			count++
		}
	}
	dst = append(dst, 0)
	return bsoncore.UpdateLength(dst, at, int32(len(dst))-at), count
}

func appendMember(dst []byte, name string, value bson.RawValue) []byte {
	return append(bsoncore.AppendHeader(dst, bsoncore.Type(value.Type), name), value.Value...)
}

// stage writes a stage of the pipeline: an object with one member. A stage that
// loses all of its conditions stays, as one that admits everything.
func (t *template) stage(args []bson.RawValue) bson.Raw {
	at, dst := bsoncore.AppendDocumentStart(nil)
	stage := &t.inner[0]
	dst, written := stage.append(dst, stage.name, args)
	if !written {
		dst = bsoncore.AppendDocumentElement(dst, stage.name, bsoncore.NewDocumentBuilder().Build())
	}
	dst, _ = bsoncore.AppendDocumentEnd(dst, at)
	return bson.Raw(dst)
}

// Bind reads the arguments from the values of a query and returns the pipeline
// with them in place, and whether there were any. Several values of an array are
// separated by commas, or come in several parameters of the name. The error is
// an InvalidParameter fault with every fault of every argument.
func (a *Aggregate) Bind(values url.Values) (pipeline []bson.Raw, err error) {
	var faults fault.List
	for _, name := range sortedNames(values) {
		if _, ok := a.params.shape.Fields.Lookup([]byte(name)); !ok {
			faults.Add(name, "unknown-parameter", "is not a parameter of this aggregate%s", nearest.Hint(name, a.params.shape.Fields.Names()))
		}
	}
	args := make([]bson.RawValue, len(a.params.members))
	given := template{kind: objectTemplate}
	for i, r := range a.params.members {
		args[i] = argument(r, values[r.name], &faults)
		if !args[i].IsZero() {
			given.inner = append(given.inner, template{name: r.name, value: args[i]})
		}
	}
	doc, _ := given.appendInner(nil, nil)
	var broken fault.List
	check := checker{faults: &broken}
	check.object(a.params, doc, false)
	for _, item := range broken.Items {
		if name := parameterOf(item.Pointer); !faults.Has(name) {
			faults.Add(name, item.Code, "%s", item.Detail)
		}
	}
	if err := faults.Err(fault.InvalidParameter, "the parameters of the aggregate are not valid"); err != nil {
		return nil, err
	}
	for i := range a.stages {
		pipeline = append(pipeline, a.stages[i].stage(args))
	}
	return pipeline, nil
}

// parameterOf returns the name that a JSON pointer begins with.
func parameterOf(pointer string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(pointer, "/"), "/")
	return name
}

func sortedNames(values url.Values) []string {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// argument returns the value of a parameter: what is given, or its default. It
// is zero where there is neither.
func argument(r *rules, texts []string, faults *fault.List) bson.RawValue {
	switch {
	case len(texts) == 0:
		return initialValue(r)
	case r.typ == typeArray:
		return arrayArgument(r, texts, faults)
	case len(texts) > 1:
		faults.Add(r.name, "repeated", "is given %d times; give it once", len(texts))
		return bson.RawValue{}
	}
	value, err := bsonjson.ParseText(texts[0], r.shape)
	if err != nil {
		faults.Add(r.name, "type", "%s", err)
	}
	return value
}

func initialValue(r *rules) bson.RawValue {
	if r.initial == nil {
		return bson.RawValue{}
	}
	return r.initial.Make(r.shape, time.Now())
}

// maxItems bounds the values of an array.
const maxItems = 1000

func arrayArgument(r *rules, texts []string, faults *fault.List) bson.RawValue {
	items := template{kind: arrayTemplate}
	for _, text := range strings.Split(strings.Join(texts, ","), ",") {
		if len(items.inner) == maxItems {
			faults.Add(r.name, "max_items", "has more than %d values", maxItems)
			return bson.RawValue{}
		}
		value, err := bsonjson.ParseText(text, r.items.shape)
		if err != nil {
			faults.Add(r.name, "type", "%s: each value %s", strconv.Quote(shorten(text)), err)
			return bson.RawValue{}
		}
		items.inner = append(items.inner, template{value: value})
	}
	data, _ := items.appendInner(nil, nil)
	return bson.RawValue{Type: bson.TypeArray, Value: data}
}

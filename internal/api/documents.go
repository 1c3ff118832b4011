package api

import (
	"bytes"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/query"
	"github.com/sheafdb/sheaf/internal/schema"
)

// target is the document that a path names.
type target struct {
	collection *schema.Collection
	id         bson.RawValue
	// shard has the conditions on the shard key that the query names.
	shard bson.Raw
}

// collection returns the collection that the path names.
func (x *exchange) collection() (*schema.Collection, error) {
	name := x.param("collection")
	if c, ok := x.known().Lookup(name); ok {
		return c, nil
	}
	hint := ""
	if near := x.model.Nearest(name); near != "" {
		hint = "; did you mean " + strconv.Quote(near) + "?"
	}
	return nil, fault.New(fault.UnknownCollection, "no collection is called %s%s", strconv.Quote(name), hint)
}

// target reads which document is meant, on a route without parameters but those
// of the shard key.
func (x *exchange) target() (target, error) {
	t, err := x.document()
	if err != nil {
		return t, err
	}
	t.shard, err = x.shard(t.collection)
	return t, err
}

// document reads which document the path names.
func (x *exchange) document() (target, error) {
	c, err := x.collection()
	if err != nil {
		return target{}, err
	}
	id, err := c.ParseID(x.param("id"))
	if err != nil {
		return target{}, fault.New(fault.InvalidParameter, "the id in the path is not valid").WithItems(
			fault.Item{Pointer: "id", Code: "format", Detail: err.Error()})
	}
	return target{c, id, nil}, nil
}

// conditional reads what the routes of one document have in common: which, in
// what form, and under what condition.
func (x *exchange) conditional() (t target, f form, p engine.Precondition, err error) {
	if t, err = x.target(); err != nil {
		return t, f, p, err
	}
	f, p, err = x.condition()
	return t, f, p, err
}

// condition reads in what form and under what condition a document is wanted.
func (x *exchange) condition() (f form, p engine.Precondition, err error) {
	if f, err = x.form(); err != nil {
		return f, p, err
	}
	p, err = preconditions(x.request.Header)
	return f, p, err
}

// noParameters refuses a query: one that is not known would do nothing.
func (x *exchange) noParameters() error {
	values, err := x.query()
	if err != nil {
		return err
	}
	var faults fault.List
	for name := range values {
		faults.Add(name, "unknown-parameter", "this route takes no parameters")
	}
	return faults.Err(fault.InvalidParameter, "the parameters are not valid")
}

// query parses the query strictly: net/http's own accessor drops what it cannot
// read.
func (x *exchange) query() (url.Values, error) {
	if x.request.URL.RawQuery == "" {
		return nil, nil
	}
	values, err := url.ParseQuery(x.request.URL.RawQuery)
	if err != nil {
		return nil, fault.New(fault.InvalidParameter, "the query of the URL is not well formed: percent signs and semicolons need escapes")
	}
	return values, nil
}

// maxArray is how many documents one POST creates at most.
const maxArray = 1000

func createDocuments(x *exchange) error {
	c, err := x.collection()
	if err != nil {
		return err
	}
	if err := x.noParameters(); err != nil {
		return err
	}
	form, err := x.form()
	if err != nil {
		return err
	}
	body, media, release, err := x.readBody(mediaJSON, mediaExtended)
	if err != nil {
		return err
	}
	defer release()
	write := engine.Write{Verb: engine.Create, Collection: c, Body: body, Extended: media == mediaExtended}
	if trimmed := bytes.TrimLeft(body, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '[' {
		return x.createArray(write, form)
	}
	result, err := x.apply(write)
	if err != nil {
		return err
	}
	return x.sendDocument(result[0], http.StatusCreated, form)
}

// createArray creates all documents of an array, or none.
func (x *exchange) createArray(write engine.Write, form form) error {
	elements, err := bsonjson.SplitArray(write.Body)
	if err != nil {
		return err
	}
	if n := len(elements); n == 0 || n > maxArray {
		return fault.New(fault.ValidationFailed, "an array must hold 1 to %d documents, and this one holds %d", maxArray, n).WithItems(
			fault.Item{Pointer: "", Code: "items", Detail: "must hold 1 to " + strconv.Itoa(maxArray) + " documents"})
	}
	writes := make([]engine.Write, len(elements))
	for i, element := range elements {
		writes[i] = write
		writes[i].Body, writes[i].Pointer = element, "/"+strconv.Itoa(i)
		writes[i].Place = writes[i].Pointer
	}
	results, err := x.apply(writes...)
	if err != nil {
		return err
	}
	if form.minimal || slices.ContainsFunc(results, func(r engine.Result) bool { return r.Withheld }) {
		return x.sendEmpty(http.StatusCreated)
	}
	return x.send(http.StatusCreated, form, func(dst []byte) []byte {
		dst = append(dst, `{"data":[`...)
		for i, result := range results {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = form.append(dst, result.Document)
		}
		return append(dst, "]}"...)
	})
}

// apply runs the engine as a stage of the answer.
func (x *exchange) apply(writes ...engine.Write) (results []engine.Result, err error) {
	err = x.timed("engine", func() error {
		results, err = x.service.engine.Apply(x.request.Context(), writes...)
		return err
	})
	if err == nil {
		x.noteWrites(writes, results)
	}
	return results, err
}

func getDocument(x *exchange) error {
	t, plan, err := x.readPlan()
	if err != nil {
		return err
	}
	form, precondition, err := x.condition()
	if err != nil {
		return err
	}
	var doc bson.Raw
	err = x.timed("engine", func() error {
		doc, err = x.service.engine.Read(x.request.Context(), plan, t.id, t.shard, precondition)
		return err
	})
	if err != nil {
		return err
	}
	version := engine.Version(doc)
	header := x.Header()
	x.set("Etag", etag(version))
	header["Cache-Control"] = noCache
	// The version tells nothing of what is included.
	if len(plan.Includes) == 0 && precondition.NoneMatch.Has(version) {
		header["Vary"] = varyAccept
		x.WriteHeader(http.StatusNotModified)
		return nil
	}
	return x.send(http.StatusOK, form, func(dst []byte) []byte { return form.append(dst, doc) })
}

// readPlan reads which document is wanted, and what with it.
func (x *exchange) readPlan() (t target, plan *query.Plan, err error) {
	if t, err = x.document(); err != nil {
		return t, nil, err
	}
	values, err := x.query()
	if err != nil {
		return t, nil, err
	}
	var faults fault.List
	if t.shard = takeShard(t.collection, values, &faults); len(faults.Items) > 0 {
		return t, nil, faults.Err(fault.InvalidParameter, "the parameters are not valid")
	}
	plan, err = query.ParseDocument(values, x.service.options.Limits).Plan(t.collection)
	return t, plan, err
}

// noCache lets a client keep an answer, and has it ask whether that still holds.
var noCache = []string{"private, no-cache"}

var replacements = map[string]engine.Verb{mediaJSON: engine.Replace, mediaExtended: engine.Replace}

func replaceDocument(x *exchange) error {
	return x.changeDocument(replacements, jsonForms)
}

// patchForms are the media types of changes, and patches tells what each does.
var (
	patchForms = []string{mediaMergePatch, mediaJSON, mediaJSONPatch, mediaUpdate}
	patches    = map[string]engine.Verb{
		mediaMergePatch: engine.Merge, mediaJSON: engine.Merge, mediaJSONPatch: engine.JSONPatch, mediaUpdate: engine.Update,
	}
)

func patchDocument(x *exchange) error { return x.changeDocument(patches, patchForms) }

// changeDocument carries out what the media type of the body stands for.
func (x *exchange) changeDocument(verbs map[string]engine.Verb, takes []string) error {
	t, form, precondition, err := x.conditional()
	if err != nil {
		return err
	}
	body, media, release, err := x.readBody(takes...)
	if err != nil {
		return err
	}
	defer release()
	results, err := x.apply(engine.Write{
		Verb: verbs[media], Collection: t.collection, ID: t.id, Shard: t.shard, Body: body, Extended: media == mediaExtended, Precondition: precondition, Minimal: form.minimal,
	})
	if err != nil {
		return err
	}
	status := http.StatusOK
	if results[0].Created {
		status = http.StatusCreated
	}
	return x.sendDocument(results[0], status, form)
}

func deleteDocument(x *exchange) error {
	t, err := x.document()
	if err != nil {
		return err
	}
	values, err := x.query()
	if err != nil {
		return err
	}
	var faults fault.List
	purge := takePurge(t.collection, values, &faults)
	if t.shard, err = shardOf(t.collection, values, &faults); err != nil {
		return err
	}
	precondition, err := preconditions(x.request.Header)
	if err != nil {
		return err
	}
	if _, err := x.apply(engine.Write{Verb: engine.Delete, Collection: t.collection, ID: t.id, Shard: t.shard, Precondition: precondition, Purge: purge}); err != nil {
		return err
	}
	x.setServerTiming()
	x.WriteHeader(http.StatusNoContent)
	return nil
}

// sendDocument answers a write of one document.
func (x *exchange) sendDocument(result engine.Result, status int, form form) error {
	x.set("Etag", etag(engine.Version(result.Document)))
	if result.Created {
		x.set("Location", x.location(result.Document))
	}
	if !form.minimal && !result.Withheld {
		return x.send(status, form, func(dst []byte) []byte { return form.append(dst, result.Document) })
	}
	if !result.Created {
		status = http.StatusNoContent
	}
	return x.sendEmpty(status)
}

// location returns the path of a new document.
func (x *exchange) location(doc bson.Raw) string {
	return "/v1/" + url.PathEscape(x.param("collection")) + "/" + url.PathEscape(idText(doc.Lookup("_id")))
}

// idText writes an id as paths have it.
func idText(id bson.RawValue) string {
	if text, ok := id.StringValueOK(); ok {
		return text
	}
	return string(bytes.Trim(bsonjson.AppendValue(nil, id), `"`))
}

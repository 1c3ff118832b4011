package api

import (
	"net/http"
	"net/url"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/nearest"
	"github.com/sheafdb/sheaf/internal/openapi"
	"github.com/sheafdb/sheaf/internal/schema"
)

// parameters reads the query of a route that takes some parameters, each once.
func (x *exchange) parameters(names ...string) (url.Values, error) {
	values, err := x.query()
	if err != nil {
		return nil, err
	}
	var faults fault.List
	known := url.Values{}
	for _, name := range names {
		if given, ok := values[name]; ok {
			known[name] = given
			delete(values, name)
			if len(given) > 1 {
				faults.Add(name, "repeated", "is given %d times; give it once", len(given))
			}
		}
	}
	for name := range values {
		faults.Add(name, "unknown-parameter", "is not a parameter of this route%s", nearest.Hint(name, names))
	}
	return known, faults.Err(fault.InvalidParameter, badParameters)
}

const badParameters = "the parameters are not valid"

// number reads a parameter that is a whole number of at least 1, 0 where it is not
// given.
func number(values url.Values, name string, most int64) (int64, error) {
	if !values.Has(name) {
		return 0, nil
	}
	n, err := strconv.ParseInt(values.Get(name), 10, 64)
	if err != nil || n < 1 || n > most {
		return 0, fault.New(fault.InvalidParameter, badParameters).WithItems(fault.Item{
			Pointer: name, Code: "range", Detail: "must be a whole number from 1 to " + strconv.FormatInt(most, 10)})
	}
	return n, nil
}

// mostVersion is the greatest version that a parameter may name.
const mostVersion = 1<<53 - 1

// historic returns the document of a path within a collection that keeps a history.
func (x *exchange) historic() (target, form, error) {
	t, err := x.document()
	if err != nil {
		return t, form{}, err
	}
	if t.collection.History == nil {
		return t, form{}, fault.New(fault.UnknownRoute, "%s keeps no history: its schema does not say history: true", t.collection.Name)
	}
	f, err := x.form()
	return t, f, err
}

// documentHistory answers the versions of a document, the newest first.
func documentHistory(x *exchange) error {
	t, form, err := x.historic()
	if err != nil {
		return err
	}
	values, err := x.parameters("limit", "after")
	if err != nil {
		return err
	}
	limits := x.service.options.Limits
	limit, err := number(values, "limit", int64(limits.MaxLimit))
	if err != nil {
		return err
	}
	if limit == 0 {
		limit = int64(limits.DefaultLimit)
	}
	below, err := number(values, "after", mostVersion)
	if err != nil {
		return fault.New(fault.InvalidParameter, badParameters).WithItems(fault.Item{
			Pointer: "after", Code: "cursor", Detail: "is not a cursor of a history"})
	}
	var entries []engine.HistoryEntry
	more := false
	err = x.timed("engine", func() error {
		entries, more, err = x.service.engine.History(x.request.Context(), t.collection, t.id, below, int(limit))
		return err
	})
	if err != nil {
		return err
	}
	return x.sendHistory(entries, more, form)
}

// sendHistory answers {"data":[…],"page":{"next":"…"}}. The cursor of the next page
// is the last version of this one.
func (x *exchange) sendHistory(entries []engine.HistoryEntry, more bool, f form) error {
	next := ""
	header := x.Header()
	header["Cache-Control"] = noCache
	if more && len(entries) > 0 {
		next = strconv.FormatInt(entries[len(entries)-1].Version, 10)
		values := x.request.URL.Query()
		values.Set("after", next)
		header.Add("Link", "<"+x.request.URL.EscapedPath()+"?"+values.Encode()+`>; rel="next"`)
	}
	docs := make([]bson.Raw, len(entries))
	for i, entry := range entries {
		docs[i] = historyDocument(entry)
	}
	return x.stream(http.StatusOK, f, func(s *stream) {
		s.documents(docs)
		s.buffer = append(s.buffer, `,"page":{`...)
		if next != "" {
			s.buffer = strconv.AppendQuote(append(s.buffer, `"next":`...), next)
		}
		s.buffer = append(s.buffer, "}}"...)
	})
}

// documentVersion answers one version of a document.
func documentVersion(x *exchange) error {
	t, form, err := x.historic()
	if err != nil {
		return err
	}
	if err := x.noParameters(); err != nil {
		return err
	}
	version, err := number(url.Values{"version": {x.param("version")}}, "version", mostVersion)
	if err != nil {
		return err
	}
	var entry engine.HistoryEntry
	err = x.timed("engine", func() error {
		entry, err = x.service.engine.HistoryVersion(x.request.Context(), t.collection, t.id, version)
		return err
	})
	if err != nil {
		return err
	}
	x.Header()["Cache-Control"] = noCache
	return x.send(http.StatusOK, form, func(dst []byte) []byte { return form.append(dst, historyDocument(entry)) })
}

// historyDocument is an entry as clients see it.
func historyDocument(entry engine.HistoryEntry) bson.Raw {
	b := bsonjson.NewBuilder(len(entry.Document)+128).
		Append("version", bsonjson.IntValue(entry.Version)).
		Append("at", entry.At).
		Append("operation", bsonjson.StringValue(entry.Operation))
	if entry.Caller != "" {
		b.Append("caller", bsonjson.StringValue(entry.Caller))
	}
	return b.Append("document", bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: engine.WithPlainID(entry.Document)}).Document()
}

// restoreDocument brings back a deleted document, or a former version.
func restoreDocument(x *exchange) error {
	t, err := x.document()
	if err != nil {
		return err
	}
	if !t.collection.Keeps() {
		return fault.New(fault.UnknownRoute, "%s keeps nothing to restore: its schema says neither soft_delete nor history", t.collection.Name)
	}
	names := []string{}
	if t.collection.History != nil {
		names = append(names, "version")
	}
	values, err := x.parameters(names...)
	if err != nil {
		return err
	}
	version, err := number(values, "version", mostVersion)
	if err != nil {
		return err
	}
	form, precondition, err := x.condition()
	if err != nil {
		return err
	}
	results, err := x.apply(engine.Write{Verb: engine.Restore, Collection: t.collection, ID: t.id, Revision: version, Precondition: precondition, Minimal: form.minimal})
	if err != nil {
		return err
	}
	return x.sendDocument(results[0], http.StatusOK, form)
}

// takePurge takes the parameter that has a delete remove for good out of the
// others, where the collection keeps what is deleted.
func takePurge(c *schema.Collection, values url.Values, faults *fault.List) bool {
	given, ok := values["purge"]
	if !ok || !c.Keeps() {
		return false
	}
	delete(values, "purge")
	if len(given) > 1 || given[0] != "true" && given[0] != "false" {
		faults.Add("purge", "type", "must be true or false")
	}
	return given[0] == "true"
}

var purge = openapi.Parameter{Name: "purge", In: "query", Of: openapi.Keeping, Schema: schema.JSON{{Name: "type", Value: "boolean"}},
	Description: "true removes for good, what is deleted already too, and the history with it."}

func historyRoutes() []route {
	const document = "/v1/{collection}/{id}"
	reads := []fault.Code{fault.InvalidParameter, fault.Forbidden, fault.UnknownCollection, fault.NotFound, fault.NotAcceptable, fault.DatabaseUnavailable, fault.Timeout}
	limit := openapi.Parameter{Name: "limit", In: "query", Description: "The most versions in the page.", Schema: schema.JSON{{Name: "type", Value: "integer"}, {Name: "minimum", Value: 1}}}
	version := openapi.Parameter{Name: "version", In: "query", Of: openapi.Historic, Description: "The version to bring back; without it the document as it was when it was deleted.",
		Schema: schema.JSON{{Name: "type", Value: "integer"}, {Name: "minimum", Value: 1}}}
	return []route{
		{openapi.Route{
			Method: http.MethodGet, Path: document + "/_history", ID: "history", Access: openapi.Reads, Of: openapi.Historic, Summary: "List the versions of a document",
			Description: "The newest first, each with the document as it was then; a removal has the last state. Those of a document that is gone are there too.",
			Parameters:  []openapi.Parameter{limit, queryParameter("after", "string", "The cursor that page.next of the page before gave.")},
			Responses: []openapi.Response{{Status: 200, Description: "A page.", Headers: []string{"Link", "Server-Timing", "Cache-Control", "Vary"},
				Content: openapi.Content{Media: jsonForms, Body: openapi.HistoryBody}}},
			Problems: reads,
		}, documentHistory},
		{openapi.Route{
			Method: http.MethodGet, Path: document + "/_history/{version}", ID: "historyVersion", Access: openapi.Reads, Of: openapi.Historic, Summary: "Read a version of a document",
			Responses: []openapi.Response{{Status: 200, Description: "The version.", Headers: []string{"Server-Timing", "Cache-Control", "Vary"},
				Content: openapi.Content{Media: jsonForms, Body: openapi.VersionBody}}},
			Problems: reads,
		}, documentVersion},
		{openapi.Route{
			Method: http.MethodPost, Path: document + "/_restore", ID: "restore", Access: openapi.Writes, Of: openapi.Keeping, Summary: "Bring back a deleted document, or a former version",
			Description: "What is restored becomes the next version, and is held against the schema and its references as every write is.",
			Parameters:  []openapi.Parameter{version, ifMatch, prefer},
			Responses: []openapi.Response{
				{Status: 200, Description: "The document as it is now.", Headers: append([]string{"Vary"}, writeHeader...), Content: openapi.Content{Media: jsonForms, Body: openapi.DocumentBody}},
				{Status: 204, Description: "Restored; Prefer asked for no document.", Headers: writeHeader},
			},
			Problems: append([]fault.Code{fault.DuplicateKey, fault.ReferenceViolation, fault.WriteConflict, fault.VersionConflict, fault.ValidationFailed}, reads...),
		}, restoreDocument},
	}
}

package api

import (
	"net/http"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/openapi"
	"github.com/sheafdb/sheaf/internal/query"
)

const mediaLines = "application/x-ndjson"

// lineForms are the media types of an export: one document a line in both.
var lineForms = []string{mediaLines, mediaExtended}

// exportPatience is how long an export waits for a database that cannot be
// reached, with its client waiting for more.
const exportPatience = 10 * time.Second

// exportDocuments answers all documents that match, one a line. An error after
// the first of them breaks the connection off.
func exportDocuments(x *exchange) error {
	c, err := x.collection()
	if err != nil {
		return err
	}
	values, err := x.query()
	if err != nil {
		return err
	}
	plan, err := query.ParseExport(values, x.service.options.Limits).Plan(c)
	if err != nil {
		return err
	}
	media, err := acceptedLines(x.request.Header)
	if err != nil {
		return err
	}
	t, err := x.transfer()
	if err != nil {
		return err
	}
	defer t.close()
	header := x.Header()
	header["Content-Type"], header["Vary"], header["Cache-Control"] = []string{media}, varyAccept, noCache
	if x.request.Method == http.MethodHead {
		x.WriteHeader(http.StatusOK)
		return nil
	}
	return t.export(&engine.Export{Plan: plan, Patience: exportPatience}, media)
}

// export sends the documents as they come: while the client does not take them,
// no more are read.
func (t *transfer) export(export *engine.Export, media string) error {
	encode := bsonjson.AppendDocument
	if media == mediaExtended {
		encode = bsonjson.AppendExtended
	}
	buffer := buffers.Get().(*[]byte)
	defer putBuffer(buffer)
	lines := (*buffer)[:0]
	err := t.exchange.service.engine.Export(t.ctx, export, func(docs []bson.Raw) error {
		for _, doc := range docs {
			if lines = append(encode(lines, doc), '\n'); len(lines) < streamChunk {
				continue
			}
			if _, err := t.Write(lines); err != nil {
				return err
			}
			lines = lines[:0]
		}
		return nil
	})
	*buffer = lines
	if err != nil {
		return err
	}
	if t.exchange.status == 0 {
		t.exchange.Header()["Content-Length"] = []string{strconv.Itoa(len(lines))}
	}
	_, _ = t.Write(lines) // a client that is gone needs no answer
	return nil
}

// acceptedLines picks the form of an export out of Accept. A client that takes
// JSON gets lines of it.
func acceptedLines(h http.Header) (media string, err error) {
	values := h["Accept"]
	if len(values) == 0 {
		return mediaLines, nil
	}
	plain, ejson := max(quality(values, mediaLines), quality(values, mediaJSON)), quality(values, mediaExtended)
	switch {
	case plain <= 0 && ejson <= 0:
		return "", fault.New(fault.NotAcceptable, "this route answers %s or %s", mediaLines, mediaExtended)
	case ejson > plain:
		return mediaExtended, nil
	}
	return mediaLines, nil
}

func transferRoutes() []route {
	const collection = "/v1/{collection}"
	return []route{
		{openapi.Route{
			Method: http.MethodGet, Path: collection + "/_export", ID: "export", Summary: "All documents, one a line",
			Description: "What the filter admits, in the order of ids, as it is at one moment for as long as MongoDB keeps that (5 minutes by default). An answer that breaks off is not whole: the connection is closed before the end of the body. It can be gone on with by a filter for greater ids than that of the last whole line. Parameters that are not listed are conditions: status=active.",
			Parameters: []openapi.Parameter{
				queryParameter("filter", "string", "Conditions in MongoDB's syntax, as JSON."),
				queryParameter("select", "string", "Fields that come back, separated by commas; each with - before it for all but those."),
				deleted,
			},
			Responses: []openapi.Response{{Status: 200, Description: "Documents, one a line; each is described.", Headers: []string{"Cache-Control", "Vary"},
				Content: openapi.Content{Media: lineForms, Body: openapi.SelectedBody}}},
			Problems: []fault.Code{fault.InvalidParameter, fault.Forbidden, fault.UnknownCollection, fault.NotAcceptable, fault.DatabaseUnavailable},
		}, exportDocuments},
		{openapi.Route{
			Method: http.MethodPost, Path: collection + "/_import", ID: "import", Summary: "Store many documents",
			Description: "Documents one a line, as a JSON array or in a row, plain or as Extended JSON. Each is stored or refused by itself, those with the same id in their order. The answer begins before the body ends, and has a line a document and a last one with the counts; without that the import was cut off, and can be sent again: nothing is stored twice. A client that sends its whole body before it reads asks for results=refused. System fields that come with a document are kept.",
			Parameters: []openapi.Parameter{
				{Name: "mode", In: "query", Description: "What becomes of a document that is there already: create leaves it, and refuses another content; upsert replaces it; merge changes it by a merge patch.",
					Schema: enumSchema("create", "upsert", "merge")},
				{Name: "results", In: "query", Description: "Which documents have a line in the answer.", Schema: enumSchema("all", "refused")},
			},
			Request: &openapi.Request{Content: openapi.Content{Media: importForms, Body: openapi.ImportBody}},
			Responses: []openapi.Response{{Status: 200, Description: "What became of the documents, one a line in their order; then the counts.",
				Content: openapi.Content{Media: []string{mediaLines}, Body: openapi.ImportedBody}}},
			Problems: []fault.Code{fault.MalformedJSON, fault.InvalidParameter, fault.Forbidden, fault.UnknownCollection, fault.PayloadTooLarge, fault.UnsupportedMediaType, fault.DatabaseUnavailable, fault.WriteConflict},
		}, importDocuments},
	}
}

package api

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/openapi"
	"github.com/sheafdb/sheaf/internal/query"
)

// maxAffected is how many documents one request changes or deletes by a filter,
// where Prefer does not ask for less, and at most.
const maxAffected = 1000

// selection reads which documents are meant.
func (x *exchange) selection(deletes bool) (s engine.Selection, err error) {
	c, err := x.collection()
	if err != nil {
		return s, err
	}
	values, err := x.query()
	if err != nil {
		return s, err
	}
	var faults fault.List
	if deletes {
		s.Purge = takePurge(c, values, &faults)
	}
	if err := faults.Err(fault.InvalidParameter, badParameters); err != nil {
		return s, err
	}
	request := query.ParseSelection(values, x.service.options.Limits)
	if s.Purge && c.SoftDelete != nil {
		request.Deleted = query.WithDeleted
	}
	if s.Plan, err = request.Plan(c); err != nil {
		return s, err
	}
	s.Most, err = x.mostAffected()
	return s, err
}

// mostAffected reads Prefer: max-affected=N.
func (x *exchange) mostAffected() (int, error) {
	text, given := preference(x.request.Header, "max-affected")
	if !given {
		return maxAffected, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxAffected {
		return 0, fault.New(fault.InvalidParameter, "the header Prefer is not valid").WithItems(
			fault.Item{Pointer: "Prefer", Code: "range", Detail: "max-affected must be a whole number from 1 to " + strconv.Itoa(maxAffected)})
	}
	x.Header()["Preference-Applied"] = []string{"max-affected=" + text}
	return n, nil
}

// patchDocuments changes all documents that match, or none.
func patchDocuments(x *exchange) error {
	s, err := x.selection(false)
	if err != nil {
		return err
	}
	body, media, release, err := x.readBody(patchForms...)
	if err != nil {
		return err
	}
	defer release()
	var changed engine.Changed
	err = x.timed("engine", func() error {
		changed, err = x.service.engine.ChangeAll(x.request.Context(), s, engine.Write{Verb: patches[media], Collection: s.Plan.Collection, Body: body})
		return err
	})
	if err != nil {
		return err
	}
	x.noteWrite(patches[media].String(), s.Plan.Collection.Name, changed.Modified)
	return x.sendCounts([]byte(`{"matched":` + strconv.Itoa(changed.Matched) + `,"modified":` + strconv.Itoa(changed.Modified) + `}`))
}

// deleteDocuments deletes all documents that match, or none.
func deleteDocuments(x *exchange) error {
	s, err := x.selection(true)
	if err != nil {
		return err
	}
	deleted := 0
	err = x.timed("engine", func() error {
		deleted, err = x.service.engine.DeleteAll(x.request.Context(), s)
		return err
	})
	if err != nil {
		return err
	}
	x.noteWrite(engine.Delete.String(), s.Plan.Collection.Name, deleted)
	return x.sendCounts([]byte(`{"deleted":` + strconv.Itoa(deleted) + `}`))
}

func (x *exchange) sendCounts(body []byte) error {
	x.setServerTiming()
	return x.sendStatic(mediaJSON, body)
}

func manyRoutes() []route {
	const collection = "/v1/{collection}"
	problems := []fault.Code{
		fault.InvalidParameter, fault.Forbidden, fault.UnknownCollection, fault.DuplicateKey, fault.ReferenceViolation, fault.WriteConflict,
		fault.PayloadTooLarge, fault.RequirementFailed, fault.DatabaseUnavailable, fault.Timeout,
	}
	parameters := []openapi.Parameter{
		queryParameter("filter", "string", "Conditions in MongoDB's syntax, as JSON. Parameters that are not listed are conditions too: status=active."),
		headerParameter("Prefer", "max-affected=N refuses to touch more than N documents, and 1,000 where it is not given."),
	}
	counts := func(status string, body openapi.Body) []openapi.Response {
		return []openapi.Response{{Status: 200, Description: status, Headers: []string{"Server-Timing", "Preference-Applied"},
			Content: openapi.Content{Media: []string{mediaJSON}, Body: body}}}
	}
	return []route{
		{openapi.Route{
			Method: http.MethodPatch, Path: collection, ID: "patchMany", Access: openapi.Writes, Summary: "Change all documents that match",
			Description: "All or none. Needs a condition. Each document is held against the schema, and gets its next version.",
			Parameters:  parameters,
			Request:     &openapi.Request{Content: openapi.Content{Media: patchForms, Body: openapi.PatchBody}},
			Responses:   counts("How many matched, and were changed.", openapi.ChangedBody),
			Problems: append([]fault.Code{fault.MalformedJSON, fault.PatchFailed, fault.VersionConflict, fault.UnsupportedMediaType,
				fault.ValidationFailed}, problems...),
		}, patchDocuments},
		{openapi.Route{
			Method: http.MethodDelete, Path: collection, ID: "deleteMany", Access: openapi.Writes, Summary: "Delete all documents that match",
			Description: "All or none. Needs a condition.",
			Parameters:  append(slices.Clone(parameters), purge),
			Responses:   counts("How many were deleted.", openapi.DeletedBody),
			Problems:    problems,
		}, deleteDocuments},
	}
}

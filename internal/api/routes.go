package api

import (
	"net/http"
	"slices"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/openapi"
	"github.com/sheafdb/sheaf/internal/schema"
)

// route is a row of the table: what the OpenAPI document tells, and who answers.
type route struct {
	openapi.Route
	handle func(*exchange) error
}

// Routes returns what the OpenAPI document tells of the routes.
func Routes() []openapi.Route {
	list := make([]openapi.Route, len(routes))
	for i, r := range routes {
		list[i] = r.Route
	}
	return list
}

var (
	jsonForms   = []string{mediaJSON, mediaExtended}
	writeHeader = []string{"ETag", "Server-Timing", "Preference-Applied"}
)

func headerParameter(name, description string) openapi.Parameter {
	return openapi.Parameter{Name: name, In: "header", Description: description, Schema: schema.JSON{{Name: "type", Value: "string"}}}
}

var (
	ifMatch     = headerParameter("If-Match", "Entity tags of the versions that the stored document must have one of, or *.")
	ifNoneMatch = headerParameter("If-None-Match", "Entity tags of versions that are known already.")
	ifAbsent    = headerParameter("If-None-Match", "* creates the document, which must not exist.")
	prefer      = headerParameter("Prefer", "return=minimal leaves the document out of the answer.")
)

// listParameters are those of a list.
var listParameters = []openapi.Parameter{
	queryParameter("filter", "string", "Conditions in MongoDB's syntax, as JSON: {\"age\": {\"$gte\": 18}}."),
	queryParameter("select", "string", "Fields that come back, separated by commas; each with - before it for all but those."),
	queryParameter("sort", "string", "Fields to order by, separated by commas; with - before it from the greatest on."),
	{Name: "limit", In: "query", Description: "The most documents in the page.", Schema: schema.JSON{{Name: "type", Value: "integer"}, {Name: "minimum", Value: 1}}},
	queryParameter("after", "string", "The cursor that page.next of the page before gave."),
	queryParameter("before", "string", "The cursor that page.prev of the page after gave."),
	{Name: "count", In: "query", Description: "Adds page.total: exact counts what the filter admits, estimate takes MongoDB's count of the collection.",
		Schema: schema.JSON{{Name: "type", Value: "string"}, {Name: "enum", Value: []string{"exact", "estimate"}}}},
	queryParameter("explain", "boolean", "Answers how the list is found, in place of the list."),
	include,
	deleted,
}

var deleted = openapi.Parameter{Name: "deleted", In: "query", Of: openapi.SoftDeleting, Description: "include also reads documents that are deleted and kept, only reads those alone.",
	Schema: schema.JSON{{Name: "type", Value: "string"}, {Name: "enum", Value: []string{"include", "only"}}}}

var include = openapi.Parameter{Name: "include", In: "query", OfRelations: true, Schema: schema.JSON{{Name: "type", Value: "string"}},
	Description: "Relations whose documents come along, separated by commas; a dot leads on, as in comments.author."}

func queryParameter(name, kind, description string) openapi.Parameter {
	return openapi.Parameter{Name: name, In: "query", Description: description, Schema: schema.JSON{{Name: "type", Value: kind}}}
}

// routes is the table of all routes.
var routes []route

// The table refers to handlers, and they to the OpenAPI document made from it.
func init() {
	routes = slices.Concat(documentRoutes(), historyRoutes(), manyRoutes(), transactionRoutes(), sessionRoutes(), operationRoutes(), transferRoutes())
}

func documentRoutes() []route {
	const collection, document = "/v1/{collection}", "/v1/{collection}/{id}"
	changes := []fault.Code{
		fault.MalformedJSON, fault.InvalidParameter, fault.Forbidden, fault.UnknownCollection, fault.NotFound, fault.NotAcceptable, fault.DuplicateKey, fault.ReferenceViolation,
		fault.WriteConflict, fault.VersionConflict, fault.PayloadTooLarge, fault.UnsupportedMediaType, fault.ValidationFailed,
		fault.DatabaseUnavailable, fault.Timeout,
	}
	lists := []fault.Code{fault.InvalidParameter, fault.Forbidden, fault.UnknownCollection, fault.NotAcceptable, fault.DatabaseUnavailable, fault.Timeout}
	one := openapi.Content{Media: jsonForms, Body: openapi.DocumentBody}
	return []route{
		{openapi.Route{
			Method: http.MethodGet, Path: collection, ID: "list", Access: openapi.Reads, Summary: "List documents",
			Description: "A page of what the filter admits, in the order of sort and then of ids. page.next and page.prev, and the Link header, lead to the pages around; where there is none they are left out. A page of large documents can end before its limit. Parameters that are not listed are conditions: status=active, age[gte]=18.",
			Parameters:  listParameters,
			Responses:   []openapi.Response{{Status: 200, Description: "A page; with explain=true how it is found.", Headers: []string{"Link", "Server-Timing", "Cache-Control", "Vary"}, Content: openapi.Content{Media: jsonForms, Body: openapi.PageBody}}},
			Problems:    lists,
		}, listDocuments},
		{openapi.Route{
			Method: http.MethodPost, Path: collection + "/_query", ID: "query", Access: openapi.Reads, Summary: "List documents by a body",
			Description: "What a GET of the collection answers, with its parameters as members of a JSON object: for filters that are long.",
			Request:     &openapi.Request{Content: openapi.Content{Media: []string{mediaJSON}, Body: openapi.QueryBody}},
			Responses:   []openapi.Response{{Status: 200, Description: "A page; with explain true how it is found.", Headers: []string{"Server-Timing", "Cache-Control", "Vary"}, Content: openapi.Content{Media: jsonForms, Body: openapi.PageBody}}},
			Problems:    append([]fault.Code{fault.MalformedJSON, fault.PayloadTooLarge, fault.UnsupportedMediaType}, lists...),
		}, queryDocuments},
		{openapi.Route{
			Method: http.MethodGet, Path: collection + "/_aggregates/{aggregate}", ID: "aggregate", Access: openapi.Reads, Summary: "What a pipeline of the schema computes",
			Responses: []openapi.Response{{Status: 200, Description: "All that comes out of the pipeline; an _id at the top is called id.",
				Headers: []string{"Server-Timing", "Cache-Control", "Vary"}, Content: openapi.Content{Media: jsonForms, Body: openapi.AggregateBody}}},
			Problems: []fault.Code{fault.InvalidParameter, fault.Forbidden, fault.UnknownCollection, fault.UnknownRoute, fault.NotAcceptable, fault.ResultTooLarge, fault.DatabaseUnavailable, fault.Timeout},
		}, aggregateDocuments},
		{openapi.Route{
			Method: http.MethodPost, Path: collection, ID: "create", Access: openapi.Writes, Summary: "Create a document, or all of an array",
			Description: "An array of 1 to 1,000 documents is created whole or not at all. Every fault of the input is told at once.",
			Parameters:  []openapi.Parameter{prefer},
			Request:     &openapi.Request{Content: openapi.Content{Media: jsonForms, Body: openapi.CreateBody}},
			Responses: []openapi.Response{{Status: 201, Description: "What was created; of one document with Location and ETag. Empty where Prefer asked for that.",
				Headers: append([]string{"Location", "Vary"}, writeHeader...), Content: openapi.Content{Media: jsonForms, Body: openapi.DocumentsBody}}},
			Problems: []fault.Code{fault.MalformedJSON, fault.InvalidParameter, fault.Forbidden, fault.UnknownCollection, fault.NotAcceptable, fault.DuplicateKey, fault.ReferenceViolation, fault.WriteConflict,
				fault.PayloadTooLarge, fault.UnsupportedMediaType, fault.ValidationFailed, fault.DatabaseUnavailable, fault.Timeout},
		}, createDocuments},
		{openapi.Route{
			Method: http.MethodGet, Path: document, ID: "get", Access: openapi.Reads, Summary: "Read a document",
			Description: "With include the version, and so the ETag, tells nothing of what is included: If-None-Match is not heeded then.",
			Parameters:  []openapi.Parameter{include, deleted, ifNoneMatch, ifMatch},
			Responses: []openapi.Response{
				{Status: 200, Description: "The document.", Headers: []string{"ETag", "Server-Timing", "Cache-Control", "Vary"}, Content: one},
				{Status: 304, Description: "The version is known already.", Headers: []string{"ETag", "Cache-Control", "Vary"}},
			},
			Problems: []fault.Code{fault.InvalidParameter, fault.Forbidden, fault.UnknownCollection, fault.NotFound, fault.NotAcceptable, fault.VersionConflict, fault.DatabaseUnavailable, fault.Timeout},
		}, getDocument},
		{openapi.Route{
			Method: http.MethodPut, Path: document, ID: "replace", Access: openapi.Writes, Summary: "Replace a document",
			Description: "The body is the whole document; what it leaves out is gone, or gets its default. System fields may come back as they were read: a version in the body is a precondition. With If-None-Match: * it creates.",
			Parameters:  []openapi.Parameter{ifMatch, ifAbsent, prefer},
			Request:     &openapi.Request{Content: openapi.Content{Media: jsonForms, Body: openapi.ReplaceBody}},
			Responses: []openapi.Response{
				{Status: 200, Description: "The document as it is now.", Headers: append([]string{"Vary"}, writeHeader...), Content: one},
				{Status: 201, Description: "The document, which is new. Empty where Prefer asked for that.", Headers: append([]string{"Location", "Vary"}, writeHeader...), Content: one},
				{Status: 204, Description: "Replaced; Prefer asked for no document.", Headers: writeHeader},
			},
			Problems: changes,
		}, replaceDocument},
		{openapi.Route{
			Method: http.MethodPatch, Path: document, ID: "patch", Access: openapi.Writes, Summary: "Change a document",
			Description: "By a merge patch (RFC 7396: members replace, null removes, objects merge; a version in the body is a precondition), by a JSON Patch (RFC 6902), or by update operators. What comes out is held against the schema.",
			Parameters:  []openapi.Parameter{ifMatch, ifNoneMatch, prefer},
			Request:     &openapi.Request{Content: openapi.Content{Media: patchForms, Body: openapi.PatchBody}},
			Responses: []openapi.Response{
				{Status: 200, Description: "The document as it is now.", Headers: append([]string{"Vary"}, writeHeader...), Content: one},
				{Status: 204, Description: "Changed; Prefer asked for no document.", Headers: writeHeader},
			},
			Problems: append([]fault.Code{fault.PatchFailed}, changes...),
		}, patchDocument},
		{openapi.Route{
			Method: http.MethodDelete, Path: document, ID: "delete", Access: openapi.Writes, Summary: "Delete a document",
			Parameters: []openapi.Parameter{purge, ifMatch, ifNoneMatch},
			Responses:  []openapi.Response{{Status: 204, Description: "Deleted.", Headers: []string{"Server-Timing"}}},
			Problems: []fault.Code{fault.InvalidParameter, fault.Forbidden, fault.UnknownCollection, fault.NotFound, fault.ReferenceViolation, fault.WriteConflict, fault.VersionConflict,
				fault.DatabaseUnavailable, fault.Timeout},
		}, deleteDocument},
	}
}

func operationRoutes() []route {
	page := func(path, id, summary string, handle func(*exchange) error) route {
		return route{openapi.Route{Method: http.MethodGet, Path: path, ID: id, Audience: openapi.Anybody, Summary: summary,
			Responses: []openapi.Response{{Status: 200, Description: "A page for people.", Content: openapi.Content{Media: []string{"text/html"}, Body: openapi.HTMLBody}}}}, handle}
	}
	status := openapi.Content{Media: []string{mediaJSON}, Body: openapi.StatusBody}
	return []route{
		{openapi.Route{Method: http.MethodGet, Path: "/livez", ID: "live", Audience: openapi.Anybody, Probe: true, Summary: "Whether the process answers",
			Responses: []openapi.Response{{Status: 200, Description: "It does.", Content: status}}}, live},
		{openapi.Route{Method: http.MethodGet, Path: "/readyz", ID: "ready", Audience: openapi.Anybody, Probe: true, Summary: "Whether requests can be served",
			Description: "Asks the primary of the database. Not ready while the service is stopping. Where the schema files do not compile, or the database is not ready for them, the model before serves on: the status is stale then, and detail says why.",
			Responses:   []openapi.Response{{Status: 200, Description: "They can.", Content: status}},
			Problems:    []fault.Code{fault.DatabaseUnavailable}}, ready},
		{openapi.Route{Method: http.MethodGet, Path: "/metrics", ID: "metrics", Audience: openapi.Anybody, Summary: "Metrics of the instance, for Prometheus",
			Description: "Here unless the service has an address for administration, which has them then. They hold no names of collections and nothing of documents or callers.",
			Responses:   []openapi.Response{{Status: 200, Description: "The text format of Prometheus, or OpenMetrics.", Headers: []string{"Cache-Control"}, Content: openapi.Content{Media: []string{"text/plain"}, Body: openapi.HTMLBody}}},
			Problems:    []fault.Code{fault.UnknownRoute}}, metrics},
		{openapi.Route{Method: http.MethodGet, Path: "/openapi.json", ID: "openapi", Audience: openapi.Readers, Summary: "This document",
			Responses: []openapi.Response{{Status: 200, Description: "OpenAPI 3.1.", Content: openapi.Content{Media: []string{mediaJSON}, Body: openapi.OpenAPIBody}}}}, openAPI},
		page("/docs", "docs", "The API reference as a page", docs),
		{openapi.Route{Method: http.MethodGet, Path: "/docs/{asset}", ID: "docsAsset", Audience: openapi.Anybody, Summary: "A file of the page",
			Responses: []openapi.Response{{Status: 200, Description: "The file.", Content: openapi.Content{Media: []string{"text/javascript", "text/css"}, Body: openapi.HTMLBody}}},
			Problems:  []fault.Code{fault.UnknownRoute}}, docsAsset},
		page("/problems", "problems", "The problems that the service answers with", problems),
		{openapi.Route{Method: http.MethodGet, Path: "/problems/{code}", ID: "problem", Audience: openapi.Anybody, Summary: "What a problem means",
			Responses: []openapi.Response{{Status: 200, Description: "A page for people.", Content: openapi.Content{Media: []string{"text/html"}, Body: openapi.HTMLBody}}},
			Problems:  []fault.Code{fault.UnknownRoute}}, problemPage},
	}
}

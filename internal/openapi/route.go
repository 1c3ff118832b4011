// Package openapi describes the service: Model, routes and codes in, an OpenAPI
// 3.1 document out.
package openapi

import (
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
)

// Route is one row of the table of routes: what a client may ask and what it is
// answered. Package api adds the handler.
type Route struct {
	Method string
	// Path is a template such as /v1/{collection}/{id}. A Path with {collection}
	// becomes one path a collection in the document, with the types of that
	// collection.
	Path string
	// ID is the operation's id, such as createDocument; it gets the name of the
	// collection where there is one.
	ID                   string
	Summary, Description string
	// Probe marks a route that watches the service: it is answered however busy
	// that is.
	Probe bool
	// Access is what the route does with documents. It brings the headers of
	// keys and sessions, and their answers, into the description.
	Access Access
	// Audience is who may ask: callers that are known, unless the table says
	// otherwise. It brings credentials, and their problems, into the description.
	Audience Audience
	// Of says which collections have the route.
	Of Trait
	// Parameters are those of the query and the headers; those of the path come
	// by themselves.
	Parameters []Parameter
	// Request is nil for a route that takes no body.
	Request   *Request
	Responses []Response
	// Problems are the codes that the route can answer, beside those that every
	// route can.
	Problems []fault.Code
}

// Access is what a route does with stored documents.
type Access uint8

// The kinds of access.
const (
	NoAccess Access = iota
	Reads           // takes part in a session
	Writes          // does so too, and is answered once for one Idempotency-Key
	Commits         // ends a session, once for one Idempotency-Key
)

// Audience is who may use a route.
type Audience uint8

// The audiences.
const (
	Callers Audience = iota // who proved who it is
	Readers                 // the same, unless the service shows its documentation to anybody
	Anybody
)

// Parameter is one of the query or one header.
type Parameter struct {
	Name string
	// In is query or header.
	In          string
	Description string
	Required    bool
	Schema      schema.JSON
	// Of says of which collections the route has the parameter.
	Of Trait
	// OfRelations marks a parameter that names relations: the description gets
	// those of the collection, and a collection that has none has no parameter.
	OfRelations bool
}

// Trait is what makes a collection have a route or a parameter.
type Trait uint8

// The traits.
const (
	Anything     Trait = iota
	SoftDeleting       // keeps deleted documents
	Historic           // keeps former versions
	Keeping            // keeps either
)

// of reports whether a collection, nil for the service, has the trait.
func (t Trait) of(c *schema.Collection) bool {
	switch {
	case t == Anything:
		return true
	case c == nil:
		return false
	case t == SoftDeleting:
		return c.SoftDelete != nil
	case t == Historic:
		return c.History != nil
	}
	return c.Keeps()
}

// Request is a body that a route takes.
type Request struct {
	Content
	Optional bool
}

// Response is an answer that is no problem.
type Response struct {
	Status      int
	Description string
	// Headers are names of the table of headers; X-Request-Id and traceparent
	// come by themselves.
	Headers []string
	// Content is the zero Content for an answer without a body.
	Content Content
}

// Content is a body: its media types and what they hold.
type Content struct {
	// Media are media types, all of the same body.
	Media []string
	Body  Body
}

// Body names what a body holds.
type Body uint8

// The bodies. Those of documents follow the collection of the route.
const (
	NoBody          Body = iota
	CreateBody           // a document to create, or an array of them
	ReplaceBody          // a document in place of another
	PatchBody            // a change, of the kind that the media type tells
	DocumentBody         // a stored document
	DocumentsBody        // what was created: a stored document, or {"data": [documents]} of an array
	QueryBody            // {"filter": {…}, "limit": 20, …}
	PageBody             // {"data": [documents], "page": {"next": "…"}}
	TransactionBody      // {"operations": […]}
	ResultsBody          // {"results": […]}
	ChangedBody          // {"matched": 2, "modified": 2}
	DeletedBody          // {"deleted": 2}
	SessionBody          // {"id": …, "instance": …, "expiresAt": …, "idleTimeout": …}
	HistoryBody          // {"data": [versions], "page": {"next": "…"}}
	VersionBody          // {"version": 3, "at": "…", "operation": "update", "caller": "…", "document": {…}}
	AggregateBody        // {"data": [objects]}, whose members an aggregate chooses
	SelectedBody         // a stored document, or some of its fields
	ImportBody           // documents to import
	ImportedBody         // {"index": 0, "status": 201, "id": …}, and the counts
	StatusBody           // {"status": "ok"}, or "stale" with a "detail"
	OpenAPIBody          // this document
	HTMLBody             // a page for people
)

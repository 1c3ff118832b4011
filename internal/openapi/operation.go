package openapi

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
)

// scope is where a route is expanded to: a collection, or the service.
type scope struct {
	path, id, tag string
	model         *schema.Model
	// collection is nil for the service.
	collection *schema.Collection
}

func (s scope) operation(route Route) (schema.JSON, error) {
	operation := schema.JSON{m("operationId", s.id), m("tags", []string{s.tag}), m("summary", route.Summary), m("security", security(route.Audience))}
	if route.Description != "" {
		operation = append(operation, m("description", route.Description))
	}
	if list := s.parameters(slices.Concat(parametersOf(route), s.shardParameters())); len(list) > 0 {
		operation = append(operation, m("parameters", list))
	}
	if route.Request != nil {
		content, err := s.content(route.Request.Content)
		if err != nil {
			return nil, err
		}
		operation = append(operation, m("requestBody", schema.JSON{m("required", !route.Request.Optional), m("content", content)}))
	}
	responses, err := s.responses(route)
	return append(operation, m("responses", responses)), err
}

// shardParameters are those of the routes of one document of a collection that
// has a shard key.
func (s scope) shardParameters() (list []Parameter) {
	if s.collection == nil || !strings.HasSuffix(s.path, "/{id}") {
		return nil
	}
	for _, name := range s.collection.ShardKey.Names() {
		list = append(list, Parameter{Name: name, In: "query", Schema: schema.JSON{m("type", "string")},
			Description: "A field of the shard key: spares the shards where the document does not lie, and finds it only where the value is this."})
	}
	return list
}

func (s scope) parameters(list []Parameter) []any {
	var out []any
	for _, p := range list {
		if !p.Of.of(s.collection) {
			continue
		}
		if p.OfRelations {
			if s.collection == nil || len(s.collection.Relations) == 0 {
				continue
			}
			p.Description += " There are " + strings.Join(s.collection.RelationNames(), ", ") + "."
		}
		described := schema.JSON{m("name", p.Name), m("in", p.In)}
		if p.Required {
			described = append(described, m("required", true))
		}
		out = append(out, append(described, m("description", p.Description), m("schema", p.Schema)))
	}
	return out
}

// pathParameters describes the {parts} of the path.
func (s scope) pathParameters() []any {
	var out []any
	for part := range strings.SplitSeq(s.path, "/") {
		name, ok := strings.CutPrefix(part, "{")
		if !ok {
			continue
		}
		name = strings.TrimSuffix(name, "}")
		parameter := schema.JSON{m("name", name), m("in", "path"), m("required", true)}
		if name == "id" && s.collection != nil {
			parameter = append(parameter, m("description", "The id of the document."), m("schema", idSchema(s.collection)))
		} else {
			parameter = append(parameter, m("schema", schema.JSON{m("type", "string")}))
		}
		out = append(out, parameter)
	}
	return out
}

// idSchema describes the id of a collection's documents.
func idSchema(c *schema.Collection) schema.JSON {
	properties, _ := c.JSONSchema(schema.Stored).Get("properties").(schema.JSON)
	id, _ := properties.Get("id").(schema.JSON)
	return slices.DeleteFunc(slices.Clone(id), func(member schema.Member) bool { return member.Name == "readOnly" })
}

func (s scope) responses(route Route) (schema.JSON, error) {
	responses := schema.JSON{}
	for _, response := range route.Responses {
		status := strconv.Itoa(response.Status)
		if responses.Get(status) != nil {
			return nil, fmt.Errorf("status %s is described twice", status)
		}
		response.Headers = append(slices.Clone(response.Headers), accessHeaders[route.Access]...)
		described, err := s.response(response)
		if err != nil {
			return nil, err
		}
		responses = append(responses, m(status, described))
	}
	for status, codes := range problemsByStatus(s.problems(route)) {
		responses = append(responses, m(strconv.Itoa(status), problemResponse(codes)))
	}
	return responses, nil
}

// problems are the codes that the route can answer here: those of the table,
// and those that every route can. An operation of a collection exists only
// where the collection does.
func (s scope) problems(route Route) []fault.Code {
	codes := slices.Concat([]fault.Code{fault.Internal, fault.Overloaded, fault.Timeout}, route.Problems, accessProblems[route.Access], audienceProblems[route.Audience])
	if !route.Probe {
		codes = append(codes, fault.TooManyRequests)
	}
	return slices.DeleteFunc(codes, func(code fault.Code) bool { return code == fault.UnknownCollection })
}

func (s scope) response(r Response) (schema.JSON, error) {
	headers, err := responseHeaders(r)
	if err != nil {
		return nil, err
	}
	response := schema.JSON{m("description", r.Description), m("headers", headers)}
	if r.Content.Body == NoBody {
		return response, nil
	}
	content, err := s.content(r.Content)
	return append(response, m("content", content)), err
}

// content describes a body in each of its media types.
func (s scope) content(c Content) (schema.JSON, error) {
	content := schema.JSON{}
	for _, media := range c.Media {
		body, err := s.body(media, c.Body)
		if err != nil {
			return nil, err
		}
		content = append(content, m(media, schema.JSON{m("schema", body)}))
	}
	return content, nil
}

var errNoCollection = errors.New("a body of documents needs a path with {collection}")

const mediaExtended = "application/ejson"

// body describes a body. Extended JSON wraps values by their BSON types, which
// JSON Schemas of the values themselves do not tell.
func (s scope) body(media string, body Body) (schema.JSON, error) {
	if fixed, ok := serviceBodies[body]; ok {
		return fixed, nil
	}
	switch {
	case body == TransactionBody:
		return s.transaction(), nil
	case body == ResultsBody:
		return s.results(media), nil
	case s.collection == nil:
		return nil, errNoCollection
	}
	if media == mediaExtended {
		return extendedBody(body), nil
	}
	switch body {
	case CreateBody:
		create := s.ref(schema.Create)
		array := schema.JSON{m("type", "array"), m("items", create), m("minItems", 1), m("maxItems", maxArray)}
		return schema.JSON{m("oneOf", []any{create, array})}, nil
	case ReplaceBody:
		return s.ref(schema.Replace), nil
	case PatchBody:
		return s.change(media), nil
	case DocumentBody:
		return s.ref(s.shown()), nil
	case DocumentsBody:
		return schema.JSON{m("oneOf", []any{s.ref(s.shown()), dataSchema(s.ref(s.shown()))})}, nil
	case SelectedBody:
		return s.ref(schema.Selected), nil
	case PageBody:
		return pageSchema(s.ref(schema.Selected)), nil
	}
	return nil, fmt.Errorf("body %d is none of those that documents have", body)
}

// shown is the variant of the documents that are answered: without fields that
// must be there, where rules may hide fields.
func (s scope) shown() schema.Variant {
	if s.collection.Access.Hides() {
		return schema.Selected
	}
	return schema.Stored
}

// ref refers to the component of a variant of the collection's documents.
func (s scope) ref(v schema.Variant) schema.JSON {
	return schema.JSON{m("$ref", "#/components/schemas/"+componentName(s.collection, v))}
}

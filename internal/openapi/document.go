package openapi

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/sheafdb/sheaf/internal/schema"
)

// Info is what the document tells of the program.
type Info struct {
	// Version is that of the program.
	Version string
}

// The versions of what the document is written in.
const (
	specification = "3.1.1"
	dialect       = "https://json-schema.org/draft/2020-12/schema"
)

const about = "A document store: every collection has the same operations, with the types and rules of its schema. " +
	"Whatever goes wrong is answered with a problem document (RFC 9457); a path that is none of these is answered with unknown-route or " +
	"unknown-collection, and a method that a path does not take with method-not-allowed. Where the service asks who calls, that comes first: unauthenticated."

// Document returns the OpenAPI 3.1 document of the routes as compact JSON. Each
// route of {collection} becomes one operation a collection of the model. The
// same input gives the same bytes.
//
// It fails for a table of routes that contradicts itself: a path or an id that
// is there twice, a header that is not in the table of headers, a body of
// documents on a route without a collection.
func Document(info Info, model *schema.Model, routes []Route) ([]byte, error) {
	w := newWriter(model)
	for _, collection := range model.Collections {
		for _, route := range routes {
			if err := w.addForCollection(route, collection); err != nil {
				return nil, err
			}
		}
	}
	for _, route := range routes {
		if err := w.addForService(route); err != nil {
			return nil, err
		}
	}
	return schema.JSON{
		m("openapi", specification),
		m("info", schema.JSON{m("title", "Sheaf"), m("description", about), m("version", info.Version)}),
		m("jsonSchemaDialect", dialect),
		m("servers", []any{schema.JSON{m("url", "/")}}),
		m("tags", w.tags()),
		m("paths", w.paths()),
		m("components", w.components()),
	}.MarshalJSON()
}

// m is one member of a JSON object.
func m(name string, value any) schema.Member { return schema.Member{Name: name, Value: value} }

// writer gathers the paths of a document.
type writer struct {
	model *schema.Model
	items []*pathItem
	// byPath and ids tell what is there already.
	byPath map[string]*pathItem
	ids    map[string]bool
}

// pathItem is one path and its operations.
type pathItem struct {
	path       string
	parameters []any
	operations schema.JSON
}

func newWriter(model *schema.Model) *writer {
	return &writer{model: model, byPath: map[string]*pathItem{}, ids: map[string]bool{}}
}

const collectionPart = "{collection}"

func (w *writer) addForCollection(route Route, collection *schema.Collection) error {
	if !strings.Contains(route.Path, collectionPart) || !route.Of.of(collection) {
		return nil
	}
	path := strings.ReplaceAll(route.Path, collectionPart, url.PathEscape(collection.Name))
	s := scope{path: path, id: route.ID + "_" + collection.Name, tag: collection.Name, model: w.model, collection: collection}
	if strings.Contains(path, aggregatePart) {
		return w.addAggregates(route, s)
	}
	return w.add(route, s)
}

const aggregatePart = "{aggregate}"

// addAggregates writes an operation for each aggregate of a collection, with its
// parameters.
func (w *writer) addAggregates(route Route, s scope) error {
	path, id := s.path, s.id
	for _, a := range s.collection.Aggregates {
		s.path, s.id = strings.ReplaceAll(path, aggregatePart, a.Name), id+"_"+a.Name
		own := route
		own.Description = a.Description
		for _, p := range a.Parameters() {
			own.Parameters = append(own.Parameters[:len(own.Parameters):len(own.Parameters)],
				Parameter{Name: p.Name, In: "query", Description: p.Description, Required: p.Required, Schema: p.Schema})
		}
		if err := w.add(own, s); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) addForService(route Route) error {
	if strings.Contains(route.Path, collectionPart) {
		return nil
	}
	return w.add(route, scope{path: route.Path, id: route.ID, tag: serviceTag, model: w.model})
}

// add writes one operation into its path.
func (w *writer) add(route Route, s scope) error {
	item := w.item(s)
	method := strings.ToLower(route.Method)
	if item.operations.Get(method) != nil {
		return fmt.Errorf("openapi: %s %s is in the table of routes twice", route.Method, s.path)
	}
	if w.ids[s.id] {
		return fmt.Errorf("openapi: the operation id %s is in the table of routes twice", s.id)
	}
	w.ids[s.id] = true
	operation, err := s.operation(route)
	if err != nil {
		return fmt.Errorf("openapi: %s %s: %w", route.Method, s.path, err)
	}
	item.operations = append(item.operations, m(method, operation))
	return nil
}

func (w *writer) item(s scope) *pathItem {
	if item, ok := w.byPath[s.path]; ok {
		return item
	}
	item := &pathItem{path: s.path, parameters: s.pathParameters()}
	w.byPath[s.path] = item
	w.items = append(w.items, item)
	return item
}

func (w *writer) paths() schema.JSON {
	paths := schema.JSON{}
	for _, item := range w.items {
		var object schema.JSON
		if len(item.parameters) > 0 {
			object = append(object, m("parameters", item.parameters))
		}
		paths = append(paths, m(item.path, append(object, item.operations...)))
	}
	return paths
}

// serviceTag is the tag of what belongs to no collection. No collection's name
// starts with _.
const serviceTag = "_service"

func (w *writer) tags() []any {
	var tags []any
	for _, c := range w.model.Collections {
		tag := schema.JSON{m("name", c.Name)}
		if c.Description != "" {
			tag = append(tag, m("description", c.Description))
		}
		tags = append(tags, tag)
	}
	return append(tags, schema.JSON{m("name", serviceTag), m("description", "Operation of the service and its documentation.")})
}

func (w *writer) components() schema.JSON {
	return schema.JSON{
		m("schemas", w.schemas()),
		m("responses", problemResponses()),
		m("headers", headerComponents()),
		m("securitySchemes", securitySchemes()),
	}
}

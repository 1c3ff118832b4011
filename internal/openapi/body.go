package openapi

import (
	"slices"
	"strconv"
	"strings"

	"github.com/sheafdb/sheaf/internal/schema"
)

// maxArray is the most documents that an array creates.
const maxArray = 1000

var variantNames = []string{schema.Create: "Create", schema.Replace: "Replace", schema.Patch: "Patch", schema.Stored: "Stored"}

// schemas are the components that describe documents and problems.
func (w *writer) schemas() schema.JSON {
	schemas := schema.JSON{m("Problem", problemSchema())}
	for _, c := range w.model.Collections {
		schemas = append(schemas, m(componentName(c, schema.Create), c.CreateSchema("", relationRef(c))))
		for _, v := range []schema.Variant{schema.Replace, schema.Patch, schema.Stored} {
			schemas = append(schemas, m(componentName(c, v), c.JSONSchema(v)))
		}
		for i := range c.Relations {
			if r := &c.Relations[i]; r.Nested && r.Kind != schema.BelongsTo {
				schemas = append(schemas, m(relationName(c, r), r.Collection.CreateSchema(r.By, relationRef(r.Collection))))
			}
		}
	}
	return schemas
}

// relationRef refers to the component of the documents that a relation of c
// creates: where the field that connects is theirs, they must not have it.
func relationRef(c *schema.Collection) func(*schema.Relation) schema.JSON {
	return func(r *schema.Relation) schema.JSON {
		name := componentName(r.Collection, schema.Create)
		if r.Kind != schema.BelongsTo {
			name = relationName(c, r)
		}
		return schema.JSON{m("$ref", "#/components/schemas/"+name)}
	}
}

// relationName names the component of the documents that a relation creates.
// Relations are called by anything, so that their place tells those apart that
// are not called as components may be.
func relationName(c *schema.Collection, r *schema.Relation) string {
	name := r.Name
	if strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
		name = strconv.Itoa(slices.Index(c.RelationNames(), r.Name))
	}
	return componentName(c, schema.Create) + "_" + name
}

// componentName names a variant of a collection's documents. Collections are
// called by letters, digits, "_", "-" and ".", as components may be.
func componentName(c *schema.Collection, v schema.Variant) string {
	return c.Name + "." + variantNames[v]
}

// serviceBodies are those that do not depend on a collection.
var serviceBodies = map[Body]schema.JSON{
	SessionBody: {
		m("type", "object"), m("required", []string{"id", "instance", "expiresAt", "idleTimeout"}),
		m("properties", schema.JSON{
			m("id", schema.JSON{m("type", "string"), m("description", "For the header Sheaf-Session.")}),
			m("instance", schema.JSON{m("type", "string"), m("description", "As in the header Sheaf-Instance.")}),
			m("expiresAt", schema.JSON{m("type", "string"), m("format", "date-time"), m("description", "When the session is aborted, however much it is used.")}),
			m("idleTimeout", schema.JSON{m("type", "number"), m("exclusiveMinimum", 0), m("description", "After how many seconds without a request the session is aborted.")}),
		}),
		m("additionalProperties", false),
	},
	StatusBody: {
		m("type", "object"), m("required", []string{"status"}),
		m("properties", schema.JSON{m("status", schema.JSON{m("type", "string")})}),
	},
	OpenAPIBody: {
		m("type", "object"), m("required", []string{"openapi", "info", "paths"}),
		m("properties", schema.JSON{
			m("openapi", schema.JSON{m("const", specification)}),
			m("info", schema.JSON{m("type", "object")}),
			m("paths", schema.JSON{m("type", "object")}),
		}),
	},
	HTMLBody: {m("type", "string")},
}

// extendedBody describes a body of canonical Extended JSON.
func extendedBody(body Body) schema.JSON {
	if body == CreateBody {
		return schema.JSON{m("type", []string{"object", "array"})}
	}
	return schema.JSON{m("type", "object")}
}

// dataSchema describes {"data": [documents]}.
func dataSchema(document schema.JSON) schema.JSON {
	return schema.JSON{
		m("type", "object"), m("required", []string{"data"}),
		m("properties", schema.JSON{m("data", arrayOf(document))}),
		m("additionalProperties", false),
	}
}

// pageSchema describes {"data": [documents], "page": {"next": "…"}}.
func pageSchema(document schema.JSON) schema.JSON {
	next := schema.JSON{m("type", "string"), m("description", "The cursor of the next page, for the parameter after. The last page has none.")}
	page := schema.JSON{m("type", "object"), m("properties", schema.JSON{m("next", next)}), m("additionalProperties", false)}
	return schema.JSON{
		m("type", "object"), m("required", []string{"data", "page"}),
		m("properties", schema.JSON{m("data", arrayOf(document)), m("page", page)}),
		m("additionalProperties", false),
	}
}

func arrayOf(items schema.JSON) schema.JSON {
	return schema.JSON{m("type", "array"), m("items", items)}
}

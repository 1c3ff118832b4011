package openapi

import (
	"slices"
	"strconv"
	"strings"

	"github.com/sheafdb/sheaf/internal/schema"
)

// maxArray is the most documents that an array creates.
const maxArray = 1000

var variantNames = []string{schema.Create: "Create", schema.Replace: "Replace", schema.Patch: "Patch", schema.Stored: "Stored", schema.Selected: "Selected"}

// schemas are the components that describe documents and problems.
func (w *writer) schemas() schema.JSON {
	schemas := schema.JSON{m("Problem", problemSchema())}
	for _, c := range w.model.Collections {
		schemas = append(schemas, m(componentName(c, schema.Create), c.CreateSchema("", relationRef(c))))
		for _, v := range []schema.Variant{schema.Replace, schema.Patch} {
			schemas = append(schemas, m(componentName(c, v), c.JSONSchema(v)))
		}
		for _, v := range []schema.Variant{schema.Stored, schema.Selected} {
			schemas = append(schemas, m(componentName(c, v), c.AnswerSchema(v, includedRef)))
		}
		for i := range c.Relations {
			if r := &c.Relations[i]; r.Nested && r.Kind != schema.BelongsTo {
				schemas = append(schemas, m(relationName(c, r), r.Collection.CreateSchema(r.By, relationRef(r.Collection))))
			}
		}
	}
	return schemas
}

// includedRef refers to the component of the documents that a relation includes.
// Of those, too, there may be some fields alone.
func includedRef(r *schema.Relation) schema.JSON {
	return schema.JSON{m("$ref", "#/components/schemas/"+componentName(r.Collection, schema.Selected))}
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
	AggregateBody: dataSchema(schema.JSON{m("type", "object")}),
	HistoryBody: {
		m("type", "object"), m("required", []string{"data", "page"}),
		m("properties", schema.JSON{
			m("data", arrayOf(versionSchema)),
			m("page", schema.JSON{m("type", "object"), m("properties", schema.JSON{
				m("next", schema.JSON{m("type", "string"), m("description", "The cursor of the next page, for the parameter after. The last page has none.")}),
			}), m("additionalProperties", false)}),
		}),
		m("additionalProperties", false),
	},
	VersionBody: versionSchema,
	ImportBody: {
		m("description", "Documents as a create takes them, or as an export gave them: one a line, an array, or in a row."),
	},
	ImportedBody: importedSchema(),
	StatusBody: {
		m("type", "object"), m("required", []string{"status"}),
		m("properties", schema.JSON{
			m("status", schema.JSON{m("enum", []string{"ok", "stale"})}),
			m("detail", schema.JSON{m("type", "string"), m("description", "Why the model that serves is not that of the schema files, and what to do.")}),
		}),
		m("additionalProperties", false),
	},
	OpenAPIBody: {
		m("type", "object"), m("required", []string{"openapi", "info", "paths"}),
		m("properties", schema.JSON{
			m("openapi", schema.JSON{m("const", specification)}),
			m("info", schema.JSON{m("type", "object")}),
			m("paths", schema.JSON{m("type", "object")}),
		}),
	},
	HTMLBody:    {m("type", "string")},
	QueryBody:   querySchema(),
	ChangedBody: countsSchema("matched", "modified"),
	DeletedBody: countsSchema("deleted"),
}

// versionSchema describes a version of a document in its history. What was stored
// once need not fit the schema of today.
var versionSchema = schema.JSON{
	m("type", "object"), m("required", []string{"version", "at", "operation", "document"}),
	m("properties", schema.JSON{
		m("version", schema.JSON{m("description", "The version; a removal is one too.")}),
		m("at", schema.JSON{m("description", "When it was made.")}),
		m("operation", schema.JSON{m("enum", []string{"create", "update", "replace", "delete", "restore"})}),
		m("caller", schema.JSON{m("type", "string"), m("description", "Who made it, where that is known.")}),
		m("document", schema.JSON{m("type", "object"), m("description", "The document as it was then; of a removal the last state.")}),
	}),
	m("additionalProperties", false),
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

// pageSchema describes {"data": [documents], "page": {"next": "…"}}. A document
// may have some of its fields alone, so that only those that it has are held.
func pageSchema(document schema.JSON) schema.JSON {
	text := func(description string) schema.JSON {
		return schema.JSON{m("type", "string"), m("description", description)}
	}
	page := schema.JSON{m("type", "object"), m("properties", schema.JSON{
		m("next", text("The cursor of the next page, for the parameter after. The last page has none.")),
		m("prev", text("The cursor of the page before, for the parameter before. The first page has none.")),
		m("total", schema.JSON{m("type", "integer"), m("minimum", 0), m("description", "How many documents there are, where count asked for that.")}),
	}), m("additionalProperties", false)}
	list := schema.JSON{
		m("type", "object"), m("required", []string{"data", "page"}),
		m("properties", schema.JSON{m("data", arrayOf(document)), m("page", page)}),
		m("additionalProperties", false),
	}
	return schema.JSON{m("oneOf", []any{list, explanationSchema()})}
}

// explanationSchema describes how a list is found.
func explanationSchema() schema.JSON {
	count := func(description string) schema.JSON {
		return schema.JSON{m("type", "integer"), m("minimum", 0), m("description", description)}
	}
	return schema.JSON{
		m("type", "object"), m("required", []string{"command", "stages", "index", "keysExamined", "documentsExamined", "returned", "milliseconds"}),
		m("properties", schema.JSON{
			m("command", schema.JSON{m("type", "object"), m("description", "What MongoDB gets.")}),
			m("stages", schema.JSON{m("type", "array"), m("items", schema.JSON{m("type", "string")}), m("description", "The stages of MongoDB's plan, the last one first.")}),
			m("index", schema.JSON{m("type", []string{"string", "null"}), m("description", "The index that is used.")}),
			m("keysExamined", count("Entries of indexes that were looked at.")),
			m("documentsExamined", count("Documents that were looked at.")),
			m("returned", count("Documents that were found: one more than the page holds shows that there is another.")),
			m("milliseconds", count("Time in MongoDB.")),
		}),
		m("additionalProperties", false),
	}
}

// querySchema describes the body of a list.
func querySchema() schema.JSON {
	text := schema.JSON{m("type", "string")}
	texts := schema.JSON{m("oneOf", []any{text, schema.JSON{m("type", "array"), m("items", text), m("minItems", 1)}})}
	return schema.JSON{m("type", "object"), m("properties", schema.JSON{
		m("filter", schema.JSON{m("type", "object"), m("description", "Conditions in MongoDB's syntax.")}),
		m("select", texts), m("sort", texts), m("limit", schema.JSON{m("type", "integer"), m("minimum", 1)}),
		m("after", text), m("before", text), m("count", schema.JSON{m("enum", []string{"exact", "estimate"})}),
		m("explain", schema.JSON{m("type", "boolean")}), m("deleted", schema.JSON{m("enum", []string{"include", "only"})}),
		m("include", schema.JSON{
			m("oneOf", append(texts.Get("oneOf").([]any), schema.JSON{m("type", "object")})),
			m("description", `Relations whose documents come along: author,comments.author, or an object such as {"comments": {"filter": {}, "select": ["text"], "sort": "-createdAt", "limit": 5, "include": "author"}}.`),
		}),
	}), m("additionalProperties", false)}
}

// importedSchema describes a line of the answer to an import.
func importedSchema() schema.JSON {
	count := schema.JSON{m("type", "integer"), m("minimum", 0)}
	problem := schema.JSON{m("$ref", "#/components/schemas/Problem")}
	result := schema.JSON{
		m("type", "object"), m("required", []string{"index", "status"}),
		m("properties", schema.JSON{
			m("index", schema.JSON{m("type", "integer"), m("minimum", 0), m("description", "The place of the document in the body, from 0.")}),
			m("status", schema.JSON{m("type", "integer"), m("description", "201 stored, 200 changed, 304 there already; else that of the problem.")}),
			m("id", schema.JSON{m("description", "The id, where it is known.")}), m("problem", problem),
		}), m("additionalProperties", false),
	}
	counts := schema.JSON{
		m("type", "object"), m("required", []string{"complete", "read", "created", "changed", "unchanged", "refused", "bytes"}),
		m("properties", schema.JSON{
			m("complete", schema.JSON{m("type", "boolean"), m("description", "Whether the whole body is dealt with.")}),
			m("read", count), m("created", count), m("changed", count), m("unchanged", count), m("refused", count),
			m("bytes", schema.JSON{m("type", "integer"), m("minimum", 0), m("description", "How much of the body is dealt with.")}),
			m("dangling", schema.JSON{m("type", "string"), m("description", "Which references lead to no document.")}), m("problem", problem),
		}), m("additionalProperties", false),
	}
	return schema.JSON{m("oneOf", []any{result, counts})}
}

func arrayOf(items schema.JSON) schema.JSON {
	return schema.JSON{m("type", "array"), m("items", items)}
}

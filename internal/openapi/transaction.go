package openapi

import (
	"github.com/sheafdb/sheaf/internal/schema"
)

// maxOperations is the most operations of a transaction.
const maxOperations = 1000

// transaction describes the body of a transaction. Any value in a document, a
// change, an id or a requirement can be {"$ref": "name.field"}, so that their
// types are told by the description alone.
func (s scope) transaction() schema.JSON {
	collections := schema.JSON{m("enum", s.model.Names())}
	id := m("id", schema.JSON{m("type", []string{"string", "integer", "object"}), m("description", "The id of the document.")})
	version := m("version", schema.JSON{m("type", "integer"), m("description", "The version that the stored document must have.")})
	require := m("require", schema.JSON{m("type", "object"), m("description", "A filter that the stored document must match.")})
	document := func(description string) schema.Member {
		return m("document", schema.JSON{m("type", "object"), m("description", description)})
	}
	as := m("as", schema.JSON{
		m("type", "string"), m("minLength", 1), m("maxLength", 100), m("pattern", `^[^.]+$`),
		m("description", `A name, for {"$ref": "name.field"} in place of any value of a later operation.`),
	})
	operation := func(verb string, required []string, members ...schema.Member) schema.JSON {
		properties := append(schema.JSON{m(verb, collections)}, members...)
		return schema.JSON{
			m("type", "object"), m("required", append([]string{verb}, required...)),
			m("properties", append(properties, as)), m("additionalProperties", false),
		}
	}
	operations := []any{
		operation("create", []string{"document"}, document("As POST takes it.")),
		operation("update", []string{"id", "change"}, id, version, require, m("change", changeOfOperation)),
		operation("replace", []string{"id", "document"}, id, version, require, document("As PUT takes it.")),
		operation("delete", []string{"id"}, id, version, require, m("purge", schema.JSON{
			m("type", "boolean"), m("description", "Removes for good, in a collection that keeps what is deleted."),
		})),
		operation("read", []string{"id"}, id, version, require),
		operation("restore", []string{"id"}, id, version, m("history", schema.JSON{
			m("type", "integer"), m("minimum", 1), m("description", "The version of the history to bring back; without it the document as it was when it was deleted."),
		})),
	}
	list := append(arrayOf(schema.JSON{m("oneOf", operations)}), m("minItems", 1), m("maxItems", maxOperations))
	return schema.JSON{
		m("type", "object"), m("required", []string{"operations"}),
		m("properties", schema.JSON{m("operations", list)}), m("additionalProperties", false),
	}
}

var changeOfOperation = schema.JSON{
	m("type", []string{"object", "array"}),
	m("description", "A merge patch; update operators, where its names begin with $; or a JSON Patch, where it is an array."),
}

// results describes the answer to a transaction: a result for each operation.
func (s scope) results(media string) schema.JSON {
	var stored []any
	for _, c := range s.model.Collections {
		stored = append(stored, scope{collection: c}.ref(schema.Stored))
	}
	document := schema.JSON{m("anyOf", stored)}
	if media == mediaExtended || len(stored) == 0 {
		document = schema.JSON{m("type", "object")}
	}
	result := schema.JSON{
		m("type", "object"), m("required", []string{"status", "id"}),
		m("properties", schema.JSON{
			m("status", schema.JSON{m("enum", []int{200, 201, 204}), m("description", "201 of what is new, 204 of what is gone.")}),
			m("id", schema.JSON{m("description", "The id of the document.")}),
			m("version", schema.JSON{m("description", "The version of the document as it is now.")}),
			m("document", document),
		}),
		m("additionalProperties", false),
	}
	return schema.JSON{
		m("type", "object"), m("required", []string{"results"}),
		m("properties", schema.JSON{m("results", arrayOf(result))}), m("additionalProperties", false),
	}
}

// countsSchema describes an answer of counts.
func countsSchema(names ...string) schema.JSON {
	var properties schema.JSON
	for _, name := range names {
		properties = append(properties, m(name, schema.JSON{m("type", "integer"), m("minimum", 0)}))
	}
	return schema.JSON{m("type", "object"), m("required", names), m("properties", properties), m("additionalProperties", false)}
}

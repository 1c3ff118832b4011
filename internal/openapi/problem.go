package openapi

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
)

const mediaProblem = "application/problem+json"

// problemSchema describes a problem document (RFC 9457) with Sheaf's members.
func problemSchema() schema.JSON {
	text := func(description string) schema.JSON {
		return schema.JSON{m("type", "string"), m("description", description)}
	}
	var codes []string
	for _, info := range fault.Codes() {
		codes = append(codes, string(info.Code))
	}
	item := schema.JSON{
		m("type", "object"), m("required", []string{"pointer", "code", "detail"}),
		m("properties", schema.JSON{
			m("pointer", text("An RFC 6901 JSON pointer into the body, or the name of a parameter or header.")),
			m("code", text("What is wrong there, for programs.")),
			m("detail", text("What is wrong there, for people.")),
		}),
		m("additionalProperties", false),
	}
	return schema.JSON{
		m("type", "object"), m("description", "A problem (RFC 9457)."),
		m("required", []string{"type", "title", "status", "detail", "code", "request_id"}),
		m("properties", schema.JSON{
			m("type", schema.JSON{m("type", "string"), m("format", "uri-reference"), m("description", "A page that explains the problem.")}),
			m("title", text("The same for every occurrence of the problem.")),
			m("status", schema.JSON{m("type", "integer"), m("minimum", 400), m("maximum", 599)}),
			m("detail", text("What went wrong this time.")),
			m("code", schema.JSON{m("type", "string"), m("enum", codes), m("description", "The kind of problem, stable between versions.")}),
			m("request_id", text("As in the X-Request-Id header and the service's log.")),
			m("errors", schema.JSON{m("type", "array"), m("items", item), m("minItems", 1), m("description", "Every problem of the input.")}),
		}),
	}
}

// problemResponses is a component for each code.
func problemResponses() schema.JSON {
	responses := schema.JSON{}
	for _, info := range fault.Codes() {
		title := schema.JSON{m("const", info.Title)}
		kind := schema.JSON{m("const", "/problems/"+string(info.Code))}
		code := schema.JSON{m("const", info.Code)}
		responses = append(responses, m(string(info.Code), schema.JSON{
			m("description", info.Title+". "+info.Meaning),
			m("headers", problemHeaders([]fault.Info{info})),
			m("content", problemContent(m("type", kind), m("title", title), m("status", schema.JSON{m("const", info.Status)}), m("code", code))),
		}))
	}
	return responses
}

// problemContent is a problem document whose members are held to more.
func problemContent(members ...schema.Member) schema.JSON {
	narrowed := schema.JSON{m("allOf", []any{
		schema.JSON{m("$ref", "#/components/schemas/Problem")},
		schema.JSON{m("type", "object"), m("properties", schema.JSON(members))},
	})}
	return schema.JSON{m(mediaProblem, schema.JSON{m("schema", narrowed)})}
}

// problemsByStatus groups codes by status, both in the order of the table.
func problemsByStatus(codes []fault.Code) iter.Seq2[int, []fault.Info] {
	return func(yield func(int, []fault.Info) bool) {
		var group []fault.Info
		for _, info := range fault.Codes() {
			if !slices.Contains(codes, info.Code) {
				continue
			}
			if len(group) > 0 && group[0].Status != info.Status {
				if !yield(group[0].Status, group) {
					return
				}
				group = nil
			}
			group = append(group, info)
		}
		if len(group) > 0 {
			yield(group[0].Status, group)
		}
	}
}

// problemResponse describes the codes that share a status.
func problemResponse(group []fault.Info) schema.JSON {
	if len(group) == 1 {
		return schema.JSON{m("$ref", "#/components/responses/"+string(group[0].Code))}
	}
	var codes, titles []string
	for _, info := range group {
		codes = append(codes, string(info.Code))
		titles = append(titles, fmt.Sprintf("%s (%s)", info.Title, info.Code))
	}
	return schema.JSON{
		m("description", strings.Join(titles, ", or: ")+"."),
		m("headers", problemHeaders(group)),
		m("content", problemContent(m("status", schema.JSON{m("const", group[0].Status)}), m("code", schema.JSON{m("enum", codes)}))),
	}
}

package openapi

import (
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
)

// The names of the security schemes.
const (
	bearerScheme = "bearer"
	keyScheme    = "apiKey"
)

// securitySchemes describe how callers prove who they are.
func securitySchemes() schema.JSON {
	return schema.JSON{
		m(bearerScheme, schema.JSON{m("type", "http"), m("scheme", "bearer"),
			m("description", "An API key of `sheaf keys`, or a JSON Web Token of the issuer that the service trusts (RFC 6750). A service that runs open asks for neither.")}),
		m(keyScheme, schema.JSON{m("type", "apiKey"), m("in", "header"), m("name", "X-API-Key"), m("description", "An API key of `sheaf keys`.")}),
	}
}

// security says which schemes an audience needs, one of them.
func security(audience Audience) []any {
	known := []any{schema.JSON{m(bearerScheme, []any{})}, schema.JSON{m(keyScheme, []any{})}}
	switch audience {
	case Anybody:
		return []any{}
	case Readers:
		return append(known, schema.JSON{})
	}
	return known
}

// audienceProblems are the codes that a route can answer for who asks.
var audienceProblems = map[Audience][]fault.Code{
	Callers: {fault.InvalidParameter, fault.Unauthenticated, fault.Forbidden, fault.DatabaseUnavailable, fault.IssuerUnavailable},
	Readers: {fault.InvalidParameter, fault.Unauthenticated, fault.DatabaseUnavailable, fault.IssuerUnavailable},
}

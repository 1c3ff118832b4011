package openapi

import (
	"slices"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
)

// The headers by which a request says what it belongs to.
var (
	idempotencyKey = Parameter{Name: "Idempotency-Key", In: "header", Schema: schema.JSON{m("type", "string"), m("minLength", 1)},
		Description: "A name that the client gives to this write, new for each: a string in quotes, or bare. The same request with the same key is carried out once, and answered alike."}
	sessionHeader = Parameter{Name: "Sheaf-Session", In: "header", Schema: text,
		Description: "The id of the session whose transaction the request is a part of."}
)

const replayed = "Idempotency-Replayed"

// parametersOf returns the parameters of a route with those that its access
// brings.
func parametersOf(route Route) []Parameter {
	list := slices.Clone(route.Parameters)
	return append(list, accessParameters[route.Access]...)
}

var accessParameters = map[Access][]Parameter{Reads: {sessionHeader}, Writes: {sessionHeader, idempotencyKey}, Commits: {idempotencyKey}}

// accessProblems are the codes that the headers of an access bring.
var accessProblems = map[Access][]fault.Code{
	Reads:   {fault.InvalidParameter, fault.SessionGone, fault.WriteConflict},
	Writes:  {fault.InvalidParameter, fault.SessionGone, fault.WriteConflict, fault.IdempotencyProgress, fault.IdempotencyMismatch, fault.PayloadTooLarge, fault.DatabaseUnavailable},
	Commits: {fault.InvalidParameter, fault.SessionGone, fault.WriteConflict, fault.IdempotencyProgress, fault.IdempotencyMismatch, fault.PayloadTooLarge, fault.DatabaseUnavailable},
}

// accessHeaders are the headers of a good answer that an access brings.
var accessHeaders = map[Access][]string{Writes: {replayed}, Commits: {replayed}}

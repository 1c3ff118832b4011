package fault

import "time"

// Code names a kind of failure. Codes are stable: one is never reused for
// another meaning.
type Code string

// The codes, grouped by the stage that raises them.
const (
	MalformedJSON        Code = "malformed-json"
	InvalidParameter     Code = "invalid-parameter"
	Unauthenticated      Code = "unauthenticated"
	Forbidden            Code = "forbidden"
	UnknownRoute         Code = "unknown-route"
	UnknownCollection    Code = "unknown-collection"
	NotFound             Code = "not-found"
	MethodNotAllowed     Code = "method-not-allowed"
	NotAcceptable        Code = "not-acceptable"
	DuplicateKey         Code = "duplicate-key"
	ReferenceViolation   Code = "reference-violation"
	PatchFailed          Code = "patch-failed"
	WriteConflict        Code = "write-conflict"
	IdempotencyProgress  Code = "idempotency-in-progress"
	SessionGone          Code = "session-gone"
	VersionConflict      Code = "version-conflict"
	PayloadTooLarge      Code = "payload-too-large"
	UnsupportedMediaType Code = "unsupported-media-type"
	ValidationFailed     Code = "validation-failed"
	RequirementFailed    Code = "requirement-failed"
	ResultTooLarge       Code = "result-too-large"
	IdempotencyMismatch  Code = "idempotency-mismatch"
	PreconditionRequired Code = "precondition-required"
	TooManyRequests      Code = "too-many-requests"
	Internal             Code = "internal"
	Overloaded           Code = "overloaded"
	DatabaseUnavailable  Code = "database-unavailable"
	IssuerUnavailable    Code = "issuer-unavailable"
	Timeout              Code = "timeout"
)

// Info is a row of the table of codes: what HTTP answers, and what a reader of
// the documentation is told.
type Info struct {
	Code   Code
	Status int
	// Title is the same for every occurrence, as RFC 9457 asks.
	Title string
	// Meaning says when the code comes back, Remedy what a client does then.
	Meaning string
	Remedy  string
	// RetryAfter is the wait that the Retry-After header gives; zero where the
	// same request would fail again.
	RetryAfter time.Duration
}

// Codes returns the table, in order of status.
func Codes() []Info { return append([]Info(nil), codes...) }

// Lookup returns the row of code, that of Internal for one not in the table.
func Lookup(code Code) Info {
	if info, ok := byCode[code]; ok {
		return info
	}
	return byCode[Internal]
}

var codes = []Info{
	{Code: MalformedJSON, Status: 400, Title: "The body is not valid JSON",
		Meaning: "The body breaks RFC 8259: a syntax error, a duplicate name, bad UTF-8, a lone surrogate, bytes after the value, or more than 100 levels.",
		Remedy:  "Mend the body at the place that the detail names. Nothing was stored."},
	{Code: InvalidParameter, Status: 400, Title: "A parameter is not valid",
		Meaning: "A query parameter, a header or a part of the path does not have the form that the route takes, or is not known.",
		Remedy:  "Each entry of errors names the parameter and what it takes."},
	{Code: Unauthenticated, Status: 401, Title: "The caller is not known",
		Meaning: "The route needs credentials and the request has none that are valid: no API key or token, or one that is not known, expired or revoked.",
		Remedy:  "Send Authorization: Bearer with a valid API key or token, or X-API-Key. The detail says what is wrong as far as that may be told."},
	{Code: Forbidden, Status: 403, Title: "The caller may not do this",
		Meaning: "The caller is known, and neither its collections nor a rule allow what was asked.",
		Remedy:  "Ask with another caller, or have its key or the rule changed."},
	{Code: UnknownRoute, Status: 404, Title: "There is no such route",
		Meaning: "The path is none of the service's.",
		Remedy:  "See /openapi.json or /docs for the routes."},
	{Code: UnknownCollection, Status: 404, Title: "There is no such collection",
		Meaning: "No schema file declares the collection that the path names.",
		Remedy:  "The detail suggests the nearest name where there is one."},
	{Code: NotFound, Status: 404, Title: "There is no such document",
		Meaning: "The collection holds no document with this id.",
		Remedy:  "Check the id; the document may have been deleted."},
	{Code: MethodNotAllowed, Status: 405, Title: "The method is not allowed here",
		Meaning: "The path exists and does not take this method.",
		Remedy:  "The Allow header lists the methods that it takes."},
	{Code: NotAcceptable, Status: 406, Title: "No representation fits the Accept header",
		Meaning: "The Accept header admits neither application/json nor application/ejson.",
		Remedy:  "Leave the header out, or accept application/json."},
	{Code: DuplicateKey, Status: 409, Title: "A unique value is already taken",
		Meaning: "Another document holds the same value of a unique index, or the same id.",
		Remedy:  "The entries of errors point at the fields of the index. Choose another value, or change the document that holds it."},
	{Code: ReferenceViolation, Status: 409, Title: "A reference would be broken",
		Meaning: "The write refers to a document that does not exist, or would delete one that others refer to.",
		Remedy:  "Create the target first, or remove what refers to it."},
	{Code: PatchFailed, Status: 409, Title: "The patch does not fit the document",
		Meaning: "A test of a JSON Patch does not hold, or a path of it does not exist in the stored document.",
		Remedy:  "The pointer names the operation of the patch. Read the document, and make the patch anew. Nothing was stored."},
	{Code: WriteConflict, Status: 409, Title: "Other writes were in the way",
		Meaning:    "Concurrent writes touched the same documents for longer than the service retries.",
		Remedy:     "Send the same request again after Retry-After. Nothing was stored.",
		RetryAfter: time.Second},
	{Code: IdempotencyProgress, Status: 409, Title: "A request with this key is under way",
		Meaning:    "The first request with this Idempotency-Key has not been answered yet.",
		Remedy:     "Send the same request again after Retry-After.",
		RetryAfter: time.Second},
	{Code: SessionGone, Status: 410, Title: "The session is over",
		Meaning: "The session that Sheaf-Session or the path names was committed or aborted, was idle or open for too long, failed, or is not one of this caller on this instance.",
		Remedy:  "The detail says why where that is known. Unless it was committed, nothing of it is stored: open a new session and do all of it again."},
	{Code: VersionConflict, Status: 412, Title: "The document has another version",
		Meaning: "If-Match, If-None-Match or a version in the body names a version that the stored document does not have.",
		Remedy:  "Read the document, apply the change to what is there now, and send it with the new ETag."},
	{Code: PayloadTooLarge, Status: 413, Title: "The body is too large",
		Meaning: "The body is over the configured limit, or the document over MongoDB's 16 MiB.",
		Remedy:  "Send less at once."},
	{Code: UnsupportedMediaType, Status: 415, Title: "The body's type is not taken here",
		Meaning: "Content-Type or Content-Encoding is none of those that the route takes.",
		Remedy:  "Send application/json, or a type that the Accept-Patch or Accept-Post header lists."},
	{Code: ValidationFailed, Status: 422, Title: "The document breaks the schema",
		Meaning: "The body is JSON, and one or more values break the collection's schema.",
		Remedy:  "Each entry of errors points at a value and says what it must be. Nothing was stored."},
	{Code: RequirementFailed, Status: 422, Title: "A requirement does not hold",
		Meaning: "The stored document does not fulfil what the request requires of it, or more documents match than max-affected admits.",
		Remedy:  "Read what is stored and decide anew. Nothing was stored."},
	{Code: ResultTooLarge, Status: 422, Title: "The result is too large",
		Meaning: "An aggregate found more documents or bytes than it may answer, or needs more memory than the database gives it.",
		Remedy:  "Narrow it down by its parameters, or have max_documents or the pipeline in the schema changed."},
	{Code: IdempotencyMismatch, Status: 422, Title: "The key was used for another request",
		Meaning: "The same Idempotency-Key came before with another body or route.",
		Remedy:  "Use a new key for a new request."},
	{Code: PreconditionRequired, Status: 428, Title: "The request must be conditional",
		Meaning: "The service is set to refuse changes that name no version.",
		Remedy:  "Send If-Match with the ETag that was read."},
	{Code: TooManyRequests, Status: 429, Title: "Too many requests",
		Meaning:    "The caller is over its rate, or as many sessions are open as the service holds.",
		Remedy:     "Wait for Retry-After.",
		RetryAfter: time.Second},
	{Code: Internal, Status: 500, Title: "The service failed",
		Meaning: "A defect of the service or a state that it does not know.",
		Remedy:  "Report the request_id; the log has the details under it."},
	{Code: Overloaded, Status: 503, Title: "The service has too much to do",
		Meaning:    "More requests wait than the service can answer in time.",
		Remedy:     "Send the same request again after Retry-After, and less at once. Nothing was stored.",
		RetryAfter: time.Second},
	{Code: DatabaseUnavailable, Status: 503, Title: "The database cannot be reached",
		Meaning:    "MongoDB does not answer, has no primary, is shutting down, or its disk is full.",
		Remedy:     "Send the same request again after Retry-After. A write may or may not have been stored.",
		RetryAfter: time.Second},
	{Code: IssuerUnavailable, Status: 503, Title: "The keys of the token's issuer cannot be had",
		Meaning:    "The token is to be verified with a key that the service does not have, and the issuer of tokens does not answer.",
		Remedy:     "Send the same request again after Retry-After, or with an API key. Nothing was stored.",
		RetryAfter: 10 * time.Second},
	{Code: Timeout, Status: 504, Title: "The time limit ran out",
		Meaning: "The request took longer than the service allows.",
		Remedy:  "Ask for less, or raise the limit. A write may or may not have been stored."},
}

var byCode = func() map[Code]Info {
	m := make(map[Code]Info, len(codes))
	for _, info := range codes {
		m[info.Code] = info
	}
	return m
}()

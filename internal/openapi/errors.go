package openapi

import (
	"fmt"
	"strings"
	"time"

	"github.com/sheafdb/sheaf/internal/fault"
)

// ErrorsMarkdown returns docs/errors.md: the table of codes, for people.
func ErrorsMarkdown() string {
	b := &strings.Builder{}
	b.WriteString(errorsIntro)
	for _, info := range fault.Codes() {
		fmt.Fprintf(b, "| [%s](#%s) | %d | %s |\n", info.Code, info.Code, info.Status, wait(info.RetryAfter))
	}
	for _, info := range fault.Codes() {
		fmt.Fprintf(b, "\n## %s\n\nStatus %d: %s.\n\n%s\n\n**What to do:** %s\n", info.Code, info.Status, info.Title, info.Meaning, info.Remedy)
	}
	return b.String()
}

const errorsIntro = `<!-- Made from internal/fault by: go test ./internal/openapi -update -->
# Errors

Whatever goes wrong is answered with a problem document (RFC 9457), ` + "`application/problem+json`" + `:

` + "```json" + `
{
  "type": "/problems/validation-failed",
  "title": "The document breaks the schema",
  "status": 422,
  "detail": "the document breaks the schema of the collection",
  "code": "validation-failed",
  "request_id": "5JQ2KMTT7VY4R3LIQZQOWWE6NM",
  "errors": [
    {"pointer": "/email", "code": "required", "detail": "is required"},
    {"pointer": "/age", "code": "max", "detail": "must be at most 120"}
  ]
}
` + "```" + `

- ` + "`code`" + ` is for programs. A code is never renamed, and never reused for another meaning.
- ` + "`type`" + ` is the path of a page that the service serves about the code.
- ` + "`errors`" + ` lists every problem of the input at once, the first hundred. ` + "`pointer`" + ` is an RFC 6901 JSON pointer into the body, or the name of the parameter or header.
- ` + "`request_id`" + ` is that of the X-Request-Id header, and what the log has.
- Where the table has a wait, the answer has a Retry-After header, and the same request may succeed later.

| Code | Status | Retry-After |
| --- | --- | --- |
`

func wait(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

package api_test

import (
	"fmt"
	"testing"
)

const (
	olderThings = `
collection: things
id: string
fields:
  a: {type: string, max_length: 3}
  s: {type: string, enum: [x, y]}
  r: {type: string, required: true}
  o: {type: object, fields: {p: {type: int}, i: {type: object, fields: {p: {type: int}}}}}
  l: {type: array, items: {type: object, fields: {k: {type: int}}}}
  any: {type: any}
`
	newerThings = `
collection: things
id: string
fields:
  a: {type: string, max_length: 30}
  s: {type: string, enum: [x, y, z]}
  r: {type: string}
  o: {type: object, fields: {p: {type: int}, q: {type: int}, i: {type: object, fields: {p: {type: int}, q: {type: int}}}}}
  l: {type: array, items: {type: object, fields: {k: {type: int}, w: {type: int}}}}
  any: {type: any}
  nick: {type: string, default: none}
`
)

// While a schema is rolled out, instances with the old one keep what of the
// stored documents they do not know, and go on to refuse it from clients.
func TestAnOldInstanceKeepsWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	older, newer := beside(t)
	const whole = `{"id":"%s","a":"longer","s":"z","o":{"p":1,"q":2,"i":{"p":3,"q":4}},"l":[{"k":1,"w":2},{"k":3,"w":4}],"nick":"n"}`
	changes := []struct {
		name, method, body, header string
		// has are parts of what becomes of the document.
		has []string
	}{
		{"merge", "PATCH", `{"any":1,"o":{"p":5}}`, "", []string{`"nick":"n"`, `"s":"z"`, `"a":"longer"`, `"o":{"p":5,"q":2,"i":{"p":3,"q":4}}`, `"w":4`}},
		{"inc", "PATCH", `{"$inc":{"o.p":4}}`, asUpdate, []string{`"nick":"n"`, `"o":{"p":5,"q":2,"i":{"p":3,"q":4}}`}},
		{"push", "PATCH", `{"$push":{"l":{"k":5}}}`, asUpdate, []string{`"nick":"n"`, `"w":2`, `"w":4`, `{"k":5}`}},
		{"pull", "PATCH", `{"$pull":{"l":{"k":1}}}`, asUpdate, []string{`"nick":"n"`, `"l":[{"k":3,"w":4}]`}},
		{"patch", "PATCH", `[{"op":"remove","path":"/l/0"},{"op":"add","path":"/any","value":{"x":1}}]`, asPatch, []string{`"nick":"n"`, `"l":[{"k":3,"w":4}]`}},
		{"become", "PATCH", `[{"op":"replace","path":"","value":{"r":"r","o":{"p":9}}}]`, asPatch, []string{`"nick":"n"`, `"o":{"p":9,"q":2}`, `"r":"r"`}},
		{"put", "PUT", `{"r":"r","o":{"p":9,"i":{}}}`, "", []string{`"nick":"n"`, `"o":{"p":9,"i":{"q":4},"q":2}`, `"r":"r"`}},
	}
	for _, c := range changes {
		newer.do("POST", "/v1/things", fmt.Sprintf(whole, c.name)).is(201)
		var headers []string
		if c.header != "" {
			headers = append(headers, c.header)
		}
		older.do(c.method, "/v1/things/"+c.name, c.body, headers...).is(200)
		newer.do("GET", "/v1/things/"+c.name, "").is(200).has(c.has...)
		older.do("DELETE", "/v1/things/"+c.name, "").is(204)
	}
}

// What a client sends is held against the schema in full.
func TestAnOldInstanceRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	older, newer := beside(t)
	newer.do("POST", "/v1/things", `{"id":"1","a":"longer","s":"z","o":{"p":1,"q":2},"l":[{"k":1,"w":2}],"nick":"n"}`).is(201)
	for _, c := range []struct {
		body, header string
		pointers     []string
	}{
		{`{"nick":"m"}`, "", []string{"/nick"}},
		{`{"o":{"q":3}}`, "", []string{"/o/q"}},
		{`{"s":"z1"}`, "", []string{"/s"}},
		{`{"a":"another"}`, "", []string{"/a"}},
		{`{"$set":{"nick":"m"}}`, asUpdate, []string{"/$set/nick"}},
		{`{"$push":{"l":{"k":2,"w":3}}}`, asUpdate, []string{"/$push/l/w"}},
		{`[{"op":"add","path":"/nick","value":"m"}]`, asPatch, []string{"/0/path"}},
		{`[{"op":"add","path":"/o","value":{"z":1}}]`, asPatch, []string{"/0/value/z"}},
	} {
		var headers []string
		if c.header != "" {
			headers = append(headers, c.header)
		}
		older.do("PATCH", "/v1/things/1", c.body, headers...).problem(422, "validation-failed", c.pointers...)
	}
	// Nothing is smuggled in by a copy from where anything may stand.
	older.do("PATCH", "/v1/things/1", `{"any":{"z":1,"p":1},"r":"r"}`).is(200)
	older.do("PATCH", "/v1/things/1", `[{"op":"copy","from":"/any","path":"/o"}]`, asPatch).problem(422, "validation-failed", "/o/z")
	older.do("PUT", "/v1/things/1", `{"r":"r","nick":"m"}`).problem(422, "validation-failed", "/nick")
	older.do("PUT", "/v1/things/1", `{}`).problem(422, "validation-failed", "/r")
	newer.do("GET", "/v1/things/1", "").is(200).has(`"nick":"n"`, `"o":{"p":1,"q":2}`)
}

// beside returns two instances on one database: one of the old schema and one of
// the new, which the database is ready for.
func beside(t *testing.T) (older, newer *service) {
	t.Helper()
	older = start(t, load(t, fileMap("things", olderThings)))
	newer = startOn(t, load(t, fileMap("things", newerThings)), older.uri, older.db, nil)
	older.checker = newer.checker // it answers with what is stored
	return older, newer
}

package api_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
)

func TestAllThatMatchAreChanged(t *testing.T) {
	t.Parallel()
	s := start(t, ledgerModel(t))
	s.do("POST", "/v1/accounts", `[{"owner":"a","balance":1},{"owner":"b","balance":2},{"owner":"c","balance":30}]`).is(201)
	few := "/v1/accounts?filter=" + url.QueryEscape(`{"balance":{"$lt":10}}`)
	const update, patch = "Content-Type: application/vnd.sheaf.update+json", "Content-Type: application/json-patch+json"
	s.do("PATCH", few, `{"$inc":{"balance":1}}`, update).is(200).has(`{"matched":2,"modified":2}`)
	s.do("PATCH", "/v1/accounts?balance[gte]=3", `{"tags":["rich"]}`, "Prefer: max-affected=2").is(200).has(`{"matched":2,"modified":2}`).
		sends("Preference-Applied", "max-affected=2")
	s.do("PATCH", few, `[{"op":"test","path":"/version","value":2},{"op":"add","path":"/address","value":{"city":"Rome"}}]`, patch).problem(409, "patch-failed", "/0").has("the id 2")
	s.do("PATCH", "/v1/accounts?owner=nobody", `{"tags":[]}`).is(200).has(`{"matched":0,"modified":0}`)
	s.do("GET", "/v1/accounts?select=balance,tags,version", "").is(200).has(`[{"id":1,"balance":2,"version":2},{"id":2,"balance":3,"tags":["rich"],"version":3},{"id":3,"balance":30,"tags":["rich"],"version":2}]`)

	// All or none: of one that breaks a rule, none is changed.
	s.do("PATCH", "/v1/accounts?balance[gt]=0", `{"$inc":{"balance":-3}}`, update).problem(422, "validation-failed", "/balance").has("the id 1")
	s.do("PATCH", "/v1/accounts?balance[gt]=0", `{"owner":"same"}`).problem(409, "duplicate-key", "/owner")
	s.do("PATCH", few, `{"blance":1}`).problem(422, "validation-failed", "/blance")
	s.do("PATCH", few, `{"version":2,"tags":[]}`).problem(412, "version-conflict")
	s.do("PATCH", few, `{"id":2,"tags":[]}`).problem(422, "validation-failed", "/id")
	s.do("GET", "/v1/accounts?tags=rich", "").is(200).has(`"balance":3,`, `"balance":30,`)
}

func TestAllThatMatchAreDeleted(t *testing.T) {
	t.Parallel()
	s := start(t, ledgerModel(t))
	s.do("POST", "/v1/accounts", `[{"owner":"a","balance":1},{"owner":"b","balance":2},{"owner":"c","balance":30}]`).is(201)
	s.do("POST", "/v1/entries", `{"accountId":2,"amount":1}`).is(201)
	s.do("DELETE", "/v1/accounts?balance[lt]=10", "").problem(409, "reference-violation", "")
	s.do("DELETE", "/v1/accounts?balance[ne]=2", "").is(200).has(`{"deleted":2}`)
	s.do("DELETE", "/v1/accounts?balance[ne]=2", "").is(200).has(`{"deleted":0}`)
	s.do("GET", "/v1/accounts", "").is(200).has(`[{"id":2,`)
}

func TestSelectionsHaveAConditionAndALimit(t *testing.T) {
	t.Parallel()
	s := start(t, ledgerModel(t))
	var documents []string
	for i := range 1000 {
		documents = append(documents, fmt.Sprintf(`{"owner":"o%d","balance":1}`, i))
	}
	s.do("POST", "/v1/accounts", "["+strings.Join(documents, ",")+"]").is(201)
	for _, method := range []string{"PATCH", "DELETE"} {
		body := map[string]string{"PATCH": `{"balance":2}`}[method]
		s.do(method, "/v1/accounts", body).problem(400, "invalid-parameter", "filter")
		s.do(method, "/v1/accounts?filter={}", body).problem(400, "invalid-parameter", "filter")
		s.do(method, "/v1/accounts?balance=1&limit=5&sort=owner", body).problem(400, "invalid-parameter", "sort", "limit")
		s.do(method, "/v1/accounts?blance=1", body).problem(400, "invalid-parameter", "blance")
		for _, most := range []string{"0", "1001", "x"} {
			s.do(method, "/v1/accounts?balance=1", body, "Prefer: max-affected="+most).problem(400, "invalid-parameter", "Prefer")
		}
		s.do(method, "/v1/accounts?balance=1", body, "Prefer: max-affected=999").problem(422, "requirement-failed", "Prefer")
	}
	s.do("PATCH", "/v1/accounts?balance=1", `{"balance":2}`).is(200).has(`{"matched":1000,"modified":1000}`)
	s.do("POST", "/v1/accounts", `{"owner":"more","balance":2}`).is(201)
	s.do("DELETE", "/v1/accounts?balance=2", "").problem(422, "requirement-failed", "Prefer")
	s.do("DELETE", "/v1/accounts?balance=2&id[lte]=1000", "").is(200).has(`{"deleted":1000}`)
}

func TestChangesOfManyKeepReferencesWhole(t *testing.T) {
	t.Parallel()
	s := start(t, load(t, fstest.MapFS{
		"parents.yaml": &fstest.MapFile{Data: []byte("collection: parents\nid: int\nfields: {name: {type: string}}\n" +
			"relations: {children: {has_many: children, by: parentId}}\n")},
		"children.yaml": &fstest.MapFile{Data: []byte("collection: children\nid: int\nfields: {parentId: {type: ref, to: parents, on_delete: cascade}}\n")},
	}))
	s.do("POST", "/v1/parents", `[{"id":1},{"id":2}]`).is(201)
	s.do("POST", "/v1/children", `[{"id":1,"parentId":1},{"id":2,"parentId":1},{"id":3,"parentId":2}]`).is(201)
	s.do("PATCH", "/v1/children?parentId=1", `{"parentId":9}`).problem(409, "reference-violation", "/parentId", "/parentId")
	s.do("PATCH", "/v1/children?id[lte]=1", `{"parentId":2}`).is(200).has(`{"matched":1,"modified":1}`)
	s.do("DELETE", "/v1/parents?id[in]=1,9", "").is(200).has(`{"deleted":1}`)
	s.do("GET", "/v1/children", "").is(200).has(`[{"id":1,"parentId":2`, `{"id":3,`)
	s.do("POST", "/v1/parents", `{"id":3}`).is(201)
	s.do("PATCH", "/v1/parents?filter="+url.QueryEscape(`{"children":{"$some":{"id":1}}}`), `{"name":"x"}`).is(200).has(`{"matched":1,"modified":1}`)
	s.do("DELETE", "/v1/parents?filter="+url.QueryEscape(`{"children":{"$none":{}}}`), "").is(200).has(`{"deleted":1}`)
}

package api_test

import (
	"testing"
	"testing/fstest"
)

func TestRoutesOfOneDocumentTakeTheShardKey(t *testing.T) {
	t.Parallel()
	s := start(t, load(t, fstest.MapFS{
		"orders.yaml": {Data: []byte("collection: orders\nfields:\n  tenantId: {type: string, required: true}\n  at: {type: object, required: true, fields: {region: {type: int, required: true}}}\n  n: {type: int}\nshard_key: [tenantId, at.region]\n")},
		"others.yaml": {Data: []byte("collection: others\nid: int\nfields: {tenantId: {type: string, required: true}}\nshard_key: [{id: hashed}]\n")},
	}))
	path := s.do("POST", "/v1/orders", `{"tenantId":"a b","at":{"region":7},"n":1}`).is(201).header.Get("Location")
	const whole = "?tenantId=a%20b&at.region=7"
	for _, known := range []string{"", "?tenantId=a%20b", "?at.region=7", whole} {
		s.do("GET", path+known, "").is(200)
		s.do("PATCH", path+known, `{"$inc":{"n":1}}`, "Content-Type: application/vnd.sheaf.update+json").is(200)
		s.do("PATCH", path+known, `{"n":5}`).is(200)
		s.do("PUT", path+known, `{"tenantId":"a b","at":{"region":7}}`).is(200)
	}
	s.do("GET", path+"?tenantId=b", "").problem(404, "not-found")
	s.do("PATCH", path, `{"tenantId":"b"}`).problem(422, "validation-failed", "/tenantId")
	s.do("PATCH", path+whole, `{"$set":{"at.region":8}}`, "Content-Type: application/vnd.sheaf.update+json").problem(422, "validation-failed", "/at/region")
	s.do("GET", path+"?tenant=b", "").problem(400, "invalid-parameter", "tenant")
	s.do("GET", path+"?at.region=x&tenantId=a&tenantId=b", "").problem(400, "invalid-parameter", "tenantId", "at.region")
	s.do("DELETE", path+"?tenantId=b", "").problem(404, "not-found")
	s.do("DELETE", path+whole, "").is(204)
	s.do("POST", "/v1/others", `{"id":1,"tenantId":"a"}`).is(201)
	s.do("PATCH", "/v1/others/1", `{"tenantId":"b"}`).is(200)
	s.do("GET", "/v1/others/1?tenantId=b", "").problem(400, "invalid-parameter", "tenantId")
}

package api_test

import (
	"testing"
	"testing/fstest"

	"github.com/sheafdb/sheaf/internal/schema"
)

// shopModel has references of every place and every answer to a delete.
func shopModel(t *testing.T) *schema.Model {
	t.Helper()
	files := fstest.MapFS{}
	for name, text := range map[string]string{
		"users":    `{name: {type: string}, bossId: {type: ref, to: users}}`,
		"tags":     `{name: {type: string}}`,
		"products": `{name: {type: string}, version2: {type: ref, to: products, on_delete: cascade}}`,
		"orders": `{userId: {type: ref, to: users, required: true}, agentId: {type: ref, to: users, on_delete: set_null},
          payerId: {type: ref, to: users, required: true, nullable: true, on_delete: set_null},
          tagIds: {type: array, items: {type: ref, to: tags, on_delete: set_null}},
          note: {type: string}, status: {type: string, required: true, default: open},
          items: {type: array, items: {type: object, fields: {productId: {type: ref, to: products, required: true, on_delete: cascade}, n: {type: int}}}}}`,
		"parcels": `{orderId: {type: ref, to: orders, on_delete: cascade}, next: {type: ref, to: parcels, on_delete: cascade}}`,
		"labels":  `{parcelId: {type: ref, to: parcels}}`,
		"teams":   `{members: {type: array, min_items: 1, items: {type: ref, to: tags, on_delete: set_null}}}`,
	} {
		files[name+".yaml"] = &fstest.MapFile{Data: []byte("collection: " + name + "\nid: int\nfields: " + text)}
	}
	return load(t, files)
}

func TestAReferenceLeadsToADocument(t *testing.T) {
	t.Parallel()
	s := start(t, shopModel(t))
	s.do("POST", "/v1/users", `[{"id":1},{"id":2,"bossId":1},{"id":3,"bossId":3}]`).is(201)
	s.do("POST", "/v1/tags", `[{"id":1},{"id":2}]`).is(201)
	s.do("POST", "/v1/products", `{"id":1}`).is(201)

	const broken = `{"id":1,"userId":9,"payerId":9,"agentId":2,"tagIds":[1,7,2,8],"items":[{"productId":1},{"n":1,"productId":5}]}`
	all := []string{"/userId", "/payerId", "/tagIds/1", "/tagIds/3", "/items/1/productId"}
	s.do("POST", "/v1/orders", broken).problem(409, "reference-violation", all...).has(`"leads to no document of products"`)
	s.do("GET", "/v1/orders/1", "").is(404)
	s.do("PUT", "/v1/orders/1", broken, "If-None-Match: *").problem(409, "reference-violation", all...)
	s.do("POST", "/v1/orders", `[{"id":1,"userId":1,"payerId":null},{"id":2,"userId":7,"payerId":null},{"id":3,"userId":1,"payerId":8}]`).
		problem(409, "reference-violation", "/1/userId", "/2/payerId")
	s.do("GET", "/v1/orders/1", "").is(404)

	s.do("POST", "/v1/orders", `{"id":1,"userId":1,"payerId":null,"tagIds":[1,2],"items":[{"productId":1}]}`).is(201)
	s.do("PUT", "/v1/orders/1", broken).problem(409, "reference-violation", all...)
	s.do("PATCH", "/v1/orders/1", `{"agentId":7,"note":"n"}`).problem(409, "reference-violation", "/agentId")
	s.do("PATCH", "/v1/orders/1", `{"tagIds":[2,3]}`).problem(409, "reference-violation", "/tagIds/1")
	s.do("PATCH", "/v1/orders/1", `{"agentId":2,"payerId":1,"note":"n"}`).is(200).sends("ETag", `"2"`)
	s.do("PUT", "/v1/orders/2", `{"userId":1,"payerId":2}`, "If-None-Match: *").is(201)
	s.do("POST", "/v1/users", `{"id":4,"bossId":5}`).problem(409, "reference-violation", "/bossId")
	s.do("POST", "/v1/users", `[{"id":4,"bossId":5},{"id":5,"bossId":4}]`).is(201)
}

func TestADeleteIsRestricted(t *testing.T) {
	t.Parallel()
	s := start(t, shopModel(t))
	s.do("POST", "/v1/users", `[{"id":1},{"id":2,"bossId":1},{"id":3,"bossId":3}]`).is(201)
	s.do("POST", "/v1/orders", `[{"id":1,"userId":1,"payerId":null},{"id":2,"userId":1,"payerId":null}]`).is(201)
	s.do("DELETE", "/v1/users/1", "").problem(409, "reference-violation", "", "").
		has("is referred to by 2 documents of orders by userId", "is referred to by 1 document of users by bossId")
	s.do("GET", "/v1/users/1", "").is(200)
	s.do("DELETE", "/v1/users/1", "", `If-Match: "7"`).problem(412, "version-conflict")
	s.do("DELETE", "/v1/users/9", "").problem(404, "not-found")
	s.do("DELETE", "/v1/users/3", "").is(204) // nobody but itself refers to it
	s.do("DELETE", "/v1/orders/1", "").is(204)
	s.do("PATCH", "/v1/orders/2", `{"userId":2}`).is(200)
	s.do("PATCH", "/v1/users/2", `{"bossId":null}`).is(200)
	s.do("DELETE", "/v1/users/1", "", `If-Match: "1"`).is(204)
}

func TestADeleteCascades(t *testing.T) {
	t.Parallel()
	s := start(t, shopModel(t))
	s.do("POST", "/v1/users", `{"id":1}`).is(201)
	s.do("POST", "/v1/products", `[{"id":1,"version2":3},{"id":2,"version2":1},{"id":3,"version2":2},{"id":4}]`).is(201)
	s.do("POST", "/v1/orders", `[{"id":1,"userId":1,"payerId":null,"items":[{"productId":4},{"productId":2}]},{"id":2,"userId":1,"payerId":null,"items":[{"productId":4}]}]`).is(201)
	s.do("POST", "/v1/parcels", `[{"id":1,"orderId":1},{"id":2,"orderId":2},{"id":3,"next":1}]`).is(201)
	s.do("POST", "/v1/labels", `{"id":1,"parcelId":3}`).is(201)

	s.do("DELETE", "/v1/products/1", "").problem(409, "reference-violation", "").has("is referred to by 1 document of labels by parcelId")
	s.do("GET", "/v1/orders/1", "").is(200)
	s.do("DELETE", "/v1/labels/1", "").is(204)
	s.do("DELETE", "/v1/products/1", "").is(204)
	for path, status := range map[string]int{
		"products/1": 404, "products/2": 404, "products/3": 404, "products/4": 200,
		"orders/1": 404, "orders/2": 200, "parcels/1": 404, "parcels/2": 200, "parcels/3": 404, "users/1": 200,
	} {
		s.do("GET", "/v1/"+path, "").is(status)
	}
}

func TestADeleteTakesReferencesOut(t *testing.T) {
	t.Parallel()
	s := start(t, shopModel(t))
	s.do("POST", "/v1/users", `[{"id":1},{"id":2}]`).is(201)
	s.do("POST", "/v1/tags", `[{"id":1},{"id":2}]`).is(201)
	before := s.do("POST", "/v1/orders", `{"id":1,"userId":1,"payerId":2,"agentId":2,"tagIds":[1,2,1],"note":"n"}`).is(201).json()
	s.do("DELETE", "/v1/users/2", "").is(204)
	after := s.do("GET", "/v1/orders/1", "").is(200).sends("ETag", `"2"`).has(`"payerId":null`, `"note":"n"`).json()
	if _, there := after["agentId"]; there || after["createdAt"] != before["createdAt"] {
		t.Errorf("the order is %v", after)
	}
	s.do("DELETE", "/v1/tags/1", "").is(204)
	s.do("GET", "/v1/orders/1", "").is(200).sends("ETag", `"3"`).has(`"tagIds":[2]`)

	s.do("POST", "/v1/teams", `{"id":1,"members":[2]}`).is(201)
	s.do("DELETE", "/v1/tags/2", "").problem(409, "reference-violation").has("would break its schema without that: /members must have at least 1 item")
	s.do("GET", "/v1/orders/1", "").sends("ETag", `"3"`)
}

package api_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/sheafdb/sheaf/internal/schema"
)

func ledgerModel(t *testing.T) *schema.Model {
	return load(t, fstest.MapFS{
		"accounts.yaml": &fstest.MapFile{Data: []byte(`collection: accounts
id: increment
fields:
  owner: {type: string, required: true, unique: true}
  balance: {type: int, required: true, min: 0}
  opened: {type: date}
  tags: {type: array, items: {type: string}}
  address: {type: object, fields: {city: {type: string}}}
`)},
		"entries.yaml": &fstest.MapFile{Data: []byte(`collection: entries
id: objectId
fields:
  accountId: {type: ref, to: accounts, required: true}
  amount: {type: int, required: true}
  at: {type: date}
  note: {type: any}
`)},
	})
}

// transact sends operations, one a line.
func (s *service) transact(operations string, headers ...string) answer {
	s.t.Helper()
	return s.do("POST", "/v1/_transactions", `{"operations":[`+operations+`]}`, headers...)
}

func TestTransactionsStoreAllOperations(t *testing.T) {
	t.Parallel()
	s := start(t, ledgerModel(t))
	s.transact(`
		{"create":"accounts","document":{"owner":"ada","balance":100,"opened":"2026-01-02T03:04:05Z","tags":["a","b"],"address":{"city":"Rome"}},"as":"ada"},
		{"create":"accounts","document":{"owner":"bob","balance":{"$ref":"ada.balance"},"address":{"$ref":"ada.address"}},"as":"bob"},
		{"create":"entries","document":{"accountId":{"$ref":"bob.id"},"amount":-1,"at":{"$ref":"ada.opened"},"note":{"from":[{"$ref":"ada.id"},{"$ref":"ada.tags.1"}]}},"as":"entry"},
		{"update":"accounts","id":{"$ref":"ada.id"},"change":{"$inc":{"balance":-30}},"require":{"balance":{"$gte":30}},"as":"less"},
		{"update":"accounts","id":{"$ref":"bob.id"},"version":1,"change":{"balance":{"$ref":"less.balance"}}},
		{"update":"accounts","id":2,"change":[{"op":"test","path":"/balance","value":70},{"op":"add","path":"/tags","value":[{"$ref":"entry.id"}]}]},
		{"read":"accounts","id":2,"require":{"balance":{"$gte":{"$ref":"less.balance"}}}},
		{"delete":"entries","id":{"$ref":"entry.id"}}`).is(200).
		has(`{"results":[{"status":201,"id":1,"version":1,"document":{"id":1,"owner":"ada"`, `"address":{"city":"Rome"},"version":1`,
			`"amount":-1,"at":"2026-01-02T03:04:05.000Z","note":{"from":[1,"b"]}`, `{"status":200,"id":1,"version":2,"document":{"id":1,"owner":"ada","balance":70`,
			`{"status":200,"id":2,"version":3,"document":{"id":2,"owner":"bob","balance":70`, `{"status":204,"id":"`)
	s.do("GET", "/v1/accounts/2", "").is(200).has(`"balance":70`, `"version":3`)
	s.do("GET", "/v1/entries", "").is(200).has(`{"data":[],`)
}

func TestAFailedOperationLeavesNothing(t *testing.T) {
	t.Parallel()
	s := start(t, ledgerModel(t))
	s.do("POST", "/v1/accounts", `[{"owner":"ada","balance":100},{"owner":"bob","balance":0}]`).is(201)
	earlier := `{"update":"accounts","id":1,"change":{"$inc":{"balance":-1}}},{"create":"accounts","document":{"owner":"eve","balance":1}},`
	for name, test := range map[string]struct {
		operation string
		status    int
		code      string
		pointers  []string
	}{
		"no document":           {`{"update":"accounts","id":99,"change":{"$inc":{"balance":1}}}`, 404, "not-found", []string{"/operations/2"}},
		"no document to read":   {`{"read":"accounts","id":99}`, 404, "not-found", []string{"/operations/2"}},
		"no document to delete": {`{"delete":"accounts","id":99,"require":{"balance":1}}`, 404, "not-found", []string{"/operations/2"}},
		"requirement":           {`{"update":"accounts","id":2,"change":{"$inc":{"balance":1}},"require":{"balance":{"$gte":5}}}`, 422, "requirement-failed", []string{"/operations/2/require"}},
		"requirement of a read": {`{"read":"accounts","id":1,"require":{"balance":100}}`, 422, "requirement-failed", []string{"/operations/2/require"}},
		"requirement of delete": {`{"delete":"accounts","id":2,"require":{"balance":1}}`, 422, "requirement-failed", []string{"/operations/2/require"}},
		"requirement, replaced": {`{"replace":"accounts","id":2,"document":{"owner":"x","balance":1},"require":{"balance":1}}`, 422, "requirement-failed", []string{"/operations/2/require"}},
		"version":               {`{"update":"accounts","id":1,"version":1,"change":{"balance":1}}`, 412, "version-conflict", []string{"/operations/2"}},
		"rule":                  {`{"update":"accounts","id":2,"change":{"$inc":{"balance":-1}}}`, 422, "validation-failed", []string{"/operations/2/change/balance"}},
		"unique":                {`{"create":"accounts","document":{"owner":"bob","balance":1}}`, 409, "duplicate-key", []string{"/operations/2/document/owner"}},
		"reference":             {`{"create":"entries","document":{"accountId":99,"amount":1}}`, 409, "reference-violation", []string{"/operations/2/document/accountId"}},
		"patch":                 {`{"update":"accounts","id":2,"change":[{"op":"test","path":"/balance","value":1}]}`, 409, "patch-failed", []string{"/operations/2/change/0"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := *s
			s.t = t
			s.transact(earlier+test.operation).problem(test.status, test.code, test.pointers...).has("operations/2")
		})
	}
	s.do("GET", "/v1/accounts?select=owner,balance,version", "").is(200).
		has(`{"data":[{"id":1,"owner":"ada","balance":100,"version":1},{"id":2,"owner":"bob","balance":0,"version":1}]`)
}

// Everything that can be known without stored data is told before anything is
// done, all at once.
func TestFaultsOfAllOperationsAreToldAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t, ledgerModel(t))
	s.transact(`
		{"create":"accounts","document":{"owner":"ada","balance":-1,"nope":1},"as":"ada"},
		{"create":"acounts","document":{},"as":"typo"},
		{"updat":"accounts","id":1},
		{"update":"accounts","id":"x","version":"1","chnage":{"balance":1},"require":{"balnce":1}},
		{"update":"accounts","id":"x","change":{"$inc":{"balance":"1"}},"require":{"balnce":1}},
		{"create":"entries","document":{"accountId":{"$ref":"adda.id"},"amount":{"$ref":"ada.owner"}},"as":"entry"},
		{"create":"entries","document":{"accountId":{"$ref":"later.id"},"amount":{"$ref":"typo.x"},"note":{"$ref":"ada.balnce"}},"as":"late"},
		{"delete":"entries","id":{"$ref":"late"},"as":"ada"},
		{"read":"accounts","id":1,"as":"later"},
		{"read":"accounts","id":1,"as":"a.b","delete":"accounts"},
		7,
		{"create":"accounts","document":{"owner":"new","balance":{"$ref":"later.owner"},"opened":{"$ref":"later.opened"},"tags":[{"$ref":"later.owner"},1]}},
		{"update":"accounts","id":1,"change":{"balance":{"$ref":"self.balance"}},"as":"self"}`).
		problem(422, "validation-failed", strings.Fields(`
			/operations/1/create /operations/2 /operations/3/version /operations/3/chnage /operations/3/change /operations/9 /operations/9/as
			/operations/10
			/operations/5/document/accountId /operations/6/document/accountId /operations/6/document/note /operations/7/id /operations/7/as
			/operations/12/change/balance
			/operations/0/document/nope /operations/0/document/balance
			/operations/4/id /operations/4/require/balnce /operations/4/change/$inc/balance
			/operations/5/document/amount /operations/11/document/tags/1`)...).
		has(`did you mean \"accounts\"?`, `did you mean \"update\"?`, `did you mean \"change\"?`, `did you mean \"ada\"?`, `did you mean \"balance\"?`, `comes later`, `is the operation itself`)
	s.do("GET", "/v1/accounts", "").is(200).has(`{"data":[],`)
}

func TestBodiesThatAreNoTransaction(t *testing.T) {
	t.Parallel()
	s := start(t, ledgerModel(t))
	for body, pointers := range map[string]string{
		`{}`: "/operations", `{"operations":{}}`: "/operations", `{"operations":[]}`: "/operations", `{"operation":[]}`: "/operation /operations", `[]`: "",
		`{"operations":[{"read":"accounts","id":1}],"x":1}`:                                               "/x",
		`{"operations":[` + strings.Repeat(`{"read":"accounts","id":1},`, 1000) + `{"read":"a","id":1}]}`: "/operations",
	} {
		want := strings.Split(pointers, " ")
		s.do("POST", "/v1/_transactions", body).problem(422, "validation-failed", want...)
	}
	for _, body := range []string{``, `{`, `{"operations":[{"read":"accounts","id":1,"id":2}]}`, `{"operations":[{"create":"accounts","document":{"a":1,"a":1}}]}`} {
		s.do("POST", "/v1/_transactions", body, "Content-Type: application/json").problem(400, "malformed-json")
	}
	s.do("POST", "/v1/_transactions?x=1", `{}`).problem(400, "invalid-parameter", "x")
	s.do("POST", "/v1/_transactions", `{}`, "Content-Type: text/plain").problem(415, "unsupported-media-type")
}

func TestRollbackTellsWhatWouldBe(t *testing.T) {
	t.Parallel()
	s := start(t, ledgerModel(t))
	s.do("POST", "/v1/accounts", `{"owner":"ada","balance":100}`).is(201)
	one := `{"update":"accounts","id":1,"change":{"$inc":{"balance":-30}}}`
	s.transact(one, "Prefer: tx=rollback").is(200).has(`"balance":70`).sends("Preference-Applied", "tx=rollback")
	s.transact(one+`,{"create":"accounts","document":{"owner":"bob","balance":1}}`, "Prefer: tx=rollback, return=minimal").is(200).
		has(`{"results":[{"status":200,"id":1,"version":2},{"status":201,"id":2,"version":1}]}`).sends("Preference-Applied", "tx=rollback, return=minimal")
	s.transact(`{"update":"accounts","id":1,"change":{"$inc":{"balance":-300}}}`, "Prefer: tx=rollback").problem(422, "validation-failed", "/operations/0/change/balance")
	s.do("GET", "/v1/accounts/1", "").is(200).has(`"balance":100`, `"version":1`)
	s.do("GET", "/v1/accounts/2", "").is(404)
	s.transact(one, "Prefer: return=minimal").is(200).has(`{"results":[{"status":200,"id":1,"version":2}]}`)
}

// What only the stored documents tell is put in while the transaction runs, and
// typed and checked then.
func TestValuesOfReadDocuments(t *testing.T) {
	t.Parallel()
	s := start(t, ledgerModel(t))
	s.do("POST", "/v1/accounts", `[{"owner":"ada","balance":100,"tags":["x"]},{"owner":"bob","balance":5}]`).is(201)
	read := `{"read":"accounts","id":1,"as":"ada"},`
	s.transact(read+`
		{"create":"entries","document":{"accountId":{"$ref":"ada.id"},"amount":{"$ref":"ada.balance"},"note":{"$ref":"ada.tags"}},"as":"entry"},
		{"create":"entries","document":{"accountId":2,"amount":1,"note":{"$ref":"entry.id"}}},
		{"create":"accounts","document":{"owner":{"$ref":"ada.tags.0"},"balance":{"$ref":"ada.version"}},"as":"new"},
		{"update":"accounts","id":{"$ref":"new.id"},"change":{"$inc":{"balance":{"$ref":"ada.balance"}}},"require":{"owner":{"$in":["x",{"$ref":"ada.owner"}]}}}`).
		is(200).has(`"amount":100,"note":["x"]`, `{"status":200,"id":3,"version":2,"document":{"id":3,"owner":"x","balance":101`)
	s.transact(read+`{"create":"entries","document":{"accountId":1,"amount":{"$ref":"ada.owner"}}}`).problem(422, "validation-failed", "/operations/1/document/amount")
	s.transact(read+`{"create":"entries","document":{"accountId":1,"amount":{"$ref":"ada.opened"}}}`).problem(422, "validation-failed", "/operations/1/document/amount")
	s.transact(read+`{"update":"accounts","id":2,"change":{"balance":{"$ref":"ada.balance"}},"require":{"balance":{"$gt":{"$ref":"ada.balance"}}}}`).
		problem(422, "requirement-failed", "/operations/1/require")
}

// Mentions of mentions cannot make a small request a huge one.
func TestMentionsAreBounded(t *testing.T) {
	t.Parallel()
	s := start(t, ledgerModel(t))
	s.do("POST", "/v1/accounts", `{"owner":"ada","balance":1}`).is(201)
	operations := []string{`{"create":"entries","document":{"accountId":1,"amount":1,"note":"` + strings.Repeat("x", 1000) + `"},"as":"n0"}`}
	for i := range 20 {
		operations = append(operations, fmt.Sprintf(`{"create":"entries","document":{"accountId":1,"amount":1,"note":[{"$ref":"n%d.note"},{"$ref":"n%d.note"}]},"as":"n%d"}`, i, i, i+1))
	}
	s.transact(strings.Join(operations, ",")).problem(413, "payload-too-large")
}

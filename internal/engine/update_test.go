package engine_test

import (
	"testing"
	"testing/fstest"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
)

const ledger = `collection: ledger
id: string
fields:
  n: {type: int, min: 0}
  even: {type: int, enum: [0, 2, 4]}
  d: {type: double}
  m: {type: decimal, max: "10"}
  name: {type: string}
  boss: {type: ref, to: ledger}
  tags: {type: array, items: {type: string}, max_items: 2, unique_items: true}
  list: {type: array, items: {type: int}}
  o: {type: object, fields: {n: {type: int}, s: {type: string, required: true}}}
`

// Which updates MongoDB makes by itself, and which need a look at the document.
func TestCommandsOfUpdates(t *testing.T) {
	t.Parallel()
	model, err := schema.Load(fstest.MapFS{"ledger.yaml": &fstest.MapFile{Data: []byte(ledger)}})
	if err != nil {
		t.Fatal(err)
	}
	e, c := observed(t, model)
	l, _ := model.Lookup("ledger")
	apply(t, e, create(l, "", `{"id":"a","n":5,"even":2,"d":1.5,"m":"9.5","tags":["x"],"o":{"s":"s","n":1}}`))
	c.take()
	const direct, read = "1 findAndModify", "1 find, 1 update"
	for _, test := range []struct{ body, want string }{
		{`{"$inc":{"n":-5}}`, direct},
		{`{"$inc":{"d":0.5,"m":"0.5","o.n":1}}`, direct},
		{`{"$set":{"name":"b","o.s":"t"},"$unset":{"d":1},"$max":{"n":3}}`, direct},
		{`{"$push":{"list":{"$each":[1,2,3],"$slice":-2}},"$addToSet":{"tags":"y"}}`, direct},
		{`{"$pull":{"list":1},"$pop":{"tags":1}}`, direct},
		{`{"$mul":{"n":2}}`, read},
		{`{"$inc":{"even":2}}`, read},
		{`{"$set":{"list.0":7}}`, read},
		{`{"$push":{"tags":"z"}}`, read},
		{`{"$pull":{"list":{"$gt":100}}}`, read},
		{`{"$inc":{"d":1}}`, "1 find, 1 findAndModify, 1 update"}, // it is not there
		{`{"$set":{"name":"c"}}`, direct},
	} {
		if _, err := e.Apply(t.Context(), on(engine.Update, l, "a", test.body)); err != nil {
			t.Errorf("%s: %v", test.body, err)
		}
		if got := c.take(); got != test.want {
			t.Errorf("%s took %s, want %s", test.body, got, test.want)
		}
	}
	boss := on(engine.Update, l, "a", `{"$set":{"boss":"nobody"}}`)
	if _, err := e.Apply(t.Context(), boss); !fault.Is(err, fault.ReferenceViolation) {
		t.Errorf("a reference to nobody: %v", err)
	}
}

// Changes by operators and by patches are parts of a transaction as others are.
func TestUpdatesInATransaction(t *testing.T) {
	t.Parallel()
	e, s, c := start(t)
	provision(t, e, s)
	apply(t, e, create(c, "", `{"id":"a","name":"a","n":1}`))
	update, patch := on(engine.Update, c, "a", `{"$inc":{"n":1}}`), on(engine.JSONPatch, c, "a", `[{"op":"test","path":"/n","value":2},{"op":"replace","path":"/name","value":"b"}]`)
	update.Pointer, patch.Pointer = "/0/change", "/1/change"
	results := apply(t, e, update, patch)
	if engine.Version(results[0].Document) != 2 || engine.Version(results[1].Document) != 3 {
		t.Errorf("results %v", results)
	}
	_, err := e.Apply(t.Context(), update, patch)
	if items := fault.From(err).Items; !fault.Is(err, fault.PatchFailed) || len(items) != 1 || items[0].Pointer != "/1/change/0" {
		t.Errorf("a test that fails: %v", err)
	}
	faulty := on(engine.Update, c, "a", `{"$set":{"name":"too long"}}`)
	faulty.Pointer = "/1/change"
	_, err = e.Apply(t.Context(), update, faulty)
	if items := fault.From(err).Items; len(items) != 1 || items[0].Pointer != "/1/change/$set/name" {
		t.Errorf("a faulty operand: %v", err)
	}
	doc, err := e.Get(t.Context(), c, bsonjson.StringValue("a"), nil, engine.Precondition{})
	if err != nil || engine.Version(doc) != 3 {
		t.Errorf("stored %s, %v", doc, err)
	}
}

package update_test

import (
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/update"
)

// change is what both kinds of change have in common.
type change interface {
	Apply(current bson.Raw, now time.Time) (bson.Raw, error)
}

// sound applies a change to a document: what comes out is whole BSON, in which
// the system fields are as they were, or a fault.
func sound(t *testing.T, c *schema.Collection, document []byte, compile func(*fault.List) (change, error)) {
	t.Helper()
	var faults fault.List
	decoded, err := bsonjson.Decode(document, c.Fields, bsonjson.Options{Now: now}, &faults)
	if err != nil || len(faults.Items) > 0 {
		return
	}
	made, err := compile(&faults)
	if err != nil || len(faults.Items) > 0 {
		isFault(t, err)
		return
	}
	current := bsonjson.NewBuilder(len(document)).Append("_id", bsonjson.StringValue("x")).AppendAll(decoded.Body, nil).Append("version", bsonjson.IntValue(3)).Document()
	next, err := made.Apply(current, now)
	if err != nil {
		isFault(t, err)
		return
	}
	if err := next.Validate(); err != nil {
		t.Fatalf("%s became no BSON: %v", document, err)
	}
	if next.Lookup("_id").StringValue() != "x" || next.Lookup("version").Int64() != 3 {
		t.Fatalf("%s became %s", document, next)
	}
	c.Check(next, "", &faults)
}

func isFault(t *testing.T, err error) {
	t.Helper()
	if err != nil && fault.From(err).Code == fault.Internal {
		t.Fatal(err)
	}
}

func FuzzOperators(f *testing.F) {
	c := collection(f, things)
	f.Add([]byte(`{"must":"m","list":[1,2],"lines":[{"sku":"a"}]}`), []byte(`{"$inc":{"n":-5,"d":1e300,"money":"1E-6000"},"$set":{"address.city":"x","lines.0.qty":3},"$unset":{"free.a":1}}`))
	f.Add([]byte(`{"tags":["a"],"money":"1E+6000"}`), []byte(`{"$push":{"list":{"$each":[1,null],"$position":-1,"$slice":2}},"$addToSet":{"tags":"b"},"$pull":{"lines":{"qty":{"$gt":1}}},"$pop":{"free":-1},"$mul":{"money":"-0.1"}}`))
	f.Add([]byte(`{"free":{"a":[1,{"b":2}]},"when":"2026-01-01T00:00:00Z"}`), []byte(`{"$min":{"free.a.1.b":1},"$max":{"when":"2027-01-01T00:00:00Z","free.c":2.5},"$set":{"list.3":7}}`))
	f.Fuzz(func(t *testing.T, document, body []byte) {
		sound(t, c, document, func(faults *fault.List) (change, error) {
			u, err := update.CompileOperators(body, c, update.Options{Now: now}, faults)
			if err == nil && len(faults.Items) == 0 {
				if d, ok := u.Direct(now); ok && (d.Guard.Validate() != nil || d.Update.Validate() != nil) {
					t.Fatalf("%s directly is %v", body, d)
				}
			}
			return u, err
		})
	})
}

func FuzzPatch(f *testing.F) {
	c := collection(f, things)
	f.Add([]byte(`{"must":"m","tags":["a"],"free":{"a":[1]}}`), []byte(`[{"op":"add","path":"/tags/-","value":"b"},{"op":"copy","from":"/free","path":"/free/b"},{"op":"test","path":"/version","value":3}]`))
	f.Add([]byte(`{"lines":[{"sku":"a"}],"a/b":1,"m~n":2}`), []byte(`[{"op":"move","from":"/a~1b","path":"/m~0n"},{"op":"remove","path":"/lines/0/sku"},{"op":"replace","path":"","value":{"must":"x"}},{"op":"copy","from":"","path":"/free"}]`))
	f.Fuzz(func(t *testing.T, document, body []byte) {
		sound(t, c, document, func(faults *fault.List) (change, error) {
			return update.CompilePatch(body, c, update.Options{Now: now}, faults)
		})
	})
}

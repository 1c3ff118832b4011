package query

import (
	"encoding/base64"
	"encoding/binary"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
)

// forged makes a cursor of a plan as the plan itself would, of any values.
func forged(t *testing.T, p *Plan, values ...any) string {
	t.Helper()
	_, body, err := bson.MarshalValue(bson.A(values))
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(append(binary.BigEndian.AppendUint64(nil, p.checksum(body)), body...))
}

// TestForgedCursors holds that nothing but values comes from a cursor into a
// condition, whoever has made it.
func TestForgedCursors(t *testing.T) {
	t.Parallel()
	model, err := schema.Load(fstest.MapFS{"things.yaml": {Data: []byte("collection: things\nid: int\nfields: {a: {type: int}}")}})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := model.Lookup("things")
	plan := func(after string) (*Plan, error) {
		values := url.Values{"sort": {"a"}}
		if after != "" {
			values.Set("after", after)
		}
		return Parse(values, Limits{DefaultLimit: 20, MaxLimit: 100}).Plan(c)
	}
	p, err := plan("")
	if err != nil {
		t.Fatal(err)
	}
	for _, values := range [][]any{{1, 2}, {nil, 2}, {"text", 2}, {bson.DateTime(1), 2}, {1.5, 2}, {strings.Repeat("x", 10_000), 2}} {
		if _, err := plan(forged(t, p, values...)); err != nil {
			t.Errorf("%.40v: %v", values, err)
		}
	}
	refused := []string{
		forged(t, p), forged(t, p, 1), forged(t, p, 1, 2, 3),
		forged(t, p, bson.D{{Key: "$gt", Value: ""}}, 1), forged(t, p, 1, bson.D{{Key: "$where", Value: "1"}}), forged(t, p, bson.A{1}, 1),
		forged(t, p, bson.Regex{Pattern: "x"}, 1), forged(t, p, bson.JavaScript("1"), 1), forged(t, p, bson.MinKey{}, 1), forged(t, p, bson.MaxKey{}, 1),
		forged(t, p, bson.Undefined{}, 1), strings.Repeat("A", maxCursor+1), "AAAAAAAAAAAAAAAA", "AAAAAAAAAAA", "A=", "*", forged(t, p, 1, 2) + "A",
	}
	for _, cursor := range refused {
		if _, err := plan(cursor); !fault.Is(err, fault.InvalidParameter) {
			t.Errorf("%.60s: %v", cursor, err)
		}
	}
	// The text of a value stays a value.
	p, err = plan(forged(t, p, "$a", 1))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := extended(t, p.Filter(nil)), `{"$or":[{"$expr":{"$gt":["$a",{"$literal":"$a"}]}},{"a":{"$eq":"$a"},"_id":{"$gt":1}}]}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func extended(t *testing.T, doc bson.D) string {
	t.Helper()
	text, err := bson.MarshalExtJSON(doc, false, false)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

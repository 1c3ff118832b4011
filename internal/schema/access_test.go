package schema

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/auth"
	"github.com/sheafdb/sheaf/internal/fault"
)

const ruled = `
collection: things
id: string
fields:
  owner: {type: string}
  n: {type: int, nullable: true}
  at: {type: date}
  secret: {type: string, unique: true}
  loud: {type: string, uppercase: true}
relations:
  parts: {has_many: parts, by: thingId}
  bySecret: {has_one: parts, by: code}
access:
  read:
    - {role: admin}
    - {where: {owner: $auth.sub}}
    - {role: [a, b], fields: {except: [secret]}}
    - {where: {n: {$in: $auth.numbers}}, fields: {only: [owner]}}
    - {where: {at: {$gt: $auth.org.since}, loud: $auth.word}}
  create: [{role: admin}, {set: {owner: $auth.sub, n: 5}}]
  update: []
`

const parts = `
collection: parts
fields: {thingId: {type: ref, to: things}, code: {type: string}}
access:
  read: [{role: admin}, {role: a, fields: {except: [code]}}]
`

func caller(roles string, claims map[string]any) *auth.Principal {
	return &auth.Principal{Roles: strings.Fields(roles), Claims: claims}
}

func TestAModelAsItsCallersKnowIt(t *testing.T) {
	model := mustLoad(t, ruled, parts)
	for _, c := range []struct {
		roles, claims, fields, relations string
		whole, reads, creates            bool
	}{
		{"admin", `{}`, "owner n at secret loud", "bySecret parts", true, true, true},
		{"admin a", `{"sub":"x","numbers":[1]}`, "owner n at secret loud", "bySecret parts", true, true, true},
		{"", `{}`, "", "", false, false, false},
		{"", `{"sub":"x"}`, "owner n at secret loud", "", false, true, true},
		{"a", `{}`, "owner n at loud", "parts", false, true, false},
		{"b", `{"sub":"x"}`, "owner n at loud", "", false, true, true},
		{"", `{"sub":"x","numbers":[1]}`, "owner", "", false, true, true},
		{"", `{"sub":null}`, "", "", false, false, false},
		{"", `{"org":{"since":"2026-01-01T00:00:00Z"}}`, "", "", false, false, false},
		{"", `{"org":{"since":"2026-01-01T00:00:00Z"},"word":"x"}`, "owner n at secret loud", "", false, true, false},
	} {
		t.Run(c.roles+" "+c.claims, func(t *testing.T) {
			known := model.As(caller(c.roles, claimsOf(t, c.claims)))
			things, _ := known.Lookup("things")
			own := slices.DeleteFunc(things.Fields.Names(), func(name string) bool {
				return slices.Contains([]string{"id", "version", "createdAt", "updatedAt"}, name)
			})
			if got := strings.Join(own, " "); got != c.fields {
				t.Errorf("fields %q, want %q", got, c.fields)
			}
			if got := strings.Join(things.RelationNames(), " "); got != c.relations {
				t.Errorf("relations %q, want %q", got, c.relations)
			}
			if got := things.Grant.Whole(); got != c.whole {
				t.Errorf("whole %t", got)
			}
			for action, want := range map[Action]bool{Reading: c.reads, Creating: c.creates, Updating: false, Deleting: false} {
				if err := things.Allows(action); (err == nil) != want || err != nil && !fault.Is(err, fault.Forbidden) {
					t.Errorf("%s: %v", action, err)
				}
			}
			if again := model.As(caller(c.roles, claimsOf(t, c.claims))); again != known {
				t.Error("the view is made twice")
			}
			if declared, _ := model.Lookup("things"); things.Declared() != declared || len(declared.Fields.All()) != 9 {
				t.Error("the model itself has changed")
			}
		})
	}
}

func claimsOf(t *testing.T, text string) map[string]any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	claims := map[string]any{}
	if err := d.Decode(&claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// What is known of a caller takes the type of the field; what does not fit makes
// the rule deny, and never matches what is missing.
func TestClaimsTakeTheTypeOfTheField(t *testing.T) {
	model := mustLoad(t, `
collection: c
fields:
  n: {type: int, nullable: true}
  flag: {type: bool, nullable: true}
  text: {type: string, lowercase: true}
  id2: {type: uuid}
  any: {type: any}
  tags: {type: array, items: {type: int}}
access:
  read:
    - {where: {n: $auth.v}}
    - {where: {flag: $auth.v}}
    - {where: {text: {$ne: $auth.v}}}
    - {where: {id2: $auth.v}}
    - {where: {any: $auth.v}}
    - {where: {tags: $auth.v}}
    - {where: {n: {$in: [1, $auth.v]}}}
    - {where: {n: {$nin: $auth.v}}}
`)
	const id = "0190b6f4-8f5c-7a3e-9c1d-2b4e6f8a0c1e"
	for _, c := range []struct {
		claim, fits string
	}{
		{`"17"`, "n text any tags n-in n-nin"}, {`17`, "n any tags n-in n-nin"}, {`"true"`, "flag text any"}, {`true`, "flag any"},
		{`"null"`, "text any"}, {`"` + id + `"`, "text id2 any"}, {`[1,"2"]`, "n-nin"}, {`[]`, "n-nin"}, {`[1,"x"]`, ""}, {`[null]`, ""}, {`1.5`, "any"},
		{`{"a":1}`, "any"}, {`""`, "text any"},
	} {
		p := caller("", claimsOf(t, `{"v":`+c.claim+`}`))
		col, _ := model.As(p).Lookup("c")
		var fits []string
		for i, r := range col.Grant.Rules(Reading) {
			if where, ok := r.Documents(p); ok {
				fits = append(fits, []string{"n", "flag", "text", "id2", "any", "tags", "n-in", "n-nin"}[i])
				if raw, err := bson.Marshal(where.BSON()); err != nil || strings.Contains(bson.Raw(raw).String(), ": null") {
					t.Errorf("%s: %s %v", c.claim, bson.Raw(raw), err)
				}
				if where.Match(bson.Raw{5, 0, 0, 0, 0}) && i != 2 && i != 7 {
					t.Errorf("%s matches what is missing by rule %d", c.claim, i)
				}
			}
		}
		if got := strings.Join(fits, " "); got != c.fits {
			t.Errorf("%s fits %q, want %q", c.claim, got, c.fits)
		}
	}
}

func TestValuesThatRulesSet(t *testing.T) {
	model := mustLoad(t, "collection: c\nfields: {n: {type: int}, tags: {type: array, items: {type: string}}, s: {type: string}}\naccess: {create: [{set: {n: $auth.n, tags: $auth.tags, s: fixed}}]}")
	p := caller("", claimsOf(t, `{"n":"7","tags":["a","b"]}`))
	c, _ := model.As(p).Lookup("c")
	var got []string
	for _, s := range c.Grant.Rules(Creating)[0].Set {
		value, ok := s.For(p)
		got = append(got, fmt.Sprintf("%s=%s %t", s.Name, value, ok))
	}
	if want := `n={"$numberLong":"7"} true tags=["a","b"] true s="fixed" true`; strings.Join(got, " ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, " "), want)
	}
	if _, ok := c.Grant.Rules(Creating)[0].Set[0].For(caller("", map[string]any{"n": "x"})); ok {
		t.Error("text is an int")
	}
}

// A field that is hidden in an open collection is not one that nobody declared.
func TestHiddenFieldsOfOpenCollections(t *testing.T) {
	model := mustLoad(t, "collection: c\nadditional: keep\nfields: {a: {type: int}, b: {type: int}}\naccess: {read: [{fields: {except: [b]}}], create: [{}], update: [{}]}")
	c, _ := model.As(caller("", map[string]any{})).Lookup("c")
	if c.Fields.Open() || !c.CreateFields.Open() || !c.ChangeFields.Open() {
		t.Error("only what is sent may have fields that nobody declared")
	}
	if _, err := c.Resolver()("b"); err == nil || !strings.HasPrefix(err.Error(), "is not a field of the schema") {
		t.Error(err)
	}
}

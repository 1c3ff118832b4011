package schema

import (
	"strings"
	"testing"
)

func TestRelationsKnowHowManyTheyLeadTo(t *testing.T) {
	model := mustLoad(t, `
collection: people
id: int
fields:
  name:   {type: string}
  number: {type: int}
  friends: {type: array, items: {type: ref, to: people}}
relations:
  twin:    {belongs_to: people, by: id}
  knows:   {belongs_to: people, by: friends}
  knownTo: {has_many: people, by: friends}
  fan:     {has_one: people, by: friends}
  lines:   {has_many: orders, by: lines.buyer}
  order:   {has_one: orders, by: owner}
`, `
collection: orders
fields:
  owner: {type: int}
  lines: {type: array, items: {type: object, fields: {buyer: {type: int}}}}
relations:
  owners: {belongs_to: people, by: owner}
  buyers: {belongs_to: people, by: lines.buyer}
`)
	people, _ := model.Lookup("people")
	orders, _ := model.Lookup("orders")
	for _, c := range []struct {
		of                      *Collection
		name, stored            string
		many, byMany            bool
		collection, indexHolder *Collection
	}{
		{people, "twin", "_id", false, false, people, nil},
		{people, "knows", "friends", true, true, people, people},
		{people, "knownTo", "friends", true, true, people, people},
		{people, "fan", "friends", false, true, people, people},
		{people, "lines", "lines.buyer", true, true, orders, orders},
		{people, "order", "owner", false, false, orders, orders},
		{orders, "owners", "owner", false, false, people, nil},
		{orders, "buyers", "lines.buyer", true, true, people, nil},
	} {
		r, ok := c.of.Relation(c.name)
		if !ok || r.Stored != c.stored || r.Many != c.many || r.ByMany != c.byMany || r.Collection != c.collection {
			t.Errorf("%s is %+v", c.name, r)
		}
		if c.indexHolder != nil && indexesOn(c.indexHolder, c.stored) != 1 {
			t.Errorf("%d indexes serve %s", indexesOn(c.indexHolder, c.stored), c.name)
		}
	}
	if _, ok := people.Relation("nobody"); ok {
		t.Error("a relation that is not declared is found")
	}
	if got := strings.Join(people.RelationNames(), " "); got != "fan knownTo knows lines order twin" {
		t.Errorf("the names are %s", got)
	}
}

func indexesOn(c *Collection, path string) (n int) {
	for _, index := range c.Indexes {
		if index.serves(path) {
			n++
		}
	}
	return n
}

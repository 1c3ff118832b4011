package schema

import (
	"strings"
	"testing"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/filter"
)

const places = `
collection: places
id: int
fields:
  name: {type: string}
  point: {type: geo}
  area: {type: geo}
  ownerId: {type: ref, to: people}
indexes:
  - {keys: [{name: text}]}
  - {keys: [{point: 2dsphere}]}
  - {keys: [name, {area: 2dsphere}]}
relations:
  owner: {belongs_to: people, by: ownerId}
`

const owners = `
collection: people
id: int
fields:
  name: {type: string}
indexes:
  - {keys: [{name: text}], where: {name: {$exists: true}}}
relations:
  places: {has_many: places, by: ownerId}
`

func TestResolverKnowsIndexesAndRelations(t *testing.T) {
	model := mustLoad(t, places, owners)
	tests := []struct{ collection, filter, want string }{
		{"places", `{"$text": {"$search": "x"}}`, ``},
		{"people", `{"$text": {"$search": "x"}}`, `/$text unknown-operator: $text needs a text index, which the schema does not declare`},
		{"places", `{"point": {"$near": {"$geometry": {"type": "Point", "coordinates": [1, 2]}}}}`, ``},
		{"places", `{"area": {"$near": {"$geometry": {"type": "Point", "coordinates": [1, 2]}}}}`,
			`/area/$near type: $near needs a 2dsphere index on the field, which the schema does not declare`},
		{"places", `{"owner": {"$is": {"name": "Ada", "places": {"$some": {"name": "x"}}}}}`, ``},
		{"places", `{"owner": {"$is": {"nam": "Ada"}}}`, `/owner/$is/nam unknown-field: "nam" is not a field of the schema; did you mean "name"?`},
		{"people", `{"places": {"$every": {"owner": {"$isNot": null}}}}`, ``},
		{"people", `{"places": {"$is": {}}}`, `/places/$is type: $is is asked of a relation to one, and this leads to many; ask with $some, $every or $none`},
		{"people", `{"place": {"$some": {}}}`, `/place/$some unknown-field: "place" is not a field of the schema; did you mean "places"?`},
		{"people", `{"places.name": 1}`, `/places.name unknown-field: "places.name" leads into a relation; ask for the related documents with $some, $every or $none`},
		{"people", `{"places": 1}`, `/places type: is about a relation; ask for the related documents with $some, $every or $none`},
		{"people", `{"name": {"$some": {}}}`, `/name/$some type: $some is asked of relations, and this is a field`},
		{"people", `{"places": {"$some": {"$text": {"$search": "x"}}}}`, `/places/$some/$text unknown-operator: $text does not stand under $some`},
		{"people", `{"name": {"$not": {"$some": {}}}}`, `/name/$not/$some unknown-operator: $some does not stand under $not; put it into a $nor`},
	}
	for _, test := range tests {
		collection, _ := model.Lookup(test.collection)
		var faults fault.List
		if tree := filter.Parse([]byte(test.filter), "", &faults); tree != nil {
			tree.Bind(collection.Resolver(), &faults)
		}
		var lines []string
		for _, item := range faults.Items {
			lines = append(lines, item.Pointer+" "+item.Code+": "+item.Detail)
		}
		if got := strings.Join(lines, "\n"); got != test.want {
			t.Errorf("%s of %s\n got %s\nwant %s", test.filter, test.collection, got, test.want)
		}
	}
}

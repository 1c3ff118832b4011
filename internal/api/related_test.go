package api_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// TestFiltersOverRelations holds the documents that filters over relations find
// against a naive evaluation over the same documents in memory.
func TestFiltersOverRelations(t *testing.T) {
	t.Parallel()
	s := start(t, load(t, shelf))
	w := newWorld(rand.New(rand.NewPCG(7, 11)))
	s.do("POST", "/v1/people", w.json("people")).is(201)
	s.do("POST", "/v1/books", w.json("books")).is(201)
	s.do("POST", "/v1/passports", w.json("passports")).is(201)
	found := 0
	for range 400 {
		collection := []string{"people", "books"}[w.random.IntN(2)]
		text, holds := w.filter(collection, 3)
		var want []string
		for _, doc := range w.docs[collection] {
			if holds(doc) {
				want = append(want, fmt.Sprint(doc["id"]))
			}
		}
		body := `{"limit": 1000, "select": "id", "count": "exact", "filter": ` + text + `}`
		page := s.do("POST", "/v1/"+collection+"/_query", body).is(200).json()
		var got []string
		for _, doc := range page["data"].([]any) {
			got = append(got, fmt.Sprint(doc.(map[string]any)["id"]))
		}
		if !slices.Equal(got, want) || fmt.Sprint(page["page"].(map[string]any)["total"]) != fmt.Sprint(len(want)) {
			t.Fatalf("%s of\n%s\n got %v of %v\nwant %v\npeople %s\nbooks %s", collection, text, got, page["page"], want, w.json("people"), w.json("books"))
		}
		found += len(want)
	}
	if found < 400 {
		t.Errorf("the filters found %d documents in all, too few to tell", found)
	}
}

// record is a document of a world: absent fields are not there.
type record map[string]any

// world is all documents, and the relations between them, in memory.
type world struct {
	random *rand.Rand
	docs   map[string][]record
}

func newWorld(random *rand.Rand) *world {
	w := &world{random: random, docs: map[string][]record{}}
	for id := 1; id <= 10; id++ {
		w.docs["people"] = append(w.docs["people"], record{"id": id, "name": string(rune('a' + random.IntN(4)))})
	}
	person := func() int { return 1 + random.IntN(10) }
	for id := 1; id <= 25; id++ {
		book := record{"id": id}
		if random.IntN(6) > 0 {
			book["year"] = random.IntN(5)
		}
		if random.IntN(4) > 0 {
			book["author"] = 1 + random.IntN(6)
		}
		if random.IntN(3) > 0 {
			book["loose"] = person() + 4 // can lead nowhere
		}
		if n := random.IntN(5); n > 0 {
			fans := make([]int, n-1)
			for i := range fans {
				fans[i] = person()
			}
			book["fans"] = fans
		}
		if n := random.IntN(4); n > 0 {
			loans := make([]record, n-1)
			for i := range loans {
				if loans[i] = (record{"days": i}); random.IntN(4) > 0 {
					loans[i]["by"] = person()
				}
			}
			book["loans"] = loans
		}
		w.docs["books"] = append(w.docs["books"], book)
	}
	for owner := 1; owner <= 10; owner += 2 {
		w.docs["passports"] = append(w.docs["passports"], record{"id": fmt.Sprint("p", owner), "owner": owner})
	}
	return w
}

func (w *world) json(collection string) string {
	text, err := json.Marshal(w.docs[collection])
	if err != nil {
		panic(err)
	}
	return string(text)
}

// ids returns the ids that a document holds at a path, which leads through arrays.
func (r record) ids(path string) []int {
	name, rest, deeper := strings.Cut(path, ".")
	switch v := r[name].(type) {
	case int:
		return []int{v}
	case []int:
		return v
	case []record:
		var ids []int
		for _, element := range v {
			if deeper {
				ids = append(ids, element.ids(rest)...)
			}
		}
		return ids
	}
	return nil
}

// link is a relation, as the schema of the shelf declares it.
type link struct {
	name, to, by string
	belongs, one bool
}

var links = map[string][]link{
	"people": {
		{name: "books", to: "books", by: "author"}, {name: "liked", to: "books", by: "fans"},
		{name: "passport", to: "passports", by: "owner", one: true},
	},
	"books": {
		{name: "writer", to: "people", by: "author", belongs: true, one: true}, {name: "stranger", to: "people", by: "loose", belongs: true, one: true},
		{name: "likers", to: "people", by: "fans", belongs: true}, {name: "borrowers", to: "people", by: "loans.by", belongs: true},
	},
	"passports": nil,
}

func (w *world) related(l link, doc record) []record {
	var found []record
	for _, other := range w.docs[l.to] {
		holder, held := other, doc
		if l.belongs {
			holder, held = doc, other
		}
		if id, ok := held["id"].(int); ok && slices.Contains(holder.ids(l.by), id) {
			found = append(found, other)
		}
	}
	return found
}

// filter makes a filter, and what it means.
func (w *world) filter(collection string, depth int) (string, func(record) bool) {
	switch n := w.random.IntN(10); {
	case depth == 0 || n < 2 || n < 8 && len(links[collection]) == 0:
		return w.condition(collection)
	case n < 8:
		return w.quantifier(collection, depth)
	}
	a, holdsA := w.filter(collection, depth-1)
	b, holdsB := w.filter(collection, depth-1)
	switch w.random.IntN(3) {
	case 0:
		return `{"$and": [` + a + `, ` + b + `]}`, func(r record) bool { return holdsA(r) && holdsB(r) }
	case 1:
		return `{"$or": [` + a + `, ` + b + `]}`, func(r record) bool { return holdsA(r) || holdsB(r) }
	}
	return `{"$nor": [` + a + `, ` + b + `]}`, func(r record) bool { return !holdsA(r) && !holdsB(r) }
}

func (w *world) condition(collection string) (string, func(record) bool) {
	n := w.random.IntN(6)
	year := func(r record) int {
		if year, ok := r["year"].(int); ok {
			return year
		}
		return -1
	}
	switch {
	case w.random.IntN(6) == 0:
		return `{}`, func(record) bool { return true }
	case collection == "passports":
		return fmt.Sprintf(`{"owner": {"$gt": %d}}`, n), func(r record) bool { return r["owner"].(int) > n }
	case collection == "people":
		name := string(rune('a' + n))
		return fmt.Sprintf(`{"name": %q}`, name), func(r record) bool { return r["name"] == name }
	case n%2 == 0:
		return fmt.Sprintf(`{"year": {"$gte": %d}}`, n), func(r record) bool { return year(r) >= n }
	}
	return fmt.Sprintf(`{"year": {"$ne": %d}}`, n), func(r record) bool { return year(r) != n }
}

func (w *world) quantifier(collection string, depth int) (string, func(record) bool) {
	l := links[collection][w.random.IntN(len(links[collection]))]
	text, holds := w.filter(l.to, depth-1)
	some := func(r record) bool { return slices.ContainsFunc(w.related(l, r), holds) }
	none := func(r record) bool { return !some(r) }
	every := func(r record) bool {
		return !slices.ContainsFunc(w.related(l, r), func(other record) bool { return !holds(other) })
	}
	there := func(r record) bool { return len(w.related(l, r)) > 0 }
	choices := []struct {
		op, operand string
		holds       func(record) bool
	}{
		{"$some", text, some}, {"$none", text, none}, {"$every", text, every},
		{"$is", text, some}, {"$isNot", text, none}, {"$is", "null", func(r record) bool { return !there(r) }}, {"$isNot", "null", there},
	}
	if !l.one {
		choices = choices[:3]
	}
	c := choices[w.random.IntN(len(choices))]
	return fmt.Sprintf(`{%q: {%q: %s}}`, l.name, c.op, c.operand), c.holds
}

// TestFiltersOverRelationsCost holds the commands, and that an index serves.
func TestFiltersOverRelationsCost(t *testing.T) {
	t.Parallel()
	s, commands := startShelf(t)
	for _, test := range []struct {
		path     string
		commands int64
		want     string
	}{
		{`/v1/books?filter={"writer":{"$is":{"name":"Ada"}}}`, 2, "[{1} {2} {3}]"},
		{`/v1/books?filter={"writer":{"$isNot":{"name":"Ada"}}}`, 2, "[{4} {5}]"},
		{`/v1/books?filter={"writer":{"$isNot":null}}`, 1, "[{1} {2} {3} {4}]"},
		{`/v1/people?filter={"books":{"$some":{"reviews":{"$some":{"critic":{"$is":{"name":"Cy"}}}}}}}`, 4, "[{1}]"},
		{`/v1/people?filter={"books":{"$every":{"year":{"$lt":2001}}}}`, 2, "[{2} {3}]"},
		{`/v1/people?filter={"books":{"$none":{}},"liked":{"$none":{}}}`, 3, "[{3}]"},
		{`/v1/people?filter={"books":{"$some":{}}}&include=books`, 3, "[{1 books:[{1} {2} {3}]} {2 books:[{4}]}]"},
	} {
		before := commands.n.Load()
		page := s.do("GET", test.path, "").is(200).json()
		if got := commands.n.Load() - before; got != test.commands {
			t.Errorf("%s costs %d commands, want %d", test.path, got, test.commands)
		}
		if got := brief(page["data"]); got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.path, got, test.want)
		}
	}
	explained := s.do("GET", `/v1/books?explain=true&filter={"writer":{"$is":{"name":"Ada"}}}`, "").is(200).json()
	if explained["index"] != "author_1__id_1" {
		t.Errorf("the index is %v", explained["index"])
	}
}

// TestFiltersOverRelationsAreBounded asks for more related documents than the
// service looks for, and for what cannot be asked of them.
func TestFiltersOverRelationsAreBounded(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{
		"towns.yaml": {Data: []byte("collection: towns\nid: int\nfields: {name: {type: string}, at: {type: geo}}\nindexes: [{keys: [{at: 2dsphere}]}, {keys: [{name: text}]}]\n" +
			"relations: {homes: {has_many: homes, by: town}}\n")},
		"homes.yaml": {Data: []byte("collection: homes\nid: int\nfields: {town: {type: int}, note: {type: string}}\nrelations: {town of: {belongs_to: towns, by: town}}\n")},
	}
	s := start(t, load(t, files))
	var towns, homes []string
	for id := range limits.RelatedValues + 1 {
		towns = append(towns, fmt.Sprintf(`{"id": %d, "name": "n%d"}`, id, id%2))
		homes = append(homes, fmt.Sprintf(`{"id": %d, "town": %d, "note": "n%d"}`, id, id, id%2))
	}
	s.do("POST", "/v1/towns", "["+strings.Join(towns, ",")+"]").is(201)
	s.do("POST", "/v1/homes", "["+strings.Join(homes, ",")+"]").is(201)
	ask := func(collection, filter string) answer {
		return s.do("POST", "/v1/"+collection+"/_query", `{"limit": 1, "filter": `+filter+`}`)
	}
	ask("homes", `{"town of": {"$is": {"name": "n0"}}}`).is(200)
	ask("homes", `{"town of": {"$is": {"id": {"$gte": 0}}}}`).problem(400, "invalid-parameter", "/filter/town of/$is").has("more than 200 documents", "include")
	ask("towns", `{"homes": {"$some": {"note": "n1"}}}`).is(200)
	ask("towns", `{"homes": {"$some": {}}}`).problem(400, "invalid-parameter", "/filter/homes/$some")
	ask("towns", `{"$or": [{"id": 1}, {"homes": {"$every": {"note": "n2"}}}]}`).problem(400, "invalid-parameter", "/filter/$or/1/homes/$every")
	ask("homes", `{"town of": {"$is": {"at": {"$near": {"type": "Point", "coordinates": [1, 2]}}}}}`).problem(400, "invalid-parameter", "/filter/town of/$is/at/$near")
	s.do("POST", "/v1/homes/_query", `{"limit": 1, "include": {"town of": {"filter": {"$text": {"$search": "n1"}}}}}`).is(200)
	s.do("POST", "/v1/towns/_query", `{"include": {"homes": {"limit": 2, "include": {"town of": {"limit": 1, "filter": {"$text": {"$search": "n1"}}}}}}}`).
		problem(400, "invalid-parameter", "/include/homes/include/town of/limit")
}

// TestFiltersOverRelationsMeanWhatIsChanged changes and deletes by what documents
// are related to.
func TestFiltersOverRelationsMeanWhatIsChanged(t *testing.T) {
	t.Parallel()
	s, _ := startShelf(t)
	s.do("PATCH", `/v1/books?filter={"writer":{"$is":{"name":"Ada"}}}`, `{"year": 1843}`, "Content-Type: application/merge-patch+json").is(200).has(`"matched":3`)
	s.do("DELETE", `/v1/reviews?filter={"of":{"$is":{"year":{"$ne":1843}}}}`, "").is(200).has(`"deleted":1`)
	s.do("DELETE", `/v1/reviews?filter={"off":{"$is":{}}}`, "").problem(400, "invalid-parameter", "filter/off/$is")
}

// TestRelationsInASession holds that includes and filters over relations see what
// their session has written, and no one else does.
func TestRelationsInASession(t *testing.T) {
	t.Parallel()
	s, _ := startShelf(t)
	session := "Sheaf-Session: " + s.do("POST", "/v1/_sessions", "").is(201).json()["id"].(string)
	s.do("POST", "/v1/people", `{"id": 20, "name": "Eve"}`, session).is(201)
	s.do("POST", "/v1/books", `{"id": 20, "title": "T", "author": 20, "fans": [1, 20]}`, session).is(201)
	s.do("POST", "/v1/reviews", `{"book": 20, "by": 20, "stars": 1}`, session).is(201)
	for _, test := range []struct{ path, inside, outside string }{
		{`/v1/books?filter={"writer":{"$is":{"name":"Eve"}}}&include=writer,likers`, "[{20 writer:{20} likers:[{1} {20}]}]", "[]"},
		{`/v1/people?filter={"books":{"$some":{"reviews":{"$every":{"stars":1}}}},"id":{"$gt":2}}&include=books`, "[{20 books:[{20}]}]", "[]"},
		{`/v1/people?include=liked&id=1`, "[{1 liked:[{1} {3} {20}]}]", "[{1 liked:[{1} {3}]}]"},
	} {
		if got := brief(s.do("GET", test.path, "", session).is(200).json()["data"]); got != test.inside {
			t.Errorf("%s inside: %s", test.path, got)
		}
		if got := brief(s.do("GET", test.path, "").is(200).json()["data"]); got != test.outside {
			t.Errorf("%s outside: %s", test.path, got)
		}
	}
	if got := brief(s.do("POST", "/v1/people/_query", `{"filter": {"id": 20}, "include": {"books": {"limit": 1}}}`, session).is(200).json()["data"]); got != "[{20 books:[{20}]}]" {
		t.Errorf("first of the session: %s", got)
	}
	s.do("GET", "/v1/books/20?include=writer", "", session).is(200).has(`"writer":{"id":20,`)
}

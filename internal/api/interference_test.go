package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
	"github.com/sheafdb/sheaf/internal/testkit"
)

// Two databases that differ in what a caller may not see alone must answer it
// alike, byte for byte, whatever it asks: then nothing that it asks tells of the
// difference. Requests of all kinds are generated, with filters, orders,
// selections, includes, patches and preconditions over hidden fields and hidden
// documents as well as over those that are seen.

const secretModel = `
collection: people
id: string
fields:
  name: {type: string, required: true}
  email: {type: string, unique: true}
  salary: {type: int}
  tags: {type: array, items: {type: string}}
relations:
  notes: {has_many: notes, by: ownerId}
access:
  read: [{role: admin}, {where: {id: $auth.sub}}, {fields: {only: [name, tags]}}]
  create: [{role: admin}]
  update: [{where: {id: $auth.sub}, fields: {only: [name, email, tags]}}]
  delete: [{role: admin}]
---
collection: notes
id: string
soft_delete: true
history: true
fields:
  title: {type: string, required: true, max_length: 20}
  status: {type: string, enum: [draft, published], default: draft}
  rating: {type: int, min: 0, max: 2000000}
  secret: {type: string, default: SECRET-new}
  meta: {type: object, fields: {a: {type: int}, b: {type: string}}}
  scores: {type: array, items: {type: int}}
  ownerId: {type: ref, to: people, required: true, on_delete: restrict}
indexes:
  - {keys: [status]}
  - {keys: [{title: text}, {secret: text}]}
relations:
  owner: {belongs_to: people, by: ownerId}
  comments: {has_many: comments, by: noteId}
aggregates:
  by_status: {pipeline: [{$group: {_id: $status, notes: {$sum: 1}}}, {$sort: {_id: 1}}]}
  ratings: {pipeline: [{$group: {_id: null, most: {$max: $rating}, secrets: {$push: $secret}}}]}
  secrets: {pipeline: [{$match: {secret: {$gte: "SECRET-M"}}}, {$count: n}]}
  talk: {pipeline: [{$lookup: {from: comments, localField: _id, foreignField: noteId, as: comments}}, {$project: {n: {$size: $comments}}}, {$sort: {_id: 1}}]}
access:
  read:
    - {role: admin}
    - {where: {ownerId: $auth.sub}, fields: {except: [secret]}}
    - {role: reader, where: {status: published}, fields: {except: [secret, rating]}}
  create: [{role: writer, set: {ownerId: $auth.sub}, fields: {except: [rating, secret]}}]
  update: [{where: {ownerId: $auth.sub}, fields: {except: [rating, secret, status]}}]
  delete: [{where: {ownerId: $auth.sub}}]
---
collection: comments
id: string
fields:
  noteId: {type: ref, to: notes, on_delete: cascade}
  authorId: {type: string, required: true}
  text: {type: string, required: true}
  ip: {type: string, max_length: 30}
relations:
  note: {belongs_to: notes, by: noteId}
access:
  read: [{where: {authorId: $auth.sub}, fields: {except: [ip]}}]
  create: [{set: {authorId: $auth.sub}}]
  update: [{where: {authorId: $auth.sub}}]
  delete: [{where: {authorId: $auth.sub}}]
---
collection: logs
id: string
additional: keep
fields:
  line: {type: string}
  inner: {type: string}
access:
  read: [{role: admin}, {fields: {except: [inner]}}]
  create: [{fields: {except: [inner]}}]
  update: [{fields: {except: [inner]}}]
  delete: []
`

// twins makes the two databases of one caller.
type twins struct {
	r      *rand.Rand
	caller string // its sub
	reader bool
	// left and right are the documents of the two sides, by collection.
	left, right map[string][]bson.D
	// ids are all that there are on any side, by collection.
	ids map[string][]string
	// made counts the documents that requests have made.
	made int
}

var fixed = bson.NewDateTimeFromTime(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))

func (w *twins) put(collection string, left, right bson.D) {
	for _, side := range []struct {
		docs map[string][]bson.D
		doc  bson.D
	}{{w.left, left}, {w.right, right}} {
		if side.doc != nil {
			doc := append(slices.Clone(side.doc), bson.E{Key: "version", Value: int64(1)}, bson.E{Key: "createdAt", Value: fixed}, bson.E{Key: "updatedAt", Value: fixed})
			side.docs[collection] = append(side.docs[collection], doc)
		}
	}
}

// secret is text that no answer may hold.
func (w *twins) secret() string {
	return fmt.Sprintf("SECRET-%c%d", 'A'+rune(w.r.IntN(26)), w.r.IntN(1000))
}

func (w *twins) secretNumber() int64 { return 1_000_000 + w.r.Int64N(1_000_000) }

// either puts a hidden document into one side, both or none, each with contents of
// its own.
func (w *twins) either(collection string, make func() bson.D) {
	sides := [2]bson.D{}
	for i := range sides {
		if w.r.IntN(3) > 0 {
			sides[i] = make()
		}
	}
	w.put(collection, sides[0], sides[1])
}

// fill makes people, and notes, comments and logs that the caller sees or not.
func (w *twins) fill() {
	people := []string{"ada", "bob", "eve", "zoe"}
	w.ids["people"] = append(people, "nobody")
	for _, id := range people {
		person := func() bson.D {
			salary, email := w.secretNumber(), fmt.Sprintf("SECRET-%s-%d@x.example", id, w.r.IntN(9))
			if id == w.caller {
				salary, email = 7, id+"@x.example"
			}
			return bson.D{{Key: "_id", Value: id}, {Key: "name", Value: "N" + id}, {Key: "email", Value: email}, {Key: "salary", Value: salary}, {Key: "tags", Value: bson.A{"t", id}}}
		}
		w.put("people", person(), person())
	}
	for i := range 14 {
		w.note(fmt.Sprintf("n%d", i), people)
	}
	for i := range 10 {
		id, note := fmt.Sprintf("c%d", i), fmt.Sprintf("n%d", w.r.IntN(14))
		w.ids["comments"] = append(w.ids["comments"], id)
		if w.r.IntN(2) == 0 {
			comment := func() bson.D {
				return bson.D{{Key: "_id", Value: id}, {Key: "noteId", Value: note}, {Key: "authorId", Value: w.caller}, {Key: "text", Value: "seen " + id}, {Key: "ip", Value: w.secret()}}
			}
			w.put("comments", comment(), comment())
			continue
		}
		w.either("comments", func() bson.D {
			return bson.D{{Key: "_id", Value: id}, {Key: "noteId", Value: fmt.Sprintf("n%d", w.r.IntN(14))}, {Key: "authorId", Value: "other"}, {Key: "text", Value: w.secret()}}
		})
	}
	for i := range 5 {
		id := fmt.Sprintf("l%d", i)
		w.ids["logs"] = append(w.ids["logs"], id)
		log := func() bson.D {
			return bson.D{{Key: "_id", Value: id}, {Key: "line", Value: fmt.Sprint("line ", i%3)}, {Key: "free", Value: int64(i)}, {Key: "inner", Value: w.secret()}}
		}
		w.put("logs", log(), log())
	}
}

func (w *twins) note(id string, people []string) {
	w.ids["notes"] = append(w.ids["notes"], id)
	owner, status := people[w.r.IntN(len(people))], []string{"draft", "published"}[w.r.IntN(2)]
	owns, reads := owner == w.caller, w.reader && status == "published"
	title, rating, score := fmt.Sprint("title ", w.r.IntN(4)), w.r.Int64N(5), w.r.Int64N(4)
	seen := func() bson.D {
		own := rating
		if !owns {
			own = w.secretNumber()
		}
		return bson.D{{Key: "_id", Value: id}, {Key: "title", Value: title}, {Key: "status", Value: status}, {Key: "rating", Value: own}, {Key: "secret", Value: w.secret()},
			{Key: "meta", Value: bson.D{{Key: "a", Value: score}, {Key: "b", Value: "x"}}}, {Key: "scores", Value: bson.A{score, score + 1}}, {Key: "ownerId", Value: owner}}
	}
	if owns || reads {
		w.put("notes", seen(), seen())
		return
	}
	others := slices.DeleteFunc(slices.Clone(people), func(p string) bool { return p == w.caller })
	w.either("notes", func() bson.D {
		doc := seen()
		doc[1].Value, doc[7].Value = "SECRET title", others[w.r.IntN(len(others))]
		return doc
	})
}

func (w *twins) pick(list ...string) string { return list[w.r.IntN(len(list))] }

func (w *twins) collection() string {
	return w.pick("notes", "notes", "notes", "people", "comments", "logs")
}

var fieldsOf = map[string][]string{
	"people": {"id", "name", "email", "salary", "tags", "version", "none"}, "comments": {"id", "noteId", "authorId", "text", "ip", "version", "nothing"},
	"notes": {"id", "title", "status", "rating", "secret", "meta", "meta.a", "scores", "ownerId", "version", "secrit"}, "logs": {"id", "line", "inner", "free", "version"},
}

func (w *twins) field(collection string) string { return w.pick(fieldsOf[collection]...) }

// value is one that fits the field, or now and then another.
func (w *twins) value(collection, field string) any {
	if w.r.IntN(12) == 0 {
		return w.pick("x", "y")
	}
	switch field {
	case "id":
		return w.id(collection)
	case "rating", "salary":
		return []any{w.r.IntN(5), 1_500_000, w.secretNumber()}[w.r.IntN(3)]
	case "meta.a", "free", "version":
		return w.r.IntN(5)
	case "scores":
		return []any{w.r.IntN(4), []int{w.r.IntN(4), w.r.IntN(5)}}[w.r.IntN(2)]
	case "tags":
		return []any{w.pick("t", "ada"), []string{"t", "eve"}}[w.r.IntN(2)]
	case "meta":
		return map[string]any{"a": w.r.IntN(4), "b": "x"}
	case "status":
		return w.pick("draft", "published")
	case "ownerId":
		return w.id("people")
	case "noteId":
		return w.id("notes")
	case "authorId":
		return w.pick(w.caller, "other")
	case "email":
		return fmt.Sprintf("%s%d@x.example", w.caller, w.r.IntN(5))
	case "secret", "ip", "inner":
		return w.secret()
	case "line":
		return fmt.Sprint("line ", w.r.IntN(3))
	}
	return fmt.Sprint("title ", w.r.IntN(4))
}

func (w *twins) id(collection string) string {
	if w.r.IntN(8) == 0 {
		return "absent"
	}
	return w.pick(w.ids[collection]...)
}

var relationsOf = map[string][][2]string{
	"people": {{"notes", "notes"}}, "notes": {{"owner", "people"}, {"comments", "comments"}}, "comments": {{"note", "notes"}}, "logs": {{"none", "notes"}},
}

// filter is a condition of any depth over any fields and relations.
func (w *twins) filter(collection string, depth int) map[string]any {
	switch {
	case depth > 0 && w.r.IntN(4) == 0:
		return map[string]any{w.pick("$and", "$or", "$nor"): []any{w.filter(collection, depth-1), w.filter(collection, depth-1)}}
	case depth > 0 && w.r.IntN(3) == 0:
		relation := relationsOf[collection][w.r.IntN(len(relationsOf[collection]))]
		inner := w.filter(relation[1], depth-1)
		if w.r.IntN(3) == 0 {
			inner = map[string]any{}
		}
		return map[string]any{relation[0]: map[string]any{w.pick("$some", "$every", "$none", "$is", "$isNot"): inner}}
	case w.r.IntN(15) == 0:
		return map[string]any{"$text": map[string]any{"$search": w.pick("title", "SECRET")}}
	}
	field := w.field(collection)
	switch op := w.pick("$eq", "$ne", "$gt", "$lte", "$in", "$exists", "$regex", "$not"); op {
	case "$in":
		return map[string]any{field: map[string]any{op: []any{w.value(collection, field), w.value(collection, field)}}}
	case "$exists":
		return map[string]any{field: map[string]any{op: w.r.IntN(2) == 0}}
	case "$regex":
		return map[string]any{field: map[string]any{op: w.pick("^SECRET-[A-M]", "e", "1$")}}
	case "$not":
		return map[string]any{field: map[string]any{op: map[string]any{"$gt": w.value(collection, field)}}}
	default:
		return map[string]any{field: map[string]any{op: w.value(collection, field)}}
	}
}

// asked is one request.
type asked struct {
	method, path, body string
	headers            []string
}

func text(value any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		panic(err)
	}
	return strings.TrimSpace(b.String())
}

// list is one of a collection; cursors are those of answers before it.
func (w *twins) list(cursors []string) asked {
	c := w.collection()
	parts := map[string]any{}
	maybe := func(name string, one int, value func() any) {
		if w.r.IntN(one) == 0 {
			parts[name] = value()
		}
	}
	maybe("filter", 2, func() any { return w.filter(c, 2) })
	maybe("sort", 2, func() any { return w.pick("", "-") + w.field(c) + "," + w.pick("", "-") + w.field(c) })
	maybe("select", 4, func() any {
		sign := w.pick("", "-")
		return sign + w.field(c) + "," + sign + w.field(c)
	})
	maybe("limit", 2, func() any { return 1 + w.r.IntN(3) })
	maybe("count", 4, func() any { return w.pick("exact", "exact", "estimate") })
	maybe("include", 3, func() any { return w.include(c) })
	maybe("explain", 30, func() any { return true })
	maybe("deleted", 6, func() any { return w.pick("include", "only") })
	if len(cursors) > 0 && w.r.IntN(8) == 0 {
		parts[w.pick("after", "before")] = w.pick(cursors...)
	}
	if w.r.IntN(2) == 0 {
		return asked{"POST", "/v1/" + c + "/_query", text(parts), nil}
	}
	query := url.Values{}
	for name, value := range parts {
		if s, isText := value.(string); isText {
			query.Set(name, s)
			continue
		}
		query.Set(name, text(value))
	}
	if w.r.IntN(4) == 0 {
		query.Set(w.field(c)+"[gte]", fmt.Sprint(w.value(c, w.field(c))))
	}
	return asked{"GET", "/v1/" + c + "?" + query.Encode(), "", nil}
}

func (w *twins) include(c string) string {
	relation := relationsOf[c][w.r.IntN(len(relationsOf[c]))]
	if w.r.IntN(2) == 0 {
		return relation[0]
	}
	return relation[0] + "." + relationsOf[relation[1]][0][0]
}

func (w *twins) read() asked {
	c := w.collection()
	a := asked{method: "GET", path: "/v1/" + c + "/" + w.id(c)}
	if w.r.IntN(3) == 0 {
		a.path += "?include=" + w.include(c)
	}
	a.headers = w.condition()
	return a
}

func (w *twins) condition() []string {
	switch w.r.IntN(6) {
	case 0:
		return []string{fmt.Sprintf(`If-Match: "%d"`, 1+w.r.IntN(3))}
	case 1:
		return []string{fmt.Sprintf(`If-None-Match: "%d"`, 1+w.r.IntN(3))}
	}
	return nil
}

// document is one to store, whole or nearly so.
func (w *twins) document(c string) map[string]any {
	doc := map[string]any{}
	for _, field := range fieldsOf[c] {
		if !strings.Contains(field, ".") && w.r.IntN(8) > 1 && field != "version" && field != "none" && field != "nothing" && field != "secrit" &&
			(field != "rating" && field != "secret" && field != "salary" && field != "inner" || w.r.IntN(6) == 0) {
			doc[field] = w.value(c, field)
		}
	}
	delete(doc, "id")
	return doc
}

// change is the body of a patch, and its media type.
func (w *twins) change(c string) (body, media string) {
	field := w.field(c)
	switch w.r.IntN(4) {
	case 0:
		op := w.pick("$set", "$inc", "$max", "$push", "$unset", "$min", "$pull")
		operand := w.value(c, field)
		if op == "$inc" {
			operand = 1
		}
		return text(map[string]any{op: map[string]any{field: operand}}), "application/vnd.sheaf.update+json"
	case 1:
		path := "/" + strings.ReplaceAll(field, ".", "/")
		list := []any{map[string]any{"op": w.pick("test", "replace", "add", "remove"), "path": path, "value": w.value(c, field)}}
		if w.r.IntN(3) == 0 {
			list = []any{map[string]any{"op": w.pick("copy", "move"), "from": path, "path": "/" + w.pick("title", "text", "line", "name")}}
		}
		return text(list), "application/json-patch+json"
	case 2:
		return text(map[string]any{field: nil}), "application/merge-patch+json"
	}
	return text(map[string]any{field: w.value(c, field), w.pick("title", "text", "line", "name"): "changed"}), "application/json"
}

func (w *twins) newID(c string) string {
	w.made++
	id := fmt.Sprintf("new%d", w.made)
	w.ids[c] = append(w.ids[c], id)
	return id
}

func (w *twins) write() asked {
	c := w.collection()
	a := asked{headers: w.condition()}
	if w.r.IntN(6) == 0 {
		a.headers = append(a.headers, "Prefer: return=minimal")
	}
	if w.r.IntN(8) == 0 {
		w.made++
		a.headers = append(a.headers, fmt.Sprintf("Idempotency-Key: key%d", w.made))
	}
	switch w.r.IntN(8) {
	case 0, 1:
		doc := w.document(c)
		doc["id"] = w.newID(c)
		if relation := relationsOf[c][0]; w.r.IntN(4) == 0 {
			doc[relation[0]] = map[string]any{"connect": map[string]any{w.pick("id", "email"): w.id(relation[1])}}
		}
		a.method, a.path, a.body, a.headers = "POST", "/v1/"+c, text(doc), slices.DeleteFunc(a.headers, func(h string) bool { return strings.HasPrefix(h, "If-") })
	case 2:
		a.method, a.path, a.body = "PUT", "/v1/"+c+"/"+w.id(c), text(w.document(c))
	case 3:
		a.method, a.path = "DELETE", "/v1/"+c+"/"+w.id(c)
	case 4:
		a.method, a.path = "PATCH", "/v1/"+c+"?filter="+url.QueryEscape(text(w.filter(c, 1)))
		body, media := w.change(c)
		a.body, a.headers = body, []string{"Content-Type: " + media}
		if w.r.IntN(6) == 0 {
			a.method, a.body, a.headers = "DELETE", "", nil
		}
	default:
		body, media := w.change(c)
		a.method, a.path, a.body = "PATCH", "/v1/"+c+"/"+w.id(c), body
		a.headers = append(a.headers, "Content-Type: "+media)
	}
	return a
}

func (w *twins) transaction() asked {
	var operations []any
	for i := range 1 + w.r.IntN(4) {
		c := w.collection()
		operation := map[string]any{"as": fmt.Sprint("o", i)}
		switch w.r.IntN(5) {
		case 0, 1:
			operation["read"], operation["id"] = c, w.id(c)
		case 2:
			doc := w.document(c)
			if doc["id"] = w.newID(c); i > 0 && w.r.IntN(2) == 0 {
				doc[w.pick("title", "text", "line")] = map[string]any{"$ref": fmt.Sprintf("o%d.%s", i-1, w.field(c))}
			}
			operation["create"], operation["document"] = c, doc
		case 3:
			body, _ := w.change(c)
			operation["update"], operation["id"], operation["change"] = c, w.id(c), json.RawMessage(body)
		default:
			operation["delete"], operation["id"] = c, w.id(c)
		}
		if _, creates := operation["create"]; !creates && w.r.IntN(3) == 0 {
			operation["require"] = w.filter(c, 0)
		}
		if _, creates := operation["create"]; !creates && w.r.IntN(5) == 0 {
			operation["version"] = 1 + w.r.IntN(2)
		}
		operations = append(operations, operation)
	}
	a := asked{method: "POST", path: "/v1/_transactions", body: text(map[string]any{"operations": operations})}
	if w.r.IntN(3) == 0 {
		a.headers = []string{"Prefer: tx=rollback"}
	}
	return a
}

// kept asks for what is kept of notes.
func (w *twins) kept() asked {
	path := "/v1/notes/" + w.id("notes")
	switch w.r.IntN(6) {
	case 0:
		return asked{method: "GET", path: path + fmt.Sprintf("/_history/%d", 1+w.r.IntN(3))}
	case 1:
		return asked{method: "POST", path: path + "/_restore"}
	case 2:
		return asked{method: "POST", path: path + fmt.Sprintf("/_restore?version=%d", 1+w.r.IntN(3))}
	case 3:
		return asked{method: "DELETE", path: path + "?purge=true"}
	}
	return asked{method: "GET", path: path + fmt.Sprintf("/_history?limit=%d", 1+w.r.IntN(3))}
}

// export is one of a collection.
func (w *twins) export() asked {
	c, query := w.collection(), url.Values{}
	if w.r.IntN(2) == 0 {
		query.Set("filter", text(w.filter(c, 1)))
	}
	if w.r.IntN(4) == 0 {
		query.Set("select", w.field(c))
	}
	return asked{method: "GET", path: "/v1/" + c + "/_export?" + query.Encode()}
}

func (w *twins) next(cursors []string) asked {
	switch w.r.IntN(14) {
	case 0, 1, 2, 3:
		return w.list(cursors)
	case 4, 5:
		return w.read()
	case 6:
		return w.transaction()
	case 8:
		return w.kept()
	case 9:
		return w.export()
	case 7:
		return asked{method: "GET", path: "/v1/notes/_aggregates/" + w.pick("by_status", "ratings", "secrets", "talk", "non")}
	}
	return w.write()
}

// own are the headers that are a request's own.
var own = []string{"Date", "X-Request-Id", "Server-Timing", "Content-Length"}

var ownTimes = regexp.MustCompile(`"(createdAt|updatedAt|deletedAt|at)":"[^"]*"|"request_id":"[^"]*"`)

// comparable is an answer without what two requests never share.
func (a answer) comparable() string {
	header := a.header.Clone()
	for _, name := range own {
		header.Del(name)
	}
	var b strings.Builder
	fmt.Fprintln(&b, a.status)
	_ = header.Write(&b)
	return b.String() + ownTimes.ReplaceAllString(string(a.body), "")
}

var cursorPattern = regexp.MustCompile(`"(?:next|prev)":"([^"]+)"`)

var firstSeed = flag.Uint64("first-seed", 0, "where the search for what tells of hidden documents begins; another one searches elsewhere")

func TestNothingTellsOfWhatACallerMayNotSee(t *testing.T) {
	t.Parallel()
	files := fileMap("people", strings.Split(secretModel, "---\n")[0], "notes", strings.Split(secretModel, "---\n")[1],
		"comments", strings.Split(secretModel, "---\n")[2], "logs", strings.Split(secretModel, "---\n")[3])
	model := load(t, files)
	for i, caller := range []string{"ada writer", "eve reader", "zoe", "bob writer reader"} {
		t.Run(caller, func(t *testing.T) {
			t.Parallel()
			holdNothingTold(t, model, caller, *firstSeed+uint64(i))
		})
	}
}

func holdNothingTold(t *testing.T, model *schema.Model, caller string, seed uint64) {
	t.Helper()
	w := &twins{
		r: rand.New(rand.NewPCG(seed, 1)), caller: strings.Fields(caller)[0], reader: strings.Contains(caller, "reader"),
		left: map[string][]bson.D{}, right: map[string][]bson.D{}, ids: map[string][]string{},
	}
	w.fill()
	sides := [2]*guarded{}
	for i, docs := range []map[string][]bson.D{w.left, w.right} {
		uri, db := testkit.Mongo(t)
		sides[i] = guardOn(t, model, uri, db)
		for name, list := range docs {
			insertAll(t, sides[i].store, name, list)
		}
	}
	before := [2]map[string]bson.Raw{unseen(t, sides[0], w), unseen(t, sides[1], w)}
	var cursors []string
	answers := map[int]int{}
	for n := range 400 {
		a := w.next(cursors)
		headers := append(a.headers, callerHeader+": "+caller)
		left, right := sides[0].do(a.method, a.path, a.body, headers...), sides[1].do(a.method, a.path, a.body, headers...)
		answers[left.status]++
		if x, y := left.comparable(), right.comparable(); x != y {
			t.Fatalf("request %d tells of what %s may not see:\n%s %s %s %q\n%s\n---\n%s", n, caller, a.method, a.path, a.body, a.headers, x, y)
		}
		if told := string(left.body); strings.Contains(told, "SECRET") && !strings.Contains(a.path+a.body, "SECRET") || left.status >= 500 {
			t.Fatalf("request %d shows what %s may not see, or fails:\n%s %s %s\n%s", n, caller, a.method, a.path, a.body, told)
		}
		for _, match := range cursorPattern.FindAllStringSubmatch(string(left.body), -1) {
			cursors = append(cursors, match[1])
		}
	}
	for i, side := range sides {
		for id, doc := range unseen(t, side, w) {
			if !bytes.Equal(doc, before[i][id]) {
				t.Errorf("%s is not as it was: %s, was %s", id, doc, before[i][id])
			}
		}
	}
	if answers[http.StatusOK] < 60 || answers[http.StatusForbidden] == 0 || answers[http.StatusNotFound] == 0 {
		t.Errorf("the requests are not of all kinds: %v", answers)
	}
}

func insertAll(t *testing.T, s *store.Store, name string, list []bson.D) {
	t.Helper()
	var raw []bson.Raw
	for _, doc := range list {
		encoded, err := bson.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		raw = append(raw, encoded)
	}
	if failures, err := s.InsertMany(t.Context(), name, raw); err != nil || len(failures) > 0 {
		t.Fatal(err, failures)
	}
}

// unseen are the documents of a side that the caller may not change.
func unseen(t *testing.T, g *guarded, w *twins) map[string]bson.Raw {
	t.Helper()
	docs := map[string]bson.Raw{}
	for _, name := range []string{"people", "notes"} {
		err := g.store.Each(context.Background(), store.Query{Collection: name}, func(doc bson.Raw) error {
			owner, _ := doc.Lookup("ownerId").StringValueOK()
			if id := doc.Lookup("_id").StringValue(); id != w.caller && owner != w.caller {
				docs[name+" "+id] = slices.Clone(doc)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return docs
}

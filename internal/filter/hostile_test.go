package filter_test

import (
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/filter"
)

// TestHostileFiltersAreRefused holds that none of what is known to break out of
// a filter, or to make it expensive, gets through.
func TestHostileFiltersAreRefused(t *testing.T) {
	const megabyte = 1 << 20
	long := strings.Repeat("a", megabyte)
	tests := map[string]string{
		"operator in the value of a string":  `{"status": {"$eq": {"$gt": ""}}}`,
		"operator in the value of any type":  `{"meta": {"$eq": {"$gt": ""}}}`,
		"operator deep in a value":           `{"meta": {"a": [{"b": {"$where": "1"}}]}}`,
		"operator in a list":                 `{"status": {"$in": [{"$ne": null}]}}`,
		"operator in a list of any type":     `{"meta": {"$in": [{"$ne": null}]}}`,
		"operator after a plain member":      `{"meta": {"a": 1, "$gt": 1}}`,
		"plain member after an operator":     `{"age": {"$gt": 1, "a": 1}}`,
		"code":                               `{"$where": "sleep(1000)"}`,
		"code in a condition":                `{"$or": [{"$where": "1"}]}`,
		"function":                           `{"$expr": {"$function": {"body": "function() {}", "args": [], "lang": "js"}}}`,
		"expression":                         `{"age": {"$expr": 1}}`,
		"schema":                             `{"$jsonSchema": {}}`,
		"comment":                            `{"$comment": "x"}`,
		"code in a path":                     `{"meta.$where": "1"}`,
		"code in the path of an open object": `{"address.$where": "1"}`,
		"type":                               `{"age": {"$type": "int"}}`,
		"remainder":                          `{"age": {"$mod": [2, 0]}}`,
		"nested lists of operators":          `{"age": {"$gt": {"$gt": {"$gt": 1}}}}`,
		"Extended JSON":                      `{"id": {"$oid": "0123456789abcdef01234567"}}`,
		"Extended JSON as a value":           `{"meta": {"$eq": {"$oid": "0123456789abcdef01234567"}}}`,
		"prototype":                          `{"__proto__": {"admin": true}}`,
		"constructor":                        `{"constructor": {"prototype": {"admin": true}}}`,
		"prototype in a path":                `{"address.__proto__.admin.": true}`,
		"stored id":                          `{"_id": {"$gt": ""}}`,
		"empty name":                         `{"": 1}`,
		"empty step":                         `{"meta..a": 1}`,
		"empty operator":                     `{"age": {"$": 1}}`,
		"NUL in a name":                      `{"age\u0000": 1}`,
		"NUL in a free name":                 `{"address.x\u0000y": 1}`,
		"NUL in a name of a value":           `{"meta": {"a\u0000b": 1}}`,
		"NUL in an operator":                 `{"age": {"$gt\u0000": 1}}`,
		"byte that is no UTF-8":              "{\"status\": \"\xff\"}",
		"lone surrogate":                     `{"status": "\ud800"}`,
		"name twice":                         `{"age": 1, "age": {"$gt": 0}}`,
		"name twice by an escape":            `{"age": 1, "\u0061ge": 2}`,
		"name twice in a value":              `{"meta": {"a": 1, "a": 2}}`,
		"comment in the text":                `{/* */"age": 1}`,
		"NaN":                                `{"score": NaN}`,
		"number too large":                   `{"score": 1e999}`,
		"int too large":                      `{"age": 9223372036854775808}`,
		"not an object":                      `"age"`,
		"nothing":                            ``,
		"deep conditions":                    strings.Repeat(`{"$and":[`, 100_000) + strings.Repeat(`]}`, 100_000),
		"deep negations":                     `{"age":` + strings.Repeat(`{"$not":`, 1000) + `{"$gt":1}` + strings.Repeat(`}`, 1000) + `}`,
		"deep elements":                      `{"meta":` + strings.Repeat(`{"$elemMatch":`, 1000) + `{"$gt":1}` + strings.Repeat(`}`, 1000) + `}`,
		"deep value":                         `{"meta":` + strings.Repeat(`[`, 5000) + strings.Repeat(`]`, 5000) + `}`,
		"deeper value":                       `{"meta":` + strings.Repeat(`[`, 100_000) + strings.Repeat(`]`, 100_000) + `}`,
		"deep relations":                     strings.Repeat(`{"friends":{"$some":`, 1000) + `{}` + strings.Repeat(`}}`, 1000),
		"many conditions":                    `{"$or":[` + strings.Repeat(`{"age":1},`, 100_000) + `{}]}`,
		"many empty conditions":              `{"$or":[` + strings.Repeat(`{},`, 300_000) + `{}]}`,
		"many values":                        `{"age":{"$in":[` + strings.Repeat(`1,`, 500_000) + `1]}}`,
		"many unknown operators":             `{"$or":[` + strings.Repeat(`{"$nro":[]},`, 80_000) + `{}]}`,
		"many wrong values":                  `{"age":{"$in":[` + strings.Repeat(`"a",`, 500_000) + `1]}}`,
		"a name of a megabyte":               `{"` + long + `": 1}`,
		"an operator of a megabyte":          `{"age": {"$` + long + `": 1}}`,
		"a pattern of a megabyte":            `{"status": {"$regex": "` + long + `"}}`,
		"options of a megabyte":              `{"status": {"$regex": "a", "$options": "` + strings.Repeat("x", megabyte) + `"}}`,
		"words of a megabyte":                `{"$text": {"$search": "` + long + `"}}`,
		"pattern of nested repeats":          `{"status": {"$regex": "^(a+)+$"}}`,
		"pattern of nested counted repeats":  `{"status": {"$regex": "(a{1,30}){1,30}$"}}`,
		"pattern of huge repeats":            `{"status": {"$regex": "((a{100}){100}){100}"}}`,
		"pattern with two ways":              `{"status": {"$regex": "^(\\w|ab)*$"}}`,
		"pattern of optional parts":          `{"status": {"$regex": "^(a?b?)*$"}}`,
		"pattern of words and spaces":        `{"status": {"$regex": "^(\\w+\\s?)*$"}}`,
		"pattern of overlapping repeats":     `{"status": {"$regex": ".*.*.*.*=.*"}}`,
		"pattern of many repeats":            `{"status": {"$regex": "` + strings.Repeat("a*b*", 100) + `"}}`,
		"pattern with a backreference":       `{"status": {"$regex": "(a)\\1"}}`,
		"pattern with a look ahead":          `{"status": {"$regex": "(?=a)"}}`,
		"pattern with a recursion":           `{"status": {"$regex": "(?R)"}}`,
		"pattern that begins with a command": `{"status": {"$regex": "(*LIMIT_MATCH=1)a"}}`,
		"pattern that is not whole":          `{"status": {"$regex": "("}}`,
		"pattern of another type":            `{"status": {"$regex": {"$regex": "a"}}}`,
		"pattern in a list":                  `{"status": {"$in": [{"$regex": "a"}]}}`,
		"extended pattern":                   `{"status": {"$regex": "a", "$options": "x"}}`,
		"pattern of numbers":                 `{"age": {"$regex": "1"}}`,
		"size below zero":                    `{"tags": {"$size": -1}}`,
		"size with a fraction":               `{"tags": {"$size": 1.5}}`,
		"search under a condition":           `{"$or": [{"$text": {"$search": "a"}}, {}]}`,
		"search in no language":              `{"$text": {"$search": "a", "$language": "klingon"}}`,
		"two searches":                       `{"$and": [{"$text": {"$search": "a"}}, {"$text": {"$search": "b"}}]}`,
		"near under a negation":              `{"place": {"$not": {"$near": {"$geometry": {"type": "Point", "coordinates": [1, 2]}}}}}`,
		"near beside a search":               `{"$text": {"$search": "a"}, "place": {"$near": {"$geometry": {"type": "Point", "coordinates": [1, 2]}}}}`,
		"polygon with other coordinates":     `{"place": {"$geoWithin": {"$geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 0]]], "crs": {}}}}}`,
		"box beyond the globe":               `{"place": {"$geoWithin": {"$box": [[-1e300, 0], [1e300, 0]]}}}`,
		"circle beyond the globe":            `{"place": {"$geoWithin": {"$centerSphere": [[0, 0], 1e300]}}}`,
		"legacy center":                      `{"place": {"$geoWithin": {"$center": [[0, 0], 1]}}}`,
		"relation as a field":                `{"friends": {"$gt": ""}}`,
		"path into a relation":               `{"friends.password": "a"}`,
	}
	for name, src := range tests {
		begun := time.Now()
		var faults fault.List
		tree := filter.Parse([]byte(src), "", &faults)
		if tree != nil && tree.Bind(everything, &faults) != nil {
			t.Errorf("%s: is taken: %.80s", name, src)
		}
		if len(faults.Items) == 0 {
			t.Errorf("%s: no fault is told", name)
		}
		size := 0
		for _, item := range faults.Items {
			size += len(item.Pointer) + len(item.Detail)
		}
		if most := 64 << 10; size > most {
			t.Errorf("%s: the faults are %d bytes", name, size)
		}
		if taken := time.Since(begun); taken > 20*time.Millisecond {
			t.Logf("%s: took %s", name, taken)
		}
	}
}

// everything resolves fields, a relation, a text index and a geo index.
func everything(path string) (filter.Target, error) {
	switch path {
	case filter.TextIndex:
		return filter.Target{}, nil
	case "friends":
		return filter.Target{Relation: &filter.Related{Name: path, Many: true, Fields: everything}}, nil
	case "best":
		return filter.Target{Relation: &filter.Related{Name: path, Fields: everything}}, nil
	case "place":
		target, err := filter.Fields(placed)("at")
		target.Stored, target.Near = path, true
		return target, err
	}
	return filter.Fields(fields)(path)
}

// TestWhatLooksHostileAndIsNot holds that values are only values.
func TestWhatLooksHostileAndIsNot(t *testing.T) {
	for _, src := range []string{
		`{"status": "$where"}`, `{"status": "'; return true; //"}`, `{"status": "a\u0000b"}`, `{"status": {"$regex": "\\x00|\\$where"}}`,
		`{"meta": {"__proto__": {"admin": true}}}`, `{"address": {"constructor": 1}}`, `{"meta": {"a.b": 1}}`, `{"meta.length": 1}`,
	} {
		var faults fault.List
		tree := filter.Parse([]byte(src), "", &faults)
		if tree == nil {
			t.Errorf("%s: %v", src, faults.Items)
			continue
		}
		bound := tree.Bind(everything, &faults)
		if bound == nil {
			t.Errorf("%s: %v", src, faults.Items)
			continue
		}
		if _, err := bson.Marshal(bound.BSON()); err != nil {
			t.Errorf("%s: %v", src, err)
		}
	}
}

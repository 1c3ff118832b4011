// Package schematest has generators of schemas, of documents for them, and of
// faults in documents: for property tests.
package schematest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"
)

var (
	names    = []string{"a", "b", "two words", "ümläut", "_low", "x/y~z", "0"}
	letters  = []rune("abcxyzABK19_ -\n\t\v\u00e9\u00df\u017f\u212a\U0001f600")
	patterns = []string{`^[a-c]+$`, `\d{2}`, `^(?:foo|ba[rz])?x*$`, `[^a-z]`, `(?i)kß`, `^.$`, `\ba`, `\s`, `^\w+\W?$`, `b\z`,
		`(?s)^.{2,3}$`, `^$`, `a|^b`, `[\^\-\]x]`, `\p{Lu}`, `a*?c`, `(?i)^[k-s]+$`}
)

func drawText(t *rapid.T) string {
	return rapid.StringOfN(rapid.SampledFrom(letters), 0, 5, -1).Draw(t, "text")
}

// Fields declares the fields of an object.
func Fields(t *rapid.T, depth int) map[string]any {
	fields := map[string]any{}
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, 4, rapid.ID[string]).Draw(t, "names") {
		field := drawField(t, depth)
		if rapid.Bool().Draw(t, "required") {
			field["required"] = true
		}
		fields[name] = field
	}
	return fields
}

func drawField(t *rapid.T, depth int) map[string]any {
	types := []string{"string", "int", "double", "decimal", "bool", "date", "objectId", "uuid", "binary", "any"}
	if depth > 0 {
		types = append(types, "object", "array", "object", "array")
	}
	typ := rapid.SampledFrom(types).Draw(t, "type")
	field := map[string]any{"type": typ}
	if typ != "any" && rapid.IntRange(0, 3).Draw(t, "nullable") == 0 {
		field["nullable"] = true
	}
	switch typ {
	case "string":
		drawStringRules(t, field)
	case "int", "double":
		drawNumberRules(t, field)
	case "object":
		field["fields"] = Fields(t, depth-1)
		if rapid.Bool().Draw(t, "open") {
			field["additional"] = "keep"
		}
	case "array":
		drawArrayRules(t, field, depth)
	}
	return field
}

func drawStringRules(t *rapid.T, field map[string]any) {
	switch rapid.IntRange(0, 3).Draw(t, "rules") {
	case 0:
		low := rapid.IntRange(0, 3).Draw(t, "min_length")
		field["min_length"] = low
		field["max_length"] = low + rapid.IntRange(0, 2).Draw(t, "max_length")
	case 1:
		field["pattern"] = rapid.SampledFrom(patterns).Draw(t, "pattern")
	case 2:
		field["enum"] = slices.Sorted(slices.Values(rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"", "a", "b", "ü"}), 1, 3, rapid.ID[string]).Draw(t, "enum")))
	}
}

func drawNumberRules(t *rapid.T, field map[string]any) {
	switch rapid.IntRange(0, 2).Draw(t, "rules") {
	case 0:
		low := rapid.IntRange(-3, 3).Draw(t, "min")
		field["min"] = low
		field["max"] = low + rapid.IntRange(0, 3).Draw(t, "max")
	case 1:
		field["enum"] = []int{-1, 0, 2}
	}
}

func drawArrayRules(t *rapid.T, field map[string]any, depth int) {
	field["items"] = drawField(t, depth-1)
	if rapid.Bool().Draw(t, "limited") {
		field["min_items"] = rapid.IntRange(0, 2).Draw(t, "min_items")
		field["max_items"] = 3
	}
	if rapid.Bool().Draw(t, "unique_items") {
		field["unique_items"] = true
	}
}

// Object makes an object for declared fields, each now and then left out or
// wrong, and now and then with a member more.
func Object(t *rapid.T, fields map[string]any) map[string]any {
	object := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		field := fields[name].(map[string]any)
		left := 3
		if field["required"] == true {
			left = 12
		}
		if rapid.IntRange(0, left).Draw(t, "left out") > 0 {
			object[name] = drawValue(t, field)
		}
	}
	if rapid.IntRange(0, 9).Draw(t, "more") == 0 {
		object["extra"] = drawAny(t, 1)
	}
	return object
}

// drawValue makes a value of a field's type that mostly keeps its rules.
func drawValue(t *rapid.T, field map[string]any) any {
	if rapid.IntRange(0, 14).Draw(t, "wrong") == 0 {
		return drawAny(t, 1)
	}
	if field["nullable"] == true && rapid.IntRange(0, 3).Draw(t, "null") == 0 {
		return nil
	}
	switch field["type"] {
	case "string":
		if enum, ok := field["enum"].([]string); ok && rapid.Bool().Draw(t, "member") {
			return rapid.SampledFrom(enum).Draw(t, "enum")
		}
		return drawText(t)
	case "int":
		return json.Number(rapid.SampledFrom([]string{"-4", "-1", "0", "1", "2.0", "3", "1e1", "9223372036854775807", "-9223372036854775808"}).Draw(t, "int"))
	case "double":
		return json.Number(rapid.SampledFrom([]string{"-4.5", "-1", "0", "0.1", "2.0", "3", "1e300", "-0.0"}).Draw(t, "double"))
	case "decimal":
		return rapid.SampledFrom([]string{"1.10", "-0.5e-3", "0", "12345678901234567890.12", "1.", "x"}).Draw(t, "decimal")
	case "bool":
		return rapid.Bool().Draw(t, "bool")
	case "date":
		return rapid.SampledFrom([]string{"2026-01-31T12:00:00Z", "2026-01-31T12:00:00.123+02:00", "0001-01-01T00:00:00Z", "2026-02-30T00:00:00Z", "today"}).Draw(t, "date")
	case "objectId":
		return rapid.SampledFrom([]string{"0123456789abcdefABCDEF01", "0123456789abcdefABCDEF0", "0123456789abcdefABCDEF0g"}).Draw(t, "objectId")
	case "uuid":
		return rapid.SampledFrom([]string{"3f0b6c1e-9d52-4a7b-8c1d-2b4e6f8a0c1e", "3f0b6c1e9d524a7b8c1d2b4e6f8a0c1e"}).Draw(t, "uuid")
	case "binary":
		return rapid.SampledFrom([]string{"", "AAAA", "AAA=", "AA==", "A", "AA", "A-_="}).Draw(t, "binary")
	case "object":
		return Object(t, field["fields"].(map[string]any))
	case "array":
		return drawItems(t, field["items"].(map[string]any))
	}
	return drawAny(t, 2)
}

func drawItems(t *rapid.T, items map[string]any) []any {
	list := []any{}
	for range rapid.IntRange(0, 4).Draw(t, "items") {
		list = append(list, drawValue(t, items))
	}
	return list
}

// drawAny makes any JSON value.
func drawAny(t *rapid.T, depth int) any {
	most := 7
	if depth > 0 {
		most = 9
	}
	switch rapid.IntRange(0, most).Draw(t, "any") {
	case 0:
		return nil
	case 1:
		return rapid.Bool().Draw(t, "bool")
	case 2, 3:
		return json.Number(rapid.SampledFrom([]string{"0", "1", "1.0", "1.5", "-2", "100"}).Draw(t, "number"))
	case 8:
		return []any{drawAny(t, depth-1), drawAny(t, depth-1)}
	case 9:
		return map[string]any{"a": drawAny(t, depth-1), "b": drawAny(t, depth-1)}
	}
	return drawText(t)
}

// Mutate changes a stored document in ways that only an update or another
// program could: values of other BSON types, members gone or new.
func Mutate(t *rapid.T, stored bson.Raw) bson.Raw {
	var doc bson.D
	if err := bson.Unmarshal(stored, &doc); err != nil {
		panic(err)
	}
	for range rapid.IntRange(1, 2).Draw(t, "mutations") {
		doc = mutateObject(t, doc, true)
	}
	raw, err := bson.Marshal(doc)
	if err != nil {
		panic(err)
	}
	return raw
}

func mutateObject(t *rapid.T, doc bson.D, top bool) bson.D {
	var own []int // the system fields are required in MongoDB and not in a check
	for i, e := range doc {
		if !top || !slices.Contains([]string{"_id", "version", "createdAt", "updatedAt"}, e.Key) {
			own = append(own, i)
		}
	}
	if len(own) == 0 || rapid.IntRange(0, 9).Draw(t, "add") == 0 {
		return append(doc, bson.E{Key: fmt.Sprint("new", len(doc)), Value: drawBSON(t)})
	}
	i := rapid.SampledFrom(own).Draw(t, "member")
	switch value := doc[i].Value.(type) {
	case bson.D:
		if rapid.Bool().Draw(t, "deeper") {
			doc[i].Value = mutateObject(t, value, false)
			return doc
		}
	case bson.A:
		if len(value) > 0 && rapid.Bool().Draw(t, "deeper") {
			value[rapid.IntRange(0, len(value)-1).Draw(t, "item")] = drawBSON(t)
			return doc
		}
	}
	if rapid.IntRange(0, 3).Draw(t, "remove") == 0 {
		return slices.Delete(doc, i, i+1)
	}
	doc[i].Value = drawBSON(t)
	return doc
}

func drawBSON(t *rapid.T) any {
	decimal, err := bson.ParseDecimal128("1.0")
	if err != nil {
		panic(err)
	}
	return rapid.SampledFrom([]any{
		int32(1), int64(1), 1.0, 1.5, decimal, "a", "", nil, true, bson.DateTime(0), bson.ObjectID{},
		bson.A{}, bson.A{int32(1), 1.0}, bson.D{}, bson.D{{Key: "a", Value: "x"}}, bson.Regex{Pattern: "a"},
		bson.MinKey{}, bson.Timestamp{T: 1},
	}).Draw(t, "bson")
}

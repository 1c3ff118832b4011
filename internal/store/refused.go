package store

import (
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/fault"
)

// refusedDocument tells which rules of the collection's validator a document
// breaks. It names rules and never values, which may be stored ones.
func refusedDocument(err error, r refusal) error {
	if r.code == noGeometryKeys {
		return fault.Wrap(err, fault.ValidationFailed, "%s", badGeometry)
	}
	w := ruleWalk{}
	w.rules(r.details.Lookup("details"), "", 0)
	if len(w.faults.Items) == 0 {
		w.faults.Add("", "check", "must fulfil the validator of the collection")
	}
	return fault.Wrap(err, fault.ValidationFailed, "the document breaks the schema of the collection").WithItems(w.faults.Items...)
}

// maxRuleDepth bounds the nesting of MongoDB's account of broken rules: no
// document is nested deeper.
const maxRuleDepth = 200

// ruleWalk gathers the broken rules out of MongoDB's account of them.
type ruleWalk struct {
	faults fault.List
}

// rules walks a rule about the value at pointer, or an array of them.
func (w *ruleWalk) rules(account bson.RawValue, pointer string, depth int) {
	if depth > maxRuleDepth {
		return
	}
	for _, each := range elements(account) {
		w.rules(each, pointer, depth+1)
	}
	if rule, ok := account.DocumentOK(); ok {
		w.rule(rule, pointer, depth)
	}
}

func (w *ruleWalk) rule(rule bson.Raw, pointer string, depth int) {
	switch operator := text(rule.Lookup("operatorName")); operator {
	case "$jsonSchema":
		w.rules(rule.Lookup("schemaRulesNotSatisfied"), pointer, depth+1)
	case "properties":
		w.members(rule.Lookup("propertiesNotSatisfied"), pointer, depth)
	case "patternProperties":
		w.members(rule.Lookup("details"), pointer, depth)
	case "items":
		index, _ := rule.Lookup("itemIndex").AsInt64OK()
		w.rules(rule.Lookup("details"), pointer+"/"+strconv.FormatInt(index, 10), depth+1)
	case "required":
		w.names(rule.Lookup("missingProperties"), pointer, "required", "is required")
	case "additionalProperties":
		w.names(rule.Lookup("additionalProperties"), pointer, "unknown-field", "is not a field of the schema")
	default:
		code, detail := brokenRule(operator, rule.Lookup("specifiedAs", operator))
		w.faults.Add(pointer, code, "%s", detail)
	}
}

// members walks the rules that members of the object at pointer break.
func (w *ruleWalk) members(accounts bson.RawValue, pointer string, depth int) {
	for _, account := range elements(accounts) {
		member, _ := account.DocumentOK()
		name := text(member.Lookup("propertyName"))
		w.rules(member.Lookup("details"), memberPointer(pointer, name), depth+1)
	}
}

// names notes a problem at each of several members of the object at pointer.
func (w *ruleWalk) names(names bson.RawValue, pointer, code, detail string) {
	for _, name := range elements(names) {
		w.faults.Add(memberPointer(pointer, text(name)), code, "%s", detail)
	}
}

func memberPointer(pointer, name string) string {
	if pointer == "" {
		name = clientPath(name)
	}
	return pointer + "/" + escapePointer(name)
}

// brokenRule returns the code and the sentence for a rule about one value.
func brokenRule(operator string, specified bson.RawValue) (code, detail string) {
	switch operator {
	case "bsonType", "type":
		return "type", "must be of type " + types(specified)
	case "enum":
		return "enum", "must be one of the values that the schema lists"
	case "minimum":
		return "min", "must be at least " + number(specified)
	case "maximum":
		return "max", "must be at most " + number(specified)
	case "minLength":
		return "min-length", "must be at least " + number(specified) + " characters long"
	case "maxLength":
		return "max-length", "must be at most " + number(specified) + " characters long"
	case "pattern":
		return "pattern", "must match the pattern of the schema"
	case "minItems":
		return "min-items", "must have at least " + number(specified) + " items"
	case "maxItems":
		return "max-items", "must have at most " + number(specified) + " items"
	case "uniqueItems":
		return "unique-items", "must not hold the same value twice"
	}
	return "check", "must fulfil the validator of the collection"
}

func types(specified bson.RawValue) string {
	if name, ok := specified.StringValueOK(); ok {
		return name
	}
	var names []string
	for _, name := range elements(specified) {
		names = append(names, text(name))
	}
	return strings.Join(names, " or ")
}

// number writes a limit as a number in JSON.
func number(specified bson.RawValue) string {
	switch specified.Type {
	case bson.TypeInt32, bson.TypeInt64:
		return strconv.FormatInt(specified.AsInt64(), 10)
	case bson.TypeDouble:
		return strconv.FormatFloat(specified.Double(), 'g', -1, 64)
	case bson.TypeDecimal128:
		return specified.Decimal128().String()
	}
	return "the limit of the schema"
}

func text(value bson.RawValue) string {
	s, _ := value.StringValueOK()
	return s
}

// elements returns the values of an array, none for another value.
func elements(value bson.RawValue) []bson.RawValue {
	array, ok := value.ArrayOK()
	if !ok {
		return nil
	}
	values, _ := array.Values()
	return values
}

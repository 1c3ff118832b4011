package update

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/nearest"
	"github.com/sheafdb/sheaf/internal/schema"
)

// operator is a row of the table of update operators.
type operator struct {
	name string
	// kinds are those of the fields that it fits, all where there are none; takes
	// says so in words.
	kinds []bsonjson.Kind
	takes string
	// read types the operand.
	read func(k *compiler, place schema.Place, text []byte, at string) (operand, error)
	// creates is set where a path that does not exist comes into being.
	creates bool
	// anyPath is set where a path that leads into a scalar changes nothing.
	anyPath bool
	// apply changes the value at a path, nil where there is none; it returns the
	// new one, nil for none. The error is a phrase about the stored value.
	apply func(a *action, current *node) (*node, error)
	// direct writes the operator for MongoDB; nil where it cannot stand alone.
	direct func(d *directer, a *action) bool
}

var (
	numbers = []bsonjson.Kind{bsonjson.Int, bsonjson.Double, bsonjson.Decimal, bsonjson.Any}
	ordered = []bsonjson.Kind{bsonjson.Int, bsonjson.Double, bsonjson.Decimal, bsonjson.Date, bsonjson.String, bsonjson.Any}
	arrays  = []bsonjson.Kind{bsonjson.Array, bsonjson.Any}
)

// operators is the table, filled by init since its rows refer to functions that
// refer to it.
var (
	operators     map[string]*operator
	operatorNames []string
)

func init() {
	const aNumber, anArray = "a number", "an array"
	rows := []*operator{
		{name: "$set", read: readChecked, creates: true, apply: applySet, direct: directSet},
		{name: "$unset", read: readUnset, anyPath: true, apply: applyUnset, direct: directUnset},
		{name: "$inc", kinds: numbers, takes: aNumber, read: readNumber, creates: true, apply: applyInc, direct: directInc},
		{name: "$mul", kinds: numbers, takes: aNumber, read: readNumber, creates: true, apply: applyMul},
		{name: "$min", kinds: ordered, takes: "a number, a date or a string", read: readChecked, creates: true, apply: applyMin, direct: directSet},
		{name: "$max", kinds: ordered, takes: "a number, a date or a string", read: readChecked, creates: true, apply: applyMax, direct: directSet},
		{name: "$push", kinds: arrays, takes: anArray, read: readPush, creates: true, apply: applyPush, direct: directPush},
		{name: "$addToSet", kinds: arrays, takes: anArray, read: readAddToSet, creates: true, apply: applyAddToSet, direct: directAddToSet},
		{name: "$pull", kinds: arrays, takes: anArray, read: readPull, apply: applyPull, direct: directPull},
		{name: "$pop", kinds: arrays, takes: anArray, read: readPop, apply: applyPop, direct: directPop},
	}
	operators = make(map[string]*operator, len(rows))
	for _, row := range rows {
		operators[row.name] = row
		operatorNames = append(operatorNames, row.name)
	}
}

func (op *operator) fits(kind bsonjson.Kind) bool {
	return op.kinds == nil || slices.Contains(op.kinds, kind)
}

// value types one value, and checks it where it is one that will be stored.
func (k *compiler) value(place schema.Place, text []byte, at string, check bool) (bson.RawValue, error) {
	before := len(k.faults.Items)
	value, err := bsonjson.DecodeValue(text, place.Shape(), k.values(at), k.faults)
	if err == nil && check && len(k.faults.Items) == before {
		place.Check(value, at, k.faults)
	}
	return value, err
}

func readChecked(k *compiler, place schema.Place, text []byte, at string) (operand, error) {
	value, err := k.value(place, text, at, true)
	return operand{values: []bson.RawValue{value}}, err
}

// readNumber takes a number of the field's type, whatever its limits are.
func readNumber(k *compiler, place schema.Place, text []byte, at string) (operand, error) {
	before := len(k.faults.Items)
	value, err := k.value(place, text, at, false)
	if err == nil && len(k.faults.Items) == before && !isNumber(value) {
		k.faults.Add(at, "type", "must be a number")
	}
	return operand{values: []bson.RawValue{value}}, err
}

// readUnset admits what MongoDB's users write there, though nothing depends on it.
func readUnset(k *compiler, _ schema.Place, text []byte, at string) (operand, error) {
	if word := string(text); word != "true" && word != "1" && word != `""` {
		k.faults.Add(at, "type", `must be true, 1 or ""`)
	}
	return operand{}, nil
}

func readPop(k *compiler, _ schema.Place, text []byte, at string) (operand, error) {
	if word := string(text); word != "1" && word != "-1" {
		k.faults.Add(at, "type", "must be 1 for the last item, or -1 for the first")
	}
	return operand{last: string(text) == "1"}, nil
}

var pushModifiers = []string{"$each", "$position", "$slice"}

func readPush(k *compiler, place schema.Place, text []byte, at string) (operand, error) {
	return k.items(place, text, at, pushModifiers...)
}

// maxAdded is how many items $addToSet lists at most.
const maxAdded = 1000

func readAddToSet(k *compiler, place schema.Place, text []byte, at string) (operand, error) {
	o, err := k.items(place, text, at, "$each")
	if len(o.values) > maxAdded { // each is compared with every item that is stored
		k.faults.Add(at, "limit", "lists more than %d items", maxAdded)
	}
	return o, err
}

// items reads an item, or an object of modifiers with $each.
func (k *compiler) items(place schema.Place, text []byte, at string, modifiers ...string) (operand, error) {
	name, _, err := firstName(text)
	if err != nil {
		return operand{}, err
	}
	if !strings.HasPrefix(name, "$") || k.Extended && bsonjson.IsWrapper(name) {
		value, err := k.value(place.Item(), text, at, true)
		return operand{values: []bson.RawValue{value}}, err
	}
	members, err := bsonjson.SplitObject(text)
	if err != nil {
		return operand{}, err
	}
	o := operand{}
	for _, m := range members {
		inner := bsonjson.AppendToken(at, m.Name)
		switch {
		case !slices.Contains(modifiers, m.Name):
			k.faults.Add(inner, "unknown-operator", "is not a modifier that stands here%s", nearestOf(m.Name, modifiers))
		case m.Name == "$each":
			o.each = true
			if o.values, err = k.list(place.Item(), m.Text, inner); err != nil {
				return o, err
			}
		case m.Name == "$position":
			o.position = k.whole(m.Text, inner)
		case m.Name == "$slice":
			o.slice = k.whole(m.Text, inner)
		}
	}
	if !o.each {
		k.faults.Add(at, "required", "must hold $each, the list of items")
	}
	return o, nil
}

// firstName returns the name of an object's first member.
func firstName(text []byte) (name string, isObject bool, err error) {
	if !bytes.HasPrefix(text, []byte("{")) {
		return "", false, nil
	}
	members, err := bsonjson.SplitObject(text)
	if err != nil || len(members) == 0 {
		return "", true, err
	}
	return members[0].Name, true, nil
}

// list types the items of a JSON array.
func (k *compiler) list(item schema.Place, text []byte, at string) ([]bson.RawValue, error) {
	elements, err := bsonjson.SplitArray(text)
	if fault.Is(err, fault.ValidationFailed) {
		k.faults.Add(at, "type", "must be an array of items")
		return nil, nil
	}
	values := make([]bson.RawValue, len(elements))
	for i, element := range elements {
		if values[i], err = k.value(item, element, at+"/"+strconv.Itoa(i), true); err != nil {
			return nil, err
		}
	}
	return values, err
}

// whole reads a whole number of at most 32 bits.
func (k *compiler) whole(text []byte, at string) *int {
	n, err := strconv.ParseInt(string(text), 10, 32)
	if err != nil {
		k.faults.Add(at, "type", "must be a whole number of 32 bits")
		return nil
	}
	whole := int(n)
	return &whole
}

func nearestOf(name string, among []string) string {
	if near := nearest.Hint(name, among); near != "" {
		return near
	}
	return "; those that do are " + strings.Join(among, ", ")
}

package update

import (
	"math"
	"math/big"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
)

// Direct is a change that MongoDB makes by itself.
type Direct struct {
	// Guard are conditions under which the rules hold of what comes out. A
	// document that does not fulfil them may still take the change: Apply and the
	// rules tell.
	Guard bson.Raw
	// Update has MongoDB's operators, those of the version and of updatedAt among
	// them.
	Update bson.Raw
}

// Direct returns the change as one update of MongoDB's, at a time. It is false
// where only a look at the stored document tells whether the rules hold.
func (u *Update) Direct(now time.Time) (Direct, bool) {
	var d directer
	for i := range u.actions {
		a := &u.actions[i]
		if a.op.direct == nil || !d.reaches(a) || !a.op.direct(&d, a) {
			return Direct{}, false
		}
	}
	// A document of others gets what it lacks on the way on which it is looked at.
	d.guard = append(d.guard, element{"createdAt", documentOf([]element{{"$type", bsonjson.StringValue("date")}})})
	d.put("$inc", "version", bsonjson.IntValue(1))
	d.put("$set", "updatedAt", bsonjson.DateValue(now))
	update := make([]element, len(d.operators))
	for i, o := range d.operators {
		update[i] = element{o.name, documentOf(o.paths)}
	}
	return Direct{Guard: documentOf(d.guard).Value, Update: documentOf(update).Value}, true
}

// directer gathers a guard and the operators.
type directer struct {
	guard     []element
	operators []directOperator
}

type directOperator struct {
	name  string
	paths []element
}

// element is a member of a document to write.
type element struct {
	name  string
	value bson.RawValue
}

func documentOf(elements []element) bson.RawValue {
	size := 0
	for _, e := range elements {
		size += len(e.name) + len(e.value.Value) + 2
	}
	b := bsonjson.NewBuilder(size)
	for _, e := range elements {
		b.Append(e.name, e.value)
	}
	return bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: b.Document()}
}

func arrayOf(values []bson.RawValue) bson.RawValue {
	n := newArray()
	for _, value := range values {
		n.members = append(n.members, member{value: newNode(value)})
	}
	return n.value()
}

func boolValue(b bool) bson.RawValue {
	value := bson.RawValue{Type: bson.TypeBoolean, Value: []byte{0}}
	if b {
		value.Value[0] = 1
	}
	return value
}

// The types that guards ask for, as MongoDB names them.
var (
	typeObject  = bsonjson.StringValue("object")
	typeInt     = arrayOf([]bson.RawValue{bsonjson.StringValue("long"), bsonjson.StringValue("int")})
	typeDouble  = bsonjson.StringValue("double")
	typeDecimal = bsonjson.StringValue("decimal")
)

// put adds a path to an operator.
func (d *directer) put(operator, path string, value bson.RawValue) bool {
	for i := range d.operators {
		if o := &d.operators[i]; o.name == operator {
			o.paths = append(o.paths, element{path, value})
			return true
		}
	}
	d.operators = append(d.operators, directOperator{operator, []element{{path, value}}})
	return true
}

// require adds conditions on a path to the guard.
func (d *directer) require(path string, conditions ...element) {
	for _, e := range d.guard {
		if e.name == path {
			return // the parent of two paths, which is asked for once
		}
	}
	d.guard = append(d.guard, element{path, documentOf(conditions)})
}

// reaches reports whether a path leads through declared objects alone, which
// the guard then asks for where an operator would make them anew, and ends at
// what holds no reference.
func (d *directer) reaches(a *action) bool {
	for i, s := range a.path[:len(a.path)-1] {
		if s.place.Shape().Kind != bsonjson.Object {
			return false
		}
		if a.op.creates {
			d.require(dotted(a.path[:i+1]), element{"$type", typeObject})
		}
	}
	place := a.place()
	if place.Refers() {
		return false
	}
	deepest := 0
	for _, value := range a.values {
		deepest = max(deepest, depth(value))
	}
	return len(a.path)+deepest < bsonjson.MaxDepth
}

// depth is how many levels of objects and arrays a value has.
func depth(v bson.RawValue) int {
	if v.Type != bson.TypeEmbeddedDocument && v.Type != bson.TypeArray {
		return 0
	}
	values, _ := bson.RawArray(v.Value).Values()
	deepest := 0
	for _, inner := range values {
		deepest = max(deepest, depth(inner))
	}
	return deepest + 1
}

// directSet is for the operators that leave a value which was checked already,
// or the one that is stored.
func directSet(d *directer, a *action) bool {
	return d.put(a.op.name, dotted(a.path), a.values[0])
}

// directUnset: a field that is required was refused already.
func directUnset(d *directer, a *action) bool {
	return d.put(a.op.name, dotted(a.path), boolValue(true))
}

// directInc asks for a stored number of the right type that the sum keeps within
// the limits.
func directInc(d *directer, a *action) bool {
	place := a.place()
	if !place.Bounded() {
		return false
	}
	least, most := place.Bounds()
	var bounds []element
	ok := false
	switch place.Shape().Kind {
	case bsonjson.Int:
		bounds, ok = intGuard(a.values[0].Int64(), least, most)
	case bsonjson.Double:
		bounds, ok = doubleGuard(a.values[0].Double(), least, most)
	case bsonjson.Decimal:
		bounds, ok = decimalGuard(a.values[0], least, most)
	}
	if !ok {
		return false
	}
	d.require(dotted(a.path), bounds...)
	return d.put(a.op.name, dotted(a.path), a.values[0])
}

// intGuard is what a stored int must be, so that n can be added.
func intGuard(n int64, least, most bson.RawValue) ([]element, bool) {
	low, high := big.NewInt(math.MinInt64), big.NewInt(math.MaxInt64)
	if !least.IsZero() {
		low.SetInt64(least.Int64())
	}
	if !most.IsZero() {
		high.SetInt64(most.Int64())
	}
	low.Sub(low, big.NewInt(n))
	high.Sub(high, big.NewInt(n))
	guard := []element{{"$type", typeInt}}
	// What lies beyond every int needs no condition on its side, and is out of
	// reach on the other.
	switch {
	case low.IsInt64():
		guard = append(guard, element{"$gte", bsonjson.IntValue(low.Int64())})
	case low.Sign() > 0:
		return nil, false
	}
	switch {
	case high.IsInt64():
		guard = append(guard, element{"$lte", bsonjson.IntValue(high.Int64())})
	case high.Sign() < 0:
		return nil, false
	}
	return guard, true
}

// The doubles that can be added to a stored one within largeDouble without
// leaving what is finite.
const (
	largeDouble = 1e308
	largestStep = 7e307
)

// doubleGuard is intGuard for doubles. The differences are rounded inwards, and
// a sum is never rounded across a limit, which is a double itself.
func doubleGuard(f float64, least, most bson.RawValue) ([]element, bool) {
	if math.Abs(f) > largestStep {
		return nil, false
	}
	low, high := -largeDouble, largeDouble
	if !least.IsZero() {
		low = max(low, nextUp(least.Double()-f))
	}
	if !most.IsZero() {
		high = min(high, nextDown(most.Double()-f))
	}
	return []element{{"$type", typeDouble}, {"$gte", doubleValue(low)}, {"$lte", doubleValue(high)}}, true
}

// The bounds of decimals to which a step of largeDecimal can be added.
var (
	largeDecimal = decimal{digits: big.NewInt(1), exponent: maxExponent}
	one          = big.NewInt(1)
)

// decimalGuard is intGuard for decimals; it gives up where a difference has more
// digits than a decimal holds.
func decimalGuard(value, least, most bson.RawValue) ([]element, bool) {
	n, _ := decimalOf(value)
	if n.rounded().exponent+digitsOf(n.digits) > maxExponent {
		return nil, false
	}
	low, high := decimal{negative: true, digits: one, exponent: maxExponent}, largeDecimal
	if !least.IsZero() {
		d, _ := decimalOf(least)
		low = d.plus(n.negated())
	}
	if !most.IsZero() {
		d, _ := decimalOf(most)
		high = d.plus(n.negated())
	}
	if !low.exact() || !high.exact() {
		return nil, false
	}
	return []element{{"$type", typeDecimal}, {"$gte", low.value()}, {"$lte", high.value()}}, true
}

// directPush asks for room for the items.
func directPush(d *directer, a *action) bool {
	least, most, unique := a.place().Items()
	if unique || a.place().Shape().Kind != bsonjson.Array || least > 0 && (a.slice != nil || least > len(a.values)) || !d.roomFor(a, most) {
		return false
	}
	modifiers := []element{{"$each", arrayOf(a.values)}}
	if a.position != nil {
		modifiers = append(modifiers, element{"$position", bsonjson.IntValue(int64(*a.position))})
	}
	if a.slice != nil {
		modifiers = append(modifiers, element{"$slice", bsonjson.IntValue(int64(*a.slice))})
	}
	return d.put(a.op.name, dotted(a.path), documentOf(modifiers))
}

// directAddToSet is directPush for items that MongoDB and the rules agree on
// when they are equal: not objects, whose members may stand in another order.
func directAddToSet(d *directer, a *action) bool {
	least, most, unique := a.place().Items()
	if a.place().Shape().Kind != bsonjson.Array || unique && !isScalar(a.place().Shape().Items.Kind) || least > len(a.values) || !d.roomFor(a, most) {
		return false
	}
	return d.put(a.op.name, dotted(a.path), documentOf([]element{{"$each", arrayOf(a.values)}}))
}

func isScalar(kind bsonjson.Kind) bool {
	switch kind {
	case bsonjson.Object, bsonjson.Array, bsonjson.Any, bsonjson.Geo:
		return false
	}
	return true
}

// roomFor asks for an array that is short enough for the items to come.
func (d *directer) roomFor(a *action, most int) bool {
	if most < 0 {
		return true
	}
	longest := most - len(a.values)
	if longest < 0 {
		return false
	}
	d.require(dotted(a.path)+"."+strconv.Itoa(longest), element{"$exists", boolValue(false)})
	return true
}

// directPull and directPop take items out where there may be none.
func directPull(d *directer, a *action) bool {
	least, _, _ := a.place().Items()
	if least > 0 || a.condition != nil || a.place().Shape().Kind != bsonjson.Array {
		return false
	}
	return d.put(a.op.name, dotted(a.path), a.values[0])
}

func directPop(d *directer, a *action) bool {
	least, _, _ := a.place().Items()
	if least > 0 || a.place().Shape().Kind != bsonjson.Array {
		return false
	}
	end := int64(-1)
	if a.last {
		end = 1
	}
	return d.put(a.op.name, dotted(a.path), bsonjson.IntValue(end))
}

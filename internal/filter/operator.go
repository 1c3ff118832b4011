package filter

// Op is an operator.
type Op uint8

// The operators. And, Or, Nor and Not combine conditions; Text searches the
// text index of a collection; Some to IsNot ask about related documents; the
// others look at the values at a path.
const (
	And Op = iota
	Or
	Nor
	Text
	Not
	Eq
	Ne
	Gt
	Gte
	Lt
	Lte
	In
	Nin
	Exists
	All
	Size
	ElemMatch
	Regex
	GeoWithin
	Near
	Some
	Every
	None
	Is
	IsNot
)

// String returns the operator as it is written.
func (op Op) String() string { return operators[op].name }

// operand says what stands after an operator.
type operand uint8

const (
	conditions operand = iota // a list of conditions
	search                    // words for a text index
	condition                 // operators for the same path
	value                     // a value of the field's type
	values                    // a list of them
	flag                      // true or false
	every                     // a list of values, or of $elemMatch
	count                     // a whole number
	element                   // a filter on an element, or operators for it
	expression                // a regular expression
	area                      // a shape on the globe
	distance                  // a point, and how far from it
	related                   // a filter on related documents
)

// operators is the table of the language.
var operators = [...]struct {
	name    string
	operand operand
}{
	And:       {"$and", conditions},
	Or:        {"$or", conditions},
	Nor:       {"$nor", conditions},
	Text:      {"$text", search},
	Not:       {"$not", condition},
	Eq:        {"$eq", value},
	Ne:        {"$ne", value},
	Gt:        {"$gt", value},
	Gte:       {"$gte", value},
	Lt:        {"$lt", value},
	Lte:       {"$lte", value},
	In:        {"$in", values},
	Nin:       {"$nin", values},
	Exists:    {"$exists", flag},
	All:       {"$all", every},
	Size:      {"$size", count},
	ElemMatch: {"$elemMatch", element},
	Regex:     {"$regex", expression},
	GeoWithin: {"$geoWithin", area},
	Near:      {"$near", distance},
	Some:      {"$some", related},
	Every:     {"$every", related},
	None:      {"$none", related},
	Is:        {"$is", related},
	IsNot:     {"$isNot", related},
}

// options is what follows $regex beside it.
const optionsName = "$options"

// standsAlone reports whether an operator is a whole condition, and follows no
// path.
func (op Op) standsAlone() bool {
	return operators[op].operand == conditions || operators[op].operand == search
}

// operatorNames are the operators of one group: those that stand alone, or
// those that follow a path.
func operatorNames(alone bool) []string {
	var names []string
	for op, o := range operators {
		if Op(op).standsAlone() == alone {
			names = append(names, o.name)
		}
	}
	return names
}

func operator(name string) (Op, bool) {
	for op, o := range operators {
		if o.name == name {
			return Op(op), true
		}
	}
	return 0, false
}

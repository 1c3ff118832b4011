package filter

import "errors"

// The operators that ask about related documents.
//
// Of a relation to many, Some holds where a related document fulfils the filter,
// None where no one does, and Every where all do, which they also do where there
// is none. Of a relation to one, Is holds where the related document is there
// and fulfils the filter, and IsNot where it does not or is not there.

// Related is the other side of a relation.
type Related struct {
	// Name is the relation's.
	Name string
	// Many says that it leads to any number of documents, not to one at most.
	Many bool
	// Fields resolves the paths of the documents that it leads to.
	Fields Resolver
}

// Quantifiers names the operators that fit a relation.
func Quantifiers(many bool) string {
	if many {
		return "$some, $every or $none"
	}
	return "$is or $isNot"
}

// manyMisfit says why an operator does not fit a relation. To one document
// those for many fit too.
func manyMisfit(op Op, many bool) error {
	if many && (op == Is || op == IsNot) {
		return errors.New(op.String() + " is asked of a relation to one, and this leads to many; ask with " + Quantifiers(many))
	}
	return nil
}

// relation binds the filter on related documents. What is asked of a relation
// to one becomes Is or IsNot.
func (b binder) relation(bound *Node) {
	b.resolve = bound.Target.Relation.Fields
	b.inner(bound)
	if bound.Target.Relation.Many {
		return
	}
	switch bound.Op {
	case Some:
		bound.Op = Is
	case None:
		bound.Op = IsNot
	case Every:
		bound.Op = IsNot
		bound.Nodes = []*Node{{Op: And, Pointer: bound.Pointer, Nodes: []*Node{Combine(Nor, bound.Nodes...)}}}
	}
}

package update

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/filter"
)

// Apply returns what a stored document becomes, which the rules are then to be
// held against. It fails with PatchFailed, and a pointer to the operation
// in the patch, at the first test that does not hold and the first path that does not
// exist.
func (p *Patch) Apply(current bson.Raw, _ time.Time) (bson.Raw, error) {
	run := &patching{root: newDocument(current), budget: maxCopied}
	run.rename("_id", "id")
	for i := range p.operations {
		o := &p.operations[i]
		err := o.verb.run(run, o)
		if errors.Is(err, errTooLarge) {
			return nil, fault.New(fault.PayloadTooLarge, "the copies of the patch make the document larger than 16 MiB")
		}
		if err != nil {
			return nil, fault.New(fault.PatchFailed, "an operation of the patch cannot be carried out, and none was").WithItems(
				fault.Item{Pointer: "/" + strconv.Itoa(o.index), Code: "patch", Detail: fmt.Sprintf("%s %s: %v", o.verb.name, pointerOrWhole(o.path), err)})
		}
	}
	run.rename("id", "_id")
	return run.root.append(nil), nil
}

func pointerOrWhole(path []step) string {
	if len(path) == 0 {
		return "the document"
	}
	return pointer(path)
}

// patching is a document on its way through a patch, as clients see it: the id
// is called id.
type patching struct {
	root *node
	// budget is how many bytes may still be copied.
	budget int
}

// maxCopied bounds what the copies of a patch add up to: MongoDB's largest
// document, in bytes.
const maxCopied = 16 << 20

var (
	errAbsent   = errors.New("there is no such value")
	errNoParent = errors.New("there is nothing that could hold it")
	errBeyond   = errors.New("the index lies beyond the end of the array")
	errDiffers  = errors.New("the value is another")
	errWhole    = errors.New("the whole document cannot be removed")
	errTooLarge = errors.New("too large")
)

func (p *patching) rename(from, to string) {
	for i, m := range p.root.entries() {
		if m.name == from {
			p.root.members[i].name = to
			return
		}
	}
}

// at returns the value at a path.
func (p *patching) at(path []step) (*node, error) {
	n := p.root
	for _, s := range path {
		if n = n.get(s); n == nil {
			return nil, errAbsent
		}
	}
	return n, nil
}

// put adds a value at a path: an item before that with the index, or last; a
// member in the place of the one that is there.
func (p *patching) put(path []step, value *node) error {
	if len(path) == 0 {
		return p.become(value)
	}
	last := path[len(path)-1]
	parent, err := p.at(path[:len(path)-1])
	switch {
	case err != nil || !parent.isObject() && !parent.isArray():
		return errNoParent
	case parent.isObject():
		parent.set(last, value)
		return nil
	}
	index, items := last.index, len(parent.entries())
	if last.name == appendStep {
		index = items
	} else if !last.isIndex || index > items {
		return errBeyond
	}
	parent.members = slices.Insert(parent.members, index, member{value: value})
	return nil
}

// become puts a document in the place of the whole; system fields stay.
func (p *patching) become(value *node) error {
	if !value.isObject() {
		return errors.New("the document must be an object")
	}
	kept := slices.DeleteFunc(slices.Clone(p.root.entries()), func(m member) bool { return !isSystem(m.name) })
	own := slices.DeleteFunc(slices.Clone(value.entries()), func(m member) bool { return isSystem(m.name) })
	p.root.members = append(kept, own...)
	return nil
}

func isSystem(name string) bool {
	return name == "id" || name == "version" || name == "createdAt" || name == "updatedAt"
}

// take removes the value at a path and returns it.
func (p *patching) take(path []step) (*node, error) {
	if len(path) == 0 {
		return nil, errWhole
	}
	parent, err := p.at(path[:len(path)-1])
	if err != nil {
		return nil, err
	}
	i := parent.find(path[len(path)-1])
	if i < 0 {
		return nil, errAbsent
	}
	value := parent.members[i].value
	parent.members = slices.Delete(parent.members, i, i+1)
	return value, nil
}

func (p *patching) add(o *patchOperation) error { return p.put(o.path, newNode(o.value)) }

func (p *patching) remove(o *patchOperation) error {
	_, err := p.take(o.path)
	return err
}

func (p *patching) replace(o *patchOperation) error {
	n, err := p.at(o.path)
	switch {
	case err != nil:
		return err
	case len(o.path) == 0:
		return p.become(newNode(o.value))
	}
	*n = *newNode(o.value)
	return nil
}

func (p *patching) move(o *patchOperation) error {
	if sameSteps(o.from, o.path) {
		_, err := p.at(o.from)
		return err
	}
	value, err := p.take(o.from)
	if err != nil {
		return err
	}
	return p.put(o.path, value)
}

func (p *patching) copy(o *patchOperation) error {
	value, err := p.at(o.from)
	if err != nil {
		return err
	}
	duplicate := value.clone()
	if p.budget -= len(duplicate.raw); p.budget < 0 {
		return errTooLarge
	}
	return p.put(o.path, duplicate)
}

func (p *patching) test(o *patchOperation) error {
	n, err := p.at(o.path)
	if err == nil && !equal(n.value(), o.value) {
		return errDiffers
	}
	return err
}

// equal reports whether two values are equal as RFC 6902 section 4.6 has it:
// numbers by value, objects whatever the order of their members.
func equal(a, b bson.RawValue) bool {
	if a.Type != b.Type || a.Type != bson.TypeEmbeddedDocument && a.Type != bson.TypeArray {
		return filter.Order(a, b) == 0
	}
	x, y := newNode(a).entries(), newNode(b).entries()
	if len(x) != len(y) {
		return false
	}
	if a.Type == bson.TypeEmbeddedDocument {
		y = inOrderOf(x, y)
	}
	return slices.EqualFunc(x, y, func(m, other member) bool { return equal(m.value.value(), other.value.value()) })
}

// inOrderOf returns those of some members that have the names of others, in the
// order of these.
func inOrderOf(names, members []member) []member {
	byName := make(map[string]member, len(members))
	for _, m := range members {
		byName[m.name] = m
	}
	ordered := make([]member, 0, len(names))
	for _, m := range names {
		if other, ok := byName[m.name]; ok {
			ordered = append(ordered, other)
		}
	}
	return ordered
}

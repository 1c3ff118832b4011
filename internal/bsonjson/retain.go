package bsonjson

import "go.mongodb.org/mongo-driver/v2/bson"

// Retain returns next with those members of stored that fields does not know and
// next does not have: at the top, and in the objects that both hold at the same
// place. An open object knows every member. Neither document has system fields.
func Retain(stored, next bson.Raw, fields *Fields) bson.Raw {
	if !holdsUnknown(stored, fields) {
		return next
	}
	m := merger{dst: make([]byte, 0, len(stored)+len(next))}
	m.retain(stored, next, fields)
	return m.dst
}

// holdsUnknown reports whether an object, or one in it, has a member that is not
// declared and would not be kept.
func holdsUnknown(doc []byte, fields *Fields) bool {
	for w := newWalker(doc); w.next(); {
		_, declared := fields.Lookup(w.name)
		if !declared && !fields.open {
			return true
		}
		if w.kind == bson.TypeEmbeddedDocument && holdsUnknown(w.value, nestedFields(fields, w.name)) {
			return true
		}
	}
	return false
}

func (m *merger) retain(stored, next []byte, fields *Fields) {
	start, before, given := m.begin(), members(stored), members(next)
	for w := newWalker(next); w.next(); {
		old := before[string(w.name)]
		if w.kind != bson.TypeEmbeddedDocument || old.Type != bson.TypeEmbeddedDocument {
			m.element(w.kind, w.name, w.value)
			continue
		}
		m.dst = append(append(append(m.dst, byte(w.kind)), w.name...), 0)
		m.retain(old.Value, w.value, nestedFields(fields, w.name))
	}
	for w := newWalker(stored); w.next(); {
		_, declared := fields.Lookup(w.name)
		if _, ok := given[string(w.name)]; !ok && !declared && !fields.open {
			m.element(w.kind, w.name, w.value)
		}
	}
	m.end(start)
}

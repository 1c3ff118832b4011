package engine

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/bsonjson"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/filter"
	"github.com/sheafdb/sheaf/internal/nearest"
)

// A write may mention values of the documents of earlier writes: {"$ref":
// "name.field"}, anywhere where a value stands. A mention is replaced by the JSON
// text of the value before the write is read, so that it is typed and checked as
// if the client had written the value itself.

// maxInserted bounds the text that the mentions of one batch put in, in bytes:
// without it, documents could double with every operation.
const maxInserted = 16 << 20

// part is a text of a write.
type part uint8

const (
	partID part = iota
	partBody
	partRequire
	parts
)

// text returns a part of a write, and where it lies.
func (w *Write) text(of part) (text *[]byte, pointer string) {
	switch of {
	case partID:
		return &w.IDText, w.Place + "/id"
	case partRequire:
		return &w.Require, w.Place + "/require"
	}
	return &w.Body, w.Pointer
}

// mention is one place of a write that mentions another.
type mention struct {
	part part
	at   bsonjson.Referral
	// of is the place of the write that is mentioned, path that of the value in its
	// document, as clients know it.
	of   int
	path string
	// broken is set where it can never be known, which is noted.
	broken bool
}

// findMentions notes which names there are, and what each write mentions. Those
// that can never be known are faults.
func (p *plan) findMentions(faults *fault.List) {
	for i := range p.writes {
		w := &p.writes[i]
		if w.Mentions && p.mentions == nil {
			p.mentions, p.names = make([][]mention, len(p.writes)), make(map[string]int)
		}
		if p.mentions == nil {
			continue
		}
		for of := range parts {
			text, pointer := w.text(of)
			for _, at := range bsonjson.Referrals(*text, pointer) {
				before := len(faults.Items)
				m := p.mention(i, at, faults)
				m.part, m.broken = of, len(faults.Items) > before
				p.mentions[i] = append(p.mentions[i], m)
			}
		}
		p.name(i, faults)
	}
}

// name notes the name of a write.
func (p *plan) name(i int, faults *fault.List) {
	w := p.writes[i]
	if w.As == "" {
		return
	}
	if _, taken := p.names[w.As]; taken {
		faults.Add(w.Place+"/as", "conflict", "is the name of another operation: names are given once")
		return
	}
	p.names[w.As] = i
}

// mention settles what a mention is of.
func (p *plan) mention(i int, at bsonjson.Referral, faults *fault.List) mention {
	name, path, hasPath := strings.Cut(at.Name, ".")
	of, known := p.names[name]
	if !known {
		p.unknownName(i, name, at.Pointer, faults)
		return mention{at: at}
	}
	switch c := p.writes[of].Collection; {
	case c == nil: // its own faults are told
	case p.writes[of].Verb == Delete:
		faults.Add(at.Pointer, "ref", "%q deletes its document, and has no values", name)
	case !hasPath:
		faults.Add(at.Pointer, "ref", `must name a field, such as "%s.id"`, name)
	default:
		if _, err := filter.Fields(c.Fields)(path); err != nil {
			faults.Add(at.Pointer, "ref", "%q %s", path, err)
		}
	}
	return mention{at: at, of: of, path: path}
}

func (p *plan) unknownName(i int, name, pointer string, faults *fault.List) {
	var names []string
	for j := range p.writes {
		switch as := p.writes[j].As; {
		case as == name && j == i:
			faults.Add(pointer, "ref", "%q is the operation itself", name)
			return
		case as == name:
			faults.Add(pointer, "ref", "%q comes later: only what earlier operations did can be referred to", name)
			return
		case as != "" && j < i:
			names = append(names, as)
		}
	}
	faults.Add(pointer, "ref", "no operation is named %q%s", name, nearest.Hint(name, names))
}

// classify notes whether an operation mentions what only running others tells,
// or what is known for good once ids are allocated.
func (p *plan) classify(op *operation, i int) {
	for _, m := range p.mentions[i] {
		if m.broken {
			continue
		}
		of := p.ops[m.of]
		op.late = op.late || p.document(m.of) == nil
		op.provisional = op.provisional || of.awaitsID || of.provisional || of.allocated
	}
}

// holds reports whether a pointer leads to the mention, or into it.
func (m mention) holds(pointer string) bool {
	rest, ok := strings.CutPrefix(pointer, m.at.Pointer)
	return ok && (rest == "" || rest[0] == '/')
}

// fill puts the values that a write mentions into its texts, and returns the
// mentions that stay. A value that is not there is a fault.
func (p *plan) fill(w *Write, mentions []mention, document func(int) bson.Raw, faults *fault.List) (open []mention, err error) {
	for of := range parts {
		var at []bsonjson.Referral
		var values [][]byte
		for _, m := range mentions {
			if m.part != of {
				continue
			}
			value := m.value(document, faults)
			if value == nil {
				open = append(open, m)
				continue
			}
			at, values = append(at, m.at), append(values, value)
			p.size += len(value)
		}
		if p.size > maxInserted {
			return nil, fault.New(fault.PayloadTooLarge, "what the operations refer to comes to more than %d bytes", maxInserted)
		}
		if len(at) > 0 {
			text, _ := w.text(of)
			*text = bsonjson.Fill(*text, at, values)
		}
	}
	return open, nil
}

// value returns the JSON of what is mentioned; nil where it is not known.
func (m mention) value(document func(int) bson.Raw, faults *fault.List) []byte {
	if m.broken {
		return nil
	}
	doc := document(m.of)
	if doc == nil {
		return nil
	}
	steps := strings.Split(m.path, ".")
	if steps[0] == "id" {
		steps[0] = "_id"
	}
	value, err := doc.LookupErr(steps...)
	if err != nil {
		faults.Add(m.at.Pointer, "ref", "%q has no value in the document that is referred to", m.path)
		return nil
	}
	return bsonjson.AppendValue(nil, value)
}

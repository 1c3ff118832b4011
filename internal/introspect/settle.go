package introspect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/store"
)

const (
	// maxRounds bounds how often a declaration is loosened, or documents that it
	// refuses are looked for. A round changes it, and few are needed.
	maxRounds = 50
	// refusedBatch is how many documents that were refused are read at once.
	refusedBatch = 1000
)

// settle loosens the declaration until it admits every document: those that were
// read, and, where these were not all, those that MongoDB finds.
func (s *subject) settle(ctx context.Context) error {
	for range maxRounds {
		c, err := s.loosen()
		if err != nil || s.whole {
			return err
		}
		before := s.read
		if err := s.lookFor(ctx, c); err != nil {
			return err
		}
		if s.read == before {
			return nil
		}
		s.infer()
	}
	s.limits = append(s.limits, "some of the documents that were not read may be refused")
	return nil
}

// stuck is for what should not be.
func (s *subject) stuck() error {
	return errors.New("no declaration was found that admits every document, which is a mistake of sheaf")
}

// loosen changes the declaration until it compiles and admits the documents that
// were read.
func (s *subject) loosen() (*schema.Collection, error) {
	for range maxRounds {
		c, err := s.compile()
		if err != nil {
			return nil, unexpected(err)
		}
		refused, loosened := false, false
		for _, doc := range s.documents {
			var faults fault.List
			c.Check(doc, "", &faults)
			for _, item := range faults.Items {
				if s.isLimit(item) {
					continue
				}
				refused = true
				loosened = s.admit(item) || loosened
			}
			if loosened {
				break
			}
		}
		if !refused {
			return c, nil
		}
		if !loosened {
			break
		}
	}
	return nil, s.stuck()
}

// isLimit reports whether a fault is one that no declaration mends: names that
// begin with a dollar, and the system fields.
func (s *subject) isLimit(item fault.Item) bool {
	tokens := strings.Split(item.Pointer, "/")
	if len(tokens) == 2 && slices.Contains([]string{"_id", "id", "version", "createdAt", "updatedAt"}, tokens[1]) {
		return true
	}
	return slices.ContainsFunc(tokens, func(token string) bool { return strings.HasPrefix(token, "$") })
}

// ruleOf is the key of a field by the code of the fault that it makes.
var ruleOf = map[string]string{
	"min": "min", "max": "max", "enum": "enum", "pattern": "pattern", "min-length": "min_length", "max-length": "max_length",
	"min-items": "min_items", "max-items": "max_items", "unique-items": "unique_items",
}

// admit loosens the declaration where it refuses a value, and reports whether it
// changed anything.
func (s *subject) admit(item fault.Item) bool {
	holder, f := s.at(item.Pointer)
	switch {
	case f == nil:
		changed := holder != nil && !holder.open
		if changed {
			holder.open = true
		}
		return changed
	case item.Code == "required":
		changed := f.required
		f.required = false
		return changed
	case item.Code == "null":
		f.nullable = true
		return true
	case ruleOf[item.Code] != "":
		f.set(ruleOf[item.Code], nil)
		return true
	}
	changed := f.typ != "any"
	f.anything()
	return changed
}

// anything makes a field one that admits any value.
func (f *field) anything() {
	f.typ, f.nullable, f.unique, f.open, f.rules, f.members, f.items = "any", false, false, false, nil, nil, nil
}

// lookFor reads documents that MongoDB finds the declaration to refuse.
func (s *subject) lookFor(ctx context.Context, c *schema.Collection) error {
	filter, err := bson.Marshal(bson.D{{Key: "$nor", Value: bson.A{s.forStored(c.Validator())}}})
	if err != nil {
		return fmt.Errorf("the validator does not encode: %w", err)
	}
	known := store.IDSet{}
	for _, doc := range s.documents {
		known.Add(doc.Lookup("_id"))
	}
	most := s.read + refusedBatch
	err = s.store.Each(ctx, store.Query{Collection: s.info.Name, Filter: filter}, func(doc bson.Raw) error {
		switch {
		case known.Has(doc.Lookup("_id")): // it is beyond what a declaration admits
			return nil
		case s.read == most:
			return errEnough
		}
		return s.look(doc)
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// forStored makes a validator one for documents that need not have the system
// fields. Nothing is said of a system field that is known to be something else
// in some.
func (s *subject) forStored(validator bson.D) bson.D {
	rules := slices.Clone(validator[0].Value.(bson.D))
	for i, rule := range rules {
		switch value := rule.Value.(type) {
		case bson.A:
			if rule.Key == "required" {
				rules[i].Value = slices.DeleteFunc(slices.Clone(value), isSystem)
			}
		case bson.D:
			if rule.Key == "properties" {
				rules[i].Value = s.known(value)
			}
		}
	}
	rules = slices.DeleteFunc(rules, func(rule bson.E) bool {
		names, ok := rule.Value.(bson.A)
		return rule.Key == "required" && ok && len(names) == 0
	})
	return bson.D{{Key: "$jsonSchema", Value: rules}}
}

func isSystem(name any) bool {
	return slices.Contains([]any{"_id", "version", "createdAt", "updatedAt"}, name)
}

// known are the properties without what is known not to hold of system fields.
func (s *subject) known(properties bson.D) bson.D {
	properties = slices.Clone(properties)
	for i, property := range properties {
		if s.system.unfit[property.Key] > 0 || property.Key == "_id" && len(s.ids.kinds) > 1 {
			properties[i].Value = bson.D{}
		}
	}
	id := bson.D{{Key: "not", Value: bson.D{}}} // there must be none
	if s.system.unfit["id"] > 0 {
		id = bson.D{}
	}
	return append(properties, bson.E{Key: "id", Value: id})
}

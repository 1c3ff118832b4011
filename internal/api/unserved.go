package api

import (
	"sync"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/observe"
	"github.com/sheafdb/sheaf/internal/query"
	"github.com/sheafdb/sheaf/internal/schema"
)

// Policy says what becomes of a list that no index serves.
type Policy string

// The policies: answer it, answer it and tell once which index would serve it,
// or refuse it.
const (
	Allow  Policy = "allow"
	Warn   Policy = "warn"
	Refuse Policy = "refuse"
)

// admit holds the policy. A list that is only explained is not refused, for that
// is how one learns about it.
func (x *exchange) admit(plan *query.Plan) error {
	policy := x.service.options.Unindexed
	if policy != Warn && policy != Refuse {
		return nil
	}
	u := plan.Unserved()
	switch {
	case u == nil:
		return nil
	case policy == Warn:
		if x.service.unserved.isNew(x.model, u.Shape) {
			x.service.options.Observer.Unserved(x.request.Context(), observe.Unserved{Collection: u.Collection.Name, Index: u.Index})
		}
		return nil
	case plan.Explain:
		return nil
	}
	detail := "is served by no index, and none could serve it; narrow it by a field that is compared with a value"
	if u.Index != "" {
		detail = "is served by no index; this one would: " + u.Index
	}
	return fault.New(fault.InvalidParameter, "no index serves this list, and this service refuses such lists").
		WithItems(fault.Item{Pointer: u.Pointer, Code: "unindexed", Detail: detail})
}

// unserved remembers the shapes that were told of while a model serves.
type unserved struct {
	mu     sync.Mutex
	model  *schema.Model
	shapes map[string]bool
}

// maxShapes bounds what is remembered; who has that many has been told enough.
const maxShapes = 1000

func (u *unserved) isNew(model *schema.Model, shape string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.model != model {
		u.model, u.shapes = model, map[string]bool{}
	}
	if u.shapes[shape] || len(u.shapes) >= maxShapes {
		return false
	}
	u.shapes[shape] = true
	return true
}

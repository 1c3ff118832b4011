package api

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/auth"
	"github.com/sheafdb/sheaf/internal/engine"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/observe"
	"github.com/sheafdb/sheaf/internal/schema"
)

// known returns the model as who asks knows it. Whatever a route does with
// documents it does with collections of this.
func (x *exchange) known() *schema.Model {
	if caller := auth.From(x.request.Context()); caller != nil {
		return x.model.As(caller)
	}
	return x.model
}

// noteDenial emits what the rules kept the caller from.
func (x *exchange) noteDenial(ctx context.Context, err error) {
	denial, denied := errors.AsType[*engine.Denial](err)
	if !denied && !fault.Is(err, fault.Forbidden) {
		return
	}
	event := observe.Denial{Method: x.request.Method, Route: x.route}
	if denied {
		event.Action, event.Collection = denial.Action.String(), denial.Collection
		if denial.ID.Type != 0 && denial.ID.Type != bson.TypeNull {
			event.ID = idText(denial.ID)
		}
	}
	x.service.options.Observer.Denial(ctx, event)
}

package engine

import (
	"strings"

	"github.com/sheafdb/sheaf/internal/fault"
)

// located returns err with the place of the operation's body before its
// pointers.
func located(err error, op *operation) error { return locatedAt(err, op.pointer) }

func locatedAt(err error, pointer string) error {
	if err == nil || pointer == "" {
		return err
	}
	e := fault.From(err)
	items := make([]fault.Item, len(e.Items))
	for i, item := range e.Items {
		item.Pointer = pointer + item.Pointer
		items[i] = item
	}
	return fault.Wrap(err, e.Code, "%s: %s", strings.TrimPrefix(pointer, "/"), e.Detail).WithItems(items...)
}

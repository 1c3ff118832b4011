package engine

import (
	"strings"

	"github.com/sheafdb/sheaf/internal/fault"
)

// located returns err with the place of the operation that it is about: before
// the pointers of its items, or as an item of its own.
func located(err error, op *operation) error {
	if err == nil {
		return nil
	}
	err = op.veiled(err)
	e := fault.From(err)
	if op.place == "" || len(e.Items) > 0 || !ofOperation[e.Code] {
		return locatedAt(err, op.pointer)
	}
	at := op.place
	if e.Code == fault.RequirementFailed {
		at += "/require"
	}
	return fault.Wrap(err, e.Code, "%s: %s", strings.TrimPrefix(op.place, "/"), e.Detail).WithItems(
		fault.Item{Pointer: at, Code: string(e.Code), Detail: e.Detail})
}

// ofOperation are the failures that one operation is the reason of.
var ofOperation = map[fault.Code]bool{
	fault.NotFound: true, fault.DuplicateKey: true, fault.ReferenceViolation: true, fault.VersionConflict: true,
	fault.PayloadTooLarge: true, fault.ValidationFailed: true, fault.RequirementFailed: true, fault.PatchFailed: true, fault.Forbidden: true,
}

// ofWhole are the failures that are about no part of the input.
var ofWhole = map[fault.Code]bool{
	fault.WriteConflict: true, fault.DatabaseUnavailable: true, fault.Timeout: true, fault.Overloaded: true, fault.Internal: true,
}

// locatedAt returns err with a place of the input before its pointers.
func locatedAt(err error, pointer string) error {
	if err == nil || pointer == "" || ofWhole[fault.From(err).Code] {
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

package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
)

// structureTimeout bounds a change of the database's structure where ctx has no
// deadline: an index of a large collection takes its time.
const structureTimeout = time.Hour

// CreateCollection makes a collection with a validator, nil for none. It does
// nothing where the collection is there with that validator already, and fails
// where it is there with another.
func (s *Store) CreateCollection(ctx context.Context, name string, validator bson.Raw) error {
	err := s.restructure(ctx, append(bson.D{{Key: "create", Value: name}}, validated(validator)...))
	if !hasCode(err, codeNamespaceExists) {
		return s.structureError(ctx, err)
	}
	there, err := s.options(ctx, name)
	if err != nil {
		return mapError(ctx, err)
	}
	if stored, strict := ValidatorOf(there); !sameDocument(stored, validator) || stored != nil && !strict {
		return fault.New(fault.Internal, "the collection %s is there already, with another validator", name)
	}
	return nil
}

// sameDocument compares two documents of which numbers may be of different types.
func sameDocument(a, b bson.Raw) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	x, errA := a.Elements()
	y, errB := b.Elements()
	if errA != nil || errB != nil || len(x) != len(y) {
		return false
	}
	for i := range x {
		if x[i].Key() != y[i].Key() || !sameNested(x[i].Value(), y[i].Value()) {
			return false
		}
	}
	return true
}

func sameNested(a, b bson.RawValue) bool {
	if a.Type == b.Type && (a.Type == bson.TypeEmbeddedDocument || a.Type == bson.TypeArray) {
		return sameDocument(bson.Raw(a.Value), bson.Raw(b.Value))
	}
	return sameValue(a, b)
}

// DropCollection deletes a collection with all its documents; it does nothing
// where there is none.
func (s *Store) DropCollection(ctx context.Context, name string) error {
	err := s.restructure(ctx, bson.D{{Key: "drop", Value: name}})
	if hasCode(err, codeNamespaceNotFound) {
		return nil
	}
	return s.structureError(ctx, err)
}

// RenameCollection gives a collection another name. It does nothing where there
// is no collection of the old name and one of the new, as after an earlier run. The
// history goes with it.
func (s *Store) RenameCollection(ctx context.Context, from, to string) error {
	if err := s.rename(ctx, from, to); err != nil {
		return err
	}
	return s.renameHistory(ctx, from, to)
}

func (s *Store) rename(ctx context.Context, from, to string) error {
	database := s.database.Name() + "."
	err := s.restructureOn(ctx, s.client.Database("admin"), bson.D{{Key: "renameCollection", Value: database + from}, {Key: "to", Value: database + to}})
	switch {
	case hasCode(err, codeNamespaceExists):
		return fault.Wrap(err, fault.Internal, "the collection %s cannot be renamed to %s, since there is one of that name", from, to)
	case !hasCode(err, codeNamespaceNotFound):
		return s.structureError(ctx, err)
	}
	there, lookErr := s.options(ctx, to)
	if lookErr != nil {
		return mapError(ctx, lookErr)
	}
	if there == nil {
		return fault.Wrap(err, fault.Internal, "there is no collection %s to rename to %s", from, to)
	}
	return nil
}

// SetValidator gives a collection a validator that MongoDB applies to every
// write; nil takes it away.
func (s *Store) SetValidator(ctx context.Context, name string, validator bson.Raw) error {
	if validator == nil {
		validator = emptyDocument
	}
	err := s.restructure(ctx, append(bson.D{{Key: "collMod", Value: name}}, validated(validator)...))
	if hasCode(err, codeNamespaceNotFound) {
		return fault.Wrap(err, fault.Internal, "there is no collection %s", name)
	}
	return s.structureError(ctx, err)
}

func validated(validator bson.Raw) bson.D {
	if validator == nil {
		return nil
	}
	return bson.D{
		{Key: "validator", Value: validator},
		{Key: "validationLevel", Value: "strict"},
		{Key: "validationAction", Value: "error"},
	}
}

// ValidatorOf returns the validator in the options of a collection, nil for
// none, and whether MongoDB refuses every write that breaks it.
func ValidatorOf(options bson.Raw) (validator bson.Raw, strict bool) {
	validator, _ = options.Lookup("validator").DocumentOK()
	if len(validator) <= len(emptyDocument) {
		return nil, false
	}
	level, action := text(options.Lookup("validationLevel")), text(options.Lookup("validationAction"))
	return validator, (level == "" || level == "strict") && (action == "" || action == "error")
}

// CreateIndex makes an index, described as createIndexes takes it; it does
// nothing where that is there. It fails with DuplicateKey where documents share
// a value of a unique index.
func (s *Store) CreateIndex(ctx context.Context, collection string, index bson.Raw) error {
	err := s.restructure(ctx, bson.D{{Key: "createIndexes", Value: collection}, {Key: "indexes", Value: bson.A{index}}})
	name := text(index.Lookup("name"))
	switch {
	case hasCode(err, codeIndexOptions, codeIndexKeySpecs):
		return fault.Wrap(err, fault.Internal, "the collection %s has an index %s, or one with the same keys, in another form", collection, name)
	case hasCode(err, codeDuplicateKey):
		return fault.Wrap(err, fault.DuplicateKey, "collection %s: the unique index %s cannot be made, since documents share a value", collection, name)
	}
	return s.structureError(ctx, err)
}

// DropIndex deletes an index; it does nothing where there is none of the name.
func (s *Store) DropIndex(ctx context.Context, collection, name string) error {
	err := s.restructure(ctx, bson.D{{Key: "dropIndexes", Value: collection}, {Key: "index", Value: name}})
	if hasCode(err, codeIndexNotFound, codeNamespaceNotFound) {
		return nil
	}
	return s.structureError(ctx, err)
}

// IndexSpec describes an index of a schema as createIndexes takes it.
func IndexSpec(index schema.Index) bson.Raw {
	spec, err := bson.Marshal(indexSpec(index))
	if err != nil { // compiled indexes hold nothing that does not marshal
		panic("store: an index does not encode: " + err.Error())
	}
	return spec
}

// The codes of MongoDB's errors that changes of the structure meet.
const (
	codeNamespaceNotFound  = 26
	codeIndexNotFound      = 27
	codeNamespaceExists    = 48
	codeIndexOptions       = 85
	codeIndexKeySpecs      = 86
	codeDuplicateKey       = 11000
	codeOperationConflict  = 117
	codeLockBusy           = 46
	codeWriteConflict      = 112
	codeBackgroundConflict = 12587
	codeIndexBuildAborted  = 276
)

// restructure runs a command that changes the database's structure, anew where
// that of another instance is in its way.
func (s *Store) restructure(ctx context.Context, command bson.D) error {
	return s.restructureOn(ctx, s.database, command)
}

func (s *Store) restructureOn(ctx context.Context, database *mongo.Database, command bson.D) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, structureTimeout)
		defer cancel()
	}
	command = append(command, bson.E{Key: "writeConcern", Value: bson.D{{Key: "w", Value: "majority"}}})
	deadline, _ := ctx.Deadline()
	for wait := newBackoff(deadline); ; {
		err := database.RunCommand(ctx, command).Err()
		if !hasCode(err, codeOperationConflict, codeBackgroundConflict, codeLockBusy, codeWriteConflict, codeIndexBuildAborted) ||
			!wait.sleep(ctx) {
			return err
		}
	}
}

func hasCode(err error, codes ...int) bool {
	e, ok := errors.AsType[mongo.CommandError](err)
	return ok && slices.Contains(codes, int(e.Code))
}

// structureError is mapError with MongoDB's own words.
func (s *Store) structureError(ctx context.Context, err error) error {
	return inItsWords(err, mapError(ctx, err))
}

// inItsWords tells what MongoDB itself says where the fault that an error is mapped to
// says nothing: whoever changes the structure, or documents by pipelines, is no
// client, and the words say what is wrong.
func inItsWords(err, mapped error) error {
	if !fault.Is(mapped, fault.Internal) {
		return mapped
	}
	words := ""
	if e, ok := errors.AsType[mongo.CommandError](err); ok {
		words = e.Message
	}
	if e, ok := errors.AsType[mongo.WriteException](err); ok && len(e.WriteErrors) > 0 {
		words = e.WriteErrors[0].Message
	}
	if words == "" {
		return mapped
	}
	return fault.New(fault.Internal, "MongoDB refused it: %s", words)
}

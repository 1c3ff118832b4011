package store

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/sync/errgroup"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
)

// Report says what Provision changed. Names are sorted.
type Report struct {
	// Collections were created, Validators replaced, Indexes created; those as
	// collection.index.
	Collections, Validators, Indexes []string
}

// Empty reports whether all was there already.
func (r Report) Empty() bool {
	return len(r.Collections)+len(r.Validators)+len(r.Indexes) == 0
}

// provisionParallel is how many collections are seen to at once.
const provisionParallel = 8

// Provision creates the collections and indexes of a model that are missing,
// and gives every collection the validator of the model. It drops nothing, and
// changes no document.
//
// Several instances may do so at once. An index that exists in another form, or
// that the stored documents do not admit, is an error that says what to do; the
// other collections are seen to all the same.
func (s *Store) Provision(ctx context.Context, model *schema.Model) (Report, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, structureTimeout)
		defer cancel()
	}
	existing, err := s.existing(ctx)
	if err != nil {
		return Report{}, mapError(ctx, err)
	}
	p := provision{store: s, existing: existing}
	err = errors.Join(p.run(ctx, model.Collections), p.expire(ctx, answers, "expiresAt", 0))
	if slices.ContainsFunc(model.Collections, func(c *schema.Collection) bool { return len(c.References) > 0 }) {
		err = errors.Join(err, p.expire(ctx, locks, "at", lockExpireAfter))
	}
	for _, c := range model.Collections {
		if c.History != nil {
			err = errors.Join(err, s.PrepareHistory(ctx, c))
		}
	}
	p.report.sort()
	return p.report, err
}

// expire makes MongoDB delete the documents of a collection of the service's own
// some seconds after the date that a field holds.
func (p *provision) expire(ctx context.Context, collection, field string, seconds int32) error {
	index := bson.D{{Key: "key", Value: bson.D{{Key: field, Value: int32(1)}}}, {Key: "name", Value: field + "_1"}, {Key: "expireAfterSeconds", Value: seconds}}
	return mapError(ctx, p.store.restructure(ctx, bson.D{{Key: "createIndexes", Value: collection}, {Key: "indexes", Value: bson.A{index}}}))
}

func (r Report) sort() {
	slices.Sort(r.Collections)
	slices.Sort(r.Validators)
	slices.Sort(r.Indexes)
}

// provision is one run of Provision.
type provision struct {
	store *Store
	// existing holds the options of the collections that there are.
	existing map[string]bson.Raw

	mu     sync.Mutex
	report Report
}

// existing returns the options of all collections by name.
func (s *Store) existing(ctx context.Context) (map[string]bson.Raw, error) {
	cursor, err := s.database.ListCollections(ctx, bson.D{}, options.ListCollections().SetBatchSize(10_000))
	if err != nil {
		return nil, err
	}
	defer cursor.Close(ctx)
	found := make(map[string]bson.Raw)
	for cursor.Next(ctx) {
		settings, _ := cursor.Current.Lookup("options").DocumentOK()
		found[text(cursor.Current.Lookup("name"))] = slices.Clone(settings)
	}
	return found, cursor.Err()
}

// run sees to every collection, and returns all errors.
func (p *provision) run(ctx context.Context, collections []*schema.Collection) error {
	var group errgroup.Group
	group.SetLimit(provisionParallel)
	failed := make([]error, len(collections))
	for i, c := range collections {
		group.Go(func() error {
			failed[i] = p.collection(ctx, c)
			return nil
		})
	}
	_ = group.Wait()
	return errors.Join(failed...)
}

func (p *provision) collection(ctx context.Context, c *schema.Collection) error {
	created, err := p.create(ctx, c)
	if err != nil {
		return mapError(ctx, err)
	}
	if err := p.indexes(ctx, c, created); err != nil {
		return err
	}
	return p.shard(ctx, c, created)
}

// create makes the collection where it is missing, else its validator what it
// should be.
func (p *provision) create(ctx context.Context, c *schema.Collection) (created bool, err error) {
	settings, there := p.existing[c.Name]
	if there && hasValidator(settings, c) {
		return false, nil
	}
	if !there {
		err := p.store.restructure(ctx, append(bson.D{{Key: "create", Value: c.Name}}, validation(c)...))
		if err == nil {
			p.note(&p.report.Collections, c.Name)
			return true, nil
		}
		if !hasCode(err, codeNamespaceExists) {
			return false, err
		}
		// Another instance was faster, perhaps one with another schema.
	}
	if err := p.store.restructure(ctx, append(bson.D{{Key: "collMod", Value: c.Name}}, validation(c)...)); err != nil {
		return false, err
	}
	if there {
		p.note(&p.report.Validators, c.Name)
	}
	return false, nil
}

func validation(c *schema.Collection) bson.D {
	return bson.D{
		{Key: "validator", Value: c.Validator()},
		{Key: "validationLevel", Value: "strict"},
		{Key: "validationAction", Value: "error"},
	}
}

// hasValidator reports whether the settings of a collection have the validator
// of c. MongoDB keeps one byte for byte.
func hasValidator(settings bson.Raw, c *schema.Collection) bool {
	wanted, err := bson.Marshal(c.Validator())
	if err != nil {
		return false
	}
	stored, _ := settings.Lookup("validator").DocumentOK()
	return bytes.Equal(stored, wanted) &&
		text(settings.Lookup("validationLevel")) == "strict" && text(settings.Lookup("validationAction")) == "error"
}

func (p *provision) note(list *[]string, name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*list = append(*list, name)
}

// indexes creates the indexes that are missing.
func (p *provision) indexes(ctx context.Context, c *schema.Collection, created bool) error {
	if len(c.Indexes) == 0 {
		return nil
	}
	var existing []bson.Raw
	if !created {
		var err error
		if existing, err = p.existingIndexes(ctx, c.Name); err != nil {
			return mapError(ctx, err)
		}
	}
	var failed []error
	for _, missing := range missingIndexes(c.Indexes, existing) {
		failed = append(failed, p.index(ctx, c.Name, missing, existing))
	}
	return errors.Join(failed...)
}

func (p *provision) existingIndexes(ctx context.Context, collection string) ([]bson.Raw, error) {
	cursor, err := p.store.collection(collection).Indexes().List(ctx)
	if err != nil {
		return nil, err
	}
	var indexes []bson.Raw
	return indexes, cursor.All(ctx, &indexes)
}

// index creates one index, or finds that it is there.
func (p *provision) index(ctx context.Context, collection string, index schema.Index, existing []bson.Raw) error {
	err := p.store.restructure(ctx, bson.D{{Key: "createIndexes", Value: collection}, {Key: "indexes", Value: bson.A{indexSpec(index)}}})
	switch {
	case err == nil:
		if !slices.ContainsFunc(existing, func(e bson.Raw) bool { return text(e.Lookup("name")) == index.Name }) {
			p.note(&p.report.Indexes, collection+"."+index.Name)
		}
		return nil
	case hasCode(err, codeIndexOptions, codeIndexKeySpecs):
		return fault.Wrap(err, fault.Internal,
			"collection %s: the index %s that the schema declares differs from the existing index %s; drop that in MongoDB, or change the schema",
			collection, index.Name, conflicting(existing, index))
	case hasCode(err, codeDuplicateKey):
		return fault.Wrap(err, fault.DuplicateKey,
			"collection %s: the unique index %s cannot be made, since documents share a value of %s; make the values differ, or drop unique from the schema",
			collection, index.Name, joinNames(index.Fields))
	}
	return mapError(ctx, err)
}

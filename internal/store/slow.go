package store

import (
	"context"
	"slices"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/observe"
)

const (
	// explainPause is how long a kind of read is not explained again.
	explainPause = time.Minute
	// explainTimeout bounds an explanation, which nobody waits for.
	explainTimeout = 2 * time.Second
	// maxExplained bounds the kinds that are remembered: clients make them.
	maxExplained = 1000
)

// explainer finds out which indexes slow reads use, for an observer: one read at a
// time, and those of a kind once a minute, so that a database which is slow does
// not get much to do besides.
type explainer struct {
	// threshold is how long a slow read takes; 0 for none.
	threshold time.Duration
	running   sync.WaitGroup

	mu sync.Mutex
	// explained is when kinds of reads were.
	explained    map[string]time.Time
	busy, closed bool
}

// take reports whether a read is to be explained now, which is to be followed by
// done then.
func (e *explainer) take(kind string, now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if last, ok := e.explained[kind]; e.busy || e.closed || ok && now.Sub(last) < explainPause {
		return false
	}
	if e.explained == nil || len(e.explained) >= maxExplained {
		e.explained = map[string]time.Time{}
	}
	e.explained[kind], e.busy = now, true
	e.running.Add(1)
	return true
}

func (e *explainer) done() {
	e.mu.Lock()
	e.busy = false
	e.mu.Unlock()
	e.running.Done()
}

// close waits for the explanation that is under way.
func (e *explainer) close() {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.running.Wait()
}

// explainSlow tells the observer how a read that took long is carried out.
func (s *Store) explainSlow(ctx context.Context, of *namedContext, took time.Duration) {
	if s.slow.threshold == 0 || took < s.slow.threshold || of.filter == nil {
		return
	}
	shape := observe.ShapeOf(of.filter)
	if !s.slow.take(of.collection+" "+shape.String(), time.Now()) {
		return
	}
	find := bson.D{{Key: "find", Value: of.collection}, {Key: "filter", Value: of.filter}}
	if of.sort != nil {
		find = append(find, bson.E{Key: "sort", Value: of.sort})
	}
	command := bson.D{{Key: "explain", Value: find}, {Key: "verbosity", Value: "queryPlanner"}}
	go func() {
		defer s.slow.done()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(outside(ctx)), explainTimeout)
		defer cancel()
		reply, err := s.database.RunCommand(s.named(ctx, of.collection), command).Raw()
		if err != nil {
			return // the log has the command that failed
		}
		plan := observe.Plan{Collection: of.collection, Filter: shape, Duration: took}
		readPlan(reply.Lookup("queryPlanner", "winningPlan"), &plan)
		s.observer.Plan(ctx, plan)
	}()
}

// readPlan gathers the indexes of a plan, and whether it reads all documents.
func readPlan(value bson.RawValue, plan *observe.Plan) {
	switch value.Type {
	case bson.TypeArray:
		elements, _ := value.Array().Values()
		for _, e := range elements {
			readPlan(e, plan)
		}
	case bson.TypeEmbeddedDocument:
		readStage(value.Document(), plan)
	default: // a property of a stage
	}
}

func readStage(stage bson.Raw, plan *observe.Plan) {
	if name, ok := stage.Lookup("indexName").StringValueOK(); ok && !slices.Contains(plan.Indexes, name) {
		plan.Indexes = append(plan.Indexes, name)
	}
	switch name, _ := stage.Lookup("stage").StringValueOK(); name {
	case "COLLSCAN":
		plan.Scans = true
	case "IDHACK":
		plan.Indexes = append(plan.Indexes, "_id_")
	case "SORT":
		plan.Sorts = true
	}
	if _, err := stage.LookupErr("filter"); err == nil && (unbounded(stage.Lookup("indexBounds")) || unbounded(stage.Lookup("inputStage", "indexBounds"))) {
		plan.Scans = true
	}
	elements, _ := stage.Elements()
	for _, e := range elements {
		if key := e.Key(); key != "rejectedPlans" && key != "filter" && key != "parsedQuery" && key != "indexBounds" {
			readPlan(e.Value(), plan)
		}
	}
}

// unbounded reports whether these are the bounds of a walk of an index from end to
// end, as for its order.
func unbounded(bounds bson.RawValue) bool {
	fields, ok := bounds.DocumentOK()
	if !ok {
		return false
	}
	elements, _ := fields.Elements()
	return !slices.ContainsFunc(elements, func(e bson.RawElement) bool {
		text := e.Value().String()
		return text != `["[MinKey, MaxKey]"]` && text != `["[MaxKey, MinKey]"]`
	})
}

package migrate

import (
	"testing"
	"testing/fstest"

	"pgregory.net/rapid"

	"github.com/sheafdb/sheaf/internal/schema"
	"github.com/sheafdb/sheaf/internal/schema/schematest"
	"github.com/sheafdb/sheaf/internal/store"
)

// TestRolloutsOfGeneratedSchemas draws two schemas of a collection, and holds what a
// rollout from one to the other relies on: steps that expand take nothing from the
// old instances and give the new ones all that they need; all steps lead to the new
// schema, and the way back to the old one; and files hold the same.
func TestRolloutsOfGeneratedSchemas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := schematest.Fields(t, 2)
		old, new := modelWith(t, before), modelWith(t, changed(t, before))
		db := &Database{Declared: store.DeclaredBy(old)}
		carryOut(t, db, Diff(old, &Database{}))
		steps := Diff(new, db)
		holdExpansion(t, db, new, steps)
		drafts := Draft(steps, db, 1, "x")
		state := db.clone()
		for _, draft := range drafts {
			carryOut(t, state, draft.Up)
			holdText(t, draft)
		}
		if left := Diff(new, state); len(left) > 0 {
			t.Errorf("after the steps there is left to do: %v", titles(left))
		}
		for i := range drafts {
			carryOut(t, state, drafts[len(drafts)-1-i].Down)
		}
		if left := Diff(old, state); len(left) > 0 {
			t.Errorf("after the way back there is left to do: %v", titles(left))
		}
	})
}

func modelWith(t *rapid.T, fields map[string]any) *schema.Model {
	c := collectionOf(t, fields, rapid.IntRange(0, 4).Draw(t, "open") == 0)
	model, err := schema.Load(fstest.MapFS{"c.yaml": {Data: schema.AppendYAML(nil, c.Declaration(), nil)}})
	if err != nil {
		t.Fatal(err)
	}
	return model
}

func carryOut(t *rapid.T, db *Database, steps []Step) {
	for _, step := range steps {
		if err := db.apply(step); err != nil {
			t.Fatalf("%s: %v", step.Title(), err)
		}
	}
}

// holdExpansion carries out the steps that expand, and holds that they do.
func holdExpansion(t *rapid.T, before *Database, model *schema.Model, steps []Step) {
	db := before.clone()
	for i, step := range steps {
		if i > 0 && step.Risk < steps[i-1].Risk {
			t.Errorf("%s comes after a step of more risk: %v", step.Title(), titles(steps))
		}
		if step.Risk != Expand {
			continue
		}
		if step.Kind == SetValidator && !admitsAll(step.Validator, db.Lookup(step.Collection).Validator) {
			t.Errorf("a step that expands takes less than before: %v", titles(steps))
		}
		carryOut(t, db, []Step{step})
	}
	for _, c := range model.Collections {
		if !admitsAll(db.Lookup(c.Name).Validator, encoded(c.Validator())) {
			t.Errorf("what new instances write is refused after the steps that expand: %v", titles(steps))
		}
	}
	for _, step := range Diff(model, db) {
		if step.Risk == Expand {
			t.Errorf("after the steps that expand there is another: %s", step.Title())
		}
	}
}

func holdText(t *rapid.T, draft Drafted) {
	read, err := Load(fstest.MapFS{draft.File: {Data: draft.Text()}})
	if err != nil {
		t.Fatalf("%v\n%s", err, draft.Text())
	}
	if got := checksum(draft.Migration); read[0].Checksum != got {
		t.Errorf("the file is read otherwise:\n%s\n%s\n%s", draft.Text(), declarationsText(draft.Migration), declarationsText(read[0]))
	}
}

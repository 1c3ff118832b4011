package schema

import (
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Each way in which a pipeline comes by documents that can be deleted and kept.
func TestPipelinesSeeNothingDeleted(t *testing.T) {
	const live = `{"deletedAt":null}`
	model := mustLoad(t, `
collection: soft
id: int
soft_delete: true
fields: {n: {type: int}, at: {type: geo}, next: {type: int}}
indexes: [{keys: [{at: 2dsphere}]}]
aggregates:
  none: {pipeline: [{$count: n}]}
  match: {params: {n: {type: int}}, pipeline: [{$match: {n: {$param: n}}}]}
  near: {pipeline: [{$geoNear: {near: {type: Point, coordinates: [1, 2]}, distanceField: d}}]}
  near_some: {pipeline: [{$geoNear: {near: {type: Point, coordinates: [1, 2]}, distanceField: d, query: {n: 1}}}]}
  facet: {pipeline: [{$facet: {a: [{$count: n}]}}]}
`, `
collection: hard
id: int
fields: {n: {type: int}}
aggregates:
  own: {pipeline: [{$match: {n: 1}}, {$lookup: {from: hard, localField: n, foreignField: n, as: x}}]}
  lookup: {pipeline: [{$lookup: {from: soft, localField: n, foreignField: n, as: x}}]}
  lookup_some: {pipeline: [{$lookup: {from: soft, localField: n, foreignField: n, as: x, pipeline: [{$match: {n: 1}}, {$limit: 1}]}}]}
  union: {pipeline: [{$unionWith: soft}]}
  union_some: {pipeline: [{$unionWith: {coll: soft, pipeline: [{$limit: 1}]}}]}
  graph: {pipeline: [{$graphLookup: {from: soft, startWith: $n, connectFromField: next, connectToField: _id, as: x}}]}
  graph_some: {pipeline: [{$graphLookup: {from: soft, startWith: $n, connectFromField: next, connectToField: _id, as: x, restrictSearchWithMatch: {n: 1}}}]}
`)
	const some = `{"$and":[` + live + `,{"n":1}]}`
	for name, want := range map[string]string{
		"none":        `{"$match":` + live + `},{"$count":"n"}`,
		"match":       `{"$match":{"$and":[` + live + `]}}`,
		"near":        `"query":` + live + `}}`,
		"near_some":   `"query":` + some + `}}`,
		"facet":       `{"$match":` + live + `},{"$facet":{"a":[{"$count":"n"}]}}`,
		"lookup":      `"pipeline":[{"$match":` + live + `}]}}`,
		"lookup_some": `"pipeline":[{"$match":` + some + `},{"$limit":1}]}}`,
		"union":       `{"$unionWith":{"coll":"soft","pipeline":[{"$match":` + live + `}]}}`,
		"union_some":  `{"$unionWith":{"coll":"soft","pipeline":[{"$match":` + live + `},{"$limit":1}]}}`,
		"graph":       `"restrictSearchWithMatch":` + live + `}}`,
		"graph_some":  `"restrictSearchWithMatch":` + some + `}}`,
	} {
		got := pipelineOf(t, model, name)
		if !strings.HasSuffix(got, want) {
			t.Errorf("%s: %s does not end with %s", name, got, want)
		}
	}
	if got := pipelineOf(t, model, "own"); strings.Contains(got, "deletedAt") {
		t.Errorf("own: %s", got)
	}
}

// pipelineOf is an aggregate without arguments as MongoDB gets it.
func pipelineOf(t *testing.T, model *Model, name string) string {
	t.Helper()
	for _, c := range model.Collections {
		a, ok := c.Aggregate(name)
		if !ok {
			continue
		}
		stages, err := a.Bind(nil)
		if err != nil {
			t.Fatal(err)
		}
		var texts []string
		for _, stage := range stages {
			text, err := bson.MarshalExtJSON(stage, false, false)
			if err != nil {
				t.Fatal(err)
			}
			texts = append(texts, string(text))
		}
		return strings.Join(texts, ",")
	}
	t.Fatalf("no aggregate is called %s", name)
	return ""
}

func TestIndexesOfWhatIsKept(t *testing.T) {
	c := mustLoad(t, `
collection: soft
id: int
soft_delete: {keep: 30d}
fields: {a: {type: string, unique: true}, b: {type: string, required: true, unique: true}, n: {type: int}}
indexes:
  - {keys: [n]}
  - {keys: [n, a], unique: true, where: {a: x}}
  - {keys: [b, n], unique: true, where: {deletedAt: {$exists: true}}}
`).Collections[0]
	var got []string
	for _, index := range c.Indexes {
		got = append(got, index.Name+" "+string(relaxed(index.Partial)))
	}
	want := []string{
		`a_1_live {"a":{"$exists":true},"deletedAt":null}`, `b_1_live {"deletedAt":null}`, `n_1__id_1 {}`,
		`n_1_a_1_` + digest(extended(bson.D{{Key: "a", Value: bson.D{{Key: "$eq", Value: "x"}}}})) + `_live {"a":{"$eq":"x"},"deletedAt":null}`,
	}
	for i, w := range want {
		if got[i] != w {
			t.Errorf("index %d: %s, want %s", i, got[i], w)
		}
	}
	if strings.HasSuffix(got[4], "live") || !strings.HasPrefix(got[5], `deletedAt_1_deleted {"deletedAt":{"$exists":true}}`) || c.Indexes[5].ExpireAfter == nil {
		t.Errorf("%q", got)
	}
}

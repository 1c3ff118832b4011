package schema

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Pipelines see no document that is deleted and kept, of any collection that they
// read.

// hideDeleted returns the stages of a pipeline that begins with the documents of
// a collection. Stages that must come first take the condition themselves.
func hideDeleted(c *Collection, stages []template) []template {
	if c == nil || c.SoftDelete == nil {
		return stages
	}
	if len(stages) > 0 && len(stages[0].inner) == 1 {
		switch first := &stages[0].inner[0]; first.name {
		case "$match":
			*first = andLive(*first).named(first.name)
			return stages
		case "$geoNear":
			first.limit("query")
			return stages
		}
	}
	return slices.Insert(stages, 0, object(isLive().named("$match")))
}

// isLive is the condition that a document is not deleted.
func isLive() template { return fixed(bson.D{onlyLive}) }

func andLive(condition template) template {
	return object(template{name: "$and", kind: arrayTemplate, inner: []template{isLive(), condition}})
}

// limit adds the condition to a member of a stage that holds conditions.
func (t *template) limit(name string) {
	if i := t.at(name); i >= 0 {
		t.inner[i] = andLive(t.inner[i]).named(name)
		return
	}
	t.inner = append(t.inner, isLive().named(name))
}

// begin has the pipeline of a stage begin with the documents of a collection.
func (t *template) begin(c *Collection) {
	i := t.at("pipeline")
	if i < 0 && len(hideDeleted(c, nil)) > 0 {
		i = len(t.inner)
		t.inner = append(t.inner, template{name: "pipeline", kind: arrayTemplate})
	}
	if i >= 0 {
		t.inner[i].inner = hideDeleted(c, t.inner[i].inner)
	}
}

func (t *template) at(name string) int {
	return slices.IndexFunc(t.inner, func(member template) bool { return member.name == name })
}

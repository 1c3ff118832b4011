package migrate

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/nearest"
	"github.com/sheafdb/sheaf/internal/schema"
)

// changeNames are the keys of an update of which it has one.
var changeNames = []string{"rename", "set_default", "convert", "split", "unset", "pipeline", "todo"}

// changeKeys are the keys of an update.
func changeKeys(r reader, s *Step) map[string]func(*schema.Node) {
	c := &Change{}
	s.Change = c
	return map[string]func(*schema.Node){
		"filter":      func(n *schema.Node) { c.Filter = r.filter(n) },
		"rename":      func(n *schema.Node) { c.Rename = r.rename(n) },
		"set_default": func(n *schema.Node) { c.SetDefault = r.setDefault(n) },
		"convert":     func(n *schema.Node) { c.Convert = r.convert(n) },
		"split":       func(n *schema.Node) { c.Split = r.split(n) },
		"unset":       func(n *schema.Node) { c.Unset = r.paths(n) },
		"pipeline":    func(n *schema.Node) { c.Pipeline = r.pipeline(n) },
		"todo":        func(n *schema.Node) { c.Todo = r.text(n) },
	}
}

// oneChange notes an update that does nothing, or several things.
func (r reader) oneChange(n *schema.Node, _ *Step) {
	var found []string
	for key := range n.Entries() {
		if slices.Contains(changeNames, key.Text()) {
			found = append(found, key.Text())
		}
	}
	switch len(found) {
	case 0:
		r.problems.Add(n, "update needs what it does: one of %s", strings.Join(changeNames, ", "))
	case 1:
	default:
		r.problems.Add(n, "update does one thing, and not %s; write a step for each", strings.Join(found, " and "))
	}
}

func (r reader) rename(n *schema.Node) *Rename {
	c := &Rename{}
	r.members(n, "rename", map[string]func(*schema.Node){
		"from": func(n *schema.Node) { c.From = r.path(n) },
		"to":   func(n *schema.Node) { c.To = r.path(n) },
	}, "from", "to")
	return c
}

// setDefault reads a field and its value, or that it is now.
func (r reader) setDefault(n *schema.Node) *SetDefault {
	c := &SetDefault{}
	valued := false
	r.members(n, "set_default", map[string]func(*schema.Node){
		"field": func(n *schema.Node) { c.Field = r.path(n) },
		"value": func(n *schema.Node) { c.Value, _ = r.value(n); valued = true },
		"now":   func(n *schema.Node) { c.Now = r.flag(n) },
	}, "field")
	if valued == c.Now && n.IsMapping() {
		r.problems.Add(n, "set_default needs value: …, or now: true")
	}
	return c
}

func (r reader) convert(n *schema.Node) *Convert {
	c := &Convert{}
	r.members(n, "convert", map[string]func(*schema.Node){
		"field": func(n *schema.Node) { c.Field = r.path(n) },
		"to":    func(n *schema.Node) { c.To, _ = r.oneOf(n, "type", convertible) },
	}, "field", "to")
	return c
}

func (r reader) split(n *schema.Node) *Split {
	c := &Split{}
	r.members(n, "split", map[string]func(*schema.Node){
		"field": func(n *schema.Node) { c.Field = r.path(n) },
		"by":    func(n *schema.Node) { c.By = r.text(n) },
		"into":  func(n *schema.Node) { c.Into = r.paths(n) },
	}, "field", "by", "into")
	return c
}

// updateStages are those that MongoDB takes in an update.
var updateStages = []string{"$addFields", "$project", "$replaceRoot", "$replaceWith", "$set", "$unset"}

func (r reader) pipeline(n *schema.Node) []bson.Raw {
	var stages []bson.Raw
	for _, item := range r.list(n) {
		count := 0
		for key := range item.Entries() {
			count++
			_, refused := dangerous[key.Text()]
			if !refused && !slices.Contains(updateStages, key.Text()) {
				r.problems.Add(key, "%q is not a stage of an update%s; there are %s", key.Text(), nearest.Hint(key.Text(), updateStages), strings.Join(updateStages, ", "))
			}
		}
		if item.IsMapping() && count != 1 {
			r.problems.Add(item, "a stage must be a mapping with one key, such as {$set: {active: true}}")
		}
		if stage := r.document(item); stage != nil {
			stages = append(stages, stage)
		}
	}
	if len(stages) == 0 && n.IsList() && len(n.Items()) == 0 {
		r.problems.Add(n, "must have at least one stage")
	}
	return stages
}

package migrate

import "strings"

// Title names a step in a few words, as in create index users.email_1.
func (s Step) Title() string {
	what := strings.ReplaceAll(string(s.Kind), "_", " ") + " " + s.Collection
	switch s.Kind {
	case RenameCollection:
		return what + " to " + s.To
	case CreateIndex, DropIndex:
		return what + "." + s.IndexName()
	case Update:
		return what + ": " + s.Change.title()
	}
	return what
}

// title says in a few words what a change does.
func (c *Change) title() string {
	switch {
	case c.Rename != nil:
		return "rename " + c.Rename.From + " to " + c.Rename.To
	case c.SetDefault != nil:
		return "default of " + c.SetDefault.Field
	case c.Convert != nil:
		return "convert " + c.Convert.Field + " to " + c.Convert.To
	case c.Split != nil:
		return "split " + c.Split.Field + " into " + strings.Join(c.Split.Into, ", ")
	case c.Unset != nil:
		return "unset " + strings.Join(c.Unset, ", ")
	case c.Todo != "":
		return "to be written by hand"
	}
	return "pipeline"
}

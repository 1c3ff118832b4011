package migrate

import "strings"

// title names a step in a few words, as in create index users.email_1.
func title(s Step) string {
	what := strings.ReplaceAll(string(s.Kind), "_", " ") + " " + s.Collection
	switch s.Kind {
	case RenameCollection:
		return what + " to " + s.To
	case CreateIndex, DropIndex:
		return what + "." + s.IndexName()
	}
	return what
}

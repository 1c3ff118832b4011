package nearest_test

import (
	"strings"
	"testing"

	"github.com/sheafdb/sheaf/internal/nearest"
)

func TestName(t *testing.T) {
	names := []string{"email", "name", "createdAt", "id", "authorId"}
	for given, want := range map[string]string{
		"emial":                   "email",
		"Email":                   "email",
		"nmae":                    "name",
		"createdat":               "createdAt",
		"author_id":               "authorId",
		"ide":                     "id",
		"address":                 "",
		"":                        "",
		strings.Repeat("e", 1000): "",
	} {
		if got := nearest.Name(given, names); got != want {
			t.Errorf("Name(%.20q) = %q, want %q", given, got, want)
		}
	}
}

func TestHint(t *testing.T) {
	if got, want := nearest.Hint("nam", []string{"name"}), `; did you mean "name"?`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := nearest.Hint("zzz", []string{"name"}); got != "" {
		t.Errorf("got %q, want nothing", got)
	}
}

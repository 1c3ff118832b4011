package query_test

import "testing"

// TestListsOfWhatIsNotDeletedAreServed holds that the condition which a read brings
// itself is served by what the schema declares, and orders nothing anew.
func TestListsOfWhatIsNotDeletedAreServed(t *testing.T) {
	t.Parallel()
	c := collection(t, "\n  - {keys: [a, -b]}\nsoft_delete: true\n")
	const served = "served"
	for params, want := range map[string]string{
		"":                     served,
		"a=1&sort=-b":          served,
		"c=x":                  served,
		"sort=c":               served,
		"deleted=include":      served,
		"deleted=include&a=1":  served,
		"deleted=include&c=x":  "- {keys: [c]}",
		"deleted=only&sort=c":  served, // what is deleted has an index of its own
		"deleted=only&b[gt]=1": served,
		"b=1":                  "- {keys: [b]}",
	} {
		p := plan(t, c, params)
		got := served
		if u := p.Unserved(); u != nil {
			got = u.Index
		}
		if got != want {
			t.Errorf("%s: %s, want %s", params, got, want)
		}
	}
}

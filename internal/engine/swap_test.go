package engine

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sheafdb/sheaf/internal/coalesce"
	"github.com/sheafdb/sheaf/internal/schema"
)

// Requests that took different models never share a transaction.
func TestABatchIsOfOneModel(t *testing.T) {
	t.Parallel()
	a, b := &schema.Model{Hash: "a"}, &schema.Model{Hash: "b"}
	type request struct {
		name  string
		model *schema.Model
	}
	for _, test := range []struct {
		of   []*schema.Model
		want string
	}{
		{nil, ""},
		{[]*schema.Model{a, a, a}, "[a0 a1 a2] "},
		{[]*schema.Model{a, b, b, a, b}, "[a0 a3] [b1 b2 b4] "},
	} {
		var calls []*coalesce.Call[request, int]
		for i, m := range test.of {
			calls = append(calls, &coalesce.Call[request, int]{Request: request{fmt.Sprint(m.Hash, i), m}})
		}
		got := ""
		byModel(func(r request) *schema.Model { return r.model }, func(_ context.Context, calls []*coalesce.Call[request, int]) {
			var names []string
			for _, c := range calls {
				names = append(names, c.Request.name)
			}
			got += fmt.Sprint(names, " ")
		})(t.Context(), calls)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Error(diff)
		}
	}
}

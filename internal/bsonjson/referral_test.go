package bsonjson_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sheafdb/sheaf/internal/bsonjson"
)

func TestReferralsAreFoundAndFilled(t *testing.T) {
	tests := []struct{ src, want, filled string }{
		{`{"a": 1}`, ``, `{"a": 1}`},
		{`{"$ref": "x.id"}`, ` x.id`, `[0]`},
		{`{"a": { "$ref" : "x.id" } , "b": [1, {"$ref": "y"}]}`, `/a x.id, /b/1 y`, `{"a": [0] , "b": [1, [1]]}`},
		{`{"a/b": {"~": {"": {"$ref": "n"}}}}`, `/a~1b/~0/ n`, `{"a/b": {"~": {"": [0]}}}`},
		// No referrals: other members, or another type.
		{`{"a": {"$ref": "x", "$id": 1}, "b": {"$ref": 1}, "c": "{\"$ref\": \"x\"}"}`, ``, ``},
		{`{"a": {"$ref": "x"}`, `/a x`, `{"a": [0]`},
	}
	for _, test := range tests {
		found := bsonjson.Referrals([]byte(test.src), "")
		got, values := "", [][]byte{}
		for i, r := range found {
			if i > 0 {
				got += ", "
			}
			got += r.Pointer + " " + r.Name
			values = append(values, []byte{'[', byte('0' + i), ']'})
		}
		if got != test.want {
			t.Errorf("%s: got %q, want %q", test.src, got, test.want)
		}
		if test.filled != "" {
			if diff := cmp.Diff(test.filled, string(bsonjson.Fill([]byte(test.src), found, values))); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.src, diff)
			}
		}
		if stays := string(bsonjson.Fill([]byte(test.src), nil, nil)); stays != test.src {
			t.Errorf("%s became %s", test.src, stays)
		}
	}
}

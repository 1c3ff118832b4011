package filter_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/filter"
)

// params binds the parameters of a query string, and returns the MongoDB
// filter as Extended JSON or the faults as lines.
func params(t *testing.T, query string) (string, []string) {
	t.Helper()
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	var faults fault.List
	var bound *filter.Bound
	if tree := filter.ParseParams(values, &faults); tree != nil {
		bound = tree.Bind(everything, &faults)
	}
	var lines []string
	for _, item := range faults.Items {
		lines = append(lines, item.Pointer+" "+item.Code+": "+item.Detail)
	}
	if bound == nil {
		return "", lines
	}
	return extended(t, bound.BSON()), lines
}

func TestParametersAreTypedBySchema(t *testing.T) {
	tests := []struct{ query, want string }{
		{``, `{}`},
		{`status=active`, `{"status":{"$eq":"active"}}`},
		{`status=`, `{"status":{"$eq":""}}`},
		{`status=null&meta=5`, `{"meta":{"$eq":"5"},"status":{"$eq":"null"}}`},
		{`status=$where`, `{"status":{"$eq":"$where"}}`},
		{`status={"$gt":""}`, `{"status":{"$eq":"{\"$gt\":\"\"}"}}`},
		{`age=18`, `{"age":{"$eq":{"$numberLong":"18"}}}`},
		{`age[gte]=18&age[lt]=65`, `{"age":{"$gte":{"$numberLong":"18"},"$lt":{"$numberLong":"65"}}}`},
		{`born[gt]=2000-01-01T00:00:00Z`, `{"born":{"$gt":{"$date":{"$numberLong":"946684800000"}}}}`},
		{`id=0123456789abcdef01234567`, `{"_id":{"$eq":{"$oid":"0123456789abcdef01234567"}}}`},
		{`email=Ada@Example.com`, `{"email":{"$eq":"ada@example.com"}}`},
		{`age[in]=1,2&age[nin]=3&age[nin]=4,5`, `{"age":{"$in":[{"$numberLong":"1"},{"$numberLong":"2"}],"$nin":[{"$numberLong":"3"},{"$numberLong":"4"},{"$numberLong":"5"}]}}`},
		{`status[in]=a\,b,c\`, `{"status":{"$in":["a,b","c\\"]}}`},
		{`tags=a&tags[all]=b,c&tags[size]=2`, `{"tags":{"$eq":"a","$all":["b","c"],"$size":{"$numberLong":"2"}}}`},
		{`address.city=Rome&lines.sku[ne]=x`, `{"address.city":{"$eq":"Rome"},"lines.sku":{"$ne":"x"}}`},
		{`age[exists]=false`, `{"age":{"$exists":false}}`},
		{`status[regex]=^a&status[options]=i`, `{"status":{"$regex":{"$regularExpression":{"pattern":"^[Aa]","options":""}}}}`},
	}
	for _, test := range tests {
		got, faults := params(t, test.query)
		if got != test.want || len(faults) > 0 {
			t.Errorf("%s\n got %s %v\nwant %s", test.query, got, faults, test.want)
		}
	}
}

func TestFaultyParametersAreRefused(t *testing.T) {
	tests := []struct {
		query string
		want  []string
	}{
		{`agee=1&statu[ne]=a`, []string{
			`agee unknown-field: "agee" is not a field of the schema; did you mean "age"?`,
			`statu[ne] unknown-field: "statu" is not a field of the schema; did you mean "status"?`}},
		{`age=x&age[gt]=1.5&born=today&age[exists]=1&tags[size]=-1`, []string{
			`age type: must be an int: got "x"`,
			`age[exists] type: must be true or false: got "1"`,
			`age[gt] type: must be an int: got "1.5"`,
			`born type: must be a string that holds an RFC 3339 date-time: got "today"`,
			`tags[size] type: must be a whole number from 0`}},
		{`age[gtt]=1&age[$gt]=1&age[not]=1&age[]=1&age[where]=1`, []string{
			`age[$gt] unknown-operator: $gt is not an operator of a parameter; did you mean "gt"?`,
			`age[] unknown-operator:  is not an operator of a parameter`,
			`age[gtt] unknown-operator: gtt is not an operator of a parameter; did you mean "gt"?`,
			`age[not] unknown-operator: not is not an operator of a parameter`,
			`age[where] unknown-operator: where is not an operator of a parameter`}},
		{`age=1&age=2`, []string{`age repeated: is given 2 times; give it once, or list values with age[in]`}},
		{`status[options]=i`, []string{`status[options] unknown-operator: stands beside status[regex]`}},
		{`status[regex]=(a%2B)%2B&email[regex]=a&email[options]=x`, []string{
			`email[regex] pattern: takes the options i, m and s, not "x"`,
			`status[regex] pattern: repeats a part that itself can read the same text in several ways, such as (a+)+`}},
		{`address=Rome&place=x&friends=1`, []string{
			`address type: is an object, which a parameter cannot write; use filter`,
			`friends type: is about a relation; ask for the related documents with $some, $every or $none`,
			`place type: is an object, which a parameter cannot write; use filter`}},
		{`age[in]=` + strings.Repeat("1,", filter.MaxValues) + `1`, []string{`age[in] limit: lists more than 1000 values`}},
		{`$where=1&%00=1`, []string{
			"\x00 unknown-field: \"\\x00\" is not a field of the schema",
			`$where unknown-field: "$where" is not a field of the schema`}},
	}
	for _, test := range tests {
		_, faults := params(t, test.query)
		if diff := cmp.Diff(test.want, faults); diff != "" {
			t.Errorf("%.80s (-want +got):\n%s", test.query, diff)
		}
	}
}

func TestJoinedFiltersMustAllHold(t *testing.T) {
	var faults fault.List
	written := filter.Parse([]byte(`{"age": {"$gt": 1}, "$or": [{"status": "a"}]}`), "filter", &faults)
	plain := filter.ParseParams(url.Values{"age[lt]": {"9"}}, &faults)
	bound := filter.Join(written, nil, plain).Bind(everything, &faults)
	if bound == nil {
		t.Fatal(faults.Items)
	}
	want := `{"age":{"$gt":{"$numberLong":"1"},"$lt":{"$numberLong":"9"}},"$or":[{"status":{"$eq":"a"}}]}`
	if got := extended(t, bound.BSON()); got != want {
		t.Errorf("got %s", got)
	}
	if !filter.Join().Empty() || filter.Join(plain).Empty() {
		t.Error("Empty does not tell a filter without conditions")
	}
}

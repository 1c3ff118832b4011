package schema_test

import (
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/sheafdb/sheaf/internal/schema"
)

func TestChanges(t *testing.T) {
	t.Parallel()
	compiled := func(files map[string]string) *schema.Model {
		t.Helper()
		folder := fstest.MapFS{}
		for name, text := range files {
			folder[name+".yaml"] = &fstest.MapFile{Data: []byte("collection: " + name + "\n" + text)}
		}
		model, err := schema.Load(folder)
		if err != nil {
			t.Fatal(err)
		}
		return model
	}
	before := compiled(map[string]string{
		"users": "fields:\n  age: {type: int, max: 100}\n  old: {type: string}\n  mail: {type: string, unique: true}\n" +
			"  address: {type: object, fields: {zip: {type: string}}}\n  tags: {type: array, items: {type: string, max_length: 5}}\n",
		"gone": "fields:\n  a: {type: int}\n",
	})
	after := compiled(map[string]string{
		"users": "fields:\n  age: {type: int, max: 120, required: true}\n  nick: {type: string, default: none}\n  mail: {type: string}\n" +
			"  address: {type: object, fields: {zip: {type: int}, city: {type: string}}}\n  tags: {type: array, items: {type: string}}\nindexes:\n  - {keys: [age]}\n",
		"posts": "fields:\n  author: {type: ref, to: users}\n",
	})
	want := []string{
		"+ collection posts",
		"~ field users.age: required, max 120, was 100",
		"+ field users.nick: string",
		"~ field users.mail: no unique",
		"~ field users.address.zip: type int, was string",
		"+ field users.address.city: string",
		"~ items of users.tags: no max_length",
		"- field users.old",
		"+ index users.age_1__id_1",
		"- index users.mail_1",
		"- collection gone",
	}
	if diff := cmp.Diff(want, schema.Changes(before, after)); diff != "" {
		t.Error(diff)
	}
	if got := schema.Changes(after, after); len(got) > 0 {
		t.Errorf("of the same: %q", got)
	}
}

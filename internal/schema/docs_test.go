package schema

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

func TestTheYAMLOfTheDocumentationIsAFolder(t *testing.T) {
	text, err := os.ReadFile("../../docs/schema.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, match := range yamlBlock.FindAllSubmatch(text, -1) {
		blocks = append(blocks, string(match[1]))
	}
	if len(blocks) < 4 {
		t.Fatalf("docs/schema.md has %d blocks", len(blocks))
	}
	mustLoad(t, blocks...)
}

func TestTheDocumentationNamesEveryKeyAndType(t *testing.T) {
	raw, err := os.ReadFile("../../docs/schema.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	words := append(typeNames(), allFieldKeys()...)
	words = append(words, idKindNames...)
	words = append(words, onDeleteNames...)
	words = append(words, relationKindNames...)
	words = append(words, "collection", "id", "fields", "additional", "indexes", "relations", "aggregates", "params", "pipeline", "timeout", "max_documents", "keys", "where", "expire_after", "shard_key", "soft_delete", "history", "keep", hashedKey, textKey, sphereKey)
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("docs/schema.md does not speak of %q", word)
		}
	}
}

func TestExamplesCompile(t *testing.T) {
	for _, example := range []string{"blog", "bank"} {
		model, err := Load(os.DirFS("../../examples/" + example + "/schema"))
		if err != nil {
			t.Errorf("%s:\n%v", example, err)
			continue
		}
		if len(model.Collections) != 2 {
			t.Errorf("%s has %d collections", example, len(model.Collections))
		}
	}
}

package schema

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-playground/locales/en"
	ut "github.com/go-playground/universal-translator"
	"github.com/go-playground/validator/v10"
	translations "github.com/go-playground/validator/v10/translations/en"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/sheafdb/sheaf/internal/nearest"
)

// tagCheck is a list of validator/v10 tags that were tried when they were
// compiled: the validator panics on tags that do not fit their value.
type tagCheck struct {
	tags string
	// sentences keeps what is said of a tag that failed, by tag and parameter: to
	// put it together costs more than the check.
	mu        sync.RWMutex
	sentences map[[2]string]string
}

// The one validator, with its English sentences. It caches the tags it has seen,
// which are those of schemas.
var (
	tagValidator = validator.New()
	english      = newEnglish()
)

func newEnglish() ut.Translator {
	locale := en.New()
	translator, _ := ut.New(locale, locale).GetTranslator(locale.Locale())
	if err := translations.RegisterDefaultTranslations(tagValidator, translator); err != nil {
		panic(err) // the tables are those of the library itself
	}
	return translator
}

// fault returns what a value must be, "" for one that passes.
func (t *tagCheck) fault(value any) string {
	err := tagValidator.Var(value, t.tags)
	failed, ok := errors.AsType[validator.ValidationErrors](err)
	if !ok || len(failed) == 0 {
		return ""
	}
	return t.sentence(failed[0])
}

func (t *tagCheck) sentence(failed validator.FieldError) string {
	key := [2]string{failed.Tag(), failed.Param()}
	t.mu.RLock()
	text, known := t.sentences[key]
	t.mu.RUnlock()
	if !known {
		text = sentence(failed)
		t.mu.Lock()
		defer t.mu.Unlock()
		t.sentences[key] = text
	}
	return text
}

// sentence is the English of one failed tag; those that the library has no
// sentence for are named.
func sentence(failed validator.FieldError) string {
	text := failed.Translate(english)
	if text == failed.Error() {
		tag := failed.Tag()
		if failed.Param() != "" {
			tag += "=" + failed.Param()
		}
		return fmt.Sprintf("must pass the check %q", tag)
	}
	return strings.TrimSpace(text)
}

// tagValue is a stored value as the validator takes it.
func tagValue(kind bson.Type, data []byte) any {
	raw := bson.RawValue{Type: kind, Value: data}
	switch kind {
	case bson.TypeString:
		return raw.StringValue()
	case bson.TypeInt32, bson.TypeInt64:
		return raw.AsInt64()
	case bson.TypeDouble:
		return raw.Double()
	case bson.TypeDateTime:
		return raw.Time().UTC()
	}
	return nil
}

// tagSamples are values of a type that tags are tried with: the zero value,
// which some tags let pass unseen, and another.
var tagSamples = map[fieldType][]any{
	typeString: {"", "a"},
	typeInt:    {int64(0), int64(1)},
	typeDouble: {0.0, 1.5},
	typeDate:   {time.Time{}, time.Unix(1, 0).UTC()},
}

// tags compiles the value of check.
func (c *compiler) tags(n *node, typ fieldType) *tagCheck {
	text, ok := c.word(n)
	if !ok {
		return nil
	}
	parts := strings.Split(text, ",")
	for i, part := range parts {
		parts[i] = strings.TrimSpace(part)
		for tag := range strings.SplitSeq(parts[i], "|") {
			if reason := badTag(tag, typ); reason != "" {
				c.problems.add(n, "check: %s", reason)
				return nil
			}
		}
	}
	tags := strings.Join(parts, ",")
	if err := tryTags(tags, typ); err != nil {
		c.problems.add(n, "check: %q does not fit the type %s", text, typ)
		return nil
	}
	return &tagCheck{tags: tags, sentences: make(map[[2]string]string)}
}

// badTag says why a tag cannot stand in a schema, "" where it can.
func badTag(tag string, typ fieldType) string {
	name, _, _ := strings.Cut(tag, "=")
	switch {
	case name == "":
		return "a tag is empty"
	case slices.Contains(structTags, name):
		return fmt.Sprintf("the tag %q needs a Go struct or other fields; a check sees one value", name)
	case slices.Contains(hostTags, name):
		return fmt.Sprintf("the tag %q looks at files of the host that the service runs on", name)
	case !slices.Contains(valueTags, name):
		return fmt.Sprintf("unknown tag %q%s", shorten(name), nearest.Hint(name, valueTags))
	case typ != typeString && !slices.Contains(typedTags[typ], name):
		return fmt.Sprintf("the tag %q does not fit the type %s; those that do are %s", name, typ, list(typedTags[typ]))
	}
	if err := tryTags(tag, typ); err != nil {
		return fmt.Sprintf("the tag %q does not fit the type %s", shorten(tag), typ)
	}
	return ""
}

// tryTags runs tags on samples of a type. This is the one place where a panic
// of the validator is caught.
func tryTags(tags string, typ fieldType) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the validator refuses the tags: %v", r)
		}
	}()
	for _, sample := range tagSamples[typ] {
		_, invalid := errors.AsType[*validator.InvalidValidationError](tagValidator.Var(sample, tags))
		if invalid {
			return errors.New("the validator refuses the value")
		}
	}
	return nil
}

package config

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sheafdb/sheaf/internal/nearest"
)

// parse sets the field from text and checks it against the tags. The error says
// what the value must be, and never holds the text of a secret.
func (s setting) parse(text string) error {
	if err := setText(s.field, text); err != nil {
		return err
	}
	if len(s.oneof) > 0 && !slices.Contains(s.oneof, text) {
		return fmt.Errorf("must be one of %s%s", strings.Join(s.oneof, ", "), nearest.Hint(text, s.oneof))
	}
	return s.checkRange()
}

// setText gives target, of a type that Config uses, the value that text names.
func setText(target reflect.Value, text string) error {
	switch v := target.Addr().Interface().(type) {
	case encoding.TextUnmarshaler:
		return v.UnmarshalText([]byte(text))
	case *time.Duration:
		return parseDuration(v, text)
	case *int:
		return parseInt(v, text)
	case *bool:
		return parseBool(v, text)
	}
	target.SetString(text)
	return nil
}

func parseDuration(v *time.Duration, text string) (err error) {
	if *v, err = time.ParseDuration(text); err != nil {
		return errors.New("must be a time with a unit, such as 250ms, 30s or 5m")
	}
	return nil
}

func parseInt(v *int, text string) (err error) {
	if *v, err = strconv.Atoi(text); err != nil {
		return errors.New("must be a whole number")
	}
	return nil
}

func parseBool(v *bool, text string) (err error) {
	if *v, err = strconv.ParseBool(text); err != nil {
		return errors.New("must be true or false")
	}
	return nil
}

// checkRange holds the field against the tags min and max, which every setting
// with an amount has.
func (s setting) checkRange() error {
	low, high := s.tag.Get("min"), s.tag.Get("max")
	if low == "" {
		return nil
	}
	if amount := s.field.Int(); amount < s.bound(low) || amount > s.bound(high) {
		return fmt.Errorf("must be from %s to %s", low, high)
	}
	return nil
}

// bound reads a limit as the field itself is read.
func (s setting) bound(text string) int64 {
	v := reflect.New(s.field.Type()).Elem()
	if err := setText(v, text); err != nil {
		panic(fmt.Sprintf("config: a bound of %s is no value of its type: %v", s.flag, err))
	}
	return v.Int()
}

// shown is the value as it was meant to be written, in its most usual form.
func (s setting) shown() string {
	if d, ok := s.field.Interface().(time.Duration); ok {
		return durationText(d)
	}
	return fmt.Sprint(s.field.Interface())
}

// durationText leaves the zero units out that Duration.String adds: 2m, not 2m0s.
func durationText(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

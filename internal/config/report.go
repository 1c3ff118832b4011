package config

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Source is where a value came from.
type Source string

// The sources, the strongest first. FromURI is the connection string: its name of
// the database and options of the pool take the place of a default.
const (
	FromFlag        Source = "flag"
	FromEnvironment Source = "environment"
	FromDotenv      Source = ".env"
	FromURI         Source = "MONGODB_URI"
	FromProfile     Source = "profile"
	FromDefault     Source = "default"
)

// Value is an effective setting as it may be shown: secrets are redacted.
type Value struct {
	// Name is the flag without its dashes.
	Name        string `json:"name"`
	Environment string `json:"environment"`
	Value       string `json:"value"`
	From        Source `json:"from"`
	// File is the file that a secret was read from.
	File string `json:"file,omitempty"`
}

// Report is what a Reader found: the effective values and all that is wrong
// with them.
type Report struct {
	config   *Config
	values   []Value
	problems Problems
	warnings []string
}

// Warnings are sentences for the log: what works and is likely not meant.
func (r *Report) Warnings() []string { return r.warnings }

// Given reports whether the setting of a flag was given, rather than a default or
// the profile's.
func (r *Report) Given(flag string) bool {
	from := r.value(flag).From
	return from != FromDefault && from != FromProfile
}

// Err returns every problem as a *Problems, nil for none.
func (r *Report) Err() error {
	if len(r.problems) == 0 {
		return nil
	}
	return &r.problems
}

// Problems are what is wrong with the settings, a sentence each.
type Problems []string

// Error is one line a problem.
func (p *Problems) Error() string { return strings.Join(*p, "\n") }

// add reads a setting from what was given, and notes its value and what is
// wrong with it. A faulty one gets its default, so that the checks of other
// settings against it find no more faults than there are.
func (r *Report) add(s setting, g given, profile Profile) {
	err := g.read(s)
	value := Value{Name: s.flag, Environment: s.env, From: g.from, File: g.file, Value: Redact(s.shown())}
	if err != nil && !s.secret() {
		value.Value = Redact(g.text)
		err = fmt.Errorf("%w (it is %q)", err, value.Value)
	}
	r.values = append(r.values, value)
	if err != nil {
		r.refuse(s.flag, "%v", err)
		s.reset(profile)
	}
}

// refuse notes a problem of the setting of a flag, under the name by which it
// was given.
func (r *Report) refuse(flag, format string, args ...any) {
	r.problems = append(r.problems, r.value(flag).given()+": "+fmt.Sprintf(format, args...))
}

func (r *Report) warn(format string, args ...any) {
	r.warnings = append(r.warnings, fmt.Sprintf(format, args...))
}

// value returns the value of the setting of a flag.
func (r *Report) value(flag string) *Value {
	for i := range r.values {
		if r.values[i].Name == flag {
			return &r.values[i]
		}
	}
	panic("config: no setting has the flag " + flag)
}

// WriteTable writes the values in columns.
func (r *Report) WriteTable(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "SETTING\tVALUE\tFROM")
	for _, v := range r.values {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\n", v.Environment, v.shown(), v.origin(r.config.Profile))
	}
	return table.Flush()
}

// given is what the one who set the value calls it.
func (v Value) given() string {
	switch {
	case v.From == FromFlag:
		return "--" + v.Name
	case v.File != "":
		return v.Environment + fileSuffix
	}
	return v.Environment
}

func (v Value) shown() string {
	if v.Value == "" {
		return "-"
	}
	return v.Value
}

func (v Value) origin(profile Profile) string {
	switch {
	case v.File != "":
		return fmt.Sprintf("%s, file %s", v.From, v.File)
	case v.From == FromProfile:
		return fmt.Sprintf("profile %s", profile)
	}
	return string(v.From)
}

// WriteJSON writes {"settings": [...]}.
func (r *Report) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(struct {
		Settings []Value `json:"settings"`
	}{r.values})
}

package config

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/sheafdb/sheaf/internal/nearest"
)

// Reader gathers the settings from every source. The order of precedence is
// flag, environment, .env file, default of the profile, default.
//
// A Reader is an option of kong.New: with it the parser leaves the settings'
// flags to the Reader, which reads all sources alike and reports the problems
// of all of them at once.
type Reader struct {
	flags       map[string]string
	environment map[string]string
	dotenv      map[string]string
}

// NewReader returns a Reader of an environment in the form of os.Environ.
func NewReader(environ []string) *Reader {
	r := &Reader{flags: map[string]string{}, environment: map[string]string{}}
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok {
			r.environment[name] = value
		}
	}
	return r
}

// Read sets cfg from the sources; the flags are those of the parser that had r
// as an option. What is wrong is in the Report, with every other problem.
func (r *Reader) Read(cfg *Config) *Report {
	report := &Report{config: cfg}
	list := settings(cfg)
	r.readEnvFile(list, report)
	profile := r.profile(list)
	for _, s := range list {
		report.add(s, r.find(s, profile), profile)
	}
	r.warnOfNames(list, report)
	report.checkFields()
	return report
}

// readEnvFile reads the .env file, which can be named by a flag or by the
// environment, and not by itself.
func (r *Reader) readEnvFile(list []setting, report *Report) {
	s := list[slices.IndexFunc(list, func(s setting) bool { return s.env == envFileVariable })]
	given := r.find(s, Development)
	var err error
	if r.dotenv, err = readDotenv(given.text); err != nil && (given.from != FromDefault || !os.IsNotExist(err)) {
		report.problems = append(report.problems, fmt.Sprintf("%s: %v", given.text, reason(err)))
	}
}

// profile returns what sets the defaults: Development where the profile that was
// given is none, which is reported with the other settings.
func (r *Reader) profile(list []setting) Profile {
	s := list[slices.IndexFunc(list, func(s setting) bool { return s.env == profileVariable })]
	given := r.find(s, Development)
	if !slices.Contains(s.oneof, given.text) {
		return Development
	}
	return Profile(given.text)
}

const (
	profileVariable = "SHEAF_ENV"
	envFileVariable = "SHEAF_ENV_FILE"
	// fileSuffix names the variable that holds the path of a file with the
	// value of a secret, as container platforms hand secrets over.
	fileSuffix = "_FILE"
)

// find returns the text of a setting from the first source that has it. A
// variable that is empty counts as not set: compose files pass those for want
// of a way to leave one out.
func (r *Reader) find(s setting, profile Profile) given {
	if text, ok := r.flags[s.flag]; ok {
		return given{text: text, from: FromFlag}
	}
	for _, source := range []struct {
		from      Source
		variables map[string]string
	}{{FromEnvironment, r.environment}, {FromDotenv, r.dotenv}} {
		text, file := source.variables[s.env], ""
		if s.secret() {
			file = source.variables[s.env+fileSuffix]
		}
		if text != "" || file != "" {
			return given{text: text, file: file, from: source.from}
		}
	}
	text, ofProfile := s.standard(profile)
	if ofProfile {
		return given{text: text, from: FromProfile}
	}
	return given{text: text, from: FromDefault}
}

// given is what the winning source says of a setting.
type given struct {
	text string
	// file is where a secret's text is to be read from.
	file string
	from Source
}

// read gives the setting its value. A text that does not parse is no value, and
// neither is an empty one, which only a flag can give to other than a string.
func (g *given) read(s setting) error {
	if g.file != "" {
		return g.readFile(s)
	}
	if g.text == "" && g.from != FromFlag {
		return nil
	}
	return s.parse(g.text)
}

func (g *given) readFile(s setting) error {
	if g.text != "" {
		return fmt.Errorf("is set, and so is %s; set one of them", s.env)
	}
	content, err := os.ReadFile(g.file)
	if err != nil {
		return fmt.Errorf("%s cannot be read: %w", g.file, reason(err))
	}
	if g.text = strings.TrimRight(string(content), "\r\n"); g.text == "" {
		return fmt.Errorf("%s is empty", g.file)
	}
	return s.parse(g.text)
}

// warnOfNames reports the variables that look like a mistyped setting. Others
// are let be: Kubernetes sets SHEAF_PORT and more for a service named sheaf.
func (r *Reader) warnOfNames(list []setting, report *Report) {
	var known []string
	for _, s := range list {
		known = append(known, s.env)
		if s.secret() {
			known = append(known, s.env+fileSuffix)
		}
	}
	for _, name := range r.variableNames() {
		if near := nearSetting(name, known); near != "" && !slices.Contains(known, name) {
			report.warn("%s is not a setting; did you mean %s?", name, near)
		}
	}
}

// nearSetting compares what follows the prefix, which all names share.
func nearSetting(name string, known []string) string {
	for _, prefix := range []string{"SHEAF_", "MONGODB_"} {
		var endings []string
		for _, k := range known {
			if ending, ok := strings.CutPrefix(k, prefix); ok {
				endings = append(endings, ending)
			}
		}
		ending, ok := strings.CutPrefix(name, prefix)
		if near := nearest.Name(ending, endings); ok && near != "" {
			return prefix + near
		}
	}
	return ""
}

// variableNames are those of the environment and the .env file, sorted.
func (r *Reader) variableNames() []string {
	names := slices.Concat(slices.Collect(maps.Keys(r.environment)), slices.Collect(maps.Keys(r.dotenv)))
	slices.Sort(names)
	return slices.Compact(names)
}

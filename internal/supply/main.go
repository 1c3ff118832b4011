// Command supply tells what a program of this module is made of: `supply sbom
// VERSION UNIXTIME PROGRAM` prints a CycloneDX document of a program that was built,
// `supply licences` the licences of the modules that go into it.
package main

import (
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "supply:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	switch {
	case len(args) == 1 && args[0] == "licences":
		return licences(out)
	case len(args) == 4 && args[0] == "sbom":
		return sbom(args[1], args[2], args[3], out)
	}
	return errors.New("usage: supply licences | sbom VERSION UNIXTIME PROGRAM")
}

// component is one of CycloneDX 1.5.
type component struct {
	Type    string `json:"type"`
	Name    string `json:"name"`
	Version string `json:"version"`
	PURL    string `json:"purl,omitempty"`
	Ref     string `json:"bom-ref"`
}

// sbom lists what the linker put into a program, as it says itself.
func sbom(version, unix, program string, out io.Writer) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err
	}
	seconds, err := strconv.ParseInt(unix, 10, 64)
	if err != nil {
		return err
	}
	components := []component{module("stdlib", strings.TrimPrefix(info.GoVersion, "go"))}
	for _, d := range info.Deps {
		components = append(components, module(d.Path, d.Version))
	}
	main := module(info.Main.Path, version)
	main.Type = "application"
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(map[string]any{
		"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
		"metadata":   map[string]any{"timestamp": time.Unix(seconds, 0).UTC().Format(time.RFC3339), "component": main},
		"components": components,
	})
}

func module(path, version string) component {
	purl := "pkg:golang/" + path + "@" + version
	return component{Type: "library", Name: path, Version: version, PURL: purl, Ref: purl}
}

// licences writes the page of the licences of all modules that cmd/sheaf is built
// from, for all platforms of a release.
func licences(out io.Writer) error {
	modules, err := modules()
	if err != nil {
		return err
	}
	fmt.Fprint(out, "# Licences\n\nThe modules that go into `sheaf`, and under which licences. Made by `make licences`; a test\nholds the page against the modules.\n\n| module | version | licence |\n| --- | --- | --- |\n")
	for _, m := range modules {
		path, rest, _ := strings.Cut(m, " ")
		version, folder, _ := strings.Cut(rest, " ")
		name, err := licenceIn(folder)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		fmt.Fprintf(out, "| %s | %s | %s |\n", path, version, name)
	}
	return nil
}

// modules returns path, version and folder of each.
func modules() ([]string, error) {
	var all []string
	for _, target := range []string{"linux/amd64", "linux/arm64", "darwin/arm64"} {
		system, machine, _ := strings.Cut(target, "/")
		list := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}", "github.com/sheafdb/sheaf/cmd/sheaf")
		list.Env = append(os.Environ(), "GOOS="+system, "GOARCH="+machine, "CGO_ENABLED=0")
		list.Stderr = os.Stderr
		text, err := list.Output()
		if err != nil {
			return nil, err
		}
		all = append(all, strings.Split(strings.TrimSpace(string(text)), "\n")...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	return slices.DeleteFunc(all, func(line string) bool { return line == "" }), nil
}

// texts are phrases by which licences are known, the more special ones first.
var texts = []struct{ name, phrase string }{
	{"Apache-2.0", "apache license"},
	{"MPL-2.0", "mozilla public license"},
	{"BSD-3-Clause", "neither the name"},
	{"BSD-2-Clause", "redistributions in binary form"},
	{"MIT", "permission is hereby granted, free of charge"},
	{"ISC", "permission to use, copy, modify, and"},
}

var (
	fileName = regexp.MustCompile(`(?i)^(licen[sc]e|copying)(\.(txt|md))?$`)
	blanks   = regexp.MustCompile(`\s+`)
)

// licenceIn names the licence of a module. One that is not known must be looked at
// by a person.
func licenceIn(folder string) (string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if !fileName.MatchString(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			return "", err
		}
		plain := strings.ToLower(blanks.ReplaceAllString(string(text), " "))
		for _, t := range texts {
			if strings.Contains(plain, t.phrase) {
				return t.name, nil
			}
		}
	}
	return "", errors.New("no licence that is known")
}

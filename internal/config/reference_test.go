package config

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	gocmp "github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write docs/configuration.md and .env.example anew")

var profiles = []Profile{Development, Test, Production}

func TestDocumentsAreThoseOfTheStruct(t *testing.T) {
	for path, want := range map[string]string{
		"../../docs/configuration.md": reference(settings(&Config{})),
		"../../.env.example":          example(settings(&Config{})),
	} {
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s is out of date; run go test ./internal/config -update\n%s", path, diff)
		}
	}
}

func TestEveryFlagHasANameAndAMeaning(t *testing.T) {
	var grammar struct {
		Config Config `embed:""`
	}
	if _, err := kong.New(&grammar); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, s := range settings(&grammar.Config) {
		for _, name := range []string{s.flag, s.env} {
			if name == "" || names[name] {
				t.Errorf("%q (flag %q) is missing or given twice", name, s.flag)
			}
			names[name] = true
		}
		if s.group == "" || !strings.HasSuffix(s.help, ".") {
			t.Errorf("--%s has no group or no sentence of help", s.flag)
		}
	}
}

func TestEveryDefaultIsAValue(t *testing.T) {
	for _, profile := range profiles {
		for _, s := range settings(&Config{}) {
			text, _ := s.standard(profile)
			if text == "" {
				continue
			}
			if err := s.parse(text); err != nil {
				t.Errorf("--%s in %s: %q %v", s.flag, profile, text, err)
			}
			if got := s.shown(); got != text {
				t.Errorf("--%s in %s: the default %q is shown as %q", s.flag, profile, text, got)
			}
		}
	}
}

func TestEveryAmountHasARange(t *testing.T) {
	for _, s := range settings(&Config{}) {
		switch s.field.Interface().(type) {
		case int, Size, time.Duration:
			if s.tag.Get("min") == "" || s.bound(s.tag.Get("min")) > s.bound(s.tag.Get("max")) {
				t.Errorf("--%s has no range", s.flag)
			}
		}
	}
}

// reference is docs/configuration.md.
func reference(list []setting) string {
	b := &bytes.Buffer{}
	fmt.Fprintln(b, intro)
	for _, group := range groups(list) {
		fmt.Fprintf(b, "\n## %s\n\n| Flag | Environment | Takes | Default | Meaning |\n| --- | --- | --- | --- | --- |\n", group)
		for _, s := range list {
			if s.group == group {
				fmt.Fprintf(b, "| `--%s` | `%s` | %s | %s | %s |\n", s.flag, s.env, takes(s), defaults(s), s.help)
			}
		}
	}
	fmt.Fprint(b, outro)
	return b.String()
}

const intro = `<!-- Made from internal/config by: go test ./internal/config -update -->
# Configuration

Every setting has a flag and an environment name, and every command takes them all. Of several sources the first in this order counts:

1. flag
2. environment
3. .env file in the working directory (another by ` + "`--env-file`" + `)
4. default of the profile
5. default

` + "`sheaf config`" + ` prints the effective values and where each came from, ` + "`sheaf config --json`" + ` the same for programs; passwords show as ` + "`***`" + `. Faulty settings are reported all at once, and the exit code is 2.

- The profile is development, test or production, by ` + "`SHEAF_ENV`" + `.
- A variable that is set and empty counts as not set.
- A time is a number with a unit: ` + "`250ms`, `30s`, `5m`, `1h30m`" + `. A size is a whole number with a unit: ` + "`512KiB`, `16MiB`, `1GB`" + `; without one it counts bytes.
- In a .env file a value that holds ` + "`$`, `#`" + ` or a blank stands in single quotes.`

const outro = `
## Secrets

` + "`MONGODB_URI`" + ` holds a password. Set it by the environment, or put it into a file and name that by ` + "`MONGODB_URI_FILE`" + `, as container platforms do; a flag can be read by everyone on the machine. The same holds for ` + "`SHEAF_AUTH_JWT_SECRET`, and `SHEAF_AUTH_JWT_PUBLIC_KEYS_FILE`" + ` names a PEM file. No log, error or printed configuration shows the password.

## Production

With ` + "`SHEAF_ENV=production`" + ` the service does not start

- with ` + "`SHEAF_AUTH=open`" + `: callers prove who they are, by an API key or a token ([security.md](security.md));
- without ` + "`MONGODB_URI`" + `: there is no private mongod in production;
- without TLS to MongoDB (` + "`tls=true` in the options of the connection string, or `mongodb+srv://`" + `), or with TLS that leaves the server's certificate unverified, unless ` + "`SHEAF_ALLOW_PLAINTEXT=true`" + ` says so. A certificate of one's own authority is verified with ` + "`SHEAF_MONGODB_CA_FILE`" + `.

## For those who come from pg Pool

| pg Pool | Sheaf | Default |
| --- | --- | --- |
| ` + "`max`" + ` | ` + "`SHEAF_POOL_MAX`" + ` | 20 |
| ` + "`min`" + ` | ` + "`SHEAF_POOL_MIN`" + ` | 0 |
| ` + "`idleTimeoutMillis`" + ` | ` + "`SHEAF_POOL_IDLE_TIMEOUT`" + ` | 30s |
| ` + "`connectionTimeoutMillis`" + ` | ` + "`SHEAF_POOL_CONNECTION_TIMEOUT`" + ` | 2s |
| ` + "`query_timeout`" + ` | ` + "`SHEAF_REQUEST_TIMEOUT`" + ` | 10s |
`

// example is .env.example: every setting with its default, commented out.
func example(list []setting) string {
	b := &bytes.Buffer{}
	fmt.Fprintln(b, "# Copy to .env and take the # off what you set. docs/configuration.md says more.")
	for _, group := range groups(list) {
		fmt.Fprintf(b, "\n# %s\n", group)
		for _, s := range list {
			// A .env file cannot name itself.
			if s.group == group && s.env != envFileVariable {
				fmt.Fprintf(b, "# %s\n#%s=%s\n", s.help, s.env, s.tag.Get("default"))
			}
		}
	}
	return b.String()
}

func groups(list []setting) []string {
	var names []string
	for _, s := range list {
		if !slices.Contains(names, s.group) {
			names = append(names, s.group)
		}
	}
	return names
}

func takes(s setting) string {
	low, high := s.tag.Get("min"), s.tag.Get("max")
	within := fmt.Sprintf(", %s to %s", low, high)
	switch s.field.Interface().(type) {
	case time.Duration:
		return "time" + within
	case Size:
		return "size" + within
	case int:
		return "number" + within
	case bool:
		return "true, false"
	case Secret:
		return "secret"
	}
	return cmp.Or(strings.Join(s.oneof, ", "), "text")
}

func defaults(s setting) string {
	text := s.tag.Get("computed")
	if text == "" {
		text = code(s.tag.Get("default"))
	}
	for _, profile := range profiles {
		if own, ok := s.tag.Lookup(string(profile)); ok {
			text += fmt.Sprintf(", %s in %s", code(own), profile)
		}
	}
	return text
}

func code(text string) string {
	if text == "" {
		return "none"
	}
	return "`" + text + "`"
}

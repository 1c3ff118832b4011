package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
)

// input is what a process was started with.
type input struct {
	args        []string
	environment []string
	dotenv      string
}

// read reads the settings in a folder of their own, which it makes the working
// directory where the test needs a .env file.
func read(t *testing.T, in input) (*Config, *Report) {
	t.Helper()
	environment := append([]string{"SHEAF_ENV_FILE=" + envFile(t, in.dotenv)}, in.environment...)
	var grammar struct {
		Config Config `embed:""`
	}
	reader := NewReader(environment)
	parser, err := kong.New(&grammar, reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(in.args); err != nil {
		t.Fatal(err)
	}
	return &grammar.Config, reader.Read(&grammar.Config)
}

func envFile(t *testing.T, content string) string {
	t.Helper()
	return writeFile(t, "env", content)
}

func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPrecedence(t *testing.T) {
	tests := []struct {
		name  string
		in    input
		value string
		from  Source
	}{
		{"flag wins over all", input{
			args: []string{"--log-level=error"}, environment: []string{"SHEAF_LOG_LEVEL=warn", "SHEAF_ENV=production"}, dotenv: "SHEAF_LOG_LEVEL=info",
		}, "error", FromFlag},
		{"the last of two flags wins", input{args: []string{"--log-level=error", "--log-level", "warn"}}, "warn", FromFlag},
		{"environment wins over .env", input{
			environment: []string{"SHEAF_LOG_LEVEL=warn", "SHEAF_ENV=production"}, dotenv: "SHEAF_LOG_LEVEL=info",
		}, "warn", FromEnvironment},
		{".env wins over the profile", input{environment: []string{"SHEAF_ENV=production"}, dotenv: "SHEAF_LOG_LEVEL=error"}, "error", FromDotenv},
		{"profile wins over the default", input{environment: []string{"SHEAF_ENV=production"}}, "info", FromProfile},
		{"profile can stand in .env", input{dotenv: "SHEAF_ENV=test"}, "warn", FromProfile},
		{"profile by flag wins over that in .env", input{args: []string{"--env=production"}, dotenv: "SHEAF_ENV=test"}, "info", FromProfile},
		{"default", input{}, "debug", FromDefault},
		{"an empty variable is not set", input{environment: []string{"SHEAF_LOG_LEVEL="}, dotenv: "SHEAF_LOG_LEVEL=error"}, "error", FromDotenv},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cfg, report := read(t, test.in)
			if err := report.Err(); err != nil {
				t.Fatal(err)
			}
			value := report.value("log-level")
			if cfg.Log.Level != test.value || value.Value != test.value || value.From != test.from {
				t.Errorf("level %q, reported %q from %q; want %q from %q", cfg.Log.Level, value.Value, value.From, test.value, test.from)
			}
		})
	}
}

func TestValuesOfEveryType(t *testing.T) {
	cfg, report := read(t, input{
		args:        []string{"--pool-max=7", "--allow-plaintext", "--slow-threshold", "1m30s"},
		environment: []string{"SHEAF_BODY_LIMIT=2MiB", "SHEAF_SCHEMA=blog"},
	})
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	want := Config{Schema: "blog"}
	want.MongoDB.PoolMax, want.MongoDB.AllowPlaintext = 7, true
	want.Log.SlowThreshold, want.HTTP.BodyLimit = 90*time.Second, 2<<20
	got := Config{Schema: cfg.Schema}
	got.MongoDB.PoolMax, got.MongoDB.AllowPlaintext = cfg.MongoDB.PoolMax, cfg.MongoDB.AllowPlaintext
	got.Log.SlowThreshold, got.HTTP.BodyLimit = cfg.Log.SlowThreshold, cfg.HTTP.BodyLimit
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Secret{})); diff != "" {
		t.Error(diff)
	}
}

func TestASwitchTakesAValueAfterAnEqualsSign(t *testing.T) {
	cfg, _ := read(t, input{args: []string{"--allow-plaintext=false"}, environment: []string{"SHEAF_ALLOW_PLAINTEXT=true"}})
	if cfg.MongoDB.AllowPlaintext {
		t.Error("--allow-plaintext=false did not win over the environment")
	}
}

func TestEveryProblemIsReportedAtOnce(t *testing.T) {
	_, report := read(t, input{
		args: []string{"--pool-max=many"},
		environment: []string{
			"SHEAF_ENV=productoin", "SHEAF_READ_TIMEOUT=30", "SHEAF_BODY_LIMIT=lots", "SHEAF_LIST_LIMIT=0",
			"SHEAF_ALLOW_PLAINTEXT=maybe", "SHEAF_LISTEN=8080", "SHEAF_POOL_MIN=21", "SHEAF_LOG_FORMAT=xml",
			"SHEAF_MONGODB_CA_FILE=/no/such/file.pem",
		},
	})
	want := Problems{
		`SHEAF_ENV: must be one of development, test, production; did you mean "production"? (it is "productoin")`,
		`SHEAF_BODY_LIMIT: must be a size such as 512KiB or 1MiB (it is "lots")`,
		`SHEAF_READ_TIMEOUT: must be a time with a unit, such as 250ms, 30s or 5m (it is "30")`,
		`SHEAF_LIST_LIMIT: must be from 1 to 10000 (it is "0")`,
		`SHEAF_ALLOW_PLAINTEXT: must be true or false (it is "maybe")`,
		`--pool-max: must be a whole number (it is "many")`,
		`SHEAF_LOG_FORMAT: must be one of text, json (it is "xml")`,
		`SHEAF_POOL_MIN: is 21, over SHEAF_POOL_MAX of 20`,
		`SHEAF_LISTEN: must be host:port, such as 127.0.0.1:8080 (it is "8080")`,
		`SHEAF_MONGODB_CA_FILE: /no/such/file.pem cannot be read: no such file or directory`,
	}
	if diff := cmp.Diff(want, report.problems); diff != "" {
		t.Error(diff)
	}
}

func TestSecretByFile(t *testing.T) {
	const uri = "mongodb://sheaf:hunter2@db.example"
	file := writeFile(t, "uri", uri+"\n")
	tests := []struct {
		name string
		in   input
		from Source
	}{
		{"environment", input{environment: []string{"MONGODB_URI_FILE=" + file}}, FromEnvironment},
		{".env", input{dotenv: "MONGODB_URI_FILE=" + file}, FromDotenv},
		{"environment over a value in .env", input{environment: []string{"MONGODB_URI_FILE=" + file}, dotenv: "MONGODB_URI=mongodb://other"}, FromEnvironment},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cfg, report := read(t, test.in)
			if err := report.Err(); err != nil {
				t.Fatal(err)
			}
			if got := cfg.MongoDB.URI.Reveal(); got != uri {
				t.Errorf("the URI is %q", got)
			}
			want := Value{Name: "mongodb-uri", Environment: "MONGODB_URI", Value: "mongodb://sheaf:***@db.example", From: test.from, File: file}
			if diff := cmp.Diff(want, *report.value("mongodb-uri")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSecretByFileProblems(t *testing.T) {
	empty := writeFile(t, "empty", "\n")
	tests := []struct {
		name        string
		environment []string
		want        string
	}{
		{"missing", []string{"MONGODB_URI_FILE=/no/such/file"}, "MONGODB_URI_FILE: /no/such/file cannot be read: no such file or directory"},
		{"empty", []string{"MONGODB_URI_FILE=" + empty}, "MONGODB_URI_FILE: " + empty + " is empty"},
		{"both", []string{"MONGODB_URI_FILE=" + empty, "MONGODB_URI=mongodb://a:hunter2@b"}, "MONGODB_URI_FILE: is set, and so is MONGODB_URI; set one of them"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, report := read(t, input{environment: test.environment})
			if diff := cmp.Diff(Problems{test.want}, report.problems); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEnvFile(t *testing.T) {
	t.Run("the default file may be missing", func(t *testing.T) {
		t.Chdir(t.TempDir())
		if err := NewReader(nil).Read(&Config{}).Err(); err != nil {
			t.Error(err)
		}
	})
	t.Run("a named file may not", func(t *testing.T) {
		report := NewReader([]string{"SHEAF_ENV_FILE=/no/such/file"}).Read(&Config{})
		if diff := cmp.Diff(Problems{"/no/such/file: no such file or directory"}, report.problems); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("a folder is refused", func(t *testing.T) {
		dir := t.TempDir()
		report := NewReader([]string{"SHEAF_ENV_FILE=" + dir}).Read(&Config{})
		if diff := cmp.Diff(Problems{dir + ": is no .env file"}, report.problems); diff != "" {
			t.Error(diff)
		}
	})
}

func TestFaultyEnvFileIsNotQuoted(t *testing.T) {
	tests := []struct {
		name, content, line string
	}{
		{"no name", "SHEAF_LISTEN=127.0.0.1:1\n\nMONGODB_URI mongodb://a:hunter2@b\nSHEAF_SCHEMA=x\n", "line 3"},
		{"open quote", "A=1\nMONGODB_URI=\"mongodb://a:hunter2@b\n", "line 2"},
		{"first line", "hunter2!", "line 1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, report := read(t, input{dotenv: test.content})
			text := report.Err().Error()
			if !strings.Contains(text, test.line) || strings.Contains(text, "hunter2") {
				t.Errorf("the problem is %q", text)
			}
		})
	}
}

func TestMistypedNamesAreWarnedOf(t *testing.T) {
	_, report := read(t, input{
		environment: []string{"SHEAF_LISTN=1", "SHEAF_SERVICE_HOST=10.0.0.1", "SHEAF_PORT=tcp://10.0.0.1:80", "PATH=/bin", "SHEAF_TEST_MONGOD=x"},
		dotenv:      "MONGO_URI=other\nMONGODB_URL=mongodb://x",
	})
	want := []string{
		"MONGODB_URL is not a setting; did you mean MONGODB_URI?",
		"SHEAF_LISTN is not a setting; did you mean SHEAF_LISTEN?",
	}
	if diff := cmp.Diff(want, report.Warnings()); diff != "" {
		t.Error(diff)
	}
}

func TestOpenServesTheLoopbackAlone(t *testing.T) {
	for listen, refused := range map[string]bool{
		"127.0.0.1:0": false, "127.9.9.9:1": false, "localhost:80": false, "[::1]:80": false, "[::ffff:127.0.0.1]:80": false,
		":8080": true, "0.0.0.0:8080": true, "[::]:80": true, "10.0.0.7:80": true, "example.com:80": true,
	} {
		_, report := read(t, input{args: []string{"--listen", listen}})
		report.CheckAuth()
		if got := report.Err() != nil; got != refused {
			t.Errorf("%s: refused %v, want %v", listen, got, refused)
		}
		if got := len(report.Warnings()) > 0; got == refused {
			t.Errorf("%s: warned %v", listen, report.Warnings())
		}
		_, report = read(t, input{args: []string{"--listen", listen, "--auth=required"}})
		if report.CheckAuth(); report.Err() != nil || len(report.Warnings()) > 0 {
			t.Errorf("%s with callers that are known: %v, %q", listen, report.Err(), report.Warnings())
		}
	}
}

func TestReportFormats(t *testing.T) {
	_, report := read(t, input{args: []string{"--listen=127.0.0.1:9"}, environment: []string{"SHEAF_ENV=production", "MONGODB_URI=mongodb://a:hunter2@b/?tls=true"}})
	var table, document bytes.Buffer
	if err := report.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	if err := report.WriteJSON(&document); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"SHEAF_LISTEN ", "127.0.0.1:9 ", " flag\n", " profile production\n", "mongodb://a:***@b/?tls=true"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, table.String())
		}
	}
	if !strings.Contains(document.String(), `"value": "mongodb://a:***@b/?tls=true"`) {
		t.Errorf("the document lacks the URI:\n%s", document.String())
	}
	if strings.Contains(table.String()+document.String(), "hunter2") {
		t.Error("a password is printed")
	}
}

package main

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sheafdb/sheaf/internal/testkit"
)

// TestMain makes this test program the sheaf of the scripts, where it is called
// by that name.
func TestMain(m *testing.M) {
	testscript.Main(managed{m}, map[string]func(){"sheaf": main})
}

// managed are the tests, some of which share a mongod.
type managed struct{ *testing.M }

// Run runs the tests.
func (m managed) Run() int { return testkit.Run(m.M) }

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("XDG_CACHE_HOME", env.WorkDir+"/cache")
			env.Setenv("PROGRAMS", programs())
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "await": await, "unhex": unhex},
	})
}

// programs is the folder of fetched programs outside of the scripts. One that
// needs a mongod has `env SHEAF_CACHE=$PROGRAMS`.
func programs() string {
	if folder := os.Getenv("SHEAF_CACHE"); folder != "" {
		return folder
	}
	folder, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(folder, "sheaf")
}

// exits runs a command and holds its exit code: exits 2 sheaf serve. Its output
// is that of the last command, as with exec.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARGS...")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// unhex writes a file of bytes: unhex FILE HEX...
func unhex(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: unhex FILE HEX...")
	}
	data, err := hex.DecodeString(strings.Join(args[1:], ""))
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), data, 0o600))
}

// await waits until a file is there and matches a pattern: await FILE PATTERN.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await FILE PATTERN")
	}
	pattern, err := regexp.Compile(args[1])
	ts.Check(err)
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if text, err := os.ReadFile(ts.MkAbs(args[0])); err == nil && pattern.Match(text) {
			return
		}
	}
	ts.Fatalf("%s does not come to match %s", args[0], args[1])
}

func TestRunTakesItsSurroundings(t *testing.T) {
	t.Chdir(t.TempDir())
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"config"}, strings.NewReader(""), &stdout, &stderr, []string{"SHEAF_SCHEMA=given"})
	if code != exitOK || stderr.Len() > 0 {
		t.Errorf("exit code %d, errors %q", code, stderr.String())
	}
	if !strings.Contains(stdout.String(), "given") {
		t.Errorf("printed %s", stdout.String())
	}
}

func TestDescribeBuild(t *testing.T) {
	info := &debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}, Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef"}}}
	if name, commit := describeBuild("", info); name != "v1.2.3" || commit != " 0123456789ab" {
		t.Errorf("a build of a module is %q%q", name, commit)
	}
	if name, _ := describeBuild("9.9.9", info); name != "9.9.9" {
		t.Errorf("a stamped build is %q", name)
	}
}

package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set by the release: -ldflags "-X main.version=1.2.3".
var version string

// versionCommand prints the version.
type versionCommand struct{}

// Run prints the version, and what the program was built from and for.
func (versionCommand) Run(a *app) error {
	name, commit := build()
	_, err := fmt.Fprintf(a.stdout, "sheaf %s%s (%s %s/%s)\n", name, commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// build returns what this program was built from.
func build() (name, commit string) {
	if info, ok := debug.ReadBuildInfo(); ok {
		return describeBuild(version, info)
	}
	return version, ""
}

// versionName is the version alone.
func versionName() string {
	name, _ := build()
	return name
}

// describeBuild returns the stamped version, or the module's, and the commit
// with a blank before it.
func describeBuild(stamped string, info *debug.BuildInfo) (name, commit string) {
	name = stamped
	if name == "" {
		name = info.Main.Version
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			commit = " " + setting.Value[:min(12, len(setting.Value))]
		}
	}
	return name, commit
}

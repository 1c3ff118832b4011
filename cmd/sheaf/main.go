// Command sheaf serves the collections of a schema folder from MongoDB over
// HTTP, and looks after them.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// The first signal cancels the context and gives the signals back to the
	// system, so a second one ends the process at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ()))
}

// The exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	// exitUsage is for what the caller has to write otherwise: arguments and
	// settings.
	exitUsage = 2
)

// run is the whole program with its surroundings as arguments: environ is in the
// form of os.Environ, and a cancelled ctx stops it. It returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, environ []string) int {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr}
	err := a.run(ctx, args, environ)
	printError(stderr, err)
	return exitCode(err)
}

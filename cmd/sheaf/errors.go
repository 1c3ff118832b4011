package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/sheafdb/sheaf/internal/config"
	"github.com/sheafdb/sheaf/internal/fault"
	"github.com/sheafdb/sheaf/internal/schema"
)

// usageError is a fault of the arguments that the grammar does not know of.
type usageError string

func (e usageError) Error() string { return string(e) }

// quietExit ends the program with an exit code and no message.
type quietExit int

// Error says the code; it is not printed.
func (e quietExit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// exitCode returns what err means to a shell.
func exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	if quiet, ok := errors.AsType[quietExit](err); ok {
		return int(quiet)
	}
	_, ofParser := errors.AsType[*kong.ParseError](err)
	_, ofSettings := errors.AsType[*config.Problems](err)
	_, ofUsage := errors.AsType[usageError](err)
	if ofParser || ofSettings || ofUsage {
		return exitUsage
	}
	return exitFailure
}

// printError writes err in plain lines, one a problem, and no secret with it.
func printError(w io.Writer, err error) {
	if _, quiet := errors.AsType[quietExit](err); quiet || err == nil {
		return
	}
	prefix := "sheaf: "
	if _, ok := errors.AsType[*schema.Problems](err); ok {
		// Editors and terminals make file:line:column at the start a link.
		prefix = ""
	}
	for line := range strings.SplitSeq(config.Redact(plainText(err)), "\n") {
		_, _ = fmt.Fprintf(w, "%s%s\n", prefix, line)
	}
}

// plainText is what err means to the one who typed the command.
func plainText(err error) string {
	if errors.Is(err, context.Canceled) {
		return "interrupted"
	}
	if _, ok := errors.AsType[*kong.ParseError](err); ok {
		return err.Error() + "; sheaf --help lists the commands and flags"
	}
	e, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err.Error()
	}
	if cause := e.Unwrap(); cause != nil {
		return e.Detail + ": " + strings.ReplaceAll(cause.Error(), "\n", " ")
	}
	return e.Detail
}

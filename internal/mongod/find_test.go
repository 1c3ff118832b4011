package mongod_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sheafdb/sheaf/internal/mongod"
)

// program is a script that says it is a mongod of some version.
func program(version string) string {
	return "#!/bin/sh\necho 'db version v" + version + "'\n"
}

func writeProgram(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// packed is a vendor's archive that holds a program.
func packed(t *testing.T, name, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	files := tar.NewWriter(zipped)
	if err := files.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	if _, err := files.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := files.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// vendor serves an archive and its digest, and counts how often the archive is
// asked for.
func vendor(t *testing.T, archive []byte, digest string) (url string, fetched *atomic.Int64) {
	t.Helper()
	fetched = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ".sha256") {
			_, _ = w.Write([]byte(digest + "  mongodb.tgz\n"))
			return
		}
		fetched.Add(1)
		_, _ = w.Write(archive)
	}))
	t.Cleanup(server.Close)
	return server.URL, fetched
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// alone leaves nothing on the PATH but a shell, so that no mongod and no pip of
// the machine is found; a folder can be added.
func alone(t *testing.T, folders ...string) {
	t.Helper()
	bin := t.TempDir()
	for _, tool := range []string{"sh", "echo", "cp", "mkdir"} {
		for _, dir := range []string{"/bin", "/usr/bin"} {
			if _, err := os.Stat(filepath.Join(dir, tool)); err == nil {
				_ = os.Symlink(filepath.Join(dir, tool), filepath.Join(bin, tool))
				break
			}
		}
	}
	t.Setenv("PATH", strings.Join(append(folders, bin), string(os.PathListSeparator)))
}

// wantClean holds that a cache folder has nothing but programs and the lock.
func wantClean(t *testing.T, cache string, programs ...string) {
	t.Helper()
	entries, err := os.ReadDir(cache)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		if entry.Name() != "lock" {
			names = append(names, entry.Name())
		}
	}
	if strings.Join(names, " ") != strings.Join(programs, " ") {
		t.Errorf("the cache folder holds %v, want %v", names, programs)
	}
}

func TestFindTakesTheFirstThatRuns(t *testing.T) {
	onPath, named := t.TempDir(), filepath.Join(t.TempDir(), "my-mongod")
	writeProgram(t, filepath.Join(onPath, "mongod"), program("7.0.1"))
	writeProgram(t, named, program("8.0.0"))
	cache := t.TempDir()
	writeProgram(t, filepath.Join(cache, "mongod-6.0.9"), program("6.0.9"))
	writeProgram(t, filepath.Join(cache, "mongod-6.0.10"), program("6.0.10"))
	writeProgram(t, filepath.Join(cache, "mongod-7.0.99"), "no program")

	alone(t, onPath)
	wantVersion(t, mongod.Options{Binary: named, CacheDir: cache}, "8.0.0")
	wantVersion(t, mongod.Options{CacheDir: cache}, "7.0.1")
	writeProgram(t, filepath.Join(onPath, "mongod"), program("5.0.1"))
	wantVersion(t, mongod.Options{CacheDir: cache}, "6.0.10")

	_, err := mongod.Find(t.Context(), mongod.Options{Binary: filepath.Join(onPath, "mongod"), CacheDir: cache})
	wantError(t, err, "SHEAF_MONGOD", "5.0.1", "6.0 or newer")
}

func wantVersion(t *testing.T, o mongod.Options, want string) {
	t.Helper()
	binary, err := mongod.Find(t.Context(), o)
	if err != nil || binary.Version != want {
		t.Errorf("Find = %+v, %v, want version %s", binary, err, want)
	}
}

func TestFindFetchesTheArchiveOnce(t *testing.T) {
	alone(t)
	archive := packed(t, "mongodb-linux/bin/mongod", program("7.0.24"))
	url, fetched := vendor(t, archive, digestOf(archive))
	cache := filepath.Join(t.TempDir(), "cache")
	var progress lockedBuffer
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			wantVersion(t, mongod.Options{CacheDir: cache, ArchiveURL: url, Progress: &progress}, "7.0.24")
		})
	}
	group.Wait()
	if n := fetched.Load(); n != 1 {
		t.Errorf("the archive was fetched %d times", n)
	}
	wantClean(t, cache, "mongod-7.0.24")
	if !strings.Contains(progress.String(), "fetching mongod 7.0.24") {
		t.Errorf("progress: %q", progress.String())
	}
}

// lockedBuffer is a writer for several goroutines.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func TestFindKeepsNothingThatIsNotWhole(t *testing.T) {
	alone(t)
	archive := packed(t, "mongodb-linux/bin/mongod", program("7.0.24"))
	empty := packed(t, "mongodb-linux/bin/mongosh", program("7.0.24"))
	for name, c := range map[string]struct {
		archive []byte
		digest  string
		want    string
	}{
		"another digest":     {archive, digestOf([]byte("other")), "SHA-256"},
		"no digest":          {archive, "<html>", "holds no SHA-256"},
		"broken off":         {archive[:len(archive)/2], digestOf(archive), "SHA-256"},
		"no archive":         {[]byte("<html>"), digestOf([]byte("<html>")), "the archive is faulty"},
		"without the mongod": {empty, digestOf(empty), "holds no bin/mongod"},
	} {
		t.Run(name, func(t *testing.T) {
			url, _ := vendor(t, c.archive, c.digest)
			cache := t.TempDir()
			_, err := mongod.Find(t.Context(), mongod.Options{CacheDir: cache, ArchiveURL: url})
			wantError(t, err, c.want, "PATH has no mongod", "MONGODB_URI")
			wantClean(t, cache)
		})
	}
}

func TestFindRefusesAWheelOfAnotherDigest(t *testing.T) {
	tools := t.TempDir()
	// A pip that leaves a file with the right name and other bytes in --dest.
	writeProgram(t, filepath.Join(tools, "pip"), "#!/bin/sh\nwhile [ \"$1\" != --dest ]; do shift; done\nmkdir -p \"$2\"\necho forged > \"$2/fiftyone.whl\"\n")
	alone(t, tools)
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	cache := t.TempDir()
	_, err := mongod.Find(t.Context(), mongod.Options{CacheDir: cache, ArchiveURL: server.URL})
	wantError(t, err, "404", "SHA-256")
	wantClean(t, cache)
}

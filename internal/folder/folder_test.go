package folder_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sheafdb/sheaf/internal/folder"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// follow watches a folder until the test ends.
func follow(t *testing.T, dir string) *folder.Watcher {
	t.Helper()
	w, err := folder.Watch(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return w
}

// told waits until a change is told.
func told(t *testing.T, w *folder.Watcher, what string) {
	t.Helper()
	select {
	case <-w.Changes():
	case <-time.After(time.Minute):
		t.Fatalf("nothing tells that %s", what)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFilesThatChange(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "schema")
	file := filepath.Join(dir, "a.yaml")
	write(t, file, "1")
	w := follow(t, dir)
	write(t, file, "22")
	told(t, w, "a file was written")
	write(t, filepath.Join(dir, "b.yaml"), "1")
	told(t, w, "a file was added")
	write(t, filepath.Join(dir, ".a.yaml.tmp"), "333")
	told(t, w, "a file was added for an editor")
	ok(t, os.Rename(filepath.Join(dir, ".a.yaml.tmp"), file))
	told(t, w, "a file was replaced")
	ok(t, os.Remove(file))
	told(t, w, "a file was removed")
	ok(t, os.RemoveAll(dir))
	told(t, w, "the folder was removed")
	write(t, file, "1")
	told(t, w, "the folder is back")
	write(t, file, "4444")
	told(t, w, "a file was written in the new folder")
}

// A ConfigMap is a folder of links to files in ..data, a link that is swapped.
func TestAConfigMap(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	publish := func(version, text string) {
		t.Helper()
		write(t, filepath.Join(dir, version, "a.yaml"), text)
		ok(t, os.Symlink(version, filepath.Join(dir, "..data_tmp")))
		ok(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	}
	publish("..2026_01", "1")
	ok(t, os.Symlink("..data/a.yaml", filepath.Join(dir, "a.yaml")))
	w := follow(t, dir)
	for _, version := range []string{"..2026_02", "..2026_03"} {
		publish(version, version)
		told(t, w, version+" was published")
	}
}

// Some deployments swap a link to a whole release.
func TestALinkOnTheWay(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	write(t, filepath.Join(root, "releases/1/schema/a.yaml"), "1")
	write(t, filepath.Join(root, "releases/2/schema/a.yaml"), "22")
	link := filepath.Join(root, "current")
	ok(t, os.Symlink("releases/1", link))
	w := follow(t, filepath.Join(link, "schema"))
	ok(t, os.Symlink("releases/2", link+".new"))
	ok(t, os.Rename(link+".new", link))
	told(t, w, "the link was swapped")
	write(t, filepath.Join(root, "releases/2/schema/a.yaml"), "333")
	told(t, w, "a file of the new release was written")
}

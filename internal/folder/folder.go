// Package folder tells when the files of a folder change.
package folder

import (
	"context"
	"fmt"
	"hash/maphash"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// quiet is how long nothing may happen before a change is told: an editor
	// takes several steps to store a file, and a deployment stores several files.
	quiet = 100 * time.Millisecond
	// patience is how long a change is told after it began, quiet or not.
	patience = 2 * time.Second
	// lookEvery is how often the folder is looked at where nothing is notified of:
	// not every file system notifies, nor of files that links lead to.
	lookEvery = 5 * time.Second
)

// Watcher tells of changes of a folder. Links on the way to the folder and in it
// may be swapped, as Kubernetes does with a ConfigMap, and the folder itself may
// be replaced, or be missing for a while.
type Watcher struct {
	dir     string
	notify  *fsnotify.Watcher
	changes chan struct{}
	// watched are the folders that are watched: the folder and those that hold it
	// or a link to it.
	watched map[string]bool
	// seen is the fingerprint of what was told of last.
	seen uint64
}

// Watch begins to watch a folder. The Watcher works until Run returns.
func Watch(dir string) (*Watcher, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot watch the folder %s: %w", dir, err)
	}
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("cannot watch the folder %s: %w", dir, err)
	}
	w := &Watcher{dir: dir, notify: notify, changes: make(chan struct{}, 1), watched: map[string]bool{}, seen: fingerprint(dir)}
	w.follow()
	return w, nil
}

// Changes receives after every change; changes that come together are one.
func (w *Watcher) Changes() <-chan struct{} { return w.changes }

// Run tells of changes until ctx is done.
func (w *Watcher) Run(ctx context.Context) {
	defer func() { _ = w.notify.Close() }()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	var began time.Time
	settled := time.NewTimer(time.Hour)
	defer settled.Stop()
	stir := func() {
		if began.IsZero() {
			began = time.Now()
		}
		settled.Reset(min(quiet, max(0, patience-time.Since(began))))
	}
	for {
		select {
		case <-ctx.Done():
			return
		case _, ok := <-w.notify.Events:
			if !ok {
				return
			}
			stir()
		case err := <-w.notify.Errors: // such as more events than the system keeps
			if err != nil {
				stir()
			}
		case <-look.C:
			if fingerprint(w.dir) != w.seen {
				stir()
			}
		case <-settled.C:
			began = time.Time{}
			w.settle()
		}
	}
}

// settle tells of a change, if there was one, and watches what the folder is now.
func (w *Watcher) settle() {
	w.follow()
	now := fingerprint(w.dir)
	if now == w.seen {
		return
	}
	w.seen = now
	select {
	case w.changes <- struct{}{}:
	default: // told already, and not heard yet
	}
}

// follow watches the folder and the folders of the links on the way to it. What
// cannot be watched is looked at from time to time.
func (w *Watcher) follow() {
	wanted := map[string]bool{}
	for _, link := range links(w.dir) {
		wanted[filepath.Dir(link)] = true
	}
	wanted[filepath.Dir(w.dir)] = true
	if resolved, err := filepath.EvalSymlinks(w.dir); err == nil {
		wanted[resolved] = true
	}
	for dir := range w.watched {
		if !wanted[dir] {
			_ = w.notify.Remove(dir) // it may be gone
			delete(w.watched, dir)
		}
	}
	for dir := range wanted {
		// Added again where it is watched: it may be another folder of the name.
		if err := w.notify.Add(dir); err == nil {
			w.watched[dir] = true
		}
	}
}

// links returns the links on the way to a path, those that links lead over too.
func links(path string) []string {
	const most = 40 // as many as Linux follows
	var found []string
	for range most {
		link := firstLink(path)
		if link == "" {
			break
		}
		found = append(found, link)
		target, err := os.Readlink(link)
		if err != nil {
			break
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(link), target)
		}
		path = filepath.Join(target, path[len(link):])
	}
	return found
}

// firstLink returns the first part of a path that is a link, "" for none.
func firstLink(path string) string {
	for i := 1; i <= len(path); i++ {
		if i < len(path) && !os.IsPathSeparator(path[i]) {
			continue
		}
		if info, err := os.Lstat(path[:i]); err == nil && info.Mode()&os.ModeSymlink != 0 {
			return path[:i]
		}
	}
	return ""
}

var seed = maphash.MakeSeed()

// fingerprint is another one, as good as surely, when a file of the folder was
// added, removed or stored.
func fingerprint(dir string) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	entries, err := os.ReadDir(dir)
	if err != nil {
		_, _ = h.WriteString(err.Error())
	}
	for _, entry := range entries {
		info, err := os.Stat(filepath.Join(dir, entry.Name())) // of what a link leads to
		if err == nil && !info.IsDir() {
			_, _ = fmt.Fprintln(&h, entry.Name(), info.Size(), info.ModTime().UnixNano())
		}
	}
	return h.Sum64()
}

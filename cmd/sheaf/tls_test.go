package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sheafdb/sheaf/internal/config"
)

// writePair writes a self-signed certificate of a name and its key.
func writePair(t *testing.T, dir, name string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// A certificate that is renewed is used for new connections, those that are open
// go on, and a pair that does not fit changes nothing.
func TestACertificateIsReadAnew(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := writePair(t, dir, "first.example.com")
	ctx, stop := context.WithCancel(t.Context())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	settings := config.HTTP{Listen: "127.0.0.1:0", HeaderTimeout: patience, ReadTimeout: patience, ShutdownTimeout: patience, TLSCertificate: certFile, TLSKey: keyFile}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) })
	go func() {
		ended <- serveHTTP(ctx, settings, handler, stages{func(string) {}, func() {}, func() {}}, in, slog.New(slog.DiscardHandler))
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	url := strings.TrimSpace(strings.TrimPrefix(line, "listening on "))
	if err != nil || !strings.HasPrefix(url, "https://") {
		t.Fatalf("printed %q (%v)", line, err)
	}
	kept := newTLSClient()
	if name, proto := kept.ask(t, url); name != "first.example.com" || proto != "HTTP/2.0" {
		t.Errorf("%s over %s", name, proto)
	}

	// Load on the connection that is open, all the while.
	busy, quit := sync.WaitGroup{}, make(chan struct{})
	busy.Go(func() {
		for {
			select {
			case <-quit:
				return
			default:
				if name, _ := kept.ask(t, url); name != "first.example.com" {
					t.Errorf("the open connection became one to %s", name)
					return
				}
			}
		}
	})
	writePair(t, dir, "second.example.com")
	waitFor(t, "the new certificate", func() bool { name, _ := newTLSClient().ask(t, url); return name == "second.example.com" })
	if err := os.WriteFile(certFile, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(certFile, time.Now(), time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(lookEvery) // the file is looked at by then
	if name, _ := newTLSClient().ask(t, url); name != "second.example.com" {
		t.Errorf("with a broken file: %s", name)
	}
	writePair(t, dir, "third.example.com")
	waitFor(t, "the certificate after", func() bool { name, _ := newTLSClient().ask(t, url); return name == "third.example.com" })
	close(quit)
	busy.Wait()
	old := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}}} //nolint:gosec // that is what is refused
	if response, err := old.Get(url); err == nil {
		_ = response.Body.Close()
		t.Error("TLS 1.1 is spoken")
	}
	kept.CloseIdleConnections()
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	const limit = 60 * time.Second
	for deadline := time.Now().Add(limit); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not in %v", what, limit)
		}
	}
}

type tlsClient struct{ *http.Client }

func newTLSClient() tlsClient {
	return tlsClient{&http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}} //nolint:gosec // the certificates of the test sign themselves
}

// ask returns the name on the certificate, and the protocol.
func (c tlsClient) ask(t *testing.T, url string) (name, proto string) {
	t.Helper()
	response, err := c.Get(url)
	if err != nil {
		t.Error(err)
		return "", ""
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return response.TLS.PeerCertificates[0].Subject.CommonName, string(body)
}

func TestACertificateThatIsNoneIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	settings := config.HTTP{Listen: "127.0.0.1:0", TLSCertificate: file, TLSKey: file}
	err := serveHTTP(t.Context(), settings, nil, stages{}, io.Discard, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "SHEAF_TLS_CERT_FILE") {
		t.Errorf("%v", err)
	}
}

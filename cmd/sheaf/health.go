package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/sheafdb/sheaf/internal/config"
)

// healthCommand is the health check of a container that has no shell.
type healthCommand struct {
	Timeout time.Duration `default:"2s" help:"Longest wait for the answer."`
}

// Run asks the service that listens on this machine whether it is ready.
func (c *healthCommand) Run(ctx context.Context, a *app) error {
	if err := a.settled(); err != nil {
		return err
	}
	url, err := readyURL(a.config.HTTP)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return usageError(err.Error())
	}
	response, err := selfClient().Do(request)
	if err != nil {
		return errors.New("the service does not answer at " + url)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the service is not ready: %s answers %d", url, response.StatusCode)
	}
	_, err = fmt.Fprintln(a.stdout, "ready")
	return err
}

// readyURL is where a service that listens on an address is asked: one that
// listens everywhere is asked on the loopback.
func readyURL(settings config.HTTP) (string, error) {
	host, port, err := net.SplitHostPort(settings.Listen)
	if err != nil || port == "0" {
		return "", usageError("--listen must name the address of the service, with its port")
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return settings.Scheme() + "://" + net.JoinHostPort(host, port) + "/readyz", nil
}

// selfClient asks this machine's own service, whose certificate is made out to the
// name that others call it by. Nothing secret is sent.
func selfClient() *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // see above
}

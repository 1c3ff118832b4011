package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/sheafdb/sheaf/internal/config"
	"github.com/sheafdb/sheaf/internal/keepalive"
)

// stages are what is called as a service comes and goes: serving when it can
// serve, draining when it is told to end, and stopping when it takes no more
// requests, after the delay in which others are to find that out.
type stages struct {
	serving            func(url string)
	draining, stopping func()
}

// serveHTTP answers requests by handler until ctx is cancelled and the delay for
// draining is over, then stops accepting, and returns when the requests under way
// are answered or the limit for that has run out. When it can serve it writes the
// one line on stdout.
func serveHTTP(ctx context.Context, settings config.HTTP, handler http.Handler, stage stages, stdout io.Writer, log *slog.Logger) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", settings.Listen)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w", settings.Listen, listenReason(err))
	}
	server := newHTTPServer(settings, handler, log)
	if server.TLSConfig, err = tlsConfig(settings, log); err != nil {
		return errors.Join(fmt.Errorf("the certificate in SHEAF_TLS_CERT_FILE: %w", err), listener.Close())
	}
	ended, url := make(chan error, 1), settings.Scheme()+"://"+listener.Addr().String()
	if server.TLSConfig == nil {
		go func() { ended <- keepalive.Serve(server, listener) }()
	} else {
		go func() { ended <- server.ServeTLS(listener, "", "") }()
	}
	if _, err := fmt.Fprintf(stdout, "listening on %s\n", url); err != nil {
		return errors.Join(err, server.Close())
	}
	stage.serving(url)
	select {
	case err := <-ended:
		return fmt.Errorf("the listener on %s failed: %w", settings.Listen, err)
	case <-ctx.Done():
	}
	stage.draining()
	log.InfoContext(ctx, "draining", "delay", settings.DrainDelay.String())
	time.Sleep(settings.DrainDelay)
	stage.stopping()
	log.InfoContext(ctx, "stopping", "limit", settings.ShutdownTimeout.String())
	return finish(ctx, server, settings, log)
}

// newHTTPServer returns a server that bounds what a slow or greedy client can
// hold. Its requests do not end with the context that stops the server: they
// are finished.
func newHTTPServer(settings config.HTTP, handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: settings.HeaderTimeout,
		ReadTimeout:       settings.ReadTimeout,
		IdleTimeout:       settings.KeepAliveTimeout,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// finish waits for the requests under way, and cuts off those that take longer
// than the limit.
func finish(ctx context.Context, server *http.Server, settings config.HTTP, log *slog.Logger) error {
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), settings.ShutdownTimeout)
	defer cancel()
	err := server.Shutdown(limit)
	if errors.Is(err, context.DeadlineExceeded) {
		log.WarnContext(ctx, "requests were cut off", "limit", settings.ShutdownTimeout.String())
		return server.Close()
	}
	return err
}

// listenReason is why an address is not to be had, without the address, which
// stands before it.
func listenReason(err error) error {
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return e.Err
	}
	return err
}

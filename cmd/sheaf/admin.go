package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof" //nolint:gosec // what it adds to the default mux is served nowhere
	"time"
)

// adminHeaderTimeout bounds the headers of an operator's request.
const adminHeaderTimeout = 5 * time.Second

// adminServer answers operators on an address of its own.
type adminServer struct {
	server  *http.Server
	address string
	ended   chan struct{}
}

// startAdmin serves metrics and profiles on an address until it is closed.
func startAdmin(ctx context.Context, address string, metrics http.Handler, log *slog.Logger) (*adminServer, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on SHEAF_ADMIN_LISTEN %s: %w", address, listenReason(err))
	}
	s := &adminServer{
		server:  &http.Server{Handler: adminRoutes(metrics), ReadHeaderTimeout: adminHeaderTimeout, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)},
		address: listener.Addr().String(),
		ended:   make(chan struct{}),
	}
	go func() {
		defer close(s.ended)
		_ = s.server.Serve(listener) // ends by Close alone
	}()
	log.InfoContext(ctx, "listening for operators", "address", s.address)
	return s, nil
}

// Close ends it at once: a profile that is being taken is of no use any more.
func (s *adminServer) Close() error {
	err := s.server.Close()
	<-s.ended
	return err
}

func adminRoutes(metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	if metrics != nil {
		mux.Handle("/metrics", metrics)
	}
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", http.NotFound) // flags can hold secrets
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

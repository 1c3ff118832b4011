// Command bench measures Sheaf beside a hand-written service: both on the same
// private mongod, under the same load, in rounds that take turns. What it prints
// are ratios and their spread, since absolute figures are the machine's.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"github.com/sheafdb/sheaf/internal/mongod"
	"github.com/sheafdb/sheaf/internal/store"
)

// settings are the flags.
type settings struct {
	sheaf, handwritten, schema string
	rounds                     int
	duration                   time.Duration
	connections                []int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, parseFlags()); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parseFlags() settings {
	var s settings
	flag.StringVar(&s.sheaf, "sheaf", "bin/sheaf", "the sheaf program")
	flag.StringVar(&s.handwritten, "handwritten", "bin/handwritten", "the hand-written service")
	flag.StringVar(&s.schema, "schema", "internal/bench/schema", "the schema folder of the benchmark")
	flag.IntVar(&s.rounds, "rounds", 5, "rounds of every measurement")
	flag.DurationVar(&s.duration, "duration", 2*time.Second, "length of one measurement")
	connections := flag.String("connections", "1,32,128", "numbers of connections")
	flag.Parse()
	for text := range strings.SplitSeq(*connections, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			fmt.Fprintln(os.Stderr, "bench: -connections takes numbers such as 1,32")
			os.Exit(2)
		}
		s.connections = append(s.connections, n)
	}
	return s
}

func run(ctx context.Context, s settings) error {
	if err := codec(s.schema); err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "sheaf-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	server, err := mongod.Start(ctx, mongod.Options{DataDir: folder, CacheDir: os.Getenv("SHEAF_CACHE"), Binary: os.Getenv("SHEAF_MONGOD"), Admin: store.Admin, Progress: os.Stderr, CacheSizeGB: 1})
	if err != nil {
		return err
	}
	defer func() { _ = server.Stop(context.WithoutCancel(ctx)) }()
	return compare(ctx, s, server.URI())
}

// compare runs the services and loads them in turns.
func compare(ctx context.Context, s settings, uri string) error {
	sheaf, err := startSheaf(ctx, s, uri)
	if err != nil {
		return err
	}
	// Once more, now that the collections are there: how long a start takes.
	if err := sheaf.stop(); err != nil {
		return err
	}
	if sheaf, err = startSheaf(ctx, s, uri); err != nil {
		return err
	}
	defer func() { _ = sheaf.stop() }()
	time.Sleep(time.Second) // lets the start's garbage be collected, or not: it is what an operator sees
	fmt.Printf("service  ready %d ms after its start (MongoDB running), idle memory %.1f MB\n\n", sheaf.ready.Milliseconds(), sheaf.memory())
	byHand, err := startService(ctx, s.handwritten, nil, []string{"MONGODB_URI=" + uri})
	if err != nil {
		return err
	}
	defer func() { _ = byHand.stop() }()
	results, err := measureAll(ctx, s, sheaf, byHand)
	if err != nil {
		return err
	}
	printResults(results)
	fmt.Printf("\nmemory after the load: sheaf %.1f MB, hand-written %.1f MB\n", sheaf.memory(), byHand.memory())
	return nil
}

func startSheaf(ctx context.Context, s settings, uri string) (*process, error) {
	return startService(ctx, s.sheaf, []string{"serve"}, []string{
		"SHEAF_ENV=production", "SHEAF_ALLOW_PLAINTEXT=true", "SHEAF_LISTEN=127.0.0.1:0", "SHEAF_SCHEMA=" + s.schema,
		"MONGODB_URI=" + uri, "MONGODB_DATABASE=bench",
	})
}

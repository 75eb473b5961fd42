// Command servetest shows that a served API drops nothing. It drives the built
// binary as a user would: first many connections while releases are deployed and
// rolled back, then kill -9 of Cairn, of the stage's process and of the API's
// program, one at a time, while requests go on. It fails where a request fails that
// must not, where something does not come back by itself, where an answer that was
// given is missing from the prediction log, and where a process is left behind.
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// options are what the command line says.
type options struct {
	cairn       string
	connections int
	load        time.Duration
	kills       int
	seed        uint64
	serving     string
	keep        bool
}

func main() {
	var o options
	flag.StringVar(&o.cairn, "cairn", "bin/cairn", "the binary to test")
	flag.IntVar(&o.connections, "connections", 50, "connections while releases change")
	flag.DurationVar(&o.load, "load", time.Minute, "how long they ask; 0 leaves this part out")
	flag.IntVar(&o.kills, "kills", 50, "how many processes are killed; 0 leaves this part out")
	flag.Uint64Var(&o.seed, "seed", 0, "of what is killed and when (default: another one each time)")
	flag.StringVar(&o.serving, "serving", "auto", "how the API is executed: the setting serving of config.yaml")
	flag.BoolVar(&o.keep, "keep", false, "leave the folder, to look at its logs")
	flag.Parse()
	if o.seed == 0 {
		o.seed = rand.Uint64N(1e9) + 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintf(os.Stderr, "servetest: %v\nservetest: the seed was %d: -seed %d kills the same again\n", err, o.seed, o.seed)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	if o.cairn, err = filepath.Abs(o.cairn); err != nil {
		return err
	}
	w, err := newWorld(o)
	if err != nil {
		return err
	}
	defer func() {
		if e := w.close(); err == nil {
			err = e
		}
	}()
	if err := w.prepare(ctx); err != nil {
		return err
	}
	if o.load > 0 {
		if err := underLoad(ctx, w, o); err != nil {
			return fmt.Errorf("load: %w", err)
		}
	}
	if o.kills > 0 {
		if err := underKills(ctx, w, o); err != nil {
			return fmt.Errorf("kills: %w", err)
		}
	}
	return nil
}

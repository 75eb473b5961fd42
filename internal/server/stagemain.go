package server

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/gateway"
)

// stageMain is `cairn _stage FOLDER`: the process of one stage. SIGTERM and SIGINT
// end it in order, with its programs; kill -9 leaves the programs to the next one.
func stageMain(ctx context.Context, p Process) int {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()
	// Whoever started it may go. Taken and dropped: ignored, it would be ignored in
	// every program too, and servers reload with it.
	dropped := make(chan os.Signal, 1)
	signal.Notify(dropped, syscall.SIGHUP)
	defer signal.Stop(dropped)
	exec, inherited := gateway.Exec(p.Args, p.Env)
	err := gateway.Run(ctx, gateway.Options{
		Dir: p.Args[2], Version: Version(), Now: time.Now, Logger: slog.New(slog.NewTextHandler(p.Stderr, nil)),
		Inherited: inherited, Exec: exec,
	})
	if err != nil {
		e := cairn.AsError(err)
		fmt.Fprintln(p.Stderr, "cairn:", e)
		if e.Hint != "" {
			fmt.Fprintln(p.Stderr, "hint:", e.Hint)
		}
		return 1
	}
	return 0
}

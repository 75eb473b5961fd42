// Package serve is cairn serve: the owner of a home in the foreground, and
// cairn serve --stop, which ends the one that runs; --install lets systemd keep it.
package serve

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/spf13/cobra"
)

// Request is what the flags ask of the server.
type Request struct {
	// Listen is host:port; "" means 127.0.0.1:7077.
	Listen string
	// Detached is how commands start an owner: it answers readiness on standard
	// output as one JSON line, and leaves after Idle without client or run.
	Detached bool
	Idle     time.Duration
	// Exposed allows an address beyond loopback without TLS.
	Exposed bool
}

// Serve owns the home until its context ends.
type Serve func(context.Context, Request) error

// New makes the command.
func New(k *kit.Kit, run Serve) *cobra.Command {
	var r Request
	var stop, install, uninstall bool
	in := installer{k: k}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Own the home and answer on 127.0.0.1:7077 until interrupted",
		Long: `Own the home and answer on 127.0.0.1:7077 until interrupted.

Commands start a server by themselves and it leaves when idle; serve keeps one, with a
fixed address, for browsers, for git push and for the mlflow client. It takes over from a
server that a command started. Jobs that run go on when the server ends, and the next one
finds them. --install lets systemd start it with the machine and again when it ends: for the
user, or for the machine as root and with --system. Where there is no systemd it says what to
do instead.`,
		Example: `cairn serve
cairn serve --listen 127.0.0.1:8080
cairn serve --stop
cairn serve --install --now`,
		Args: kit.Args(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			for _, other := range []string{"listen", "install", "uninstall"} {
				if err := kit.Exclusive(c, "stop", other); err != nil {
					return err
				}
			}
			if err := kit.Exclusive(c, "install", "uninstall"); err != nil {
				return err
			}
			if (in.now || in.print) && !install || in.system && !install && !uninstall {
				return cairn.Errorf(cairn.CodeInvalid, "--now, --print and --system are about a unit: they need --install")
			}
			in.listen, in.system = r.Listen, in.system || os.Geteuid() == 0
			switch {
			case install:
				return in.install(c.Context())
			case uninstall:
				return in.uninstall(c.Context())
			}
			if stop {
				return stopOwner(c.Context(), k)
			}
			if run == nil {
				return cairn.Errorf(cairn.CodeUnsupported, "this binary was built without a server")
			}
			return run(c.Context(), r)
		},
	}
	f := cmd.Flags()
	f.StringVar(&r.Listen, "listen", "", "`address` as host:port (default 127.0.0.1:7077)")
	f.BoolVar(&r.Exposed, "exposed", false, "allow an address beyond loopback without TLS")
	f.BoolVar(&stop, "stop", false, "end the server that owns the home; jobs go on")
	f.BoolVar(&install, "install", false, "write a systemd unit that keeps the server")
	f.BoolVar(&uninstall, "uninstall", false, "remove that unit; jobs and stages go on")
	f.BoolVar(&in.system, "system", false, "with --install: for the machine, as root")
	f.BoolVar(&in.now, "now", false, "with --install: start it at once")
	f.BoolVar(&in.print, "print", false, "with --install: only show the unit")
	f.BoolVar(&r.Detached, "detached", false, "write one JSON line when ready, leave when idle")
	f.DurationVar(&r.Idle, "idle", 0, "with --detached: leave after so long without client or run")
	for _, hidden := range []string{"detached", "idle"} {
		// The flags are defined above: this cannot fail.
		_ = f.MarkHidden(hidden)
	}
	return cmd
}

func stopOwner(ctx context.Context, k *kit.Kit) error {
	c, err := k.Peek(ctx)
	if err != nil {
		if cairn.CodeOf(err) == cairn.CodeUnavailable {
			fmt.Fprintln(k.Term.Err, "no server runs")
			return nil
		}
		return err
	}
	st, err := c.Status(ctx)
	if err != nil {
		return err
	}
	if err := c.Handover(ctx); err != nil {
		return err
	}
	if err := left(ctx, k, st.PID, st.Home); err != nil {
		return err
	}
	fmt.Fprintf(k.Term.Err, "server %d ended\n", st.PID)
	for _, system := range []bool{false, true} {
		in := installer{k: k, system: system}
		if file, err := in.file(); err == nil && in.keeps(ctx, file, st.Home) {
			fmt.Fprintf(k.Term.Err, "systemd starts another one; to keep it down: systemctl %sstop cairn\n", userFlag(system))
		}
	}
	return nil
}

// leaveFor is how long an owner may take to write its last things.
const leaveFor = 20 * time.Second

// left returns when an owner has let go of its home: whoever stops one may copy
// or remove the folder next.
func left(ctx context.Context, k *kit.Kit, pid int, home string) error {
	lock := filepath.Join(home, "owner.lock")
	if _, err := os.Stat(lock); err != nil {
		return nil // a home of another machine
	}
	deadline := time.NewTimer(leaveFor)
	defer deadline.Stop()
	for {
		unlock, free, err := client.TryLockFile(lock)
		if err != nil {
			return err
		}
		if free {
			unlock()
			return nil
		}
		if c, err := k.Peek(ctx); err == nil {
			st, err := c.Status(ctx)
			c.Close()
			if err == nil && st.PID != pid {
				return nil // somebody started another one meanwhile
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline.C:
			return cairn.Errorf(cairn.CodeUnavailable, "server %d was asked to leave and has not yet", pid).
				WithHint("its log: %s", filepath.Join(home, "server.log"))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

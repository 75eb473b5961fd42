package deploy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
)

// watcher shows a deployment as it goes along.
type watcher struct {
	k      *kit.Kit
	cl     *kit.Client
	d      *cairn.Deployment
	quiet  bool
	began  time.Time
	reason string // that was shown last
}

func (w *watcher) say(format string, args ...any) {
	if !w.quiet {
		fmt.Fprintf(w.k.Term.Err, format+"\n", args...)
	}
}

// head says what is put where.
func (w *watcher) head(ctx context.Context) {
	s := w.k.Term.ErrStyle()
	w.say("%s %s to %s of %s", s.Bold(fmt.Sprintf("deployment %d:", w.d.ID)), named(ctx, w.cl, w.d), term.Clean(w.d.Stage), term.Clean(w.d.Repository))
}

// leave is what --detach does.
func (w *watcher) leave(out *kit.JSON) error {
	if out.On() {
		if err := out.Write(w.d); err != nil {
			return err
		}
	} else if _, err := fmt.Fprintln(w.k.Term.Out, w.d.Ref()); err != nil {
		return err
	}
	if w.d.Status == cairn.DeployWaiting {
		w.waits()
	}
	return w.result(true)
}

// watch follows the deployment to its end.
func (w *watcher) watch(ctx context.Context, wait time.Duration, out *kit.JSON) error {
	limited := ctx
	if wait > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, wait)
		defer cancel()
	}
	err := w.cl.FollowDeployment(limited, w.d.ID, func(u client.DeploymentUpdate) error {
		if u.Event != nil {
			w.event(u.Event)
		}
		if u.Deployment != nil {
			w.d = u.Deployment
			if w.d.Status == cairn.DeployWaiting {
				w.waits()
			}
		}
		return nil
	})
	switch {
	case ctx.Err() != nil:
		w.goesOn()
		return kit.Exit(kit.ExitInterrupted)
	case errors.Is(limited.Err(), context.DeadlineExceeded) && err != nil:
		w.goesOn()
	case err != nil:
		return err
	}
	if out.On() {
		if err := out.Write(w.d); err != nil {
			return err
		}
	}
	return w.result(out.On())
}

// waits says what is waited for, and who can do something about it.
func (w *watcher) waits() {
	if w.d.Reason == "" || w.d.Reason == w.reason {
		return
	}
	w.reason = w.d.Reason
	w.say("  %s", term.Clean(w.d.Reason))
	if len(w.d.Reviewers) > 0 && w.d.ApprovedBy == "" {
		w.say("  to approve: cairn approve %s", w.d.Ref())
	}
}

// goesOn says what becomes of a deployment that nobody watches any more.
func (w *watcher) goesOn() {
	switch {
	case w.d.Status == cairn.DeployWaiting && len(w.d.Reviewers) > 0 && w.d.ApprovedBy == "":
		w.say("deployment %d still waits; to end it: cairn reject %s", w.d.ID, w.d.Ref())
	case w.d.Status == cairn.DeployWaiting, w.d.Status == cairn.DeployStarting:
		w.say("deployment %d goes on", w.d.ID)
	}
}

func (w *watcher) event(e *cairn.StageEvent) {
	switch e.Kind {
	case cairn.StageEvFailed, cairn.StageEvLive:
		return // the row says so
	}
	text := e.Text
	if text == "" {
		text = e.Kind
	}
	w.say("  %s", term.Clean(text))
}

// result tells the job that this runs in, if any, how it ended; see outcome.
func (w *watcher) result(written bool) error {
	w.tellJob()
	return w.outcome(written)
}

// outcome says how it ended, as text and as an exit code. Written is set when what
// belongs on standard output has been written already.
func (w *watcher) outcome(written bool) error {
	d, s := w.d, w.k.Term.ErrStyle()
	for _, c := range d.Checks {
		mark := s.Green("passed")
		if !c.Passed {
			mark = s.Red("failed")
		}
		if d.Status == cairn.DeployLive || !c.Passed {
			w.say("  check %s %s: %s", term.Clean(c.Name), mark, term.Clean(c.Detail))
		}
	}
	switch d.Status {
	case cairn.DeployLive, cairn.DeployReplaced:
		replaced := ""
		if d.Replaces != 0 {
			replaced = fmt.Sprintf("; it replaced deployment %d", d.Replaces)
		}
		w.say("%s at %s in %s%s", s.Bold(s.Green("live")), d.URL, term.Duration(w.k.Now().Sub(w.began)), replaced)
		if written {
			return nil
		}
		_, err := fmt.Fprintln(w.k.Term.Out, d.URL)
		return err
	case cairn.DeployFailed:
		if len(d.Log) > 0 {
			w.say("  its last lines:")
			for _, l := range d.Log {
				w.say("    %s", s.Dim(term.Clean(l)))
			}
		}
		return cairn.Errorf(cairn.CodeFailed, "deployment %d of %s failed: %s", d.ID, d.Stage, d.Reason).
			WithHint("nothing changed on %s", d.Stage)
	case cairn.DeployRejected:
		return cairn.Errorf(cairn.CodeFailed, "deployment %d of %s was %s", d.ID, d.Stage, strings.TrimSpace(d.Reason))
	case cairn.DeployWaiting, cairn.DeployStarting:
		return kit.Exit(kit.ExitPending)
	}
	return cairn.Errorf(cairn.CodeFailed, "deployment %d of %s is %s", d.ID, d.Stage, d.Status)
}

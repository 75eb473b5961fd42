package run

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/live"
	"github.com/cairn-ml/cairn/internal/cli/term"
)

// lastLines is how much of a failing step's log is shown.
const lastLines = 10

// watcher follows one run to its end.
type watcher struct {
	k       *kit.Kit
	cl      *kit.Client
	p       live.Printer
	m       *live.Model
	mine    bool // started by this command: an interrupt cancels it
	quiet   bool // nothing is explained at the end
	stepper *stepper
}

// follow shows the run until it is completed and returns how it ended. The
// client takes the stream up again from the last event when the owner goes away
// and comes back.
func (w *watcher) follow(ctx context.Context, out *kit.JSON) error {
	w.p.Start(w.m)
	var between func(context.Context) error
	if w.stepper != nil {
		between = func(ctx context.Context) error { return w.stepper.look(ctx, w) }
	}
	err := live.Follow(ctx, w.p, w.m, w.cl.RunEvents(ctx, w.m.Run.ID, w.m.Seq), between)
	interrupted := err != nil && ctx.Err() != nil
	if interrupted {
		if !w.mine {
			w.p.Say(fmt.Sprintf("left; run %d goes on (cairn run cancel %d ends it)", w.m.Run.ID, w.m.Run.ID))
			return kit.Exit(kit.ExitInterrupted)
		}
		err = w.cancel(context.WithoutCancel(ctx))
	}
	if err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	w.p.End(w.m)
	if !w.quiet && !w.k.JSONWanted() {
		w.explain(ctx)
	}
	if out != nil && out.On() {
		jobs, err := w.cl.Jobs(ctx, w.m.Run.ID, 0)
		if err != nil {
			return err
		}
		r, err := w.cl.Run(ctx, w.m.Run.ID)
		if err != nil {
			return err
		}
		if err := out.Write(View{*r, jobs}); err != nil {
			return err
		}
	}
	switch {
	case interrupted:
		return kit.Exit(kit.ExitInterrupted)
	case w.m.Run.Conclusion == cairn.Success:
		return nil
	}
	return kit.Exit(kit.ExitFailed)
}

// cancel ends the run that this command started and follows it to its end. Jobs
// with if: always() still run, as they do on GitHub; a second interrupt ends them
// too.
func (w *watcher) cancel(ctx context.Context) error {
	w.p.Say(fmt.Sprintf("interrupted: cancelling run %d (Ctrl-C again ends everything at once)", w.m.Run.ID))
	w.k.OnInsist(func(ctx context.Context) {
		// The command leaves in any case; a failure shows in cairn run view.
		_ = w.cl.Cancel(ctx, w.m.Run.ID, true)
	})
	if err := w.cl.Cancel(ctx, w.m.Run.ID, false); err != nil && cairn.CodeOf(err) != cairn.CodeConflict {
		return err
	}
	return live.Follow(ctx, w.p, w.m, w.cl.RunEvents(ctx, w.m.Run.ID, w.m.Seq), nil)
}

// explain shows why a run failed and what to type next.
func (w *watcher) explain(ctx context.Context) {
	t, s := w.k.Term, w.k.Term.ErrStyle()
	fails := w.m.Failures()
	for _, f := range fails[:min(len(fails), 5)] {
		showFailure(ctx, w.cl, t, f)
	}
	id := w.m.Run.ID
	switch {
	case len(fails) > 0:
		fmt.Fprintf(t.Err, "\n%s cairn run logs %d --failed\n", s.Cyan("next:"), id)
	case w.m.Run.Conclusion == cairn.Success:
		fmt.Fprintf(t.Err, "%s cairn trace run/%d\n", s.Cyan("next:"), id)
	}
}

func showFailure(ctx context.Context, cl *kit.Client, t *term.Term, f live.Failure) {
	s := t.ErrStyle()
	name := term.Clean(f.Job.Name)
	if f.Step == nil {
		if f.Job.Reason != "" {
			fmt.Fprintf(t.Err, "\n%s: %s\n", s.Bold(name), term.Clean(f.Job.Reason))
		}
		return
	}
	fmt.Fprintf(t.Err, "\n%s\n", s.Bold(fmt.Sprintf("%s / %s, last lines:", name, term.Clean(f.Step.Name))))
	lines, err := tailLog(ctx, cl, f.Job.ID, *f.Step, lastLines)
	if err != nil {
		fmt.Fprintf(t.Err, "  %s\n", s.Dim("the log cannot be read: "+cairn.AsError(err).Message))
	}
	for _, l := range lines {
		fmt.Fprintf(t.Err, "  %s\n", commandLine(s, l))
	}
	for _, a := range f.Step.Annotations {
		first, _, _ := strings.Cut(a.Message, "\n")
		if a.Severity == "error" && !slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, first) }) {
			fmt.Fprintf(t.Err, "  %s %s\n", s.Red("error:"), term.CleanText(a.Message))
		}
	}
}

// commandLine shows a line that a workflow command left in the log as it is
// meant.
func commandLine(s term.Style, line string) string {
	for prefix, word := range map[string]string{"##[error]": s.Red("error:"), "##[warning]": s.Yellow("warning:"), "##[notice]": s.Cyan("notice:"), "##[group]": s.Bold("▸")} {
		if text, ok := strings.CutPrefix(line, prefix); ok {
			return word + " " + text
		}
	}
	return line
}

// tailLog reads the last n lines of a step's log, without their times.
func tailLog(ctx context.Context, cl *kit.Client, job cairn.JobID, step cairn.StepRow, n int) ([]string, error) {
	const window = 64 << 10
	offset := max(0, step.LogSize-window)
	r, err := cl.Logs(ctx, job, step.Number, offset, false)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return lastOf(r, n, offset > 0)
}

// lastOf keeps the last n lines of a log; cut says that the first line may be
// the rest of one. What the runner itself says before the step (its script and
// environment, as a first group) is left out.
func lastOf(r io.Reader, n int, cut bool) ([]string, error) {
	br := bufio.NewReader(r)
	var lines []string
	first, head := !cut, false
	for {
		line, err := br.ReadString('\n')
		if line != "" && !cut {
			text := term.Clean(stamp(strings.TrimRight(line, "\r\n"), false))
			head = head || first && strings.HasPrefix(text, "##[group]Run ")
			first = false
			end := text == "##[endgroup]"
			if !head && !end {
				lines = append(lines, text)
			}
			head = head && !end
			if len(lines) > n {
				lines = lines[1:]
			}
		}
		cut = false
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return lines, err
		}
	}
}

// stamp splits the time off a log line, or keeps it.
func stamp(line string, keep bool) string {
	at, text, ok := strings.Cut(line, " ")
	if keep || !ok || len(at) < 20 || at[len(at)-1] != 'Z' || at[4] != '-' {
		if !ok && len(line) >= 20 && line[len(line)-1] == 'Z' && line[4] == '-' && !keep {
			return ""
		}
		return line
	}
	return text
}

package run

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/complete"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/live"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

// runID finds the run that an argument means: 42, run/42, or the newest of this
// home where there is none.
func runID(ctx context.Context, cl *kit.Client, args []string) (cairn.RunID, error) {
	if len(args) > 0 {
		return parseID(args[0])
	}
	runs, err := cl.Runs(ctx, client.RunFilter{Limit: 1})
	if err != nil {
		return 0, err
	}
	if len(runs) == 0 {
		return 0, cairn.Errorf(cairn.CodeNotFound, "there are no runs yet").WithHint("cairn run starts one")
	}
	return runs[0].ID, nil
}

func parseID(arg string) (cairn.RunID, error) {
	n, err := strconv.ParseInt(strings.TrimPrefix(strings.TrimPrefix(arg, "run/"), "#"), 10, 64)
	if err != nil || n < 1 {
		return 0, cairn.Errorf(cairn.CodeInvalid, "%q is not a run's number", term.Clean(arg)).
			WithHint("cairn run list shows them")
	}
	return cairn.RunID(n), nil
}

func newView(k *kit.Kit) *cobra.Command {
	var attempt int
	var exitStatus, verbose bool
	cmd := &cobra.Command{
		Use:   "view [RUN]",
		Short: "Show a run: jobs, steps, artifacts, what failed",
		Long: `Show a run: jobs, steps, artifacts, what failed. Without a number, the newest.

With --verbose the conditions of jobs and steps are shown with the values they saw, why something
ran and why it did not, and the actions that were used with their commits.

With --exit-status the exit code says how it ended: 0 success, 1 failed, 8 still going.`,
		Example:           "cairn run view\ncairn run view 42 --verbose\ncairn run view 42 --attempt 1\ncairn run view 42 --json --jq '.jobs[] | [.name, .conclusion]'",
		Args:              kit.Args(0, 1, "RUN"),
		ValidArgsFunction: complete.First(k, complete.Runs),
	}
	cmd.Flags().IntVar(&attempt, "attempt", 0, "an earlier `attempt`")
	cmd.Flags().BoolVar(&verbose, "verbose", false, "each if with the values it saw, and the commits of actions")
	cmd.Flags().BoolVar(&exitStatus, "exit-status", false, "exit with 1 when it failed, 8 while it goes on")
	out := k.JSONFlags(cmd, View{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		ctx := c.Context()
		cl, err := k.Client(ctx)
		if err != nil {
			return err
		}
		id, err := runID(ctx, cl, args)
		if err != nil {
			return err
		}
		r, err := cl.Run(ctx, id)
		if err != nil {
			return err
		}
		jobs, err := cl.Jobs(ctx, id, attempt)
		if err != nil {
			return err
		}
		if out.On() {
			if err := out.Write(View{*r, jobs}); err != nil {
				return err
			}
			return status(exitStatus, r)
		}
		arts, err := cl.Artifacts(ctx, id)
		if err != nil {
			return err
		}
		approvals, err := cl.Approvals(ctx, id)
		if err != nil {
			return err
		}
		var groups []cairn.ConcurrencyGroup
		if r.Status != cairn.StatusCompleted {
			if groups, err = cl.Groups(ctx, r.Repository); err != nil {
				return err
			}
		}
		if attempt > 0 {
			r.Attempt = attempt
		}
		m := live.New(*r)
		m.Load(jobs)
		if err := writeView(k, m, arts, approvals, groups); err != nil {
			return err
		}
		if skipped(m) && !verbose {
			fmt.Fprintf(k.Term.Err, "%s cairn run view %d --verbose\n", k.Term.ErrStyle().Cyan("why:"), id)
		}
		if verbose {
			writeConditions(k.Term.Out, m)
			if err := writeActions(ctx, k, cl, id, attempt, jobs); err != nil {
				return err
			}
		}
		return status(exitStatus, r)
	}
	return cmd
}

func status(asked bool, r *cairn.Run) error {
	switch {
	case !asked:
		return nil
	case r.Status != cairn.StatusCompleted:
		return kit.Exit(kit.ExitPending)
	case r.Conclusion != cairn.Success:
		return kit.Exit(kit.ExitFailed)
	}
	return nil
}

func writeView(k *kit.Kit, m *live.Model, arts []cairn.Artifact, approvals []cairn.Approval, groups []cairn.ConcurrencyGroup) error {
	t, s := k.Term, k.Term.OutStyle()
	var b strings.Builder
	lines := live.Frame(t, s, m, k.Now(), 0)
	for i, line := range lines {
		b.WriteString(line + "\n")
		if i == 0 { // a run that waits, or gave way, has nothing but this to show
			b.WriteString(live.Summary(t, s, m.Run, k.Now()) + "\n")
			if len(lines) > 1 {
				b.WriteString("\n")
			}
		}
	}
	for _, in := range m.Run.Inputs {
		fmt.Fprintf(&b, "input     %s = %s\n", term.Clean(in.Name), term.Clean(string(in.Value)))
	}
	b.WriteString(groupLines(groups, m.Run.ID))
	for _, a := range approvals {
		b.WriteString(approvalLines(&a))
	}
	for _, j := range m.Jobs() {
		if j.EnvironmentURL != "" {
			fmt.Fprintf(&b, "address   %s  %s\n", term.Clean(j.EnvironmentURL), s.Dim("("+term.Clean(j.Name)+")"))
		}
	}
	for _, a := range arts {
		fmt.Fprintf(&b, "artifact  %s  %s, %s  %s\n", term.Clean(a.Name), term.Count(a.Files, "file"), term.Size(a.Size), s.Dim("sha256:"+a.Digest.Short()))
	}
	for _, j := range m.Jobs() {
		for _, st := range j.Steps() {
			for _, a := range st.Annotations {
				place := ""
				if !a.Position.IsZero() {
					place = a.Position.String() + ": "
				}
				fmt.Fprintf(&b, "%-9s %s%s  %s\n", term.Clean(a.Severity), place, term.Clean(a.Message), s.Dim("("+term.Clean(j.Name)+")"))
			}
			if st.Summary != "" {
				fmt.Fprintf(&b, "\n%s\n", strings.TrimSpace(term.CleanText(st.Summary)))
			}
		}
	}
	for _, a := range approvals {
		if a.State == "pending" {
			fmt.Fprintf(t.Err, "%s cairn run approve %d --environment %s\n", t.ErrStyle().Cyan("next:"), m.Run.ID, term.Clean(a.Environment))
		}
	}
	if len(m.Failures()) > 0 {
		defer fmt.Fprintf(t.Err, "%s cairn run logs %d --failed\n", t.ErrStyle().Cyan("next:"), m.Run.ID)
	}
	_, err := io.WriteString(t.Out, b.String())
	return err
}

func newWatch(k *kit.Kit) *cobra.Command {
	var progress string
	cmd := &cobra.Command{
		Use:   "watch [RUN]",
		Short: "Follow a run to its end",
		Long: `Follow a run to its end and exit as it did: 0 success, 1 not. Without a number, the newest.
Ctrl-C leaves; the run goes on.`,
		Example:           "cairn run watch\ncairn run watch 42 --progress plain",
		Args:              kit.Args(0, 1, "RUN"),
		ValidArgsFunction: complete.First(k, complete.Runs),
	}
	cmd.Flags().StringVar(&progress, "progress", live.Auto, "`how` to show it: "+strings.Join(live.Modes(), ", "))
	out := k.JSONFlags(cmd, View{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		p, err := live.NewPrinter(k.Term, progress, k.Now)
		if err != nil {
			return err
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		id, err := runID(c.Context(), cl, args)
		if err != nil {
			return err
		}
		r, err := cl.Run(c.Context(), id)
		if err != nil {
			return err
		}
		w := &watcher{k: k, cl: cl, p: p, m: live.New(*r), quiet: talksLittle(progress)}
		return w.follow(c.Context(), out)
	}
	return cmd
}

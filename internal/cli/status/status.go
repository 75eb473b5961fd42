// Package status is cairn status: how the owner of the home is doing, and what is
// live where.
package status

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

// Away is a stage whose process goes on while no server runs. Status is nil where
// it does not answer.
type Away struct {
	File   cairn.StageFile
	Status *cairn.StageStatus
}

// Report is what cairn status tells.
type Report struct {
	client.Status
	Stages    []cairn.StageInfo       `json:"stages"`
	Approvals []cairn.PendingApproval `json:"approvals"`
}

// New makes the command; away looks for stages where no server runs.
func New(k *kit.Kit, away func(context.Context) []Away) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say what is live where, what waits for whom, and what the server is doing",
		Long: `Say what is live where: since when, whose commit, healthy or not; what waits for somebody's
approval, with the command; whether a server runs, and what it is doing.

Asking starts none; without one the exit code is 1. Stages answer without a server, too.`,
		Example: "cairn status\ncairn status --json=url,busy,stages\ncairn status --jq '.stages[].live.url'",
		Args:    kit.Args(0, 0),
	}
	out := k.JSONFlags(cmd, Report{})
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		cl, err := k.Peek(c.Context())
		if err != nil {
			if away != nil && !out.On() && cairn.CodeOf(err) == cairn.CodeUnavailable {
				if werr := writeAway(k, away(c.Context())); werr != nil {
					return werr
				}
			}
			return err
		}
		st, err := cl.Status(c.Context())
		if err != nil {
			return err
		}
		r := &Report{Status: *st}
		if r.Stages, err = cl.Stages(c.Context(), ""); err != nil {
			return err
		}
		if r.Approvals, err = cl.PendingApprovals(c.Context()); err != nil {
			return err
		}
		if out.On() {
			return out.Write(r)
		}
		return write(k, r)
	}
	return cmd
}

func write(k *kit.Kit, st *Report) error {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-9s %s\n", name, fmt.Sprintf(format, args...))
	}
	how := "cairn serve"
	if st.SelfStarted {
		how = "started by a command; it leaves when idle"
		if slices.ContainsFunc(st.Stages, func(s cairn.StageInfo) bool { return s.Live != nil }) {
			how = "started by a command; it stays while something is live"
		}
	}
	line("server", "running, pid %d, version %s (%s)", st.PID, st.Version, how)
	line("address", "%s", st.URL)
	line("home", "%s", st.Home)
	line("log", "%s", st.Log)
	line("jobs", "%d of %d slots busy; labels: %s", st.Busy, st.Slots, strings.Join(st.Labels, ", "))
	if len(st.ActiveRuns) == 0 {
		line("runs", "none active")
	}
	s := k.Term.OutStyle()
	for _, r := range st.ActiveRuns {
		line("run "+fmt.Sprint(r.ID), "%s %s  %s  %s", k.Term.Symbol(r.Status, r.Conclusion),
			s.Paint(r.Status, r.Conclusion, term.Word(r.Status, r.Conclusion)), term.Clean(r.Workflow), term.Clean(r.Title))
	}
	for _, w := range st.Waiting {
		reason := w.Reason
		if reason == "" {
			reason = string(w.Status)
		}
		line("waiting", "run %d %s: %s", w.Run, term.Clean(w.Name), term.Clean(reason))
	}
	stages(&b, k, st)
	_, err := fmt.Fprint(k.Term.Out, b.String())
	if err != nil {
		return cairn.Errorf(cairn.CodeFailed, "cannot write: %w", err)
	}
	return nil
}

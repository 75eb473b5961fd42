// Package status is cairn status: how the owner of the home is doing.
package status

import (
	"fmt"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

// New makes the command.
func New(k *kit.Kit) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say whether a server runs, where, and what it is doing",
		Long: `Say whether a server runs, where, and what it is doing.

Asking starts none; without one the exit code is 1.`,
		Example: "cairn status\ncairn status --json=url,busy\ncairn status --jq .url",
		Args:    kit.Args(0, 0),
	}
	out := k.JSONFlags(cmd, client.Status{})
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		cl, err := k.Peek(c.Context())
		if err != nil {
			return err
		}
		st, err := cl.Status(c.Context())
		if err != nil {
			return err
		}
		if out.On() {
			return out.Write(st)
		}
		return write(k, st)
	}
	return cmd
}

func write(k *kit.Kit, st *client.Status) error {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-9s %s\n", name, fmt.Sprintf(format, args...))
	}
	how := "cairn serve"
	if st.SelfStarted {
		how = "started by a command; it leaves when idle"
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
	_, err := fmt.Fprint(k.Term.Out, b.String())
	if err != nil {
		return cairn.Errorf(cairn.CodeFailed, "cannot write: %w", err)
	}
	return nil
}

// Package doctor is cairn doctor: what Cairn needs from its machine, and what
// to do where it is missing.
package doctor

import (
	"context"
	"fmt"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

// New makes the command; local looks where no owner answers.
func New(k *kit.Kit, local func(context.Context) []client.Check) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look at everything that Cairn needs from this machine",
		Long: `Look at everything that Cairn needs from this machine: git, Python, disk, database, clock,
sandbox. Each finding comes with a line that says how to mend it. The exit code is 1 when
something failed; warnings do not count.`,
		Example: "cairn doctor\ncairn doctor --json=name,status,fix",
		Args:    kit.Args(0, 0),
	}
	out := k.JSONFlags(cmd, client.Check{})
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		checks, err := look(c.Context(), k, local)
		if err != nil {
			return err
		}
		failed := 0
		for _, ch := range checks {
			if ch.Status == "failed" {
				failed++
			}
		}
		if out.On() {
			err = out.Write(checks)
		} else {
			err = show(k, checks)
		}
		if err == nil && failed > 0 {
			return kit.Exit(kit.ExitFailed)
		}
		return err
	}
	return cmd
}

// look asks the owner; where none can be reached, that is a finding itself.
func look(ctx context.Context, k *kit.Kit, local func(context.Context) []client.Check) ([]client.Check, error) {
	cl, err := k.Client(ctx)
	if err == nil {
		var checks []client.Check
		if checks, err = cl.Doctor(ctx); err == nil {
			return checks, nil
		}
	}
	if ctx.Err() != nil {
		return nil, err
	}
	e := cairn.AsError(err)
	checks := []client.Check{{Name: "server", Status: "failed", Detail: e.Message, Fix: e.Hint}}
	if local != nil {
		for _, ch := range local(ctx) {
			if ch.Name != "server" { // said above, with the reason
				checks = append(checks, ch)
			}
		}
	}
	return checks, nil
}

func show(k *kit.Kit, checks []client.Check) error {
	s := k.Term.OutStyle()
	var b strings.Builder
	width := 0
	for _, ch := range checks {
		width = max(width, len(ch.Name))
	}
	for _, ch := range checks {
		sym, word, paint := k.Term.Symbol(cairn.StatusCompleted, cairn.Success), "ok", s.Green
		switch ch.Status {
		case "failed":
			sym, word, paint = k.Term.Symbol(cairn.StatusCompleted, cairn.Failure), "failed", s.Red
		case "warning":
			sym, word, paint = "!", "warning", s.Yellow
		case "skipped":
			sym, word, paint = "-", "skipped", s.Dim
		}
		fmt.Fprintf(&b, "%s%s  %-*s  %s\n", paint(sym+" "+word), strings.Repeat(" ", 7-len(word)), width, ch.Name, term.Clean(ch.Detail))
		if ch.Fix != "" && ch.Status != "ok" {
			fmt.Fprintf(&b, "%s%s %s\n", strings.Repeat(" ", 13+width), s.Cyan("fix:"), term.Clean(ch.Fix))
		}
	}
	_, err := fmt.Fprint(k.Term.Out, b.String())
	return err
}

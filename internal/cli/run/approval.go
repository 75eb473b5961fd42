package run

import (
	"fmt"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/term"
)

// approvalLines are what became of the gate of an environment, and what each
// reviewer said.
func approvalLines(a *cairn.Approval) string {
	var b strings.Builder
	if g := a.Gate; g != nil {
		state := map[string]string{
			cairn.GateAsked: "is checked", cairn.GatePassed: "holds", cairn.GateFailed: "does not hold", cairn.GateLacks: "lacks a value",
		}[g.State]
		fmt.Fprintf(&b, "gate      %s: %s %s", term.Clean(a.Environment), term.Clean(g.Expr), state)
		if g.Detail != "" {
			fmt.Fprintf(&b, " (%s)", term.Clean(g.Detail))
		}
		b.WriteString("\n")
	}
	if a.State == "open" {
		return b.String() // nobody was asked
	}
	fmt.Fprintf(&b, "approval  %s: %s", term.Clean(a.Environment), a.State)
	if a.By != "" {
		b.WriteString(" by " + term.Clean(a.By))
	}
	if a.Comment != "" {
		fmt.Fprintf(&b, " (%s)", term.Clean(a.Comment))
	}
	b.WriteString("\n")
	for _, v := range a.Votes {
		if len(a.Votes) == 1 && a.By == v.By {
			break // the line above says it
		}
		word := "approved"
		if !v.Approve {
			word = "rejected"
		}
		fmt.Fprintf(&b, "  %s by %s", word, term.Clean(v.By))
		if v.Comment != "" {
			fmt.Fprintf(&b, " (%s)", term.Clean(v.Comment))
		}
		b.WriteString("\n")
	}
	return b.String()
}

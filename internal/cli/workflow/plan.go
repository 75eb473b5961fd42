package workflow

import (
	"fmt"
	"io"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/repo"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/cairn-ml/cairn/internal/plan"
	"github.com/spf13/cobra"
)

func newPlan(k *kit.Kit) *cobra.Command {
	var event, ref string
	var inputs, jobs []string
	cmd := &cobra.Command{
		Use:   "plan [WORKFLOW]",
		Short: "Show what a workflow would do, without doing it",
		Long: `Show what a workflow would do, without doing it.

A plan is the frozen intent of a run: the same file, event and inputs give the same plan
and the same digest, on any machine. --json writes it whole.`,
		Example: `cairn workflow plan
cairn workflow plan mlops.yml --input data_prep=false
cairn workflow plan mlops.yml --event push --json --jq '.nodes[].id'`,
		Args:              kit.Args(0, 1, "WORKFLOW"),
		ValidArgsFunction: repo.Complete(k),
	}
	f := cmd.Flags()
	f.StringVar(&event, "event", "", "`event` that starts it (default: workflow_dispatch, push or the first)")
	f.StringVar(&ref, "ref", "", "the `branch` that github.ref shows, or a tag as refs/tags/NAME (default: the one checked out)")
	f.StringArrayVar(&inputs, "input", nil, "input as `NAME=VALUE`, repeatable")
	f.StringArrayVar(&jobs, "job", nil, "only this `job` and what it needs, repeatable")
	out := k.JSONFlags(cmd, cairn.Plan{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		given, err := repo.Inputs(inputs)
		if err != nil {
			return err
		}
		asked := ""
		if len(args) > 0 {
			asked = args[0]
		}
		file, root, err := choose(c, k, asked, "cairn workflow plan")
		if err != nil {
			return err
		}
		if event == "" {
			event = file.DefaultEvent()
		}
		t := plan.Trigger{Event: event, Ref: fullRef(ref), Inputs: given, Only: jobs}
		p, problems := repo.Plan(root, file, t)
		kit.RenderProblems(k.Term.Err, k.Term.ErrStyle(), problems)
		switch {
		case repo.TypedWrong(problems):
			return kit.Exit(kit.ExitUsage)
		case cairn.HasErrors(problems):
			return kit.Exit(kit.ExitFailed)
		case p == nil:
			return cairn.Errorf(cairn.CodeInternal, "%s gave neither a plan nor a reason", file.Path)
		}
		if out.On() {
			return out.Write(p)
		}
		return writePlan(k.Term.Out, k.Term.OutStyle(), p)
	}
	return cmd
}

func fullRef(ref string) string {
	if ref == "" || strings.HasPrefix(ref, "refs/") {
		return ref
	}
	return "refs/heads/" + ref
}

// writePlan tells a plan to people: jobs in order with what each waits for.
func writePlan(w io.Writer, s term.Style, p *cairn.Plan) error {
	_, digest, err := p.Encode()
	if err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s  on %s\n", s.Bold(term.Clean(p.Name)), term.Clean(p.Path), p.Event)
	fmt.Fprintf(&b, "plan %s\n", digest)
	for _, in := range p.Inputs {
		fmt.Fprintf(&b, "input %s (%s) = %s\n", term.Clean(in.Name), in.Type, term.Clean(string(in.Value)))
	}
	p.Walk(func(at string, n *cairn.Node) {
		in := strings.Repeat("  ", strings.Count(at, "/"))
		fmt.Fprintf(&b, "\n%s%s", in, s.Bold(term.Clean(n.ID)))
		if len(n.Needs) > 0 {
			fmt.Fprintf(&b, "  after %s", term.Clean(strings.Join(n.Needs, ", ")))
		}
		if n.Strategy != nil {
			b.WriteString("  matrix")
		}
		if n.Environment != nil {
			fmt.Fprintf(&b, "  environment %s", term.Clean(text(n.Environment.Name)))
		}
		if r := text(n.RunsOn); r != "" {
			fmt.Fprintf(&b, "  on %s", term.Clean(r))
		}
		b.WriteByte('\n')
		if n.If != "" {
			fmt.Fprintf(&b, "%s  if %s\n", in, s.Dim(term.Clean(n.If)))
		}
		for i, st := range n.Steps {
			fmt.Fprintf(&b, "%s  %d. %s", in, i+1, term.Clip(term.Clean(stepName(st)), 100))
			if st.Background {
				b.WriteString("  " + s.Dim("in the background"))
			}
			b.WriteByte('\n')
		}
	})
	_, err = io.WriteString(w, b.String())
	return err
}

func stepName(s cairn.Step) string {
	switch {
	case text(s.Name) != "":
		return text(s.Name)
	case s.Uses != "":
		return s.Uses
	case s.Control != "":
		return strings.TrimSpace(s.Control + " " + strings.Join(s.Targets, ", "))
	}
	first, _, more := strings.Cut(strings.TrimSpace(text(s.Run)), "\n")
	if more {
		first += " …"
	}
	return first
}

func text(t cairn.Template) string {
	switch t.Kind {
	case cairn.TemplateSeq:
		var parts []string
		for _, i := range t.Items {
			parts = append(parts, text(i))
		}
		return strings.Join(parts, ", ")
	case cairn.TemplateMap:
		var parts []string
		for _, p := range t.Pairs {
			parts = append(parts, text(p.Key)+": "+text(p.Value))
		}
		return strings.Join(parts, ", ")
	}
	return t.Text
}

package job

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/live"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

func newShow(k *kit.Kit) *cobra.Command {
	var drawn bool
	cmd := &cobra.Command{
		Use:   "show NAME[/STEP]",
		Short: "Show a job: inputs, outputs, steps",
		Long: `Show a job: its inputs and outputs and where each step stands. With --graph only the graph,
as cairn job stream draws it. Of a step of a pipeline, NAME/STEP, what it was run with.`,
		Example: `cairn job show green_ant_4k2m9x1pqz
cairn job show green_ant_4k2m9x1pqz --graph
cairn job show green_ant_4k2m9x1pqz/train
cairn job show green_ant_4k2m9x1pqz --jq .run.submitted.outputs`,
		Args:              kit.Args(1, 1, "NAME"),
		ValidArgsFunction: named(k),
	}
	cmd.Flags().BoolVar(&drawn, "graph", false, "the graph of its steps alone")
	out := k.JSONFlags(cmd, client.JobView{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		cl, n, v, err := find(c.Context(), k, args[0])
		if err != nil {
			return err
		}
		if n.Path != "" {
			v.Jobs = jobsOf(v, n)
			if len(v.Jobs) == 1 && !drawn && !out.On() {
				return showStep(c.Context(), k, cl, n.Name, &v.Jobs[0])
			}
		}
		if out.On() {
			return out.Write(v)
		}
		g, m, err := pictured(c.Context(), cl, v)
		if err != nil {
			return err
		}
		if n.Path != "" {
			g.only(n.Path)
			drawn = true
		}
		p := painter{t: k.Term, s: k.Term.OutStyle(), now: k.Now(), over: v.Run.Status == cairn.StatusCompleted, name: newNames(c.Context(), cl).of}
		if !drawn {
			writeJob(k, v)
		}
		for _, l := range p.lines(g) {
			if _, err := fmt.Fprintln(k.Term.Out, l); err != nil {
				return err
			}
		}
		next(k, v, m)
		return nil
	}
	return cmd
}

// pictured puts the plan and the jobs of a run together.
func pictured(ctx context.Context, cl *kit.Client, v *client.JobView) (*graph, *live.Model, error) {
	plan, err := cl.Plan(ctx, v.Run.ID)
	if err != nil {
		return nil, nil, err
	}
	m := live.New(v.Run)
	m.Load(v.Jobs)
	g := newGraph(plan)
	g.fill(m.Jobs())
	return g, m, nil
}

// next is the command that leads on.
func next(k *kit.Kit, v *client.JobView, m *live.Model) {
	name := nameOf(&v.Run)
	text := ""
	switch {
	case v.Run.Status != cairn.StatusCompleted:
		text = "cairn job stream " + name
	case len(m.Failures()) > 0:
		text = fmt.Sprintf("cairn run logs %d --failed", v.Run.ID)
	case v.Run.Submitted != nil && len(v.Run.Submitted.Outputs) > 0:
		text = "cairn job download " + name + " --all"
	default:
		return
	}
	fmt.Fprintf(k.Term.Err, "%s %s\n", k.Term.ErrStyle().Cyan("next:"), text)
}

// sheet writes named rows in two columns.
type sheet struct {
	b strings.Builder
	s term.Style
}

func (t *sheet) row(name, value string) {
	if value != "" {
		fmt.Fprintf(&t.b, "  %-12s %s\n", name, value)
	}
}

// list writes several values under one name.
func (t *sheet) list(name string, values []string) {
	for i, v := range values {
		if i > 0 {
			name = ""
		}
		t.row(name, v)
	}
}

func writeJob(k *kit.Kit, v *client.JobView) {
	r := &v.Run
	t := &sheet{s: k.Term.OutStyle()}
	head := t.s.Bold(nameOf(r)) + "  " + t.s.Paint(r.Status, r.Conclusion, term.Word(r.Status, r.Conclusion))
	if d := span(r.StartedAt, r.FinishedAt, k.Now()); d > 0 {
		head += "  " + term.Duration(d)
	}
	if r.Submitted != nil && r.Submitted.Archived {
		head += "  " + t.s.Yellow("archived")
	}
	t.b.WriteString(head + "\n")
	if sub := r.Submitted; sub != nil {
		t.row("type", term.Clean(sub.Type))
		if sub.DisplayName != sub.Name {
			t.row("shown as", term.Clean(sub.DisplayName))
		}
		t.row("experiment", term.Clean(sub.Experiment))
		t.row("description", term.Clean(sub.Description))
		t.row("tags", pairsOf(sub.Tags))
		if sub.Parent > 0 {
			t.row("asked by", string(cairn.JobRef(sub.Parent)))
		}
		t.row("schedule", term.Clean(sub.Schedule))
	}
	t.row("run", fmt.Sprintf("%d, started %s by %s", r.ID, term.Since(r.CreatedAt, k.Now()), term.Clean(r.Actor)))
	t.row("file", term.Clean(r.Path))
	t.row("commit", live.CommitLine(t.s, r.Commit))
	t.row("reason", term.Clean(r.Reason))
	if sub := r.Submitted; sub != nil {
		var in []string
		for _, i := range sub.Inputs {
			in = append(in, term.Clean(i.Name)+" = "+value(i.Value))
		}
		t.list("inputs", in)
		t.list("outputs", outputsOf(sub.Outputs))
	}
	fmt.Fprintln(k.Term.Out, t.b.String())
}

func pairsOf(m map[string]string) string {
	var out []string
	for n, v := range m {
		out = append(out, term.Clean(n)+"="+term.Clean(v))
	}
	slices.Sort(out)
	return strings.Join(out, "  ")
}

func outputsOf(m map[string]string) []string {
	var out []string
	for n, v := range m {
		out = append(out, term.Clean(n)+" = "+value(v))
	}
	slices.Sort(out)
	return out
}

// value is an input or output as people read it.
func value(text string) string {
	if vs, ok := cairn.DecodeDataList(text); ok {
		var parts []string
		for i, v := range vs {
			if i == 3 {
				parts = append(parts, fmt.Sprintf("… and %d more", len(vs)-i))
				break
			}
			parts = append(parts, value(v))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	d, ok := cairn.DecodeData(text)
	if !ok {
		return term.Clip(term.Clean(text), 80)
	}
	name := string(d.Ref)
	if name == "" {
		name = d.URI
	}
	if name == "" {
		name = d.Digest.Short()
	}
	size := term.Size(d.Size)
	if d.Type == "folder" {
		size = term.Count(d.Files, "file") + ", " + size
	}
	return fmt.Sprintf("%s (%s)", term.Clean(name), size)
}

// showStep is one step of a pipeline.
func showStep(ctx context.Context, k *kit.Kit, cl *kit.Client, root string, j *cairn.Job) error {
	m := live.New(cairn.Run{Attempt: j.Attempt})
	m.Load([]cairn.Job{*j})
	lj := m.Jobs()[0]
	t := &sheet{s: k.Term.OutStyle()}
	p := painter{t: k.Term, s: t.s, now: k.Now(), name: newNames(ctx, cl).of}
	sign, text := p.job(lj, &vertex{path: j.Node, node: &cairn.Node{ID: j.Node, Kind: cairn.NodeJob}}, nil)
	fmt.Fprintf(&t.b, "%s %s/%s  %s\n", sign, t.s.Bold(term.Clean(root)), t.s.Bold(term.Clean(j.Path)), text)
	t.row("job", string(cairn.JobRef(j.ID)))
	t.row("runner", term.Clean(j.Runner))
	if task := j.Task; task != nil {
		t.row("key", string(task.Key))
		t.row("tracking", task.Tracking)
		if task.Best {
			t.row("trial", "the best: "+term.Clip(term.Clean(string(task.Trial)), 80))
		} else if len(task.Trial) > 0 {
			t.row("trial", term.Clip(term.Clean(string(task.Trial)), 80))
		}
		var in []string
		for _, part := range task.Parts {
			if name, ok := strings.CutPrefix(part.Name, "inputs."); ok {
				in = append(in, term.Clean(name)+" = "+partText(part.Value))
			} else if part.Name == "code" || part.Name == "environment" {
				t.row(part.Name, partText(part.Value))
			}
		}
		t.list("inputs", in)
	}
	outputs := maps.Clone(j.Outputs)
	delete(outputs, artifactsOutput)
	t.list("outputs", outputsOf(outputs))
	for _, s := range lj.Steps() {
		took := ""
		if d := span(s.StartedAt, s.FinishedAt, k.Now()); d > 0 {
			took = "  " + term.Duration(d)
		}
		t.row("", t.s.Paint(s.Status, s.Conclusion, k.Term.Symbol(s.Status, s.Conclusion))+" "+term.Clean(s.Name)+t.s.Dim(took))
	}
	if _, err := fmt.Fprint(k.Term.Out, t.b.String()); err != nil {
		return err
	}
	text = fmt.Sprintf("cairn job explain-cache %s/%s", root, j.Path)
	if j.Conclusion.Bad() {
		text = fmt.Sprintf("cairn run logs %d --job %s", j.Run, term.ShellQuote(j.Path))
	}
	fmt.Fprintf(k.Term.Err, "%s %s\n", k.Term.ErrStyle().Cyan("next:"), term.Clean(text))
	return nil
}

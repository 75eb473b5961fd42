package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/workflow"
)

// Trigger is what starts a run.
type Trigger struct {
	Event   string
	Payload json.RawMessage
	Ref     string // refs/heads/main
	SHA     string
	// Inputs are raw texts (--input k=v); Build types and checks them.
	Inputs map[string]string
	// Only limits the plan to these jobs and what they need.
	Only []string
	// Commits says what the versions of files of other repositories meant, by the
	// key that they have in Files.
	Commits map[string]string
}

// Files are called workflows: by their path inside the repository, or as
// "owner/repo/.github/workflows/x.yml@v1" where they are of another one.
type Files map[string][]byte

// Missing is something that the caller must resolve before it calls Build
// again, or that cannot be had.
type Missing struct {
	Kind string // "workflow"
	// Ref is the key under which its bytes are put into Files: a path of this
	// repository where it is Local, else owner/repo/path@version.
	Ref   string
	Local bool
	Pos   cairn.Position
	// Reason says why it cannot be met; "" when the caller has only to look.
	Reason string
}

// Limits of a plan.
const (
	maxNesting = 9    // called workflows below the first
	maxFiles   = 50   // called workflows in all
	maxNodes   = 5000 // jobs and calls in all
)

// CodeNotBuilt is the code of a problem about something that is parsed, but that
// this Cairn does not execute.
const CodeNotBuilt = "plan.not-built"

type builder struct {
	src      map[string][]byte // by path, for snippets
	files    Files
	parsed   map[string]*workflow.Workflow // called files; nil when broken
	problems []cairn.Problem
	missing  []Missing
	commits  map[string]string
	plan     *cairn.Plan
	nodes    int
	full     bool // maxNodes was reported
}

// Build freezes a workflow for a trigger. src are the bytes that w was parsed
// from. With a problem of severity error, or while something local is missing,
// the plan is not fit to run; it is nil where there is nothing to show.
func Build(w *workflow.Workflow, src []byte, t Trigger, files Files) (*cairn.Plan, []Missing, []cairn.Problem) {
	b := &builder{
		src:    map[string][]byte{w.Path: src},
		files:  files,
		parsed: map[string]*workflow.Workflow{}, commits: t.Commits,
		plan: &cairn.Plan{
			Schema: cairn.PlanSchema, Name: w.Name, RunName: w.RunName, Path: w.Path, Source: cairn.SumBytes(src),
			Event: t.Event, Env: w.Env,
		},
	}
	p := b.plan
	if p.Name == "" {
		p.Name = w.Path
	}
	event, ok := w.Event(t.Event)
	if !ok {
		b.wrongEvent(w, t.Event)
		return nil, nil, b.problems
	}
	p.Inputs = b.triggerInputs(event, t.Inputs)
	p.Permissions = permissions(w.Permissions)
	p.Concurrency = concurrency(w.Concurrency)
	p.Nodes = b.jobs(w, b.selected(w, t.Only), nil)
	b.checkPermissions(p.Nodes, cairn.NamedPermissions(p.Permissions), nil)
	p.Warnings = nil
	for _, pr := range b.problems {
		if pr.Severity == cairn.SeverityWarning {
			p.Warnings = append(p.Warnings, pr)
		}
	}
	slices.SortFunc(p.Sources, func(a, b cairn.PlanSource) int { return strings.Compare(a.Path, b.Path) })
	return p, b.missing, b.problems
}

func (b *builder) wrongEvent(w *workflow.Workflow, event string) {
	names := make([]string, len(w.On))
	for i, e := range w.On {
		names[i] = e.Name
	}
	hint := "it runs on " + strings.Join(names, ", ")
	if near := cairn.Nearest(event, names); near != "" {
		hint = "did you mean " + near + "? " + hint
	}
	at := cairn.Position{File: w.Path}
	if len(w.On) > 0 {
		at = w.On[0].Pos
	}
	b.fail("plan.event", at, hint, "the workflow does not run on %s", show(event))
}

// report adds a finding with its source line.
func (b *builder) report(sev cairn.Severity, code string, at cairn.Position, hint, format string, args ...any) {
	b.problems = append(b.problems, cairn.Problem{
		Position: at, Severity: sev, Code: code, Message: fmt.Sprintf(format, args...), Hint: hint, Snippet: b.line(at),
	})
}

func (b *builder) fail(code string, at cairn.Position, hint, format string, args ...any) {
	b.report(cairn.SeverityError, code, at, hint, format, args...)
}

func (b *builder) line(at cairn.Position) string {
	if at.Line == 0 {
		return ""
	}
	lines := strings.SplitN(string(b.src[at.File]), "\n", at.Line+1)
	if len(lines) < at.Line {
		return ""
	}
	return strings.TrimSuffix(lines[at.Line-1], "\r")
}

// selected returns the jobs that Only asks for with all they need; nil means
// every job.
func (b *builder) selected(w *workflow.Workflow, only []string) map[string]bool {
	if len(only) == 0 {
		return nil
	}
	ids := make([]string, len(w.Jobs))
	for i, j := range w.Jobs {
		ids[i] = j.ID
	}
	want := map[string]bool{}
	var add func(id string)
	add = func(id string) {
		j, ok := w.Job(id)
		if !ok || want[id] {
			return
		}
		want[id] = true
		for _, n := range j.Needs {
			add(n.Value)
		}
	}
	for _, id := range only {
		i := slices.IndexFunc(ids, func(s string) bool { return strings.EqualFold(s, id) })
		if i < 0 {
			hint := "jobs of this workflow: " + strings.Join(ids, ", ")
			if near := cairn.Nearest(id, ids); near != "" {
				hint = "did you mean " + near + "? " + hint
			}
			b.fail("plan.job", cairn.Position{File: w.Path}, hint, "there is no job %s", show(id))
			continue
		}
		add(ids[i])
	}
	return want
}

// permissions lists the scopes of a token in file order. The short forms, and {}
// for none at all, are one entry named "all".
func permissions(p *workflow.Permissions) []cairn.NamedValue {
	switch {
	case p == nil:
		return nil
	case p.All != "":
		return []cairn.NamedValue{{Name: "all", Value: cairn.Str(p.All)}}
	case len(p.Levels) == 0:
		return []cairn.NamedValue{{Name: "all", Value: cairn.Str("none")}}
	}
	return p.Levels
}

func concurrency(c *workflow.Concurrency) *cairn.Concurrency {
	if c == nil {
		return nil
	}
	out := c.Concurrency
	if out.Queue = ""; c.Queue == cairn.QueueMax {
		out.Queue = c.Queue
	}
	return &out
}

func show(s string) string {
	if r := []rune(s); len(r) > 60 {
		s = string(r[:60]) + "…"
	}
	return "'" + strings.ReplaceAll(s, "\n", "⏎") + "'"
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

package trace_test

import (
	"context"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/trace"
)

// kept is a graph that has rows of actions.
type kept struct{ *graph }

func (kept) ActionVersion(_ context.Context, repository, commit string) (cairn.ActionVersion, error) {
	if commit != strings.Repeat("a", 40) {
		return cairn.ActionVersion{}, missing("action")
	}
	return cairn.ActionVersion{Repository: repository, Commit: commit, Tree: "sha256:0", Source: "https://git.example.com/acme/greet", Files: 2, Size: 100}, nil
}

func TestTraceAction(t *testing.T) {
	t.Parallel()
	here, gone := cairn.ActionRef("acme/greet", strings.Repeat("a", 40)), cairn.ActionRef("acme/greet", strings.Repeat("b", 40))
	g := &graph{
		runs: map[cairn.RunID]cairn.Run{1: {ID: 1, Workflow: "w", Commit: cairn.Commit{SHA: strings.Repeat("c", 40)}}},
		jobs: map[cairn.JobID]cairn.Job{7: {ID: 7, Run: 1, Name: "build", Path: "build"}},
	}
	for _, ref := range []cairn.Ref{here, gone} {
		g.links = append(g.links, cairn.Link{From: cairn.JobRef(7), Relation: cairn.RelUsed, To: ref, Note: "as acme/greet@v1"})
	}
	tr := &trace.Tracer{Reader: kept{g}}
	for ref, want := range map[cairn.Ref]string{here: "https://git.example.com/acme/greet", gone: "no longer"} {
		down, err := tr.Trace(t.Context(), "", string(ref), true)
		if err != nil {
			t.Fatal(err)
		}
		root := down.Roots[0]
		text := ""
		for _, f := range root.Facts {
			text += f.Name + "=" + f.Value + "\n"
		}
		if !strings.HasPrefix(root.Title, "action acme/greet at ") || !strings.Contains(text, want) || len(root.Children) != 1 || root.Children[0].Ref != cairn.JobRef(7) {
			t.Errorf("%+v\n%s", root, text)
		}
	}
	up, err := tr.Trace(t.Context(), "", "job/7", false)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, c := range up.Roots[0].Children {
		if c.Kind == cairn.KindAction && c.Relation == cairn.RelUsed {
			found++
		}
	}
	if found != 2 {
		t.Errorf("%+v", up.Roots[0].Children)
	}
	if _, err := tr.Trace(t.Context(), "", "action/acme/none@"+strings.Repeat("d", 40), true); cairn.CodeOf(err) != cairn.CodeNotFound {
		t.Errorf("%v", err)
	}
}

package plan

import (
	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/workflow"
)

// jobs converts the jobs of one file. want limits them; nil takes all. stack
// holds the paths of the files that are being called, outermost first.
func (b *builder) jobs(w *workflow.Workflow, want map[string]bool, stack []string) []cairn.Node {
	out := make([]cairn.Node, 0, len(w.Jobs))
	for i := range w.Jobs {
		j := &w.Jobs[i]
		if want != nil && !want[j.ID] {
			continue
		}
		if b.nodes++; b.nodes > maxNodes {
			if !b.full {
				b.full = true
				b.fail("plan.too-large", j.Pos, "called workflows count each time they are called", "the plan has more than %d jobs", maxNodes)
			}
			break
		}
		out = append(out, b.node(w, j, stack))
	}
	return out
}

func (b *builder) node(w *workflow.Workflow, j *workflow.Job, stack []string) cairn.Node {
	n := cairn.Node{
		ID: j.ID, Kind: cairn.NodeJob, Name: j.Name, If: j.If.Text, IfPos: j.If.Pos, Strategy: j.Strategy,
		RunsOn: j.RunsOn, Environment: j.Environment, Env: j.Env,
		Defaults:       mergeDefaults(w.Defaults, j.Defaults),
		TimeoutMinutes: j.TimeoutMinutes, ContinueOnError: j.ContinueOnError, Container: j.Container, Services: j.Services,
		Permissions: permissions(j.Permissions), Outputs: j.Outputs, Pos: j.Pos,
	}
	for _, need := range j.Needs {
		n.Needs = append(n.Needs, need.Value)
	}
	what := "job " + show(j.ID)
	n.Concurrency = concurrency(j.Concurrency)
	n.CancelTimeoutMinutes = j.CancelTimeout
	if j.NoDeployment && n.Environment != nil {
		e := *n.Environment
		e.NoDeployment = true
		n.Environment = &e
	}
	if j.Uses.Value != "" {
		n.Kind, n.Defaults = cairn.NodeCall, cairn.RunDefaults{}
		b.call(&n, j, stack)
		return n
	}
	for i := range j.Steps {
		st := j.Steps[i].Step
		st.Uses = b.ownAction(n.Pos.File, st.Uses)
		n.Steps = append(n.Steps, st)
	}
	b.unbuilt(w, j, what)
	return n
}

// unbuilt names the features of a job that are parsed but not executed.
func (b *builder) unbuilt(w *workflow.Workflow, j *workflow.Job, what string) {
	at := func(t cairn.Template) cairn.Position {
		return cairn.Position{File: w.Path, Line: t.Line, Column: t.Col}
	}
	if !j.Snapshot.IsZero() {
		b.fail(CodeNotBuilt, at(j.Snapshot), "take snapshot: away; an image of your own is built in a step, with docker/build-push-action", "snapshot of %s is not built: no runner image is made here", what)
	}
}

func mergeDefaults(outer, inner cairn.RunDefaults) cairn.RunDefaults {
	if inner.Shell.IsZero() {
		inner.Shell = outer.Shell
	}
	if inner.WorkingDirectory.IsZero() {
		inner.WorkingDirectory = outer.WorkingDirectory
	}
	return inner
}

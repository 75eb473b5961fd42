package trace

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/cairn-ml/cairn"
)

// startedBy says which file a job is of, where its run is of a job's file, and leads on
// to the job whose step asked for that run.
func (w *walk) startedBy(n *cairn.TraceNode, r *cairn.Run) []cairn.Link {
	x := r.Submitted
	if x == nil {
		fact(n, "workflow", r.Workflow+", "+r.Event+" by "+r.Actor)
		return nil
	}
	fact(n, cmp.Or(x.Type, "job"), x.Name+" ("+r.Path+"), by "+r.Actor)
	fact(n, "schedule", x.Schedule)
	if x.Parent == 0 || w.down {
		return nil
	}
	return []cairn.Link{{From: n.Ref, Relation: cairn.RelPartOf, To: cairn.JobRef(x.Parent), Note: fmt.Sprintf("its step started run %d", r.ID)}}
}

// startedRun says likewise of a run which file it is of.
func (w *walk) startedRun(n *cairn.TraceNode, r *cairn.Run) []cairn.Link {
	x := r.Submitted
	if x == nil {
		fact(n, "workflow", r.Workflow+" ("+r.Path+"), "+r.Event+" by "+r.Actor)
		return nil
	}
	fact(n, cmp.Or(x.Type, "job"), x.Name+" ("+r.Path+"), by "+r.Actor)
	fact(n, "experiment", x.Experiment)
	fact(n, "schedule", x.Schedule)
	if x.Parent == 0 || w.down {
		return nil
	}
	return []cairn.Link{{From: n.Ref, Relation: cairn.RelPartOf, To: cairn.JobRef(x.Parent), Note: "started by its step"}}
}

// started are the runs that a step of a job asked for.
func (w *walk) started(ref cairn.Ref) ([]cairn.Link, error) {
	to, err := w.Reader.LinksTo(w.ctx, ref)
	return slices.DeleteFunc(pick(to, cairn.RelPartOf), func(l cairn.Link) bool { return l.From.Kind() != cairn.KindRun }), err
}

// task adds what is known of the task that a job carried out: what it logged, and whose
// outputs it took instead of running.
func (w *walk) task(n *cairn.TraceNode, j *cairn.Job) error {
	t := j.Task
	if t == nil {
		return nil
	}
	if err := w.component(n, j); err != nil {
		return err
	}
	if t.From != 0 {
		fact(n, "reused", fmt.Sprintf("the outputs of job %d of run %d: nothing that they stand on had changed", t.From, t.FromRun))
		return nil
	}
	if len(t.Trial) > 0 {
		fact(n, "trial", clip(string(t.Trial), 200))
	}
	if t.Tracking == "" {
		return nil
	}
	r, err := w.Reader.MLRun(w.ctx, t.Tracking)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return nil // it logged nothing, and its run was removed
	} else if err != nil {
		return err
	}
	trackingFacts(n, r)
	return nil
}

// Plans reads plans; *store.Store satisfies it.
type Plans interface {
	Plan(ctx context.Context, digest cairn.Digest) (*cairn.Plan, error)
}

// component names what a job is an instance of, where that is a file and no version of
// its own: the commit says which state of the file it was.
func (w *walk) component(n *cairn.TraceNode, j *cairn.Job) error {
	reader, ok := w.Reader.(Plans)
	if !ok {
		return nil
	}
	r, err := w.runOf(j.Run)
	if err != nil {
		return err
	}
	tasks, ok := w.tasks[r.Plan]
	if !ok {
		p, err := reader.Plan(w.ctx, r.Plan)
		if cairn.CodeOf(err) == cairn.CodeNotFound {
			return nil
		} else if err != nil {
			return err
		}
		tasks = map[string]*cairn.Task{}
		p.Walk(func(path string, node *cairn.Node) {
			if node.Task != nil {
				tasks[path] = node.Task
			}
		})
		w.tasks[r.Plan] = tasks
	}
	t := tasks[j.Node]
	if t == nil || t.Component != "" || t.ComponentName == "" && t.ComponentFile == "" {
		return nil
	}
	text := cmp.Or(t.ComponentName, t.ComponentFile)
	if t.ComponentName != "" && t.ComponentFile != "" {
		text += " (" + t.ComponentFile + ")"
	}
	fact(n, "component", text)
	return nil
}

// withoutOwn leaves out the tracking run of a task: its facts stand at the job.
func withoutOwn(ls []cairn.Link, j *cairn.Job) []cairn.Link {
	if j.Task == nil || j.Task.Tracking == "" {
		return ls
	}
	own := cairn.NewRef(cairn.KindMLRun, j.Task.Tracking)
	return slices.DeleteFunc(ls, func(l cairn.Link) bool { return l.To == own })
}

// ranCommit reports whether a job's links say which commit its code is of.
func ranCommit(ran []cairn.Link) bool {
	return slices.ContainsFunc(ran, func(l cairn.Link) bool {
		return l.To.Kind() == cairn.KindCommit || l.To.Kind() == cairn.KindTree && l.Note == dirtyNote
	})
}

// dirtyNote stands at the link to the tree of uncommitted code.
const dirtyNote = "with uncommitted changes"

// tree describes code by its digest.
func (w *walk) tree(n *cairn.TraceNode) {
	n.Digest = cairn.Digest(n.Ref.ID())
	if n.Kind == cairn.KindTree && n.Digest.Valid() {
		n.Title = treeTitle(n.Ref)
		fact(n, "digest", string(n.Digest))
	}
}

// treeTitle is what people call code that no commit names.
func treeTitle(ref cairn.Ref) string {
	if d := cairn.Digest(ref.ID()); d.Valid() {
		return "code " + d.Short()
	}
	return string(ref)
}

// loggedBy are the metrics of the nearest task behind a version that has none itself:
// what was registered by a step of its own was measured where it was trained.
func (r reading) loggedBy(n *cairn.TraceNode) []cairn.TraceFact {
	level := []*cairn.TraceNode{n}
	for depth := 0; len(level) > 0 && depth < 4; depth++ {
		var next []*cairn.TraceNode
		for _, x := range level {
			job := r.makerOf(x)
			if job == nil {
				continue
			}
			if found := metricsOf(job); len(found) > 0 {
				return found
			}
			for i := range job.Children {
				c := &job.Children[i]
				if c.Relation == cairn.RelUsed && (c.Kind == cairn.KindArtifact || c.Kind == cairn.KindModel) {
					next = append(next, c)
				}
			}
		}
		level = next
	}
	return nil
}

func metricsOf(n *cairn.TraceNode) (out []cairn.TraceFact) {
	for _, f := range n.Facts {
		if f.Group == "metric" {
			out = append(out, f)
		}
	}
	return out
}

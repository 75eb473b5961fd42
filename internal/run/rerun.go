package run

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

// RerunMode says what a new attempt does again.
type RerunMode string

// The modes of Rerun.
const (
	RerunAll    RerunMode = "all"
	RerunFailed RerunMode = "failed" // failed and cancelled jobs, and what depends on them
	RerunJob    RerunMode = "job"    // one job, and what depends on it
	// RerunStep goes on in the workspaces of jobs that failed, from a step on.
	RerunStep RerunMode = "step"
)

// RerunRequest asks for a new attempt of a completed run.
type RerunRequest struct {
	Run  cairn.RunID
	Mode RerunMode
	Job  string // modes job and step: its instance path, plan path, name or number
	Step string // mode step: its number, id or name; "": the first that failed
	By   string
	// Refresh resolves asset labels anew instead of keeping the first attempt's.
	Refresh bool
	Debug   bool
}

// Rerun starts a new attempt of a completed run. Results of jobs that are not
// done again are taken over.
func (e *Engine) Rerun(ctx context.Context, r RerunRequest) (*cairn.Run, error) {
	snap, err := e.change(ctx, r.Run, func(snap *cairn.RunSnapshot) (b cairn.RunBatch, ch cairn.Change, err error) {
		run := snap.Run
		if run.Status != cairn.StatusCompleted {
			return b, ch, cairn.Errorf(cairn.CodePending, "run %d is %s", run.ID, run.Status).WithHint("cancel it first, or wait for its end")
		}
		p, err := e.o.Store.Plan(ctx, run.Plan)
		if err != nil {
			return b, ch, err
		}
		w := &rerunner{state: NewState(snap), again: map[string]bool{}, kept: map[string]cairn.JobID{}}
		if err := w.choose(r); err != nil {
			return b, ch, err
		}
		now := e.now().UTC()
		run.Attempt++
		run.Status, run.Conclusion, run.Reason = cairn.StatusQueued, "", ""
		run.CancelBy, run.Forced = "", false
		run.StartedAt, run.FinishedAt = time.Time{}, time.Time{}
		attempt := cairn.Attempt{
			Run: run.ID, Number: run.Attempt, By: r.By, Mode: string(r.Mode), Refresh: r.Refresh, Debug: r.Debug,
			Status: cairn.StatusQueued, StartedAt: now,
		}
		if r.Mode != RerunAll {
			w.scope(p.Nodes, "", false)
			if r.Mode == RerunStep {
				if attempt.Resumed, err = e.resumes(ctx, w, r); err != nil {
					return b, ch, err
				}
			}
			if len(w.kept) > 0 {
				attempt.Kept = w.kept
			}
		}
		b.Run, b.Attempts = &run, []cairn.Attempt{attempt}
		for _, node := range w.expansions {
			b.Expansions = append(b.Expansions, cairn.Expanded{Run: run.ID, Attempt: run.Attempt, Expansion: w.state.Expansions[node]})
		}
		ch.By = r.By
		for _, path := range slices.Sorted(maps.Keys(attempt.Kept)) {
			j := w.state.Jobs[path]
			ch.Links = append(ch.Links, cairn.Link{
				From: cairn.RunRef(run.ID), Relation: cairn.RelUsed, To: cairn.JobRef(j.ID),
				Note: fmt.Sprintf("skipped: attempt %d takes the result of %s from attempt %d", run.Attempt, path, j.Attempt),
			})
		}
		return b, ch, nil
	})
	if err != nil {
		return nil, err
	}
	return &snap.Run, nil
}

// rerunner finds out which results of an attempt the next one keeps.
type rerunner struct {
	state      *State
	again      map[string]bool // rows to be done again
	kept       map[string]cairn.JobID
	expansions []string // to be taken over
	fresh      []string // nodes that stand on something that is done again
}

func (w *rerunner) choose(r RerunRequest) error {
	mode := r.Mode
	if mode == RerunStep {
		switch mode = RerunFailed; {
		case r.Job != "":
			mode = RerunJob
		case r.Step != "":
			return cairn.Errorf(cairn.CodeInvalid, "step %q of which job?", clip(r.Step, 100)).WithHint("name it with --job")
		}
	}
	switch mode {
	case RerunAll:
		return nil
	case RerunFailed:
		for path, j := range w.state.Jobs {
			if j.Call && !j.StartedAt.IsZero() {
				continue // what failed are jobs below it
			}
			if c := result(j); c == cairn.Failure || c == cairn.Cancelled {
				w.again[path] = true
			}
		}
		if len(w.again) == 0 && len(w.state.Jobs) > 0 {
			return cairn.Errorf(cairn.CodeConflict, "run %d has no failed job", r.Run).WithHint("run all of it again, or name a job")
		}
		return nil
	case RerunJob:
		var have []string
		for path, j := range w.state.Jobs {
			have = append(have, path)
			if path == r.Job || j.Node == r.Job || j.Name == r.Job || strconv.FormatInt(int64(j.ID), 10) == r.Job ||
				strings.HasPrefix(path, r.Job+"/") || strings.HasPrefix(path, r.Job+"[") {
				w.again[path] = true
			}
		}
		if len(w.again) > 0 {
			return nil
		}
		slices.Sort(have)
		err := cairn.Errorf(cairn.CodeNotFound, "run %d has no job %q", r.Run, r.Job)
		if near := cairn.Nearest(r.Job, have); near != "" {
			return err.WithHint("did you mean %s? its jobs: %s", near, strings.Join(have, ", "))
		}
		return err.WithHint("its jobs: %s", strings.Join(have, ", "))
	}
	return cairn.Errorf(cairn.CodeInvalid, "%q is no way to run again", r.Mode).
		WithHint("allowed: %s, %s, %s, %s", RerunAll, RerunFailed, RerunJob, RerunStep)
}

// scope goes through the nodes of one level. It reports whether anything in it
// is done again; all says that everything is.
func (w *rerunner) scope(nodes []cairn.Node, prefix string, all bool) bool {
	touched := map[string]bool{}
	visiting := map[string]bool{}
	any := false
	var visit func(n *cairn.Node) bool
	visit = func(n *cairn.Node) bool {
		if t, ok := touched[n.ID]; ok || visiting[n.ID] {
			return t
		}
		visiting[n.ID] = true
		whole := all
		for _, id := range n.Needs {
			for i := range nodes {
				if strings.EqualFold(nodes[i].ID, id) && visit(&nodes[i]) {
					whole = true
				}
			}
		}
		touched[n.ID] = w.node(n, prefix+n.ID, whole)
		return touched[n.ID]
	}
	for i := range nodes {
		any = visit(&nodes[i]) || any
	}
	return any
}

// node decides on one node: whole says that something it needs is done again,
// and so must be all of it.
func (w *rerunner) node(n *cairn.Node, path string, whole bool) bool {
	if whole {
		w.fresh = append(w.fresh, path)
	}
	if row := w.state.Jobs[path]; row != nil && !row.Call { // a plain job, or what stands for a node without instances
		if whole || w.again[path] {
			return true
		}
		w.kept[path] = row.ID
		return false
	}
	x, expanded := w.state.Expansions[path]
	if whole || !expanded {
		return whole
	}
	w.expansions = append(w.expansions, path)
	touched := false
	for _, in := range x.Instances {
		p := instancePath(path, in)
		row := w.state.Jobs[p]
		switch {
		case n.Kind == cairn.NodeCall:
			redo := row != nil && w.again[p]
			if w.scope(n.Body, p+"/", redo) || redo {
				touched = true
			} else if row != nil {
				w.kept[p] = row.ID
			}
		case row == nil || w.again[p]:
			touched = true
		default:
			w.kept[p] = row.ID
		}
	}
	return touched
}

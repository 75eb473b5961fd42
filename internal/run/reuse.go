package run

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"

	"github.com/cairn-ml/cairn"
)

// effectReuse looks for what an earlier job of the same key left: Decide reads no rows of
// other runs.
const effectReuse = "task.reuse"

// reuseEffect is its payload. The first fields are those of every effect on a job.
type reuseEffect struct {
	jobEffect
	Workspace string       `json:"workspace"`
	Key       cairn.Digest `json:"key"`
}

// reuse takes a ready job through the question whether it has to run at all; it reports
// whether the job goes on to a runner.
func (d *decider) reuse(l leg, row *cairn.Job) bool {
	t := row.Task
	at, ok := d.where[l.path]
	if t == nil || !ok {
		return true
	}
	switch t.Asked {
	case "":
		// A later attempt was asked for by somebody who wants it run.
		if !at.node.node.Task.Reuse || d.f.Attempt.Number > 1 || t.Key == "" {
			return true
		}
		d.do(AskReuse{Path: l.path})
		return false
	case cairn.ReuseAsked:
		return false
	case cairn.ReuseFound:
		d.do(Finish{Path: l.path, Conclusion: cairn.Success, Reason: reusedReason(t)})
		return false
	}
	return true
}

func reusedReason(t *cairn.JobTask) string {
	return fmt.Sprintf("reused: outputs of job %d of run %d", t.From, t.FromRun)
}

// askReuse notes down the effect.
func (a *active) askReuse(path string) error {
	j := a.state.Jobs[path]
	payload, err := json.Marshal(reuseEffect{
		jobEffect{Run: j.Run, Job: j.ID, Path: path, Epoch: j.Epoch}, a.state.Run.Workspace, j.Task.Key,
	})
	if err != nil {
		return err
	}
	a.changes.Effects = append(a.changes.Effects, cairn.Effect{
		ID: effectReuse + "/" + strconv.FormatInt(int64(j.ID), 10), Kind: effectReuse, Payload: payload,
	})
	return nil
}

// findReuse carries the effect out. nil: there is nothing to take.
func (e *Engine) findReuse(ctx context.Context, f cairn.Effect) (*cairn.TaskResult, error) {
	var r reuseEffect
	if err := json.Unmarshal(f.Payload, &r); err != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "the effect %s is damaged: %w", f.ID, err)
	}
	if e.o.Results == nil {
		return nil, nil
	}
	got, err := e.o.Results.Result(ctx, r.Workspace, r.Key)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return nil, nil
	}
	return got, err
}

// reuseFound brings the answer into the rows. Where it cannot be had the job runs: that
// costs time, and nothing else.
func (e *Engine) reuseFound(ctx context.Context, a *active, r effectResult) {
	if r.err != nil && !final(r.err) && r.effect.Tries+1 < 3 {
		e.retry(ctx, r)
		return
	}
	a.done = append(a.done, r.effect.ID)
	row := a.state.Jobs[r.job.Path]
	if row == nil || row.ID != r.job.Job || row.Task == nil || row.Task.Asked != cairn.ReuseAsked {
		return
	}
	if r.err != nil {
		e.complain(ctx, "looking for earlier outputs", r.err, "job", row.ID)
	}
	t := *row.Task
	t.Asked = cairn.ReuseMissed
	if r.found != nil {
		t.Asked, t.From, t.FromRun, t.Tracking = cairn.ReuseFound, r.found.Job, r.found.Run, r.found.Tracking
		a.changes.Links = append(a.changes.Links,
			cairn.Link{From: cairn.JobRef(row.ID), Relation: cairn.RelPartOf, To: cairn.RunRef(row.Run)},
			cairn.Link{From: cairn.JobRef(row.ID), Relation: cairn.RelUsed, To: cairn.JobRef(t.From), Note: "took its outputs instead of running"})
	}
	a.state.Edit(r.job.Path, func(j *cairn.Job) {
		j.Task, j.Reason = &t, ""
		if r.found != nil {
			j.Outputs = maps.Clone(r.found.Outputs)
		}
	})
}

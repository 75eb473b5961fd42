package server

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/cairn-ml/cairn"
)

// taskMoves is the name of the cursor up to which the ends of tasks were looked at.
const taskMoves = "tasks"

// taskFollower looks at the ends of tasks and of runs of jobs' files: what was asked to
// lie at a path of a datastore is noted, and tracking runs that nobody ended end.
type taskFollower struct {
	mu      sync.Mutex
	started bool
	at      int64
	kept    int64
	plans   map[cairn.Digest]*cairn.Plan
}

// keepTasks follows for as long as this owner is there.
func (s *Server) keepTasks(ctx context.Context) {
	signal, stop := s.store.Watch()
	defer stop()
	for {
		if err := s.followTasks(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("the ends of tasks cannot be looked at", "error", err)
		}
		if !wait(ctx, nil, loopPause) || !wait(ctx, signal, loopLooks) {
			return
		}
	}
}

// followTasks looks at all that has ended until now. After a crash it looks at some of
// it again, which changes nothing.
func (s *Server) followTasks(ctx context.Context) error {
	f := &s.tasks
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.started {
		at, known, err := s.store.Cursor(ctx, taskMoves)
		if err != nil {
			return err
		}
		if !known { // there were no tasks before
			if at, err = s.store.LastEvent(ctx); err != nil {
				return err
			}
			if err := s.store.MoveCursor(ctx, taskMoves, at, nil); err != nil {
				return err
			}
		}
		f.at, f.kept, f.started, f.plans = at, at, true, map[cairn.Digest]*cairn.Plan{}
	}
	for {
		ends, next, err := s.store.TaskEnds(ctx, f.at, loopBatch)
		if err != nil {
			return err
		}
		for i := range ends {
			if err := s.taskEnded(ctx, f, &ends[i]); err != nil {
				return err
			}
		}
		f.at = next
		if len(ends) > 0 || next-f.kept >= keepEvery {
			if err := s.store.MoveCursor(ctx, taskMoves, next, nil); err != nil {
				return err
			}
			f.kept = next
		}
		if len(ends) < loopBatch {
			return nil
		}
	}
}

func (s *Server) taskEnded(ctx context.Context, f *taskFollower, e *cairn.TaskEnd) error {
	if r := e.Run; r != nil {
		if r.Submitted == nil || r.Submitted.Tracking == "" {
			return nil
		}
		if err := s.noteBest(ctx, r); err != nil {
			return err
		}
		return s.endTracked(ctx, r.Submitted.Tracking, r.Conclusion)
	}
	j := e.Job
	if j == nil || j.Task == nil {
		return nil
	}
	if j.Task.From == 0 && j.Task.Tracking != "" {
		if err := s.endTracked(ctx, j.Task.Tracking, j.Conclusion); err != nil {
			return err
		}
	}
	if j.Conclusion != cairn.Success || len(j.Outputs) == 0 {
		return nil
	}
	return s.noteOutputs(ctx, f, j)
}

// bestChild is the property of a sweep that names its best trial.
const bestChild = "best_child_run_id"

// noteBest notes which trial of a sweep was the best.
func (s *Server) noteBest(ctx context.Context, r *cairn.Run) error {
	if r.Submitted.Type != "sweep" || r.Submitted.Properties[bestChild] != "" {
		return nil
	}
	js, err := s.store.Jobs(ctx, r.ID, r.Attempt, false)
	if err != nil {
		return err
	}
	for i := range js {
		t := js[i].Task
		if t == nil || !t.Best {
			continue
		}
		name := childName(r.Submitted.Name, js[i].Path)
		if _, err := s.store.ChangeSubmitted(ctx, r.ID, r.Actor, func(x *cairn.Submitted) error {
			if x.Properties == nil {
				x.Properties = map[string]string{}
			}
			x.Properties[bestChild] = name
			return nil
		}); err != nil {
			return err
		}
		return s.store.LogParams(ctx, r.Submitted.Tracking, nil, []cairn.Param{{Key: bestChild, Value: t.Tracking}})
	}
	return nil
}

// endTracked ends a tracking run that is still open.
func (s *Server) endTracked(ctx context.Context, id string, end cairn.Conclusion) error {
	r, err := s.store.MLRunInfo(ctx, id)
	if cairn.CodeOf(err) == cairn.CodeNotFound || err == nil && r.Status != cairn.MLRunning && r.Status != cairn.MLScheduled {
		return nil
	} else if err != nil {
		return err
	}
	status := cairn.MLFailed
	switch end {
	case cairn.Success:
		status = cairn.MLFinished
	case cairn.Cancelled, cairn.Skipped:
		status = cairn.MLKilled
	}
	now := s.now().UTC()
	_, err = s.store.SaveMLRun(ctx, id, func(r *cairn.MLRun) error {
		r.Status, r.EndTime, r.UpdatedAt = status, now.UnixMilli(), now
		return nil
	}, cairn.Change{By: r.By, Events: []cairn.Event{{Run: r.Run, Kind: cairn.EvMLRun, Subject: r.Ref()}}})
	return err
}

// defaultDatastore is where outputs lie for which the file names no place.
const defaultDatastore = "workspaceblobstore"

// noteOutputs notes where the outputs of a task lie, by the names of datastores.
func (s *Server) noteOutputs(ctx context.Context, f *taskFollower, j *cairn.Job) error {
	r, err := s.store.Run(ctx, j.Run)
	if err != nil || r.Submitted == nil {
		return err
	}
	p := f.plans[r.Plan]
	if p == nil {
		if p, err = s.store.Plan(ctx, r.Plan); err != nil {
			return err
		}
		if len(f.plans) > 100 {
			clear(f.plans)
		}
		f.plans[r.Plan] = p
	}
	node := nodeAt(p, j.Node)
	if node == nil || node.Task == nil {
		return nil
	}
	name := childName(r.Submitted.Name, j.Path)
	if j.Path == mainNode && r.Submitted.Type != "pipeline" {
		name = r.Submitted.Name
	}
	for _, o := range node.Task.Outputs {
		v, ok := cairn.DecodeData(j.Outputs[o.Name])
		if !ok {
			continue
		}
		at := fmt.Sprintf("azureml://datastores/%s/paths/azureml/%s/%s/", defaultDatastore, name, o.Name)
		for _, uri := range []string{at, outputPlace(o.Path, name, o.Name)} {
			ds, place, ok := datastoreURI(uri)
			if !ok {
				continue
			}
			if v.Asset = cmpOr(v.Asset, o.Type); v.Name == "" && v.Type == "file" {
				v.Name = o.Name
			}
			if err := s.store.PutDatastorePath(ctx, cairn.DatastorePath{
				Workspace: Workspace, Datastore: ds, Path: strings.Trim(place, "/"), Data: v, Job: j.ID, At: j.FinishedAt,
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

// outputPlace fills in what a location is written with.
func outputPlace(text, name, output string) string {
	for word, value := range map[string]string{"name": name, "output_name": output, "default_datastore": defaultDatastore} {
		text = strings.NewReplacer("${{"+word+"}}", value, "${{ "+word+" }}", value).Replace(text)
	}
	return text
}

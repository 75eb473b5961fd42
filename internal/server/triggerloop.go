package server

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/trigger"
)

// starts keeps what was last read of default branches.
type starts struct {
	mu sync.Mutex
	of map[string]readWorkflows
}

type readWorkflows struct {
	head string
	all  []candidate
}

// raise notes events durably and takes them in. What cannot be taken in now is
// tried again by the loop, also by the next owner.
func (s *Server) raise(ctx context.Context, by string, es ...cairn.TriggerEvent) ([]cairn.RunID, []string, error) {
	if err := s.store.PutTriggers(ctx, es, cairn.Change{By: by}); err != nil {
		return nil, nil, err
	}
	runs, notes := s.deliverAll(ctx, es)
	return runs, notes, nil
}

// deliverAll takes in events that are written down already.
func (s *Server) deliverAll(ctx context.Context, es []cairn.TriggerEvent) ([]cairn.RunID, []string) {
	runs, notes := []cairn.RunID{}, []string{}
	for _, e := range es {
		t, say, err := s.deliver(context.WithoutCancel(ctx), e)
		if err != nil {
			say = append(say, e.Event+" is tried again: "+err.Error())
		}
		runs, notes = append(runs, t.Runs...), append(notes, say...)
	}
	return runs, notes
}

// Bounds of trying to take an event in.
const (
	deliverTries = 40
	deliverPause = 2 * time.Second
	deliverMax   = 10 * time.Minute
)

// deliver takes one event in, unless that was done before.
func (s *Server) deliver(ctx context.Context, e cairn.TriggerEvent) (cairn.Trigger, []string, error) {
	unlock, err := s.submits.lock(ctx, "event\x00"+e.Key)
	if err != nil {
		return cairn.Trigger{}, nil, err
	}
	defer unlock()
	if done, err := s.store.Trigger(ctx, e.Key); err != nil {
		return cairn.Trigger{}, nil, err
	} else if done != nil {
		// The loop was faster: whoever asks is told the same.
		return *done, s.startedNotes(ctx, done), nil
	}
	t, notes, err := s.takeIn(ctx, e)
	if err != nil {
		tries, rerr := s.store.TriggerRetry(ctx, e.Key, deliverPause, deliverMax)
		if rerr != nil {
			return t, notes, rerr
		}
		if tries < deliverTries {
			return t, notes, err
		}
		s.log.Error("an event is given up", "event", e.Event, "repository", e.Repository, "key", e.Key, "tries", tries, "error", err)
	}
	return t, notes, s.store.TriggerDone(ctx, e.Key, t)
}

// startedNotes says what an event has started that was taken in before.
func (s *Server) startedNotes(ctx context.Context, t *cairn.Trigger) []string {
	var out []string
	for _, id := range t.Runs {
		// A run that cannot be read is not told of: it is only a word to who pushed.
		if r, err := s.store.Run(ctx, id); err == nil {
			out = append(out, s.startedNote(id, r.Workflow))
		}
	}
	return out
}

// loopPause is how long the loop rests between two looks, so that it does not wake
// with each commit of a busy home; loopLooks how often it looks at least.
const (
	loopPause = 100 * time.Millisecond
	loopLooks = 15 * time.Second
	loopBatch = 200
)

// runMoves is the name of the cursor behind which runs have raised their events.
const runMoves = "workflow_run"

// takeEvents takes in what other parts wrote down, and turns the moves of runs into
// workflow_run events.
func (s *Server) takeEvents(ctx context.Context) {
	signal, stop := s.store.Watch()
	defer stop()
	f := &runFollower{s: s, seen: map[cairn.RunID]string{}}
	for {
		if err := f.follow(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("the moves of runs cannot be read", "error", err)
		}
		es, err := s.store.PendingTriggers(ctx, loopBatch)
		if err != nil && ctx.Err() == nil {
			s.log.Error("events cannot be read", "error", err)
		}
		for _, e := range es {
			if _, _, err := s.deliver(ctx, e); err != nil && ctx.Err() == nil {
				s.log.Warn("an event is tried again", "event", e.Event, "repository", e.Repository, "key", e.Key, "error", err)
			}
		}
		if !wait(ctx, nil, loopPause) || !wait(ctx, signal, loopLooks) {
			return
		}
	}
}

// wait returns at a signal or after a time; false when ctx ends.
func wait(ctx context.Context, signal <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-signal:
	case <-t.C:
	}
	return true
}

// runFollower reads what became of runs.
type runFollower struct {
	s       *Server
	started bool
	at      int64 // read up to here
	kept    int64 // written down
	seen    map[cairn.RunID]string
}

// keepEvery is how many events may be read again after a crash: they raise nothing
// twice, so that their place need not be written with each commit.
const keepEvery = 5000

func (f *runFollower) follow(ctx context.Context) error {
	if !f.started {
		at, known, err := f.s.store.Cursor(ctx, runMoves)
		if err != nil {
			return err
		}
		if !known { // runs from before there were such events raise none
			if at, err = f.s.store.LastEvent(ctx); err != nil {
				return err
			}
			if err := f.s.store.MoveCursor(ctx, runMoves, at, nil); err != nil {
				return err
			}
		}
		f.at, f.kept, f.started = at, at, true
	}
	for {
		moves, next, err := f.s.store.RunMoves(ctx, f.at, loopBatch)
		if err != nil {
			return err
		}
		var es []cairn.TriggerEvent
		for i := range moves {
			if e := f.event(ctx, &moves[i].Run, moves[i].Kind); e != nil {
				es = append(es, *e)
			}
		}
		if len(es) > 0 || next-f.kept >= keepEvery {
			if err := f.s.store.MoveCursor(ctx, runMoves, next, es); err != nil {
				return err
			}
			f.kept = next
		}
		f.at = next
		if len(moves) < loopBatch {
			return nil
		}
	}
}

// event is the workflow_run event of a change of a run; nil where there is none,
// or nobody waits for it.
func (f *runFollower) event(ctx context.Context, r *cairn.Run, kind string) *cairn.TriggerEvent {
	action := ""
	switch {
	case kind == cairn.EvRunCreated:
		action = "requested"
	case r.Status == cairn.StatusRunning:
		action = "in_progress"
	case r.Status == cairn.StatusCompleted:
		action = "completed"
	default:
		return nil
	}
	state := fmt.Sprintf("%d:%s", r.Attempt, action)
	if f.seen[r.ID] == state {
		return nil
	}
	f.seen[r.ID] = state
	if action == "completed" {
		delete(f.seen, r.ID)
	}
	if r.Dirty || len(r.Only) > 0 {
		// A try of uncommitted code, or of some jobs, says nothing of the commit that the
		// workflow behind it would deploy.
		return nil
	}
	s := f.s
	repo, err := s.store.Repository(ctx, r.Workspace, r.Repository)
	if err != nil || !s.listens(ctx, repo, "workflow_run") {
		return nil
	}
	payload, err := json.Marshal(s.site(repo).WorkflowRun(action, r))
	if err != nil {
		return nil // plain fields always encode
	}
	branch := r.HeadRef
	if branch == "" {
		branch = trigger.RefName(r.Ref)
	}
	return &cairn.TriggerEvent{
		Key: fmt.Sprintf("workflow_run:%d:%s", r.ID, state), Repository: r.Repository, Event: "workflow_run", Action: action,
		HeadRef: branch, WorkflowName: r.Workflow, Chain: r.Chain + 1, Payload: payload, By: r.Actor,
	}
}

// listens reports whether the default branch may have a workflow that runs on an
// event, without reading it whole: wrongly saying yes only costs time.
func (s *Server) listens(ctx context.Context, repo cairn.Repository, event string) bool {
	refs, err := s.store.RecordedRefs(ctx, repo.Name)
	if err != nil {
		return true
	}
	if head := refs["refs/heads/"+repo.DefaultBranch].SHA; head != "" && head != zeroSHA {
		all, err := s.defaultWorkflows(ctx, repo, head)
		if err != nil {
			return true
		}
		for i := range all {
			if all[i].workflow != nil {
				if _, ok := all[i].workflow.Event(event); ok {
					return true
				}
			}
		}
		return false
	}
	if repo.WorkDir == "" {
		return false
	}
	// It was never pushed. What lies in the folder is near enough for a first look.
	dir := filepath.Join(repo.WorkDir, filepath.FromSlash(workflowDir))
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); ext != ".yml" && ext != ".yaml" || !e.Type().IsRegular() {
			continue
		}
		if fi, err := e.Info(); err != nil || fi.Size() > 1<<20 {
			continue
		}
		if b, err := os.ReadFile(filepath.Join(dir, e.Name())); err == nil && strings.Contains(string(b), event) {
			return true
		}
	}
	return false
}

// defaultWorkflows reads the workflows of a default branch's newest commit, once
// for each commit.
func (s *Server) defaultWorkflows(ctx context.Context, repo cairn.Repository, head string) ([]candidate, error) {
	s.starts.mu.Lock()
	defer s.starts.mu.Unlock()
	if x, ok := s.starts.of[repo.Name]; ok && x.head == head {
		return x.all, nil
	}
	snap, err := s.host.Snapshot(ctx, repo.Name, head)
	if err != nil {
		return nil, err
	}
	all, err := s.workflows(ctx, &code{repo: repo, snap: snap})
	if err != nil {
		return nil, err
	}
	if s.starts.of == nil || len(s.starts.of) > 200 {
		s.starts.of = map[string]readWorkflows{}
	}
	s.starts.of[repo.Name] = readWorkflows{head, all}
	return all, nil
}

package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/auth"
	"github.com/cairn-ml/cairn/internal/plan"
	"github.com/cairn-ml/cairn/internal/trigger"
)

// takeIn starts the workflows that an event matches. It says what became of each of
// them, and in sentences what who caused the event should know. It may be called
// again for the same event after a crash: each of its runs has a key. An error is one
// that passes: then the event is taken in again.
func (s *Server) takeIn(ctx context.Context, e cairn.TriggerEvent) (cairn.Trigger, []string, error) {
	log := s.log.With("event", e.Event, "action", e.Action, "repository", e.Repository, "ref", e.Ref, "key", e.Key)
	t := cairn.Trigger{Runs: []cairn.RunID{}, Details: []cairn.TriggerOutcome{}}
	if why := trigger.OwnToken(e.Event); why != "" && byJob(e.By) {
		log.Info("an event starts nothing", "why", why)
		return t, []string{"no run starts: " + why}, nil
	}
	ctx = auth.With(ctx, s.causer(ctx, e.By))
	c, err := s.eventCode(ctx, &e)
	if k := cairn.CodeOf(err); k == cairn.CodeInvalid || k == cairn.CodeNotFound {
		log.Info("an event of something that is no commit starts nothing", "sha", e.SHA, "error", err)
		return t, nil, nil
	} else if err != nil {
		return t, nil, err
	}
	c.fork = e.Untrusted
	e.Untrusted = e.Untrusted || s.config.untrusted(c.snap.Ref, runHead(&e))
	all, err := s.workflows(ctx, c)
	if err != nil {
		return t, nil, err
	}
	notes, all, err := s.eventRules(ctx, c, all)
	if err != nil {
		return t, nil, err
	}
	if e.Message == "" {
		e.Message = cmpOr(c.snap.Commit.Message, c.snap.Commit.Subject)
	}
	files := s.eventFiles(ctx, &e, all)
	var errs []error
	for i := range all {
		d, note, err := s.runEvent(ctx, c, &all[i], &e, files)
		t.Details = append(t.Details, d)
		if d.Run != 0 {
			t.Runs = append(t.Runs, d.Run)
		}
		if note != "" {
			notes = append(notes, note)
		}
		errs = append(errs, err)
	}
	if by, skip := trigger.Skips(e.Event, e.Message); skip && slices.ContainsFunc(all, func(w candidate) bool { return w.on(e.Event) }) {
		notes = append(notes, "no run starts: the commit's message says "+by)
	}
	return t, notes, errors.Join(errs...)
}

// on reports whether a workflow runs on an event, whatever its filters say.
func (w *candidate) on(event string) bool {
	if w.workflow == nil {
		return false
	}
	_, ok := w.workflow.Event(event)
	return ok
}

// byJob reports whether a job's own token acts under the name.
func byJob(name string) bool { return strings.HasPrefix(name, cairn.KindJob+"/") }

// causer is who runs of an event are recorded for.
func (s *Server) causer(ctx context.Context, name string) cairn.Principal {
	if p, ok := auth.From(ctx); ok && p.Name == name {
		return p
	}
	if p, err := s.store.Principal(ctx, name); err == nil {
		return p
	}
	return cairn.Principal{Name: cmpOr(name, "unknown"), Role: cairn.RoleWriter}
}

// eventCode finds the commit whose workflow files count for an event, and which
// runs.
func (s *Server) eventCode(ctx context.Context, e *cairn.TriggerEvent) (*code, error) {
	repo, err := s.store.Repository(ctx, Workspace, e.Repository)
	if err != nil {
		return nil, err
	}
	ref, rev := e.Ref, e.SHA
	if trigger.OnDefaultBranch(e.Event) {
		ref = "refs/heads/" + repo.DefaultBranch
		rev = ref
	} else if rev == "" {
		rev = ref
	}
	snap, err := s.host.Snapshot(ctx, repo.Name, rev)
	if cairn.CodeOf(err) == cairn.CodeNotFound && repo.WorkDir != "" && rev == "refs/heads/"+repo.DefaultBranch {
		// It was never pushed: what is committed in the working tree counts.
		snap, err = s.host.Import(ctx, repo.Name, repo.WorkDir, rev)
	}
	if err != nil {
		return nil, err
	}
	snap.Ref = ref
	return &code{repo: repo, snap: snap, event: e}, nil
}

// eventRules takes in the stages that the code describes. Where they are not valid
// no workflow starts. Code that nobody here answers for changes no rules.
func (s *Server) eventRules(ctx context.Context, c *code, all []candidate) ([]string, []candidate, error) {
	if c.event.Untrusted || len(all) == 0 {
		return nil, all, nil
	}
	notes, err := s.stageRules(ctx, c)
	if err != nil && passes(err) {
		return nil, nil, err
	} else if err != nil {
		problems := cairn.AsError(err).Problems
		s.log.Warn("the stages of an event are not valid", "event", c.event.Event, "repository", c.repo.Name, "commit", c.snap.Commit.SHA, "error", err, "problems", problems)
		return []string{"no run starts: " + err.Error() + ": " + firstProblem(problems)}, nil, nil
	}
	return notes, all, nil
}

// eventFiles are the changed files, if some workflow asks for them.
func (s *Server) eventFiles(ctx context.Context, e *cairn.TriggerEvent, all []candidate) trigger.Files {
	asked := false
	for i := range all {
		asked = asked || all[i].workflow != nil && all[i].workflow.HasPaths(e.Event)
	}
	switch {
	case !asked || e.AllFiles:
		return trigger.Files{}
	case e.Changed != nil:
		return trigger.Files{Known: true, Paths: e.Changed}
	}
	files, err := s.host.PushedFiles(ctx, e.Repository, e.Ref, e.Before, e.SHA, e.Beside, trigger.MaxCommits)
	if err != nil {
		s.log.Warn("the files of an event cannot be compared: path filters let it pass", "event", e.Event, "repository", e.Repository, "error", err)
		return trigger.Files{}
	}
	return trigger.Files{Known: files != nil, Paths: files}
}

// runEvent starts one workflow if the event matches. What is wrong with one file
// keeps no other from running; it is noted in the log.
func (s *Server) runEvent(ctx context.Context, c *code, w *candidate, e *cairn.TriggerEvent, files trigger.Files) (d cairn.TriggerOutcome, note string, err error) {
	d.Workflow = w.path
	log := s.log.With("event", e.Event, "repository", c.repo.Name, "ref", e.Ref, "commit", c.snap.Commit.SHA, "workflow", w.path)
	if w.workflow == nil || cairn.HasErrors(w.problems) {
		d.Why = "it is not a valid workflow: " + firstProblem(w.problems)
		if e.Event != "push" {
			return d, "", nil
		}
		log.Warn("a workflow is not valid", "problems", len(w.problems), "first", firstProblem(w.problems))
		return d, "not valid: " + firstProblem(w.problems), nil
	}
	v := trigger.Decide(w.workflow, e, files, e.Message)
	d.Why, d.Position = v.Why, v.Pos
	if !v.Starts {
		log.Debug("an event does not start a workflow", "why", v.Why)
		return d, "", nil
	}
	d.Starts = true
	created, err := s.startOnce(ctx, c, w, e)
	if err != nil {
		d.Why = err.Error()
		note = w.path + " started no run: " + err.Error()
		log.Error("an event started no run", "error", err, "problems", cairn.AsError(err).Problems)
		if passes(err) {
			return d, note, err
		}
		return d, note, nil
	}
	d.Run = created.ID
	return d, s.startedNote(created.ID, created.Workflow), nil
}

// startOnce starts the run of an event and a workflow, or answers the one that was
// started before.
func (s *Server) startOnce(ctx context.Context, c *code, w *candidate, e *cairn.TriggerEvent) (*cairn.Run, error) {
	key := e.Key + ":" + w.path
	unlock, err := s.submits.lock(ctx, key)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if old, err := s.submitted(ctx, key); err != nil {
		return nil, err
	} else if old != nil {
		return &old.Run, nil
	}
	p, err := s.plan(ctx, c, w, plan.Trigger{Event: e.Event, Ref: c.snap.Ref, SHA: c.snap.Commit.SHA, Payload: e.Payload, Inputs: e.Inputs})
	if err != nil {
		return nil, err
	}
	return s.start(ctx, c, w, p, client.RunRequest{Payload: e.Payload}, key)
}

func (s *Server) startedNote(id cairn.RunID, workflow string) string {
	return fmt.Sprintf("run %d started: %s (%s/runs/%d)", id, workflow, s.url, id)
}

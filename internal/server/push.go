package server

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/auth"
	"github.com/cairn-ml/cairn/internal/git"
)

// pushNotes keeps what a push started until it is told to who pushed.
type pushNotes struct {
	mu sync.Mutex
	of map[string][]string
}

func (n *pushNotes) add(push, line string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.of == nil || len(n.of) > 1000 { // pushes found at start are told to nobody
		n.of = map[string][]string{}
	}
	n.of[push] = append(n.of[push], line)
}

// message is shown to who pushed.
func (s *Server) message(_ context.Context, pushes []git.Push) string {
	s.notes.mu.Lock()
	defer s.notes.mu.Unlock()
	var lines []string
	for _, p := range pushes {
		lines = append(lines, s.notes.of[p.ID]...)
		delete(s.notes.of, p.ID)
	}
	return strings.Join(lines, "\n")
}

// createRepository notes a repository that a first push makes.
func (s *Server) createRepository(ctx context.Context, name string) error {
	r := cairn.Repository{Workspace: Workspace, Name: name, DefaultBranch: "main", CreatedAt: time.Now().UTC()}
	if _, err := s.store.Repository(ctx, Workspace, name); cairn.CodeOf(err) != cairn.CodeNotFound {
		return err
	}
	return s.store.PutRepository(ctx, r, cairn.Change{By: auth.Actor(ctx).Name})
}

// onPush takes in what follows from a push: the runs of its events, and what they
// mean for pull requests. It may be called again for the same push after a crash.
func (s *Server) onPush(ctx context.Context, p git.Push) error {
	ctx = auth.With(ctx, s.causer(ctx, p.By))
	repo, err := s.store.Repository(ctx, Workspace, p.Repo)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		if err := s.createRepository(ctx, p.Repo); err != nil {
			return err
		}
		repo, err = s.store.Repository(ctx, Workspace, p.Repo)
	}
	if err != nil {
		return err
	}
	if err := s.firstBranch(ctx, &repo, p); err != nil {
		return err
	}
	var errs []error
	for _, e := range pushEvents(p) {
		if e.Payload, err = s.pushPayload(ctx, repo, p, e.Event); err != nil {
			return err
		}
		_, notes, err := s.takeIn(ctx, e)
		for _, n := range notes {
			s.notes.add(p.ID, n)
		}
		errs = append(errs, err)
	}
	if p.Ref == "refs/heads/"+repo.DefaultBranch {
		s.lookAtClock()
	}
	notes, err := s.pushedPulls(ctx, p)
	for _, n := range notes {
		s.notes.add(p.ID, n)
	}
	return errors.Join(append(errs, err)...)
}

// manyTags is how many tags may move at once and still be events, as on GitHub.
const manyTags = 3

// pushEvents are the events of one ref that moved.
func pushEvents(p git.Push) []cairn.TriggerEvent {
	tags := 0
	for _, ref := range p.Beside {
		if strings.HasPrefix(ref, "refs/tags/") {
			tags++
		}
	}
	if strings.HasPrefix(p.Ref, "refs/tags/") && tags > manyTags {
		return nil
	}
	e := cairn.TriggerEvent{Repository: p.Repo, Ref: p.Ref, SHA: p.New, Before: p.Old, By: p.By, Beside: p.Beside}
	event := func(name string) cairn.TriggerEvent {
		x := e
		x.Event, x.Key = name, name+":"+p.ID
		return x
	}
	switch {
	case p.Deleted():
		x := event("delete")
		x.SHA = ""
		return []cairn.TriggerEvent{x}
	case p.Created():
		return []cairn.TriggerEvent{event("create"), event("push")}
	}
	return []cairn.TriggerEvent{event("push")}
}

// firstBranch makes the first branch that is pushed the default one.
func (s *Server) firstBranch(ctx context.Context, r *cairn.Repository, p git.Push) error {
	branch, ok := strings.CutPrefix(p.Ref, "refs/heads/")
	if !ok || !p.Created() || branch == r.DefaultBranch {
		return nil
	}
	refs, err := s.host.Refs(ctx, r.Name)
	if err != nil || refs["refs/heads/"+r.DefaultBranch] != "" {
		return err
	}
	r.DefaultBranch = branch
	return s.store.PutRepository(ctx, *r, cairn.Change{By: auth.Actor(ctx).Name})
}

// passes reports whether trying again later may help: a full disk, an owner that
// is just ending.
func passes(err error) bool {
	return cairn.CodeOf(err) == cairn.CodeUnavailable || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

func firstProblem(ps []cairn.Problem) string {
	for _, p := range ps {
		if p.Severity == cairn.SeverityError {
			return p.String() + ": " + p.Message
		}
	}
	return ""
}

package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/auth"
	"github.com/cairn-ml/cairn/internal/git"
	"github.com/cairn-ml/cairn/internal/plan"
)

// allowGit decides who may fetch and push. A push is asked who it is from even
// where the connection is trusted: the run is that person's. The user of this
// machine may answer with an empty name and password.
func allowGit(ctx context.Context, _ string, write bool) error {
	if !write {
		return auth.Check(ctx, auth.Need{Role: cairn.RoleReader, Jobs: true})
	}
	if !auth.Asked(ctx) {
		return cairn.Errorf(cairn.CodeUnauthenticated, "a push needs a token").
			WithHint("make one with: cairn token create; any user name, the token as the password")
	}
	return auth.Check(ctx, auth.Need{Role: cairn.RoleWriter})
}

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

// onPush starts the workflows that a push matches. It may be called again for
// the same push after a crash: each of its runs has a key.
func (s *Server) onPush(ctx context.Context, p git.Push) error {
	if p.Deleted() {
		return nil
	}
	ctx = auth.With(ctx, s.pusher(ctx, p.By))
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
	snap, err := s.host.Snapshot(ctx, p.Repo, p.New)
	if c := cairn.CodeOf(err); c == cairn.CodeInvalid || c == cairn.CodeNotFound {
		s.log.Info("a push of something that is no commit starts nothing", "repository", p.Repo, "ref", p.Ref, "error", err)
		return nil
	} else if err != nil {
		return err
	}
	snap.Ref = p.Ref
	c := &code{repo, snap}
	all, err := s.workflows(ctx, c)
	if err != nil {
		return err
	}
	notes, err := s.stageRules(ctx, c)
	if err != nil && passes(err) {
		return err
	} else if err != nil {
		s.log.Warn("the stages of a push are not valid", "repository", p.Repo, "ref", p.Ref, "commit", p.New, "error", err, "problems", cairn.AsError(err).Problems)
		notes = []string{"no run starts: " + err.Error() + ": " + firstProblem(cairn.AsError(err).Problems)}
		all = nil
	}
	for _, n := range notes {
		s.notes.add(p.ID, n)
	}
	changed := s.changed(ctx, p)
	var errs []error
	for i := range all {
		errs = append(errs, s.runPushed(ctx, c, &all[i], p, changed))
	}
	return errors.Join(errs...)
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

// pusher is who a push is recorded for.
func (s *Server) pusher(ctx context.Context, name string) cairn.Principal {
	if p, ok := auth.From(ctx); ok && p.Name == name {
		return p
	}
	if p, err := s.store.Principal(ctx, name); err == nil {
		return p
	}
	return cairn.Principal{Name: cmpOr(name, "unknown"), Role: cairn.RoleWriter}
}

// changed lists the files of a push; nil when that is not known.
func (s *Server) changed(ctx context.Context, p git.Push) []string {
	if p.Created() {
		return nil
	}
	files, err := s.host.ChangedFiles(ctx, p.Repo, p.Old, p.New)
	if err != nil {
		s.log.Warn("the files of a push cannot be compared: path filters let it pass", "repository", p.Repo, "error", err)
		return nil
	}
	return files
}

// runPushed starts one workflow if the push matches. What is wrong with one file
// keeps no other from running; it is noted in the log. An error is one that
// passes: then the push is handled again.
func (s *Server) runPushed(ctx context.Context, c *code, w *candidate, p git.Push, changed []string) error {
	log := s.log.With("repository", p.Repo, "ref", p.Ref, "commit", p.New, "workflow", w.path)
	if w.workflow == nil || cairn.HasErrors(w.problems) {
		log.Warn("a pushed workflow is not valid", "problems", len(w.problems), "first", firstProblem(w.problems))
		s.notes.add(p.ID, "not valid: "+firstProblem(w.problems))
		return nil
	}
	if ok, why := w.workflow.Matches("push", p.Ref, changed, ""); !ok {
		log.Debug("a push does not start a workflow", "why", why)
		return nil
	}
	key := "push:" + p.ID + ":" + w.path
	if old, err := s.submitted(ctx, key); err != nil || old != nil {
		return err
	}
	planned, err := s.plan(ctx, c, w, plan.Trigger{Event: "push", Ref: p.Ref, SHA: p.New})
	if err == nil {
		var payload []byte
		if payload, err = pushPayload(p); err == nil {
			var created *cairn.Run
			if created, err = s.start(ctx, c, w, planned, client.RunRequest{Payload: payload}, key); err == nil {
				s.notes.add(p.ID, fmt.Sprintf("run %d started: %s (%s/runs/%d)", created.ID, created.Workflow, s.url, created.ID))
			}
		}
	}
	if err != nil {
		s.notes.add(p.ID, w.path+" started no run: "+err.Error())
		log.Error("a push started no run", "error", err, "problems", cairn.AsError(err).Problems)
		if passes(err) {
			return err
		}
	}
	return nil
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

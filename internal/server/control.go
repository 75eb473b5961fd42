package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/auth"
	"github.com/cairn-ml/cairn/internal/plan"
	"github.com/cairn-ml/cairn/internal/run"
	"github.com/cairn-ml/cairn/internal/runner"
)

// Submit takes the code in, plans the workflow and starts the run.
func (s *Server) Submit(ctx context.Context, r client.RunRequest) (*client.RunCreated, error) {
	key := ""
	if r.Key != "" {
		key = auth.Actor(ctx).Name + ":" + r.Key
		// A client that tries again may come while its first request is under way.
		unlock, err := s.submits.lock(ctx, key)
		if err != nil {
			return nil, err
		}
		defer unlock()
		if old, err := s.submitted(ctx, key); err != nil || old != nil {
			return old, err
		}
	}
	if err := checkInputs(r.Inputs); err != nil {
		return nil, err
	}
	c, err := s.code(ctx, r)
	if err != nil {
		return nil, err
	}
	w, err := s.oneWorkflow(ctx, c, r)
	if err != nil {
		return nil, err
	}
	p, err := s.plan(ctx, c, w, byHand(c, w, r))
	if err != nil {
		return nil, err
	}
	notes, err := s.stageRules(ctx, c)
	if err != nil {
		return nil, err
	}
	created, err := s.start(ctx, c, w, p, r, key)
	if err != nil {
		return nil, err
	}
	return &client.RunCreated{Run: *created, Warnings: p.warnings, Notes: append(c.notes(), notes...)}, nil
}

// submitted answers the run that a request of the same key made.
func (s *Server) submitted(ctx context.Context, key string) (*client.RunCreated, error) {
	id, err := s.store.Submission(ctx, key)
	if err != nil || id == 0 {
		return nil, err
	}
	old, err := s.store.Run(ctx, id)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return nil, nil // the owner ended between noting the key and writing the run
	} else if err != nil {
		return nil, err
	}
	return &client.RunCreated{Run: old}, nil
}

// start hands a plan to the engine.
func (s *Server) start(ctx context.Context, c *code, w *candidate, p *planned, r client.RunRequest, key string) (*cairn.Run, error) {
	payload, err := s.payload(ctx, c, w, p.plan, r.Payload)
	if err != nil {
		return nil, err
	}
	req := run.Request{
		Workspace: Workspace, Repository: c.repo.Name, Plan: p.plan, Payload: payload, Commit: c.snap.Commit, Ref: c.snap.Ref,
		Dirty: c.snap.Dirty, TreeGit: c.snap.TreeGit, Actor: auth.Actor(ctx).Name, Only: r.Jobs,
		EnvNames: names(r.EnvFile), WorkDir: c.workDir(), Interactive: r.Step, AllowSudo: r.AllowSudo, Debug: r.Debug,
	}
	if e := c.event; e != nil {
		req.HeadRef, req.BaseRef, req.Untrusted, req.Chain, req.TitleNote = runHead(e), e.BaseRef, e.Untrusted, e.Chain, e.Reason
		req.Title = eventTitle(e, p.plan)
		if c.fork && s.config.Forks != forksRun {
			req.Ask = codeOfAFork
		}
	}
	req.Untrusted = req.Untrusted || s.config.untrusted(req.Ref, req.HeadRef)
	if req.Untrusted && len(r.EnvFile) > 0 {
		return nil, cairn.Errorf(cairn.CodeForbidden, "code of %s is not trusted: it is given no values of an env file", cmpOr(req.HeadRef, req.Ref)).
			WithHint("run it without --env-file, or take the branch out of untrusted in config.yaml")
	}
	if c.snap.Dirty {
		// A clean tree is named by its commit; of a dirty one nothing else is left.
		if req.TreeDigest, err = s.host.ToTree(ctx, c.repo.Name, c.snap.TreeGit, s.blobs); err != nil {
			return nil, err
		}
	}
	req.Prepare = func(ctx context.Context, created *cairn.Run) error {
		if key != "" {
			if err := s.store.PutSubmission(ctx, key, created.ID); err != nil {
				return err
			}
		}
		return s.people.KeepEnvFile(ctx, created.ID, r.EnvFile)
	}
	return s.engine.Submit(ctx, req)
}

// Cancel ends a run; asked with force, even always() steps do not go on.
func (s *Server) Cancel(ctx context.Context, id cairn.RunID, force bool) error {
	by := auth.Actor(ctx).Name
	if err := s.engine.Cancel(ctx, id, by); err != nil || !force {
		return err
	}
	r, err := s.store.Run(ctx, id)
	if err != nil || r.Forced || r.Status == cairn.StatusCompleted {
		return err
	}
	return s.engine.Cancel(ctx, id, by) // asked again, the engine ends it by force
}

// Rerun starts another attempt.
func (s *Server) Rerun(ctx context.Context, id cairn.RunID, r client.RerunRequest) (*cairn.Run, error) {
	mode := run.RerunMode(r.Mode)
	switch mode {
	case "":
		mode = run.RerunAll
	case run.RerunAll, run.RerunFailed, run.RerunJob, run.RerunStep:
	default:
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not a way to run again", r.Mode).WithHint("all, failed, job or step")
	}
	return s.engine.Rerun(ctx, run.RerunRequest{
		Run: id, Mode: mode, Job: r.Job, Step: r.From, By: auth.Actor(ctx).Name, Refresh: r.Refresh, Debug: r.Debug,
	})
}

// Groups lists the concurrency groups in which somebody is or waits.
func (s *Server) Groups(ctx context.Context, repository string) ([]cairn.ConcurrencyGroup, error) {
	return s.engine.Groups(ctx, repository)
}

// Approve decides on an environment.
func (s *Server) Approve(ctx context.Context, id cairn.RunID, environment string, approve bool, comment string) error {
	return s.engine.Approve(ctx, id, environment, approve, auth.Actor(ctx).Name, comment)
}

// StepHeld says which step an interactive job waits before.
func (s *Server) StepHeld(ctx context.Context, id cairn.JobID) (*client.StepHold, error) {
	j, err := s.store.Job(ctx, id)
	if err != nil {
		return nil, err
	}
	if j.Status == cairn.StatusCompleted {
		return nil, cairn.Errorf(cairn.CodeConflict, "job %d has ended", id)
	}
	h, err := s.backend.Held(ctx, j)
	if err != nil {
		return nil, err
	}
	if h == nil {
		return nil, cairn.Errorf(cairn.CodePending, "job %d does not wait before a step", id)
	}
	return &client.StepHold{Job: id, Step: h.Step, Name: h.Name, Dir: h.Dir, Env: h.Env}, nil
}

// StepGo lets an interactive job go on, if it still waits before that step.
func (s *Server) StepGo(ctx context.Context, id cairn.JobID, step int, action string) error {
	h, err := s.StepHeld(ctx, id)
	if err != nil {
		return err
	}
	if h.Step != step {
		return cairn.Errorf(cairn.CodeConflict, "job %d waits before step %d, not %d", id, h.Step, step)
	}
	j, err := s.store.Job(ctx, id)
	if err != nil {
		return err
	}
	answers := map[string]runner.HoldAnswer{
		"go": runner.HoldGo, "skip": runner.HoldSkip, "all": runner.HoldContinue, "abort": runner.HoldAbort,
	}
	return s.backend.Resume(ctx, j, answers[action])
}

// logPage is how much of a log is read at once.
const logPage = 1 << 20

// StepLog opens the log of a step.
func (s *Server) StepLog(_ context.Context, j cairn.Job, step int, offset int64) (io.ReadCloser, error) {
	return &stepLog{s: s, job: j, step: step, offset: offset}, nil
}

type stepLog struct {
	s      *Server
	job    cairn.Job
	step   int
	offset int64
	rest   []byte
}

func (l *stepLog) Read(p []byte) (int, error) {
	if len(l.rest) == 0 {
		b, next, err := l.s.backend.Logs(context.Background(), l.job, l.step, l.offset, logPage)
		if err != nil {
			return 0, err
		}
		if len(b) == 0 {
			return 0, io.EOF
		}
		l.rest, l.offset = b, next
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

func (l *stepLog) Close() error { return nil }

// planned is a plan that is fit to run.
type planned struct {
	plan     *cairn.Plan
	warnings []cairn.Problem
}

// callRounds bounds how often called workflows are looked up.
const callRounds = 12

// plan builds the plan of a workflow, reading the workflows that it calls.
func (s *Server) plan(ctx context.Context, c *code, w *candidate, t plan.Trigger) (*planned, error) {
	files := plan.Files{}
	for range callRounds {
		p, missing, problems := plan.Build(w.workflow, w.src, t, files)
		if cairn.HasErrors(problems) {
			return nil, &cairn.Error{Code: cairn.CodeInvalid, Message: w.path + " cannot be run", Problems: problems}
		}
		if len(missing) == 0 {
			return &planned{p, problems}, nil
		}
		var lacks []cairn.Problem
		for _, m := range missing {
			if !m.Local && m.Reason == "" {
				if err := s.remoteWorkflow(ctx, m.Ref, c, files, &t); err != nil {
					lacks = append(lacks, unmet(m.Pos, "plan.missing", cairn.AsError(err).Hint, "%s", cairn.AsError(err).Message))
				}
				continue
			}
			if m.Reason != "" {
				lacks = append(lacks, unmet(m.Pos, "plan.missing", "", "%s %s cannot be met%s", m.Kind, m.Ref, reason(m.Reason)))
				continue
			}
			b, err := s.host.ReadFile(ctx, c.repo.Name, c.snap.TreeGit, m.Ref)
			if cairn.CodeOf(err) == cairn.CodeNotFound {
				lacks = append(lacks, unmet(m.Pos, "plan.missing", "is it committed, or ignored by git?", "there is no %s in the repository", m.Ref))
				continue
			} else if err != nil {
				return nil, err
			}
			files[m.Ref] = b
		}
		if len(lacks) > 0 {
			return nil, &cairn.Error{Code: cairn.CodeInvalid, Message: w.path + " cannot be run", Problems: append(lacks, problems...)}
		}
	}
	return nil, cairn.Errorf(cairn.CodeInvalid, "%s: the workflows that it calls do not end", w.path)
}

func unmet(at cairn.Position, code, hint, format string, args ...any) cairn.Problem {
	return cairn.Problem{Position: at, Severity: cairn.SeverityError, Code: code, Message: fmt.Sprintf(format, args...), Hint: hint}
}

func reason(r string) string {
	if r == "" {
		return ""
	}
	return ": " + r
}

// byHand is what starts a run that somebody asked for.
func byHand(c *code, w *candidate, r client.RunRequest) plan.Trigger {
	event := r.Event
	if event == "" {
		event = w.defaultEvent()
	}
	return plan.Trigger{Event: event, Payload: r.Payload, Ref: c.snap.Ref, SHA: c.snap.Commit.SHA, Inputs: r.Inputs, Only: r.Jobs}
}

func names(m map[string]string) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	return sorted(out)
}

// readable turns an error of the code's side into one about a repository.
func readable(err error, repo string) error {
	var ce *cairn.Error
	if errors.As(err, &ce) {
		return err
	}
	return cairn.Errorf(cairn.CodeFailed, "the repository %s cannot be read: %w", strings.TrimSpace(repo), err)
}

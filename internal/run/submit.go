package run

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
)

// Request asks for a new run.
type Request struct {
	Workspace  string
	Repository string
	Plan       *cairn.Plan
	Payload    json.RawMessage // github.event
	Commit     cairn.Commit
	Ref        string
	HeadRef    string // pull requests
	BaseRef    string
	Dirty      bool
	TreeGit    string
	TreeDigest cairn.Digest
	Actor      string
	Only       []string // node ids (--job)
	EnvNames   []string
	WorkDir    string

	Interactive bool
	AllowSudo   bool
	Debug       bool
	// Untrusted, Ask and Chain are those of the run; TitleNote stands behind its title.
	// Title is that of a run whose workflow gives none; empty: the commit's subject.
	Title     string
	Untrusted bool
	Ask       string
	Chain     int
	TitleNote string
	// Submitted is set for a job's file.
	Submitted *cairn.Submitted

	// Prepare is called once the run has its id and before it is written: for
	// what must be there first, such as the sealed values of an env file.
	Prepare func(ctx context.Context, run *cairn.Run) error
}

// Submit writes a new run; the loop takes it from there.
func (e *Engine) Submit(ctx context.Context, r Request) (*cairn.Run, error) {
	if err := check(r.Plan); err != nil {
		return nil, err
	}
	var ids []string
	for i := range r.Plan.Nodes {
		ids = append(ids, r.Plan.Nodes[i].ID)
	}
	for _, id := range r.Only {
		if !slices.ContainsFunc(ids, func(have string) bool { return strings.EqualFold(have, id) }) {
			err := cairn.Errorf(cairn.CodeNotFound, "%s has no job %q", r.Plan.Path, id)
			if near := cairn.Nearest(id, ids); near != "" {
				return nil, err.WithHint("did you mean %s? its jobs: %s", near, strings.Join(ids, ", "))
			}
			return nil, err.WithHint("its jobs: %s", strings.Join(ids, ", "))
		}
	}
	encoded, digest, err := r.Plan.Encode()
	if err != nil {
		return nil, err
	}
	id, err := e.o.Store.Reserve(ctx, "run", 1)
	if err != nil {
		return nil, err
	}
	now := e.now().UTC()
	run := cairn.Run{
		ID: cairn.RunID(id), Workspace: r.Workspace, Repository: r.Repository,
		Workflow: r.Plan.Name, Path: r.Plan.Path, Attempt: 1, Event: r.Plan.Event, Payload: r.Payload,
		Plan: digest, Commit: r.Commit, Ref: r.Ref, HeadRef: r.HeadRef, BaseRef: r.BaseRef,
		Dirty: r.Dirty, TreeGit: r.TreeGit, TreeDigest: r.TreeDigest, Actor: r.Actor,
		Only: r.Only, Inputs: r.Plan.Inputs, EnvNames: r.EnvNames, WorkDir: r.WorkDir,
		Interactive: r.Interactive, AllowSudo: r.AllowSudo, Debug: r.Debug, Untrusted: r.Untrusted, Ask: r.Ask, Chain: r.Chain,
		Status: cairn.StatusQueued, CreatedAt: now, Submitted: r.Submitted,
	}
	if err := e.describe(ctx, r.Plan, &run); err != nil {
		return nil, err
	}
	if r.Title != "" && r.Plan.RunName.IsZero() {
		run.Title = clip(r.Title, 300)
	}
	if r.TitleNote != "" {
		run.Title = clip(run.Title+" ("+r.TitleNote+")", 300)
	}
	if r.Prepare != nil {
		if err := r.Prepare(ctx, &run); err != nil {
			return nil, err
		}
	}
	attempt := cairn.Attempt{
		Run: run.ID, Number: 1, By: r.Actor, Mode: string(RerunAll), Status: cairn.StatusQueued, StartedAt: now,
	}
	run, err = e.o.Store.CreateRun(ctx, run, attempt, encoded, cairn.Change{By: r.Actor})
	if err != nil {
		return nil, err
	}
	return &run, nil
}

// describe evaluates the title and the concurrency group of a run.
func (e *Engine) describe(ctx context.Context, p *cairn.Plan, run *cairn.Run) error {
	contexts, err := e.contexts(ctx, run)
	if err != nil {
		return err
	}
	env := &expr.Env{Contexts: contexts}
	run.Title = p.Name
	if run.Commit.Subject != "" {
		run.Title = run.Commit.Subject
	}
	if !p.RunName.IsZero() {
		title, err := expr.EvalString(p.RunName, env)
		if err != nil {
			return placed(p, "run-name", p.RunName, err)
		}
		if title = strings.TrimSpace(title); title != "" {
			run.Title = title
		}
	}
	run.Title = clip(run.Title, 300)
	if c := p.Concurrency; c != nil {
		if run.Group, err = expr.EvalString(c.Group, env); err != nil {
			return placed(p, "concurrency", c.Group, err)
		}
		if err := checkGroup(run.Group); err != nil {
			return placed(p, "concurrency", c.Group, err)
		}
		if run.CancelInProgress, err = expr.EvalBool(c.CancelInProgress, env); err != nil {
			return placed(p, "cancel-in-progress", c.CancelInProgress, err)
		}
		if run.Queue = c.Queue; run.CancelInProgress && run.Queue == cairn.QueueMax {
			return placed(p, "cancel-in-progress", c.CancelInProgress, errQueueCancel)
		}
	}
	return nil
}

func placed(p *cairn.Plan, key string, t cairn.Template, err error) error {
	ce := cairn.AsError(err)
	out := &cairn.Error{Code: cairn.CodeInvalid, Message: key + ": " + ce.Message, Hint: ce.Hint, Err: err}
	if t.Line > 0 {
		out.Position = &cairn.Position{File: p.Path, Line: t.Line, Column: t.Col}
	}
	return out
}

// check refuses plans that this engine cannot carry out.
func check(p *cairn.Plan) error {
	if p == nil || len(p.Nodes) == 0 {
		return cairn.Errorf(cairn.CodeInvalid, "the plan has no jobs")
	}
	var problem error
	p.Walk(func(path string, n *cairn.Node) {
		if problem != nil {
			return
		}
		pos := n.Pos
		if pos.File == "" {
			pos.File = p.Path
		}
		switch {
		case n.Kind != cairn.NodeJob && n.Kind != cairn.NodeCall && n.Kind != cairn.NodeLoop:
			problem = cairn.Errorf(cairn.CodeUnsupported, "%s is a node of kind %q, which this Cairn does not know", path, n.Kind).
				WithHint("it was planned by a newer Cairn: use that one").At(pos)
		case strings.ContainsAny(n.ID, "/[]"):
			problem = cairn.Errorf(cairn.CodeInvalid, "%q cannot be the id of a job", n.ID).At(pos)
		}
	})
	return problem
}

// change reads a run, lets decide say what becomes of it, and writes that; when
// somebody else wrote meanwhile it starts over.
func (e *Engine) change(ctx context.Context, id cairn.RunID,
	decide func(snap *cairn.RunSnapshot) (cairn.RunBatch, cairn.Change, error),
) (*cairn.RunSnapshot, error) {
	for try := 0; ; try++ {
		snap, err := e.o.Store.RunSnapshot(ctx, id, 0)
		if err != nil {
			return nil, err
		}
		b, ch, err := decide(snap)
		if err != nil {
			return nil, err
		}
		b.ID, b.Version = id, snap.Run.Version
		if b.Empty() {
			return snap, nil
		}
		err = e.o.Store.ApplyRun(ctx, b, ch)
		if err == nil {
			if b.Run != nil {
				snap.Run = *b.Run
				snap.Run.Version = b.Version + 1
			}
			return snap, nil
		}
		if cairn.CodeOf(err) != cairn.CodeConflict || try >= 100 {
			return nil, err
		}
	}
}

// Cancel asks a run to end: jobs with always() still run. Asked again, it ends
// by force.
func (e *Engine) Cancel(ctx context.Context, id cairn.RunID, by string) error {
	_, err := e.change(ctx, id, func(snap *cairn.RunSnapshot) (b cairn.RunBatch, ch cairn.Change, err error) {
		run := snap.Run
		if run.Status == cairn.StatusCompleted {
			return b, ch, cairn.Errorf(cairn.CodeConflict, "run %d is completed already (%s)", id, run.Conclusion)
		}
		if run.CancelBy != "" {
			if run.Forced {
				return b, ch, nil
			}
			run.Forced = true
		} else {
			run.CancelBy = by
		}
		run.Reason = "cancelled by " + run.CancelBy
		b.Run = &run
		return b, cairn.Change{By: by}, nil
	})
	return err
}

package client

import (
	"context"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"

	"github.com/cairn-ml/cairn"
)

// SubmitRun starts a run. It is safe to repeat: the request carries a key.
func (c *Client) SubmitRun(ctx context.Context, r RunRequest) (*RunCreated, error) {
	if r.Key == "" {
		r.Key = randomKey()
	}
	return call[RunCreated](ctx, c, http.MethodPost, "/runs", r, idempotent)
}

// Preflight says what a run would do and which of its needs cannot be met.
func (c *Client) Preflight(ctx context.Context, r RunRequest) (*Preflight, error) {
	return call[Preflight](ctx, c, http.MethodPost, "/runs/preflight", r, idempotent)
}

// Runs lists runs, newest first.
func (c *Client) Runs(ctx context.Context, f RunFilter) ([]cairn.Run, error) {
	q := query("repository", f.Repository, "workflow", f.Workflow, "branch", f.Branch, "commit", f.Commit,
		"status", f.Status, "event", f.Event, "actor", f.Actor)
	if f.Before > 0 {
		q.Set("before", strconv.FormatInt(int64(f.Before), 10))
	}
	if f.Limit > 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	return list[cairn.Run](ctx, c, "/runs", q)
}

// Run returns one run.
func (c *Client) Run(ctx context.Context, id cairn.RunID) (*cairn.Run, error) {
	return call[cairn.Run](ctx, c, http.MethodGet, runPath(id, ""), nil)
}

// Jobs returns the jobs of an attempt (0: the latest) with their steps.
func (c *Client) Jobs(ctx context.Context, id cairn.RunID, attempt int) ([]cairn.Job, error) {
	q := url.Values{}
	if attempt > 0 {
		q.Set("attempt", strconv.Itoa(attempt))
	}
	return list[cairn.Job](ctx, c, runPath(id, "/jobs"), q)
}

// Job returns one job with its steps.
func (c *Client) Job(ctx context.Context, id cairn.JobID) (*cairn.Job, error) {
	return call[cairn.Job](ctx, c, http.MethodGet, jobPath(id, ""), nil)
}

// Attempts returns the attempts of a run, oldest first.
func (c *Client) Attempts(ctx context.Context, id cairn.RunID) ([]cairn.Attempt, error) {
	return list[cairn.Attempt](ctx, c, runPath(id, "/attempts"), nil)
}

// Plan returns the plan of a run.
func (c *Client) Plan(ctx context.Context, id cairn.RunID) (*cairn.Plan, error) {
	return call[cairn.Plan](ctx, c, http.MethodGet, runPath(id, "/plan"), nil)
}

// RunEvents follows a run: every event with a sequence number above after, as
// it happens, until the run is completed (or for ever when it never is). It
// survives a restart of the owner.
func (c *Client) RunEvents(ctx context.Context, id cairn.RunID, after int64) iter.Seq2[cairn.Event, error] {
	return c.follow(ctx, runPath(id, "/events"), after)
}

// Events follows what belongs to no run: labels, secrets, users.
func (c *Client) Events(ctx context.Context, after int64) iter.Seq2[cairn.Event, error] {
	return c.follow(ctx, "/events", after)
}

// Logs reads the log of a step from a byte offset on. Each line is an RFC 3339
// time, a space and text. With follow the reader ends when the step is
// completed; it survives a restart of the owner.
func (c *Client) Logs(ctx context.Context, job cairn.JobID, step int, offset int64, follow bool) (io.ReadCloser, error) {
	l := &logReader{ctx: ctx, c: c, path: jobPath(job, "/steps/"+strconv.Itoa(step)+"/log"), offset: offset, follow: follow}
	if err := l.open(); err != nil {
		return nil, err
	}
	return l, nil
}

// Cancel asks a run to end; force does not wait for its processes to give in.
func (c *Client) Cancel(ctx context.Context, id cairn.RunID, force bool) error {
	return c.do(ctx, http.MethodPost, runPath(id, "/cancel"), map[string]bool{"force": force}, nil, idempotent)
}

// Rerun starts another attempt.
func (c *Client) Rerun(ctx context.Context, id cairn.RunID, r RerunRequest) (*cairn.Run, error) {
	return call[cairn.Run](ctx, c, http.MethodPost, runPath(id, "/rerun"), r)
}

// Groups lists the concurrency groups of a repository, or of all where it is empty:
// who holds each, and who waits in which place.
func (c *Client) Groups(ctx context.Context, repository string) ([]cairn.ConcurrencyGroup, error) {
	q := url.Values{}
	if repository != "" {
		q.Set("repository", repository)
	}
	return list[cairn.ConcurrencyGroup](ctx, c, "/concurrency-groups", q)
}

// Approvals lists the approvals that a run asked for.
func (c *Client) Approvals(ctx context.Context, id cairn.RunID) ([]cairn.Approval, error) {
	return list[cairn.Approval](ctx, c, runPath(id, "/approvals"), nil)
}

// Approve decides on an environment of a run: decision is approved or rejected.
func (c *Client) Approve(ctx context.Context, id cairn.RunID, env, decision, comment string) error {
	return c.do(ctx, http.MethodPost, runPath(id, "/approvals"),
		map[string]string{"environment": env, "decision": decision, "comment": comment}, nil)
}

// StepHeld returns the step that a held job stands before; CodePending when it
// stands before none.
func (c *Client) StepHeld(ctx context.Context, job cairn.JobID) (*StepHold, error) {
	return call[StepHold](ctx, c, http.MethodGet, jobPath(job, "/hold"), nil)
}

// StepGo lets a held job go on: action is go, skip or all (hold no more).
func (c *Client) StepGo(ctx context.Context, job cairn.JobID, step int, action string) error {
	return c.do(ctx, http.MethodPost, jobPath(job, "/hold"), map[string]any{"step": step, "action": action}, nil, idempotent)
}

// Artifacts lists the artifacts of a run, all attempts.
func (c *Client) Artifacts(ctx context.Context, id cairn.RunID) ([]cairn.Artifact, error) {
	return list[cairn.Artifact](ctx, c, runPath(id, "/artifacts"), nil)
}

func runPath(id cairn.RunID, rest string) string {
	return "/runs/" + strconv.FormatInt(int64(id), 10) + rest
}

func jobPath(id cairn.JobID, rest string) string {
	return "/jobs/" + strconv.FormatInt(int64(id), 10) + rest
}

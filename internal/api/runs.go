package api

import (
	"context"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/auth"
)

// RunPath is the run that a path names. It is exported because parameters of
// embedded types are only found in exported ones.
type RunPath struct {
	ID int64 `path:"id" minimum:"1" doc:"number of the run"`
}

func (r RunPath) run() cairn.RunID { return cairn.RunID(r.ID) }

// JobPath is the job that a path names.
type JobPath struct {
	ID int64 `path:"id" minimum:"1" doc:"number of the job"`
}

func (j JobPath) job() cairn.JobID { return cairn.JobID(j.ID) }

// runBodyLimit bounds a request for a run: an env file and a payload.
const runBodyLimit = 8 << 20

func (a *API) runRoutes() {
	route(a, op{method: "POST", path: "/runs", id: "submit-run", summary: "Start a run", need: writers, limit: runBodyLimit},
		func(ctx context.Context, in *struct{ Body client.RunRequest }) (*client.RunCreated, error) {
			return a.o.Control.Submit(ctx, in.Body)
		})
	route(a, op{method: "POST", path: "/runs/preflight", id: "preflight", summary: "What a run would do, and what of it cannot be met", need: writers, limit: runBodyLimit},
		func(ctx context.Context, in *struct{ Body client.RunRequest }) (*client.Preflight, error) {
			return a.o.Control.Preflight(ctx, in.Body)
		})
	route(a, op{method: "GET", path: "/runs", id: "list-runs", summary: "Runs, newest first", need: readers}, a.listRuns)
	route(a, op{method: "GET", path: "/concurrency-groups", id: "list-concurrency-groups", summary: "Who holds a concurrency group, and who waits in which place", need: readers, trusted: true},
		func(ctx context.Context, in *struct {
			Repository string `query:"repository" maxLength:"255" doc:"empty: all"`
		}) ([]cairn.ConcurrencyGroup, error) {
			return orEmpty(a.o.Control.Groups(ctx, in.Repository))
		})
	route(a, op{method: "GET", path: "/runs/{id}", id: "get-run", summary: "One run", need: readers},
		func(ctx context.Context, in *RunPath) (cairn.Run, error) { return a.o.Rows.Run(ctx, in.run()) })
	route(a, op{method: "GET", path: "/runs/{id}/jobs", id: "list-jobs", summary: "Jobs of an attempt with their steps", need: readers},
		func(ctx context.Context, in *struct {
			RunPath
			Attempt int `query:"attempt" minimum:"0" doc:"0: the latest"`
		}) ([]cairn.Job, error) {
			r, err := a.o.Rows.Run(ctx, in.run())
			if err != nil {
				return nil, err
			}
			if in.Attempt == 0 {
				in.Attempt = r.Attempt
			}
			if in.Attempt > r.Attempt {
				return nil, cairn.Errorf(cairn.CodeNotFound, "run %d has %d attempts", r.ID, r.Attempt)
			}
			return orEmpty(a.o.Rows.Jobs(ctx, in.run(), in.Attempt, true))
		})
	route(a, op{method: "GET", path: "/runs/{id}/attempts", id: "list-attempts", summary: "Attempts of a run", need: readers},
		func(ctx context.Context, in *RunPath) ([]cairn.Attempt, error) {
			return orEmpty(a.o.Rows.Attempts(ctx, in.run()))
		})
	route(a, op{method: "GET", path: "/runs/{id}/plan", id: "get-plan", summary: "The plan of a run", need: readers}, a.plan)
	route(a, op{method: "GET", path: "/runs/{id}/artifacts", id: "list-artifacts", summary: "Artifacts of a run, all attempts", need: readers},
		func(ctx context.Context, in *RunPath) ([]cairn.Artifact, error) {
			return orEmpty(a.o.Assets.Artifacts(ctx, in.run()))
		})
	route(a, op{method: "GET", path: "/runs/{id}/approvals", id: "list-approvals", summary: "Approvals that a run asked for", need: readers},
		func(ctx context.Context, in *RunPath) ([]cairn.Approval, error) {
			return orEmpty(a.o.Rows.Approvals(ctx, in.run()))
		})
	routeDo(a, op{method: "POST", path: "/runs/{id}/cancel", id: "cancel-run", summary: "End a run", need: writers},
		func(ctx context.Context, in *struct {
			RunPath
			Body struct {
				Force bool `json:"force,omitempty"`
			}
		}) error {
			return a.o.Control.Cancel(ctx, in.run(), in.Body.Force)
		})
	route(a, op{method: "POST", path: "/runs/{id}/rerun", id: "rerun", summary: "Another attempt", need: writers},
		func(ctx context.Context, in *struct {
			RunPath
			Body client.RerunRequest
		}) (*cairn.Run, error) {
			return a.o.Control.Rerun(ctx, in.run(), in.Body)
		})
	routeDo(a, op{method: "POST", path: "/runs/{id}/approvals", id: "approve", summary: "Decide on an environment of a run", need: writers},
		func(ctx context.Context, in *struct {
			RunPath
			Body struct {
				Environment string `json:"environment" minLength:"1" maxLength:"255"`
				Decision    string `json:"decision" enum:"approved,rejected"`
				Comment     string `json:"comment,omitempty" maxLength:"10000"`
			}
		}) error {
			return a.o.Control.Approve(ctx, in.run(), in.Body.Environment, in.Body.Decision == "approved", in.Body.Comment)
		})
	route(a, op{method: "GET", path: "/jobs/{id}", id: "get-job", summary: "One job with its steps", need: readers},
		func(ctx context.Context, in *JobPath) (cairn.Job, error) {
			j, err := a.o.Rows.Job(ctx, in.job())
			if err != nil {
				return j, err
			}
			j.Steps, err = a.o.Rows.Steps(ctx, in.job())
			return j, err
		})
	route(a, op{method: "GET", path: "/jobs/{id}/hold", id: "step-held", summary: "The step that a held job stands before", need: writers},
		func(ctx context.Context, in *JobPath) (*client.StepHold, error) {
			return a.o.Control.StepHeld(ctx, in.job())
		})
	routeDo(a, op{method: "POST", path: "/jobs/{id}/hold", id: "step-go", summary: "Let a held job go on", need: writers},
		func(ctx context.Context, in *struct {
			JobPath
			Body struct {
				Step   int    `json:"step" minimum:"1"`
				Action string `json:"action" enum:"go,skip,all,abort"`
			}
		}) error {
			return a.o.Control.StepGo(ctx, in.job(), in.Body.Step, in.Body.Action)
		})
}

type runQuery struct {
	Repository string `query:"repository" maxLength:"255"`
	Workflow   string `query:"workflow" maxLength:"500"`
	Branch     string `query:"branch" maxLength:"500"`
	Commit     string `query:"commit" maxLength:"40"`
	Status     string `query:"status" maxLength:"20" doc:"a status or a conclusion"`
	Event      string `query:"event" maxLength:"100"`
	Actor      string `query:"actor" maxLength:"100"`
	Before     int64  `query:"before" minimum:"0" doc:"only runs with a smaller number: the next page"`
	Limit      int    `query:"limit" minimum:"0" maximum:"1000" doc:"0: 30"`
}

func (a *API) listRuns(ctx context.Context, in *runQuery) ([]cairn.Run, error) {
	f := cairn.RunFilter{
		Workspace: a.o.Workspace, Repository: in.Repository, Workflow: in.Workflow, Branch: in.Branch, SHA: in.Commit,
		Event: in.Event, Actor: in.Actor, Before: cairn.RunID(in.Before), Limit: in.Limit,
	}
	if f.Limit == 0 {
		f.Limit = 30
	}
	if auth.Actor(ctx).Untrusted {
		var err error
		if f.Repository, err = a.ownRepository(ctx); err != nil {
			return nil, err
		}
	}
	words := []string{
		string(cairn.StatusWaiting), string(cairn.StatusQueued), string(cairn.StatusRunning), string(cairn.StatusCompleted),
		string(cairn.Success), string(cairn.Failure), string(cairn.Cancelled), string(cairn.Skipped), string(cairn.TimedOut),
	}
	switch s := in.Status; s {
	case "":
	case string(cairn.StatusBlocked), words[0], words[1], words[2], words[3]:
		f.Status = cairn.Status(s)
	case words[4], words[5], words[6], words[7], words[8], string(cairn.Lost):
		f.Conclusion = cairn.Conclusion(s)
	default:
		e := cairn.Errorf(cairn.CodeInvalid, "%q is neither a status nor a conclusion", s)
		if near := cairn.Nearest(s, words); near != "" {
			return nil, e.WithHint("did you mean %s?", near)
		}
		return nil, e.WithHint("queued, running, completed, success, failure, cancelled, skipped, timed_out")
	}
	rs, err := a.o.Rows.Runs(ctx, f)
	for i := range rs {
		rs[i].Payload = nil // large, and only of use for one run
	}
	return orEmpty(rs, err)
}

func (a *API) plan(ctx context.Context, in *RunPath) (*anyPlan, error) {
	r, err := a.o.Rows.Run(ctx, in.run())
	if err != nil {
		return nil, err
	}
	p, err := a.o.Rows.Plan(ctx, r.Plan)
	if err != nil {
		return nil, err
	}
	b, _, err := p.Encode()
	return &anyPlan{b}, err
}

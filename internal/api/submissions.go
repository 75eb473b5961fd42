package api

import (
	"context"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/auth"
)

// Submissions are runs of jobs' files: pipelines, commands, sweeps.
type Submissions interface {
	SubmitJob(ctx context.Context, r client.JobRequest) (*client.JobCreated, error)
	CheckJob(ctx context.Context, r client.JobRequest) (*client.JobChecked, error)
	SubmittedJobs(ctx context.Context, f client.JobFilter) ([]cairn.Run, error)
	FindJob(ctx context.Context, name string) (*client.JobName, error)
	SubmittedJob(ctx context.Context, name string) (*client.JobView, error)
	ExplainCache(ctx context.Context, name string) (*client.CacheExplanation, error)
	UpdateJob(ctx context.Context, name string, u client.JobUpdate) (*cairn.Run, error)
	// DataAt finds the bytes that a reference of a file leads to, fetching them where it
	// is a URL; use is data or model.
	DataAt(ctx context.Context, reference, use string) (cairn.DataValue, error)
}

// JobRef is the submitted job that a path names: by its name, the path of a job below
// it, or the number of its run.
type JobRef struct {
	Name string `path:"name" minLength:"1" maxLength:"600" doc:"name of a job, name/path of one below it, or number of a run"`
}

func (a *API) submissionRoutes() {
	s := a.o.Submissions
	route(a, op{method: "POST", path: "/submissions", id: "submit-job", summary: "Start a run of a job's file", need: makers, limit: submissionLimit},
		func(ctx context.Context, in *struct{ Body client.JobRequest }) (*client.JobCreated, error) {
			if err := fromOutside(&in.Body); err != nil {
				return nil, err
			}
			return s.SubmitJob(ctx, in.Body)
		})
	route(a, op{method: "POST", path: "/submissions/check", id: "check-job", summary: "What of a job's file cannot be met; nothing is run or stored", need: makers, limit: submissionLimit},
		func(ctx context.Context, in *struct{ Body client.JobRequest }) (*client.JobChecked, error) {
			if err := fromOutside(&in.Body); err != nil {
				return nil, err
			}
			return s.CheckJob(ctx, in.Body)
		})
	route(a, op{method: "GET", path: "/submissions", id: "list-submitted", summary: "Runs of jobs' files, newest first", need: readers},
		func(ctx context.Context, in *struct {
			Experiment string `query:"experiment" maxLength:"255"`
			Schedule   string `query:"schedule" maxLength:"255"`
			Archived   bool   `query:"archived" doc:"include archived ones"`
			Before     int64  `query:"before" minimum:"0" doc:"only runs with a smaller number: the next page"`
			Limit      int    `query:"limit" minimum:"0" maximum:"1000" doc:"0: 50"`
		}) ([]cairn.Run, error) {
			rs, err := s.SubmittedJobs(ctx, client.JobFilter{
				Experiment: in.Experiment, Schedule: in.Schedule, Archived: in.Archived, Before: cairn.RunID(in.Before), Limit: in.Limit,
			})
			if err == nil && auth.Actor(ctx).Untrusted {
				rs, err = a.ownRuns(ctx, rs)
			}
			return orEmpty(rs, err)
		})
	route(a, op{method: "GET", path: "/submissions/{name}", id: "get-submitted", summary: "A run of a job's file with its jobs and its graph", need: readers},
		func(ctx context.Context, in *JobRef) (*client.JobView, error) {
			v, err := s.SubmittedJob(ctx, in.Name)
			if err != nil {
				return nil, err
			}
			return v, a.within(ctx, RunPath{int64(v.Run.ID)})
		})
	route(a, op{method: "GET", path: "/submissions/{name}/name", id: "find-submitted", summary: "Which run and job a name means", need: readers},
		func(ctx context.Context, in *JobRef) (*client.JobName, error) {
			n, err := s.FindJob(ctx, in.Name)
			if err != nil {
				return nil, err
			}
			return n, a.within(ctx, RunPath{int64(n.Run)})
		})
	route(a, op{method: "GET", path: "/submissions/{name}/cache", id: "explain-cache", summary: "Why a job ran, or took earlier outputs", need: readers},
		func(ctx context.Context, in *JobRef) (*client.CacheExplanation, error) {
			x, err := s.ExplainCache(ctx, in.Name)
			if err != nil {
				return nil, err
			}
			return x, a.within(ctx, JobPath{int64(x.Job.ID)})
		})
	route(a, op{method: "PATCH", path: "/submissions/{name}", id: "update-submitted", summary: "Change what is said of a job; archive or restore it", need: makers, trusted: true},
		func(ctx context.Context, in *struct {
			JobRef
			Body client.JobUpdate
		}) (*cairn.Run, error) {
			return s.UpdateJob(ctx, in.Name, in.Body)
		})
}

// fromOutside refuses what only the server itself says.
func fromOutside(r *client.JobRequest) error {
	if r.Schedule != "" {
		return cairn.Errorf(cairn.CodeInvalid, "only a schedule starts a job in its name").WithHint("cairn schedule trigger NAME starts its job now")
	}
	return nil
}

// ownRuns keeps the runs of the repository of the job that asks.
func (a *API) ownRuns(ctx context.Context, rs []cairn.Run) ([]cairn.Run, error) {
	own, err := a.ownRepository(ctx)
	if err != nil {
		return nil, err
	}
	var out []cairn.Run
	for _, r := range rs {
		if r.Repository == own {
			out = append(out, r)
		}
	}
	return out, nil
}

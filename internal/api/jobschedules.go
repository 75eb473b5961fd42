package api

import (
	"context"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
)

// Schedules are schedules of jobs.
type Schedules interface {
	PutSchedule(ctx context.Context, r client.ScheduleRequest) (*cairn.JobSchedule, error)
	Schedules(ctx context.Context) ([]cairn.JobSchedule, error)
	Schedule(ctx context.Context, name string) (*cairn.JobSchedule, error)
	UpdateSchedule(ctx context.Context, name string, u client.ScheduleUpdate) (*cairn.JobSchedule, error)
	TriggerSchedule(ctx context.Context, name string) (*client.JobCreated, error)
	DeleteSchedule(ctx context.Context, name string) error
}

// ScheduleName is the schedule that a path names.
type ScheduleName struct {
	Name string `path:"name" minLength:"1" maxLength:"255" doc:"name of the schedule"`
}

// submissionLimit bounds a request with the files of a job.
const submissionLimit = 16 << 20

func (a *API) scheduleRoutes() {
	s := a.o.Schedules
	route(a, op{method: "PUT", path: "/schedules", id: "put-schedule", summary: "Make a schedule of jobs, or replace one", need: makers, trusted: true, limit: submissionLimit},
		func(ctx context.Context, in *struct{ Body client.ScheduleRequest }) (*cairn.JobSchedule, error) {
			return s.PutSchedule(ctx, in.Body)
		})
	route(a, op{method: "GET", path: "/schedules", id: "list-schedules", summary: "Schedules of jobs, by name", need: readers},
		func(ctx context.Context, _ *struct{}) ([]cairn.JobSchedule, error) { return orEmpty(s.Schedules(ctx)) })
	route(a, op{method: "GET", path: "/schedules/{name}", id: "get-schedule", summary: "One schedule", need: readers},
		func(ctx context.Context, in *ScheduleName) (*cairn.JobSchedule, error) {
			return s.Schedule(ctx, in.Name)
		})
	route(a, op{method: "PATCH", path: "/schedules/{name}", id: "update-schedule", summary: "Enable, disable or describe a schedule", need: makers, trusted: true},
		func(ctx context.Context, in *struct {
			ScheduleName
			Body client.ScheduleUpdate
		}) (*cairn.JobSchedule, error) {
			return s.UpdateSchedule(ctx, in.Name, in.Body)
		})
	route(a, op{method: "POST", path: "/schedules/{name}/trigger", id: "trigger-schedule", summary: "Start the job of a schedule now", need: makers, trusted: true},
		func(ctx context.Context, in *ScheduleName) (*client.JobCreated, error) {
			return s.TriggerSchedule(ctx, in.Name)
		})
	routeDo(a, op{method: "DELETE", path: "/schedules/{name}", id: "delete-schedule", summary: "Remove a schedule; jobs that it started stay", need: makers, trusted: true},
		func(ctx context.Context, in *ScheduleName) error { return s.DeleteSchedule(ctx, in.Name) })
}

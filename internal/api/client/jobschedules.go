package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/cairn-ml/cairn"
)

// ScheduleRequest makes or replaces a schedule. The server reads its file again.
type ScheduleRequest struct {
	// Job is the request for the job: its File is the schedule's own file.
	Job JobRequest `json:"job"`
}

// PutSchedule makes a schedule, or replaces what one of the same name says.
func (c *Client) PutSchedule(ctx context.Context, r ScheduleRequest) (*cairn.JobSchedule, error) {
	return call[cairn.JobSchedule](ctx, c, http.MethodPut, "/schedules", r)
}

// Schedules lists schedules by name.
func (c *Client) Schedules(ctx context.Context) ([]cairn.JobSchedule, error) {
	return list[cairn.JobSchedule](ctx, c, "/schedules", nil)
}

// Schedule returns one schedule.
func (c *Client) Schedule(ctx context.Context, name string) (*cairn.JobSchedule, error) {
	return call[cairn.JobSchedule](ctx, c, http.MethodGet, "/schedules/"+url.PathEscape(name), nil)
}

// ScheduleUpdate changes what is said of a schedule; nil leaves as it is.
type ScheduleUpdate struct {
	Disabled    *bool             `json:"disabled,omitempty"`
	DisplayName *string           `json:"display_name,omitempty"`
	Description *string           `json:"description,omitempty"`
	SetTags     map[string]string `json:"set_tags,omitempty"`
	RemoveTags  []string          `json:"remove_tags,omitempty"`
}

// UpdateSchedule changes a schedule. One that is enabled again counts from then on.
func (c *Client) UpdateSchedule(ctx context.Context, name string, u ScheduleUpdate) (*cairn.JobSchedule, error) {
	return call[cairn.JobSchedule](ctx, c, http.MethodPatch, "/schedules/"+url.PathEscape(name), u)
}

// TriggerSchedule starts the job of a schedule now.
func (c *Client) TriggerSchedule(ctx context.Context, name string) (*JobCreated, error) {
	return call[JobCreated](ctx, c, http.MethodPost, "/schedules/"+url.PathEscape(name)+"/trigger", nil)
}

// DeleteSchedule removes a schedule; the jobs that it started stay.
func (c *Client) DeleteSchedule(ctx context.Context, name string) error {
	return c.do(ctx, http.MethodDelete, "/schedules/"+url.PathEscape(name), nil, nil)
}

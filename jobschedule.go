package cairn

import (
	"encoding/json"
	"time"
)

// JobSchedule starts jobs of a file at times or when something happens.
type JobSchedule struct {
	Workspace   string            `json:"workspace"`
	Name        string            `json:"name"`
	DisplayName string            `json:"display_name,omitempty"`
	Description string            `json:"description,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	Trigger     JobTrigger        `json:"trigger"`
	// Request is what is submitted: a request for a job, with all its files.
	Request  json.RawMessage `json:"request,omitempty"`
	File     string          `json:"file,omitempty"` // its own file, as it was given
	Disabled bool            `json:"disabled,omitempty"`
	By       string          `json:"by"`
	// CreatedAt is when intervals without a start time begin.
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	// Looked is up to when its times have been looked at: what was due before is done.
	Looked time.Time `json:"looked,omitzero"`
	// Last is the newest job that it started, Error why the newest could not be.
	Last   string    `json:"last,omitempty"`
	LastAt time.Time `json:"last_at,omitzero"`
	Error  string    `json:"error,omitempty"`
	Count  int64     `json:"count,omitempty"`
	// Next is when it is due; zero for one that waits for events, or is over. Filled by
	// reads.
	Next time.Time `json:"next,omitzero"`
}

// JobTrigger says when a JobSchedule is due.
type JobTrigger struct {
	Type       string    `json:"type"` // cron, recurrence, event
	Expression string    `json:"expression,omitempty"`
	Frequency  string    `json:"frequency,omitempty"` // minute, hour, day, week, month
	Interval   int       `json:"interval,omitempty"`
	Hours      []int     `json:"hours,omitempty"`
	Minutes    []int     `json:"minutes,omitempty"`
	WeekDays   []string  `json:"week_days,omitempty"` // monday …
	MonthDays  []int     `json:"month_days,omitempty"`
	Start      time.Time `json:"start_time,omitzero"`
	End        time.Time `json:"end_time,omitzero"`
	Zone       string    `json:"time_zone,omitempty"` // of Windows or IANA; "" is UTC
	// Event is what happens (see the JobEvent constants), Of the name of what it happens
	// to: an asset, or the display name of a pipeline or workflow; "" is any.
	Event string `json:"event,omitempty"`
	Of    string `json:"name,omitempty"`
}

// What a JobSchedule can wait for.
const (
	JobEventData   = "data-registered"
	JobEventModel  = "model-registered"
	JobEventTagged = "model-tagged"
	JobEventRun    = "run-completed" // with success
)

// EvJobSchedule is the kind of events of schedules. Data is the row, without its request.
const EvJobSchedule = "schedule.changed"

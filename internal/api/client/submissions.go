package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/cairn-ml/cairn"
)

// JobRequest asks for a run of a job's file (a pipeline, a command, a sweep). The
// client has read the file with all that it names by path, and has sent their bytes.
type JobRequest struct {
	// File is the path of the job's file among Files; all paths are relative to one root.
	File  string    `json:"file"`
	Files []JobFile `json:"files"`
	// Local are folders and files that were uploaded, by path.
	Local []LocalData `json:"local,omitempty"`
	Set   []string    `json:"set,omitempty"`   // --set a.b.c=v, in order
	Flags []NamedFlag `json:"flags,omitempty"` // keys that flags give: name
	// Name is the job's name; "": that of the file, else one is made.
	Name string `json:"name,omitempty"`
	// Experiment is the name where the file gives none: the base name of the folder
	// that the client works in.
	Experiment string `json:"experiment,omitempty"`
	// Dir is the working tree that the files are of: only over the socket. In a job the
	// commit is that of the job's run. "": no commit is known.
	Dir string `json:"dir,omitempty"`
	// Root is where in the repository the root of Files lies ("ml/pipelines").
	Root string `json:"root,omitempty"`
	// NoReuse runs everything anew, as force_rerun does.
	NoReuse bool `json:"no_reuse,omitempty"`
	// Schedule is the schedule that asks; only the server itself says so.
	Schedule string `json:"schedule,omitempty"`
	// Key makes the request idempotent.
	Key string `json:"key,omitempty"`
}

// JobFile is a YAML file of a request.
type JobFile struct {
	Path string `json:"path"`
	Text string `json:"text"`
}

// LocalData says under which digest what lies at a path was uploaded.
type LocalData struct {
	Path string          `json:"path"`
	Data cairn.DataValue `json:"data"`
}

// NamedFlag is a key of a file that a flag gives.
type NamedFlag struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// JobCreated is the answer to a JobRequest.
type JobCreated struct {
	Name     string          `json:"name"`
	Run      cairn.Run       `json:"run"`
	Warnings []cairn.Problem `json:"warnings,omitempty"`
	Notes    []string        `json:"notes,omitempty"`
}

// JobChecked is what a server finds of a request beyond what the files say: references
// that it cannot resolve, what is not executed here.
type JobChecked struct {
	Problems []cairn.Problem `json:"problems,omitempty"`
	Nodes    int             `json:"nodes"`
}

// JobView is a run of a job's file with its jobs.
type JobView struct {
	Run  cairn.Run   `json:"run"`
	Jobs []cairn.Job `json:"jobs"`
	// Graph are the nodes of the plan in file order, with what each waits for.
	Graph []GraphNode `json:"graph,omitempty"`
}

// GraphNode is a node of a plan: Path is its plan path.
type GraphNode struct {
	Path  string         `json:"path"`
	Kind  cairn.NodeKind `json:"kind"`
	Needs []string       `json:"needs,omitempty"` // plan paths
	// Component is what it is an instance of; Sweep and Loop say that it grows.
	Component string `json:"component,omitempty"`
	Sweep     bool   `json:"sweep,omitempty"`
	Loop      bool   `json:"loop,omitempty"`
}

// JobName is a job by its name, and the path of one below it ("" for the whole).
type JobName struct {
	Name string      `json:"name"`
	Path string      `json:"path,omitempty"`
	Run  cairn.RunID `json:"run"`
	Job  cairn.JobID `json:"job,omitempty"` // of Path; the only job of a command
}

// CacheExplanation says what a job's key was made of, and how it differs from that of
// the newest earlier job of the same node.
type CacheExplanation struct {
	Job   cairn.Job       `json:"job"`
	Key   cairn.Digest    `json:"key,omitempty"`
	Parts []cairn.KeyPart `json:"parts,omitempty"`
	// Why is a sentence: reused from, ran since, was never a candidate because.
	Why         string        `json:"why"`
	Against     *cairn.Job    `json:"against,omitempty"`
	AgainstName string        `json:"against_name,omitempty"`
	Changed     []ChangedPart `json:"changed,omitempty"`
}

// ChangedPart is a part of a key that differs; Files are the files of a tree that do.
type ChangedPart struct {
	Name  string   `json:"name"`
	Was   string   `json:"was,omitempty"`
	Is    string   `json:"is,omitempty"`
	Files []string `json:"files,omitempty"` // "changed train.py", "added x", "removed y"
}

// JobFilter narrows a list of submitted jobs.
type JobFilter struct {
	Experiment string
	Schedule   string
	Archived   bool // include archived ones
	Before     cairn.RunID
	Limit      int // 0: 50
}

// SubmitJob starts a run of a job's file. It is safe to repeat: the request carries a key.
func (c *Client) SubmitJob(ctx context.Context, r JobRequest) (*JobCreated, error) {
	if r.Key == "" {
		r.Key = randomKey()
	}
	return call[JobCreated](ctx, c, http.MethodPost, "/submissions", r, idempotent)
}

// CheckJob says what cannot be met of a request; nothing is run or stored.
func (c *Client) CheckJob(ctx context.Context, r JobRequest) (*JobChecked, error) {
	return call[JobChecked](ctx, c, http.MethodPost, "/submissions/check", r, idempotent)
}

// SubmittedJobs lists runs of jobs' files, newest first.
func (c *Client) SubmittedJobs(ctx context.Context, f JobFilter) ([]cairn.Run, error) {
	q := query("experiment", f.Experiment, "schedule", f.Schedule)
	if f.Archived {
		q.Set("archived", "true")
	}
	if f.Before > 0 {
		q.Set("before", strconv.FormatInt(int64(f.Before), 10))
	}
	if f.Limit > 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	return list[cairn.Run](ctx, c, "/submissions", q)
}

// FindJob resolves a job's name, "name_child", "name/path/of/child", or a run's number.
func (c *Client) FindJob(ctx context.Context, name string) (*JobName, error) {
	return call[JobName](ctx, c, http.MethodGet, "/submissions/"+url.PathEscape(name)+"/name", nil)
}

// SubmittedJob returns a run of a job's file with its jobs and its graph; name as for FindJob.
func (c *Client) SubmittedJob(ctx context.Context, name string) (*JobView, error) {
	return call[JobView](ctx, c, http.MethodGet, "/submissions/"+url.PathEscape(name), nil)
}

// ExplainCache says why a job ran or took earlier outputs.
func (c *Client) ExplainCache(ctx context.Context, name string) (*CacheExplanation, error) {
	return call[CacheExplanation](ctx, c, http.MethodGet, "/submissions/"+url.PathEscape(name)+"/cache", nil)
}

// UpdateJob changes tags and properties, and archives or restores: nil leaves as it is.
func (c *Client) UpdateJob(ctx context.Context, name string, u JobUpdate) (*cairn.Run, error) {
	return call[cairn.Run](ctx, c, http.MethodPatch, "/submissions/"+url.PathEscape(name), u)
}

// JobUpdate is a change of what is said of a job.
type JobUpdate struct {
	DisplayName *string           `json:"display_name,omitempty"`
	Description *string           `json:"description,omitempty"`
	SetTags     map[string]string `json:"set_tags,omitempty"`
	RemoveTags  []string          `json:"remove_tags,omitempty"`
	Archived    *bool             `json:"archived,omitempty"`
}

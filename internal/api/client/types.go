package client

import (
	"encoding/json"
	"time"

	"github.com/cairn-ml/cairn"
)

// The types that travel over /api/v1. Nouns of the root package travel as they
// are; these are the questions and answers around them.

// Status says how the owner of a home is doing.
type Status struct {
	Version   string    `json:"version"`
	Home      string    `json:"home"`
	PID       int       `json:"pid"`
	StartedAt time.Time `json:"started_at"`
	URL       string    `json:"url"` // the address that code dials: http://127.0.0.1:7077
	Socket    string    `json:"socket"`
	Log       string    `json:"log"` // the server's log file
	// SelfStarted says that a command started this owner; it leaves by itself.
	SelfStarted bool          `json:"self_started"`
	Labels      []string      `json:"labels"` // runner labels that are served
	Slots       int           `json:"slots"`
	Busy        int           `json:"busy"`
	ActiveRuns  []cairn.Run   `json:"active_runs"`
	Waiting     []WaitingJob  `json:"waiting,omitempty"`
	Idle        time.Duration `json:"idle,omitempty"` // leaves after so long without client and run
}

// WaitingJob says why a job does not run yet.
type WaitingJob struct {
	Run    cairn.RunID  `json:"run"`
	Job    cairn.JobID  `json:"job"`
	Name   string       `json:"name"`
	Status cairn.Status `json:"status"`
	Reason string       `json:"reason"`
}

// RunRequest asks for a run.
type RunRequest struct {
	// Dir is the working tree to take the code from: only over the socket. Else
	// Repository names a hosted one.
	Dir        string `json:"dir,omitempty"`
	Repository string `json:"repository,omitempty"`
	// Ref is a branch, tag or commit; empty: what Dir has checked out (a hosted
	// repository: its default branch).
	Ref string `json:"ref,omitempty"`
	// Dirty takes uncommitted changes of Dir too; only without Ref.
	Dirty bool `json:"dirty,omitempty"`
	// Workflow is its name, file name or path; empty: the only one.
	Workflow string            `json:"workflow,omitempty"`
	Event    string            `json:"event,omitempty"` // empty: workflow_dispatch where declared, else push, else the only one
	Inputs   map[string]string `json:"inputs,omitempty"`
	// EnvFile are the values of an --env-file; they are kept encrypted.
	EnvFile   map[string]string `json:"env_file,omitempty"`
	Jobs      []string          `json:"jobs,omitempty"` // run only these and what they need
	AllowSudo bool              `json:"allow_sudo,omitempty"`
	Step      bool              `json:"step,omitempty"`  // hold before each step
	Debug     bool              `json:"debug,omitempty"` // show debug lines: ACTIONS_STEP_DEBUG
	Payload   json.RawMessage   `json:"payload,omitempty"`
	// Key makes the request idempotent: the same key gives the same run. The
	// client chooses one.
	Key string `json:"key,omitempty"`
}

// RunCreated is the answer to a RunRequest.
type RunCreated struct {
	Run      cairn.Run       `json:"run"`
	Warnings []cairn.Problem `json:"warnings,omitempty"`
	Notes    []string        `json:"notes,omitempty"` // sentences for people: what was taken, what git ignores
}

// Preflight is what is known of a run before it starts.
type Preflight struct {
	Workflow   string           `json:"workflow"`
	Path       string           `json:"path"`
	Event      string           `json:"event"`
	Repository string           `json:"repository"`
	Ref        string           `json:"ref"`
	Commit     cairn.Commit     `json:"commit"`
	Dirty      bool             `json:"dirty"`
	DirtyFiles []string         `json:"dirty_files,omitempty"`
	Inputs     []cairn.Input    `json:"inputs,omitempty"`
	Jobs       []string         `json:"jobs"`
	Problems   []cairn.Problem  `json:"problems,omitempty"` // an error means that the run cannot be met
	Notes      []string         `json:"notes,omitempty"`
	Candidates []WorkflowChoice `json:"candidates,omitempty"` // when no one workflow was meant
}

// WorkflowChoice is a workflow that could have been meant.
type WorkflowChoice struct {
	Name   string   `json:"name"`
	Path   string   `json:"path"`
	Events []string `json:"events,omitempty"`
}

// RunFilter narrows a list of runs; zero fields do not.
type RunFilter struct {
	Repository string
	Workflow   string
	Branch     string
	Commit     string // SHA or prefix
	Status     string // a status or a conclusion
	Event      string
	Actor      string
	Before     cairn.RunID
	Limit      int // 0: 30
}

// RerunRequest asks for another attempt.
type RerunRequest struct {
	Mode string `json:"mode,omitempty"` // all, failed, job, step; empty: all
	Job  string `json:"job,omitempty"`  // modes job and step: its path, name or id
	// From is the step from which a job goes on, in mode step: its number, id or name;
	// empty: the first that failed.
	From string `json:"from,omitempty"`
	// Debug shows debug lines in this attempt.
	Debug   bool `json:"debug,omitempty"`
	Refresh bool `json:"refresh,omitempty"`
}

// StepHold is the step that a held job (RunRequest.Step) stands before.
type StepHold struct {
	Job  cairn.JobID `json:"job"`
	Step int         `json:"step"`
	Name string      `json:"name"`
	Dir  string      `json:"dir"` // its workspace
	// Env is a shell script that exports the environment of the step.
	Env string `json:"env,omitempty"`
}

// AssetFilter narrows a list of assets.
type AssetFilter struct {
	Kind     cairn.AssetKind
	Name     string // part of the name
	Tag      string // key or key=value
	Archived bool   // include archived versions
	Limit    int
}

// AssetDetail is one version and what stands around it.
type AssetDetail struct {
	Version cairn.AssetVersion `json:"version"`
	Labels  []string           `json:"labels,omitempty"`
	MadeBy  cairn.Ref          `json:"made_by,omitempty"`
	UsedBy  []cairn.Ref        `json:"used_by,omitempty"`
}

// NewAsset asks for a version of an asset whose bytes are uploaded already, or lie where
// SourceURI says: then Digest is empty.
type NewAsset struct {
	Kind        cairn.AssetKind   `json:"kind"`
	Name        string            `json:"name"`
	Version     string            `json:"version,omitempty"` // empty: the next number
	Type        string            `json:"type,omitempty"`    // folder (default) or file
	Digest      cairn.Digest      `json:"digest,omitempty"`
	Description string            `json:"description,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	Properties  map[string]string `json:"properties,omitempty"`
	SourceURI   string            `json:"source_uri,omitempty"`
}

// NewToken is a token just made: the only time its text is seen.
type NewToken struct {
	Token cairn.Token `json:"token"`
	Text  string      `json:"text"`
}

// Check is one line of a doctor's report.
type Check struct {
	Name   string `json:"name"`
	Status string `json:"status"` // ok, warning, failed, skipped
	Detail string `json:"detail"`
	Fix    string `json:"fix,omitempty"`
}

// FsckReport says what a check of everything stored found.
type FsckReport struct {
	Blobs    int64         `json:"blobs"`
	Bytes    int64         `json:"bytes"`
	Versions int64         `json:"versions"`
	Links    int64         `json:"links"`
	Findings []FsckFinding `json:"findings,omitempty"`
}

// FsckFinding is one thing that is wrong.
type FsckFinding struct {
	Subject string `json:"subject"` // a digest, a ref, a database or a repository
	Problem string `json:"problem"`
	// HeldBy are versions and artifacts that need it, with the path inside; at most
	// some of them: Held counts all.
	HeldBy []string `json:"held_by,omitempty"`
	Held   int      `json:"held,omitempty"`
	Fix    string   `json:"fix,omitempty"`
}

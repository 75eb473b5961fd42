package cairn

import (
	"encoding/json"
	"time"
)

// TriggerEvent is something that happened to a repository and may start runs:
// each workflow that matches it runs once.
type TriggerEvent struct {
	// Key names this very event: taken in again after a crash, it starts nothing
	// twice.
	Key        string `json:"key"`
	Repository string `json:"repository"`
	Event      string `json:"event"`            // push, pull_request, …
	Action     string `json:"action,omitempty"` // the activity: opened, published, …; of repository_dispatch its event type
	// Ref is what happened to, in full: the branch or tag of a push, refs/pull/7/merge.
	// Events that run on the default branch need none.
	Ref string `json:"ref,omitempty"`
	// SHA is the commit that runs; empty where the default branch does.
	SHA string `json:"sha,omitempty"`
	// Before is where the ref of a push was; 40 zeros for one that is new.
	Before string `json:"before,omitempty"`
	// BaseRef and HeadRef are the branches of a pull request, as short names. For
	// workflow_run HeadRef is the branch of the run that it is about.
	BaseRef string `json:"base_ref,omitempty"`
	HeadRef string `json:"head_ref,omitempty"`
	// Payload lies over what github.event gets by itself.
	Payload json.RawMessage `json:"payload,omitempty"`
	// Inputs are those of workflow_dispatch, as text.
	Inputs map[string]string `json:"inputs,omitempty"`
	By     string            `json:"by"`
	// Changed are the files for path filters. Nil means that whoever takes the
	// event in compares the commits; AllFiles that no path filter is asked.
	Changed  []string `json:"changed,omitzero"`
	AllFiles bool     `json:"all_files,omitempty"`
	// Beside are refs that moved at the same time as that of a push.
	Beside []string `json:"-"`
	// Message is that of the newest commit, for [skip ci]; empty: that of SHA.
	Message string `json:"message,omitempty"`
	// Untrusted says that the code is from a fork or from somebody who may not write
	// here; see Run.Untrusted.
	Untrusted bool `json:"untrusted,omitempty"`
	// Workflow limits the event to one workflow file (its path): a schedule, a
	// dispatch. Of workflow_run it is WorkflowName that counts.
	Workflow string `json:"workflow,omitempty"`
	// WorkflowName is the name of the workflow that a workflow_run event is about.
	WorkflowName string `json:"workflow_name,omitempty"`
	// Chain counts how many workflow_run events lie between this one and what a
	// person did.
	Chain int `json:"chain,omitempty"`
	// Conflict says that a pull request cannot be merged: it has no merge commit that
	// could run.
	Conflict bool `json:"conflict,omitempty"`
	// Title is that of its runs, where their workflows give none; empty: what the
	// event usually shows.
	Title string `json:"title,omitempty"`
	// Reason is kept with the runs, for what their title does not tell: "32 min late".
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at,omitzero"`
}

// Trigger is what became of one event: the runs that it started, and for each
// other workflow why not.
type Trigger struct {
	Runs    []RunID          `json:"runs"`
	Details []TriggerOutcome `json:"details"`
}

// TriggerOutcome says what an event did to one workflow.
type TriggerOutcome struct {
	Workflow string `json:"workflow"` // path of its file
	Starts   bool   `json:"starts"`
	Run      RunID  `json:"run,omitempty"`
	// Why is one sentence; Position is the line of the file that decided.
	Why      string   `json:"why"`
	Position Position `json:"position,omitzero"`
}

// MaxChain is how many workflow_run events may follow each other, as on GitHub.
const MaxChain = 3

// Schedule is one time table of a workflow on the default branch.
type Schedule struct {
	Repository string `json:"repository"`
	Path       string `json:"path"`
	Cron       string `json:"cron"`
	Zone       string `json:"zone,omitempty"` // IANA name; "" is UTC
}

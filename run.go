package cairn

import (
	"encoding/json"
	"time"
)

// RunID numbers runs within a workspace, from 1. It is GITHUB_RUN_ID.
type RunID int64

// JobID numbers jobs (of all runs and attempts) within a home, from 1.
type JobID int64

// Run is one execution of a plan; Attempt counts its re-runs from 1.
type Run struct {
	ID         RunID  `json:"id"`
	Workspace  string `json:"workspace"`
	Repository string `json:"repository"` // owner/name
	Workflow   string `json:"workflow"`   // the plan's name
	Path       string `json:"path"`
	Title      string `json:"title"`  // run-name, else the commit's subject, else the workflow
	Number     int64  `json:"number"` // counts runs of this workflow, from 1: GITHUB_RUN_NUMBER
	Attempt    int    `json:"attempt"`
	Event      string `json:"event"`
	// Payload is the event as github.event shows it.
	Payload json.RawMessage `json:"payload,omitempty"`
	Plan    Digest          `json:"plan"`
	Commit  Commit          `json:"commit"`
	Ref     string          `json:"ref"` // refs/heads/main; "" for a detached HEAD
	// Dirty says that the tree differs from the commit's; then Tree is what ran.
	Dirty bool `json:"dirty"`
	// TreeGit is the git tree id of the code that ran, TreeDigest its Merkle root.
	TreeGit    string `json:"tree_git"`
	TreeDigest Digest `json:"tree_digest,omitempty"`
	Actor      string `json:"actor"`
	// Only limits the run to these node ids and what they need; empty: all.
	Only   []string `json:"only,omitempty"`
	Inputs []Input  `json:"inputs,omitempty"`
	// EnvNames lists the names that an --env-file gave; values are kept encrypted.
	EnvNames   []string   `json:"env_names,omitempty"`
	Status     Status     `json:"status"`
	Conclusion Conclusion `json:"conclusion,omitempty"`
	// Reason says in words why it waits, failed or was cancelled.
	Reason string `json:"reason,omitempty"`
	// CancelBy is who asked to cancel; "" means nobody. Forced says that it was
	// asked for again: then not even jobs with always() go on.
	CancelBy string `json:"cancel_by,omitempty"`
	Forced   bool   `json:"forced,omitempty"`
	// Group is the concurrency group, evaluated; "" means none.
	Group            string `json:"group,omitempty"`
	CancelInProgress bool   `json:"cancel_in_progress,omitempty"`
	Queue            string `json:"queue,omitempty"` // QueueMax, or ""
	// HeadRef and BaseRef are set for pull requests.
	HeadRef string `json:"head_ref,omitempty"`
	BaseRef string `json:"base_ref,omitempty"`
	// Untrusted says that its code comes from a fork or from somebody who may not
	// write here: it is given no secrets, and a token that only reads.
	Untrusted bool `json:"untrusted,omitempty"`
	// Ask names what somebody who may write has to allow before anything of the run
	// starts: code of a fork. "" asks nobody.
	Ask string `json:"ask,omitempty"`
	// Chain counts the workflow_run events between it and what a person did.
	Chain int `json:"chain,omitempty"`
	// What its starter asked for; see JobSpec.
	Interactive bool `json:"interactive,omitempty"`
	AllowSudo   bool `json:"allow_sudo,omitempty"`
	Debug       bool `json:"debug,omitempty"`

	CreatedAt  time.Time `json:"created_at"`
	StartedAt  time.Time `json:"started_at,omitzero"` // of this attempt
	FinishedAt time.Time `json:"finished_at,omitzero"`
	// WorkDir is the working tree it was started from, for hints only.
	WorkDir string `json:"work_dir,omitempty"`
	// Submitted is set for a run of a job's file; nil: of a workflow.
	Submitted *Submitted `json:"submitted,omitempty"`
	Version   int64      `json:"version"` // row version, for compare-and-set
}

// Attempt records one attempt of a run: who asked, and which results it took over.
type Attempt struct {
	Run    RunID  `json:"run"`
	Number int    `json:"number"`
	By     string `json:"by"`
	Mode   string `json:"mode"` // all, failed, job, step
	// Kept maps instance paths to the earlier job whose result is taken over.
	Kept map[string]JobID `json:"kept,omitempty"`
	// Refresh says that labels are resolved anew instead of keeping the first
	// attempt's digests.
	Refresh bool `json:"refresh,omitempty"`
	// Debug says that this attempt shows debug lines although the run did not.
	Debug bool `json:"debug,omitempty"`
	// Resumed are the jobs that go on in the workspace of an earlier one, by path.
	Resumed    map[string]Resume `json:"resumed,omitempty"`
	Status     Status            `json:"status"`
	Conclusion Conclusion        `json:"conclusion,omitempty"`
	StartedAt  time.Time         `json:"started_at"`
	FinishedAt time.Time         `json:"finished_at,omitzero"`
}

// Commit is a git commit as people know it.
type Commit struct {
	SHA       string    `json:"sha"` // 40 lower-case hex digits; "" in a repository without commits
	Tree      string    `json:"tree"`
	Parents   []string  `json:"parents,omitempty"`
	Author    string    `json:"author"`
	Email     string    `json:"email"`
	Date      time.Time `json:"date"` // author date
	Committer string    `json:"committer,omitempty"`
	Subject   string    `json:"subject"`
	Message   string    `json:"message,omitempty"`
}

// Job is one instance of a node in one attempt.
type Job struct {
	ID      JobID `json:"id"`
	Run     RunID `json:"run"`
	Attempt int   `json:"attempt"`
	// Path is the instance path, unique within an attempt: "call[a, 1]/build[3.9]".
	Path string `json:"path"`
	// Node is the plan path without instance keys: "call/build".
	Node       string     `json:"node"`
	Name       string     `json:"name"` // shown: "build (3.9)"
	Status     Status     `json:"status"`
	Conclusion Conclusion `json:"conclusion,omitempty"`
	// Reason says in words why it waits, was skipped, failed or was cancelled.
	Reason string `json:"reason,omitempty"`
	// Outputs are the job's declared outputs; set when it completes.
	Outputs map[string]string `json:"outputs,omitempty"`
	// Tolerated says that continue-on-error keeps its failure from failing the run.
	Tolerated bool `json:"tolerated,omitempty"`
	// What its node says, evaluated once its needs are done (see QueuedAt).
	ContinueOnError  bool    `json:"continue_on_error,omitempty"`
	TimeoutMinutes   float64 `json:"timeout_minutes,omitempty"`
	Group            string  `json:"group,omitempty"` // concurrency group
	CancelInProgress bool    `json:"cancel_in_progress,omitempty"`
	Queue            string  `json:"queue,omitempty"` // QueueMax, or ""
	// GroupAt is when it asked for its groups.
	GroupAt time.Time `json:"group_at,omitzero"`
	// Call says that the row stands for a called workflow that passes a concurrency
	// group: it is handed to no runner, and is done when the jobs below it are.
	Call bool `json:"call,omitempty"`
	// Called is the group of the called workflow itself, beside that of its caller.
	Called *Claim `json:"called,omitempty"`
	// If is its condition as it was evaluated; nil where it has none and nothing
	// kept it from running.
	If *Condition `json:"if,omitempty"`
	// CancelTimeoutMinutes bounds what runs after a cancel; 0: the default.
	CancelTimeoutMinutes float64 `json:"cancel_timeout_minutes,omitempty"`
	// Resume says whose workspace it goes on in; nil: it starts afresh.
	Resume *Resume `json:"resume,omitempty"`
	// CancelAt is when its supervisor was told to end it, ForcedAt when to end it
	// at once.
	CancelAt       time.Time `json:"cancel_at,omitzero"`
	ForcedAt       time.Time `json:"forced_at,omitzero"`
	Environment    string    `json:"environment,omitempty"`
	EnvironmentURL string    `json:"environment_url,omitempty"`
	// Permissions are what its token may do; Untrusted is that of its run.
	Permissions Permissions `json:"permissions,omitempty"`
	Untrusted   bool        `json:"untrusted,omitempty"`
	Labels      []string    `json:"labels,omitempty"`
	Runner      string      `json:"runner,omitempty"`
	// Place is what it asks for a share of, in lower case, and Instances how much of it; see Place.
	Place     string `json:"place,omitempty"`
	Instances int    `json:"instances,omitempty"`
	// Epoch is the lease's; it grows each time the job is handed out. The job's
	// token carries it, and every write with an older one is refused.
	Epoch int64 `json:"epoch"`
	// PID and PIDStart identify the supervisor: the pid and its start time in
	// clock ticks since boot (field 22 of /proc/PID/stat).
	PID      int   `json:"pid,omitempty"`
	PIDStart int64 `json:"pid_start,omitempty"`
	// Offset is how many bytes of the supervisor's event file are taken in.
	Offset    int64     `json:"offset,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	// QueuedAt is when its needs were done and its condition held; from then on
	// name, labels, environment and group are evaluated.
	QueuedAt   time.Time `json:"queued_at,omitzero"`
	StartedAt  time.Time `json:"started_at,omitzero"`
	FinishedAt time.Time `json:"finished_at,omitzero"`
	// Task is what is known of the task it carries out; nil where its node has none.
	Task  *JobTask  `json:"task,omitempty"`
	Steps []StepRow `json:"steps,omitempty"` // filled by reads that ask for them
}

// StepRow is one executed (or skipped) step.
type StepRow struct {
	Job    JobID  `json:"job"`
	Number int    `json:"number"` // from 1; set-up and post steps included
	ID     string `json:"id,omitempty"`
	Name   string `json:"name"`
	Uses   string `json:"uses,omitempty"`
	Status Status `json:"status"`
	// Outcome is the result before continue-on-error, Conclusion the one after it.
	Outcome    Conclusion `json:"outcome,omitempty"`
	Conclusion Conclusion `json:"conclusion,omitempty"`
	ExitCode   *int       `json:"exit_code,omitempty"`
	Reason     string     `json:"reason,omitempty"`
	// If is its condition as it was evaluated; nil where it has none and ran.
	If *Condition `json:"if,omitempty"`
	// Stage is pre or post for what an action does before all steps or after them.
	Stage string `json:"stage,omitempty"`
	// From is the earlier job whose result this is: the step did not run again.
	From        JobID             `json:"from,omitempty"`
	Outputs     map[string]string `json:"outputs,omitempty"`
	Summary     string            `json:"summary,omitempty"` // GITHUB_STEP_SUMMARY, at most 1 MiB
	Annotations []Annotation      `json:"annotations,omitempty"`
	Subjects    []Subject         `json:"subjects,omitempty"` // of GITHUB_ARTIFACTS
	LogSize     int64             `json:"log_size"`
	LogDigest   Digest            `json:"log_digest,omitempty"` // once sealed into the CAS
	StartedAt   time.Time         `json:"started_at,omitzero"`
	FinishedAt  time.Time         `json:"finished_at,omitzero"`
}

// Subject is something that a step says it made: a file or an image, by its digest.
type Subject struct {
	Name   string `json:"name"`
	Digest string `json:"digest"` // sha256:…; of images sha384 and sha512, too
	Kind   string `json:"kind"`   // file, oci
}

// Annotation is a notice, warning or error that a step raised.
type Annotation struct {
	Position
	EndLine  int    `json:"end_line,omitempty"` // where it is not Line
	Severity string `json:"severity"`           // notice, warning, error
	Title    string `json:"title,omitempty"`
	Message  string `json:"message"`
}

// Event is one change, written in the transaction that made it. Seq counts
// within Run without gaps; events without a run (labels, secrets) have Run 0.
type Event struct {
	Seq     int64           `json:"seq"`
	Run     RunID           `json:"run,omitempty"`
	At      time.Time       `json:"at"`
	By      string          `json:"by"`
	Kind    string          `json:"kind"`    // see the Ev constants
	Subject Ref             `json:"subject"` // what changed
	Data    json.RawMessage `json:"data,omitempty"`
}

// The event kinds. Data is the row after the change (Run, Attempt, Job,
// StepRow, AssetVersion, Label …), so that folding events gives the rows.
const (
	EvRunCreated   = "run.created"
	EvRunChanged   = "run.changed"
	EvRunExpanded  = "run.expanded" // Data: Expanded
	EvAttempt      = "run.attempt"  // Data: Attempt
	EvJobCreated   = "job.created"
	EvJobChanged   = "job.changed"
	EvStepChanged  = "step.changed"
	EvAssetCreated = "asset.created"
	EvAssetChanged = "asset.changed"
	EvLabelMoved   = "label.moved"
	EvApproval     = "approval.changed"
	EvRecorded     = "record.changed" // secrets (name only), variables, users, tokens, environments
)

// Link is one edge of the lineage graph; it is only ever added. The same
// (From, Relation, To) added again is ignored.
type Link struct {
	From     Ref       `json:"from"`
	Relation Relation  `json:"relation"`
	To       Ref       `json:"to"`
	At       time.Time `json:"at"`
	By       string    `json:"by"`
	// Note is what a person needs to read the edge: "as data/digits@latest",
	// "skipped: output of run 41 taken".
	Note string `json:"note,omitempty"`
}

// Relation names an edge.
type Relation string

// The relations. They point from the later thing to what it stands on, save
// RelMade, which points from a job to what it made.
const (
	RelRan      Relation = "ran"      // job → commit, tree
	RelUsed     Relation = "used"     // job → data, model, artifact, environment
	RelMade     Relation = "made"     // job → data, model, artifact, mlrun, environment
	RelPartOf   Relation = "part-of"  // job → run; mlrun → job; tree → commit
	RelPacked   Relation = "packed"   // image → model, code, environment, base image
	RelReleased Relation = "released" // release → image
	RelApproved Relation = "approved" // run, job, deployment → user
	RelRejected Relation = "rejected" // run, job, deployment → user
	RelDeployed Relation = "deployed" // deployment → release
	RelServed   Relation = "served"   // prediction → deployment
	RelDerived  Relation = "derived"  // model version → mlrun or artifact it was registered from
)

// Effect is something to do outside the database after a transaction: start a
// process, end one, call a webhook. It is idempotent by ID, which its writer
// chooses; the same ID written twice is one effect.
type Effect struct {
	ID      string          `json:"id"`
	Kind    string          `json:"kind"` // job.start, job.cancel, run.wake, …
	Payload json.RawMessage `json:"payload,omitempty"`
	Tries   int             `json:"tries"`
	After   time.Time       `json:"after,omitzero"` // not before
}

// Change is what accompanies every mutation of a row, in the same transaction.
type Change struct {
	By      string // who acts: a user's or job's principal name
	Events  []Event
	Links   []Link
	Effects []Effect
}

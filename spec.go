package cairn

import (
	"encoding/json"
	"time"
)

// JobSpec is everything a runner needs to execute one job: frozen when the job
// is handed out and written beside the job, so that a supervisor needs no
// server to carry on. It holds no secret; those travel in JobSecrets.
type JobSpec struct {
	Schema  int    `json:"schema"`
	Job     JobID  `json:"job"`
	Run     RunID  `json:"run"`
	Attempt int    `json:"attempt"`
	Epoch   int64  `json:"epoch"`
	Path    string `json:"path"`
	Name    string `json:"name"`
	// Contexts by name: github, inputs, vars, needs, strategy, matrix. The runner
	// adds env, job, runner, secrets and steps.
	Contexts map[string]json.RawMessage `json:"contexts"`
	// Env are the layers of environment variables, widest first (workflow, called
	// workflow, job); each is evaluated with the ones before it applied.
	Env            [][]NamedValue `json:"env,omitempty"`
	Defaults       RunDefaults    `json:"defaults,omitzero"`
	Steps          []Step         `json:"steps"`
	Outputs        []NamedValue   `json:"outputs,omitempty"`
	TimeoutMinutes float64        `json:"timeout_minutes"`
	// CancelTimeoutMinutes bounds what runs after a cancel; 0: the runner's default.
	CancelTimeoutMinutes float64  `json:"cancel_timeout_minutes,omitempty"`
	Container            Template `json:"container,omitzero"`
	Services             Template `json:"services,omitzero"`
	EnvironmentURL       Template `json:"environment_url,omitzero"`
	// BaseEnv are further variables for every step (GITHUB_*, MLFLOW_TRACKING_URI,
	// CAIRN_URL …) that the runner itself cannot know.
	BaseEnv map[string]string `json:"base_env,omitempty"`
	// ActionEnv are variables that steps with uses see beside BaseEnv and run steps
	// do not (ACTIONS_RUNTIME_URL, ACTIONS_RESULTS_URL …), as on GitHub.
	ActionEnv map[string]string `json:"action_env,omitempty"`
	// Originals are names of actions (owner/name) whose built-in is not to be used.
	Originals []string `json:"originals,omitempty"`
	// Permissions are what the job's token may do: scope -> read, write or none, as
	// the plan says. Scopes that it does not name are none. Nil means that neither
	// the workflow nor the job says anything: then the default holds.
	Permissions map[string]string `json:"permissions,omitempty"`
	Code        CodeRef           `json:"code"`
	// Dialects are names of small behaviours that a language switches on in the
	// runner; empty for workflows.
	Dialects []string `json:"dialects,omitempty"`
	// Untrusted says that the run is of code that nobody here answers for: it is given
	// nothing that others keep here, nor what only the user of this machine may read.
	Untrusted bool `json:"untrusted,omitempty"`
	// Debug says that debug lines are shown (ACTIONS_STEP_DEBUG).
	Debug bool `json:"debug,omitempty"`
	// AllowSudo lets steps call sudo.
	AllowSudo bool `json:"allow_sudo,omitempty"`
	// Interactive holds the job before each step until the client says go on.
	Interactive bool `json:"interactive,omitempty"`
	// Task is what the steps carry out; nil: they are the job.
	Task *TaskRun `json:"task,omitempty"`
	// Resume lets the job go on in the workspace of an earlier one.
	Resume *Resume `json:"resume,omitempty"`
}

// JobSpecSchema is the version of JobSpec that this Cairn writes and reads.
const JobSpecSchema = 1

// JobSecrets go to the supervisor through a pipe, never through a file, an
// argument or a variable of its own.
type JobSecrets struct {
	Secrets map[string]string `json:"secrets"`
	Token   string            `json:"token"` // the job's own token: CAIRN_TOKEN, MLFLOW_TRACKING_TOKEN
	// Runtime is the same right as a signed token of the form that GitHub's clients
	// of artifacts and caches read: ACTIONS_RUNTIME_TOKEN of steps with uses.
	Runtime string   `json:"runtime,omitempty"`
	Masks   []string `json:"masks,omitempty"`
	// Env are variables from an env file: every step gets those that its workflow
	// leaves open. Their values are masked.
	Env map[string]string `json:"env,omitempty"`
	// Vars are the values of vars.* that come from an env file: they are not in the
	// spec, which lies in a file.
	Vars map[string]string `json:"vars,omitempty"`
	// StateKey seals what the job leaves for one that goes on in its workspace;
	// ResumeKey opens what the earlier job of JobSpec.Resume left.
	StateKey  []byte `json:"state_key,omitempty"`
	ResumeKey []byte `json:"resume_key,omitempty"`
}

// CodeRef tells checkout what to put into the workspace.
type CodeRef struct {
	Repository string `json:"repository"` // owner/name
	GitDir     string `json:"git_dir"`    // hosted bare repository that has the objects
	Commit     string `json:"commit"`
	Ref        string `json:"ref"`
	TreeGit    string `json:"tree_git"` // what to check out; differs from the commit's tree when dirty
	Dirty      bool   `json:"dirty"`
	WorkDir    string `json:"work_dir,omitempty"` // for hints only
}

// Report is one line of a supervisor's event file (JSON lines, each fsynced
// before the supervisor goes on). Offsets into that file make ingestion
// idempotent.
type Report struct {
	At    time.Time `json:"at"`
	Kind  string    `json:"kind"` // see the Report constants
	Epoch int64     `json:"epoch"`
	// Step is the whole row after the change (report.step).
	Step *StepRow `json:"step,omitempty"`
	// The end of the job (report.finished).
	Conclusion     Conclusion        `json:"conclusion,omitempty"`
	Reason         string            `json:"reason,omitempty"`
	Outputs        map[string]string `json:"outputs,omitempty"`
	EnvironmentURL string            `json:"environment_url,omitempty"`
	// Killed counts processes that had to be ended with the job.
	Killed int `json:"killed,omitempty"`
}

// The kinds of reports.
const (
	ReportStarted  = "started"
	ReportStep     = "step"
	ReportFinished = "finished"
)

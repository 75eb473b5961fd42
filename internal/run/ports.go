package run

import (
	"context"
	"time"

	"github.com/cairn-ml/cairn"
)

// Store keeps runs; *store.Store satisfies it. Every method is safe for
// concurrent use.
type Store interface {
	// Reserve takes n ids of a counter ("run", "job"); gaps are harmless.
	Reserve(ctx context.Context, counter string, n int) (first int64, err error)
	// CreateRun writes a run with its first attempt and its plan (canonical
	// encoding, named by run.Plan). It gives the run its Number and answers it.
	CreateRun(ctx context.Context, run cairn.Run, attempt cairn.Attempt, plan []byte, ch cairn.Change) (cairn.Run, error)
	// ApplyRun writes a batch and its change in one transaction.
	ApplyRun(ctx context.Context, b cairn.RunBatch, ch cairn.Change) error
	// ActiveRuns gives the row version of every run that is not completed.
	ActiveRuns(ctx context.Context) (map[cairn.RunID]int64, error)
	// RunSnapshot reads one attempt of a run at one moment; attempt 0 is the
	// current one.
	RunSnapshot(ctx context.Context, id cairn.RunID, attempt int) (*cairn.RunSnapshot, error)
	Plan(ctx context.Context, digest cairn.Digest) (*cairn.Plan, error)
	Run(ctx context.Context, id cairn.RunID) (cairn.Run, error)
	Job(ctx context.Context, id cairn.JobID) (cairn.Job, error)
	Steps(ctx context.Context, job cairn.JobID) ([]cairn.StepRow, error)

	Effects(ctx context.Context, limit int) ([]cairn.Effect, error)
	EffectDone(ctx context.Context, id string) error
	EffectRetry(ctx context.Context, id string, after time.Time, reason string) error
	// Watch signals commits that wrote events or effects.
	Watch() (signal <-chan struct{}, stop func())
}

// Backend executes jobs outside this process. Its methods may take a while, are
// never called inside a transaction and may be called concurrently.
type Backend interface {
	// Start hands a job to a supervisor and answers its identity. It is idempotent
	// by (Job, Epoch): where that supervisor was started before (alive or ended,
	// by this process or by an earlier one) its recorded identity is answered and
	// nothing is started. An error of CodeInvalid, CodeUnsupported or CodeFailed is
	// final; any other is tried again.
	Start(ctx context.Context, spec cairn.JobSpec, secrets cairn.JobSecrets) (pid int, pidStart int64, err error)
	// Reports reads the whole lines of the job's event file (that of job.Epoch)
	// from a byte offset, and the offset behind them. A file that does not exist
	// (yet) is empty.
	Reports(ctx context.Context, job cairn.Job, fromOffset int64) (reports []cairn.Report, next int64, err error)
	// Alive reports whether the supervisor (PID, PIDStart) is running.
	Alive(job cairn.Job) bool
	// Cancel asks the supervisor to end the job: orderly, so that always() steps
	// run, or by force. Cancelling what has ended is not an error.
	Cancel(ctx context.Context, job cairn.Job, force bool) error
	// Cleanup removes what a completed job left behind, save its logs.
	Cleanup(ctx context.Context, job cairn.Job) error
	// Changed receives when some job may have new reports or some supervisor ended;
	// signals coalesce.
	Changed() <-chan struct{}
	// Slots lists what can run here.
	Slots() []cairn.Slot
}

// ActionResolver is what a Resolver may know besides: what steps with uses are told
// of the services that artifacts and caches go through.
type ActionResolver interface {
	// ActionEnv are the variables, and the job's right in the form of
	// ACTIONS_RUNTIME_TOKEN.
	ActionEnv(ctx context.Context, run *cairn.Run, job *cairn.Job) (env map[string]string, token string, err error)
}

// TaskResolver is what a Resolver may know besides: what a job that carries out a task
// is told.
type TaskResolver interface {
	// Task completes a task that is handed out: its names, and its run in the tracking
	// API, which it makes. It answers further variables. It is idempotent by job and epoch.
	Task(ctx context.Context, run *cairn.Run, job *cairn.Job, t *cairn.TaskRun) (env map[string]string, err error)
}

// Results finds what earlier jobs left; *store.Store satisfies it.
type Results interface {
	// Result is the newest result of a key; CodeNotFound where there is none.
	Result(ctx context.Context, workspace string, key cairn.Digest) (*cairn.TaskResult, error)
}

// Scores reads what jobs logged of a metric; *store.Store satisfies it.
type Scores interface {
	// MetricHistory answers points of a metric of a tracking run by their time, step and
	// value, no more than limit; those after one where that is given.
	MetricHistory(ctx context.Context, run, metric string, after *cairn.Metric, limit int) ([]cairn.Metric, error)
}

// Resolver answers what a job needs beyond the plan; the server plugs it in.
type Resolver interface {
	// Vars are the configuration variables (vars.*) of a run, with those of the
	// environment where one is named.
	Vars(ctx context.Context, run *cairn.Run, environment string) (map[string]string, error)
	// Secrets are the secrets (secrets.*), likewise.
	Secrets(ctx context.Context, run *cairn.Run, environment string) (map[string]string, error)
	// EnvFile are the values of the run's --env-file.
	EnvFile(ctx context.Context, run *cairn.Run) (map[string]string, error)
	// JobToken makes the job's own token; it carries job and epoch.
	JobToken(ctx context.Context, run *cairn.Run, job *cairn.Job) (string, error)
	// JobEnv are variables for every step that are no secrets: CAIRN_URL,
	// MLFLOW_TRACKING_URI, …
	JobEnv(ctx context.Context, run *cairn.Run, job *cairn.Job) (map[string]string, error)
	// Code says what checkout puts into the workspace.
	Code(ctx context.Context, run *cairn.Run) (cairn.CodeRef, error)
	// Addresses are github.server_url and github.api_url.
	Addresses() (server, api string)
}

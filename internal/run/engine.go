package run

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/cairn-ml/cairn"
)

// Options configure an Engine.
type Options struct {
	Store    Store
	Backend  Backend
	Resolver Resolver
	Log      *slog.Logger
	Now      func() time.Time // nil: time.Now
	// Effects handles effects of other rooms by kind; the engine does its own.
	Effects map[string]func(context.Context, cairn.Effect) error
	// Poll is how often it looks although nobody signalled; 0: 2 seconds.
	Poll time.Duration
}

// Request asks for a new run.
type Request struct {
	Workspace  string
	Repository string
	Plan       *cairn.Plan
	Payload    json.RawMessage // github.event
	Commit     cairn.Commit
	Ref        string
	HeadRef    string // pull requests
	BaseRef    string
	Dirty      bool
	TreeGit    string
	TreeDigest cairn.Digest
	Actor      string
	Only       []string // node ids (--job)
	EnvNames   []string
	WorkDir    string

	Interactive bool
	AllowSudo   bool
	Debug       bool

	// Prepare is called once the run has its id and before it is written: for
	// what must be there first, such as the sealed values of an env file.
	Prepare func(ctx context.Context, run *cairn.Run) error
}

// RerunMode says what a new attempt does again.
type RerunMode string

// The modes of Rerun.
const (
	RerunAll    RerunMode = "all"
	RerunFailed RerunMode = "failed" // failed and cancelled jobs, and what depends on them
	RerunJob    RerunMode = "job"    // one job, and what depends on it
)

// RerunRequest asks for a new attempt of a completed run.
type RerunRequest struct {
	Run  cairn.RunID
	Mode RerunMode
	Job  string // mode job: the job's instance path, node path or number
	By   string
	// Refresh resolves asset labels anew instead of keeping the first attempt's.
	Refresh bool
	Debug   bool
}

// Engine drives every active run of one home.
type Engine struct {
	o Options
}

// New makes an engine; Run starts it.
func New(o Options) *Engine {
	return &Engine{o: o}
}

// Run decides and carries out until ctx ends. It answers ctx's error.
func (e *Engine) Run(ctx context.Context) error {
	return cairn.Errorf(cairn.CodeUnsupported, "being built")
}

// Submit writes a new run; the loop takes it from there.
func (e *Engine) Submit(ctx context.Context, r Request) (*cairn.Run, error) {
	return nil, cairn.Errorf(cairn.CodeUnsupported, "being built")
}

// Cancel asks a run to end; asked again, it ends by force.
func (e *Engine) Cancel(ctx context.Context, id cairn.RunID, by string) error {
	return cairn.Errorf(cairn.CodeUnsupported, "being built")
}

// Rerun starts a new attempt of a completed run.
func (e *Engine) Rerun(ctx context.Context, r RerunRequest) (*cairn.Run, error) {
	return nil, cairn.Errorf(cairn.CodeUnsupported, "being built")
}

// Approve decides on an environment of a run's current attempt.
func (e *Engine) Approve(ctx context.Context, id cairn.RunID, environment string, approve bool, by, comment string) error {
	return cairn.Errorf(cairn.CodeUnsupported, "being built")
}

// Active counts runs that are not completed: a detached owner stays for them.
func (e *Engine) Active(ctx context.Context) (int, error) {
	m, err := e.o.Store.ActiveRuns(ctx)
	return len(m), err
}

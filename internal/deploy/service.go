package deploy

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/stages"
)

// Store keeps the rows of this room and reads those around it; *store.Store
// satisfies it.
type Store interface {
	PutRelease(ctx context.Context, r cairn.Release, change func(r cairn.Release, created bool) cairn.Change) (cairn.Release, error)
	// Release finds a release by its id or a beginning of it.
	Release(ctx context.Context, workspace, id string) (cairn.Release, error)
	ReleaseBySeq(ctx context.Context, workspace, service string, seq int64) (cairn.Release, error)
	// ReleaseByTag looks in all services where none is named.
	ReleaseByTag(ctx context.Context, workspace, service, tag string) (cairn.Release, error)
	Releases(ctx context.Context, f cairn.ReleaseFilter) ([]cairn.Release, error)
	PutReleaseTag(ctx context.Context, t cairn.ReleaseTag, ch cairn.Change) error

	EnsureStage(ctx context.Context, s cairn.Stage, ch cairn.Change) (cairn.Stage, error)
	Stage(ctx context.Context, id int64) (cairn.Stage, error)
	StageByName(ctx context.Context, workspace, repository, name string) (cairn.Stage, error)
	Stages(ctx context.Context, repository string) ([]cairn.Stage, error)

	// CreateDeployment numbers and writes a deployment; the same key gives the one
	// that it made before.
	CreateDeployment(ctx context.Context, d cairn.Deployment, key string, config []byte,
		change func(cairn.Deployment) cairn.Change) (_ cairn.Deployment, created bool, err error)
	// DeploymentByKey is CodeNotFound for a key that is new.
	DeploymentByKey(ctx context.Context, key string) (cairn.Deployment, error)
	// PutDeployments changes rows that are still as they were read, else CodeConflict.
	PutDeployments(ctx context.Context, ds []cairn.Deployment, st *cairn.Stage, ch cairn.Change) ([]cairn.Deployment, error)
	Deployment(ctx context.Context, id cairn.DeploymentID) (cairn.Deployment, error)
	Deployments(ctx context.Context, f cairn.DeploymentFilter) ([]cairn.Deployment, error)
	StageConfig(ctx context.Context, d cairn.Digest) (cairn.StageConfig, error)

	Environments(ctx context.Context, repository string) ([]cairn.Environment, error)
	Run(ctx context.Context, id cairn.RunID) (cairn.Run, error)
	Job(ctx context.Context, id cairn.JobID) (cairn.Job, error)
	Jobs(ctx context.Context, run cairn.RunID, attempt int, steps bool) ([]cairn.Job, error)
	Attempts(ctx context.Context, run cairn.RunID) ([]cairn.Attempt, error)
	Approvals(ctx context.Context, run cairn.RunID) ([]cairn.Approval, error)
	AssetVersion(ctx context.Context, workspace string, kind cairn.AssetKind, name, version string) (cairn.AssetVersion, error)
	MLRun(ctx context.Context, id string) (*cairn.MLRun, error)
	Images(ctx context.Context, workspace string, f cairn.ImageFilter) ([]cairn.Image, error)
	// Watch signals commits that wrote events.
	Watch() (signal <-chan struct{}, stop func())
}

// Images finds images by whatever names them; *oci.Service satisfies it.
type Images interface {
	Resolve(ctx context.Context, ref string) (*cairn.Image, error)
}

// Code reads the hosted repositories.
type Code interface {
	// ReadFile reads a file as a commit or tree has it ("": the newest commit of the
	// default branch). What is not there is CodeNotFound.
	ReadFile(ctx context.Context, repository, revision, path string) ([]byte, error)
	// Commit looks a commit up.
	Commit(ctx context.Context, repository, sha string) (cairn.Commit, error)
}

// Gates evaluates the condition of an environment for a release, which holds a model
// or none ("").
type Gates interface {
	CheckRelease(ctx context.Context, r *cairn.Release, model cairn.Ref, stage, expr string) (cairn.GateCheck, error)
}

// Options plug a Service together.
type Options struct {
	Store     Store
	Images    Images
	Code      Code
	Target    Target
	Workspace string
	// MatchRef says whether a pattern of branches takes a ref: that of the engine, so
	// that both gates mean the same.
	MatchRef func(pattern, ref string) bool
	// Gates evaluates the conditions of environments; nil: a stage with one takes nothing.
	Gates Gates
	// FirstPort is where the ports of stages begin; 0: 7080.
	FirstPort int
	// Free says whether a port can be had on loopback; nil: it is tried.
	Free func(port int) bool
	Log  *slog.Logger
	Now  func() time.Time // nil: time.Now
}

// FirstPort is where the ports of stages begin unless told otherwise.
const FirstPort = 7080

// Service is safe for concurrent use. What it was asked to do happens while Run
// runs.
type Service struct {
	o       Options
	checker func() (*stages.Checker, error) // made when it is first needed
	kick    chan struct{}

	mu       sync.Mutex
	carried  map[cairn.DeploymentID]bool // those that Target.Deploy works on
	progress map[cairn.DeploymentID]*progress
	turns    map[int64]*sync.Mutex // of stages, see turn
}

// New makes a Service.
func New(o Options) *Service {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.FirstPort == 0 {
		o.FirstPort = FirstPort
	}
	if o.Free == nil {
		o.Free = freePort
	}
	return &Service{
		o: o, checker: sync.OnceValues(stages.NewChecker), kick: make(chan struct{}, 1),
		carried: map[cairn.DeploymentID]bool{}, progress: map[cairn.DeploymentID]*progress{},
		turns: map[int64]*sync.Mutex{},
	}
}

// turn is held while a deployment of a stage is made one that comes up, and while
// the stage is stopped: neither happens in the middle of the other.
func (s *Service) turn(stage int64) *sync.Mutex {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.turns[stage] == nil {
		s.turns[stage] = &sync.Mutex{}
	}
	return s.turns[stage]
}

// wake lets the loop look again.
func (s *Service) wake() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

func (s *Service) now() time.Time { return s.o.Now().UTC() }

package api

import (
	"context"
	"io"
	"log/slog"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/asset"
	"github.com/cairn-ml/cairn/internal/auth"
)

// Rows are the rows that handlers read; *store.Store satisfies it.
type Rows interface {
	Run(ctx context.Context, id cairn.RunID) (cairn.Run, error)
	Runs(ctx context.Context, f cairn.RunFilter) ([]cairn.Run, error)
	Jobs(ctx context.Context, run cairn.RunID, attempt int, steps bool) ([]cairn.Job, error)
	Job(ctx context.Context, id cairn.JobID) (cairn.Job, error)
	Steps(ctx context.Context, job cairn.JobID) ([]cairn.StepRow, error)
	Attempts(ctx context.Context, run cairn.RunID) ([]cairn.Attempt, error)
	Approvals(ctx context.Context, run cairn.RunID) ([]cairn.Approval, error)
	Plan(ctx context.Context, digest cairn.Digest) (*cairn.Plan, error)
	Events(ctx context.Context, run cairn.RunID, after int64, limit int) ([]cairn.Event, error)
	LinksTo(ctx context.Context, refs ...cairn.Ref) ([]cairn.Link, error)
	Watch() (signal <-chan struct{}, stop func())

	Repositories(ctx context.Context, workspace string) ([]cairn.Repository, error)
	Environments(ctx context.Context, repository string) ([]cairn.Environment, error)
	Environment(ctx context.Context, repository, name string) (cairn.Environment, error)
	PutEnvironment(ctx context.Context, e cairn.Environment, ch cairn.Change) error
	DeleteEnvironment(ctx context.Context, repository, name string, ch cairn.Change) error
}

// Control starts and steers runs.
type Control interface {
	Submit(ctx context.Context, r client.RunRequest) (*client.RunCreated, error)
	Preflight(ctx context.Context, r client.RunRequest) (*client.Preflight, error)
	Cancel(ctx context.Context, id cairn.RunID, force bool) error
	Rerun(ctx context.Context, id cairn.RunID, r client.RerunRequest) (*cairn.Run, error)
	Approve(ctx context.Context, id cairn.RunID, environment string, approve bool, comment string) error
	Groups(ctx context.Context, repository string) ([]cairn.ConcurrencyGroup, error)
	StepHeld(ctx context.Context, job cairn.JobID) (*client.StepHold, error)
	StepGo(ctx context.Context, job cairn.JobID, step int, action string) error
}

// Logs reads the logs of steps.
type Logs interface {
	// StepLog opens the log of a step at an offset. One that has no log yet is
	// CodeNotFound.
	StepLog(ctx context.Context, job cairn.Job, step int, offset int64) (io.ReadCloser, error)
}

// Assets are versions and artifacts; *asset.Service satisfies it.
type Assets interface {
	Create(ctx context.Context, n asset.NewVersion, actor cairn.Principal) (*cairn.AssetVersion, error)
	Resolve(ctx context.Context, kind cairn.AssetKind, asked string, actor cairn.Principal) (*cairn.AssetVersion, error)
	Version(ctx context.Context, kind cairn.AssetKind, name, version string) (*cairn.AssetVersion, error)
	Versions(ctx context.Context, f cairn.AssetFilter) ([]cairn.AssetVersion, int64, error)
	Names(ctx context.Context, f cairn.AssetFilter) ([]cairn.Asset, int64, error)
	UpdateVersion(ctx context.Context, kind cairn.AssetKind, name, version string, u asset.Update, actor cairn.Principal) (*cairn.AssetVersion, error)
	Share(ctx context.Context, kind cairn.AssetKind, asked string, to asset.Share, actor cairn.Principal) (*cairn.AssetVersion, error)
	SetLabel(ctx context.Context, kind cairn.AssetKind, name, label, version string, actor cairn.Principal) (*cairn.Label, error)
	DeleteLabel(ctx context.Context, kind cairn.AssetKind, name, label string, actor cairn.Principal) error
	Labels(ctx context.Context, kind cairn.AssetKind, name string) ([]cairn.Label, error)
	CreateArtifact(ctx context.Context, a cairn.Artifact, overwrite bool, actor cairn.Principal) (*cairn.Artifact, error)
	Artifacts(ctx context.Context, run cairn.RunID) ([]cairn.Artifact, error)
	UseArtifact(ctx context.Context, ref cairn.Ref, actor cairn.Principal) (*cairn.Artifact, error)
	ArtifactByID(ctx context.Context, id int64) (*cairn.Artifact, error)
	DeleteArtifact(ctx context.Context, a cairn.Artifact, actor cairn.Principal) error
}

// Blobs are stored bytes; *cas.Store satisfies it.
type Blobs interface {
	Put(ctx context.Context, r io.Reader, want cairn.Digest) (cairn.Digest, int64, error)
	PutMany(ctx context.Context, n int, open func(i int) (io.ReadCloser, error)) ([]cairn.Blob, error)
	Get(ctx context.Context, d cairn.Digest) (io.ReadSeekCloser, int64, error)
	Missing(ctx context.Context, ds []cairn.Digest) ([]cairn.Digest, error)
	Stat(ctx context.Context, d cairn.Digest) (int64, error)
	PutTree(ctx context.Context, entries []cairn.TreeEntry) (cairn.Digest, error)
	ReadTree(ctx context.Context, d cairn.Digest) ([]cairn.TreeEntry, error)
	WalkTree(ctx context.Context, root cairn.Digest, fn func(path string, e cairn.TreeEntry) error) error
}

// Tracer answers traces.
type Tracer interface {
	Trace(ctx context.Context, repository, asked string, down bool) (*cairn.Trace, error)
	Origins(ctx context.Context, repository string) ([]cairn.Origin, error)
}

// System is the owner process itself.
type System interface {
	Status(ctx context.Context) (*client.Status, error)
	Doctor(ctx context.Context) []client.Check
	Fsck(ctx context.Context, repair bool) (*client.FsckReport, error)
	// Handover lets the owner leave once the answer is out.
	Handover(ctx context.Context) error
}

// Options are what the handlers stand on.
type Options struct {
	Version   string
	Workspace string
	Rows      Rows
	Control   Control
	Logs      Logs
	Assets    Assets
	Caches    Caches
	Blobs     Blobs
	Tracer    Tracer
	Tracking  Tracking
	Images    Images
	Actions   Actions
	People    *auth.Service
	System    System
	// Deploys, DeployRows and Pending are stages and what waits for somebody there.
	Deploys    Deploys
	DeployRows DeployRows
	Pending    Pending
	// Predictions, Differ and StageLogs are what is asked of what is served.
	Predictions Predictions
	Differ      Differ
	StageLogs   StageLogs
	// Pulls are pull requests and releases of tags.
	Pulls Pulls
	// Submissions are runs of jobs' files; nil: there are none.
	Submissions Submissions
	// Computes are names that jobs may ask for; nil: there are none.
	Computes Computes
	// Endpoints are addresses over deployments of models; nil: there are none.
	Endpoints Endpoints
	// EnvironmentMaps are environments of jobs that are on this machine; nil: none can be.
	EnvironmentMaps EnvironmentMaps
	// AzureNames are names of workspaces of Azure; nil: nothing is said of any.
	AzureNames AzureNames
	// Schedules are schedules of jobs; nil: there are none.
	Schedules Schedules
	// IDTokens makes identity tokens for jobs.
	IDTokens IDTokens
	// Follows are repositories that stay elsewhere.
	Follows Follows
	// Leaving is closed when the owner begins to leave: streams are cut, and their
	// clients take them up again with the next owner.
	Leaving <-chan struct{}
	// Explain gives errors of the rows a meaning that the rows alone know; nil: none has one.
	Explain func(error) error
	Log     *slog.Logger
}

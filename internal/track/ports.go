package track

import (
	"context"
	"io"

	"github.com/cairn-ml/cairn"
)

// Store keeps the rows. Missing rows are CodeNotFound, taken names CodeConflict.
type Store interface {
	CreateExperiment(ctx context.Context, e cairn.Experiment, ch cairn.Change) (*cairn.Experiment, error)
	Experiment(ctx context.Context, id string) (*cairn.Experiment, error)
	ExperimentByName(ctx context.Context, name string) (*cairn.Experiment, error)
	Experiments(ctx context.Context) ([]cairn.Experiment, error)
	// SaveExperiment writes name, Deleted and tags. Deleting or restoring one does
	// the same to its runs.
	SaveExperiment(ctx context.Context, id string, change func(*cairn.Experiment) error, ch cairn.Change) (*cairn.Experiment, error)

	CreateMLRun(ctx context.Context, r cairn.MLRun, ch cairn.Change) error
	// MLRunInfo reads a run without tags, params, metrics, inputs and outputs.
	MLRunInfo(ctx context.Context, id string) (*cairn.MLRun, error)
	MLRun(ctx context.Context, id string) (*cairn.MLRun, error)
	MLRunsOfJob(ctx context.Context, job cairn.JobID) ([]cairn.MLRun, error)
	// SaveMLRun writes name, status, end time and Deleted.
	SaveMLRun(ctx context.Context, id string, change func(*cairn.MLRun) error, ch cairn.Change) (*cairn.MLRun, error)
	SearchMLRuns(ctx context.Context, q cairn.TrackQuery) ([]cairn.MLRun, error)
	// LogParams adds params and sets tags: all or nothing. A param that is there
	// with another value is refused. The run must not be deleted.
	LogParams(ctx context.Context, run string, params []cairn.Param, tags []cairn.Param) error
	DeleteMLRunTag(ctx context.Context, run, key string) error
	// LogInputs adds datasets and models that a run used and models that it made;
	// what is there already stays.
	LogInputs(ctx context.Context, run string, datasets []cairn.DatasetInput, models []string, outputs []cairn.ModelOutput) error

	// LogMetrics returns when the points are durable and the latest ones known.
	LogMetrics(ctx context.Context, run string, points []cairn.Metric) error
	// MetricHistory returns points in order of time, step and value, those after
	// one where it is not nil.
	MetricHistory(ctx context.Context, run, key string, after *cairn.Metric, limit int) ([]cairn.Metric, error)
	// RecoverMetrics finishes what LogMetrics had begun when the process ended.
	RecoverMetrics(ctx context.Context) error

	CreateLoggedModel(ctx context.Context, m cairn.LoggedModel, ch cairn.Change) error
	LoggedModel(ctx context.Context, id string) (*cairn.LoggedModel, error)
	// LoggedModels lists those of experiments, or of one source run where it is
	// not "", newest first.
	LoggedModels(ctx context.Context, experiments []string, sourceRun string) ([]cairn.LoggedModel, error)
	// SaveLoggedModel writes status, tags, params and Deleted.
	SaveLoggedModel(ctx context.Context, id string, change func(*cairn.LoggedModel) error, ch cairn.Change) (*cairn.LoggedModel, error)

	PutMLFile(ctx context.Context, f cairn.MLFile) error
	MLFile(ctx context.Context, path string) (*cairn.MLFile, error)
	// MLFilesIn lists a folder, MLFilesBelow all files under it; by path.
	MLFilesIn(ctx context.Context, dir string) ([]cairn.MLFile, error)
	MLFilesBelow(ctx context.Context, dir string, limit int) ([]cairn.MLFile, error)
	DeleteMLFiles(ctx context.Context, path string) error
}

// Blobs is the content store; *cas.Store satisfies it. A digest that Put returns
// is on disk; want may be "".
type Blobs interface {
	Put(ctx context.Context, r io.Reader, want cairn.Digest) (cairn.Digest, int64, error)
	Get(ctx context.Context, d cairn.Digest) (io.ReadSeekCloser, int64, error)
	PutTree(ctx context.Context, entries []cairn.TreeEntry) (cairn.Digest, error)
	ReadTree(ctx context.Context, d cairn.Digest) ([]cairn.TreeEntry, error)
}

// NewModelVersion is what registering a model asks for.
type NewModelVersion struct {
	Name        string
	Description string
	Tags        map[string]string
	Properties  map[string]string // see the Prop constants
	Digest      cairn.Digest      // root of the model's tree
	Size        int64
	Files       int64
	SourceRun   string // tracking run, "" if unknown
	SourceURI   string
}

// Properties that versions registered through this room may carry.
const (
	PropLoggedModel = "mlflow.model_id" // the logged model it was registered from
	PropRunLink     = "mlflow.run_link" // what the client said
)

// ModelPatch changes what may change of a name or a version; nil fields stay.
type ModelPatch struct {
	Description *string
	Stage       *string // of a version
	SetTags     map[string]string
	DeleteTags  []string
}

// Models keeps registered models and their versions: assets of kind model.
// *asset.Service has all methods but the last four, which need its own types.
type Models interface {
	CreateName(ctx context.Context, a cairn.Asset, actor cairn.Principal) (*cairn.Asset, error)
	Name(ctx context.Context, kind cairn.AssetKind, name string) (*cairn.Asset, error)
	Names(ctx context.Context, f cairn.AssetFilter) (as []cairn.Asset, next int64, err error)
	DeleteName(ctx context.Context, kind cairn.AssetKind, name string, actor cairn.Principal) error
	Version(ctx context.Context, kind cairn.AssetKind, name, version string) (*cairn.AssetVersion, error)
	Versions(ctx context.Context, f cairn.AssetFilter) (vs []cairn.AssetVersion, next int64, err error)
	DeleteVersion(ctx context.Context, kind cairn.AssetKind, name, version string, actor cairn.Principal) error
	Labels(ctx context.Context, kind cairn.AssetKind, name string) ([]cairn.Label, error)
	SetLabel(ctx context.Context, kind cairn.AssetKind, name, label, version string, actor cairn.Principal) (*cairn.Label, error)
	DeleteLabel(ctx context.Context, kind cairn.AssetKind, name, label string, actor cairn.Principal) error

	// CreateModel makes the next version, of type folder. A job's token links the
	// job to it; SourceRun links it to the tracking run.
	CreateModel(ctx context.Context, v NewModelVersion, actor cairn.Principal) (*cairn.AssetVersion, error)
	PatchName(ctx context.Context, name string, p ModelPatch, actor cairn.Principal) (*cairn.Asset, error)
	PatchModel(ctx context.Context, name, version string, p ModelPatch, actor cairn.Principal) (*cairn.AssetVersion, error)
	// UseModel records that the actor's job fetched a version; for users it is
	// nothing.
	UseModel(ctx context.Context, name, version string, actor cairn.Principal) error
}

// Jobs tells which run and commit a job belongs to.
type Jobs interface {
	JobInfo(ctx context.Context, job cairn.JobID) (JobInfo, error)
}

// JobInfo is what runs made by a job inherit.
type JobInfo struct {
	Job cairn.Job
	Run cairn.Run
	// Branch and RepoURL as MLflow's tags show them; "" is left out.
	Branch  string
	RepoURL string
}

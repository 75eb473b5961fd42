package pipeline

import "github.com/cairn-ml/cairn"

// Kind is what a file describes. Jobs, components and deployments say so with type;
// the others are told apart by their keys, or by who asks (see Options.Kind).
type Kind string

// The kinds of files.
const (
	KindCommand      Kind = "command"
	KindPipeline     Kind = "pipeline"
	KindSweep        Kind = "sweep"
	KindParallel     Kind = "parallel" // component or node
	KindSpark        Kind = "spark"
	KindAutoML       Kind = "automl"
	KindDataTransfer Kind = "data_transfer"
	KindImport       Kind = "import"
	KindIfElse       Kind = "if_else" // nodes only
	KindDoWhile      Kind = "do_while"
	KindParallelFor  Kind = "parallel_for"

	KindCommandComponent  Kind = "component/command"
	KindPipelineComponent Kind = "component/pipeline"
	KindParallelComponent Kind = "component/parallel"

	KindData             Kind = "data"
	KindModel            Kind = "model"
	KindEnvironment      Kind = "environment"
	KindCompute          Kind = "compute"
	KindDatastore        Kind = "datastore"
	KindOnlineEndpoint   Kind = "online_endpoint"
	KindOnlineDeployment Kind = "online_deployment"
	KindBatchEndpoint    Kind = "batch_endpoint"
	KindBatchDeployment  Kind = "batch_deployment"
	KindSchedule         Kind = "schedule"
	KindWorkspace        Kind = "workspace"
	KindRegistry         Kind = "registry"
	KindConnection       Kind = "connection"
)

// Files is where files and what they name are read from: a folder of this machine,
// a request, a registered component. Paths are slash-separated, clean and relative to
// one root; "../x" leaves it where the folder allows that.
type Files interface {
	// ReadFile reads a file of at most MaxFile bytes; fs.ErrNotExist where there is none.
	ReadFile(path string) ([]byte, error)
	// Stat says whether a path is there, and whether it is a folder.
	Stat(path string) (dir bool, err error)
}

// Document is one file that was read.
type Document struct {
	Path   string
	Kind   Kind
	Source []byte
	// Sources are all files that went in, the first one included: components that it
	// names by path, in the order in which they were read.
	Sources []Source
	// Exactly one of these is set; Value for every kind that has no type of its own.
	Job       *Job
	Component *Component
	Asset     *Asset
	Schedule  *Schedule
	// Value is the whole file with defaults and what was set, and without read-only keys.
	Value Value
	// References are all that the file names outside of itself, each once for each
	// place, in file order.
	References []Reference
}

// Source is one file with its bytes.
type Source struct {
	Path  string
	Bytes []byte
}

// Asset is data, a model or an environment.
type Asset struct {
	Kind        Kind
	Name        Text
	Version     Text
	Type        string // uri_folder, custom_model, …; "" for an environment
	Path        *Reference
	Description Text
	Tags        []NamedText
	Properties  []NamedText
	Stage       Text
	Flavors     Value
	Environment *Environment
	OS          string
	Pos         cairn.Position
}

// Schedule is a schedule.
type Schedule struct {
	Name        Text
	DisplayName Text
	Description Text
	Tags        []NamedText
	Trigger     Trigger
	// Job is what is created: a file (Document), or a job by name.
	Job      *Document
	JobRef   *Reference
	Disabled bool
	Pos      cairn.Position
}

// Trigger says when.
type Trigger struct {
	Type       string // cron, recurrence, event
	Expression Text
	Frequency  string
	Interval   int
	Hours      []int
	Minutes    []int
	WeekDays   []string
	MonthDays  []int
	Start, End Text // as written
	TimeZone   Text // a Windows name; "" UTC
	// Event is data-registered, model-registered, model-tagged or run-completed, Name
	// what it has to be of; "" for any.
	Event string
	Name  Text
	Pos   cairn.Position
}

// Options say how a file is read.
type Options struct {
	// Kind is what the caller expects; "" finds out by the file itself. "job" and
	// "component" leave the rest to type.
	Kind Kind
	// Set are "a.b.c=v" in order, Values further keys by name (from flags), applied
	// before the file is checked.
	Set    []string
	Values []NamedValue
}

// NamedValue is a key that a flag gives.
type NamedValue struct{ Name, Value string }

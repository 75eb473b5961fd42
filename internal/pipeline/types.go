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

// Text is a text with its place. Set is false where nothing was given.
type Text struct {
	Value string
	Pos   cairn.Position
	Set   bool
}

// Binding is a value that may hold ${{ }}: a literal of any YAML type, or text.
type Binding struct {
	Value Value // scalar, or sequence or map where a place takes one
	Parts []Part
	Pos   cairn.Position
}

// Part is a piece of a text with expressions: either Text or Ref is set.
type Part struct {
	Text string
	Ref  *BindingRef
	// Optional are the parts of a $[[ ]] bracket.
	Optional []Part
}

// BindingRef is what stands between ${{ and }}: "parent.jobs.x.outputs.y" is Path
// [parent jobs x outputs y].
type BindingRef struct {
	Path []string
	Pos  cairn.Position
}

// Value is a YAML value with its place.
type Value struct {
	Kind  cairn.TemplateKind // null, bool, number, string, seq, map
	Text  string             // scalars: as YAML means it
	Raw   string             // scalars: as written, without quotes
	Bool  bool
	Num   float64
	Int   bool // a number without a fraction in YAML's eyes
	Time  bool // text that YAML takes for a date: no text where text is asked for
	Items []Value
	Pairs []Pair
	// OddKeys are keys that are no text, such as 1 or on.
	OddKeys []Value
	// Shape names the keys that a checked map was held against, File the file that a
	// text stands for.
	Shape string
	File  string
	Pos   cairn.Position
}

// Pair is one entry of a map.
type Pair struct {
	Key   Text
	Value Value
}

// RefKind is what a reference leads to.
type RefKind string

// The kinds of references.
const (
	RefLocal     RefKind = "local"     // a path beside the file: Path
	RefAsset     RefKind = "asset"     // azureml:n:v, azureml:n@label, ARM ids, registries
	RefDatastore RefKind = "datastore" // azureml://datastores/DS/paths/P
	RefJob       RefKind = "job"       // azureml://jobs/J/outputs/O/paths/P
	RefRun       RefKind = "run"       // runs:/RUN/path
	RefURL       RefKind = "url"       // http(s), wasbs, abfss, adl, git+https
)

// Reference is something outside of the file, as it is named there.
type Reference struct {
	Kind RefKind
	Text string // as written: the key under which it is resolved
	Pos  cairn.Position
	// JSONPath is where it stands: "jobs.train.environment".
	JSONPath string
	// What it has to be: code, data, model, environment, component, conda, build,
	// compute, datastore, entry.
	Use string
	// Path is the cleaned path of RefLocal, relative to the root of Files.
	Path string
	// Asset: what the reference says, taken apart. Registry "" is the workspace.
	Registry, Name, Version, Label string
	// Datastore, job and run: what is named and the path below it.
	Of, Output, Below string
}

// Job is a job, or a node of a pipeline. Which of the pointers are set follows Type.
type Job struct {
	Type        Kind
	Key         string // of a node: its key among jobs
	Name        Text
	DisplayName Text
	Experiment  Text
	Description Text
	Tags        []NamedText
	Properties  []NamedText
	Compute     Text
	Inputs      []Input
	Outputs     []Output
	// Component is what a node, or a pipeline job, is an instance of; nil: written in place.
	Component *ComponentUse
	Command   *Command // command; of a sweep: its trial; overrides of a node with Component
	Pipeline  *Pipeline
	Sweep     *Sweep
	Parallel  *Parallel
	IfElse    *IfElse
	DoWhile   *DoWhile
	For       *ParallelFor
	Limits    Limits
	Pos       cairn.Position
	JSONPath  string // "" for a job, "jobs.train" for a node
}

// NamedText is one entry of an ordered map of texts.
type NamedText struct {
	Name  string
	Value Binding
}

// Input is an input of a job or node: Literal, or data.
type Input struct {
	Name string
	// Type is as written; "" where nothing says it (a bare literal or binding).
	Type string
	Mode string
	// Value is a literal or text with bindings; Data is set where the input names data
	// by a path, a URL or a reference.
	Value Binding
	Data  *Reference
	Pos   cairn.Position
}

// Output is an output of a job or node.
type Output struct {
	Name string
	Type string
	Mode string
	Path Binding
	// Bound is the name of the parent's output that it is; "" for none.
	Bound string
	// AssetName and AssetVersion register it.
	AssetName, AssetVersion Text
	Pos                     cairn.Position
}

// Command is a command job's own part.
type Command struct {
	Command     Binding
	Code        *Reference
	Environment *Environment
	Variables   []NamedText
	Spread      *Spread
	Instances   Binding // resources.instance_count
	// SharedMemory and DockerArgs are those of resources.
	SharedMemory Binding
	DockerArgs   []Binding
	Resources    Value
	Services     Value
	Identity     Value
	Queue        Value
	// Deterministic is nil where nothing says it, which means true.
	Deterministic *bool
	// Includes are additional_includes of a component.
	Includes []Reference
}

// Environment is a reference or one written in place.
type Environment struct {
	Ref        *Reference
	Image      Text
	Conda      *Reference // a file
	CondaText  string     // inline, as YAML text
	Build      *Reference
	Dockerfile string
	Variables  []NamedText
	Name       Text // ignored in place
	Pos        cairn.Position
}

// Spread is distribution.
type Spread struct {
	Type                        string // pytorch, mpi, tensorflow, ray
	Processes, Workers, Servers Binding
	Pos                         cairn.Position
}

// Limits are those of a job; zero values were not given.
type Limits struct {
	Timeout                       Binding // seconds
	MaxTotalTrials, MaxConcurrent Binding
	TrialTimeout                  Binding
	MaxIterations                 Binding
	Pos                           cairn.Position
}

// Pipeline is a pipeline's own part.
type Pipeline struct {
	Jobs     []Job
	Settings Settings
}

// Settings of a pipeline; nil pointers were not given.
type Settings struct {
	DefaultCompute, DefaultDatastore Text
	ContinueOnStepFailure            *bool
	ForceRerun                       *bool
	OnInit, OnFinalize               Text
	Rest                             Value
}

// ComponentUse says which component a node is an instance of.
type ComponentUse struct {
	Ref *Reference
	// Component is the component itself where it was read: from a file, or written in
	// place; nil for an asset that has to be resolved.
	Component *Component
	Pos       cairn.Position
}

// Component is a component file.
type Component struct {
	Kind        Kind
	Name        Text
	Version     Text
	DisplayName Text
	Description Text
	Tags        []NamedText
	Inputs      []PortDecl
	Outputs     []PortDecl
	// Job holds what it does: its Command, Pipeline or Parallel part.
	Job Job
	Pos cairn.Position
}

// PortDecl declares an input or output of a component.
type PortDecl struct {
	Name        string
	Type        string
	Mode        string
	Optional    bool
	Default     Binding // Value.Kind "" for none
	Min, Max    Value
	Enum        []string
	Description string
	Control     bool
	Pos         cairn.Position
}

// Sweep is a sweep's own part; its trial is Job.Command or Job.Component.
type Sweep struct {
	Algorithm, Rule string
	Seed, Logbase   Value
	Space           Value // checked
	Goal, Metric    string
	Stop            Value // early_termination, checked; Kind "" for none
	Pos             cairn.Position
}

// Parallel is a parallel component's or node's own part.
type Parallel struct {
	Task          Value // run_function, checked
	Code          *Reference
	Environment   *Environment
	EntryScript   Text
	Args          Binding
	AppendTo      Binding
	InputData     Binding
	MiniBatchSize Text
	PartitionKeys []string
	// Settings is the rest of the keys, checked, with defaults: logging_level,
	// error_threshold, mini_batch_error_threshold, retry_settings, …
	Settings  Value
	Variables []NamedText
	Pos       cairn.Position
}

// IfElse is a condition: blocks are keys of nodes.
type IfElse struct {
	Condition Binding
	True      []string
	False     []string
}

// DoWhile repeats a node.
type DoWhile struct {
	Body      string
	Condition string // name of an output of Body
	Mapping   []cairn.LoopMap
}

// ParallelFor runs a node for each item.
type ParallelFor struct {
	Body           string
	Items          Binding
	MaxConcurrency Binding
	Outputs        []Output
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

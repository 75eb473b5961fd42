package pipeline

import "github.com/cairn-ml/cairn"

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

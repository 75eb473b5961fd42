package cairn

import (
	"encoding/json"
	"strings"
)

// Task is what a job does that is not written as steps: one command in a snapshot
// of code, in an environment, over named inputs and outputs. Its node's steps are
// built-in actions that carry it out. Everything in it that does not depend on other
// jobs is final; Values of inputs may hold expressions.
type Task struct {
	Kind TaskKind `json:"kind"`
	// Component is what the task is an instance of ("component/train:3"); "" for one
	// that is not registered. ComponentName ("train:3") and ComponentFile, its path in
	// the repository, are for people.
	Component     Ref    `json:"component,omitempty"`
	ComponentName string `json:"component_name,omitempty"`
	ComponentFile string `json:"component_file,omitempty"`
	// Code is the snapshot that the command runs in a copy of; nil: an empty folder.
	Code *DataValue `json:"code,omitempty"`
	// Includes are further files and folders that are put into the snapshot, under their
	// own names.
	Includes    []DataValue     `json:"includes,omitempty"`
	Environment TaskEnvironment `json:"environment"`
	// Command is shell text with ${{ inputs.x }}, ${{ outputs.x }} and
	// ${{ search_space.x }}: the runner evaluates it, since it alone knows the paths.
	Command Template `json:"command,omitzero"`
	// Variables are environment variables; they may use the same contexts.
	Variables []NamedValue `json:"variables,omitempty"`
	Inputs    []TaskInput  `json:"inputs,omitempty"`
	Outputs   []TaskOutput `json:"outputs,omitempty"`
	// Spread runs the command as several processes; nil: as one.
	Spread   *Spread   `json:"spread,omitempty"`
	Batches  *Batches  `json:"batches,omitempty"` // kind TaskParallel
	Settings []Setting `json:"settings,omitempty"`
	// ContainerOptions are those of `docker create`, where the environment is an image:
	// resources.docker_args and resources.shm_size.
	ContainerOptions string `json:"container_options,omitempty"`
	// Reuse says that earlier outputs of the same key may be taken, Source that its
	// own may be taken later.
	Reuse  bool `json:"reuse,omitempty"`
	Source bool `json:"source,omitempty"`
	// Experiment and DisplayName are those of its tracking run; Tags and Properties
	// are written to it.
	Experiment  string    `json:"experiment,omitempty"`
	DisplayName string    `json:"display_name,omitempty"`
	Tags        []Setting `json:"tags,omitempty"`
	Properties  []Setting `json:"properties,omitempty"`
}

// TaskKind is how a task is carried out.
type TaskKind string

// The kinds of tasks.
const (
	TaskCommand  TaskKind = "command"  // the command, once
	TaskParallel TaskKind = "parallel" // a script over mini-batches of an input
)

// Setting is one entry of an ordered map of texts.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// TaskInput is a port that a task reads.
type TaskInput struct {
	Name string `json:"name"`
	Type string `json:"type"` // uri_file, uri_folder, mltable, custom_model, mlflow_model, triton_model; integer, number, string, boolean
	Mode string `json:"mode,omitempty"`
	// Value comes to a text: a literal, or for data an encoded DataValue. The zero
	// Template is an optional input that nothing is bound to.
	Value    Template `json:"value,omitzero"`
	Optional bool     `json:"optional,omitempty"`
}

// Literal reports whether the port takes a value instead of data.
func (i TaskInput) Literal() bool { return LiteralType(i.Type) }

// LiteralType reports whether a port of that type takes a value instead of data.
func LiteralType(t string) bool {
	switch t {
	case "integer", "number", "string", "boolean":
		return true
	}
	return false
}

// TaskOutput is a port that a task writes. A literal one is read from the file of
// its name once the command has ended.
type TaskOutput struct {
	Name string `json:"name"`
	Type string `json:"type"` // as TaskInput.Type
	Mode string `json:"mode,omitempty"`
	// Path is what the file asks for as location, as written; it names nothing here
	// except in listings and downloads.
	Path string `json:"path,omitempty"`
	// Register makes a version of an asset of it when the task succeeds.
	Register *Registration `json:"register,omitempty"`
	Early    bool          `json:"early,omitempty"`
}

// Registration names the asset that an output becomes.
type Registration struct {
	Kind    AssetKind `json:"kind"` // data, model
	Name    string    `json:"name"`
	Version string    `json:"version,omitempty"` // "": the next number
	Type    string    `json:"type"`              // uri_folder, custom_model, …: property "type" of the version
}

// TaskEnvironment is what a task runs in. Digest is of what it holds, without its
// name: two environments of one content are one.
type TaskEnvironment struct {
	Name    string `json:"name,omitempty"` // "" for one written in place
	Version string `json:"version,omitempty"`
	Ref     Ref    `json:"ref,omitempty"` // environment/name:version
	Digest  Digest `json:"digest,omitempty"`
	Image   string `json:"image,omitempty"`
	// Conda is the text of a conda file; Build a folder with a Dockerfile.
	Conda      string            `json:"conda,omitempty"`
	Build      *DataValue        `json:"build,omitempty"`
	Dockerfile string            `json:"dockerfile,omitempty"` // inside Build; "Dockerfile"
	Variables  map[string]string `json:"variables,omitempty"`
	// Docker says that tasks run in a container of Image, or of what Build makes, with
	// what Conda asks for; else they run on the machine itself.
	Docker bool `json:"docker,omitempty"`
	// Python is an interpreter on this machine that somebody mapped the environment
	// to: then nothing is built.
	Python string `json:"python,omitempty"`
	// Packages are pip requirements that stand for a curated environment.
	Packages []string `json:"packages,omitempty"`
	// PythonVersion is what a curated environment or an image asks for, "3.10".
	PythonVersion string `json:"python_version,omitempty"`
}

// Spread runs a command as several processes on one machine.
type Spread struct {
	Kind      string `json:"kind"` // pytorch, mpi, tensorflow
	Processes int    `json:"processes"`
	Nodes     int    `json:"nodes"` // what the file asks for; simulated by processes
	// Workers and Servers are those of tensorflow.
	Workers int `json:"workers,omitempty"`
	Servers int `json:"servers,omitempty"`
}

// Batches is a script over mini-batches; see TaskParallel.
type Batches struct {
	Entry       string   `json:"entry"` // script inside Code
	Args        Template `json:"args,omitzero"`
	Input       string   `json:"input"` // name of the input that is cut
	Size        string   `json:"size"`  // "10": files; "10kb": bytes of tables
	Partition   []string `json:"partition,omitempty"`
	AppendTo    string   `json:"append_to,omitempty"` // name of the output that rows go to
	AppendFile  string   `json:"append_file,omitempty"`
	Workers     int      `json:"workers,omitempty"` // 0: one for each core
	Retries     int      `json:"retries"`
	Timeout     float64  `json:"timeout"` // seconds of one mini-batch
	MaxErrors   int      `json:"max_errors"`
	MaxFailures int      `json:"max_failures"` // mini-batches that may fail; -1: any
	LogLevel    string   `json:"log_level,omitempty"`
}

// DataValue is data as jobs hand it to each other: bytes by digest, and the name
// under which a trace finds where they came from.
type DataValue struct {
	Type   string `json:"type"` // folder (a tree), file (a blob)
	Digest Digest `json:"digest"`
	Size   int64  `json:"size,omitempty"`
	Files  int64  `json:"files,omitempty"`
	Name   string `json:"name,omitempty"` // of a file: its base name
	// Ref is what the bytes are a version or an artifact of: "data/digits:3",
	// "artifact/42.1/prep.clean". "" for bytes that were sent with the request.
	Ref Ref `json:"ref,omitempty"`
	// URI is how the file or the request named it, for people.
	URI string `json:"uri,omitempty"`
	// Asset is what sort of data it is: uri_file, uri_folder, mltable, custom_model, …
	Asset string `json:"asset,omitempty"`
}

// Encode is the text that stands for v among outputs of jobs.
func (v DataValue) Encode() string {
	b, err := json.Marshal(v)
	if err != nil {
		return "" // plain fields always encode
	}
	return dataPrefix + string(b)
}

const dataPrefix = "data:"

// DecodeData reads what Encode wrote; ok is false for any other text.
func DecodeData(s string) (v DataValue, ok bool) {
	body, found := strings.CutPrefix(s, dataPrefix)
	if !found || !strings.HasPrefix(body, "{") || json.Unmarshal([]byte(body), &v) != nil {
		return DataValue{}, false
	}
	return v, v.Digest != "" && (v.Type == "folder" || v.Type == "file")
}

// EncodeDataList is the text for outputs of several instances, in their order; texts
// that are no data are literals.
func EncodeDataList(vs []string) string {
	b, err := json.Marshal(vs)
	if err != nil {
		return "" // texts always encode
	}
	return listPrefix + string(b)
}

const listPrefix = "list:"

// DecodeDataList reads what EncodeDataList wrote.
func DecodeDataList(s string) (vs []string, ok bool) {
	body, found := strings.CutPrefix(s, listPrefix)
	return vs, found && json.Unmarshal([]byte(body), &vs) == nil
}

// TaskRun is a task that is handed out: JobSpec.Task.
type TaskRun struct {
	Task Task `json:"task"`
	// Values are the inputs that are set, in the order of Task.Inputs.
	Values []TaskValue `json:"values,omitempty"`
	// Trial holds the values of search_space, an object; nil outside of sweeps.
	Trial json.RawMessage `json:"trial,omitempty"`
	// Name is the job's own name, Root that of its run: ${{name}}.
	Name string `json:"name"`
	Root string `json:"root"`
	// Tracking is the job's run in the tracking API, made before it starts.
	Tracking string `json:"tracking,omitempty"`
}

// TaskValue is what an input came to: Data for data, Text for a literal.
type TaskValue struct {
	Name string     `json:"name"`
	Text string     `json:"text,omitempty"`
	Data *DataValue `json:"data,omitempty"`
	// List are the data of several jobs: a folder with one entry for each, by number.
	List []DataValue `json:"list,omitempty"`
}

// JobTask is what is known of a job that carries a task out.
type JobTask struct {
	// Key names code, environment, command, inputs and settings; the same key gives
	// the same outputs. Parts are what it was made of. Set once the needs are done.
	Key   Digest    `json:"key,omitempty"`
	Parts []KeyPart `json:"parts,omitempty"`
	// Asked says whether earlier outputs were looked for: "", ReuseAsked, ReuseMissed
	// (none are there) or ReuseFound. Source that its outputs may be taken later.
	Asked  string `json:"asked,omitempty"`
	Source bool   `json:"source,omitempty"`
	// From is the job whose outputs it took instead of running.
	From    JobID `json:"from,omitempty"`
	FromRun RunID `json:"from_run,omitempty"`
	// Tracking is its run in the tracking API; of one that took earlier outputs, that
	// of the job they are of.
	Tracking string `json:"tracking,omitempty"`
	// Trial are the values of a trial of a sweep, Scores what is kept of the metric that the
	// sweep looks at: the last is the newest point. Best marks the trial whose outputs the
	// sweep has.
	Trial  json.RawMessage `json:"trial,omitempty"`
	Scores []Score         `json:"scores,omitempty"`
	// Scored says that Scores were read after it had ended, or cannot be read.
	Scored bool `json:"scored,omitempty"`
	Best   bool `json:"best,omitempty"`
}

// What became of the question for earlier outputs.
const (
	ReuseAsked  = "asked"
	ReuseMissed = "missed"
	ReuseFound  = "found"
)

// KeyPart is one part of a task's key: "code", "environment", "command",
// "inputs.epochs", "outputs.model", "settings.distribution".
type KeyPart struct {
	Name string `json:"name"`
	// Value is what is hashed: a digest for data, else the text itself, clipped.
	Value string `json:"value"`
}

// Score is a point of the metric that a sweep looks at, and where its trial stood then: how
// many points it had logged, this one among them, the best of them and their sum.
type Score struct {
	Step   int64   `json:"step"`
	Value  float64 `json:"value"`
	Points int     `json:"points"`
	Best   float64 `json:"best"`
	Sum    float64 `json:"sum"`
}

// TaskResult is what an earlier job of the same key left.
type TaskResult struct {
	Key      Digest            `json:"key"`
	Job      JobID             `json:"job"`
	Run      RunID             `json:"run"`
	Outputs  map[string]string `json:"outputs,omitempty"`
	Tracking string            `json:"tracking,omitempty"`
}

// Sweep grows the instances of a node: each is a trial with values of its own.
type Sweep struct {
	Algorithm string  `json:"algorithm"` // random, grid, bayesian
	Rule      string  `json:"rule,omitempty"`
	Seed      int64   `json:"seed,omitempty"`
	Logbase   float64 `json:"logbase,omitempty"`
	Space     []Range `json:"space"`
	Goal      string  `json:"goal"` // minimize, maximize
	Metric    string  `json:"metric"`
	MaxTrials int     `json:"max_trials"`
	// MaxConcurrent bounds trials that run at once; 0: MaxTrials.
	MaxConcurrent int     `json:"max_concurrent,omitempty"`
	Timeout       float64 `json:"timeout,omitempty"` // seconds of the whole sweep; 0: no bound
	// Stop ends trials early; nil: none.
	Stop *EarlyStop `json:"stop,omitempty"`
}

// Range is one parameter of a search space.
type Range struct {
	Name string `json:"name"`
	Type string `json:"type"` // choice, randint, uniform, quniform, loguniform, qloguniform, normal, qnormal, lognormal, qlognormal
	// Values are those of choice, as JSON; an object there is a space of its own
	// below that choice, in Spaces at the same index.
	Values []json.RawMessage `json:"values,omitempty"`
	Spaces [][]Range         `json:"spaces,omitempty"`
	Upper  int64             `json:"upper,omitempty"` // randint
	Min    float64           `json:"min,omitempty"`
	Max    float64           `json:"max,omitempty"`
	Mu     float64           `json:"mu,omitempty"`
	Sigma  float64           `json:"sigma,omitempty"`
	Q      float64           `json:"q,omitempty"`
}

// EarlyStop is the policy that ends trials that do badly.
type EarlyStop struct {
	Type       string  `json:"type"` // bandit, median_stopping, truncation_selection
	Slack      float64 `json:"slack,omitempty"`
	Amount     float64 `json:"amount,omitempty"`
	Percentage float64 `json:"percentage,omitempty"`
	Interval   int     `json:"interval"` // evaluate at each so many points; 1
	Delay      int     `json:"delay,omitempty"`
}

// Loop repeats the body of a node until its condition is false.
type Loop struct {
	// Condition is the output of the body (one node) that says whether to go on.
	Condition string `json:"condition"`
	// Mapping hands outputs of one round to inputs of the next.
	Mapping []LoopMap `json:"mapping"`
	Max     int       `json:"max"`
}

// LoopMap is one entry of Loop.Mapping.
type LoopMap struct {
	Output string   `json:"output"`
	Inputs []string `json:"inputs"`
}

// Submitted is what a run knows of the file of a job that it was started from; a run
// of a workflow has none.
type Submitted struct {
	// Name is unique in its workspace: "green_ant_4k2m9x1pqz".
	Name        string            `json:"name"`
	Type        string            `json:"type"` // command, pipeline, sweep, parallel
	DisplayName string            `json:"display_name,omitempty"`
	Experiment  string            `json:"experiment,omitempty"`
	Description string            `json:"description,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	Properties  map[string]string `json:"properties,omitempty"`
	// Inputs are those of the file, with what was set; Outputs what came of it once
	// it is completed: encoded DataValue, or a literal's text.
	Inputs  []Setting         `json:"inputs,omitempty"`
	Outputs map[string]string `json:"outputs,omitempty"`
	// Parent is the job whose step asked for it; 0: a person.
	Parent   JobID  `json:"parent,omitempty"`
	Tracking string `json:"tracking,omitempty"`
	Schedule string `json:"schedule,omitempty"` // the schedule that asked for it
	Archived bool   `json:"archived,omitempty"`
}

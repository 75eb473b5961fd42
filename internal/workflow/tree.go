package workflow

import "github.com/cairn-ml/cairn"

// Workflow is a workflow file. It is never changed after Parse.
type Workflow struct {
	Path        string
	Name        string // "" when the file gives none
	RunName     cairn.Template
	On          []Event // file order
	Permissions *Permissions
	Env         []cairn.NamedValue
	Defaults    cairn.RunDefaults
	Concurrency *Concurrency
	Jobs        []Job // file order

	refs []Ref // every use of secrets, vars and env
}

// Text is a plain word of the file with its place.
type Text struct {
	Value string
	Pos   cairn.Position
}

// Event is one entry under on.
type Event struct {
	Name string
	Pos  cairn.Position
	// Types are the activities asked for; empty means the event's usual ones.
	Types []Text
	// The filters of push, pull_request, pull_request_target, merge_group and
	// workflow_run. A list and its -ignore twin are never both given.
	Branches, BranchesIgnore []Text
	Tags, TagsIgnore         []Text
	Paths, PathsIgnore       []Text
	Workflows                []Text // workflow_run
	Schedule                 []Cron
	Inputs                   []Input      // workflow_dispatch, workflow_call
	Outputs                  []CallOutput // workflow_call
	Secrets                  []CallSecret // workflow_call
}

// Cron is one time table of a schedule.
type Cron struct {
	Expr     Text
	Timezone Text
}

// Input declares an input of workflow_dispatch or workflow_call.
type Input struct {
	Name        string
	Pos         cairn.Position
	Description string
	Type        string // string, boolean, number, choice, environment
	Required    bool
	Default     cairn.Template // static for workflow_dispatch
	Options     []Text         // choice
}

// CallOutput is an output of a reusable workflow.
type CallOutput struct {
	Name        string
	Pos         cairn.Position
	Description string
	Value       cairn.Template
}

// CallSecret declares a secret of a reusable workflow.
type CallSecret struct {
	Name     string
	Pos      cairn.Position
	Required bool
}

// Permissions are what the job's token may do. Levels holds every scope that
// was named; All is read-all or write-all in its short form.
type Permissions struct {
	Pos    cairn.Position
	All    string // "read", "write" or ""
	Levels []cairn.NamedValue
}

// Concurrency is a group with one running member.
type Concurrency struct {
	cairn.Concurrency
	// Queue is "single" (the default) or "max": what becomes of those that wait.
	Queue string
	Pos   cairn.Position
}

// Condition is the text of an if, without ${{ }}.
type Condition struct {
	Text string
	Pos  cairn.Position // of Text
}

// Job is one entry under jobs: steps on a runner, or a call of a workflow.
type Job struct {
	ID              string
	Pos             cairn.Position
	Name            cairn.Template
	Needs           []Text
	If              Condition
	Permissions     *Permissions
	Concurrency     *Concurrency
	Strategy        *cairn.Strategy
	StrategyPos     cairn.Position
	RunsOn          cairn.Template
	Environment     *cairn.EnvironmentRef
	EnvironmentPos  cairn.Position
	NoDeployment    bool // environment.deployment: false
	Env             []cairn.NamedValue
	Defaults        cairn.RunDefaults
	TimeoutMinutes  cairn.Template
	CancelTimeout   cairn.Template
	ContinueOnError cairn.Template
	Container       cairn.Template
	Services        cairn.Template
	Snapshot        cairn.Template
	Outputs         []cairn.NamedValue
	Steps           []Step
	// A call:
	Uses           Text
	With           []cairn.NamedValue
	Secrets        []cairn.NamedValue
	InheritSecrets bool
}

// Step is one step of a job. The members of a block of parallel steps stand before
// the step with the block's own Control.
type Step struct {
	cairn.Step
	UsesPos    cairn.Position
	ControlPos cairn.Position
}

// RefKind says what a Ref refers to.
type RefKind string

// The kinds of references that a caller may have to provide.
const (
	RefSecret RefKind = "secrets"
	RefVar    RefKind = "vars"
	RefEnv    RefKind = "env"
)

// Ref is one use of a secret, a variable or an environment name. Name is "*"
// where the whole context is used.
type Ref struct {
	Kind RefKind
	Name string
	Job  string // "" at the root
	Pos  cairn.Position
}

// References lists every use of secrets, vars and env in file order.
func (w *Workflow) References() []Ref { return w.refs }

// Event returns the entry under on with that name.
func (w *Workflow) Event(name string) (*Event, bool) {
	for i := range w.On {
		if w.On[i].Name == name {
			return &w.On[i], true
		}
	}
	return nil, false
}

// Job returns the job with that id.
func (w *Workflow) Job(id string) (*Job, bool) {
	for i := range w.Jobs {
		if w.Jobs[i].ID == id {
			return &w.Jobs[i], true
		}
	}
	return nil, false
}

// Action is an action.yml.
type Action struct {
	Path        string
	Name        string
	Description string
	Author      string
	Inputs      []ActionInput
	Outputs     []ActionOutput
	Runs        ActionRuns
}

// ActionInput declares an input of an action; all values are text.
type ActionInput struct {
	Name        string
	Pos         cairn.Position
	Description string
	Required    bool
	Default     cairn.Template // may use the contexts github, runner, …
	Deprecated  string         // deprecationMessage
}

// ActionOutput declares an output. Value is given by composite actions only.
type ActionOutput struct {
	Name        string
	Description string
	Value       cairn.Template
}

// ActionRuns says how an action runs.
type ActionRuns struct {
	Using string // composite, node20, node24, docker
	Pos   cairn.Position
	Steps []Step // composite
	// node:
	Main, Pre, Post string
	PreIf, PostIf   Condition
	// docker:
	Image                         string
	Args                          []cairn.Template
	Entrypoint                    string
	PreEntrypoint, PostEntrypoint string
	Env                           []cairn.NamedValue
}

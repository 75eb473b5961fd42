package cairn

import "encoding/json"

// PlanSchema is the version of the Plan encoding. A stored plan with a larger
// one belongs to a newer Cairn and is refused by name.
const PlanSchema = 1

// Plan is the frozen intent of a run: what would run, in which order, under
// which conditions. It never changes after it is built; what only a run can
// know is added as Expansions. Its JSON encoding is canonical (struct order, no
// maps), so that the digest of the encoding names the plan.
type Plan struct {
	Schema int `json:"schema"`
	// Name is the workflow's or pipeline's own name, else its path.
	Name    string   `json:"name"`
	RunName Template `json:"run_name,omitzero"`
	// Path is the file inside the repository; Source the digest of its bytes.
	Path    string       `json:"path"`
	Source  Digest       `json:"source"`
	Sources []PlanSource `json:"sources,omitempty"` // other files that went in: called workflows, components
	Event   string       `json:"event"`             // push, workflow_dispatch, …
	// Inputs are the typed inputs of the trigger, defaults filled in.
	Inputs      []Input      `json:"inputs,omitempty"`
	Env         []NamedValue `json:"env,omitempty"`
	Concurrency *Concurrency `json:"concurrency,omitempty"`
	Permissions []NamedValue `json:"permissions,omitempty"`
	Nodes       []Node       `json:"nodes"` // file order
	// Outputs are what the whole plan gives back, from ${{ jobs.x.outputs.y }}.
	Outputs []NamedValue `json:"outputs,omitempty"`
	// StopOnFailure ends what runs and starts nothing more once a job has failed.
	StopOnFailure bool      `json:"stop_on_failure,omitempty"`
	Warnings      []Problem `json:"warnings,omitempty"`
}

// PlanSource is a further file that a plan was built from.
type PlanSource struct {
	Path   string `json:"path"`
	Digest Digest `json:"digest"`
	// Commit is what the version of a file of another repository meant; its path is
	// then "owner/repo/.github/workflows/x.yml@v1".
	Commit string `json:"commit,omitempty"`
}

// Input is one typed input with its value: Value is JSON (string, bool, number).
type Input struct {
	Name  string          `json:"name"`
	Type  string          `json:"type"` // string, boolean, number, choice, environment
	Value json.RawMessage `json:"value"`
}

// NamedValue is one entry of an ordered map of templates.
type NamedValue struct {
	Name  string   `json:"name"`
	Value Template `json:"value"`
}

// NodeKind tells what a node becomes when it runs.
type NodeKind string

// The node kinds. Later kinds (loops, sweeps, conditions) are added here; an
// engine that does not know a kind refuses the plan by name.
const (
	NodeJob  NodeKind = "job"  // leaf: steps on a runner
	NodeCall NodeKind = "call" // a called workflow: Body holds its nodes
	NodeLoop NodeKind = "loop" // Body is entered again as long as Loop says so
)

// Node is one vertex of the plan's graph. IDs are unique among siblings; a
// node inside a call is addressed by its path, "caller/child".
type Node struct {
	ID    string   `json:"id"`
	Kind  NodeKind `json:"kind"`
	Name  Template `json:"name,omitzero"`
	Needs []string `json:"needs,omitempty"` // ids of siblings
	// If is the condition without ${{ }}; "" means success().
	If    string   `json:"if,omitempty"`
	IfPos Position `json:"if_pos,omitzero"`
	// Strategy is expanded when the needs are done; nil means one instance.
	Strategy       *Strategy       `json:"strategy,omitempty"`
	RunsOn         Template        `json:"runs_on,omitzero"` // string, seq, or map with group and labels
	Place          string          `json:"place,omitempty"`  // what its jobs ask for a share of; see Place
	Environment    *EnvironmentRef `json:"environment,omitempty"`
	Concurrency    *Concurrency    `json:"concurrency,omitempty"`
	Env            []NamedValue    `json:"env,omitempty"`
	Defaults       RunDefaults     `json:"defaults,omitzero"`        // workflow defaults already merged in
	TimeoutMinutes Template        `json:"timeout_minutes,omitzero"` // default 360
	// CancelTimeoutMinutes bounds what runs after a cancel; default 5.
	CancelTimeoutMinutes Template     `json:"cancel_timeout_minutes,omitzero"`
	ContinueOnError      Template     `json:"continue_on_error,omitzero"`
	Container            Template     `json:"container,omitzero"`
	Services             Template     `json:"services,omitzero"`
	Permissions          []NamedValue `json:"permissions,omitempty"`
	Outputs              []NamedValue `json:"outputs,omitempty"`
	Steps                []Step       `json:"steps,omitempty"`
	// Call: the called file, its own env, and what is handed down.
	Body           []Node       `json:"body,omitempty"`
	BodyEnv        []NamedValue `json:"body_env,omitempty"`
	BodyInputs     []InputDecl  `json:"body_inputs,omitempty"`
	With           []NamedValue `json:"with,omitempty"`
	Secrets        []NamedValue `json:"secrets,omitempty"`
	InheritSecrets bool         `json:"inherit_secrets,omitempty"`
	// Remote is the called file where it is of another repository:
	// "owner/repo/.github/workflows/x.yml@v1".
	Remote string `json:"remote,omitempty"`
	// BodyConcurrency is the called workflow's own group: the call passes it beside
	// the group of the job that calls. BodyPermissions are what the called file says.
	BodyConcurrency *Concurrency `json:"body_concurrency,omitempty"`
	BodyPermissions []NamedValue `json:"body_permissions,omitempty"`
	// Task is what the steps of the node carry out; nil: they are the job.
	Task *Task `json:"task,omitempty"`
	// Collect hands the outputs of all instances of a matrix on as lists, instead of
	// those of the last one; see EncodeDataList.
	Collect bool `json:"collect,omitempty"`
	// Sweep grows the instances of the node; Strategy is nil then.
	Sweep *Sweep `json:"sweep,omitempty"`
	// Loop is set for NodeLoop: With and BodyInputs are as of a call.
	Loop *Loop    `json:"loop,omitempty"`
	Pos  Position `json:"pos,omitzero"`
}

// InputDecl declares an input of a called workflow.
type InputDecl struct {
	Name     string   `json:"name"`
	Type     string   `json:"type"` // string, boolean, number
	Required bool     `json:"required,omitempty"`
	Default  Template `json:"default,omitzero"`
}

// Strategy is the recipe of a matrix; Matrix is a map template or one
// expression that yields a map.
type Strategy struct {
	Matrix      Template `json:"matrix,omitzero"`
	FailFast    Template `json:"fail_fast,omitzero"`    // default true
	MaxParallel Template `json:"max_parallel,omitzero"` // default: no limit
}

// EnvironmentRef names the environment (stage) a job deploys to.
type EnvironmentRef struct {
	Name Template `json:"name"`
	URL  Template `json:"url,omitzero"`
	// NoDeployment says that the job uses the environment, its rules and secrets,
	// but puts nothing there: no address is recorded.
	NoDeployment bool `json:"no_deployment,omitempty"`
}

// Concurrency is a group in which one member runs at a time.
type Concurrency struct {
	Group            Template `json:"group"`
	CancelInProgress Template `json:"cancel_in_progress,omitzero"`
	// Queue is QueueMax where all that come wait in turn; "" where only the newest
	// waits and takes the place of the one that waited before.
	Queue string `json:"queue,omitempty"`
}

// QueueMax is the queue of a concurrency group in which up to 100 members wait.
const QueueMax = "max"

// RunDefaults are the defaults of run steps.
type RunDefaults struct {
	Shell            Template `json:"shell,omitzero"`
	WorkingDirectory Template `json:"working_directory,omitzero"`
}

// Step is one step of a job: exactly one of Run, Uses and Control is given.
type Step struct {
	ID   string   `json:"id,omitempty"` // as written; "" when the file gives none
	Name Template `json:"name,omitzero"`
	// If is the condition without ${{ }}; "" means success().
	If               string       `json:"if,omitempty"`
	IfPos            Position     `json:"if_pos,omitzero"`
	Run              Template     `json:"run,omitzero"`
	Shell            Template     `json:"shell,omitzero"`
	WorkingDirectory Template     `json:"working_directory,omitzero"`
	Uses             string       `json:"uses,omitempty"`
	With             []NamedValue `json:"with,omitempty"`
	Env              []NamedValue `json:"env,omitempty"`
	ContinueOnError  Template     `json:"continue_on_error,omitzero"`
	TimeoutMinutes   Template     `json:"timeout_minutes,omitzero"`
	Pos              Position     `json:"pos,omitzero"`
	// Background lets the steps after it begin at once.
	Background bool `json:"background,omitempty"`
	// Control is set for a step that only steers others; see the Control constants.
	// Targets are the ids it names, Members how many steps right before it a block of
	// parallel steps has.
	Control string   `json:"control,omitempty"`
	Targets []string `json:"targets,omitempty"`
	Members int      `json:"members,omitempty"`
}

// What a control step does with steps in the background.
const (
	ControlWait     = "wait"     // until its targets ended
	ControlWaitAll  = "wait-all" // until all ended
	ControlCancel   = "cancel"   // end its targets
	ControlParallel = "parallel" // wait for the members of the block
)

// Encode returns the canonical JSON of p and its digest.
func (p *Plan) Encode() ([]byte, Digest, error) {
	b, err := json.Marshal(p)
	if err != nil {
		return nil, "", err
	}
	return b, SumBytes(b), nil
}

// DecodePlan reads a stored plan.
func DecodePlan(b []byte) (*Plan, error) {
	var p Plan
	if err := json.Unmarshal(b, &p); err != nil {
		return nil, Errorf(CodeInternal, "stored plan is damaged: %w", err)
	}
	if p.Schema > PlanSchema {
		return nil, Errorf(CodeUnsupported, "the plan has schema %d; this Cairn knows up to %d", p.Schema, PlanSchema).
			WithHint("it was written by a newer Cairn: use that one")
	}
	return &p, nil
}

// Walk visits every node with its path ("caller/child"), parents first.
func (p *Plan) Walk(visit func(path string, n *Node)) {
	var rec func(prefix string, ns []Node)
	rec = func(prefix string, ns []Node) {
		for i := range ns {
			path := prefix + ns[i].ID
			visit(path, &ns[i])
			rec(path+"/", ns[i].Body)
		}
	}
	rec("", p.Nodes)
}

// Expansion is what a run adds to its plan: the instances of one node. It is a
// pure function of the node and of recorded facts, stored under Digest.
type Expansion struct {
	// Node is the instance path of the node: ids joined by "/", each instance
	// of a matrix on the way with its key in brackets: "call[a, 1]/build".
	Node      string     `json:"node"`
	Instances []Instance `json:"instances"`
	FailFast  bool       `json:"fail_fast"`
	// MaxParallel bounds the instances that run at once; 0 means no bound.
	MaxParallel int `json:"max_parallel,omitempty"`
	// If is the condition that let the node be expanded, as it was evaluated.
	If *Condition `json:"if,omitempty"`
}

// Instance is one leg of a matrix, or the only instance of a node.
type Instance struct {
	Key    string          `json:"key,omitempty"`    // "a, 1": as GitHub shows it; "" without a matrix
	Matrix json.RawMessage `json:"matrix,omitempty"` // object, in vector order
	// Inputs of a call: object, typed and with defaults.
	Inputs json.RawMessage `json:"inputs,omitempty"`
	// Trial of a sweep: an object of the values that search_space has.
	Trial json.RawMessage `json:"trial,omitempty"`
}

// Encode returns the canonical JSON of x and its digest.
func (x *Expansion) Encode() ([]byte, Digest, error) {
	b, err := json.Marshal(x)
	if err != nil {
		return nil, "", err
	}
	return b, SumBytes(b), nil
}

package run

import (
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
)

// Facts is all that Decide sees besides plan and expansions.
type Facts struct {
	Now     time.Time
	Run     cairn.Run
	Attempt cairn.Attempt
	// Jobs by instance path: those of this attempt, and kept ones of earlier
	// attempts (their Attempt number is smaller). Decide never writes through it.
	Jobs map[string]*cairn.Job
	// Contexts are the values of github, inputs and vars.
	Contexts map[string]expr.Value
	// Rules and Approvals by environment name in lower case.
	Rules     map[string]cairn.Environment
	Approvals map[string]cairn.Approval
	// Permissions are those of a job of which nobody says anything; nil: Cairn's.
	Permissions cairn.Permissions
	Pools       []Pool
	// Places bound what begins, by name in lower case.
	Places map[string]Place
	// Groups lists which other runs, and jobs of them, are in a concurrency group,
	// by GroupKey. What this run holds itself is read from Run and Jobs.
	Groups map[string][]Member
}

// Pool is a slot with the room that is left in it.
type Pool struct {
	cairn.Slot
	Free int
}

// Place is a place with what of it is in use by jobs of any run.
type Place struct {
	cairn.Place
	Busy int
}

// Action is one decision. The set is closed: the types of this file.
type Action interface{ action() }

type (
	// Admit lets the run itself begin.
	Admit struct{}
	// Hold keeps the run from beginning (a concurrency group is taken).
	Hold struct{ Reason string }
	// Expand records the instances of a node.
	Expand struct{ Expansion cairn.Expansion }
	// CreateJob adds a blocked job. Call says that it stands for a called workflow,
	// If is the condition of its node where that was evaluated for all its instances.
	CreateJob struct {
		Path, Node, Name string
		Call             bool
		If               *cairn.Condition
	}
	// Ready says that a job's needs are done and its condition holds; what its
	// node says is evaluated now.
	Ready struct {
		Path             string
		Name             string
		Labels           []string
		Place            string
		Instances        int
		Environment      string
		Group            string
		CancelInProgress bool
		Queue            string
		Called           *cairn.Claim
		ContinueOnError  bool
		TimeoutMinutes   float64
		CancelTimeout    float64
		Permissions      cairn.Permissions
		If               *cairn.Condition
		Task             *cairn.JobTask // of a node with a task
	}
	// AskReuse asks whether an earlier job left the outputs that this one would make.
	AskReuse struct{ Path string }
	// AskGroup notes down when a job asks for its concurrency groups.
	AskGroup struct{ Path string }
	// Enter lets the jobs of a called workflow begin.
	Enter struct{ Path string }
	// Wait holds a ready job for something outside the plan.
	Wait struct{ Path, Reason string }
	// Queue holds a ready job for a free slot.
	Queue struct{ Path, Reason string }
	// Start hands a job out to a runner.
	Start struct{ Path, Runner string }
	// Cancel tells a running job's supervisor to end it.
	Cancel struct {
		Path, Reason string
		Force        bool
	}
	// Finish completes a job that never ran, or that nobody will hear of again.
	Finish struct {
		Path       string
		Conclusion cairn.Conclusion
		Reason     string
		If         *cairn.Condition
		Outputs    map[string]string // of a node with instances of its own
	}
	// MarkBest marks the trial whose outputs its sweep has.
	MarkBest struct{ Path string }
	// AskApproval opens the question whether the attempt may use an environment.
	AskApproval struct{ Environment string }
	// AskGate asks whether the condition of an environment holds; Done is how many
	// jobs were completed by then.
	AskGate struct {
		Environment, Expr string
		Done              int
	}
	// AddEnvironment records an environment that a workflow names first.
	AddEnvironment struct{ Environment cairn.Environment }
	// CancelOther ends another run (Job 0) or job in the same concurrency group.
	CancelOther struct {
		Run    cairn.RunID
		Job    cairn.JobID
		Reason string
	}
	// FinishRun completes the run and its attempt.
	FinishRun struct {
		Conclusion cairn.Conclusion
		Reason     string
		Outputs    map[string]string // of a plan with outputs
	}
	// Wake says when to decide again although nothing happened until then.
	Wake struct{ At time.Time }
)

func (Admit) action()          {}
func (Hold) action()           {}
func (Expand) action()         {}
func (CreateJob) action()      {}
func (Ready) action()          {}
func (AskReuse) action()       {}
func (MarkBest) action()       {}
func (AskGroup) action()       {}
func (Enter) action()          {}
func (Wait) action()           {}
func (Queue) action()          {}
func (Start) action()          {}
func (Cancel) action()         {}
func (Finish) action()         {}
func (AskApproval) action()    {}
func (AskGate) action()        {}
func (AddEnvironment) action() {}
func (CancelOther) action()    {}
func (FinishRun) action()      {}
func (Wake) action()           {}

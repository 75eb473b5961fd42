// Package plan turns a workflow, a trigger and the files it calls into a frozen
// plan. It is pure: what it lacks it names, and the caller resolves it.
package plan

import (
	"encoding/json"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
	"github.com/cairn-ml/cairn/internal/workflow"
)

// Trigger is what starts a run.
type Trigger struct {
	Event   string
	Payload json.RawMessage
	Ref     string // refs/heads/main
	SHA     string
	// Inputs are raw texts (--input k=v); Build types and checks them.
	Inputs map[string]string
	// Only limits the run to these jobs and what they need.
	Only []string
}

// Files are called workflows by their path inside the repository.
type Files map[string][]byte

// Missing is something that the caller must resolve before it calls Build
// again, or that cannot be had.
type Missing struct {
	Kind string // "workflow", "action"
	Ref  string // as written; for a local workflow the path to read
	// Local says that Ref is a path of this repository, to be put into Files.
	Local bool
	Pos   cairn.Position
	// Reason says why it cannot be met; "" when the caller has only to look.
	Reason string
}

// Use is one action that a plan uses.
type Use struct {
	Ref  string
	Node string // path of the node
	Step int    // from 0
	Pos  cairn.Position
}

// Need is one named thing that the plan needs from outside.
type Need struct {
	Name string
	Node string // path of the node; "" at the root
	Pos  cairn.Position
}

// Labels is what one node asks of a runner.
type Labels struct {
	Labels []string
	Group  string
	// Text is the expression where only the run can know the labels.
	Text string
	Node string
	Pos  cairn.Position
}

// Required is everything that a plan needs from outside itself.
type Required struct {
	Labels       []Labels
	Secrets      []Need
	Vars         []Need
	Env          []Need // names read from env that the workflow itself leaves open
	Environments []Need // names, or their expressions
	Actions      []Use
	Python       []Need // python-version inputs of setup-python; may be expressions
	Images       []Need // container, services, docker:// actions
	NotBuilt     []Need // features that this Cairn parses but does not execute
}

func Build(w *workflow.Workflow, src []byte, t Trigger, files Files) (*cairn.Plan, []Missing, []cairn.Problem) {
	return nil, nil, nil
}
func ExpandMatrix(matrix expr.Value) ([]cairn.Instance, error)                      { return nil, nil }
func BindInputs(decls []cairn.InputDecl, given expr.Value) (json.RawMessage, error) { return nil, nil }
func Uses(p *cairn.Plan) []Use                                                      { return nil }
func Requirements(p *cairn.Plan) Required                                           { return Required{} }

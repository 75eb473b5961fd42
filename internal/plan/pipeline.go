package plan

import (
	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/pipeline"
)

// Resolved is what the references of a pipeline's files lead to, by their text as it
// is written; local paths by their path.
type Resolved struct {
	Local      map[string]cairn.DataValue
	Data       map[string]cairn.DataValue // data, models, outputs of jobs, URLs
	Components map[string]ResolvedComponent
	// Environments also by the key that EnvironmentKey gives for one written in place.
	Environments map[string]cairn.TaskEnvironment
}

// ResolvedComponent is a registered component: its file, read from its own folder, and
// what its local paths lead to.
type ResolvedComponent struct {
	Ref      cairn.Ref
	Document *pipeline.Document
	Local    map[string]cairn.DataValue
}

// Submission is what a job's file is run with besides its references.
type Submission struct {
	Name       string // of the job
	Experiment string
	Root       string // where in the repository the root of its files lies
	NoReuse    bool
}

// BuildJob freezes a job's file. missing are references that Resolved lacks: the caller
// resolves them and calls again. With a problem of severity error, or while something is
// missing, the plan is not fit to run.
func BuildJob(doc *pipeline.Document, s Submission, r Resolved) (*cairn.Plan, []pipeline.Reference, []cairn.Problem) {
	return nil, nil, []cairn.Problem{{Severity: cairn.SeverityError, Code: CodeNotBuilt, Message: "jobs are not planned yet"}}
}

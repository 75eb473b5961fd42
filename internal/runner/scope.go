package runner

import (
	"maps"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
)

// scope is what the steps of one level share: those of the job, or those of one
// composite action. Ids of steps, inputs and the status that success() looks at
// belong to it.
type scope struct {
	x *executor
	// outer is the composite step that these steps are part of; nil: the job's own.
	outer *step
	depth int // of composite actions around; 0: the job
	// env is what env: of the steps around says, on top of the job's.
	env map[string]string
	// inputs replaces the context of that name; only in a composite action.
	inputs expr.Value
	// github are the fields that differ from the job's (action_path, …), vars the
	// same for processes.
	github map[string]string
	vars   map[string]string
	// from is where the file with these steps lies: what $/ means there.
	from    origin
	results []stepResult // the `steps` context
	// set is what steps set for later ones; only of a scope without outer. A step in the
	// background has a scope of its own, with a copy.
	set *variables
	// aside is the step in the background whose scope this is.
	aside *besideStep

	// own says that success() and failure() look at the action's status instead of
	// the job's: in the main stage of a composite action.
	own    bool
	status cairn.Conclusion
	err    error            // what made it fail
	before cairn.Conclusion // the job's status when the action began
}

// origin is a repository at a commit.
type origin struct {
	repository string
	commit     string
	ref        string // as asked for; "" in the run's own repository
}

// result is the status that conditions of this level see.
func (sc *scope) result() cairn.Conclusion { return sc.resultWith(sc.x.jobStatus()) }

// resultWith is result when the job's status is job.
func (sc *scope) resultWith(job cairn.Conclusion) cairn.Conclusion {
	if !sc.own {
		return job
	}
	// A cancel while the action runs ends it like the steps of a job. One from before
	// does not: the action then runs because its step asked for that.
	if stopped(job) && !stopped(sc.before) {
		return job
	}
	return sc.status
}

// stopped reports whether a job ends by force from outside.
func stopped(c cairn.Conclusion) bool { return c == cairn.Cancelled || c == cairn.TimedOut }

// functions are success() and its kin when the job's status is what job gives.
func (sc *scope) functions(job func() cairn.Conclusion, hashFiles expr.Func) map[string]expr.Func {
	f := statusFunctions(func() cairn.Conclusion { return sc.resultWith(job()) }, hashFiles)
	f["cancelled"] = func([]expr.Value) (expr.Value, error) { return expr.Bool(stopped(job())), nil }
	return f
}

// bad notes that a step of this level failed for good.
func (sc *scope) bad(st *step, err error) {
	if sc.aside != nil {
		return // who waits for it fails
	}
	if sc.outer == nil {
		sc.x.fail("step \"" + st.row.Name + "\" failed: " + st.row.Reason)
		return
	}
	sc.x.mu.Lock() // a cancel may be looking
	defer sc.x.mu.Unlock()
	if sc.status == cairn.Success || st.row.Outcome == cairn.Cancelled {
		sc.status, sc.err = cairn.Failure, told{&partError{st.row.Name, err}}
		if st.row.Outcome == cairn.Cancelled {
			sc.status = cairn.Cancelled
		}
	}
}

// partError is the failure of one step of a composite action.
type partError struct {
	name string
	err  error
}

func (e *partError) Error() string { return e.name + ": " + e.err.Error() }
func (e *partError) Unwrap() error { return e.err }

// told is an error that the log shows already.
type told struct{ error }

func (t told) Unwrap() error { return t.error }

// exprEnv is what expressions see now. stepEnv is the env of the step itself;
// action is github.action.
func (sc *scope) exprEnv(stepEnv map[string]string, action string) *expr.Env {
	x := sc.x
	c := make(map[string]expr.Value, len(x.contexts)+3)
	maps.Copy(c, x.contexts)
	if action != "" || len(sc.github) > 0 {
		g := x.github
		if action != "" {
			g = g.With("action", expr.String(action))
		}
		for _, k := range sortedKeys(sc.github) {
			g = g.With(k, expr.String(sc.github[k]))
		}
		if sc.own {
			g = g.With("action_status", expr.String(sc.status.Result()))
		}
		c["github"] = g
	}
	if sc.outer != nil {
		c["inputs"] = sc.inputs
	}
	c["env"] = exactObject(sc.shownEnv(stepEnv))
	c["steps"] = sc.stepsContext()
	c["job"] = x.jobContext()
	return &expr.Env{Contexts: c, Functions: sc.functions(x.jobStatus, x.hashFiles)}
}

// shownEnv is the env context: what the files of the repository say, without what
// every process is told besides.
func (sc *scope) shownEnv(stepEnv map[string]string) map[string]string {
	all := map[string]string{}
	for _, layer := range []map[string]string{sc.x.jobEnv, sc.variables().environ(), sc.env, stepEnv} {
		maps.Copy(all, layer)
	}
	return all
}

// processEnv is the whole environment of a step's processes.
func (sc *scope) processEnv(stepEnv, files map[string]string) map[string]string {
	set := sc.variables()
	if sc.outer == nil {
		return sc.x.processEnv(set, stepEnv, files)
	}
	return sc.x.processEnv(set, merged(sc.env, stepEnv), merged(sc.vars, files))
}

// merged lays maps over each other.
func merged(layers ...map[string]string) map[string]string {
	out := map[string]string{}
	for _, l := range layers {
		maps.Copy(out, l)
	}
	return out
}

// defaults are those of the job; steps of an action do not have them.
func (sc *scope) defaults() cairn.RunDefaults {
	if sc.outer != nil {
		return cairn.RunDefaults{}
	}
	return sc.x.Spec.Defaults
}

func (sc *scope) stepsContext() expr.Value {
	fields := make([]expr.Field, 0, len(sc.results))
	for _, r := range sc.results {
		fields = append(fields, expr.Field{Name: r.id, Value: expr.Object(
			expr.Field{Name: "outputs", Value: stringsObject(r.outputs)},
			expr.Field{Name: "outcome", Value: expr.String(r.row.Outcome.Result())},
			expr.Field{Name: "conclusion", Value: expr.String(r.row.Conclusion.Result())},
		)})
	}
	return expr.Object(fields...)
}

// env is what expressions of the job see now; see scope.exprEnv.
func (x *executor) env(stepEnv map[string]string, action string) *expr.Env {
	return x.top.exprEnv(stepEnv, action)
}

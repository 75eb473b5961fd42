package runner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
)

// step is one step while it runs: of the job, or of a composite action. It is one
// stage of an action where the step uses one.
type step struct {
	x     *executor
	scope *scope // the level that it belongs to
	spec  *cairn.Step
	stage stage
	cond  string // when it runs
	call  *call  // nil: a script
	// row is shown for a step of the job. One of a composite action has a row that
	// nobody sees; its log, annotations and summary are those of the step around.
	row     *cairn.StepRow
	log     *stepLog
	out     *output
	title   string            // the name without Pre and Post
	env     map[string]string // its own env:
	action  string            // github.action
	files   map[string]string // environment files by variable; nil until they are made
	outputs map[string]string
	echo    bool
	parts   int      // steps of composite actions so far, for the names of their files
	number  string   // of its files
	running *running // while it can be stopped
	// lastError is the last error that it annotated.
	lastError string
	// fault is what commands and environment files did wrong: it fails the step.
	fault error
	dir   string           // where its script ran
	seen  cairn.Conclusion // the job's status when the condition was evaluated
}

// step runs one step of the file, or records why it does not run.
func (x *executor) step(s *cairn.Step) {
	switch {
	case s.Control != "":
		x.control(s)
		return
	case s.Background:
		x.startBeside(s)
		return
	}
	st := x.newStep(x.top, s, x.calls[s], stageMain)
	st.row = x.newRow(s.ID, "", s.Uses)
	st.action = actionID(s, x.number)
	st.begin()
}

// begin runs a step that has a row of its own, or records why it does not run.
func (st *step) begin() {
	if env, err, ok := st.enter(); ok {
		st.perform(st.x.ctx, env, err)
	}
}

// enter evaluates what decides whether the step runs; false means that it does not,
// and that its row says why. An error is that of the step.
func (st *step) enter() (env *expr.Env, err error, ok bool) {
	x := st.x
	st.number = strconv.Itoa(st.row.Number)
	var run bool
	env, run, err = st.ready()
	if st.row.Name == "" {
		st.row.Name = map[stage]string{stagePre: "Pre "}[st.stage] + st.title
	}
	st.row.If = st.conditionSeen(env, run)
	if !run && err == nil {
		st.skip(st.whyNot(env))
		return env, nil, false
	}
	if x.hold && x.ctx.Err() == nil && st.stage == stageMain {
		switch x.holdAt(st) {
		case HoldSkip:
			st.skip("skipped by hand")
			return env, nil, false
		case HoldContinue:
			x.hold = false
		case HoldAbort:
			x.cancel(cairn.Cancelled, "cancelled by hand", errCancelled)
			st.skip("cancelled by hand")
			return env, nil, false
		}
		st.row.Status, st.row.StartedAt = cairn.StatusRunning, x.Now().UTC()
	}
	return env, err, true
}

// perform does a step that was entered. early is an error from before it could start.
func (st *step) perform(ctx context.Context, env *expr.Env, early error) {
	x := st.x
	x.pendStep(st.row)
	x.flush()
	log, err := x.openLog(st.row)
	if err != nil {
		st.end(env, err)
		return
	}
	st.log = log
	err = early
	if err == nil {
		err = st.guarded(ctx, env)
	}
	st.end(env, err)
}

// ready evaluates env:, the name and the condition of a step.
func (st *step) ready() (env *expr.Env, run bool, err error) {
	envErr := st.evalEnv()
	env = st.scope.exprEnv(st.env, st.action)
	st.title = st.name(env)
	run, err = st.condition(env)
	if err == nil {
		err = envErr
	}
	return env, run, err
}

// whyNot says why the step does not run.
func (st *step) whyNot(env *expr.Env) string {
	if st.stage == stagePost && st.x.ctx.Err() != nil {
		return "the job ended by force"
	}
	return explain(st.cond, st.scope.result(), env)
}

// guarded does the step under its timeout and under the job's cancel.
func (st *step) guarded(ctx context.Context, env *expr.Env) error {
	timeout, err := st.timeout(env)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if timeout > 0 {
		var end context.CancelFunc
		ctx, end = context.WithTimeoutCause(ctx, timeout, errStepTime)
		defer end()
	}
	now, why := st.arm(env, stop)
	defer st.disarm()
	// A cancel between the condition and here found no step to stop.
	if now != st.seen {
		if ok, err := expr.Condition(st.cond, st.running.envWith(now)); err != nil || !ok {
			return fmt.Errorf("the job was %s before the step began%w", why, silent{errCancelled})
		}
	}
	if st.call != nil {
		err = st.uses(ctx, env)
	} else {
		err = st.script(ctx, env)
	}
	// The cause says more than what a killed process or a cancelled call answers.
	if err != nil && ctx.Err() != nil {
		switch cause := context.Cause(ctx); {
		case errors.Is(cause, errStepTime) && timeout == 0:
			return fmt.Errorf("The action has timed out.%w", silent{errStepTime})
		case errors.Is(cause, errStepTime):
			return fmt.Errorf("The action '%s' has timed out after %s.%w", st.row.Name, minutesText(timeout.Minutes()), silent{errStepTime})
		case errors.Is(cause, errCancelled), errors.Is(cause, errJobTime), errors.Is(cause, errGrace):
			return cause
		case errors.Is(cause, errEnded):
			return fmt.Errorf("%w%w", errEnded, silent{errCancelled})
		default:
			return errCancelled
		}
	}
	return err
}

// arm lets a cancel of the job stop the step. It answers what the job's status is
// from then on.
func (st *step) arm(env *expr.Env, stop context.CancelCauseFunc) (now cairn.Conclusion, why string) {
	x := st.x
	x.mu.Lock()
	defer x.mu.Unlock()
	st.running = &running{condition: st.cond, scope: st.scope, env: env, stop: stop}
	x.running[st.running] = struct{}{}
	return x.status, x.reason
}

// disarm ends that: the step is over, or its parts are stopped one by one.
func (st *step) disarm() {
	st.x.mu.Lock()
	defer st.x.mu.Unlock()
	delete(st.x.running, st.running)
}

// silent wraps an error that is found by errors.Is and adds no text.
type silent struct{ err error }

func (silent) Error() string   { return "" }
func (s silent) Unwrap() error { return s.err }

// end completes the step's row.
func (st *step) end(env *expr.Env, err error) {
	x := st.x
	if st.out != nil {
		st.out.flush()
	}
	if st.files != nil {
		st.takeFiles()
	}
	if st.fault != nil && err == nil {
		err = st.fault
	}
	if err != nil && st.log != nil {
		st.explainError(err)
	}
	if st.log != nil && st.scope.outer == nil {
		size, logErr := st.log.close()
		st.row.LogSize = size
		if logErr != nil && err == nil {
			err = logFailed(logErr)
		}
	}
	x.conclude(st.row, err)
	if st.row.Outcome.Bad() {
		if st.continueOnError(env) {
			st.row.Conclusion = cairn.Success
		} else {
			st.scope.bad(st, err)
		}
	} else if st.row.Outcome == cairn.Cancelled && st.scope.outer != nil {
		st.scope.bad(st, err)
	}
	st.row.Outputs = st.masked(st.outputs)
	x.noteDeployed(st.row.Outputs)
	st.record()
}

func (st *step) skip(reason string) {
	x := st.x
	st.row.Status = cairn.StatusCompleted
	st.row.Outcome, st.row.Conclusion = cairn.Skipped, cairn.Skipped
	st.row.Reason = x.masks.String(reason)
	st.row.FinishedAt = st.row.StartedAt
	st.record()
}

// record shows the step to the ones after it and reports its row.
func (st *step) record() {
	if st.spec.ID != "" && st.stage == stageMain {
		st.scope.results = append(st.scope.results, stepResult{id: st.spec.ID, row: st.row, outputs: st.outputs})
	}
	st.x.note(st)
	if st.scope.outer == nil {
		st.x.pendStep(st.row)
	}
}

// top is the step of the job that this one is or is part of: what it shows is
// shown there.
func (st *step) top() *step {
	for st.scope.outer != nil {
		st = st.scope.outer
	}
	return st
}

func (st *step) masked(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[k] = st.x.masks.String(v)
	}
	return out
}

func (st *step) evalEnv() error {
	if len(st.spec.Env) == 0 {
		return nil
	}
	env := st.scope.exprEnv(nil, st.action)
	values := map[string]string{}
	for _, nv := range st.spec.Env {
		v, err := expr.EvalString(nv.Value, env)
		if err != nil {
			return evalFailed("env."+nv.Name, nv.Value, err)
		}
		values[nv.Name] = v
	}
	st.env = values
	return nil
}

// name is what GitHub shows: the given name, or "Run" and the first line.
func (st *step) name(env *expr.Env) string {
	s := st.spec
	if !s.Name.IsZero() {
		name, err := expr.EvalString(s.Name, env)
		if err != nil {
			name = s.Name.Text
		}
		if name = strings.TrimSpace(name); name != "" {
			return st.x.masks.String(name)
		}
	}
	switch {
	case s.Uses != "":
		return "Run " + s.Uses
	case s.Control != "":
		return controlName(s)
	}
	text, err := expr.EvalString(s.Run, env)
	if err != nil {
		text = s.Run.Text
	}
	first, _, _ := strings.Cut(strings.TrimLeft(text, " \t\r\n"), "\n")
	return st.x.masks.String("Run " + strings.TrimRight(first, " \t\r"))
}

// condition decides whether the step runs. When the job is at its end by force,
// nothing does.
func (st *step) condition(env *expr.Env) (bool, error) {
	if st.x.ctx.Err() != nil {
		return false, nil
	}
	st.seen = st.x.jobStatus()
	ok, err := expr.Condition(st.cond, env)
	if err != nil {
		e := cairn.Errorf(cairn.CodeInvalid, "if: %w", err)
		if !st.spec.IfPos.IsZero() && st.stage == stageMain {
			e = e.At(st.spec.IfPos)
		}
		return false, e
	}
	return ok, nil
}

func (st *step) timeout(env *expr.Env) (time.Duration, error) {
	if st.spec.TimeoutMinutes.IsZero() {
		return 0, nil
	}
	m, err := expr.EvalNumber(st.spec.TimeoutMinutes, env)
	if err != nil {
		return 0, evalFailed("timeout-minutes", st.spec.TimeoutMinutes, err)
	}
	if !(m > 0) || m > 60*24*365 {
		return 0, cairn.Errorf(cairn.CodeInvalid, "timeout-minutes is %g; it has to be more than 0", m)
	}
	return time.Duration(m * float64(time.Minute)), nil
}

func (st *step) continueOnError(env *expr.Env) bool {
	if st.spec.ContinueOnError.IsZero() {
		return false
	}
	ok, err := expr.EvalBool(st.spec.ContinueOnError, env)
	return err == nil && ok
}

// actionID is github.action: the id, or the action's name, counted.
func actionID(s *cairn.Step, number int) string {
	if s.ID != "" {
		return s.ID
	}
	if s.Uses == "" {
		return fmt.Sprintf("__run_%d", number)
	}
	name, _, _ := strings.Cut(s.Uses, "@")
	return fmt.Sprintf("__%s_%d", strings.ReplaceAll(name, "/", "_"), number)
}

// holdAt waits until somebody says how an interactive job goes on.
func (x *executor) holdAt(st *step) HoldAnswer {
	st.row.Status, st.row.Reason = cairn.StatusWaiting, "held before the step: go on, skip or abort"
	x.pendStep(st.row)
	x.flush()
	st.row.Reason = ""
	ctx, stop := context.WithCancel(x.ctx)
	defer stop()
	go func() {
		select {
		case <-x.Cancel:
			stop()
		case <-ctx.Done():
		}
	}()
	dir := x.Machine.Dirs().Workspace
	a, err := x.Hold(ctx, HoldPoint{Step: *st.row, Env: maps.Clone(st.scope.processEnv(st.env, nil)), Dir: dir})
	if err != nil {
		return HoldAbort
	}
	return a
}

package runner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
)

// step is one step while it runs.
type step struct {
	x       *executor
	spec    *cairn.Step
	row     *cairn.StepRow
	log     *stepLog
	out     *output
	env     map[string]string // its own env:
	action  string            // github.action
	files   map[string]string // environment files by variable; nil until they are made
	outputs map[string]string
	state   map[string]string
	echo    bool
	// fault is what commands and environment files did wrong: it fails the step.
	fault error
	dir   string           // where its script ran
	seen  cairn.Conclusion // the job's status when the condition was evaluated
}

// step runs one step of the file, or records why it does not run.
func (x *executor) step(s *cairn.Step) {
	row := x.newRow(s.ID, "", s.Uses)
	st := &step{x: x, spec: s, row: row, action: x.actionID(s), outputs: map[string]string{}, echo: x.Spec.Debug}
	envErr := st.evalEnv()
	env := x.env(st.env, st.action)
	row.Name = st.name(env)
	run, err := st.condition(env)
	if err == nil {
		err = envErr
	}
	if !run && err == nil {
		st.skip(explain(s.If, x.jobStatus(), env))
		return
	}
	if x.hold && x.ctx.Err() == nil {
		switch x.holdAt(st) {
		case HoldSkip:
			st.skip("skipped by hand")
			return
		case HoldContinue:
			x.hold = false
		case HoldAbort:
			x.cancel(cairn.Cancelled, "cancelled by hand", errCancelled)
			st.skip("cancelled by hand")
			return
		}
		row.Status, row.StartedAt = cairn.StatusRunning, x.Now().UTC()
	}
	st.run(env, err)
}

// run does the step. early is an error from before it could start.
func (st *step) run(env *expr.Env, early error) {
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
		err = st.guarded(env)
	}
	st.end(env, err)
}

// guarded runs the step's main part under its timeout and under the job's cancel.
func (st *step) guarded(env *expr.Env) error {
	x := st.x
	timeout, err := st.timeout(env)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(x.ctx)
	defer stop(nil)
	if timeout > 0 {
		var end context.CancelFunc
		ctx, end = context.WithTimeoutCause(ctx, timeout, errStepTime)
		defer end()
	}
	r := &running{condition: st.spec.If, env: env, stop: stop}
	x.mu.Lock()
	x.current = r
	now, why := x.status, x.reason
	x.mu.Unlock()
	// A cancel between the condition and here found no step to stop.
	if now != st.seen {
		if ok, err := expr.Condition(st.spec.If, r.envWith(now)); err != nil || !ok {
			x.mu.Lock()
			x.current = nil
			x.mu.Unlock()
			return fmt.Errorf("the job was %s before the step began%w", why, silent{errCancelled})
		}
	}
	if st.spec.Uses != "" {
		err = st.uses(ctx, env)
	} else {
		err = st.script(ctx, env)
	}
	x.mu.Lock()
	x.current = nil
	x.mu.Unlock()
	// The cause says more than what a killed process or a cancelled call answers.
	if err != nil && ctx.Err() != nil {
		switch cause := context.Cause(ctx); {
		case errors.Is(cause, errStepTime):
			return fmt.Errorf("The action '%s' has timed out after %s.%w", st.row.Name, minutesText(timeout.Minutes()), silent{errStepTime})
		case errors.Is(cause, errCancelled), errors.Is(cause, errJobTime), errors.Is(cause, errGrace):
			return cause
		default:
			return errCancelled
		}
	}
	return err
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
	if st.log != nil {
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
			x.fail(fmt.Sprintf("step %q failed: %s", st.row.Name, st.row.Reason))
		}
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
	x := st.x
	if st.spec != nil && st.spec.ID != "" {
		x.results = append(x.results, stepResult{id: st.spec.ID, row: st.row, outputs: st.outputs})
	}
	x.pendStep(st.row)
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
	env := st.x.env(nil, st.action)
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
	if s.Uses != "" {
		return "Run " + s.Uses
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
	ok, err := expr.Condition(st.spec.If, env)
	if err != nil {
		e := cairn.Errorf(cairn.CodeInvalid, "if: %w", err)
		if !st.spec.IfPos.IsZero() {
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
	if st.spec == nil || st.spec.ContinueOnError.IsZero() {
		return false
	}
	ok, err := expr.EvalBool(st.spec.ContinueOnError, env)
	return err == nil && ok
}

// actionID is github.action: the id, or the action's name, counted.
func (x *executor) actionID(s *cairn.Step) string {
	if s.ID != "" {
		return s.ID
	}
	if s.Uses == "" {
		return fmt.Sprintf("__run_%d", x.number)
	}
	name, _, _ := strings.Cut(s.Uses, "@")
	return fmt.Sprintf("__%s_%d", strings.ReplaceAll(name, "/", "_"), x.number)
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
	a, err := x.Hold(ctx, HoldPoint{Step: *st.row, Env: maps.Clone(x.processEnv(st.env, nil)), Dir: dir})
	if err != nil {
		return HoldAbort
	}
	return a
}

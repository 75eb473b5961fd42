package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
)

// maxDepth is how deep composite actions may lie in each other, as on GitHub: the
// steps of the job count as the first level.
const maxDepth = 9

// composite is an action made of steps.
type composite struct{ file *actionFile }

func (*composite) has(c *call, s stage) bool {
	if s == stageMain {
		return true
	}
	for _, p := range c.parts {
		// A local action that was not looked for yet may have something to do at the end.
		if p.has(s) || s == stagePost && p != nil && p.handler == nil {
			return true
		}
	}
	return false
}

func (*composite) when(stage) string { return "always()" }

// idle reports whether the end of the job has nothing to do for a call after all.
func (c *call) idle() bool {
	if _, ok := c.handler.(*composite); !ok {
		return !c.due
	}
	return !slices.ContainsFunc(c.parts, func(p *call) bool { return p != nil && p.due && !p.idle() })
}

// run does the steps of the action that have something to do at the stage.
func (a *composite) run(ctx context.Context, st *step, env *expr.Env) error {
	in, err := st.given(env, a.file.def)
	if err != nil {
		return err
	}
	st.actionHeader(in)
	if st.scope.depth >= maxDepth {
		return depthError(st.spec.Uses)
	}
	if a.file.local && st.stage == stageMain {
		if err := st.prepareParts(ctx, a.file); err != nil {
			return err
		}
		if st.call.has(stagePre) {
			st.warnOnce(noLocalPre(st.spec.Uses))
		}
	}
	st.register()
	sc := &scope{
		x: st.x, outer: st, depth: st.scope.depth + 1, env: merged(st.scope.env, st.env), inputs: in.object(),
		github: a.file.github(), vars: a.file.variables(), from: a.file.from,
		own: st.stage == stageMain, status: cairn.Success, before: st.seen,
	}
	if st.stage == stageMain {
		st.call.inner = sc
	} else if st.call.inner != nil {
		sc.results = st.call.inner.results
	}
	// A cancel stops the steps one by one, as their conditions say.
	st.disarm()
	parts := make([]int, 0, len(st.call.parts))
	for i, c := range st.call.parts {
		if st.stage == stageMain || st.stage == stagePre && c.has(stagePre) || st.stage == stagePost && c != nil && c.due && !c.idle() {
			parts = append(parts, i)
		}
	}
	if st.stage == stagePost {
		slices.Reverse(parts)
	}
	for _, i := range parts {
		if ctx.Err() != nil {
			sc.halt(context.Cause(ctx))
			break
		}
		if !sc.part(ctx, &a.file.def.Runs.Steps[i].Step, st.call.parts[i], st.stage) {
			break
		}
	}
	if st.stage == stageMain {
		if err := st.giveOutputs(a.file, sc); err != nil && sc.err == nil {
			return err
		}
	}
	return sc.err
}

// halt notes that the steps that are left cannot run.
func (sc *scope) halt(cause error) {
	sc.x.mu.Lock()
	defer sc.x.mu.Unlock()
	if sc.err == nil {
		sc.status, sc.err = cairn.Cancelled, cause
	}
}

// part runs one step of a composite action; false: no other one may run.
func (sc *scope) part(ctx context.Context, spec *cairn.Step, c *call, s stage) bool {
	st := sc.x.newStep(sc, spec, c, s)
	top := st.top()
	top.parts++
	st.number = top.number + "." + strconv.Itoa(top.parts)
	st.row = &cairn.StepRow{ID: spec.ID, Uses: spec.Uses, StartedAt: sc.x.Now().UTC()}
	env, run, err := st.ready()
	st.row.Name = st.title
	if !run && err == nil {
		st.log.line("Skipped: %s (%s)", st.title, st.whyNot(env))
		st.skip("")
		return true
	}
	broken := !run
	if err == nil {
		err = st.guarded(ctx, env)
	}
	st.end(env, err)
	return !broken
}

// giveOutputs evaluates the outputs of the action. They are there for a failed one too.
func (st *step) giveOutputs(f *actionFile, sc *scope) error {
	env := sc.exprEnv(nil, st.action)
	var errs []error
	for _, o := range f.def.Outputs {
		if o.Value.IsZero() {
			continue
		}
		v, err := expr.EvalString(o.Value, env)
		if err != nil {
			errs = append(errs, evalFailed("output "+o.Name, o.Value, err))
			continue
		}
		st.outputs[o.Name] = v
	}
	return errors.Join(errs...)
}

func depthError(uses string) error {
	return cairn.Errorf(cairn.CodeInvalid, "Composite action depth exceeded max depth %d", maxDepth).
		WithHint("%s lies deeper than that; an action must not use itself", uses)
}

func noLocalPre(uses string) string {
	return fmt.Sprintf("`pre` execution is not supported for local action from '%s'", uses)
}

// github are the fields of the github context that differ inside of the action.
func (f *actionFile) github() map[string]string {
	out := map[string]string{"action_path": f.dir}
	if !f.local {
		out["action_repository"], out["action_ref"] = f.from.repository, f.from.ref
	}
	return out
}

// variables are the same for processes.
func (f *actionFile) variables() map[string]string {
	out := map[string]string{"GITHUB_ACTION_PATH": f.dir}
	if !f.local {
		out["GITHUB_ACTION_REPOSITORY"], out["GITHUB_ACTION_REF"] = f.from.repository, f.from.ref
	}
	return out
}

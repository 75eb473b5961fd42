package runner

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
)

// uses runs a native action.
func (st *step) uses(ctx context.Context, env *expr.Env) error {
	x := st.x
	inputs := map[string]string{}
	st.log.line("##[group]Run %s", st.spec.Uses)
	if len(st.spec.With) > 0 {
		st.log.line("with:")
	}
	for _, nv := range st.spec.With {
		v, err := expr.EvalString(nv.Value, env)
		if err != nil {
			return evalFailed("with."+nv.Name, nv.Value, err)
		}
		inputs[strings.ToLower(nv.Name)] = v
		st.log.line("  %s: %s", nv.Name, v)
	}
	st.showEnv()
	st.log.line("##[endgroup]")
	action := x.actions[st.spec.Uses]
	c := st.context(inputs)
	if p, ok := action.(PostAction); ok {
		x.posts = append(x.posts, &post{action: p, ctx: c, name: "Post " + st.row.Name, uses: st.spec.Uses})
	}
	err := protect(func() error { return action.Run(ctx, c) })
	st.take(c)
	return err
}

// context is what an action sees.
func (st *step) context(inputs map[string]string) *StepContext {
	x := st.x
	c := &StepContext{
		Spec: x.Spec, Uses: st.row.Uses, ID: st.action, Inputs: inputs,
		Env:  x.processEnv(st.env, map[string]string{"GITHUB_ACTION": st.action}),
		Dirs: x.Machine.Dirs(), Server: x.Server, State: map[string]string{},
	}
	st.attach(c)
	return c
}

// attach binds a context to the log of this step.
func (st *step) attach(c *StepContext) {
	x := st.x
	out := &output{log: st.log}
	st.out = out
	c.Log, c.Now = out, x.Now
	c.Masked = func(v string) { x.masks.Add(v) }
	c.Exec = func(ctx context.Context, p Process) (int, error) {
		if p.Env == nil {
			p.Env = c.Env
		}
		if p.Dir == "" {
			p.Dir = c.Dirs.Workspace
		}
		if p.Stdout == nil {
			p.Stdout = out
		}
		if p.Stderr == nil {
			p.Stderr = out
		}
		return x.Machine.Exec(ctx, p)
	}
	c.Command = st.commanded(c)
}

// take carries out what an action left in its context.
func (st *step) take(c *StepContext) {
	for k, v := range c.Outputs {
		st.outputs[k] = v
	}
	for _, v := range c.EnvSet {
		if err := st.setEnv(v.Name, v.Value); err != nil {
			st.fail(err.Error())
		}
	}
	for _, p := range c.PathsAdded {
		st.x.addPath(p)
	}
	for _, a := range c.Annotations {
		st.keep(a)
	}
	if n := c.Summary.Len(); n > maxSummary {
		st.annotate(AnnotationError, fmt.Sprintf("the summary of %s is too large: at most %s are allowed", sizeText(int64(n)), sizeText(maxSummary)), nil)
	} else if n > 0 {
		st.row.Summary = st.x.masks.String(c.Summary.String())
	}
	c.Outputs, c.EnvSet, c.PathsAdded, c.Annotations = nil, nil, nil, nil
	c.Summary.Reset()
}

// post runs what an action does at the end of the job. It runs whatever
// happened, unless the job is at its end by force.
func (x *executor) post(p *post) {
	row := x.newRow("", p.name, p.uses)
	st := &step{x: x, row: row, spec: &cairn.Step{If: "always()", Uses: p.uses}, action: p.ctx.ID, outputs: map[string]string{}}
	if x.ctx.Err() != nil {
		st.skip("the job ended by force")
		return
	}
	x.pendStep(row)
	x.flush()
	log, err := x.openLog(row)
	if err == nil {
		st.log = log
		st.attach(p.ctx)
		ctx, stop := context.WithCancelCause(x.ctx)
		err = protect(func() error { return p.action.Post(ctx, p.ctx) })
		stop(nil)
		st.take(p.ctx)
	}
	st.end(x.env(nil, ""), err)
}

// protect turns a panic of an action into a failure of its step.
func protect(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = cairn.Errorf(cairn.CodeInternal, "a defect of Cairn: the action panicked: %v", r).
				WithHint("please report it with this trace:\n%s", debug.Stack())
		}
	}()
	return f()
}

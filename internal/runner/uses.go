package runner

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
)

// uses runs a stage of the action that the step names.
func (st *step) uses(ctx context.Context, env *expr.Env) error {
	if st.call.handler == nil {
		if err := st.findLocal(ctx); err != nil {
			return err
		}
	}
	return st.call.handler.run(ctx, st, env)
}

// with evaluates the inputs that the step gives, by lower-case name.
func (st *step) with(env *expr.Env) (map[string]string, error) {
	inputs := map[string]string{}
	for _, nv := range st.spec.With {
		v, err := expr.EvalString(nv.Value, env)
		if err != nil {
			return nil, evalFailed("with."+nv.Name, nv.Value, err)
		}
		inputs[strings.ToLower(nv.Name)] = v
	}
	return inputs, nil
}

// usesHeader shows what is going to run, as GitHub's logs do.
func (st *step) usesHeader(inputs map[string]string) {
	st.log.line("##[group]Run %s", st.spec.Uses)
	if len(st.spec.With) > 0 {
		st.log.line("with:")
	}
	for _, nv := range st.spec.With {
		st.log.line("  %s: %s", nv.Name, inputs[strings.ToLower(nv.Name)])
	}
	st.showEnv()
	st.log.line("##[endgroup]")
}

// context is what an action sees.
func (st *step) context(inputs map[string]string) *StepContext {
	x := st.x
	c := &StepContext{
		Spec: x.Spec, Uses: st.row.Uses, ID: st.action, Inputs: inputs,
		Env:  st.scope.processEnv(st.env, merged(st.runtimeEnv(), map[string]string{"GITHUB_ACTION": st.action})),
		Dirs: x.Machine.Dirs(), InContainer: x.wanted.Container != nil, Server: x.Server, State: map[string]string{},
	}
	if x.wanted.Container != nil {
		c.Image = x.wanted.Container.Image
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
	c.Clean, c.Status = x.masks.String, x.jobStatus()
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
	c.LookPath = func(file string) (string, error) { return x.Machine.LookPath(file, c.Env["PATH"]) }
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
		st.addPath(p)
	}
	for _, a := range c.Annotations {
		st.keep(a)
	}
	if n := c.Summary.Len(); n > maxSummary {
		st.annotate(AnnotationError, fmt.Sprintf("the summary of %s is too large: at most %s are allowed", sizeText(int64(n)), sizeText(maxSummary)), nil)
	} else if n > 0 {
		st.addSummary(c.Summary.String())
	}
	c.Outputs, c.EnvSet, c.PathsAdded, c.Annotations = nil, nil, nil, nil
	c.Summary.Reset()
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

// Package task carries tasks out: one command, in a snapshot of code, in an environment,
// over inputs and outputs. Its actions are the steps of a job whose spec has a task.
package task

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
	"github.com/cairn-ml/cairn/internal/runner"
)

// Prefix begins the names of the actions.
const Prefix = "cairn/task/"

// Server is what the actions reach of the owner besides; the API client satisfies it.
type Server interface {
	runner.Server
	// DownloadBlob writes a stored file to a path that does not exist yet.
	DownloadBlob(ctx context.Context, d cairn.Digest, path string) error
	// RegisterOutput makes a version of an asset of what a task made.
	RegisterOutput(ctx context.Context, r cairn.Registration, v cairn.DataValue, tags map[string]string) (*cairn.AssetVersion, error)
}

// Environments prepares what a task runs in.
type Environments interface {
	// Prepare leaves variables and folders of programs in c.
	Prepare(ctx context.Context, c *runner.StepContext, env cairn.TaskEnvironment) error
	// Image makes the image of an environment that tasks run in a container of.
	Image(ctx context.Context, c *runner.StepContext, env cairn.TaskEnvironment, engine runner.ImageEngine) (string, error)
}

// Deps are what the actions stand on.
type Deps struct {
	Environments Environments
}

// Registry adds the actions of tasks to another registry.
type Registry struct {
	runner.Registry
	deps Deps
}

var (
	_ runner.JobHooks   = (*Registry)(nil)
	_ runner.ImageHooks = (*Registry)(nil)
)

// New wraps a registry.
func New(base runner.Registry, d Deps) *Registry { return &Registry{base, d} }

// Action finds an action of a task, or one of the registry below.
func (r *Registry) Action(uses string) (runner.Action, error) {
	name, ok := strings.CutPrefix(uses, Prefix)
	if !ok {
		return r.Registry.Action(uses)
	}
	switch name {
	case "environment":
		return needsTask{environmentAction{r.deps.Environments}}, nil
	case "inputs":
		return needsTask{inputsAction{}}, nil
	case "run":
		return needsTask{runAction{}}, nil
	case "outputs":
		return needsTask{outputsAction{}}, nil
	}
	return nil, cairn.Errorf(cairn.CodeUnsupported, "%s is no action", uses)
}

// Prepare does what the registry below does for every job.
func (r *Registry) Prepare(ctx context.Context, c *runner.StepContext) error {
	if h, ok := r.Registry.(runner.JobHooks); ok {
		return h.Prepare(ctx, c)
	}
	return nil
}

// Complete is what the registry below still has to do.
func (r *Registry) Complete(c *runner.StepContext) (runner.PostAction, string) {
	if h, ok := r.Registry.(runner.JobHooks); ok {
		return h.Complete(c)
	}
	return nil, ""
}

// JobContainer is the container of a task that runs in its environment's image.
func (r *Registry) JobContainer(spec *cairn.JobSpec) *runner.ContainerSpec {
	if spec.Task == nil || !spec.Task.Task.Environment.Docker {
		return nil
	}
	return &runner.ContainerSpec{Options: spec.Task.Task.ContainerOptions, Kept: true}
}

// JobImage makes that image.
func (r *Registry) JobImage(ctx context.Context, c *runner.StepContext, engine runner.ImageEngine) (string, error) {
	if r.deps.Environments == nil {
		return "", cairn.Errorf(cairn.CodeUnsupported, "environments are not prepared here")
	}
	return r.deps.Environments.Image(ctx, c, c.Spec.Task.Task.Environment, engine)
}

// needsTask refuses to run in a job without a task.
type needsTask struct{ runner.Action }

func (n needsTask) Run(ctx context.Context, c *runner.StepContext) error {
	if c.Spec == nil || c.Spec.Task == nil {
		return cairn.Errorf(cairn.CodeInvalid, "%s is a part of jobs that are started from a job's file", c.Uses).
			WithHint("a workflow starts one with run: cairn job create --file FILE --stream")
	}
	return n.Action.Run(ctx, c)
}

// server is the server of a step, which every task needs.
func server(c *runner.StepContext) (Server, error) {
	s, ok := c.Server.(Server)
	if !ok {
		return nil, cairn.Errorf(cairn.CodeUnavailable, "a task needs the server that it was started by, and none is given")
	}
	return s, nil
}

// layout is where a task's things lie, as the original lays them out: scripts have its
// names in their own paths.
type layout struct{ root string }

func layoutOf(c *runner.StepContext) layout { return layout{c.Dirs.Workspace} }

// work is where the command runs: a copy of the code.
func (l layout) work() string { return filepath.Join(l.root, "exe", "wd") }

// data holds inputs and outputs.
func (l layout) data() string { return filepath.Join(l.root, "cap", "data-capability", "wd") }

// logs holds what the command printed.
func (l layout) logs() string { return filepath.Join(l.root, "exe", "logs") }

func (l layout) input(name string) string  { return filepath.Join(l.data(), "INPUT_"+name) }
func (l layout) output(name string) string { return filepath.Join(l.data(), name) }

// contexts are what the command's bindings see: paths of data, and literals.
func contexts(c *runner.StepContext) map[string]expr.Value {
	l, t := layoutOf(c), c.Spec.Task
	var inputs, outputs []expr.Field
	for _, v := range t.Values {
		text := v.Text
		if v.Data != nil || v.List != nil {
			text = l.input(v.Name)
		}
		inputs = append(inputs, expr.Field{Name: v.Name, Value: expr.String(text)})
	}
	for _, o := range t.Task.Outputs {
		outputs = append(outputs, expr.Field{Name: o.Name, Value: expr.String(l.output(o.Name))})
	}
	space := expr.Object()
	if len(t.Trial) > 0 {
		if v, err := expr.FromJSON(t.Trial); err == nil {
			space = texts(v)
		}
	}
	return map[string]expr.Value{
		"inputs": expr.Object(inputs...), "outputs": expr.Object(outputs...), "search_space": space, "job_name": expr.String(t.Name),
	}
}

// texts gives numbers the text that Python has for them, and what holds others as JSON.
func texts(v expr.Value) expr.Value {
	var fields []expr.Field
	for _, f := range v.Fields() {
		if f.Value.Primitive() {
			fields = append(fields, f)
		} else {
			fields = append(fields, expr.Field{Name: f.Name, Value: expr.String(string(f.Value.JSON()))})
		}
	}
	return expr.Object(fields...)
}

// evaluate fills the bindings of a template in.
func evaluate(c *runner.StepContext, t cairn.Template) (string, error) {
	return expr.EvalString(t, &expr.Env{Contexts: contexts(c)})
}

// made makes folders.
func made(dirs ...string) error {
	for _, d := range dirs {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return cairn.Errorf(cairn.CodeFailed, "no folder for the task: %w", err)
		}
	}
	return nil
}

// environmentAction is the first step: what the command runs in.
type environmentAction struct{ environments Environments }

func (a environmentAction) Run(ctx context.Context, c *runner.StepContext) error {
	if a.environments == nil {
		return cairn.Errorf(cairn.CodeUnsupported, "environments are not prepared here")
	}
	return a.environments.Prepare(ctx, c, c.Spec.Task.Task.Environment)
}

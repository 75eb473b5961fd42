package action

import (
	"context"
	"path/filepath"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
	"github.com/cairn-ml/cairn/internal/runner/python"
)

var _ runner.JobHooks = (*Registry)(nil)

// defaultLink is where a job without setup-python finds its own environment
// once a pip was called.
func defaultLink(c *runner.StepContext) string {
	return filepath.Join(c.Dirs.Temp, "_python", "default")
}

// Prepare keeps pip away from this machine's Pythons, and the passwords of its
// configuration out of logs. See python.Tools.OfferDefault.
func (r *Registry) Prepare(_ context.Context, c *runner.StepContext) error {
	t := r.deps.Tools
	for _, s := range python.LoadPipConfig(t.Getenv, t.UserHome).Secrets() {
		c.Mask(s)
	}
	paths, err := t.OfferDefault(defaultLink(c), c.Env["PATH"])
	if err != nil {
		return cairn.Errorf(cairn.CodeFailed, "the job's Python cannot be offered: %w", err)
	}
	for _, p := range paths {
		c.AddPath(p)
	}
	return nil
}

// Complete records the packages of that environment where there is one.
func (r *Registry) Complete(c *runner.StepContext) (runner.PostAction, string) {
	if _, _, ok := python.Default(defaultLink(c)); !ok {
		return nil, ""
	}
	return &defaultPython{setupPython{deps: r.deps}}, "Record the job's packages"
}

// defaultPython is the end of a job whose pip made an environment.
type defaultPython struct{ setupPython }

// Post records which packages the job had in the end.
func (a *defaultPython) Post(ctx context.Context, c *runner.StepContext) error {
	dir, base, ok := python.Default(defaultLink(c))
	if !ok {
		return nil
	}
	return a.record(ctx, c, dir, base)
}

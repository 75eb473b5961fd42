package host

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

// hookedActions put a folder on PATH of all steps and have something to do at
// the end of the job.
type hookedActions struct {
	testActions
	nothing bool
}

func (hookedActions) Prepare(_ context.Context, c *runner.StepContext) error {
	dir := filepath.Join(c.Dirs.Temp, "programs")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	c.AddPath(dir)
	c.Mask("hidden-by-prepare")
	return os.WriteFile(filepath.Join(dir, "greet"), []byte("#!/bin/sh\necho good day hidden-by-prepare\n"), 0o755)
}

func (h hookedActions) Complete(*runner.StepContext) (runner.PostAction, string) {
	if h.nothing {
		return nil, ""
	}
	return farewell{}, "Say goodbye"
}

type farewell struct{}

func (farewell) Run(context.Context, *runner.StepContext) error { return nil }

func (farewell) Post(_ context.Context, c *runner.StepContext) error {
	c.Logf("goodbye after %s", c.Spec.Name)
	return nil
}

func TestHooksOfTheRegistry(t *testing.T) {
	t.Parallel()
	spec := cairn.JobSpec{Name: "build", Steps: []cairn.Step{{Run: cairn.Str("greet; echo $PIP_REQUIRE_VIRTUALENV")}, {Run: cairn.Str("exit 3")}}}
	in := run(t, spec, func(j *runner.Job) { j.Registry = hookedActions{} })
	if got := in.printed(2); got != "good day ***\n1\n" {
		t.Errorf("%q", got)
	}
	if row := in.rows[4]; row.Name != "Say goodbye" || row.Conclusion != cairn.Success || !strings.Contains(in.log(4), "goodbye after build") {
		t.Errorf("after a failed step too: %+v %s", row, in.log(4))
	}
	in = run(t, spec, func(j *runner.Job) { j.Registry = hookedActions{nothing: true} })
	if _, there := in.rows[4]; there {
		t.Error("a step for nothing")
	}
}

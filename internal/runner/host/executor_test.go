package host

import (
	"context"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

// testActions are the native actions of the tests.
type testActions struct{}

func (testActions) Action(uses string) (runner.Action, error) {
	switch uses {
	case "test/post@v1":
		return postAction{}, nil
	case "test/panic@v1":
		return panicAction{}, nil
	}
	return nil, cairn.Errorf(cairn.CodeUnsupported, "the action %q is not built in", uses)
}

type postAction struct{}

func (postAction) Run(ctx context.Context, c *runner.StepContext) error {
	c.Logf("main of %s", c.Input("NAME"))
	c.SetEnv("FROM_ACTION", c.Input("name"))
	c.SetOutput("name", c.Input("name"))
	c.SaveState("name", c.Input("name"))
	c.AddPath("/from/" + c.Input("name"))
	if c.Input("fail") == "true" {
		return cairn.Errorf(cairn.CodeFailed, "asked to fail").WithHint("do not ask")
	}
	_, err := c.Exec(ctx, runner.Process{Args: []string{"sh", "-c", "echo exec sees $FROM_ACTION"}})
	return err
}

func (postAction) Post(_ context.Context, c *runner.StepContext) error {
	c.Logf("post of %s", c.State["name"])
	return nil
}

type panicAction struct{}

func (panicAction) Run(context.Context, *runner.StepContext) error { panic("boom") }

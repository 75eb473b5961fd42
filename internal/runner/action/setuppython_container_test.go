package action

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

func TestSetupPythonInContainer(t *testing.T) {
	t.Parallel()
	has := map[string]string{"python3": "3.12.4"}
	run := func(want string) (*runner.StepContext, error) {
		c := &runner.StepContext{InContainer: true, Inputs: map[string]string{"python-version": want}, Dirs: runner.Dirs{Temp: t.TempDir(), Workspace: t.TempDir()}}
		c.Exec = func(_ context.Context, p runner.Process) (int, error) {
			v, ok := has[p.Args[0]]
			if !ok {
				return 0, cairn.Errorf(cairn.CodeNotFound, "%s: command not found", p.Args[0])
			}
			fmt.Fprintf(p.Stdout, "/usr/local/bin/%s\n%s\n", p.Args[0], v)
			return 0, nil
		}
		a := &setupPython{major: 5}
		return c, a.Run(t.Context(), c)
	}
	c, err := run("3.12")
	if err != nil || c.Outputs["python-version"] != "3.12.4" || c.Outputs["python-path"] != "/usr/local/bin/python3" || c.Env["pythonLocation"] != "/usr/local" {
		t.Errorf("%v %+v", err, c)
	}
	if _, err := run("3.9"); err == nil || !strings.Contains(err.Error(), "has Python 3.12.4, not 3.9") {
		t.Errorf("another version: %v", err)
	}
	delete(has, "python3")
	if _, err := run("3.12"); err == nil || !strings.Contains(err.Error(), "has no Python 3.12") {
		t.Errorf("none: %v", err)
	}
}

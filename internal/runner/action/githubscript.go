package action

import (
	"context"
	_ "embed"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

// scriptBundle is GitHub's own toolkit with the part that runs a script; `make
// github-script` writes it.
//
//go:embed githubscript/bundle.js
var scriptBundle []byte

// githubScript is actions/github-script: the step's script, run by the node of this
// machine with the client, the context and the toolkit of the original.
type githubScript struct {
	deps  Deps
	major int
}

// Run does the step.
func (a *githubScript) Run(ctx context.Context, c *runner.StepContext) error {
	if c.Input("script") == "" {
		return cairn.Errorf(cairn.CodeInvalid, "Input required and not supplied: script").WithHint("it is the body of an async function, for example: return context.sha")
	}
	if e := c.Input("result-encoding"); e != "json" && e != "string" {
		return cairn.Errorf(cairn.CodeInvalid, "input 'result-encoding' is %q", e).WithHint("allowed are json and string")
	}
	bundle := filepath.Join(c.Dirs.Temp, "_cairn", "github-script-"+string(cairn.SumBytes(scriptBundle).Hex()[:12])+".js")
	if err := writeOnce(c, bundle, scriptBundle); err != nil {
		return cairn.Errorf(cairn.CodeFailed, "the script's toolkit cannot be written: %w", err)
	}
	node, err := nodeFor(ctx, c, a.deps)
	if err != nil {
		return err
	}
	env := make(map[string]string, len(c.Env)+len(c.Inputs))
	for k, v := range c.Env {
		env[k] = v
	}
	for name, v := range c.Inputs {
		env[inputVariable(name)] = v
	}
	if c.Inputs["github-token"] == "" {
		env[inputVariable("github-token")] = c.Env["CAIRN_TOKEN"]
	}
	if c.Inputs["debug"] == "" {
		env[inputVariable("debug")] = "false"
		if c.Spec.Debug {
			env[inputVariable("debug")] = "true"
		}
	}
	status, err := c.Command(ctx, runner.Process{Args: []string{node, bundle, itoa(a.major)}, Env: env})
	if err != nil {
		return err
	}
	if status != 0 {
		return cairn.Errorf(cairn.CodeFailed, "The script failed: node ended with code %d.", status)
	}
	return nil
}

// inputVariable is how an action in node finds an input.
func inputVariable(name string) string {
	return "INPUT_" + strings.ToUpper(strings.ReplaceAll(name, " ", "_"))
}

// writeOnce makes a file that is the same for all steps of a job.
func writeOnce(c *runner.StepContext, path string, b []byte) error {
	if err := makeFolder(c, filepath.Dir(path), 0o755); err != nil {
		return err
	}
	at, done, err := writable(c, filepath.Dir(path))
	if err != nil {
		return err
	}
	defer done()
	path = filepath.Join(at, filepath.Base(path))
	if fi, err := os.Lstat(path); err == nil && fi.Mode().IsRegular() && fi.Size() == int64(len(b)) {
		return nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return replaceFile(path, b, 0o644)
}

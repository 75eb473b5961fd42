package host

import (
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner/runnertest"
)

// TestDefaultsOfSteps: the defaults of the job are those of a step that does not say
// its own shell or folder, each by itself.
func TestDefaultsOfSteps(t *testing.T) {
	t.Parallel()
	spec := runnertest.Spec(1, `import os; os.makedirs("sub", exist_ok=True)`, `import os; print(os.path.basename(os.getcwd()))`,
		`basename "$PWD"`, `import os; print(os.path.basename(os.getcwd()))`)
	spec.Defaults = cairn.RunDefaults{Shell: cairn.Str("python3 {0}"), WorkingDirectory: cairn.Str("sub")}
	spec.Steps[0].WorkingDirectory = cairn.Str(".")
	spec.Steps[2].Shell = cairn.Str("sh")
	spec.Steps[3].WorkingDirectory = cairn.Str(".")
	in := run(t, spec)
	if in.printed(3) != "sub\n" || in.printed(4) != "sub\n" || in.printed(5) == "sub\n" || in.end.Conclusion != cairn.Success {
		t.Errorf("%q %q %q %+v", in.printed(3), in.printed(4), in.printed(5), in.end)
	}
}

// TestRunnerContext: what runner, job and strategy say within a step.
func TestRunnerContext(t *testing.T) {
	t.Parallel()
	spec := runnertest.Spec(1, `test "${{ runner.temp }}" = "$RUNNER_TEMP" && test "${{ runner.tool_cache }}" = "$RUNNER_TOOL_CACHE" &&
echo "${{ runner.os == env.RUNNER_OS }} ${{ runner.os }} ${{ runner.environment }} ${{ runner.debug }} ${{ job.status }}"`)
	spec.Debug = true
	in := run(t, spec)
	if got := in.printed(2); got != "false Linux self-hosted 1 success\n" {
		t.Errorf("%q", got)
	}
}

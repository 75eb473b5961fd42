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

package stages

import "testing"

// The reference in docs is the one that the code gives: run with -update after a
// change of the keys.
func TestReference(t *testing.T) {
	t.Parallel()
	golden(t, "../../docs/reference/stages.md", Reference())
	if _, problems := Parse(Path, []byte(example)); len(problems) > 0 {
		t.Error(render(problems))
	}
}

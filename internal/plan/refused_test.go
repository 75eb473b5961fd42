package plan

import (
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
)

// TestSnapshotRefused: no runner image is made here, and a workflow that asks for one
// is told so by name and place instead of running without.
func TestSnapshotRefused(t *testing.T) {
	t.Parallel()
	for _, snapshot := range []string{"own-image", "{image-name: own-image, version: 1.*}"} {
		_, _, problems := planFiles(t, Files{dir + "main.yml": []byte(
			"on: push\njobs:\n  a:\n    runs-on: x\n    snapshot: " + snapshot + "\n    steps: [{run: echo}]\n")}, nil)
		checkProblem(t, problems, "snapshot of job 'a' is not built: no runner image is made here | take snapshot: away")
		for _, p := range problems {
			if p.Code == CodeNotBuilt && p.Line != 5 {
				t.Errorf("it is said of line %d", p.Line)
			}
		}
	}
}

// TestDefaultsRun: the defaults of a job go before those of its workflow, each of the
// two keys by itself; a called workflow has its own alone.
func TestDefaultsRun(t *testing.T) {
	t.Parallel()
	const steps = "    runs-on: x\n    steps: [{run: echo}]\n"
	p, _, problems := planFiles(t, Files{
		dir + "main.yml": []byte("on: push\ndefaults: {run: {shell: sh, working-directory: all}}\njobs:\n  plain:\n" + steps +
			"  own:\n    defaults: {run: {working-directory: one}}\n" + steps + "  call:\n    uses: ./.github/workflows/b.yml\n"),
		dir + "b.yml": []byte("on: workflow_call\njobs:\n  inner:\n" + steps),
	}, nil)
	if cairn.HasErrors(problems) {
		t.Fatal(problems)
	}
	var got []string
	for _, n := range append(p.Nodes[:2:2], p.Nodes[2].Body...) {
		got = append(got, n.ID+" "+n.Defaults.Shell.Text+" "+n.Defaults.WorkingDirectory.Text)
	}
	if s := strings.Join(got, ", "); s != "plain sh all, own sh one, inner  " {
		t.Error(s)
	}
}

package host

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
	"github.com/cairn-ml/cairn/internal/runner/runnertest"
)

const coreMain = `
const core = require('@actions/core');
(async () => {
  core.startGroup('g');
  core.info('who=' + core.getInput('who to greet', {required: true}) + ' flag=' + core.getBooleanInput('flag') + ' lines=' + JSON.stringify(core.getMultilineInput('lines')));
  core.endGroup();
  core.setSecret('hunter22');
  core.info('hunter22');
  core.setOutput('o', {x: [1, 2]});
  core.exportVariable('FROM_CORE', 'a\nb');
  core.addPath('/opt/core');
  core.notice('a notice', {file: 'a.py', startLine: 3});
  await core.summary.addHeading('T').addRaw('text').write();
  core.saveState('m', {from: 'main'});
})();
`

// GitHub's own package for actions works unchanged.
func TestToolkitCore(t *testing.T) {
	t.Parallel()
	if os.Getenv("CAIRN_TEST_CLIENTS") == "" {
		t.Skip("it fetches @actions/core: CAIRN_TEST_CLIENTS=1, or make test-clients")
	}
	needNode(t)
	spec := runnertest.Spec(1)
	spec.Steps = []cairn.Step{
		{ID: "c", Uses: "./core", With: named("who to greet", "Mona", "lines", "one\ntwo\n")},
		{Run: cairn.Expr(`echo "$FROM_CORE ${{ steps.c.outputs.o }} $PATH"`)},
	}
	in := run(t, spec, inWorkspace(t, map[string]string{
		"core/action.yml": "name: x\ndescription: x\ninputs: {who to greet: {required: true}, flag: {default: 'True'}, lines: {}}\nruns: {using: node20, main: main.js, post: post.js}\n",
		"core/main.js":    coreMain,
		"core/post.js":    "const core = require('@actions/core'); core.info('post ' + core.getState('m')); core.setFailed('on purpose');",
	}), func(j *runner.Job) {
		npm := exec.Command("npm", "install", "--silent", "--no-audit", "--no-fund", "@actions/core@1")
		npm.Dir = filepath.Join(j.Machine.Dirs().Workspace, "core")
		if out, err := npm.CombinedOutput(); err != nil {
			t.Fatalf("npm: %v\n%s", err, out)
		}
	})
	in.wants(2, `who=Mona flag=true lines=["one","two"]`, "\n***\n", "##[notice]a notice")
	in.wants(3, "\nb {x:[1,2]} /opt/core:")
	in.wants(4, `post {"from":"main"}`)
	if r := in.rows[2]; r.Summary != "<h1>T</h1>\ntext" || r.Outputs["o"] != `{"x":[1,2]}` || r.Annotations[0].File != "a.py" || r.Annotations[0].Line != 3 {
		t.Errorf("%+v", r)
	}
	if r := in.rows[4]; r.Conclusion != cairn.Failure || r.Reason != "on purpose" {
		t.Errorf("%+v", r)
	}
}

package host

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
	"github.com/cairn-ml/cairn/internal/runner/runnertest"
)

// repositories answers remote actions from files in memory: repository -> path -> text.
type repositories struct {
	runner.Server
	files map[string]map[string]string
}

// commitOf is a made-up commit of a repository, the same for each ref.
func commitOf(repository string) string {
	return cairn.SumBytes([]byte(repository)).Hex()[:40]
}

func (r *repositories) ResolveAction(_ context.Context, uses string) (cairn.ActionVersion, error) {
	name, ref, _ := strings.Cut(uses, "@")
	if p, ok := strings.CutPrefix(name, "$/"); ok {
		name = "me/self/" + p
	}
	parts := strings.SplitN(name, "/", 3)
	v := cairn.ActionVersion{Uses: uses, Repository: parts[0] + "/" + parts[1], Ref: ref}
	if len(parts) == 3 {
		v.Path = parts[2]
	}
	if r.files[v.Repository] == nil {
		return v, cairn.Errorf(cairn.CodeNotFound, "Unable to resolve action `%s`, repository not found", uses)
	}
	v.Commit, v.Tree = commitOf(v.Repository), cairn.Digest(v.Repository)
	return v, nil
}

func (r *repositories) DownloadTree(_ context.Context, root cairn.Digest, dir string) error {
	return writeFiles(dir, r.files[string(root)])
}

func writeFiles(dir string, files map[string]string) error {
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// inWorkspace puts files into the workspace before the job begins.
func inWorkspace(t testing.TB, files map[string]string) func(*runner.Job) {
	return func(j *runner.Job) {
		if err := writeFiles(j.Machine.Dirs().Workspace, files); err != nil {
			t.Fatal(err)
		}
	}
}

func remote(files map[string]map[string]string) func(*runner.Job) {
	return func(j *runner.Job) { j.Server = &repositories{files: files} }
}

func usesSteps(uses ...string) []cairn.Step {
	var out []cairn.Step
	for _, u := range uses {
		out = append(out, cairn.Step{Uses: u})
	}
	return out
}

// names are the names of the rows in their order.
func (in *inside) names() string {
	var out []string
	for i := 1; i <= len(in.rows); i++ {
		out = append(out, in.rows[i].Name+"="+string(in.rows[i].Conclusion))
	}
	return strings.Join(out, "; ")
}

func (in *inside) wants(step int, texts ...string) {
	in.t.Helper()
	log := in.log(step)
	for _, text := range texts {
		if !strings.Contains(log, text) {
			in.t.Errorf("the log of step %d lacks %q:\n%s", step, text, log)
		}
	}
}

const greet = `
name: greet
inputs:
  who: {description: whom, default: "${{ github.job }}"}
  Loud Voice: {default: 'no'}
outputs:
  text: {value: "${{ steps.say.outputs.text }}!"}
  none: {value: "${{ steps.outside.outputs.x }}"}
runs:
  using: composite
  steps:
    - id: say
      shell: bash
      env: {INNER: inner}
      run: |
        echo "hello ${{ inputs.who }} $OUTER $INNER ${{ env.OUTER }} [$INPUT_WHO] ${{ inputs['loud voice'] }} ${{ steps.outside.outcome }}"
        echo "text=hello ${{ inputs.WHO }}" >> $GITHUB_OUTPUT
        echo "LEFT=behind" >> $GITHUB_ENV
        echo "summary of ${{ inputs.who }}" >> $GITHUB_STEP_SUMMARY
        test -f "$GITHUB_ACTION_PATH/action.yml" && test -f "${{ github.action_path }}/action.yml" && echo "path ok"
    - shell: bash
      run: echo "again $LEFT ${{ steps.say.outputs.text }} in $(basename $PWD)"
      working-directory: sub
`

func TestCompositeAction(t *testing.T) {
	t.Parallel()
	spec := runnertest.Spec(1, "echo x=1 >> $GITHUB_OUTPUT; mkdir sub")
	spec.Steps[0].ID = "outside"
	spec.Env = [][]cairn.NamedValue{named("OUTER", "job")}
	spec.Steps = append(spec.Steps,
		cairn.Step{ID: "one", Uses: "./greet", Env: named("OUTER", "step"), With: named("who", "you", "wrong", "1")},
		cairn.Step{ID: "two", Uses: "./greet"},
		cairn.Step{Run: cairn.Expr(`echo "${{ steps.one.outputs.text }} ${{ steps.two.outputs.text }} ${{ steps.say.outcome }} $LEFT $OUTER[${{ steps.one.outputs.none }}]"`)})
	in := run(t, spec, inWorkspace(t, map[string]string{"greet/action.yml": greet}))
	in.wants(3, "##[group]Run ./greet\nwith:\n  who: you\n", "hello you step inner step [] no \n", "path ok", "again behind hello you in sub",
		"##[warning]Unexpected input(s) 'wrong', valid inputs are ['who', 'Loud Voice']")
	in.wants(4, "with:\n  who: build\n  Loud Voice: no\n", "hello build job inner job")
	if got := in.printed(5); got != "hello you! hello build!  behind job[]\n" {
		t.Errorf("after: %q", got)
	}
	if in.rows[3].Summary != "summary of you\n" || in.rows[3].Outputs["text"] != "hello you!" || len(in.rows) != 5 {
		t.Errorf("row: %+v", in.rows[3])
	}
}

func TestCompositeConditions(t *testing.T) {
	t.Parallel()
	files := map[string]string{"c/action.yml": `
runs:
  using: composite
  steps:
    - {id: a, shell: sh, run: exit 3, continue-on-error: "${{ inputs.soft == 'yes' }}"}
    - {shell: sh, run: "echo after ${{ steps.a.outcome }} ${{ steps.a.conclusion }} ${{ job.status }}"}
    - {name: only on failure, shell: sh, if: failure(), run: echo failed here}
    - {shell: sh, if: always(), run: echo always}
    - {shell: sh, if: "${{ inputs.soft == 'never' }}", run: echo never}
inputs: {soft: {required: true}}
`}
	spec := runnertest.Spec(1)
	spec.Steps = []cairn.Step{
		{Uses: "./c", With: named("soft", "yes")},
		{ID: "hard", Uses: "./c"},
		{Uses: "./c", If: "failure()", With: named("soft", "yes")},
		{If: "failure()", Run: cairn.Expr("echo ${{ steps.hard.outcome }}")},
	}
	in := run(t, spec, inWorkspace(t, files))
	in.wants(2, "after failure success success", "always", "Skipped: only on failure (if: failure() was false")
	in.wants(3, "failed here", "always", "##[error]Process completed with exit code 3.", "Input 'soft' is required")
	if strings.Contains(in.log(3), "\nafter") || strings.Count(in.log(3), "exit code 3") != 1 || len(in.rows[3].Annotations) != 2 {
		t.Errorf("a failed composite action: %s %+v", in.log(3), in.rows[3].Annotations)
	}
	// success() looks at the action, not at the job.
	in.wants(4, "after failure success failure", "Skipped: only on failure")
	if r := in.rows[3].Reason; r != "Run exit 3: Process completed with exit code 3." {
		t.Errorf("reason: %q", r)
	}
	if in.end.Conclusion != cairn.Failure || in.printed(5) != "failure\n" {
		t.Errorf("end: %+v", in.end)
	}
}

func TestCompositeNested(t *testing.T) {
	t.Parallel()
	files := map[string]map[string]string{
		"acme/tools": {
			"outer/action.yaml": "runs:\n  using: composite\n  steps:\n    - {uses: $/inner, id: same, with: {v: '${{ inputs.v }}1'}}\n    - {shell: sh, run: 'echo outer ${{ steps.same.outputs.v }} ${{ github.action_repository }} $GITHUB_ACTION_REF'}\ninputs: {v: {default: '0'}}\noutputs: {v: {value: '${{ steps.same.outputs.v }}'}}\n",
			"inner/action.yml":  "runs:\n  using: composite\n  steps:\n    - {shell: sh, id: same, run: 'echo v=${{ inputs.v }}2 >> $GITHUB_OUTPUT; cat $GITHUB_ACTION_PATH/../shared.txt; echo ${{ github.action_ref }}'}\ninputs: {v: {default: x}}\noutputs: {v: {value: '${{ steps.same.outputs.v }}3'}}\n",
			"shared.txt":        "shared\n",
		},
	}
	spec := runnertest.Spec(1)
	spec.Steps = []cairn.Step{{ID: "same", Uses: "acme/tools/outer@v1"}, {Run: cairn.Expr("echo ${{ steps.same.outputs.v }}")}}
	in := run(t, spec, remote(files))
	in.wants(1, "Download action repository 'acme/tools@v1' (SHA:"+commitOf("acme/tools")+")")
	in.wants(2, "outer 0123 acme/tools v1\n", "shared\nv1\n")
	if in.printed(3) != "0123\n" {
		t.Errorf("output: %q\n%s", in.printed(3), in.log(2))
	}
}

func TestCompositeDepth(t *testing.T) {
	t.Parallel()
	self := map[string]map[string]string{"a/loop": {"action.yml": "runs: {using: composite, steps: [{uses: a/loop@v1}, {uses: a/loop@main}]}"}}
	for i := range 11 {
		next := "{uses: a/deep/" + string(rune('a'+i+1)) + "@v1}"
		if i == 10 {
			next = "{shell: sh, run: echo bottom}"
		}
		if self["a/deep"] == nil {
			self["a/deep"] = map[string]string{}
		}
		self["a/deep"][string(rune('a'+i))+"/action.yml"] = "runs: {using: composite, steps: [" + next + "]}"
	}
	for uses, wrong := range map[string]bool{"a/loop@v1": true, "a/deep/b@v1": true, "a/deep/c@v1": false} {
		spec := runnertest.Spec(1)
		spec.Steps = usesSteps(uses)
		in := run(t, spec, remote(self))
		if !wrong {
			// c to k are nine composite actions in each other; their steps are the tenth level.
			in.wants(2, "bottom")
			continue
		}
		in.wants(1, "##[error]Composite action depth exceeded max depth 9")
		if len(in.rows) != 1 || in.end.Conclusion != cairn.Failure {
			t.Errorf("%s: %s", uses, in.names())
		}
	}
	// A local action is looked for when its step runs, so it may recurse until then.
	spec := runnertest.Spec(1)
	spec.Steps = usesSteps("./loop")
	in := run(t, spec, inWorkspace(t, map[string]string{"loop/action.yml": "runs: {using: composite, steps: [{uses: ./loop}]}"}))
	in.wants(2, "##[error]Composite action depth exceeded max depth 9")
}

func TestCompositeCancel(t *testing.T) {
	t.Parallel()
	cancel := make(chan struct{})
	files := map[string]string{"c/action.yml": `
runs:
  using: composite
  steps:
    - {name: long, shell: bash, run: "echo started > started; sleep 60"}
    - {shell: sh, run: echo not this}
    - {shell: sh, if: cancelled(), run: echo tidied up}
    - {shell: sh, if: always(), run: echo and this}
`, "d/action.yml": "runs: {using: composite, steps: [{shell: sh, run: 'echo a normal step ${{ job.status }}'}]}"}
	spec := runnertest.Spec(1)
	spec.Steps = []cairn.Step{{Uses: "./c"}, {Uses: "./d"}, {Uses: "./d", If: "cancelled()"}}
	in := run(t, spec, inWorkspace(t, files), func(j *runner.Job) {
		j.Cancel = cancel
		go func() {
			for !exists(filepath.Join(j.Machine.Dirs().Workspace, "started")) {
			}
			close(cancel)
		}()
	})
	in.wants(2, "tidied up", "and this")
	if strings.Contains(in.log(2), "not this\n") && !strings.Contains(in.log(2), "Skipped: Run echo not this") {
		t.Error(in.log(2))
	}
	if in.names() != "Set up job=success; Run ./c=cancelled; Run ./d=skipped; Run ./d=success" || in.end.Conclusion != cairn.Cancelled {
		t.Errorf("%s %+v %s", in.names(), in.end, in.log(2))
	}
	in.wants(4, "a normal step cancelled")
}

func TestCompositeTimeout(t *testing.T) {
	t.Parallel()
	spec := runnertest.Spec(1)
	spec.Steps = []cairn.Step{{Uses: "./c", TimeoutMinutes: cairn.Template{Kind: cairn.TemplateNumber, Num: 0.01, Text: "0.01"}}}
	in := run(t, spec, inWorkspace(t, map[string]string{"c/action.yml": "runs: {using: composite, steps: [{shell: bash, run: sleep 60}, {shell: sh, if: always(), run: echo more}]}"}))
	if in.rows[2].Outcome != cairn.TimedOut || !strings.Contains(in.log(2), "has timed out after") {
		t.Errorf("%s\n%s", in.names(), in.log(2))
	}
}

func exists(p string) bool {
	_, err := os.Stat(p)
	return err == nil
}

func TestActionsMissing(t *testing.T) {
	t.Parallel()
	files := map[string]map[string]string{
		"acme/x":   {"build/action.yml": "runs: {using: composite, steps: [{uses: gone/gone@v3}, {uses: docker://alpine}]}", "bad/action.yml": "runs: {using: node99, main: x.js}", "two/action.yml": "runs: {using: composite, steps: [{run: x}]}"},
		"evil/dir": {"action.yml": "runs: {using: node20, main: ../../../../etc/passwd}"},
	}
	spec := runnertest.Spec(1)
	spec.Steps = usesSteps("acme/x/bild@v1", "acme/x/build@v1", "acme/x/bad@v1", "acme/x/two@v1", "no/where@main", "evil/dir@v1", "./later")
	in := run(t, spec, remote(files))
	in.wants(1, "Can't find 'action.yml', 'action.yaml' or 'Dockerfile' for action 'acme/x/bild@v1'.",
		"Unable to resolve action `gone/gone@v3`, repository not found",
		"node99", "Required property is missing: shell", "Unable to resolve action `no/where@main`", "leaves")
	if len(in.rows) != 1 {
		t.Errorf("a step ran: %s", in.names())
	}
	spec.Steps = usesSteps("./aktion", "./../../etc", "./link")
	spec.Steps[1].If, spec.Steps[2].If = "always()", "always()"
	in = run(t, spec, inWorkspace(t, map[string]string{".github/action/action.yml": "runs: {using: composite, steps: []}"}), func(j *runner.Job) {
		_ = os.Symlink("/etc", filepath.Join(j.Machine.Dirs().Workspace, "link"))
	})
	in.wants(2, "Can't find 'action.yml', 'action.yaml' or 'Dockerfile' under '", "Did you forget to run actions/checkout", "Hint: there are ./.github/action")
	in.wants(3, "leaves")
	in.wants(4, "leaves")
}

// needNode skips a test where there is no Node.js.
func needNode(t testing.TB) {
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("there is no node on this machine; make test-clients installs one")
	}
}

const js = `
name: js
inputs: {name: {default: world}, "two words": {default: tw}}
runs: {using: node20, pre: pre.js, main: main.js, post: post.js, post-if: "env.SKIP_POST != 'yes'"}
`

const jsCommon = `
const fs = require('fs');
const say = (what) => console.log([what, process.env['INPUT_NAME'], process.env['INPUT_TWO_WORDS'], process.env['STATE_kept'] || '-', process.env.GITHUB_ACTION, process.env.GITHUB_ACTION_REPOSITORY || '-', process.env.ACTIONS_RESULTS_URL || '-', process.env.ACTIONS_RUNTIME_TOKEN ? 'token' : '-'].join(' '));
`

func jsFiles() map[string]string {
	return map[string]string{
		"action.yml": js,
		"pre.js":     jsCommon + "say('pre'); fs.appendFileSync(process.env.GITHUB_STATE, 'kept=from-pre\\n');",
		"main.js":    jsCommon + "say('main'); console.log('::save-state name=kept::from-main'); fs.appendFileSync(process.env.GITHUB_OUTPUT, 'greeting=hi ' + process.env.INPUT_NAME + '\\n'); console.log('cwd ' + (process.cwd() === process.env.GITHUB_WORKSPACE)); if (process.env.INPUT_NAME === 'fail') { console.log('::error::asked to fail'); process.exitCode = 1 }",
		"post.js":    jsCommon + "say('post');",
	}
}

func TestJavaScriptAction(t *testing.T) {
	t.Parallel()
	needNode(t)
	spec := runnertest.Spec(1)
	spec.ActionEnv = map[string]string{"ACTIONS_RESULTS_URL": "http://127.0.0.1:1/"}
	spec.Steps = []cairn.Step{
		{Run: cairn.Str(`echo "first [$ACTIONS_RESULTS_URL$ACTIONS_RUNTIME_TOKEN]"`)},
		{ID: "j", Uses: "acme/js@v1", With: named("name", "${{ github.job }}")},
		{Uses: "acme/js@v1", With: named("name", "fail"), ContinueOnError: cairn.Template{Kind: cairn.TemplateBool, Bool: true}},
		{Uses: "acme/js@v1", Env: named("SKIP_POST", "yes")},
		{Run: cairn.Expr("echo ${{ steps.j.outputs.greeting }}")},
	}
	in := run(t, spec, remote(map[string]map[string]string{"acme/js": jsFiles()}))
	want := "Set up job=success; Pre Run acme/js@v1=success; Pre Run acme/js@v1=success; Pre Run acme/js@v1=success; Run echo \"first [$ACTIONS_RESULTS_URL$ACTIONS_RUNTIME_TOKEN]\"=success; " +
		"Run acme/js@v1=success; Run acme/js@v1=success; Run acme/js@v1=success; Run echo hi build=success; " +
		"Post Run acme/js@v1=skipped; Post Run acme/js@v1=success; Post Run acme/js@v1=success"
	if in.names() != want {
		t.Errorf("rows:\n%s\n%s", in.names(), want)
	}
	in.wants(2, "pre build tw - j acme/js http://127.0.0.1:1/ token\n")
	in.wants(5, "first []")
	in.wants(6, "main build tw from-pre j acme/js", "cwd true")
	in.wants(12, "Post job cleanup.\n", "post build tw from-main j acme/js")
	if r := in.rows[7]; r.Outcome != cairn.Failure || r.Reason != "asked to fail" || len(r.Annotations) != 1 || in.end.Conclusion != cairn.Success {
		t.Errorf("failed: %+v %+v", r, in.end)
	}
	if r := in.rows[10].Reason; !strings.Contains(r, "env.SKIP_POST") {
		t.Errorf("post-if: %q", r)
	}
}

// The order of pre and post is that of actions/runner: pre of all steps first, post
// in the reverse order in which the first stage of each action began.
func TestActionStageOrder(t *testing.T) {
	t.Parallel()
	needNode(t)
	stage := func(name string) string { return "console.log('" + name + " ' + process.env.INPUT_N)" }
	act := func(keys string) map[string]string {
		return map[string]string{"action.yml": "inputs: {n: {}}\nruns: {using: node20, main: m.js" + keys + "}", "m.js": stage("main"), "a.js": stage("pre"), "z.js": stage("post")}
	}
	files := map[string]map[string]string{
		"o/both": act(", pre: a.js, post: z.js"), "o/post": act(", post: z.js"), "o/pre": act(", pre: a.js"),
		"o/comp": {"action.yml": `
inputs: {n: {}}
runs:
  using: composite
  steps:
    - {uses: o/both@v1, with: {n: "${{ inputs.n }}1"}}
    - {shell: sh, run: echo middle}
    - {uses: o/post@v1, with: {n: "${{ inputs.n }}2"}}
    - {uses: ./local, with: {n: "${{ inputs.n }}3"}}
    - {uses: o/post@v1, if: "false", with: {n: never}}
`},
	}
	spec := runnertest.Spec(1)
	for i, u := range []string{"o/post@v1", "o/both@v1", "o/comp@v1", "./local", "o/pre@v1", "test/post@v1"} {
		spec.Steps = append(spec.Steps, cairn.Step{Uses: u, With: named("n", string(rune('A'+i)))})
	}
	local := map[string]string{}
	for name, text := range act(", pre: a.js, post: z.js") {
		local["local/"+name] = text
	}
	in := run(t, spec, remote(files), inWorkspace(t, local))
	var got []string
	for i := 1; i <= len(in.rows); i++ {
		for line := range strings.Lines(in.log(i)) {
			if f := strings.Fields(line); len(f) == 2 && len(f[1]) <= 2 && f[1] != "of" && (f[0] == "pre" || f[0] == "main" || f[0] == "post") {
				got = append(got, strings.Join(f, " "))
			}
		}
	}
	want := "pre B, pre C1, pre E, main A, main B, main C1, main C2, main C3, main D, main E, post D, post A, post C3, post C2, post C1, post B"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("order:\n%s\nwant:\n%s\n%s", s, want, in.names())
	}
	in.wants(8, "##[warning]`pre` execution is not supported for local action from './local'")
}

func TestNodeMissing(t *testing.T) {
	t.Parallel()
	spec := runnertest.Spec(1)
	spec.Steps = []cairn.Step{{Uses: "./js"}}
	files := map[string]string{}
	for name, text := range jsFiles() {
		files["js/"+name] = text
	}
	in := run(t, spec, inWorkspace(t, files), func(j *runner.Job) { j.Machine.Environ()["PATH"] = "/nowhere" })
	in.wants(2, "##[error]./js needs Node.js, and there is no node on this machine", "Hint: install Node.js 20 or newer")
	// A version that is older than what is asked for is tried, with a warning; a very
	// old one is not.
	for version, want := range map[string]string{"v18.1.0": "asks for Node.js 20; this machine has v18.1.0, which is tried", "v8.0.0": "asks for Node.js 20; "} {
		bin := t.TempDir()
		if err := os.WriteFile(filepath.Join(bin, "node"), []byte("#!/bin/sh\necho "+version+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		in := run(t, spec, inWorkspace(t, files), func(j *runner.Job) { j.Machine.Environ()["PATH"] = bin + ":/bin:/usr/bin" })
		in.wants(2, want)
	}
}

// What the file of an action may be, whoever wrote it: the step fails and says why.
func TestActionHostileFiles(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"big/action.yml":     "name: x\n#" + strings.Repeat("x", 1<<20) + "\nruns: {using: composite, steps: []}\n",
		"dir/action.yml/x":   "x",
		"bomb/action.yml":    "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\nruns: {using: composite, steps: *f}\n",
		"nomain/action.yml":  "name: x\ndescription: x\nruns: {using: node20, main: dist/index.js}\n",
		"maindir/action.yml": "name: x\ndescription: x\nruns: {using: node20, main: '.'}\n",
		"out/action.yml":     "name: x\ndescription: x\nruns: {using: node20, main: ../../../../../../etc/passwd}\n",
		"twice/action.yml":   "name: x\ndescription: x\nruns: {using: composite, steps: [{id: a, shell: sh, run: x}, {id: A, shell: sh, run: x}]}\n",
		"beside/action.yml":  "name: x\ndescription: x\nruns: {using: composite, steps: [{shell: sh, run: x, background: true}]}\n",
		"secret/action.yml":  "name: x\ndescription: x\nruns: {using: composite, steps: [{shell: sh, run: 'echo ${{ secrets.X }}'}]}\n",
		"nul/action.yml":     "name: \"x\\0y\"\ndescription: x\nruns: {using: composite, steps: [{shell: sh, run: \"echo fine\"}]}\n",
		"empty/action.yml":   "",
		"image/action.yml":   "name: x\ndescription: x\nruns: {using: docker, image: '../../../Dockerfile'}\n",
	}
	want := map[string]string{
		"big": "at most 1.0 MiB are allowed", "dir": "it is not a regular file", "bomb": "action.yml", "nomain": "File not found: '", "maindir": "File not found: '",
		"out": "leaves", "twice": "may not be used more than once", "beside": "background", "secret": "secrets", "empty": "", "image": "leaves",
		"fifo": "it is not a regular file", "link": "leaves",
	}
	if _, err := exec.LookPath("node"); err != nil {
		delete(want, "nomain")
		delete(want, "maindir")
	}
	spec := runnertest.Spec(1)
	var names []string
	for name := range want {
		names = append(names, name)
		spec.Steps = append(spec.Steps, cairn.Step{Uses: "./" + name, If: "always()"})
	}
	spec.Steps = append(spec.Steps, cairn.Step{Uses: "./nul", If: "always()"})
	in := run(t, spec, inWorkspace(t, files), func(j *runner.Job) {
		w := j.Machine.Dirs().Workspace
		_ = os.MkdirAll(filepath.Join(w, "fifo"), 0o700)
		_ = os.MkdirAll(filepath.Join(w, "link"), 0o700)
		if err := syscall.Mkfifo(filepath.Join(w, "fifo", "action.yml"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("/etc/passwd", filepath.Join(w, "link", "action.yml")); err != nil {
			t.Fatal(err)
		}
	})
	for i, name := range names {
		if in.rows[i+2].Conclusion != cairn.Failure {
			t.Errorf("%s: %+v", name, in.rows[i+2])
		}
		in.wants(i+2, "##[error]", want[name])
	}
	if in.rows[len(names)+2].Conclusion == "" {
		t.Error("the last step did not end")
	}
}

// A few small files that ask for very much are refused before anything runs.
func TestActionsTooMany(t *testing.T) {
	t.Parallel()
	var different, same strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&different, "    - {uses: a/b/c%d@v1}\n", i)
		same.WriteString("    - {uses: a/one@v1}\n")
	}
	const head = "name: x\ndescription: x\nruns:\n  using: composite\n  steps:\n"
	files := map[string]map[string]string{
		"a/different": {"action.yml": head + different.String()}, "a/same": {"action.yml": head + same.String()},
		"a/one": {"action.yml": "name: x\ndescription: x\nruns: {using: composite, steps: []}\n"}, "a/b": {},
	}
	for uses, want := range map[string]string{"a/different@v1": "more than 300 different actions", "a/same@v1": "uses actions more than 2000 times"} {
		spec := runnertest.Spec(1)
		spec.Steps = usesSteps(uses)
		in := run(t, spec, remote(files))
		in.wants(1, want)
		if len(in.rows) != 1 {
			t.Errorf("%s: %s", uses, in.names())
		}
	}
}

// BenchmarkComposite is what a step costs inside of composite actions that lie in each
// other, beside one of the job.
func BenchmarkComposite(b *testing.B) {
	const steps = 20
	inner := "name: x\ndescription: x\nruns:\n  using: composite\n  steps:\n" + strings.Repeat("    - {shell: sh, run: 'true'}\n", steps)
	files := map[string]string{"a/action.yml": "name: x\ndescription: x\nruns: {using: composite, steps: [{uses: ./b}]}\n", "b/action.yml": inner}
	for _, how := range []string{"job", "nested"} {
		b.Run(how, func(b *testing.B) {
			for b.Loop() {
				spec := runnertest.Spec(1)
				spec.Steps = []cairn.Step{{Uses: "./a"}}
				if how == "job" {
					spec.Steps = nil
					for range steps {
						spec.Steps = append(spec.Steps, cairn.Step{Run: cairn.Str("true"), Shell: cairn.Str("sh")})
					}
				}
				in := run(b, spec, inWorkspace(b, files))
				if in.end.Conclusion != cairn.Success {
					b.Fatal(in.end)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*steps), "µs/step")
		})
	}
}

package host

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/proc"
	"github.com/cairn-ml/cairn/internal/runner"
	"github.com/cairn-ml/cairn/internal/runner/runnertest"
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

func named(kv ...string) []cairn.NamedValue {
	var out []cairn.NamedValue
	for i := 0; i < len(kv); i += 2 {
		v := cairn.Str(kv[i+1])
		if strings.Contains(kv[i+1], "${{") {
			v = cairn.Expr(kv[i+1])
		}
		out = append(out, cairn.NamedValue{Name: kv[i], Value: v})
	}
	return out
}

func TestEnvLayers(t *testing.T) {
	t.Parallel()
	spec := runnertest.Spec(1,
		`echo "$A $B $C $D"; echo "D=set" >> $GITHUB_ENV; echo "B=set" >> $GITHUB_ENV; echo "E<<X
1
2
X" >> $GITHUB_ENV; echo /first >> $GITHUB_PATH; echo /second >> $GITHUB_PATH`,
		`echo "$A $B $C $D $E ${{ env.B }}"; echo "$PATH"`,
		`echo "GITHUB_JOB=x
GITHUB_SHORT=abc
RUNNER_TEMP=/" >> $GITHUB_ENV`,
		`echo "$GITHUB_JOB $GITHUB_SHORT $RUNNER_TEMP"; echo NODE_OPTIONS=x >> $GITHUB_ENV`)
	spec.Env = [][]cairn.NamedValue{named("A", "wf", "B", "wf", "C", "wf", "D", "wf"), named("B", "job-${{ env.A }}", "C", "job")}
	spec.Steps[0].Env = named("C", "step")
	spec.Steps[1].Env = named("C", "step2-${{ env.D }}")
	in := run(t, spec)
	if got := in.printed(2); got != "wf job-wf step wf\n" {
		t.Errorf("step 1: %q", got)
	}
	lines := strings.Split(in.printed(3), "\n")
	if got := strings.Join(lines[:2], "|"); got != "wf set step2-set set 1|2 set" {
		t.Errorf("step 2: %q", got)
	}
	if !strings.HasPrefix(lines[2], "/second:/first:") {
		t.Errorf("PATH: %q", lines[2])
	}
	if n := len(in.rows[4].Annotations); n != 2 || in.rows[4].Conclusion != cairn.Success {
		t.Errorf("reserved names: %+v", in.rows[4])
	}
	if got := in.printed(5); !strings.HasPrefix(got, "build abc /") || strings.HasPrefix(got, "build abc / ") {
		t.Errorf("step 4: %q", got)
	}
	if in.rows[5].Conclusion != cairn.Failure || !strings.Contains(in.log(5), "##[error]Unable to process file command 'env' successfully.\n##[error]Can't store NODE_OPTIONS") {
		t.Errorf("NODE_OPTIONS: %+v\n%s", in.rows[5], in.log(5))
	}
}

func TestConditions(t *testing.T) {
	t.Parallel()
	spec := runnertest.Spec(1, "exit 1", "echo no", "echo failure", "echo always", "echo inputs", "echo outcome")
	spec.Contexts["inputs"] = json.RawMessage(`{"train":false,"pw":"x"}`)
	spec.Steps[0].ID = "first"
	spec.Steps[0].ContinueOnError = cairn.Expr("${{ inputs.train }}")
	spec.Steps[2].If = "failure()"
	spec.Steps[3].If = "always()"
	spec.Steps[4].If = "always() && inputs.train"
	spec.Steps[5].If = "failure() && steps.first.outcome == 'failure' && job.status == 'failure' && env.OWN == 'y'"
	spec.Steps[5].Env = named("OWN", "y")
	in := run(t, spec)
	var got []string
	for i := 2; i <= 7; i++ {
		got = append(got, string(in.rows[i].Conclusion))
	}
	if s := strings.Join(got, " "); s != "failure skipped success success skipped success" {
		t.Errorf("conclusions: %s", s)
	}
	if r := in.rows[6].Reason; r != "if: always() && inputs.train was false: inputs.train = false" {
		t.Errorf("reason: %q", r)
	}
	if in.end.Conclusion != cairn.Failure || in.end.Reason != `step "Run exit 1" failed: Process completed with exit code 1.` {
		t.Errorf("end: %+v", in.end)
	}
}

func TestContinueOnError(t *testing.T) {
	t.Parallel()
	spec := runnertest.Spec(1, "exit 7", "echo ${{ steps.a.outcome }} ${{ steps.a.conclusion }}")
	spec.Steps[0].ID = "a"
	spec.Steps[0].ContinueOnError = cairn.Template{Kind: cairn.TemplateBool, Bool: true}
	in := run(t, spec)
	if in.printed(3) != "failure success\n" || in.end.Conclusion != cairn.Success || *in.rows[2].ExitCode != 7 {
		t.Errorf("%q %+v", in.printed(3), in.rows)
	}
}

func TestShellsAndDefaults(t *testing.T) {
	t.Parallel()
	spec := runnertest.Spec(1,
		`false | true; echo default`, `false | true; echo bash`, `import os; print("py", os.getcwd()[-3:])`, `mkdir -p a/b; pwd`, `pwd`, `echo x`, `pwd`)
	spec.Steps[1].Shell = cairn.Str("bash")
	spec.Steps[1].ContinueOnError = cairn.Expr("${{ true }}")
	spec.Steps[2].Shell = cairn.Str("python3 {0}")
	spec.Steps[4].WorkingDirectory = cairn.Str("a/b")
	spec.Steps[5].Shell = cairn.Str("fish-that-is-not-there {0}")
	spec.Steps[5].ContinueOnError = cairn.Expr("${{ true }}")
	spec.Steps[6].WorkingDirectory = cairn.Str("a/c")
	in := run(t, spec)
	if in.printed(2) != "default\n" || in.rows[3].Outcome != cairn.Failure || !strings.HasPrefix(in.printed(4), "py ork") {
		t.Errorf("%q %+v %q", in.printed(2), in.rows[3], in.printed(4))
	}
	if in.printed(6) != in.work+"/a/b\n" {
		t.Errorf("working-directory: %q", in.printed(6))
	}
	if in.rows[7].Reason != `the shell "fish-that-is-not-there" is not on this machine` {
		t.Errorf("shell: %q", in.rows[7].Reason)
	}
	if in.rows[8].Reason != `working-directory "a/c" does not exist` || !strings.Contains(in.log(8), "Hint: did you mean a/b?") {
		t.Errorf("working-directory: %+v\n%s", in.rows[8], in.log(8))
	}
}

func TestCommandsOfAStep(t *testing.T) {
	t.Parallel()
	spec := runnertest.Spec(1,
		`echo "::error file=a.py,line=3,title=T::bad%0Athing"
		for i in $(seq 12); do echo "::warning::w$i"; done
		echo "::add-mask::s3cr3t-value"; echo "now s3cr3t-value"; echo "::notice::about s3cr3t-value"
		echo "::set-output name=o::v"; echo "::debug::hidden"; echo "::group::G"; echo "::endgroup::"
		printf "::set-output name=last::w"`,
		`echo "${{ steps.c.outputs.o }}${{ steps.c.outputs.last }}"; echo "::set-env name=A::b"`,
		`echo "A<<E" >> $GITHUB_OUTPUT`,
		`echo '# Title' >> $GITHUB_STEP_SUMMARY`,
		`head -c 1048577 /dev/zero | tr '\0' x > $GITHUB_STEP_SUMMARY`,
		`rm $GITHUB_ENV $GITHUB_OUTPUT`)
	spec.Steps[0].ID = "c"
	for i := range spec.Steps {
		if i > 0 {
			spec.Steps[i].If = "always()"
		}
	}
	in := run(t, spec)
	var count [2]int
	for _, a := range in.rows[2].Annotations {
		switch a.Severity {
		case "error":
			if a.File != "a.py" || a.Line != 3 || a.Title != "T" || a.Message != "bad\nthing" {
				t.Errorf("annotation: %+v", a)
			}
		case "warning":
			count[0]++
		case "notice":
			count[1]++
			if a.Message != "about ***" {
				t.Errorf("notice: %+v", a)
			}
		}
	}
	if count != [2]int{10, 1} {
		t.Errorf("annotations: %v", count)
	}
	log := in.printed(2)
	if strings.Contains(log, "s3cr3t") || strings.Contains(log, "hidden") || !strings.Contains(log, "now ***\n") || !strings.Contains(log, "##[group]G\n##[endgroup]\n") || !strings.Contains(log, "##[error]bad\n##[error]thing\n") {
		t.Errorf("log:\n%s", log)
	}
	if !strings.HasPrefix(in.printed(3), "vw\n") || in.rows[3].Conclusion != cairn.Failure {
		t.Errorf("set-env: %+v %s", in.rows[3], in.printed(3))
	}
	if in.rows[4].Conclusion != cairn.Failure || !strings.Contains(in.log(4), "Matching delimiter not found 'E'") {
		t.Errorf("output: %+v", in.rows[4])
	}
	if in.rows[5].Summary != "# Title\n" {
		t.Errorf("summary: %q", in.rows[5].Summary)
	}
	if in.rows[6].Summary != "" || in.rows[6].Conclusion != cairn.Success || len(in.rows[6].Annotations) != 1 {
		t.Errorf("large summary: %+v", in.rows[6].Annotations)
	}
	if in.rows[7].Conclusion != cairn.Success {
		t.Errorf("removed files: %+v", in.rows[7])
	}
}

func TestActions(t *testing.T) {
	t.Parallel()
	spec := runnertest.Spec(1)
	spec.Steps = []cairn.Step{
		{ID: "a", Uses: "test/post@v1", With: named("Name", "one")},
		{Run: cairn.Expr(`echo "$FROM_ACTION ${{ steps.a.outputs.name }} ${PATH%%:*}"`)},
		{Name: cairn.Str("Second"), Uses: "test/post@v1", With: named("name", "two", "fail", "true")},
		{Uses: "test/panic@v1", If: "always()"},
	}
	in := run(t, spec)
	if in.printed(2) != "main of one\nexec sees one\n" || in.printed(3) != "one one /from/one\n" {
		t.Errorf("%q %q", in.printed(2), in.printed(3))
	}
	if in.rows[4].Reason != "asked to fail" || !strings.Contains(in.log(4), "##[error]asked to fail\nHint: do not ask\n") {
		t.Errorf("failure: %+v\n%s", in.rows[4], in.log(4))
	}
	if in.rows[5].Conclusion != cairn.Failure || !strings.Contains(in.rows[5].Reason, "panicked: boom") {
		t.Errorf("panic: %+v", in.rows[5])
	}
	if in.rows[6].Name != "Post Second" || in.rows[7].Name != "Post Run test/post@v1" || in.log(6) != "post of two\n" || in.log(7) != "post of one\n" {
		t.Errorf("posts: %+v %+v", in.rows[6], in.rows[7])
	}
	missing := runnertest.Spec(2, "echo never")
	missing.Steps = append(missing.Steps, cairn.Step{Uses: "who/knows@v1"})
	in = run(t, missing)
	if len(in.rows) != 1 || in.end.Conclusion != cairn.Failure || !strings.Contains(in.end.Reason, `"who/knows@v1" is not built in`) {
		t.Errorf("missing action: %+v", in.end)
	}
}

func TestTimeouts(t *testing.T) {
	t.Parallel()
	spec := runnertest.Spec(1, "sleep 100", "echo after")
	spec.Steps[0].TimeoutMinutes = cairn.Template{Kind: cairn.TemplateNumber, Num: 0.002}
	spec.Steps[1].If = "failure()"
	in := run(t, spec)
	if in.rows[2].Outcome != cairn.TimedOut || in.rows[3].Conclusion != cairn.Success || in.end.Conclusion != cairn.Failure {
		t.Errorf("step timeout: %+v", in.rows)
	}
	if !strings.Contains(in.log(2), "##[error]The action 'Run sleep 100' has timed out after 120ms.\n") {
		t.Errorf("log: %s", in.log(2))
	}
	spec = runnertest.Spec(2, "sleep 100", "echo no", "echo yes")
	spec.TimeoutMinutes = 0.002
	spec.Steps[2].If = "cancelled()"
	in = run(t, spec)
	if in.rows[2].Outcome != cairn.Cancelled || in.rows[3].Conclusion != cairn.Skipped || in.rows[4].Conclusion != cairn.Success || in.end.Conclusion != cairn.TimedOut {
		t.Errorf("job timeout: %+v %+v", in.end, in.rows)
	}
}

func TestCancelLetsAlwaysStepsGoOn(t *testing.T) {
	t.Parallel()
	cancel := make(chan struct{})
	spec := runnertest.Spec(1, `touch "$RUNNER_TEMP/on"; sleep 0.3; echo done`, "echo no", "echo cleanup")
	spec.Steps[0].If = "always()"
	spec.Steps[2].If = "always()"
	in := run(t, spec, func(j *runner.Job) {
		j.Cancel = cancel
		go func() {
			for {
				if _, err := os.Stat(filepath.Join(j.Machine.Dirs().Temp, "on")); err == nil {
					close(cancel)
					return
				}
				time.Sleep(time.Millisecond)
			}
		}()
	})
	if in.printed(2) != "done\n" || in.rows[3].Conclusion != cairn.Skipped || in.rows[4].Conclusion != cairn.Success || in.end.Conclusion != cairn.Cancelled {
		t.Errorf("%+v %+v", in.end, in.rows)
	}
}

func TestCancelKillsTheTree(t *testing.T) {
	t.Parallel()
	cancel := make(chan struct{})
	spec := runnertest.Spec(1, `trap 'echo got INT; sleep 100' INT; setsid bash -c 'trap "" INT TERM; touch "$RUNNER_TEMP/on"; while true; do sleep 0.1; done' & wait; wait`)
	var temp string
	in := run(t, spec, func(j *runner.Job) {
		j.Cancel = cancel
		temp = j.Machine.Dirs().Temp
		go func() {
			for {
				if _, err := os.Stat(filepath.Join(temp, "on")); err == nil {
					close(cancel)
					return
				}
				time.Sleep(time.Millisecond)
			}
		}()
	})
	if in.end.Conclusion != cairn.Cancelled || !strings.Contains(in.printed(2), "got INT") {
		t.Errorf("%+v %s", in.end, in.log(2))
	}
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		left := 0
		for _, p := range proc.All() {
			if proc.Carries(p.PID, "RUNNER_TEMP", temp) {
				left++
			}
		}
		if left == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d processes are left", left)
		}
	}
}

func TestHints(t *testing.T) {
	t.Parallel()
	spec := runnertest.Spec(1, `mkdir sub; touch sub/here.txt; cat data/raw.csv`, `bash here.sh`, `python3 -c 'import nothing_like_this'`, `no-such-program`)
	for i := range spec.Steps {
		spec.Steps[i].If = "always()"
	}
	in := run(t, spec, func(j *runner.Job) {
		j.Ignored = func(p string) bool { return strings.HasPrefix(p, "data/") }
	})
	for step, want := range map[int]string{
		2: "Hint: git ignores data/raw.csv, so it is not in the job's workspace",
		4: `Hint: the package that brings "nothing_like_this" is not installed`,
	} {
		if !strings.Contains(in.log(step), want) {
			t.Errorf("step %d lacks %q:\n%s", step, want, in.log(step))
		}
	}
	empty := run(t, runnertest.Spec(1, "python3 train.py"))
	if !strings.Contains(empty.log(2), "Hint: the workspace is empty") {
		t.Errorf("log: %s", empty.log(2))
	}
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	in := run(t, runnertest.Spec(1, "echo a"), func(j *runner.Job) {
		j.Reporter.(*memory).logErr = syscall.ENOSPC
	})
	if in.end.Conclusion != cairn.Failure || !strings.Contains(in.end.Reason, "no space left on the disk that holds CAIRN_HOME") {
		t.Errorf("end: %+v", in.end)
	}
}

func TestOutputsWithSecretsAreLeftOut(t *testing.T) {
	t.Parallel()
	spec := runnertest.Spec(1, `echo "a=the-job-token" >> $GITHUB_OUTPUT; echo "b=fine" >> $GITHUB_OUTPUT`, `test "${{ steps.x.outputs.a }}" = the-job-token`)
	spec.Steps[0].ID = "x"
	spec.Outputs = named("a", "${{ steps.x.outputs.a }}", "b", "${{ steps.x.outputs.b }}")
	in := run(t, spec)
	if in.end.Conclusion != cairn.Success || len(in.end.Outputs) != 1 || in.end.Outputs["b"] != "fine" || in.rows[2].Outputs["a"] != "***" {
		t.Errorf("%+v %+v", in.end, in.rows[2])
	}
}

func TestHashFiles(t *testing.T) {
	t.Parallel()
	spec := runnertest.Spec(1, `mkdir -p d/e; echo 1 > d/a.txt; echo 2 > d/e/b.txt; echo 3 > c.md`,
		`echo "${{ hashFiles('**/*.txt') == hashFiles('d/a.txt', 'd/e/b.txt') }} ${{ hashFiles('**/*.txt', '!d/e/**') == hashFiles('d/a.txt') }} [${{ hashFiles('nope') }}]"`)
	if in := run(t, spec); in.printed(3) != "true true []\n" {
		t.Errorf("%q", in.printed(3))
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	spec := runnertest.Spec(1, "\n  pytest -q\n  echo", "echo ${{ env.X }}", "true")
	spec.Env = [][]cairn.NamedValue{named("X", "value")}
	spec.Steps[2].Name = cairn.Expr("Step for ${{ env.X }}")
	in := run(t, spec)
	if in.rows[1].Name != "Set up job" || in.rows[2].Name != "Run pytest -q" || in.rows[3].Name != "Run echo value" || in.rows[4].Name != "Step for value" {
		t.Errorf("names: %q %q %q", in.rows[2].Name, in.rows[3].Name, in.rows[4].Name)
	}
}

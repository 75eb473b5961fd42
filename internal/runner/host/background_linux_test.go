package host

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
	"github.com/cairn-ml/cairn/internal/runner/runnertest"
)

// beside makes steps of scripts: "id&: script" runs in the background, "wait a b",
// "wait-all", "cancel a" and "parallel 2" steer.
func beside(steps ...string) cairn.JobSpec {
	spec := runnertest.Spec(1)
	spec.Steps = nil
	for _, s := range steps {
		var st cairn.Step
		head, script, ok := strings.Cut(s, ": ")
		words := strings.Fields(head)
		switch {
		case ok && strings.HasSuffix(head, "&"):
			st = cairn.Step{ID: strings.TrimSuffix(head, "&"), Run: cairn.Str(script), Background: true}
		case ok:
			st = cairn.Step{ID: head, Run: cairn.Expr(script)}
		case words[0] == cairn.ControlParallel:
			st = cairn.Step{Control: words[0]}
			fmt.Sscan(words[1], &st.Members)
		default:
			st = cairn.Step{Control: words[0], Targets: words[1:]}
		}
		spec.Steps = append(spec.Steps, st)
	}
	return spec
}

func conclusions(in *inside) string {
	var out []string
	for i := 2; i <= len(in.rows); i++ {
		out = append(out, string(in.rows[i].Conclusion))
	}
	return strings.Join(out, " ")
}

func TestBackgroundSteps(t *testing.T) {
	t.Parallel()
	// The step in the background ends only after the one behind it made a file: they
	// run at the same time. What it leaves counts from the wait on.
	in := run(t, beside(
		`srv&: while [ ! -e "$RUNNER_TEMP/go" ]; do sleep 0.01; done; echo url=x >> $GITHUB_OUTPUT; echo E=set >> $GITHUB_ENV; echo /srv >> $GITHUB_PATH`,
		`a: touch "$RUNNER_TEMP/go"; sleep 0.1; echo "[${{ steps.srv.outputs.url }}|${{ steps.srv.outcome }}|$E]"`,
		`wait srv`,
		`b: echo "[${{ steps.srv.outputs.url }}|${{ steps.srv.outcome }}|$E]"; echo "$PATH" | cut -d: -f1`,
	))
	if got := in.printed(3); got != "[||]\n" {
		t.Errorf("before the wait: %q", got)
	}
	if got := in.printed(5); got != "[x|success|set]\n/srv\n" {
		t.Errorf("after the wait: %q", got)
	}
	if got := conclusions(in); got != "success success success success" || in.end.Conclusion != cairn.Success {
		t.Errorf("%s; %+v", got, in.end)
	}
	if got := in.log(4); !strings.Contains(got, "Waiting for background step(s) to complete: Run while") || in.rows[4].Name != "Wait for srv" {
		t.Errorf("%q: %q", in.rows[4].Name, got)
	}
}

func TestBackgroundStepThatFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, want string
		spec       cairn.JobSpec
		end        cairn.Conclusion
	}{
		{"at the wait", "failure success failure skipped", beside(`x&: exit 3`, `a: echo`, `wait x`, `b: echo`), cairn.Failure},
		{"at the end", "failure success", beside(`x&: exit 3`, `a: echo`), cairn.Failure},
		{"wait-all", "failure success failure skipped", beside(`x&: exit 3`, `y&: echo`, `wait-all`, `b: echo`), cairn.Failure},
		{"the wait is patient", "failure success success", func() cairn.JobSpec {
			s := beside(`x&: exit 3`, `wait x`, `b: echo`)
			s.Steps[1].ContinueOnError = cairn.Expr("${{ true }}")
			return s
		}(), cairn.Success},
		{"it is patient itself", "success success success", func() cairn.JobSpec {
			s := beside(`x&: exit 3`, `wait x`, `b: echo`)
			s.Steps[0].ContinueOnError = cairn.Expr("${{ true }}")
			return s
		}(), cairn.Success},
		{"an unknown id", "success success", beside(`wait nobody`, `b: echo`), cairn.Success},
		{"nothing to wait for", "success success", beside(`wait-all`, `b: echo`), cairn.Success},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			in := run(t, c.spec)
			if got := conclusions(in); got != c.want || in.end.Conclusion != c.end {
				t.Errorf("got %s and %s, want %s and %s", got, in.end.Conclusion, c.want, c.end)
			}
		})
	}
}

func TestCancelStep(t *testing.T) {
	t.Parallel()
	// Cancelled on purpose it fails nobody; that holds after a failure too, since the
	// job would have no end otherwise.
	in := run(t, beside(`srv&: sleep 60`, `a: exit 1`, `cancel srv`, `b: echo`))
	if got := conclusions(in); got != "cancelled failure success skipped" || in.end.Conclusion != cairn.Failure {
		t.Errorf("%s; %+v", got, in.end)
	}
	in = run(t, beside(`srv&: sleep 60`, `cancel SRV`, `b: echo ${{ steps.srv.outcome }}`))
	if got := conclusions(in); got != "cancelled success success" || in.end.Conclusion != cairn.Success || in.printed(4) != "cancelled\n" {
		t.Errorf("%s; %+v; %q", got, in.end, in.printed(4))
	}
	if r := in.rows[2].Reason; r != "ended by a cancel step" {
		t.Errorf("reason %q", r)
	}
}

func TestParallelSteps(t *testing.T) {
	t.Parallel()
	// Each waits for the other's file.
	meet := func(me, other string) string {
		return fmt.Sprintf(`%s&: touch "$RUNNER_TEMP/%s"; while [ ! -e "$RUNNER_TEMP/%s" ]; do sleep 0.01; done; echo v=%s >> $GITHUB_OUTPUT`, me, me, other, me)
	}
	in := run(t, beside(`other&: sleep 60`, meet("a", "b"), meet("b", "a"), `parallel 2`, `c: echo ${{ steps.a.outputs.v }}${{ steps.b.outputs.v }}`, `cancel other`))
	if got := conclusions(in); got != "cancelled success success success success success" || in.printed(6) != "ab\n" {
		t.Errorf("%s; %q; %+v", got, in.printed(6), in.end)
	}
}

func TestBackgroundSlots(t *testing.T) {
	t.Parallel()
	var steps []string
	for i := range 25 {
		steps = append(steps, fmt.Sprintf(`s%d&: n=$(ls "$RUNNER_TEMP" | wc -l); touch "$RUNNER_TEMP/%d"; [ $n -lt 10 ] || exit 1; sleep 0.02; rm "$RUNNER_TEMP/%d"`, i, i, i))
	}
	in := run(t, beside(append(steps, "wait-all")...))
	if in.end.Conclusion != cairn.Success {
		t.Errorf("%s; %+v", conclusions(in), in.end)
	}
}

func TestBackgroundStepsOfACancelledJob(t *testing.T) {
	t.Parallel()
	cancel := make(chan struct{})
	spec := beside(`srv&: touch "$RUNNER_TEMP/on"; sleep 60`, `log&: while [ ! -e "$RUNNER_TEMP/over" ]; do sleep 0.01; done; echo kept`, `wait srv`, `c: touch "$RUNNER_TEMP/over"; echo cleanup`)
	spec.Steps[1].If = "always()"
	spec.Steps[3].If = "always()"
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
	got := conclusions(in)
	if in.end.Conclusion != cairn.Cancelled || !strings.HasPrefix(got, "cancelled success ") || !strings.HasSuffix(got, " success") || in.printed(3) != "kept\n" {
		t.Errorf("%s; %+v; %q", got, in.end, in.printed(3))
	}
}

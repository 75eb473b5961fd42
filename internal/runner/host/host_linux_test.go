package host

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/proc"
	"github.com/cairn-ml/cairn/internal/runner/runnertest"
)

// TestMain lets this test program be its own supervisor.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "_job" {
		os.Exit(SupervisorMain(context.Background(), os.Args[2], os.Stdin, Deps{Registry: testActions{}}))
	}
	if len(os.Args) == 3 && os.Args[1] == "_owner" {
		os.Exit(ownerMain(os.Args[2]))
	}
	os.Exit(m.Run())
}

// shortDir is a temporary folder with a short path: sockets of steps have room.
func newHome(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "cairn")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = removeAll(dir) })
	return dir
}

func open(t testing.TB, home string, change ...func(*Options)) *Backend {
	t.Helper()
	o := Options{
		Home: home, Environ: os.Environ(), Logger: slog.New(slog.DiscardHandler),
		Grace: Grace{Interrupt: 500 * time.Millisecond, Terminate: 500 * time.Millisecond, Cancel: 20 * time.Second},
		Idle:  time.Millisecond,
	}
	for _, c := range change {
		c(&o)
	}
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		b.Close()
		waitSupervisors(t, home)
	})
	return b
}

// waitSupervisors lets supervisors finish before their folder goes.
func waitSupervisors(t testing.TB, home string) {
	dirs, _ := filepath.Glob(filepath.Join(home, "jobs", "*"))
	for _, d := range dirs {
		if id, err := layout(d).readIdentity(); err == nil && id != nil {
			for end := time.Now().Add(10 * time.Second); proc.Alive(id.PID, id.Start); time.Sleep(2 * time.Millisecond) {
				if time.Now().After(end) {
					t.Errorf("supervisor %d does not end", id.PID)
					_ = proc.Signal(id.PID, id.Start, syscall.SIGKILL)
				}
			}
			if n := len(marked(proc.All(), id)); n > 0 {
				t.Errorf("%d processes of %s are left", n, d)
				killOrphans(id)
			}
		}
	}
}

func TestContract(t *testing.T) {
	t.Parallel()
	runnertest.Test(t, func(t *testing.T) runnertest.Backend { return open(t, newHome(t)) })
}

func logText(t testing.TB, b *Backend, job cairn.Job, step int) string {
	t.Helper()
	text, _, err := b.Logs(t.Context(), job, step, 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for line := range bytes.Lines(text) {
		at, rest, ok := strings.Cut(string(line), " ")
		if _, err := time.Parse(time.RFC3339Nano, at); err != nil || !ok {
			t.Errorf("a line without its time: %q", line)
		}
		out.WriteString(rest)
	}
	return out.String()
}

func TestSecretsStayAway(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	b := open(t, home, func(o *Options) {
		o.Keep = true
		o.Environ = append(os.Environ(), "OWNER_ONLY=visible", "PIP_INDEX_URL=https://me:index-password@example.invalid/simple")
	})
	spec := runnertest.Spec(1, `echo "s=$S"; env | sort; cat /dev/stdin; echo "$S" | base64`)
	spec.Steps[0].Env = []cairn.NamedValue{{Name: "S", Value: cairn.Expr("${{ secrets.PW }}")}}
	job := runnertest.Start(t, b, spec, cairn.JobSecrets{Secrets: map[string]string{"PW": "hunter2-hunter2", "TINY": "abc"}, Token: "cairn_job_token"})
	if end := runnertest.Last(t, runnertest.Wait(t, b, job, nil)); end.Conclusion != cairn.Success {
		t.Fatalf("end: %+v", end)
	}
	log := logText(t, b, job, 2)
	for _, want := range []string{"s=***\n", "CAIRN_TOKEN=***\n", "HOME=" + home, "TMPDIR=" + home, "CI=true\n", "GITHUB_JOB=build\n", "https://me:***@"} {
		if !strings.Contains(log, want) {
			t.Errorf("%q is missing in:\n%s", want, log)
		}
	}
	if strings.Contains(log, "OWNER_ONLY") {
		t.Error("the owner's environment is inherited")
	}
	if l := logText(t, b, job, 1); !strings.Contains(l, "TINY has fewer than 4") {
		t.Errorf("set up: %s", l)
	}
	waitSupervisors(t, home)
	// No file of the job holds a secret. Those of HOME and the like are the steps' own.
	err := filepath.WalkDir(filepath.Join(home, "jobs"), func(p string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(p)
		for _, secret := range []string{"hunter2-hunter2", "cairn_job_token", "index-password"} {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("%s holds %s", p, secret)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestOrphansAreKilledAndCounted(t *testing.T) {
	t.Parallel()
	b := open(t, newHome(t))
	spec := runnertest.Spec(1,
		`sleep 300 & setsid sleep 300 & (setsid env -i /bin/sleep 300 &) ; echo started`,
		`echo "still there: $(pgrep -c -g 0 sleep || true)"`)
	job := runnertest.Start(t, b, spec, cairn.JobSecrets{})
	end := runnertest.Last(t, runnertest.Wait(t, b, job, nil))
	if end.Conclusion != cairn.Success || end.Killed != 3 {
		t.Errorf("end: %+v", end)
	}
}

func TestBackgroundProcessServesLaterSteps(t *testing.T) {
	t.Parallel()
	b := open(t, newHome(t))
	spec := runnertest.Spec(1,
		`(while true; do echo tick; echo x >> "$RUNNER_TEMP/beat"; sleep 0.01; done) & echo up`,
		`a=$(wc -l < "$RUNNER_TEMP/beat" || echo 0); for i in $(seq 1000); do b=$(wc -l < "$RUNNER_TEMP/beat"); test "$b" -gt $((a + 3)) && exit 0; sleep 0.01; done; exit 1`)
	job := runnertest.Start(t, b, spec, cairn.JobSecrets{})
	end := runnertest.Last(t, runnertest.Wait(t, b, job, nil))
	if end.Conclusion != cairn.Success || end.Killed == 0 {
		t.Errorf("end: %+v\n%s", end, logText(t, b, job, 2))
	}
}

func TestWorkspaceGoesLogsStay(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	b := open(t, home)
	spec := runnertest.Spec(1, `mkdir -p ro/x && touch ro/x/f && chmod 500 ro/x; pwd; cairn --nothing 2>/dev/null || true; command -v cairn; sudo true || echo "sudo: $?"`)
	spec.Code.Repository = "me/digits"
	job := runnertest.Start(t, b, spec, cairn.JobSecrets{})
	end := runnertest.Last(t, runnertest.Wait(t, b, job, nil))
	waitSupervisors(t, home)
	l := jobLayout(home, 1, 1)
	log := logText(t, b, job, 2)
	for _, want := range []string{l.file("work/digits/digits") + "\n", l.file("bin/cairn") + "\n", "##[error]sudo is refused", "sudo: 1\n"} {
		if !strings.Contains(log, want) {
			t.Errorf("%q is missing in:\n%s", want, log)
		}
	}
	for _, d := range l.scratch() {
		if _, err := os.Stat(d); err == nil {
			t.Errorf("%s is left (%+v)", d, end)
		}
	}
	for _, f := range []string{l.spec(), l.events(), l.result(), l.log(2), l.pid()} {
		if _, err := os.Stat(f); err != nil {
			t.Error(err)
		}
	}
}

func TestNewOwnerAdopts(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	first := open(t, home)
	spec := runnertest.Spec(1, `for i in $(seq 500); do test -e "$TMPDIR/go" && exit 0; sleep 0.02; done; exit 1`)
	job := runnertest.Start(t, first, spec, cairn.JobSecrets{})
	runnertest.Running(t, first, job, 2)
	first.Close()
	second := open(t, home)
	if again := runnertest.Start(t, second, spec, cairn.JobSecrets{}); again.PID != job.PID || again.PIDStart != job.PIDStart {
		t.Fatalf("adopted %+v instead of %+v", again, job)
	}
	if !second.Alive(job) {
		t.Fatal("the adopted job is not alive")
	}
	if err := os.WriteFile(filepath.Join(jobLayout(home, 1, 1).file("tmp"), "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if end := runnertest.Last(t, runnertest.Wait(t, second, job, nil)); end.Conclusion != cairn.Success {
		t.Errorf("end: %+v", end)
	}
}

func TestHold(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	b := open(t, home)
	spec := runnertest.Spec(1, "echo a", "echo b", "echo c", "echo d")
	spec.Steps[0].Env = []cairn.NamedValue{{Name: "QUOTED", Value: cairn.Str("it's")}}
	spec.Interactive = true
	job := runnertest.Start(t, b, spec, cairn.JobSecrets{})
	for i, answer := range []string{"go", "skip", "continue"} {
		step := i + 2
		runnertest.Wait(t, b, job, func(rs []cairn.Report) bool { return runnertest.Steps(rs)[step].Status == cairn.StatusWaiting })
		var held *Held
		for end := time.Now().Add(10 * time.Second); held == nil && time.Now().Before(end); time.Sleep(time.Millisecond) {
			held, _ = b.Held(t.Context(), job)
			if held != nil && held.Step != step {
				held = nil
			}
		}
		if held == nil {
			t.Fatalf("not held before step %d", step)
		}
		fi, err := os.Stat(held.Env)
		if err != nil || fi.Mode().Perm() != 0o600 {
			t.Fatalf("env.sh: %v %v", fi, err)
		}
		if text, _ := os.ReadFile(held.Env); step == 2 && !strings.Contains(string(text), `export QUOTED='it'\''s'`) {
			t.Errorf("env.sh: %s", text)
		}
		if err := b.Resume(t.Context(), job, "nonsense"); err == nil {
			t.Error("nonsense is an answer")
		}
		if err := b.Resume(t.Context(), job, holdAnswer(answer)); err != nil {
			t.Fatal(err)
		}
	}
	rs := runnertest.Wait(t, b, job, nil)
	rows := runnertest.Steps(rs)
	if runnertest.Last(t, rs).Conclusion != cairn.Success || rows[3].Conclusion != cairn.Skipped || rows[5].Conclusion != cairn.Success {
		t.Errorf("rows: %+v", rows)
	}
	if err := b.Resume(t.Context(), job, "go"); cairn.CodeOf(err) != cairn.CodeConflict {
		t.Errorf("resume after the end: %v", err)
	}
}

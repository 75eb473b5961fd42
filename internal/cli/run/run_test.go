package run

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/clitest"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/live"
	"github.com/cairn-ml/cairn/internal/cli/term"
)

var update = flag.Bool("update", false, "write golden files")

func newKit(t *testing.T) (*kit.Kit, *term.Buffers) {
	tm, b := term.Test()
	return &kit.Kit{Term: tm, Env: func(string) string { return "" }, Dir: t.TempDir(),
		Now: func() time.Time { return time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC) }}, b
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		args []string
		want func(*Options)
		err  string
	}{
		{args: nil, want: func(*Options) {}},
		{args: []string{"-w", "a.yml", "--input", "x=1", "-i", "y=a=b", "--input", "z="}, want: func(o *Options) {
			o.Workflow, o.inputs = "a.yml", map[string]string{"x": "1", "y": "a=b", "z": ""}
		}},
		{args: []string{"--env-file", "f.env", "--job", "a", "-j", "b", "--allow-sudo", "-d"}, want: func(o *Options) {
			o.EnvFile, o.Jobs, o.AllowSudo, o.Detach, o.env = "f.env", []string{"a", "b"}, true, true, map[string]string{"A": "1", "B": "two"}
		}},
		{args: []string{"--input", "x"}, err: `--input "x" is not NAME=VALUE`},
		{args: []string{"--input", "x=1", "--input", "x=2"}, err: "--input x is given twice"},
		{args: []string{"--env-file", "none.env"}, err: "there is no file none.env"},
		{args: []string{"--env-file", "bad.env"}, err: "bad.env:2:2: B is not followed by ="},
		{args: []string{"--dirty", "no"}, err: `--dirty does not take "no"`},
		{args: []string{"--progress", "fancy"}, err: `--progress does not take "fancy"`},
		{args: []string{"--step"}, err: "--step needs a terminal"},
		{args: []string{"--step", "--detach"}, err: "--step and --detach do not go together"},
		{args: []string{"mlops.yml"}, err: `cairn run takes no arguments, found "mlops.yml"`},
		{args: []string{"lst"}, err: `"lst" is not a command of "run"`},
		{args: []string{"--inputs", "x=1"}, err: "run has no flag --inputs"},
		{args: []string{"--json=jbs"}, err: `"jbs" is not a field of this command's JSON`},
	} {
		t.Run(strings.Join(tc.args, " "), func(t *testing.T) {
			t.Parallel()
			k, _ := newKit(t)
			for name, text := range map[string]string{"f.env": "A=1\nexport B='two'\n", "bad.env": "A=1\nB\n"} {
				if err := os.WriteFile(filepath.Join(k.Dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var got *Options
			cmd := newWith(k, func(_ context.Context, _ *kit.Kit, o *Options, _ *kit.JSON) error { got = o; return nil })
			k.Install(cmd)
			cmd.SetArgs(append([]string{}, tc.args...))
			err := cmd.Execute()
			if tc.err != "" {
				if err == nil || err.Error() != tc.err {
					t.Fatalf("got %v, want %s", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := &Options{Dirty: "take", Progress: "auto", inputs: map[string]string{}}
			tc.want(want)
			for _, o := range []*Options{got, want} {
				o.Inputs = nil
				if len(o.Jobs) == 0 {
					o.Jobs = nil
				}
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestTail(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                                     "",
		"mlops.yml":                            "mlops.yml",
		"/home/x/repo/.github/workflows/a.yml": ".github/workflows/a.yml",
		`C:\r\.github\workflows\a.yml`:         ".github/workflows/a.yml",
		".github/workflows/a.yml":              ".github/workflows/a.yml",
	} {
		if got := tail(in); got != want {
			t.Errorf("%s -> %s", in, got)
		}
	}
}

func TestLogLines(t *testing.T) {
	t.Parallel()
	log := "2026-05-01T12:00:00.000000001Z one\n2026-05-01T12:00:01Z \n2026-05-01T12:00:02Z \x1b[31mthree\x1b[0m\n"
	got, err := lastOf(strings.NewReader("rest of a line\n"+log), 2, true)
	if err != nil || strings.Join(got, "|") != "|three" {
		t.Errorf("%q %v", got, err)
	}
	head := "2026-05-01T12:00:00Z ##[group]Run false\n2026-05-01T12:00:00Z false\n2026-05-01T12:00:00Z ##[endgroup]\n"
	got, err = lastOf(strings.NewReader(head+"2026-05-01T12:00:00Z ##[group]mine\n2026-05-01T12:00:00Z ##[error]bad\n"), 9, false)
	if err != nil || strings.Join(got, "|") != "##[group]mine|##[error]bad" {
		t.Errorf("%q %v", got, err)
	}
	for in, want := range map[string]string{
		"2026-05-01T12:00:00Z text Z": "text Z", "no time here": "no time here", "2026-05-01T12:00:00Z": "", "": "",
	} {
		if got := stamp(in, false); got != want {
			t.Errorf("%q -> %q", in, got)
		}
		if got := stamp(in, true); got != in {
			t.Errorf("%q -> %q", in, got)
		}
	}
	if got := cleanKeepColor("a\x1b[31mred\x1b[0m\x1b[2Jb\x1b[5Ac"); got != "a\x1b[31mred\x1b[0mbc" {
		t.Errorf("%q", got)
	}
}

func TestRunNumbers(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]cairn.RunID{"42": 42, "run/42": 42, "#7": 7} {
		if got, err := parseID(in); err != nil || got != want {
			t.Errorf("%s: %d, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "0", "-1", "x", "99999999999999999999", "4 2"} {
		if _, err := parseID(in); kit.ExitCode(err) != kit.ExitUsage {
			t.Errorf("%s: %v", in, err)
		}
	}
	if _, err := pending(3, []cairn.Approval{{State: "approved"}}); kit.ExitCode(err) != kit.ExitNotFound {
		t.Error(err)
	}
	if env, err := pending(3, []cairn.Approval{{State: "pending", Environment: "production"}}); env != "production" || err != nil {
		t.Error(env, err)
	}
}

func TestView(t *testing.T) {
	t.Parallel()
	k, b := newKit(t)
	now := k.Now()
	exit := 1
	r := cairn.Run{ID: 42, Workflow: "mlops", Attempt: 1, Event: "push", Ref: "refs/heads/main", Status: cairn.StatusCompleted, Conclusion: cairn.Failure,
		Commit:    cairn.Commit{SHA: "3f2a91c0000000000000000000000000000000ab", Subject: "Train", Author: "Ana Lee"},
		StartedAt: now.Add(-time.Minute), FinishedAt: now, CreatedAt: now.Add(-time.Hour), Actor: "ana", Title: "Train",
		Inputs: []cairn.Input{{Name: "epochs", Type: "number", Value: []byte("20")}}}
	m := live.New(r)
	m.Load([]cairn.Job{
		{ID: 1, Attempt: 1, Name: "prepare", Status: cairn.StatusCompleted, Conclusion: cairn.Success, StartedAt: now.Add(-time.Minute), FinishedAt: now.Add(-50 * time.Second)},
		{ID: 2, Attempt: 1, Name: "train", Status: cairn.StatusCompleted, Conclusion: cairn.Failure, StartedAt: now.Add(-50 * time.Second), FinishedAt: now, Steps: []cairn.StepRow{
			{Job: 2, Number: 1, Name: "Train", Status: cairn.StatusCompleted, Conclusion: cairn.Failure, ExitCode: &exit, Summary: "# Result\n\naccuracy 0.97",
				Annotations: []cairn.Annotation{{Severity: "error", Message: "no data", Position: cairn.Position{File: "train.py", Line: 3}}}},
		}},
	})
	err := writeView(k, m, []cairn.Artifact{{Name: "model", Files: 2, Size: 2048, Digest: cairn.SumBytes(nil)}},
		[]cairn.Approval{{Environment: "production", State: "pending"}, {Environment: "staging", State: "approved", By: "ana", Comment: "ok"}},
		[]cairn.ConcurrencyGroup{{Group: "prod", Holders: []cairn.GroupMember{{Run: 40}}, Waiting: []cairn.GroupMember{{Run: 42, Place: 1}, {Run: 43, Job: 7, Path: "deploy", Place: 2}}},
			{Group: "other", Holders: []cairn.GroupMember{{Run: 40}}}})
	if err != nil {
		t.Fatal(err)
	}
	m.Load([]cairn.Job{{
		ID: 3, Attempt: 1, Name: "report", Status: cairn.StatusCompleted, Conclusion: cairn.Skipped,
		If:    &cairn.Condition{Implicit: true, Expr: "inputs.report", Needs: []cairn.ConditionNeed{{Job: "train", Result: cairn.Failure, Via: "check"}}, Values: []cairn.ConditionValue{{Expr: "inputs.report", Value: "true"}}},
		Steps: []cairn.StepRow{{Job: 3, Number: 2, Name: "Write", If: &cairn.Condition{Status: cairn.Failure}}}, Resume: &cairn.Resume{Job: 1, Attempt: 1, Step: 2},
	}})
	b.Out.WriteString("== conditions")
	writeConditions(b.Out, m)
	runs := []cairn.Run{r, {ID: 41, Reason: "concurrency group prod: run 40 is in progress; place 1 in the queue", Workflow: "mlops", Status: cairn.StatusRunning, Dirty: true, Commit: r.Commit, Title: "x", CreatedAt: now}}
	b.Out.WriteString("== list\n")
	if err := writeList(k, runs); err != nil {
		t.Fatal(err)
	}
	clitest.Golden(t, *update, "view.txt", b.Out.String()+"== standard error\n"+b.Err.String())
}

package run_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/run"
	"github.com/cairn-ml/cairn/internal/runner/fake"
)

func TestChain(t *testing.T) {
	t.Parallel()
	x := newBench(t, fake.New(fake.Options{Script: func(s cairn.JobSpec) fake.Outcome {
		return fake.Outcome{Outputs: map[string]string{"from": s.Path}}
	}}))
	began := time.Now()
	r := x.submit(chain(20))
	s := x.ended(r.ID)
	t.Logf("20 jobs in %s", time.Since(began))
	if s.Run.Conclusion != cairn.Success || len(s.Jobs) != 20 || r.Number != 1 {
		t.Fatalf("%+v", s.Run)
	}
	specs := x.backend.Started()
	for i, spec := range specs {
		if spec.Path != name("j", i) {
			t.Errorf("%d: %s", i, spec.Path)
		}
	}
	last := specs[19]
	if got := string(last.Contexts["needs"]); got != `{"jas":{"result":"success","outputs":{"from":"jas"}}}` {
		t.Errorf("needs = %s", got)
	}
	var gh map[string]any
	if err := json.Unmarshal(last.Contexts["github"], &gh); err != nil {
		t.Fatal(err)
	}
	for k, want := range map[string]any{
		"run_id": "1", "run_number": "1", "run_attempt": "1", "ref_name": "main", "ref_type": "branch", "job": "jat",
		"workflow_ref": "ana/digits/.github/workflows/ci.yml@refs/heads/main", "repository_owner": "ana", "event_name": "push",
	} {
		if gh[k] != want {
			t.Errorf("github.%s = %v, want %v", k, gh[k], want)
		}
	}
	if sec := x.backend.Secrets(last.Job); sec.Token != "token-of-jat" || sec.Secrets["GITHUB_TOKEN"] != sec.Token {
		t.Errorf("secrets %+v", sec)
	}
}

func TestCancelLetsAlwaysRun(t *testing.T) {
	t.Parallel()
	x := newBench(t, fake.New(fake.Options{Script: func(s cairn.JobSpec) fake.Outcome {
		return fake.Outcome{Hold: s.Path == "long"}
	}}))
	clean := node("clean", "long")
	clean.If = "always()"
	after := node("after", "long")
	r := x.submit(planOf(node("long"), clean, after))
	x.until(r.ID, "long runs", func(s *cairn.RunSnapshot) bool { return jobOf(s, "long").PID != 0 })
	if err := x.engine.Cancel(context.Background(), r.ID, "ben"); err != nil {
		t.Fatal(err)
	}
	s := x.ended(r.ID)
	if s.Run.Conclusion != cairn.Cancelled || s.Run.Reason != "cancelled by ben" {
		t.Errorf("%s %q", s.Run.Conclusion, s.Run.Reason)
	}
	for path, want := range map[string]cairn.Conclusion{"long": cairn.Cancelled, "clean": cairn.Success, "after": cairn.Cancelled} {
		if got := jobOf(s, path).Conclusion; got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if err := x.engine.Cancel(context.Background(), r.ID, "ben"); cairn.CodeOf(err) != cairn.CodeConflict {
		t.Errorf("cancelling what is completed: %v", err)
	}
}

func TestCancelByForce(t *testing.T) {
	t.Parallel()
	x := newBench(t, fake.New(fake.Options{Script: func(s cairn.JobSpec) fake.Outcome {
		return fake.Outcome{Hold: true, Deaf: true}
	}}))
	clean := node("clean", "long")
	clean.If = "always()"
	r := x.submit(planOf(node("long"), clean))
	x.until(r.ID, "long runs", func(s *cairn.RunSnapshot) bool { return jobOf(s, "long").PID != 0 })
	for range 2 {
		if err := x.engine.Cancel(context.Background(), r.ID, "ben"); err != nil {
			t.Fatal(err)
		}
	}
	s := x.ended(r.ID)
	if jobOf(s, "clean").Conclusion != cairn.Cancelled || jobOf(s, "long").Conclusion != cairn.Cancelled {
		t.Errorf("%+v", s.Jobs)
	}
}

func TestLostSupervisor(t *testing.T) {
	t.Parallel()
	x := newBench(t, fake.New(fake.Options{Script: func(s cairn.JobSpec) fake.Outcome {
		return fake.Outcome{Hold: true, Steps: 2}
	}}))
	r := x.submit(planOf(node("a"), node("b", "a")))
	x.until(r.ID, "a runs", func(s *cairn.RunSnapshot) bool { return jobOf(s, "a").PID != 0 })
	x.backend.Kill("a")
	s := x.ended(r.ID)
	a := jobOf(s, "a")
	if a.Conclusion != cairn.Lost || !strings.Contains(a.Reason, "ended without a result") || s.Run.Conclusion != cairn.Failure {
		t.Errorf("%+v", a)
	}
	if b := jobOf(s, "b"); b.Conclusion != cairn.Skipped || b.Reason != "needs: a: failure" {
		t.Errorf("%+v", b)
	}
	steps, err := x.store.Steps(context.Background(), a.ID)
	if err != nil || len(steps) != 2 || steps[0].Conclusion != cairn.Success || steps[1].Conclusion != cairn.Lost {
		t.Errorf("%+v %v", steps, err)
	}
}

func TestStartThatFails(t *testing.T) {
	t.Parallel()
	var tries atomic.Int64
	x := newBench(t, fake.New(fake.Options{Script: func(s cairn.JobSpec) fake.Outcome {
		switch s.Path {
		case "never":
			return fake.Outcome{StartErr: cairn.Errorf(cairn.CodeFailed, "no such interpreter")}
		default:
			if tries.Add(1) < 3 {
				return fake.Outcome{StartErr: cairn.Errorf(cairn.CodeUnavailable, "too many processes")}
			}
			return fake.Outcome{}
		}
	}}))
	s := x.ended(x.submit(planOf(node("never"), node("later"))).ID)
	if j := jobOf(s, "never"); j.Conclusion != cairn.Failure || j.Reason != "the job could not be started: no such interpreter" {
		t.Errorf("%+v", j)
	}
	if j := jobOf(s, "later"); j.Conclusion != cairn.Success || tries.Load() != 3 {
		t.Errorf("%+v after %d tries", j, tries.Load())
	}
}

func TestRerunFailedKeepsTheRest(t *testing.T) {
	t.Parallel()
	x := newBench(t, fake.New(fake.Options{Script: func(s cairn.JobSpec) fake.Outcome {
		out := fake.Outcome{Outputs: map[string]string{"attempt": name("n", s.Attempt)}}
		if s.Path == "train" && s.Attempt == 1 {
			out.Conclusion = cairn.Failure
		}
		return out
	}}))
	p := planOf(node("data"), node("train", "data"), node("api", "train"), node("other"))
	r := x.submit(p)
	s := x.ended(r.ID)
	if s.Run.Conclusion != cairn.Failure || jobOf(s, "api").Conclusion != cairn.Skipped {
		t.Fatalf("%+v", s.Run)
	}
	data := jobOf(s, "data").ID
	again, err := x.engine.Rerun(context.Background(), run.RerunRequest{Run: r.ID, Mode: run.RerunFailed, By: "ben"})
	if err != nil || again.Attempt != 2 {
		t.Fatal(again, err)
	}
	s = x.ended(r.ID)
	if s.Run.Conclusion != cairn.Success || len(s.Jobs) != 4 || jobOf(s, "data").ID != data || jobOf(s, "other").Attempt != 1 {
		t.Fatalf("%+v", s)
	}
	specs := x.backend.Started()
	if train := specs[len(specs)-2]; train.Path != "train" || train.Attempt != 2 ||
		string(train.Contexts["needs"]) != `{"data":{"result":"success","outputs":{"attempt":"nab"}}}` {
		t.Errorf("%s %s", train.Path, train.Contexts["needs"])
	}
	if _, err := x.engine.Rerun(context.Background(), run.RerunRequest{Run: r.ID, Mode: run.RerunFailed, By: "ben"}); cairn.CodeOf(err) != cairn.CodeConflict {
		t.Errorf("nothing failed: %v", err)
	}
	if _, err := x.engine.Rerun(context.Background(), run.RerunRequest{Run: r.ID, Mode: run.RerunJob, Job: "trian", By: "ben"}); err == nil ||
		!strings.Contains(cairn.AsError(err).Hint, "did you mean train?") {
		t.Errorf("a job that is not there: %v", err)
	}
	if _, err := x.engine.Rerun(context.Background(), run.RerunRequest{Run: r.ID, Mode: run.RerunJob, Job: "train", By: "ben"}); err != nil {
		t.Fatal(err)
	}
	if s = x.ended(r.ID); s.Run.Attempt != 3 || jobOf(s, "data").ID != data || jobOf(s, "api").Attempt != 3 {
		t.Errorf("%+v", s.Jobs)
	}
	attempts, err := x.store.Attempts(context.Background(), r.ID)
	if err != nil || len(attempts) != 3 || attempts[1].Kept["data"] != data {
		t.Errorf("%+v %v", attempts, err)
	}
}

func TestApproval(t *testing.T) {
	t.Parallel()
	x := newBench(t, fake.New(fake.Options{}))
	ctx := context.Background()
	rule := cairn.Environment{Repository: "ana/digits", Name: "Production", Reviewers: []string{"ana"}, AllowDirty: true}
	if err := x.store.PutEnvironment(ctx, rule, cairn.Change{By: "ana"}); err != nil {
		t.Fatal(err)
	}
	deploy := node("deploy")
	deploy.Environment = &cairn.EnvironmentRef{Name: cairn.Str("production")}
	asks := func(s *cairn.RunSnapshot) bool { return len(s.Approvals) == 1 }
	r := x.submit(planOf(deploy))
	s := x.until(r.ID, "it asks", asks)
	if j := jobOf(s, "deploy"); j.Status != cairn.StatusWaiting || j.Reason != "environment Production waits for the approval of ana" {
		t.Errorf("%+v", j)
	}
	if err := x.engine.Approve(ctx, r.ID, "production", true, "eve", ""); cairn.CodeOf(err) != cairn.CodeForbidden {
		t.Errorf("eve: %v", err)
	}
	if err := x.engine.Approve(ctx, r.ID, "production", true, "ana", "go"); err != nil {
		t.Fatal(err)
	}
	if s := x.ended(r.ID); s.Run.Conclusion != cairn.Success {
		t.Errorf("%+v", s.Run)
	}
	r = x.submit(planOf(deploy))
	x.until(r.ID, "it asks", asks)
	if err := x.engine.Approve(ctx, r.ID, "production", false, "ana", "not today"); err != nil {
		t.Fatal(err)
	}
	s = x.ended(r.ID)
	if j := jobOf(s, "deploy"); j.Conclusion != cairn.Failure || j.Reason != "ana rejected environment Production: not today" {
		t.Errorf("%+v", j)
	}
}

func TestConcurrencyOfRuns(t *testing.T) {
	t.Parallel()
	x := newBench(t, fake.New(fake.Options{Script: func(s cairn.JobSpec) fake.Outcome { return fake.Outcome{Hold: true} }}))
	p := planOf(node("a"))
	p.Concurrency = &cairn.Concurrency{Group: cairn.Expr("deploy-${{ github.ref }}")}
	first := x.submit(p)
	x.until(first.ID, "it runs", func(s *cairn.RunSnapshot) bool { return jobOf(s, "a").PID != 0 })
	second := x.submit(p)
	s := x.until(second.ID, "it waits", func(s *cairn.RunSnapshot) bool { return s.Run.Status == cairn.StatusWaiting })
	if s.Run.Reason != "concurrency group deploy-refs/heads/main: run 1 is in progress" {
		t.Errorf("%q", s.Run.Reason)
	}
	third := x.submit(p)
	s = x.ended(second.ID)
	if s.Run.Conclusion != cairn.Cancelled || s.Run.Reason != "concurrency group deploy-refs/heads/main: replaced by run 3, which came later" {
		t.Errorf("%+v", s.Run)
	}
	x.backend.Finish("a", fake.Outcome{})
	if s := x.ended(first.ID); s.Run.Conclusion != cairn.Success {
		t.Errorf("%+v", s.Run)
	}
	x.until(third.ID, "it runs", func(s *cairn.RunSnapshot) bool { return jobOf(s, "a").PID != 0 })
	p.Concurrency.CancelInProgress = cairn.Template{Kind: cairn.TemplateBool, Bool: true}
	fourth := x.submit(p)
	if s := x.ended(third.ID); s.Run.Conclusion != cairn.Cancelled {
		t.Errorf("%+v", s.Run)
	}
	x.until(fourth.ID, "it runs", func(s *cairn.RunSnapshot) bool { return jobOf(s, "a").PID != 0 })
	x.backend.Finish("a", fake.Outcome{})
	x.ended(fourth.ID)
}

func TestUnservedLabelIsServedLater(t *testing.T) {
	t.Parallel()
	x := newBench(t, fake.New(fake.Options{}))
	gpu := node("gpu")
	gpu.RunsOn = cairn.Str("gpu")
	r := x.submit(planOf(gpu))
	s := x.until(r.ID, "it waits", func(s *cairn.RunSnapshot) bool { return jobOf(s, "gpu").Status == cairn.StatusWaiting })
	if got := jobOf(s, "gpu").Reason; got != "no runner serves label gpu; served: ubuntu-latest, self-hosted" {
		t.Errorf("%q", got)
	}
	x.backend.SetSlots([]cairn.Slot{{Name: "big", Labels: []string{"GPU"}, Count: 1}})
	x.engine.Wake()
	if s := x.ended(r.ID); s.Run.Conclusion != cairn.Success || jobOf(s, "gpu").Runner != "big" {
		t.Errorf("%+v", s.Jobs)
	}
}

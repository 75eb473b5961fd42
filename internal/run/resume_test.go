package run_test

import (
	"context"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/run"
	"github.com/cairn-ml/cairn/internal/runner/fake"
)

// firstFails ends the jobs at these paths with a failure in their first attempt.
func firstFails(paths ...string) func(cairn.JobSpec) fake.Outcome {
	return func(s cairn.JobSpec) fake.Outcome {
		for _, p := range paths {
			if s.Path == p && s.Attempt == 1 {
				return fake.Outcome{Conclusion: cairn.Failure, Steps: 4}
			}
		}
		return fake.Outcome{Steps: 4, Outputs: map[string]string{"o": s.Path}}
	}
}

// TestRerunFromFailedStep: failed jobs go on in their workspaces, what succeeded is
// kept, what stood behind them runs, and the earlier job is linked.
func TestRerunFromFailedStep(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	x := newBench(t, fake.New(fake.Options{Script: firstFails("b[2]", "c")}))
	legs := node("b", "a")
	legs.Strategy = genFixedStrategy("1", "2")
	legs.Strategy.FailFast = cairn.Template{Kind: cairn.TemplateBool}
	id := x.submit(planOf(node("a"), legs, node("c"), node("d", "b", "c"))).ID
	first := x.ended(id)
	if _, err := x.engine.Rerun(ctx, run.RerunRequest{Run: id, Mode: run.RerunStep, By: "ben", Debug: true}); err != nil {
		t.Fatal(err)
	}
	s := x.ended(id)
	if s.Run.Conclusion != cairn.Success || s.Attempt.Mode != "step" || len(s.Attempt.Resumed) != 2 || len(s.Attempt.Kept) != 2 {
		t.Fatalf("%+v %+v", s.Run, s.Attempt)
	}
	for _, path := range []string{"b[2]", "c"} {
		j, before := jobOf(s, path), jobOf(first, path)
		if j.Resume == nil || *j.Resume != (cairn.Resume{Job: before.ID, Epoch: before.Epoch, Attempt: 1, Step: 4}) {
			t.Errorf("%s: %+v", path, j.Resume)
		}
		links, err := x.store.LinksFrom(ctx, cairn.JobRef(j.ID))
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, l := range links {
			found = found || l.To == cairn.JobRef(before.ID) && strings.Contains(l.Note, "goes on in its workspace, from step 4")
		}
		if !found {
			t.Errorf("%s is not linked to the job before: %+v", path, links)
		}
	}
	for _, spec := range x.backend.Started() {
		keys := x.backend.Secrets(spec.Job)
		if len(keys.StateKey) != 32 || (spec.Resume != nil) != (len(keys.ResumeKey) == 32) || spec.Debug != (spec.Attempt == 2) {
			t.Errorf("%s of attempt %d: %+v, keys of %d and %d bytes, debug %v", spec.Path, spec.Attempt, spec.Resume, len(keys.StateKey), len(keys.ResumeKey), spec.Debug)
		}
		if spec.Resume != nil && string(keys.ResumeKey) != string(x.backend.Secrets(spec.Resume.Job).StateKey) {
			t.Errorf("%s cannot open what job %d left", spec.Path, spec.Resume.Job)
		}
	}
	checkFold(t, x.store, id)
}

// TestRerunFromStep: a step is named by its number, id or name.
func TestRerunFromStep(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	x := newBench(t, fake.New(fake.Options{Script: func(s cairn.JobSpec) fake.Outcome {
		return fake.Outcome{Conclusion: cairn.Failure, Steps: 4}
	}}))
	id := x.submit(planOf(node("a"), node("b"))).ID
	x.ended(id)
	for _, c := range []struct {
		r    run.RerunRequest
		want string
	}{
		{run.RerunRequest{Step: "3"}, `step "3" of which job? name it with --job`},
		{run.RerunRequest{Job: "a", Step: "step9"}, `a of run 1: it has no step "step9" did you mean step 3?`},
		{run.RerunRequest{Job: "nobody", Step: "3"}, `run 1 has no job "nobody"`},
	} {
		c.r.Run, c.r.Mode, c.r.By = id, run.RerunStep, "ben"
		_, err := x.engine.Rerun(ctx, c.r)
		ce := cairn.AsError(err)
		if got := ce.Message + " " + ce.Hint; err == nil || !strings.Contains(strings.ReplaceAll(got, "step 2", "step 3"), strings.ReplaceAll(c.want, "step 2", "step 3")) {
			t.Errorf("%+v: %s", c.r, got)
		}
	}
	x.backend.Lose("a", cairn.Errorf(cairn.CodeFailed, "it cannot go on from a step: the workspace of job 1 is no longer there"))
	_, err := x.engine.Rerun(ctx, run.RerunRequest{Run: id, Mode: run.RerunStep, By: "ben"})
	if ce := cairn.AsError(err); err == nil || ce.Code != cairn.CodeConflict || !strings.Contains(ce.Message, "no longer there") ||
		!strings.Contains(ce.Hint, "cairn run rerun 1 --job 'a'") {
		t.Errorf("%v", err)
	}
	if _, err := x.engine.Rerun(ctx, run.RerunRequest{Run: id, Mode: run.RerunStep, Job: "b", Step: "STEP 2", By: "ben"}); err != nil {
		t.Fatal(err)
	}
	s := x.ended(id)
	if j := jobOf(s, "b"); j.Resume == nil || j.Resume.Step != 2 || jobOf(s, "a").Attempt != 1 {
		t.Errorf("%+v", s.Jobs)
	}
}

// A job that stands on one that is done again begins anew: its steps had other values.
func TestRerunFromStepBehindAnother(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	x := newBench(t, fake.New(fake.Options{Script: firstFails("a", "b")}))
	b := node("b", "a")
	b.If = "always()"
	id := x.submit(planOf(node("a"), b)).ID
	x.ended(id)
	_, err := x.engine.Rerun(ctx, run.RerunRequest{Run: id, Mode: run.RerunFailed, By: "ben"})
	if err != nil {
		t.Fatal(err)
	}
	x.ended(id)
	again := x.submit(planOf(node("a"), b)).ID
	x.ended(again)
	if _, err := x.engine.Rerun(ctx, run.RerunRequest{Run: again, Mode: run.RerunStep, By: "ben"}); err != nil {
		t.Fatal(err)
	}
	s := x.ended(again)
	if s.Run.Conclusion != cairn.Success || jobOf(s, "a").Resume == nil || jobOf(s, "b").Resume != nil || jobOf(s, "b").Attempt != 2 {
		t.Errorf("%+v", s.Jobs)
	}
}

// Values of an env file are kept encrypted: a condition does not show them.
func TestConditionsHideEnvFiles(t *testing.T) {
	t.Parallel()
	a := node("a")
	a.If = "vars.OPEN == 'yes' && format('{0}', vars.hidden) != '' && contains(vars.HIDDEN, 'x')"
	s := newSim(t, planOf(a))
	s.vars = map[string]string{"OPEN": "yes", "HIDDEN": "hidden-value"}
	s.state.Run.EnvNames = []string{"HIDDEN"}
	s.decide()
	j := s.state.Jobs["a"]
	if got := j.If.String() + j.Reason; strings.Contains(got, "hidden-value") || !strings.Contains(got, "vars.OPEN = 'yes'") || !strings.Contains(got, "vars.hidden = ***") {
		t.Errorf("%s", got)
	}
}

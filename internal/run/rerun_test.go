package run_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/run"
	"github.com/cairn-ml/cairn/internal/runner/fake"
	"pgregory.net/rapid"
)

// A new attempt of a random run: what is kept does not run again, and nothing is
// kept that stands on something that ran again.
func TestRerunProperties(t *testing.T) {
	t.Parallel()
	var salt atomic.Int64
	x := newBench(t, fake.New(fake.Options{Script: func(s cairn.JobSpec) fake.Outcome {
		// Whether it fails depends on its path, the attempt and the case.
		h := salt.Load()*31 + int64(s.Attempt)*7
		for _, c := range s.Path {
			h = h*33 + int64(c)
		}
		if h%4 == 0 {
			return fake.Outcome{Conclusion: cairn.Failure}
		}
		return fake.Outcome{Outputs: map[string]string{"o": s.Path}}
	}}))
	ctx := context.Background()
	cases := 0
	rapid.Check(t, func(rt *rapid.T) {
		if cases++; (slow || testing.Short()) && cases > 15 {
			return
		}
		salt.Store(rapid.Int64Range(0, 1<<20).Draw(rt, "salt"))
		p := planOf(genNodes(rt, 0)...)
		id := x.submit(p).ID
		s := x.ended(id)
		first := len(x.backend.Started())
		mode := run.RerunRequest{Run: id, Mode: run.RerunFailed, By: "ben"}
		if s.Run.Conclusion == cairn.Success || s.Run.Conclusion == cairn.Skipped || rapid.Bool().Draw(rt, "one") {
			mode.Mode, mode.Job = run.RerunJob, s.Jobs[rapid.IntRange(0, len(s.Jobs)-1).Draw(rt, "job")].Path
		}
		if _, err := x.engine.Rerun(ctx, mode); err != nil {
			rt.Fatal(err)
		}
		s2 := x.ended(id)
		ran := map[string]bool{}
		for _, spec := range x.backend.Started()[first:] {
			ran[spec.Path] = true
			if _, kept := s2.Attempt.Kept[spec.Path]; kept || spec.Attempt != 2 {
				rt.Fatalf("%s was kept and ran (attempt %d)", spec.Path, spec.Attempt)
			}
		}
		sim := newSim(rt, p)
		for path := range s2.Attempt.Kept {
			for _, need := range sim.needsOf(path) {
				for r := range ran {
					if r == need || strings.HasPrefix(r, need+"[") || strings.HasPrefix(r, need+"/") {
						rt.Fatalf("%s is kept although %s, which it needs, ran again", path, r)
					}
				}
			}
		}
		for _, j := range s.Jobs {
			if mode.Mode == run.RerunFailed && (j.Conclusion.Bad() && !j.Tolerated) {
				if _, kept := s2.Attempt.Kept[j.Path]; kept {
					rt.Fatalf("%s failed and is kept", j.Path)
				}
			}
		}
		checkFold(t, x.store, id)
		if t.Failed() {
			rt.FailNow()
		}
	})
}

// Instances of a call that are kept take no place of max-parallel, wherever they
// stand: counting them once left the one to be done again waiting for ever.
func TestRerunOfOneInstanceOfACall(t *testing.T) {
	t.Parallel()
	x := newBench(t, fake.New(fake.Options{Script: func(s cairn.JobSpec) fake.Outcome {
		if s.Attempt == 1 && s.Path == "call[b]/x" {
			return fake.Outcome{Conclusion: cairn.Failure}
		}
		return fake.Outcome{}
	}}))
	call := cairn.Node{ID: "call", Kind: cairn.NodeCall, Body: []cairn.Node{node("x")}, Strategy: genFixedStrategy("a", "b", "c")}
	call.Strategy.FailFast = cairn.Template{Kind: cairn.TemplateBool}
	call.Strategy.MaxParallel = cairn.Template{Kind: cairn.TemplateNumber, Num: 1}
	id := x.submit(planOf(call)).ID
	if s := x.ended(id); s.Run.Conclusion != cairn.Failure || len(s.Jobs) != 3 {
		t.Fatalf("%+v", s.Jobs)
	}
	if _, err := x.engine.Rerun(context.Background(), run.RerunRequest{Run: id, Mode: run.RerunFailed, By: "ben"}); err != nil {
		t.Fatal(err)
	}
	s := x.ended(id)
	if s.Run.Conclusion != cairn.Success || jobOf(s, "call[b]/x").Attempt != 2 || len(s.Attempt.Kept) != 2 {
		t.Errorf("%+v kept %v", s.Run, s.Attempt.Kept)
	}
}

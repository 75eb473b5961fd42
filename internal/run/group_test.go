package run_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/run"
	"github.com/cairn-ml/cairn/internal/runner/fake"
)

// grouped is a plan of one job whose runs share a group.
func grouped(group, queue string) *cairn.Plan {
	p := planOf(node("deploy"))
	p.Concurrency = &cairn.Concurrency{Group: cairn.Expr(group), Queue: queue}
	return p
}

// TestConcurrencyQueueMax: runs wait in the order in which they came, each says its
// place, groups are compared without case, and the queue can be listed.
func TestConcurrencyQueueMax(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	x := newBench(t, fake.New(fake.Options{Script: func(cairn.JobSpec) fake.Outcome { return fake.Outcome{Hold: true} }}))
	var ids []cairn.RunID
	for i := range 4 {
		group := "Deploy-${{ github.ref }}"
		if i%2 == 1 {
			group = strings.ToUpper("deploy-") + "${{ github.ref }}"
		}
		ids = append(ids, x.submit(grouped(group, cairn.QueueMax)).ID)
		if i == 0 {
			x.until(ids[0], "its job runs", func(s *cairn.RunSnapshot) bool { return jobOf(s, "deploy").PID != 0 })
		}
	}
	for i := range ids[1:] {
		want := fmt.Sprintf("is in progress; place %d in the queue", i+1)
		x.until(ids[i+1], want, func(s *cairn.RunSnapshot) bool {
			return s.Run.Status == cairn.StatusWaiting && strings.HasSuffix(s.Run.Reason, want)
		})
	}
	gs, err := x.engine.Groups(ctx, "ana/digits")
	if err != nil || len(gs) != 1 {
		t.Fatal(gs, err)
	}
	if g := gs[0]; len(g.Holders) != 1 || g.Holders[0].Run != ids[0] || len(g.Waiting) != 3 || g.Waiting[2] != (cairn.GroupMember{Run: ids[3], Place: 3}) {
		t.Errorf("%+v", g)
	}
	if gs, err := x.engine.Groups(ctx, "somebody/else"); err != nil || len(gs) != 0 {
		t.Error(gs, err)
	}
	// The second is cancelled while it waits: those behind it move up.
	if err := x.engine.Cancel(ctx, ids[1], "ben"); err != nil {
		t.Fatal(err)
	}
	x.ended(ids[1])
	x.until(ids[3], "the second place", func(s *cairn.RunSnapshot) bool { return strings.HasSuffix(s.Run.Reason, "place 2 in the queue") })
	for _, id := range []cairn.RunID{ids[0], ids[2], ids[3]} {
		x.until(id, "its job runs", func(s *cairn.RunSnapshot) bool { return jobOf(s, "deploy").PID != 0 })
		if !x.backend.Finish("deploy", fake.Outcome{}) {
			t.Fatal("no job runs")
		}
		if s := x.ended(id); s.Run.Conclusion != cairn.Success {
			t.Errorf("%+v", s.Run)
		}
	}
}

// TestConcurrencyQueueFull: the hundred and first that waits is told so at once.
func TestConcurrencyQueueFull(t *testing.T) {
	t.Parallel()
	s := newSim(t, grouped("g", cairn.QueueMax))
	s.state.Run.Group, s.state.Run.Queue = "G", cairn.QueueMax
	members := func(waiting int) []run.Member {
		ms := []run.Member{{Run: 1, Active: true, Since: epoch0.Add(-time.Hour), All: true}}
		for i := range waiting {
			ms = append(ms, run.Member{Run: cairn.RunID(100 + i), Since: epoch0.Add(-time.Minute), All: true})
		}
		return ms
	}
	for _, c := range []struct {
		waiting int
		want    string
	}{
		{99, "run.Hold{Reason:concurrency group G: run 1 is in progress; place 100 in the queue}"},
		{100, "run.FinishRun{Conclusion:cancelled Reason:concurrency group G: 100 wait in its queue already, which is the most that may Outputs:map[]}"},
	} {
		f := s.facts()
		f.Groups = map[string][]run.Member{run.GroupKey("ana/digits", "g"): members(c.waiting)}
		if got := describe(run.Decide(s.plan, nil, f)); len(got) != 1 || got[0] != c.want {
			t.Errorf("%d wait: %v", c.waiting, got)
		}
	}
}

// A call that holds a group keeps another run's call from beginning, and that of a
// failed attempt is asked for again.
func TestConcurrencyOfCalls(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	x := newBench(t, fake.New(fake.Options{Script: func(s cairn.JobSpec) fake.Outcome { return fake.Outcome{Hold: true} }}))
	call := cairn.Node{
		ID: "call", Kind: cairn.NodeCall, Body: []cairn.Node{node("one"), node("two", "one")},
		Concurrency: &cairn.Concurrency{Group: cairn.Str("target"), Queue: cairn.QueueMax},
	}
	first, second := x.submit(planOf(call)).ID, cairn.RunID(0)
	x.until(first, "its first job runs", func(s *cairn.RunSnapshot) bool { return jobOf(s, "call/one").PID != 0 })
	second = x.submit(planOf(call)).ID
	x.until(second, "it waits", func(s *cairn.RunSnapshot) bool {
		j := jobOf(s, "call")
		return j.Call && j.Status == cairn.StatusWaiting && strings.Contains(j.Reason, "call of run 1 is in progress; place 1")
	})
	x.backend.Finish("call/one", fake.Outcome{})
	x.until(first, "its second job runs", func(s *cairn.RunSnapshot) bool { return jobOf(s, "call/two").PID != 0 })
	x.backend.Finish("call/two", fake.Outcome{Conclusion: cairn.Failure})
	if s := x.ended(first); jobOf(s, "call").Conclusion != cairn.Failure {
		t.Errorf("%+v", s.Jobs)
	}
	x.until(second, "it goes in", func(s *cairn.RunSnapshot) bool { return jobOf(s, "call/one").PID != 0 })
	if _, err := x.engine.Rerun(ctx, run.RerunRequest{Run: first, Mode: run.RerunFailed, By: "ben"}); err != nil {
		t.Fatal(err)
	}
	x.until(first, "it waits in its turn", func(s *cairn.RunSnapshot) bool {
		return jobOf(s, "call").Attempt == 2 && jobOf(s, "call").Status == cairn.StatusWaiting
	})
	x.backend.Finish("call/one", fake.Outcome{})
	x.until(second, "its second job runs", func(s *cairn.RunSnapshot) bool { return jobOf(s, "call/two").PID != 0 })
	x.backend.Finish("call/two", fake.Outcome{})
	x.ended(second)
	x.until(first, "only what failed runs again", func(s *cairn.RunSnapshot) bool {
		return jobOf(s, "call/two").PID != 0 && jobOf(s, "call/two").Attempt == 2
	})
	x.backend.Finish("call/two", fake.Outcome{})
	if s := x.ended(first); s.Run.Conclusion != cairn.Success || jobOf(s, "call/one").Attempt != 1 {
		t.Errorf("%+v", s.Jobs)
	}
	checkFold(t, x.store, first)
	checkFold(t, x.store, second)
}

// cancel-in-progress of another run's call ends its jobs, and the call with them.
func TestConcurrencyOustsCalls(t *testing.T) {
	t.Parallel()
	x := newBench(t, fake.New(fake.Options{Script: func(s cairn.JobSpec) fake.Outcome { return fake.Outcome{Hold: s.Run == 1} }}))
	call := cairn.Node{
		ID: "call", Kind: cairn.NodeCall, Body: []cairn.Node{node("one"), node("two", "one")},
		BodyConcurrency: &cairn.Concurrency{Group: cairn.Str("target"), CancelInProgress: cairn.Template{Kind: cairn.TemplateBool, Bool: true}},
	}
	first := x.submit(planOf(call)).ID
	x.until(first, "its first job runs", func(s *cairn.RunSnapshot) bool { return jobOf(s, "call/one").PID != 0 })
	second := x.submit(planOf(call)).ID
	if s := x.ended(second); s.Run.Conclusion != cairn.Success {
		t.Errorf("%+v", s.Run)
	}
	s := x.ended(first)
	for _, path := range []string{"call", "call/one", "call/two"} {
		if j := jobOf(s, path); j.Conclusion != cairn.Cancelled || !strings.Contains(j.Reason, "replaced by call of run 2, which cancels what is in progress") {
			t.Errorf("%+v", j)
		}
	}
	checkFold(t, x.store, first)
}

// run-name is evaluated when the run begins; one that comes out empty is none.
func TestRunName(t *testing.T) {
	t.Parallel()
	x := newBench(t, fake.New(fake.Options{}))
	for text, want := range map[string]string{"Deploy ${{ github.ref_name }} by ${{ github.actor }}": "Deploy main by ana", "${{ github.head_ref }}": "a subject"} {
		p := planOf(node("a"))
		p.RunName = cairn.Expr(text)
		if r := x.submit(p); r.Title != want {
			t.Errorf("%s: %q", text, r.Title)
		}
	}
	p := planOf(node("a"))
	p.RunName = cairn.Expr("${{ fromJSON('{') }}")
	p.RunName.Line, p.RunName.Col = 2, 11
	_, err := x.engine.Submit(context.Background(), run.Request{Workspace: "default", Repository: "ana/digits", Plan: p, Actor: "ana"})
	if ce := cairn.AsError(err); err == nil || ce.Position == nil || ce.Position.Line != 2 || !strings.Contains(ce.Message, "run-name") {
		t.Errorf("%v", err)
	}
}

// What a job is told of its cancel and of its environment.
func TestSpecOfCancelTimeoutAndDeployment(t *testing.T) {
	t.Parallel()
	x := newBench(t, fake.New(fake.Options{}))
	a := node("a")
	a.CancelTimeoutMinutes = cairn.Template{Kind: cairn.TemplateNumber, Num: 0.5, Text: "0.5"}
	a.Environment = &cairn.EnvironmentRef{Name: cairn.Str("staging"), URL: cairn.Str("http://x"), NoDeployment: true}
	s := x.ended(x.submit(planOf(a)).ID)
	if jobOf(s, "a").CancelTimeoutMinutes != 0.5 {
		t.Errorf("%+v", jobOf(s, "a"))
	}
	for _, spec := range x.backend.Started() {
		if spec.CancelTimeoutMinutes != 0.5 || !spec.EnvironmentURL.IsZero() {
			t.Errorf("%+v", spec)
		}
	}
	b := node("b")
	b.CancelTimeoutMinutes = cairn.Expr("${{ fromJSON('0') }}")
	if s := x.ended(x.submit(planOf(b)).ID); !strings.Contains(jobOf(s, "b").Reason, "cancel-timeout-minutes: 0 is not a time") {
		t.Errorf("%+v", jobOf(s, "b"))
	}
}

// The engine waits for a cancelled job as long as the workflow says, then forces it.
func TestCancelTimeoutMinutes(t *testing.T) {
	t.Parallel()
	a := node("a")
	a.CancelTimeoutMinutes = cairn.Template{Kind: cairn.TemplateNumber, Num: 2, Text: "2"}
	s := newSim(t, planOf(a))
	s.decide()
	s.state.Run.CancelBy = "ben"
	s.decide()
	for _, c := range []struct {
		after time.Duration
		force bool
	}{{119 * time.Second, false}, {120 * time.Second, true}} {
		f := s.facts()
		f.Now = s.now.Add(c.after)
		forced := strings.Contains(fmt.Sprint(describe(run.Decide(s.plan, nil, f))), "Force:true")
		if forced != c.force {
			t.Errorf("after %s: forced is %v", c.after, forced)
		}
	}
}

package run_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/run"
	"github.com/cairn-ml/cairn/internal/runner/fake"
)

// gates answers what it is told, one answer a call; then the last one again.
type gates struct {
	mu      sync.Mutex
	answers []cairn.GateCheck
	errs    []error // before the answers
	asked   int
}

func (g *gates) CheckGate(_ context.Context, _ *cairn.Run, _, _ string) (cairn.GateCheck, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked++
	if len(g.errs) > 0 {
		err := g.errs[0]
		g.errs = g.errs[1:]
		return cairn.GateCheck{}, err
	}
	a := g.answers[0]
	if len(g.answers) > 1 {
		g.answers = g.answers[1:]
	}
	return a, nil
}

// gatedBench is a bench whose environment production has the given rules.
func gatedBench(t *testing.T, g run.Gates, rule cairn.Environment, script func(cairn.JobSpec) fake.Outcome) *bench {
	t.Helper()
	x := &bench{t: t, store: openStore(t, t.TempDir()), backend: fake.New(fake.Options{Script: script})}
	x.engine = run.New(run.Options{Store: x.store, Backend: x.backend, Resolver: resolver{}, Gates: g, Log: logger()})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		x.engine.Run(ctx)
	}()
	x.stop = func() { cancel(); <-done }
	t.Cleanup(func() { x.stop(); x.store.Close() })
	rule.Repository, rule.Name, rule.AllowDirty = "ana/digits", "production", true
	if err := x.store.PutEnvironment(context.Background(), rule, cairn.Change{By: "ana"}); err != nil {
		t.Fatal(err)
	}
	return x
}

func deployPlan() *cairn.Plan {
	d := node("deploy")
	d.Environment = &cairn.EnvironmentRef{Name: cairn.Str("production")}
	return planOf(d)
}

func TestApproveRequired(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	x := gatedBench(t, nil, cairn.Environment{Reviewers: []string{"ana", "ben", "eva", "dan"}, Required: 2, NoSelfReview: true}, nil)
	r := x.submit(deployPlan())
	x.until(r.ID, "it asks", func(s *cairn.RunSnapshot) bool { return len(s.Approvals) == 1 })
	for _, c := range []struct {
		by   string
		code cairn.Code
	}{{"eve", cairn.CodeForbidden}, {"ana", cairn.CodeForbidden}, {"ben", ""}, {"BEN", cairn.CodeConflict}} {
		if err := x.engine.Approve(ctx, r.ID, "Production", true, c.by, "seen by "+c.by); cairn.CodeOf(err) != c.code {
			t.Errorf("%s: %v", c.by, err)
		}
	}
	s := x.until(r.ID, "it says who is still asked", func(s *cairn.RunSnapshot) bool {
		return strings.Contains(jobOf(s, "deploy").Reason, "1 more of 2 approvals: eva or dan; approved by ben")
	})
	if a := s.Approvals[0]; a.State != run.ApprovalPending || len(a.Votes) != 1 || a.Votes[0].Comment != "seen by ben" {
		t.Errorf("after one vote: %+v", a)
	}
	if err := x.engine.Approve(ctx, r.ID, "production", true, "eva", ""); err != nil {
		t.Fatal(err)
	}
	s = x.ended(r.ID)
	if a := s.Approvals[0]; s.Run.Conclusion != cairn.Success || a.State != run.ApprovalApproved || a.By != "eva" || len(a.Votes) != 2 {
		t.Errorf("%+v: %+v", s.Run, a)
	}
	links, err := x.store.LinksFrom(ctx, cairn.RunRef(r.ID), cairn.JobRef(jobOf(s, "deploy").ID))
	if err != nil {
		t.Fatal(err)
	}
	var votes []string
	for _, l := range links {
		if l.Relation == cairn.RelApproved {
			votes = append(votes, string(l.From.Kind())+" "+string(l.To)+" "+l.Note)
		}
	}
	text := strings.Join(votes, "\n")
	for _, want := range []string{"run user/ben environment production, attempt 1: seen by ben", "job user/ben", "run user/eva", "job user/eva"} {
		if !strings.Contains(text, want) {
			t.Errorf("no link %q in\n%s", want, text)
		}
	}
	// Another decision on what is decided is refused.
	if err := x.engine.Approve(ctx, r.ID, "production", true, "dan", ""); cairn.CodeOf(err) != cairn.CodeConflict {
		t.Errorf("dan: %v", err)
	}
}

func TestRejectIsLinked(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	x := gatedBench(t, nil, cairn.Environment{Reviewers: []string{"ana", "ben"}, Required: 2}, nil)
	r := x.submit(deployPlan())
	x.until(r.ID, "it asks", func(s *cairn.RunSnapshot) bool { return len(s.Approvals) == 1 })
	if err := x.engine.Approve(ctx, r.ID, "production", true, "ana", ""); err != nil {
		t.Fatal(err)
	}
	if err := x.engine.Approve(ctx, r.ID, "production", false, "ana", "on second thought"); err != nil {
		t.Fatal(err)
	}
	s := x.ended(r.ID)
	if j := jobOf(s, "deploy"); j.Conclusion != cairn.Failure || !strings.Contains(j.Reason, "ana rejected environment production: on second thought") {
		t.Errorf("%+v", j)
	}
	links, err := x.store.LinksFrom(ctx, cairn.RunRef(r.ID))
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, l := range links {
		found = found || l.Relation == cairn.RelRejected && l.To == "user/ana" && strings.Contains(l.Note, "on second thought")
	}
	if !found {
		t.Errorf("no link to who rejected it: %+v", links)
	}
}

func TestGateOfEnvironment(t *testing.T) {
	t.Parallel()
	rule := cairn.Environment{Gate: `model.metrics.accuracy >= 0.9`}
	for _, c := range []struct {
		name    string
		g       *gates
		want    cairn.Conclusion
		reason  string
		state   string
		atLeast int
	}{
		{"holds", &gates{answers: []cairn.GateCheck{{State: cairn.GatePassed, Detail: "accuracy = 0.94"}}}, cairn.Success, "", cairn.GatePassed, 1},
		{"does not hold", &gates{answers: []cairn.GateCheck{{State: cairn.GateFailed, Detail: "accuracy = 0.8"}}}, cairn.Failure, "its gate does not hold: accuracy = 0.8", cairn.GateFailed, 1},
		{"lacks", &gates{answers: []cairn.GateCheck{{State: cairn.GateLacks, Detail: "no model"}}}, cairn.Failure, "its gate cannot be checked: no model", cairn.GateLacks, 1},
		{"again", &gates{errs: []error{cairn.Errorf(cairn.CodeUnavailable, "busy")}, answers: []cairn.GateCheck{{State: cairn.GatePassed}}}, cairn.Success, "", cairn.GatePassed, 2},
		{"broken", &gates{errs: []error{cairn.Errorf(cairn.CodeInvalid, "it is no condition")}}, cairn.Failure, "its gate does not hold: it is no condition", cairn.GateFailed, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x := gatedBench(t, c.g, rule, nil)
			r := x.submit(deployPlan())
			s := x.ended(r.ID)
			if s.Run.Conclusion != c.want || !strings.Contains(jobOf(s, "deploy").Reason, c.reason) {
				t.Errorf("%s: %s", s.Run.Conclusion, jobOf(s, "deploy").Reason)
			}
			a := s.Approvals[0]
			if a.Gate == nil || a.Gate.State != c.state || a.Gate.Expr != rule.Gate || a.State != run.ApprovalOpen || a.Gate.At.IsZero() {
				t.Errorf("kept: %+v %+v", a, a.Gate)
			}
			if c.g.asked < c.atLeast {
				t.Errorf("asked %d times", c.g.asked)
			}
		})
	}
	t.Run("none to ask", func(t *testing.T) {
		t.Parallel()
		x := gatedBench(t, nil, rule, nil)
		r := x.submit(deployPlan())
		if s := x.ended(r.ID); s.Run.Conclusion != cairn.Failure || !strings.Contains(jobOf(s, "deploy").Reason, "conditions are not evaluated here") {
			t.Errorf("%+v: %s", s.Run.Conclusion, jobOf(s, "deploy").Reason)
		}
	})
}

// stuck never answers before its owner ends.
type stuck struct{ asked chan struct{} }

func (g *stuck) CheckGate(ctx context.Context, _ *cairn.Run, _, _ string) (cairn.GateCheck, error) {
	close(g.asked)
	<-ctx.Done()
	return cairn.GateCheck{}, ctx.Err()
}

// An owner that ends while a gate is checked leaves the question to the next one.
func TestGateOutlivesOwner(t *testing.T) {
	t.Parallel()
	g := &stuck{make(chan struct{})}
	x := gatedBench(t, g, cairn.Environment{Gate: "run.actor == 'ana'"}, nil)
	r := x.submit(deployPlan())
	<-g.asked
	x.stop()
	e := run.New(run.Options{Store: x.store, Backend: x.backend, Resolver: resolver{}, Log: logger(),
		Gates: &gates{answers: []cairn.GateCheck{{State: cairn.GatePassed}}}})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); e.Run(ctx) }()
	x.stop = func() { cancel(); <-done }
	if s := x.ended(r.ID); s.Run.Conclusion != cairn.Success || s.Approvals[0].Gate.State != cairn.GatePassed {
		t.Errorf("%+v %+v", s.Run, s.Approvals)
	}
}

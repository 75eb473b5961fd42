package run_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
	"github.com/cairn-ml/cairn/internal/run"
)

// end is how a simulated job ends.
type end struct {
	conclusion cairn.Conclusion
	outputs    map[string]string
}

// sim drives Decide without an engine, a store or a clock: decide, fold, let one
// running job end, again. It checks on the way what must always hold.
type sim struct {
	t     fataler
	plan  *cairn.Plan
	state *run.State
	pools []run.Pool
	slots int
	vars  map[string]string
	// ends says how a job ends; choose which of the running ones is next.
	ends    func(path string) end
	choose  func(running []string) string
	shuffle func([]run.Action) []run.Action
	// open reports whether somebody is still to answer a question.
	open   func() bool
	onStep func(n int)

	now     time.Time
	nextID  cairn.JobID
	started map[string]bool
	trace   []string
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
}

var epoch0 = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func newSim(t fataler, p *cairn.Plan) *sim {
	snap := &cairn.RunSnapshot{
		Run: cairn.Run{
			ID: 7, Repository: "ana/digits", Ref: "refs/heads/main", Actor: "ana", Attempt: 1,
			Status: cairn.StatusQueued, Inputs: p.Inputs,
		},
		Attempt: cairn.Attempt{Run: 7, Number: 1, StartedAt: epoch0},
	}
	return &sim{
		t: t, plan: p, state: run.NewState(snap), slots: 3, now: epoch0, started: map[string]bool{},
		pools:  []run.Pool{{Slot: cairn.Slot{Name: "host", Labels: []string{"ubuntu-latest"}, Count: 3}}},
		ends:   func(string) end { return end{conclusion: cairn.Success} },
		choose: func(r []string) string { return r[0] },
	}
}

func (s *sim) facts() run.Facts {
	busy := 0
	for _, j := range s.state.Jobs {
		if j.Status == cairn.StatusRunning && !j.Call {
			busy++
		}
	}
	pools := slices.Clone(s.pools)
	for i := range pools {
		pools[i].Free = s.slots - busy
	}
	inputs := make([]expr.Field, 0)
	for _, in := range s.plan.Inputs {
		v, _ := expr.FromJSON(in.Value)
		inputs = append(inputs, expr.Field{Name: in.Name, Value: v})
	}
	return run.Facts{
		Now: s.now, Run: s.state.Run, Attempt: s.state.Attempt, Jobs: s.state.Jobs,
		Contexts: map[string]expr.Value{
			"github": expr.Object(expr.Field{Name: "ref", Value: expr.String(s.state.Run.Ref)}),
			"inputs": expr.Object(inputs...), "vars": expr.FromGo(s.vars),
		},
		Rules: s.state.Rules, Approvals: s.state.Approvals, Pools: pools,
	}
}

func (s *sim) expansions() []cairn.Expansion {
	var xs []cairn.Expansion
	for _, k := range slices.Sorted(maps.Keys(s.state.Expansions)) {
		xs = append(xs, s.state.Expansions[k])
	}
	return xs
}

// decide folds one decision and checks it.
func (s *sim) decide() (wake time.Time) {
	s.t.Helper()
	f := s.facts()
	acts := run.Decide(s.plan, s.expansions(), f)
	if again := run.Decide(s.plan, s.expansions(), f); !reflect.DeepEqual(describe(acts), describe(again)) {
		s.t.Fatalf("not deterministic:\n%v\n%v", describe(acts), describe(again))
	}
	before := snapshotOf(s.state)
	order := acts
	if s.shuffle != nil {
		order = s.shuffle(acts)
	}
	for _, a := range order {
		s.state.Fold(a, s.now)
	}
	if s.shuffle != nil {
		other := before
		for _, a := range acts {
			other.Fold(a, s.now)
		}
		if !reflect.DeepEqual(rows(s.state), rows(other)) {
			s.t.Fatalf("the order of actions on different jobs matters:\n%v\n%v", describe(order), describe(acts))
		}
	}
	for _, a := range acts {
		switch a := a.(type) {
		case run.CreateJob:
			s.nextID++
			s.state.Edit(a.Path, func(j *cairn.Job) { j.ID = s.nextID })
		case run.Start:
			s.checkStart(a.Path)
		case run.Wake:
			wake = a.At
		}
	}
	s.trace = append(s.trace, describe(acts)...)
	if f := s.facts(); s.state.Run.Status != cairn.StatusCompleted {
		for _, a := range run.Decide(s.plan, s.expansions(), f) {
			if _, ok := a.(run.Wake); !ok {
				s.t.Fatalf("deciding again gives %v after\n%v", describe([]run.Action{a}), describe(acts))
			}
		}
	}
	held := map[string]string{}
	for p, j := range s.state.Jobs {
		if j.Status != cairn.StatusRunning || !j.CancelAt.IsZero() {
			continue
		}
		groups := []string{strings.ToLower(j.Group)}
		if j.Called != nil {
			groups = append(groups, strings.ToLower(j.Called.Group))
		}
		for _, g := range groups {
			if g != "" && held[g] != "" {
				s.t.Fatalf("%s and %s are both in concurrency group %s", p, held[g], g)
			}
			held[g] = p
		}
	}
	busy := s.running()
	if len(busy) > s.slots {
		s.t.Fatalf("%d jobs on %d slots", len(busy), s.slots)
	}
	for node, x := range s.state.Expansions {
		n := 0
		for _, p := range busy {
			if strings.HasPrefix(p, node+"[") && !strings.Contains(p[len(node):], "]/") {
				n++
			}
		}
		if x.MaxParallel > 0 && n > x.MaxParallel {
			s.t.Fatalf("%d of %s run, max-parallel is %d", n, node, x.MaxParallel)
		}
	}
	return wake
}

func (s *sim) checkStart(path string) {
	s.t.Helper()
	if s.started[path] {
		s.t.Fatalf("%s is started twice", path)
	}
	s.started[path] = true
	for _, need := range s.needsOf(path) {
		found := false
		for p, j := range s.state.Jobs {
			if p == need || strings.HasPrefix(p, need+"[") || strings.HasPrefix(p, need+"/") {
				found = true
				if j.Status != cairn.StatusCompleted {
					s.t.Fatalf("%s started while %s, which it needs, is %s", path, p, j.Status)
				}
			}
		}
		if !found {
			s.t.Fatalf("%s started although nothing is known of %s, which it needs", path, need)
		}
	}
}

// needsOf lists the instance paths of the nodes that a job, or a call around it,
// needs.
func (s *sim) needsOf(path string) []string {
	var out []string
	var walk func(nodes []cairn.Node, prefix string)
	walk = func(nodes []cairn.Node, prefix string) {
		for _, n := range nodes {
			at := prefix + n.ID
			rest, ok := strings.CutPrefix(path, at)
			if !ok || rest != "" && rest[0] != '[' && rest[0] != '/' {
				continue
			}
			for _, need := range n.Needs {
				out = append(out, prefix+need)
			}
			if i := strings.IndexByte(rest, '/'); i >= 0 {
				walk(n.Body, at+rest[:i+1])
			}
		}
	}
	walk(s.plan.Nodes, "")
	return out
}

func (s *sim) running() []string {
	var out []string
	for p, j := range s.state.Jobs {
		if j.Status == cairn.StatusRunning && !j.Call {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return out
}

// run goes on until the run is completed.
func (s *sim) run() {
	s.t.Helper()
	for n := 0; s.state.Run.Status != cairn.StatusCompleted; n++ {
		if n > 2000 {
			s.t.Fatalf("it does not end:\n%s", strings.Join(s.trace[max(0, len(s.trace)-40):], "\n"))
		}
		if s.onStep != nil {
			s.onStep(n)
		}
		wake := s.decide()
		if s.state.Run.Status == cairn.StatusCompleted {
			break
		}
		s.now = s.now.Add(time.Second)
		busy := s.running()
		if len(busy) == 0 {
			if wake.IsZero() && s.open != nil && s.open() {
				continue
			}
			if wake.IsZero() {
				s.t.Fatalf("wedged: nothing runs and nothing is to come:\n%s\n%v", strings.Join(s.trace, "\n"), s.describeJobs())
			}
			s.now = wake
			continue
		}
		path := s.choose(busy)
		e := end{conclusion: cairn.Cancelled}
		if s.state.Jobs[path].CancelAt.IsZero() {
			e = s.ends(path)
		}
		s.state.Fold(run.Finish{Path: path, Conclusion: e.conclusion}, s.now)
		s.state.Edit(path, func(j *cairn.Job) { j.Outputs = e.outputs })
	}
	if strings.HasPrefix(s.state.Run.Reason, "a defect") {
		s.t.Fatalf("%s:\n%s", s.state.Run.Reason, s.describeJobs())
	}
	for p, j := range s.state.Jobs {
		if j.Status != cairn.StatusCompleted || j.Conclusion == "" || j.FinishedAt.IsZero() {
			s.t.Fatalf("the run is completed, %s is %s %q", p, j.Status, j.Conclusion)
		}
	}
}

func (s *sim) describeJobs() string {
	var b strings.Builder
	for _, p := range slices.Sorted(maps.Keys(s.state.Jobs)) {
		j := s.state.Jobs[p]
		fmt.Fprintf(&b, "%s %s %s %s\n", p, j.Status, j.Conclusion, j.Reason)
	}
	return b.String()
}

func describe(acts []run.Action) []string {
	out := make([]string, len(acts))
	for i, a := range acts {
		out[i] = fmt.Sprintf("%T%+v", a, a)
	}
	return out
}

func rows(s *run.State) map[string]cairn.Job {
	out := map[string]cairn.Job{}
	for p, j := range s.Jobs {
		out[p] = *j
	}
	return out
}

func snapshotOf(s *run.State) *run.State {
	snap := &cairn.RunSnapshot{Run: s.Run, Attempt: s.Attempt}
	for _, x := range s.Expansions {
		snap.Expansions = append(snap.Expansions, x)
	}
	for _, j := range s.Jobs {
		snap.Jobs = append(snap.Jobs, *j)
	}
	for _, a := range s.Approvals {
		snap.Approvals = append(snap.Approvals, a)
	}
	for _, r := range s.Rules {
		snap.Rules = append(snap.Rules, r)
	}
	return run.NewState(snap)
}

var _ fataler = (*testing.T)(nil)

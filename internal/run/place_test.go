package run_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/run"
	"github.com/cairn-ml/cairn/internal/runner/fake"
)

// placed is a job that asks for a place.
func placed(id, place string) cairn.Node {
	n := node(id)
	n.Place = place
	return n
}

// TestPlaceDecides: what a place says of a job that is ready.
func TestPlaceDecides(t *testing.T) {
	t.Parallel()
	spread := placed("a", "Pool")
	spread.Task = &cairn.Task{Kind: cairn.TaskCommand, Spread: &cairn.Spread{Kind: "mpi", Processes: 1, Nodes: 3}}
	for _, c := range []struct {
		name  string
		node  cairn.Node
		place run.Place
		want  string // the reason; "" begins
	}{
		{"free", placed("a", "Pool"), run.Place{Place: cairn.Place{Label: "compute Pool", Count: 2}, Busy: 1}, ""},
		{"busy", placed("a", "Pool"), run.Place{Place: cairn.Place{Label: "compute Pool", Count: 2}, Busy: 2}, "waits for compute Pool: 2 of 2 instances are busy"},
		{"closed", placed("a", "POOL"), run.Place{Place: cairn.Place{Label: "compute Pool", Count: 2, Closed: "it is stopped"}}, "waits for compute Pool: it is stopped"},
		{"none", placed("a", "Pool"), run.Place{Place: cairn.Place{Label: "compute Pool"}}, "waits for compute Pool: it asks for 1 instances, and there are at most 0"},
		{"unknown", placed("a", "Other"), run.Place{Place: cairn.Place{Label: "compute Pool"}}, ""},
		{"nowhere", placed("a", ""), run.Place{Place: cairn.Place{Label: "compute Pool"}}, ""},
		{"spread", spread, run.Place{Place: cairn.Place{Label: "compute Pool", Count: 4}, Busy: 2}, "waits for compute Pool: 2 of 4 instances are busy"},
		{"too wide", spread, run.Place{Place: cairn.Place{Label: "compute Pool", Count: 2}}, "waits for compute Pool: it asks for 3 instances, and there are at most 2"},
	} {
		s := newSim(t, planOf(c.node))
		f := s.facts()
		f.Places = map[string]run.Place{"pool": c.place}
		got := strings.Join(describe(run.Decide(s.plan, nil, f)), "\n")
		if c.want == "" && !strings.Contains(got, "run.Start{") || c.want != "" && !strings.Contains(got, "run.Queue{Path:a Reason:"+c.want+"}") {
			t.Errorf("%s: %s", c.name, got)
		}
	}
}

// TestPlaceWithinOneDecision: jobs that become ready together do not take more than there is.
func TestPlaceWithinOneDecision(t *testing.T) {
	t.Parallel()
	s := newSim(t, planOf(placed("a", "pool"), placed("b", "pool"), placed("c", "pool"), node("d")))
	f := s.facts()
	f.Places = map[string]run.Place{"pool": {Place: cairn.Place{Label: "pool", Count: 2}}}
	f.Pools[0].Free = 4
	got := strings.Join(describe(run.Decide(s.plan, nil, f)), "\n")
	if strings.Count(got, "run.Start{") != 3 || !strings.Contains(got, "run.Queue{Path:c Reason:waits for pool: 2 of 2 instances are busy}") {
		t.Error(got)
	}
}

// TestPlaceAcrossRuns: jobs of several runs share a place; one that is widened or opened lets
// those that wait begin.
func TestPlaceAcrossRuns(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	st := openStore(t, t.TempDir())
	var mu sync.Mutex
	pool := cairn.Place{Label: "compute pool", Count: 1}
	var used []int
	backend := fake.New(fake.Options{Slots: []cairn.Slot{{Name: "host", Labels: []string{"ubuntu-latest"}, Count: 8}},
		Script: func(cairn.JobSpec) fake.Outcome { return fake.Outcome{Hold: true} }})
	e := run.New(run.Options{Store: st, Backend: backend, Resolver: resolver{}, Log: logger(), Places: func(context.Context) (map[string]cairn.Place, error) {
		mu.Lock()
		defer mu.Unlock()
		return map[string]cairn.Place{"pool": pool}, nil
	}, OnUse: func(m map[string]int) {
		mu.Lock()
		defer mu.Unlock()
		used = append(used, m["pool"])
	}})
	x := &bench{t: t, store: st, backend: backend, engine: e}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); e.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; st.Close() })
	runs := func(id cairn.RunID, job string) {
		x.until(id, job+" runs", func(s *cairn.RunSnapshot) bool { return jobOf(s, job).PID != 0 })
	}
	waits := func(id cairn.RunID, job, why string) {
		x.until(id, why, func(s *cairn.RunSnapshot) bool {
			j := jobOf(s, job)
			return j.Status == cairn.StatusQueued && j.Reason == why
		})
	}
	change := func(c func()) {
		mu.Lock()
		c()
		mu.Unlock()
		e.Wake()
	}
	var ids []cairn.RunID
	for i := range 3 {
		ids = append(ids, x.submit(planOf(placed(fmt.Sprintf("j%d", i), "Pool"))).ID)
		if i == 0 {
			runs(ids[0], "j0")
		}
	}
	waits(ids[1], "j1", "waits for compute pool: 1 of 1 instances are busy")
	waits(ids[2], "j2", "waits for compute pool: 1 of 1 instances are busy")
	change(func() { pool.Count = 2 })
	runs(ids[1], "j1")
	waits(ids[2], "j2", "waits for compute pool: 2 of 2 instances are busy")
	change(func() { pool.Closed = "it is stopped" })
	waits(ids[2], "j2", "waits for compute pool: it is stopped")
	for i, job := range []string{"j0", "j1"} { // what runs goes on
		backend.Finish(job, fake.Outcome{})
		if s := x.ended(ids[i]); s.Run.Conclusion != cairn.Success {
			t.Errorf("%+v", s.Run)
		}
	}
	change(func() { pool.Closed = "" })
	runs(ids[2], "j2")
	backend.Finish("j2", fake.Outcome{})
	x.ended(ids[2])
	deadline := time.Now().Add(10 * time.Second)
	for {
		mu.Lock()
		got := fmt.Sprint(used)
		mu.Unlock()
		// The engine may have looked before the first run was there.
		if strings.Replace(got, "[0 1", "[1", 1) == "[1 2 1 0 1 0]" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("told: %s", got)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

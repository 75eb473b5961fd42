package run_test

import (
	"context"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/store"
)

// checkFold folds a run's events and compares with its rows.
func checkFold(t testing.TB, st *store.Store, id cairn.RunID) {
	t.Helper()
	ctx := context.Background()
	events, err := st.Events(ctx, id, 0, 100_000)
	if err != nil {
		t.Fatal(err)
	}
	var run cairn.Run
	attempts := map[int]cairn.Attempt{}
	jobs := map[cairn.JobID]cairn.Job{}
	steps := map[cairn.JobID]map[int]cairn.StepRow{}
	expansions := map[int]map[string]cairn.Expansion{}
	into := func(e cairn.Event, v any) {
		if err := json.Unmarshal(e.Data, v); err != nil {
			t.Fatal(err)
		}
	}
	for i, e := range events {
		if e.Seq != int64(i+1) {
			t.Fatalf("event %d has number %d", i+1, e.Seq)
		}
		switch e.Kind {
		case cairn.EvRunCreated, cairn.EvRunChanged:
			run = cairn.Run{}
			into(e, &run)
		case cairn.EvAttempt:
			var a cairn.Attempt
			into(e, &a)
			attempts[a.Number] = a
		case cairn.EvRunExpanded:
			var x cairn.Expanded
			into(e, &x)
			if expansions[x.Attempt] == nil {
				expansions[x.Attempt] = map[string]cairn.Expansion{}
			}
			expansions[x.Attempt][x.Expansion.Node] = x.Expansion
		case cairn.EvJobCreated, cairn.EvJobChanged:
			var j cairn.Job
			into(e, &j)
			if _, there := jobs[j.ID]; there == (e.Kind == cairn.EvJobCreated) {
				t.Errorf("%s of job %d, which is there: %v", e.Kind, j.ID, there)
			}
			jobs[j.ID] = j
		case cairn.EvStepChanged:
			var s cairn.StepRow
			into(e, &s)
			if steps[s.Job] == nil {
				steps[s.Job] = map[int]cairn.StepRow{}
			}
			steps[s.Job][s.Number] = s
		}
	}
	row, err := st.Run(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	run.Version, run.Payload = row.Version, row.Payload // not part of events
	same(t, "run", run, row)
	seen := map[cairn.JobID]bool{}
	for n := 1; n <= row.Attempt; n++ {
		snap, err := st.RunSnapshot(ctx, id, n)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "attempt", attempts[n], snap.Attempt)
		for _, x := range snap.Expansions {
			same(t, "expansion", expansions[n][x.Node], x)
		}
		if len(snap.Expansions) != len(expansions[n]) {
			t.Errorf("%d expansions, folded %d", len(snap.Expansions), len(expansions[n]))
		}
		for _, j := range snap.Jobs {
			same(t, "job", jobs[j.ID], j)
			ss, err := st.Steps(ctx, j.ID)
			if err != nil {
				t.Fatal(err)
			}
			if len(ss) != len(steps[j.ID]) {
				t.Errorf("%d steps, folded %d", len(ss), len(steps[j.ID]))
			}
			for _, s := range ss {
				same(t, "step", steps[j.ID][s.Number], s)
			}
			seen[j.ID] = true
		}
	}
	if len(jobs) != len(seen) {
		t.Errorf("%d jobs have rows, %d have events", len(seen), len(jobs))
	}
}

func same(t testing.TB, what string, folded, row any) {
	t.Helper()
	if !reflect.DeepEqual(folded, row) {
		t.Errorf("%s: events fold to\n%+v\nthe row is\n%+v", what, folded, row)
	}
}

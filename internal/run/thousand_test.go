package run_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/plan"
	"github.com/cairn-ml/cairn/internal/run"
	"github.com/cairn-ml/cairn/internal/runner/fake"
	"github.com/cairn-ml/cairn/internal/workflow"
)

// legsFile is a workflow whose jobs have n legs in all, 250 each, and one job behind
// them.
func legsFile(n int) []byte {
	var b strings.Builder
	b.WriteString("on: push\nenv: {ALL: \"1\"}\njobs:\n")
	var needs, values []string
	for i := range 25 {
		values = append(values, fmt.Sprint(i))
	}
	for i := range n / 250 {
		id := fmt.Sprintf("legs%d", i)
		needs = append(needs, id)
		fmt.Fprintf(&b, "  %s:\n    strategy:\n      fail-fast: false\n      matrix:\n        a: [%s]\n        b: [1, '1', true, x, 2.5, y, z, u, v, w]\n",
			id, strings.Join(values, ", "))
		b.WriteString("        include: [{a: 7, extra: yes}]\n        exclude: []\n")
		b.WriteString("    if: github.ref == 'refs/heads/main'\n    name: leg ${{ matrix.a }} ${{ matrix.b }}\n    runs-on: ubuntu-latest\n")
		b.WriteString("    env: {LEG: \"${{ matrix.a }}\"}\n    steps: [{run: echo}]\n")
	}
	fmt.Fprintf(&b, "  last:\n    needs: [%s]\n    runs-on: ubuntu-latest\n    steps: [{run: echo}]\n", strings.Join(needs, ", "))
	return []byte(b.String())
}

func legsPlan(t testing.TB, n int) *cairn.Plan {
	t.Helper()
	src := legsFile(n)
	w, problems := workflow.Parse(".github/workflows/legs.yml", src)
	if cairn.HasErrors(problems) {
		t.Fatal(workflow.Render(problems, src))
	}
	p, _, problems := plan.Build(w, src, plan.Trigger{Event: "push", Ref: "refs/heads/main"}, nil)
	if cairn.HasErrors(problems) {
		t.Fatal(workflow.Render(problems, src))
	}
	return p
}

// expanded parses, plans and decides until every leg is there.
func expanded(t testing.TB, n int) *sim {
	t.Helper()
	s := newSim(t, legsPlan(t, n))
	s.state.Run.Ref = "refs/heads/main"
	s.slots = 16
	f := s.facts()
	for _, a := range run.Decide(s.plan, nil, f) {
		s.state.Fold(a, s.now)
	}
	if len(s.state.Jobs) != n+1 {
		t.Fatalf("%d jobs instead of %d", len(s.state.Jobs), n+1)
	}
	return s
}

// TestThousandLegsMemory: a workflow of 1,000 legs is read, planned and expanded
// within 300 MB of allocations in all, and a leg costs the same among 250 and 1,000.
func TestThousandLegsMemory(t *testing.T) {
	allocated := func(n int) uint64 {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		expanded(t, n)
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	few, many := allocated(250), allocated(1000)
	t.Logf("250 legs: %d kB, 1,000 legs: %d kB", few>>10, many>>10)
	if many > 300<<20 {
		t.Errorf("1,000 legs allocate %d MB", many>>20)
	}
	if many > 8*few {
		t.Errorf("1,000 legs allocate %d kB, 250 only %d kB: more than in proportion", many>>10, few>>10)
	}
}

// BenchmarkThousandLegs is from the bytes of a workflow to 1,000 jobs.
func BenchmarkThousandLegs(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		expanded(b, 1000)
	}
}

// BenchmarkThousandLegsDecide is one more decision among 1,000 legs, as each report of
// a job asks for it.
func BenchmarkThousandLegsDecide(b *testing.B) {
	s := expanded(b, 1000)
	f, xs := s.facts(), s.expansions()
	b.ReportAllocs()
	for b.Loop() {
		run.Decide(s.plan, xs, f)
	}
}

// BenchmarkThousandLegsRun is a whole run of 1,001 jobs on the fake backend, with a
// real database.
func BenchmarkThousandLegsRun(b *testing.B) {
	p := legsPlan(b, 1000)
	for b.Loop() {
		x := newBench(b, fake.New(fake.Options{Slots: []cairn.Slot{{Name: "f", Labels: []string{"ubuntu-latest"}, Count: 32}}}))
		x.ended(x.submit(p).ID)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*1001), "µs/job")
}

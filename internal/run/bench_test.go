package run_test

import (
	"fmt"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/run"
	"github.com/cairn-ml/cairn/internal/runner/fake"
)

func wide(n int) *cairn.Plan {
	nodes := []cairn.Node{node("first")}
	for i := range n {
		nodes = append(nodes, node(name("w", i), "first"))
	}
	return planOf(nodes...)
}

func legs(n int) *cairn.Plan {
	var values []string
	for i := range n {
		values = append(values, fmt.Sprint(i))
	}
	x := node("leg")
	x.Strategy = genFixedStrategy(values...)
	return planOf(x)
}

// A decision in the middle of a run: everything there, half of it running.
func BenchmarkDecide(b *testing.B) {
	for _, c := range []struct {
		name string
		plan *cairn.Plan
	}{{"chain20", chain(20)}, {"wide50", wide(50)}, {"matrix256", legs(256)}} {
		s := newSim(b, c.plan)
		s.slots = 128
		s.decide()
		f, xs := s.facts(), s.expansions()
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				run.Decide(c.plan, xs, f)
			}
		})
	}
}

// From submission to the end, on the fake backend and a real database.
func BenchmarkEngine(b *testing.B) {
	for _, c := range []struct {
		name string
		plan *cairn.Plan
		jobs int
	}{{"chain20", chain(20), 20}, {"wide50", wide(50), 51}, {"matrix256", legs(256), 256}} {
		b.Run(c.name, func(b *testing.B) {
			x := newBench(b, fake.New(fake.Options{Slots: []cairn.Slot{{Name: "f", Labels: []string{"ubuntu-latest"}, Count: 16}}}))
			b.ResetTimer()
			for range b.N {
				x.ended(x.submit(c.plan).ID)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*c.jobs), "µs/job")
		})
	}
}

package sweep_test

import (
	"math"
	"slices"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/sweep"
	"pgregory.net/rapid"
)

// TestLongSeries: of 100,000 points the count, the best and the sum are right, however
// few are kept, and the best is one that is not kept.
func TestLongSeries(t *testing.T) {
	t.Parallel()
	const n = 100_000
	w := &cairn.Sweep{Goal: "maximize", Stop: &cairn.EarlyStop{Type: "bandit", Interval: 1, Delay: 500}}
	var kept []cairn.Score
	sum := 0.0
	for i := range n {
		v := math.Sin(float64(i))
		if i == 77_777 {
			v = 5
		}
		sum += v
		kept = sweep.Log(w, kept, int64(i), v)
	}
	last := kept[len(kept)-1]
	if best, ok := sweep.Best(kept); !ok || best != 5 || last.Points != n || last.Step != n-1 || last.Sum != sum {
		t.Errorf("best %v, %+v; the sum is %v", best, last, sum)
	}
	if len(kept) > 320 {
		t.Errorf("%d are kept", len(kept))
	}
	if kept[0].Points != 500 || kept[127].Points != 627 || kept[128].Points != 628 || kept[129].Points != 636 {
		t.Errorf("the first are %+v", kept[:130])
	}
	w.Stop = nil
	kept = nil
	for i := range 100 {
		kept = sweep.Log(w, kept, 0, float64(i))
	}
	if len(kept) != 1 || kept[0] != (cairn.Score{Step: 99, Value: 99, Points: 100, Best: 99, Sum: 4950}) {
		t.Errorf("without a policy and steps: %+v", kept)
	}
}

// TestOddPoints: what is no number counts for nothing, and numbers of any size stay numbers.
func TestOddPoints(t *testing.T) {
	t.Parallel()
	big := math.MaxFloat64
	kept := scores(math.NaN(), big, math.Inf(1), big, math.Inf(-1), -big, big)
	if len(kept) != 1 || kept[0].Points != 4 || kept[0].Best != big || math.IsInf(kept[0].Sum, 0) {
		t.Errorf("%+v", kept)
	}
	if _, ok := sweep.Best(scores(math.NaN())); ok {
		t.Error("a series without numbers has a best")
	}
}

// TestKept: two series of any lengths are kept at the same points, as far as both go.
func TestKept(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := &cairn.EarlyStop{Interval: rapid.IntRange(0, 50).Draw(t, "interval"), Delay: rapid.IntRange(0, 3000).Draw(t, "delay")}
		points := func(n int) (out []int) {
			for _, s := range logged(p, "minimize", make([]float64, n)...) {
				out = append(out, s.Points)
			}
			return out
		}
		short := points(rapid.IntRange(1, 4000).Draw(t, "points"))
		long := points(5000)
		marks := short[:len(short)-1]
		if !slices.Equal(marks, long[:len(marks)]) {
			t.Fatalf("%v and %v", short, long)
		}
		first := max(p.Delay, 1)
		for first%max(p.Interval, 1) != 0 {
			first++
		}
		if first < 5000 && long[0] != first {
			t.Fatalf("the first look is at %d, not %d", long[0], first)
		}
	})
}

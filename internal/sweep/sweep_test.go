package sweep_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/sweep"
	"pgregory.net/rapid"
)

func raw(ss ...string) (out []json.RawMessage) {
	for _, s := range ss {
		out = append(out, json.RawMessage(s))
	}
	return out
}

func values(t interface{ Fatal(...any) }, text json.RawMessage) map[string]any {
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err, string(text))
	}
	return m
}

func TestGrid(t *testing.T) {
	t.Parallel()
	s := &cairn.Sweep{Algorithm: "grid", Space: []cairn.Range{
		{Name: "lr", Type: "choice", Values: raw("0.1", "0.2")},
		{Name: "net", Type: "choice", Values: raw(`"flat"`, `{"layers":{}}`), Spaces: [][]cairn.Range{nil, {{Name: "layers", Type: "choice", Values: raw("2", "3")}}}},
	}}
	seen := map[string]bool{}
	for i := 0; ; i++ {
		v, ok := sweep.Next(s, i, nil)
		if !ok {
			break
		}
		if seen[string(v)] {
			t.Fatalf("%s comes twice", v)
		}
		seen[string(v)] = true
		if i == 1 && string(v) != `{"lr":0.1,"net":{"layers":2}}` {
			t.Errorf("the second point is %s", v)
		}
	}
	if len(seen) != 6 {
		t.Errorf("%d points: %v", len(seen), seen)
	}
}

// TestRanges: every value is in its range, and the same question gets the same answer.
func TestRanges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lo := rapid.Float64Range(-5, 5).Draw(t, "lo")
		hi := lo + rapid.Float64Range(0.01, 5).Draw(t, "width")
		s := &cairn.Sweep{
			Algorithm: rapid.SampledFrom([]string{"random", "bayesian"}).Draw(t, "algorithm"), Rule: rapid.SampledFrom([]string{"", "sobol"}).Draw(t, "rule"),
			Seed: rapid.Int64().Draw(t, "seed"), Goal: "maximize",
			Space: []cairn.Range{
				{Name: "u", Type: "uniform", Min: lo, Max: hi}, {Name: "l", Type: "loguniform", Min: lo, Max: hi}, {Name: "i", Type: "randint", Upper: 7},
				{Name: "c", Type: "choice", Values: raw(`"a"`, `"b"`)}, {Name: "q", Type: "quniform", Min: 0, Max: 1, Q: 0.1}, {Name: "n", Type: "normal", Mu: 1, Sigma: 2},
				{Name: "ln", Type: "lognormal", Mu: 0, Sigma: 1},
			},
		}
		n := rapid.IntRange(0, 500).Draw(t, "number")
		text, ok := sweep.Next(s, n, nil)
		if again, _ := sweep.Next(s, n, nil); !ok || string(again) != string(text) {
			t.Fatalf("%s, then %s", text, again)
		}
		v := values(t, text)
		u, l, i, q := v["u"].(float64), v["l"].(float64), v["i"].(float64), v["q"].(float64)
		if u < lo || u > hi || l < math.Exp(lo)*0.999 || l > math.Exp(hi)*1.001 || i < 0 || i > 6 || i != math.Floor(i) || q < 0 || q > 1 || v["ln"].(float64) <= 0 {
			t.Fatalf("%s is out of range", text)
		}
		if math.Abs(q*10-math.Round(q*10)) > 1e-9 {
			t.Fatalf("q %v is no step of 0.1", q)
		}
	})
}

// TestSobol: the first 2^k points fill each of 2^k equal parts once, in each dimension.
func TestSobol(t *testing.T) {
	t.Parallel()
	var space []cairn.Range
	for i := range 21 {
		space = append(space, cairn.Range{Name: string(rune('a' + i)), Type: "uniform", Max: 1})
	}
	s := &cairn.Sweep{Algorithm: "random", Rule: "sobol", Space: space}
	const n = 64
	parts := map[string]map[int]bool{}
	for i := range n {
		v, _ := sweep.Next(s, i, nil)
		for name, x := range values(t, v) {
			if parts[name] == nil {
				parts[name] = map[int]bool{}
			}
			parts[name][int(x.(float64)*n)] = true
		}
	}
	for name, p := range parts {
		if len(p) != n {
			t.Errorf("%s: %d of %d parts are filled", name, len(p), n)
		}
	}
}

// TestBayesian finds a maximum better than chance does.
func TestBayesian(t *testing.T) {
	t.Parallel()
	score := func(v map[string]any) float64 {
		x := v["x"].(float64) - 0.3
		bonus := 0.0
		if v["c"] == "good" {
			bonus = 1
		}
		return bonus - x*x
	}
	wins := 0
	for seed := range int64(10) {
		best := map[string]float64{}
		for _, algorithm := range []string{"random", "bayesian"} {
			s := &cairn.Sweep{Algorithm: algorithm, Seed: seed + 1, Goal: "maximize", Space: []cairn.Range{
				{Name: "x", Type: "uniform", Min: -10, Max: 10}, {Name: "c", Type: "choice", Values: raw(`"bad"`, `"good"`, `"other"`)}}}
			best[algorithm] = math.Inf(-1)
			var tried []sweep.Trial
			for i := range 40 {
				v, _ := sweep.Next(s, i, tried)
				got := score(values(t, v))
				best[algorithm] = math.Max(best[algorithm], got)
				tried = append(tried, sweep.Trial{Values: v, Done: true, Scores: scores(got)})
			}
		}
		if best["bayesian"] >= best["random"] {
			wins++
		}
	}
	if wins < 7 {
		t.Errorf("it was better in %d of 10 searches", wins)
	}
}

package sweep_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/sweep"
	"pgregory.net/rapid"
)

// draws are the first n values of a parameter that is searched alone.
func draws(t testing.TB, s cairn.Sweep, r cairn.Range, n int) []float64 {
	t.Helper()
	r.Name, s.Goal = "x", "maximize"
	s.Space = []cairn.Range{r}
	var out []float64
	for i := range n {
		v, ok := sweep.Next(&s, i, nil)
		if !ok {
			t.Fatal("there is no more")
		}
		out = append(out, values(t, v)["x"].(float64))
	}
	return out
}

// TestDistributions holds the values of each distribution against what the documentation
// of Azure Machine Learning says it is: how many are to be no more than x.
func TestDistributions(t *testing.T) {
	t.Parallel()
	uniform := func(x float64) float64 { return math.Min(math.Max((x+1)/3, 0), 1) } // from -1 to 2
	normal := func(x float64) float64 { return math.Erfc(-(x-1)/2/math.Sqrt2) / 2 } // mu 1, sigma 2
	of := func(f func(float64) float64, g func(float64) float64) func(float64) float64 {
		return func(x float64) float64 {
			if x <= 0 {
				return 0
			}
			return f(g(x))
		}
	}
	const n = 4000
	for _, c := range []struct {
		r    cairn.Range
		base float64
		cdf  func(float64) float64
	}{
		{cairn.Range{Type: "uniform", Min: -1, Max: 2}, 0, uniform},
		{cairn.Range{Type: "quniform", Min: -1, Max: 2, Q: 0.25}, 0, uniform},
		{cairn.Range{Type: "loguniform", Min: -1, Max: 2}, 0, of(uniform, math.Log)},
		{cairn.Range{Type: "loguniform", Min: -1, Max: 2}, 10, of(uniform, math.Log10)},
		{cairn.Range{Type: "qloguniform", Min: -1, Max: 2, Q: 0.5}, 0, of(uniform, math.Log)},
		{cairn.Range{Type: "normal", Mu: 1, Sigma: 2}, 0, normal},
		{cairn.Range{Type: "qnormal", Mu: 1, Sigma: 2, Q: 0.3}, 0, normal},
		{cairn.Range{Type: "lognormal", Mu: 1, Sigma: 2}, 0, of(normal, math.Log)},
		{cairn.Range{Type: "lognormal", Mu: 1, Sigma: 2}, 2, of(normal, math.Log2)},
		{cairn.Range{Type: "qlognormal", Mu: 1, Sigma: 2, Q: 2}, 0, of(normal, math.Log)},
		{cairn.Range{Type: "randint", Upper: 6}, 0, func(x float64) float64 { return math.Min(math.Floor(x)+1, 6) / 6 }},
	} {
		for _, rule := range []string{"random", "sobol"} {
			got := draws(t, cairn.Sweep{Algorithm: "random", Rule: rule, Seed: 7, Logbase: c.base}, c.r, n)
			slices.Sort(got)
			bound := 1.63 / math.Sqrt(n) // of Kolmogorov and Smirnov, for one in a hundred
			if rule == "sobol" {
				bound = 0.003
			}
			for i, x := range got {
				if i+1 < n && got[i+1] == x {
					continue
				}
				// A multiple of q stands for all that is rounded to it.
				if want := c.cdf(x + c.r.Q/2); math.Abs(float64(i+1)/n-want) > bound {
					t.Errorf("%s %+v: %d of %d are %g or less, which %.4g should be", rule, c.r, i+1, n, x, want)
					break
				}
			}
			if c.r.Type == "randint" && (got[0] != 0 || got[n-1] != 5) {
				t.Errorf("%s: from %g to %g", rule, got[0], got[n-1])
			}
		}
	}
}

// TestMultiples: a value of a distribution with a q is a multiple of it, and is written
// with no more digits than q has.
func TestMultiples(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		q := rapid.SampledFrom([]float64{0.1, 0.25, 0.03125, 1e-7, 1.1, 3, 0.3333333333333333, 1000, 1e-300, 5e-324}).Draw(t, "q")
		r := cairn.Range{Type: rapid.SampledFrom([]string{"quniform", "qloguniform", "qnormal", "qlognormal"}).Draw(t, "type"), Name: "x", Q: q,
			Min: -2, Max: rapid.SampledFrom([]float64{-1, 0.5, 9}).Draw(t, "max"), Mu: 1, Sigma: rapid.SampledFrom([]float64{0, 2, 1e3}).Draw(t, "sigma")}
		s := &cairn.Sweep{Algorithm: "random", Seed: rapid.Int64().Draw(t, "seed"), Space: []cairn.Range{r}}
		text, _ := sweep.Next(s, rapid.IntRange(0, 99).Draw(t, "number"), nil)
		x := values(t, text)["x"].(float64)
		if strings.Contains(string(text), "-0}") {
			t.Fatalf("%s", text)
		}
		if math.Abs(x) > 1e10*q {
			return // the digits of a float do not reach that far
		}
		if k := x / q; math.Abs(k-math.Round(k)) > 1e-4 {
			t.Fatalf("%s is %g times %g", text, k, q)
		}
		digits := func(f float64) int {
			_, after, _ := strings.Cut(strconv.FormatFloat(f, 'f', -1, 64), ".")
			return len(after)
		}
		if digits(x) > digits(q) {
			t.Fatalf("%s has more digits than %g", text, q)
		}
	})
}

// TestExtremes: whatever a range holds, a value is a number.
func TestExtremes(t *testing.T) {
	t.Parallel()
	for _, r := range []cairn.Range{
		{Type: "loguniform", Min: 1000, Max: 2000}, {Type: "lognormal", Mu: 1e300, Sigma: 1}, {Type: "normal", Mu: -1.7e308, Sigma: 1e308},
		{Type: "qlognormal", Mu: 700, Sigma: 300, Q: 1e-9}, {Type: "qnormal", Mu: 1.7e308, Sigma: 1e300, Q: 1e308}, {Type: "uniform", Min: 3, Max: 3}, {Type: "randint", Upper: 1},
		{Type: "randint", Upper: math.MaxInt64},
	} {
		for i, x := range draws(t, cairn.Sweep{Algorithm: "random", Seed: 1}, r, 100) {
			if math.IsInf(x, 0) || math.IsNaN(x) || r.Type == "loguniform" && x == 0 {
				t.Fatalf("%+v: value %d is %g", r, i, x)
			}
		}
	}
}

func nested() []cairn.Range {
	return []cairn.Range{
		{Name: "net", Type: "choice", Values: raw(`"flat"`, `{}`, `{}`), Spaces: [][]cairn.Range{nil,
			{{Name: "layers", Type: "choice", Values: raw("1", "2")}, {Name: "lr", Type: "uniform", Min: 5, Max: 6}}, {{Name: "depth", Type: "quniform", Min: 1, Max: 9, Q: 1}}}},
		{Name: "lr", Type: "uniform", Max: 1},
	}
}

// TestSeeds: a seed fixes all trials, and another one makes others.
func TestSeeds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Int64().Draw(t, "seed")
		all := func(algorithm, rule string, seed int64) string {
			s := &cairn.Sweep{Algorithm: algorithm, Rule: rule, Seed: seed, Goal: "maximize", Space: nested()}
			var out []string
			var tried []sweep.Trial
			for i := range 12 {
				v, _ := sweep.Next(s, i, tried)
				out = append(out, string(v))
				tried = append(tried, sweep.Trial{Values: v, Done: true, Scores: scores(values(t, v)["lr"].(float64))})
			}
			return strings.Join(out, "\n")
		}
		for _, a := range [][2]string{{"random", ""}, {"random", "sobol"}, {"bayesian", ""}} {
			one := all(a[0], a[1], seed)
			if again := all(a[0], a[1], seed); again != one {
				t.Fatalf("%v: %s\n\nthen\n\n%s", a, one, again)
			}
			if all(a[0], a[1], seed+1) == one {
				t.Fatalf("%v: seeds %d and %d are one", a, seed, seed+1)
			}
		}
	})
}

// TestSobolPairs: the points of a scrambled sequence fill each box of an equal area once,
// whatever its sides are, in its first two dimensions.
func TestSobolPairs(t *testing.T) {
	t.Parallel()
	const k = 6
	for _, seed := range []int64{0, 1, 99} {
		s := &cairn.Sweep{Algorithm: "random", Rule: "sobol", Seed: seed, Space: []cairn.Range{{Name: "a", Type: "uniform", Max: 1}, {Name: "b", Type: "uniform", Max: 1}}}
		for wide := 0; wide <= k; wide++ {
			boxes := map[string]bool{}
			for i := range 1 << k {
				text, _ := sweep.Next(s, i, nil)
				v := values(t, text)
				boxes[fmt.Sprint(int(v["a"].(float64)*float64(int(1)<<wide)), int(v["b"].(float64)*float64(int(1)<<(k-wide))))] = true
			}
			if len(boxes) != 1<<k {
				t.Errorf("seed %d: %d of %d boxes are filled", seed, len(boxes), 1<<k)
			}
		}
	}
}

// TestSobolNested: a parameter is covered evenly, whatever a choice before it has within.
func TestSobolNested(t *testing.T) {
	t.Parallel()
	s := &cairn.Sweep{Algorithm: "random", Rule: "sobol", Space: nested()}
	const n = 64
	parts := map[int]bool{}
	for i := range n {
		text, _ := sweep.Next(s, i, nil)
		parts[int(values(t, text)["lr"].(float64)*n)] = true
	}
	if len(parts) != n {
		t.Errorf("%d of %d parts are filled", len(parts), n)
	}
}

// TestSobolBegins: the first trial is not the end of every distribution.
func TestSobolBegins(t *testing.T) {
	t.Parallel()
	if x := draws(t, cairn.Sweep{Algorithm: "random", Rule: "sobol"}, cairn.Range{Type: "normal", Sigma: 1}, 1)[0]; math.Abs(x) > 4 {
		t.Errorf("the first is %g", x)
	}
}

func TestFault(t *testing.T) {
	t.Parallel()
	inner := func(r cairn.Range) []cairn.Range {
		r.Name = "p"
		return []cairn.Range{{Name: "net", Type: "choice", Values: raw("1", "{}"), Spaces: [][]cairn.Range{nil, {r}}}}
	}
	all := []string{"choice", "randint", "uniform", "quniform", "loguniform", "qloguniform", "normal", "qnormal", "lognormal", "qlognormal"}
	for algorithm, takes := range map[string][]string{"random": all, "grid": {"choice"}, "bayesian": {"choice", "uniform", "quniform"}} {
		for _, kind := range all {
			r := cairn.Range{Type: kind, Values: raw("1"), Upper: 1, Max: 1, Sigma: 1, Q: 1}
			for where, space := range map[string][]cairn.Range{"search_space.p: ": inner(r)[0].Spaces[1], "search_space.net.p: ": inner(r)} {
				got := sweep.Fault(&cairn.Sweep{Algorithm: algorithm, Space: space})
				if want := slices.Contains(takes, kind); want != (got == "") || !want && !strings.HasPrefix(got, where) {
					t.Errorf("%s %s: %q", algorithm, kind, got)
				}
			}
		}
	}
	for want, r := range map[string]cairn.Range{
		"choice has no values": {Type: "choice"}, "upper has to be 1 or more": {Type: "randint"}, "max_value is less than min_value": {Type: "uniform", Min: 1},
		"q has to be more than 0": {Type: "qnormal"}, "sigma is less than 0": {Type: "normal", Sigma: -1}, "min_value and max_value are too far apart": {Type: "uniform", Min: -1e308, Max: 1e308},
	} {
		r.Name = "p"
		if got := sweep.Fault(&cairn.Sweep{Algorithm: "random", Space: []cairn.Range{r}}); got != "search_space.p: "+want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestBayesianNested: what is within a choice is learnt, also where its name is that of
// another parameter.
func TestBayesianNested(t *testing.T) {
	t.Parallel()
	s := &cairn.Sweep{Algorithm: "bayesian", Seed: 4, Goal: "minimize", Space: nested()}
	best := func(v json.RawMessage) float64 {
		m := values(t, v)
		net, _ := m["net"].(map[string]any)
		lr, ok := net["lr"].(float64)
		if !ok {
			return 5
		}
		return math.Abs(lr-5.9) + math.Abs(m["lr"].(float64)-0.1)
	}
	var tried []sweep.Trial
	late := 0
	for i := range 80 {
		v, _ := sweep.Next(s, i, tried)
		score := best(v)
		tried = append(tried, sweep.Trial{Values: v, Done: true, Scores: scores(score)})
		if i >= 40 && score < 0.5 {
			late++
		}
	}
	// By chance a trial of twelve is as good as that.
	if late < 20 {
		t.Errorf("%d of the last 40 trials are good", late)
	}
}

// TestBayesianWaits: what a trial logged so far says nothing of where it will end.
func TestBayesianWaits(t *testing.T) {
	t.Parallel()
	s := &cairn.Sweep{Algorithm: "bayesian", Seed: 4, Goal: "maximize", Space: []cairn.Range{{Name: "x", Type: "uniform", Max: 1}}}
	var tried []sweep.Trial
	for i := range 20 {
		v, _ := sweep.Next(s, i, nil)
		tried = append(tried, sweep.Trial{Values: v, Scores: scores(float64(i))})
	}
	want, _ := sweep.Next(s, 20, nil)
	if got, _ := sweep.Next(s, 20, tried); string(got) != string(want) {
		t.Errorf("%s, and with trials that run %s", want, got)
	}
}

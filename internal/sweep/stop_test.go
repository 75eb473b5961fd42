package sweep_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/sweep"
	"pgregory.net/rapid"
)

// logged is what is kept of a series.
func logged(p *cairn.EarlyStop, goal string, vs ...float64) (out []cairn.Score) {
	w := &cairn.Sweep{Goal: goal, Stop: p}
	for i, v := range vs {
		out = sweep.Log(w, out, int64(i), v)
	}
	return out
}

// scores are a series that no policy looks at.
func scores(vs ...float64) []cairn.Score { return logged(nil, "maximize", vs...) }

func TestStops(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		p    cairn.EarlyStop
		goal string
		want []int
	}{
		// 0.8 / 1.2 is 0.667: the second is below that.
		{"bandit factor", cairn.EarlyStop{Type: "bandit", Slack: 0.2, Interval: 1}, "maximize", []int{1}},
		{"bandit amount", cairn.EarlyStop{Type: "bandit", Amount: 0.3, Interval: 1}, "maximize", nil},
		{"bandit minimize", cairn.EarlyStop{Type: "bandit", Amount: 0.05, Interval: 1}, "minimize", []int{0, 1, 2}},
		// The first look is at the first multiple of the interval that is the delay or more.
		{"delay", cairn.EarlyStop{Type: "bandit", Slack: 0.2, Interval: 1, Delay: 2}, "maximize", []int{1}},
		{"longer delay", cairn.EarlyStop{Type: "bandit", Slack: 0.2, Interval: 1, Delay: 3}, "maximize", nil},
		{"delay between intervals", cairn.EarlyStop{Type: "bandit", Slack: 0.2, Interval: 2, Delay: 1}, "maximize", []int{1}},
		{"interval", cairn.EarlyStop{Type: "bandit", Slack: 0.2, Interval: 3}, "maximize", nil},
		// Averages after two points: 0.65, 0.55, 0.595.
		{"median", cairn.EarlyStop{Type: "median_stopping", Interval: 1}, "maximize", nil},
		{"median minimize", cairn.EarlyStop{Type: "median_stopping", Interval: 1}, "minimize", nil},
		{"truncation", cairn.EarlyStop{Type: "truncation_selection", Percentage: 40, Interval: 1}, "maximize", []int{1}},
		{"truncation of too few", cairn.EarlyStop{Type: "truncation_selection", Percentage: 20, Interval: 1}, "maximize", nil},
	} {
		trials := []sweep.Trial{{Scores: logged(&c.p, c.goal, 0.5, 0.8)}, {Scores: logged(&c.p, c.goal, 0.5, 0.6)}, {Scores: logged(&c.p, c.goal, 0.4, 0.79)},
			{Scores: logged(&c.p, c.goal, 0.1), Done: true}}
		got := sweep.Stops(&c.p, c.goal, trials)
		if len(got) != len(c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
			continue
		}
		for _, i := range c.want {
			if !strings.HasPrefix(got[i], c.p.Type+": ") {
				t.Errorf("%s: %v, want %v", c.name, got, c.want)
			}
		}
	}
	p := &cairn.EarlyStop{Type: "median_stopping", Interval: 1}
	worse := []sweep.Trial{{Scores: logged(p, "maximize", 0.9, 0.9)}, {Scores: logged(p, "maximize", 0.8, 0.8)}, {Scores: logged(p, "maximize", 0.1, 0.2)}}
	if got := sweep.Stops(p, "maximize", worse); len(got) != 1 || got[2] == "" {
		t.Errorf("median: %v", got)
	}
}

// TestTies: trials that are all the same are not all the worst.
func TestTies(t *testing.T) {
	t.Parallel()
	p := &cairn.EarlyStop{Type: "truncation_selection", Percentage: 20, Interval: 1}
	trials := make([]sweep.Trial, 5)
	for i := range trials {
		trials[i].Scores = logged(p, "maximize", 0.5)
	}
	if got := keys(sweep.Stops(p, "maximize", trials)); !slices.Equal(got, []int{4}) {
		t.Fatalf("of 5 equals it ends %v", got)
	}
	// The one that was ended is of those that may be, however many come after it.
	trials[4].Done, trials[4].Stopped = true, true
	for range 5 {
		trials = append(trials, sweep.Trial{Scores: logged(p, "maximize", 0.5)})
	}
	if got := keys(sweep.Stops(p, "maximize", trials)); !slices.Equal(got, []int{9}) {
		t.Errorf("of 10 equals, one of them ended, it ends %v", got)
	}
	for _, kind := range []string{"bandit", "median_stopping"} {
		for _, v := range []float64{0.1, -0.1, 0} {
			p := &cairn.EarlyStop{Type: kind, Slack: 0.1, Interval: 1}
			same := []sweep.Trial{{Scores: logged(p, "maximize", v, v, v)}, {Scores: logged(p, "maximize", v, v, v)}}
			if got := sweep.Stops(p, "maximize", same); len(got) > 0 {
				t.Errorf("%s of equals at %v: %v", kind, v, got)
			}
		}
	}
}

// TestFinishedTrials are held against those that run: they are part of all jobs.
func TestFinishedTrials(t *testing.T) {
	t.Parallel()
	p := &cairn.EarlyStop{Type: "truncation_selection", Percentage: 50, Interval: 1}
	trials := []sweep.Trial{{Scores: logged(p, "maximize", 0.9), Done: true}, {Scores: logged(p, "maximize", 0.1)}}
	if got := keys(sweep.Stops(p, "maximize", trials)); !slices.Equal(got, []int{1}) {
		t.Errorf("beside one that is done: %v", got)
	}
	trials[0].Failed = true
	if got := sweep.Stops(p, "maximize", trials); len(got) > 0 {
		t.Errorf("beside one that failed: %v", got)
	}
}

// TestBanditSigns: the slack is towards what is worse, wherever zero lies.
func TestBanditSigns(t *testing.T) {
	t.Parallel()
	p := &cairn.EarlyStop{Type: "bandit", Slack: 0.2, Interval: 1}
	for _, c := range []struct {
		goal        string
		best, limit float64
	}{
		{"maximize", 0.8, 0.8 / 1.2}, {"maximize", -0.8, -0.8 * 1.2}, {"minimize", 0.8, 0.8 * 1.2}, {"minimize", -0.8, -0.8 / 1.2}, {"maximize", 0, 0}, {"minimize", 0, 0},
	} {
		worse := -1e-6
		if c.goal == "minimize" {
			worse = 1e-6
		}
		trials := []sweep.Trial{{Scores: logged(p, c.goal, c.best)}, {Scores: logged(p, c.goal, c.limit-worse)}, {Scores: logged(p, c.goal, c.limit+worse)}}
		if c.best == 0 {
			trials[1].Scores = logged(p, c.goal, 0)
		}
		if got := keys(sweep.Stops(p, c.goal, trials)); !slices.Equal(got, []int{2}) {
			t.Errorf("%s %g: %v are ended", c.goal, c.best, got)
		}
	}
}

func keys(m map[int]string) (out []int) {
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// drawn is a trial, with all that it logged.
type drawn struct {
	sweep.Trial
	all []float64
}

// drawTrials are trials with few different values, so that there are ties.
func drawTrials(t *rapid.T) (trials []drawn) {
	for i := range rapid.IntRange(1, 12).Draw(t, "trials") {
		var x drawn
		for _, v := range rapid.SliceOfN(rapid.IntRange(-3, 3), 0, 8).Draw(t, fmt.Sprint("points of ", i)) {
			x.all = append(x.all, float64(v)/8)
		}
		if len(x.all) > 0 {
			x.all = slices.Repeat(x.all, rapid.SampledFrom([]int{1, 1, 60, 200}).Draw(t, "times"))
		}
		x.Done = rapid.Bool().Draw(t, "done")
		x.Stopped = x.Done && rapid.Bool().Draw(t, "stopped")
		x.Failed = x.Done && !x.Stopped && rapid.Bool().Draw(t, "failed")
		trials = append(trials, x)
	}
	return trials
}

// stopsOf asks for the trials to be ended, from what is kept of their series.
func stopsOf(p *cairn.EarlyStop, goal string, trials []drawn, sign float64) []int {
	var kept []sweep.Trial
	for _, x := range trials {
		var vs []float64
		for _, v := range x.all {
			vs = append(vs, v*sign)
		}
		x.Scores = logged(p, goal, vs...)
		kept = append(kept, x.Trial)
	}
	return keys(sweep.Stops(p, goal, kept))
}

// plainStops is what the documentation says of the policies, for a metric to be maximized,
// word by word and from whole series. looks are the points at which they are applied.
func plainStops(p *cairn.EarlyStop, trials []drawn, looks []int) (out []int) {
	for i, x := range trials {
		n := 0
		for _, k := range looks {
			if k <= len(x.all) {
				n = k
			}
		}
		if n == 0 || x.Done {
			continue
		}
		own := slices.Max(x.all[:n])
		var bests, means []float64
		top, behind := math.Inf(-1), 0
		for k, y := range trials {
			if y.Failed || len(y.all) == 0 {
				continue
			}
			b := slices.Max(y.all[:min(n, len(y.all))])
			top = max(top, b)
			if len(y.all) < n {
				continue
			}
			sum := 0.0
			for _, v := range y.all[:n] {
				sum += v
			}
			bests, means = append(bests, b), append(means, sum/float64(n))
			if b < own || b == own && (y.Stopped || k > i) {
				behind++
			}
		}
		slices.Sort(means)
		median := (means[(len(means)-1)/2] + means[len(means)/2]) / 2
		var ends bool
		switch {
		case p.Type == "median_stopping":
			ends = own < median-1e-12
		case p.Type == "truncation_selection":
			ends = behind < int(float64(len(bests))*p.Percentage/100)
		case p.Slack == 0:
			ends = own < top-p.Amount
		case top > 0:
			ends = own < top/(1+p.Slack)
		default:
			ends = own < top*(1+p.Slack)
		}
		if ends {
			out = append(out, i)
		}
	}
	return out
}

// TestStopsHolds: what is kept of long series is enough for each policy, and to turn goal
// and signs changes nothing.
func TestStopsHolds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := &cairn.EarlyStop{
			Type: rapid.SampledFrom([]string{"bandit", "median_stopping", "truncation_selection"}).Draw(t, "type"), Interval: rapid.IntRange(0, 5).Draw(t, "interval"),
			Delay: rapid.IntRange(0, 9).Draw(t, "delay"), Slack: rapid.SampledFrom([]float64{0, 0.1, 2}).Draw(t, "slack"), Amount: rapid.SampledFrom([]float64{0, 0.2}).Draw(t, "amount"),
			Percentage: float64(rapid.IntRange(1, 99).Draw(t, "percentage")),
		}
		trials := drawTrials(t)
		var looks []int
		for _, s := range logged(p, "maximize", make([]float64, 1600)...) {
			if s.Points%max(p.Interval, 1) == 0 && s.Points >= p.Delay {
				looks = append(looks, s.Points)
			}
		}
		got := stopsOf(p, "maximize", trials, 1)
		if want := plainStops(p, trials, looks); !slices.Equal(got, want) {
			t.Fatalf("%v are ended, want %v", got, want)
		}
		if other := stopsOf(p, "minimize", trials, -1); !slices.Equal(got, other) {
			t.Fatalf("%v are ended, and turned %v", got, other)
		}
	})
}

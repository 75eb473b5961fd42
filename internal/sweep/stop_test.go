package sweep_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/sweep"
	"pgregory.net/rapid"
)

func scores(vs ...float64) (out []cairn.Score) {
	for i, v := range vs {
		out = append(out, cairn.Score{Step: int64(i), Value: v})
	}
	return out
}

func TestStops(t *testing.T) {
	t.Parallel()
	trials := []sweep.Trial{{Scores: scores(0.5, 0.8)}, {Scores: scores(0.5, 0.6)}, {Scores: scores(0.4, 0.79)}, {Scores: scores(0.1), Done: true}}
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
	worse := []sweep.Trial{{Scores: scores(0.9, 0.9)}, {Scores: scores(0.8, 0.8)}, {Scores: scores(0.1, 0.2)}}
	if got := sweep.Stops(&cairn.EarlyStop{Type: "median_stopping", Interval: 1}, "maximize", worse); len(got) != 1 || got[2] == "" {
		t.Errorf("median: %v", got)
	}
}

// TestTies: trials that are all the same are not all the worst.
func TestTies(t *testing.T) {
	t.Parallel()
	p := &cairn.EarlyStop{Type: "truncation_selection", Percentage: 20, Interval: 1}
	trials := make([]sweep.Trial, 5)
	for i := range trials {
		trials[i].Scores = scores(0.5)
	}
	if got := keys(sweep.Stops(p, "maximize", trials)); !slices.Equal(got, []int{4}) {
		t.Fatalf("of 5 equals it ends %v", got)
	}
	// The one that was ended is of those that may be, however many come after it.
	trials[4].Done, trials[4].Stopped = true, true
	for range 5 {
		trials = append(trials, sweep.Trial{Scores: scores(0.5)})
	}
	if got := keys(sweep.Stops(p, "maximize", trials)); !slices.Equal(got, []int{9}) {
		t.Errorf("of 10 equals, one of them ended, it ends %v", got)
	}
	for _, kind := range []string{"bandit", "median_stopping"} {
		for _, v := range []float64{0.1, -0.1, 0} {
			same := []sweep.Trial{{Scores: scores(v, v, v)}, {Scores: scores(v, v, v)}}
			if got := sweep.Stops(&cairn.EarlyStop{Type: kind, Slack: 0.1, Interval: 1}, "maximize", same); len(got) > 0 {
				t.Errorf("%s of equals at %v: %v", kind, v, got)
			}
		}
	}
}

// TestFinishedTrials are held against those that run: they are part of all jobs.
func TestFinishedTrials(t *testing.T) {
	t.Parallel()
	p := &cairn.EarlyStop{Type: "truncation_selection", Percentage: 50, Interval: 1}
	trials := []sweep.Trial{{Scores: scores(0.9), Done: true}, {Scores: scores(0.1)}}
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
		trials := []sweep.Trial{{Scores: scores(c.best)}, {Scores: scores(c.limit - worse)}, {Scores: scores(c.limit + worse)}}
		if c.best == 0 {
			trials[1].Scores = scores(0)
		}
		if got := keys(sweep.Stops(&cairn.EarlyStop{Type: "bandit", Slack: 0.2, Interval: 1}, c.goal, trials)); !slices.Equal(got, []int{2}) {
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

// drawTrials are trials with few different values, so that there are ties.
func drawTrials(t *rapid.T) (trials []sweep.Trial) {
	for i := range rapid.IntRange(1, 12).Draw(t, "trials") {
		var vs []float64
		for _, v := range rapid.SliceOfN(rapid.IntRange(-3, 3), 0, 8).Draw(t, fmt.Sprint("points of ", i)) {
			vs = append(vs, float64(v)/7)
		}
		x := sweep.Trial{Scores: scores(vs...), Done: rapid.Bool().Draw(t, "done")}
		x.Stopped = x.Done && rapid.Bool().Draw(t, "stopped")
		x.Failed = x.Done && !x.Stopped && rapid.Bool().Draw(t, "failed")
		trials = append(trials, x)
	}
	return trials
}

// TestStopsHolds what is true of each policy: the best is never ended, a truncation ends
// no more than its share, and to turn goal and signs changes nothing.
func TestStopsHolds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := &cairn.EarlyStop{
			Type: rapid.SampledFrom([]string{"bandit", "median_stopping", "truncation_selection"}).Draw(t, "type"), Interval: rapid.IntRange(1, 3).Draw(t, "interval"),
			Delay: rapid.IntRange(0, 4).Draw(t, "delay"), Slack: rapid.SampledFrom([]float64{0, 0.1, 2}).Draw(t, "slack"), Amount: rapid.SampledFrom([]float64{0, 0.2}).Draw(t, "amount"),
			Percentage: float64(rapid.IntRange(1, 99).Draw(t, "percentage")),
		}
		trials := drawTrials(t)
		got := sweep.Stops(p, "maximize", trials)
		turned := slices.Clone(trials)
		for i := range turned {
			var vs []float64
			for _, s := range trials[i].Scores {
				vs = append(vs, -s.Value)
			}
			turned[i].Scores = scores(vs...)
		}
		if other := sweep.Stops(p, "minimize", turned); !slices.Equal(keys(got), keys(other)) {
			t.Fatalf("%v, and turned %v", got, other)
		}
		came := map[int]int{} // interval -> how many trials came to it
		for _, x := range trials {
			for n := p.Interval; n <= len(x.Scores) && !x.Failed; n += p.Interval {
				came[n]++
			}
		}
		ended := map[int]int{}
		for _, i := range keys(got) {
			n := len(trials[i].Scores) / p.Interval * p.Interval
			if trials[i].Done || n == 0 || n < p.Delay {
				t.Fatalf("trial %d is ended: %s", i, got[i])
			}
			ended[n]++
			own, _ := sweep.Best("maximize", trials[i].Scores[:n])
			top := true
			for _, x := range trials {
				if b, ok := sweep.Best("maximize", x.Scores[:min(n, len(x.Scores))]); ok && !x.Failed && b > own {
					top = false
				}
			}
			if top && p.Type != "truncation_selection" {
				t.Fatalf("the best is ended: %s", got[i])
			}
		}
		for n, k := range ended {
			if p.Type == "truncation_selection" && k > int(float64(came[n])*p.Percentage/100) {
				t.Fatalf("%d of %d are ended at %d: %v", k, came[n], n, got)
			}
		}
	})
}

package sweep

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/cairn-ml/cairn"
)

// Stops says which of the running trials are to end, by their index, and why. Each point
// that is logged counts as one interval; a policy looks at every multiple of p.Interval
// from p.Delay on, as long as the series is not too long for that. A trial is held against the others as they stood after as many points;
// those that ended count too, those that failed do not.
func Stops(p *cairn.EarlyStop, goal string, trials []Trial) map[int]string {
	if p == nil {
		return nil
	}
	due := map[int][]int{} // running trials by the interval that they have come to
	for i := range trials {
		t := &trials[i]
		if t.Done {
			continue
		}
		if n := looked(p, t.Scores); n > 0 {
			due[n] = append(due[n], i)
		}
	}
	out := map[int]string{}
	for n, running := range due {
		var why map[int]string
		switch p.Type {
		case "bandit":
			why = bandit(p, goal, trials, running, n)
		case "median_stopping":
			why = median(goal, trials, running, n)
		case "truncation_selection":
			why = truncation(p, goal, trials, running, n)
		}
		for i, w := range why {
			out[i] = p.Type + ": " + w
		}
	}
	return out
}

// bandit ends what is further from the best of all than the slack allows.
func bandit(p *cairn.EarlyStop, goal string, trials []Trial, running []int, n int) map[int]string {
	best, found := 0.0, false
	for k := range trials {
		if trials[k].Failed {
			continue
		}
		if s, ok := upTo(trials[k].Scores, n); ok && (!found || better(goal, s.Best, best)) {
			best, found = s.Best, true
		}
	}
	limit := allowed(p, goal, best)
	out := map[int]string{}
	for _, i := range running {
		if own, _ := upTo(trials[i].Scores, n); better(goal, limit, own.Best) {
			out[i] = fmt.Sprintf("%s after %d points is worse than %s, which the best %s allows", number(own.Best), n, number(limit), number(best))
		}
	}
	return out
}

// allowed is the worst that a bandit lets pass. The ratio is one of magnitudes: where what
// is worse is nearer to zero, the best is divided, as the original's documentation says of
// a metric to be maximized; where it is further away, the best is multiplied. So the best
// itself always passes, and a metric with its sign and goal turned is judged the same.
func allowed(p *cairn.EarlyStop, goal string, best float64) float64 {
	worse := -1.0
	if goal == "minimize" {
		worse = 1
	}
	switch {
	case p.Slack <= 0:
		return best + worse*p.Amount
	case best*worse < 0:
		return best / (1 + p.Slack)
	}
	return best * (1 + p.Slack)
}

// median ends what is worse than the median of the running averages of all.
func median(goal string, trials []Trial, running []int, n int) map[int]string {
	var averages []float64
	for k := range trials {
		if s, _ := upTo(trials[k].Scores, n); s.Points == n && !trials[k].Failed {
			averages = append(averages, average(goal, s))
		}
	}
	slices.Sort(averages)
	m := averages[len(averages)/2]
	if len(averages)%2 == 0 {
		m = averages[len(averages)/2-1]/2 + m/2
	}
	out := map[int]string{}
	for _, i := range running {
		if own, _ := upTo(trials[i].Scores, n); better(goal, m, own.Best) {
			out[i] = fmt.Sprintf("%s after %d points is worse than the median %s of %d trials", number(own.Best), n, number(m), len(averages))
		}
	}
	return out
}

// average is that of the points up to one. What rounding does to it never makes it better
// than the best of them: trials that stand still would be ended by that.
func average(goal string, s cairn.Score) float64 {
	mean := s.Sum / float64(s.Points)
	if better(goal, mean, s.Best) {
		return s.Best
	}
	return mean
}

// truncation ends the worst share of those that came as far, and no more than that: of
// equals those go first that were ended before, then the latest trials.
func truncation(p *cairn.EarlyStop, goal string, trials []Trial, running []int, n int) map[int]string {
	type entry struct {
		index int
		best  float64
	}
	var all []entry
	for k := range trials {
		if s, _ := upTo(trials[k].Scores, n); s.Points == n && !trials[k].Failed {
			all = append(all, entry{k, s.Best})
		}
	}
	slices.SortFunc(all, func(a, b entry) int {
		stopped := trials[a.index].Stopped
		switch {
		case better(goal, b.best, a.best):
			return -1 // the worst come first
		case better(goal, a.best, b.best):
			return 1
		case stopped != trials[b.index].Stopped && stopped:
			return -1
		case stopped != trials[b.index].Stopped:
			return 1
		}
		return cmp.Compare(b.index, a.index)
	})
	out := map[int]string{}
	for _, x := range all[:share(len(all), p.Percentage)] {
		if slices.Contains(running, x.index) {
			out[x.index] = fmt.Sprintf("%s after %d points is among the worst %g %% of %d trials", number(x.best), n, p.Percentage, len(all))
		}
	}
	return out
}

// share is how many of n a percentage is, rounded down.
func share(n int, percentage float64) int {
	return min(max(int(math.Floor(float64(n)*percentage/100)), 0), n)
}

func number(f float64) string { return fmt.Sprintf("%.6g", f) }

package sweep

import (
	"fmt"
	"math"
	"slices"

	"github.com/cairn-ml/cairn"
)

// Stops says which of the running trials are to end, by their index, and why. Each point
// that is logged counts as one interval; a policy looks at every p.Interval-th of them, and
// at none of the first p.Delay.
func Stops(p *cairn.EarlyStop, goal string, trials []Trial) map[int]string {
	if p == nil {
		return nil
	}
	out := map[int]string{}
	for i := range trials {
		t := &trials[i]
		if t.Done {
			continue
		}
		n := len(t.Scores) / max(p.Interval, 1) * max(p.Interval, 1)
		if n == 0 || n <= p.Delay {
			continue
		}
		var why string
		switch p.Type {
		case "bandit":
			why = bandit(p, goal, trials, i, n)
		case "median_stopping":
			why = median(goal, trials, i, n)
		case "truncation_selection":
			why = truncation(p, goal, trials, i, n)
		}
		if why != "" {
			out[i] = p.Type + ": " + why
		}
	}
	return out
}

// bandit ends what is further from the best of all than the slack allows.
func bandit(p *cairn.EarlyStop, goal string, trials []Trial, i, n int) string {
	own, ok := Best(goal, trials[i].Scores[:n])
	if !ok {
		return ""
	}
	best, found := 0.0, false
	for k := range trials {
		if trials[k].Failed {
			continue
		}
		if b, ok := Best(goal, trials[k].Scores[:min(n, len(trials[k].Scores))]); ok && (!found || better(goal, b, best)) {
			best, found = b, true
		}
	}
	if !found {
		return ""
	}
	limit := best
	switch {
	case p.Slack > 0 && goal == "minimize":
		limit = best + math.Abs(best)*p.Slack
	case p.Slack > 0:
		limit = best - math.Abs(best)*(1-1/(1+p.Slack))
	case goal == "minimize":
		limit = best + p.Amount
	default:
		limit = best - p.Amount
	}
	if better(goal, limit, own) {
		return fmt.Sprintf("%s after %d points is worse than %s, which the best %s allows", number(own), n, number(limit), number(best))
	}
	return ""
}

// median ends what is worse than the median of the running averages of all.
func median(goal string, trials []Trial, i, n int) string {
	own, ok := Best(goal, trials[i].Scores[:n])
	if !ok {
		return ""
	}
	var averages []float64
	for k := range trials {
		if trials[k].Failed || len(trials[k].Scores) < n {
			continue
		}
		sum := 0.0
		for _, s := range trials[k].Scores[:n] {
			sum += s.Value
		}
		averages = append(averages, sum/float64(n))
	}
	if len(averages) < 2 {
		return ""
	}
	slices.Sort(averages)
	m := averages[len(averages)/2]
	if len(averages)%2 == 0 {
		m = (averages[len(averages)/2-1] + m) / 2
	}
	if better(goal, m, own) {
		return fmt.Sprintf("%s after %d points is worse than the median %s of %d trials", number(own), n, number(m), len(averages))
	}
	return ""
}

// truncation ends the worst share of those that came as far.
func truncation(p *cairn.EarlyStop, goal string, trials []Trial, i, n int) string {
	var at []float64
	for k := range trials {
		if !trials[k].Failed && len(trials[k].Scores) >= n {
			at = append(at, trials[k].Scores[n-1].Value)
		}
	}
	cut := int(float64(len(at)) * p.Percentage / 100)
	if cut == 0 {
		return ""
	}
	slices.SortFunc(at, func(a, b float64) int {
		if better(goal, b, a) {
			return -1 // the worst come first
		}
		if better(goal, a, b) {
			return 1
		}
		return 0
	})
	own := trials[i].Scores[n-1].Value
	if worst := at[cut-1]; !better(goal, own, worst) {
		return fmt.Sprintf("%s after %d points is among the worst %g %% of %d trials", number(own), n, p.Percentage, len(at))
	}
	return ""
}

func number(f float64) string { return fmt.Sprintf("%.6g", f) }

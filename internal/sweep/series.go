package sweep

import (
	"math"
	"math/bits"
	"slices"

	"github.com/cairn-ml/cairn"
)

// Log adds a point to what is kept of the series that a trial logs, and answers that; kept
// is used up, as by append. A series may be of any length: what is kept is where the trial
// stood at each point at which a policy may look at it, and where it stands now, with the
// count, the best and the sum of all points so far. A point that is no number, or an
// infinite one, counts for nothing.
func Log(w *cairn.Sweep, kept []cairn.Score, step int64, value float64) []cairn.Score {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return kept
	}
	next := cairn.Score{Step: step, Value: value, Points: 1, Best: value, Sum: value}
	if len(kept) > 0 {
		last := kept[len(kept)-1]
		next.Points = last.Points + 1
		if !better(w.Goal, value, last.Best) {
			next.Best = last.Best
		}
		// What is no number could not be written down.
		next.Sum = math.Min(math.Max(last.Sum+value, -math.MaxFloat64), math.MaxFloat64)
		// Who logs without steps, or begins anew, still logs one point after the other.
		next.Step = max(step, last.Step+1)
		if !looks(w.Stop, last.Points) {
			kept = kept[:len(kept)-1]
		}
	}
	return append(kept, next)
}

const (
	// denseLooks is how many intervals a policy looks at one by one, from its first look
	// on; afterwards it looks at looksPerDoubling of each twice as many. So all trials are
	// looked at after the same numbers of points, and a series of 100,000 keeps 300 of them.
	denseLooks       = 128
	looksPerDoubling = 16
)

// looks reports whether a policy may look at a trial that has logged n points: at each
// multiple of the interval that is the delay or more, as far as these are kept.
func looks(p *cairn.EarlyStop, n int) bool {
	if p == nil {
		return false
	}
	interval := max(p.Interval, 1)
	first := (max(p.Delay, 1) + interval - 1) / interval
	if n%interval != 0 || n/interval < first {
		return false
	}
	k := n/interval - first
	if k < denseLooks {
		return true
	}
	stride := 1 << (bits.Len(uint(k)) - bits.Len(uint(looksPerDoubling)))
	return k%stride == 0
}

// Best is the best score of a trial; ok is false where it has none.
func Best(scores []cairn.Score) (best float64, ok bool) {
	if len(scores) == 0 {
		return 0, false
	}
	return scores[len(scores)-1].Best, true
}

func better(goal string, a, b float64) bool {
	if goal == "minimize" {
		return a < b
	}
	return a > b
}

// upTo is where a trial stood after n points, or after its last one where it has less.
func upTo(scores []cairn.Score, n int) (cairn.Score, bool) {
	i, found := slices.BinarySearchFunc(scores, n, func(s cairn.Score, n int) int { return s.Points - n })
	if found {
		return scores[i], true
	}
	if i == 0 {
		return cairn.Score{}, false
	}
	return scores[i-1], true
}

// looked is the newest of the points at which a policy looks at a trial; 0 before the first.
func looked(p *cairn.EarlyStop, scores []cairn.Score) int {
	for i := len(scores) - 1; i >= max(len(scores)-2, 0); i-- { // all but the last are such
		if looks(p, scores[i].Points) {
			return scores[i].Points
		}
	}
	return 0
}

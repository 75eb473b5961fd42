package sweep

import (
	"encoding/json"
	"math"
	"slices"

	"github.com/cairn-ml/cairn"
)

// A tree-structured Parzen estimator (Bergstra et al., 2011): what the better quarter of the
// trials had is likelier, what the others had is less so. Each parameter is looked at by
// itself.

// fewTrials is how many are drawn at random before anything can be learnt.
const fewTrials = 5

// candidates is how many values are weighed against each other.
const candidates = 24

// guide has what was learnt of each parameter, those within choices too: numbers from 0 to 1.
type guide struct {
	good, bad map[*cairn.Range][]float64
}

// learn looks at the trials that ended.
func learn(s *cairn.Sweep, tried []Trial) *guide {
	type scored struct {
		values json.RawMessage
		score  float64
	}
	var all []scored
	for _, t := range tried {
		if best, ok := Best(t.Scores); ok && t.Done && !t.Failed {
			all = append(all, scored{t.Values, best})
		}
	}
	g := &guide{good: map[*cairn.Range][]float64{}, bad: map[*cairn.Range][]float64{}}
	if len(all) < max(fewTrials, 2*len(s.Space)) {
		return g
	}
	slices.SortStableFunc(all, func(a, b scored) int {
		switch {
		case better(s.Goal, a.score, b.score):
			return -1
		case better(s.Goal, b.score, a.score):
			return 1
		}
		return 0
	})
	split := max(2, len(all)/4)
	for i, x := range all {
		if i < split {
			note(g.good, s.Space, x.values)
		} else {
			note(g.bad, s.Space, x.values)
		}
	}
	return g
}

// note adds where the values of a trial lie.
func note(to map[*cairn.Range][]float64, space []cairn.Range, text json.RawMessage) {
	var m map[string]json.RawMessage
	if json.Unmarshal(text, &m) != nil {
		return
	}
	for k := range space {
		r := &space[k]
		if r.Type == "choice" {
			if i, ok := optionAt(r, m[r.Name]); ok {
				to[r] = append(to[r], (float64(i)+0.5)/float64(len(r.Values)))
				if i < len(r.Spaces) {
					note(to, r.Spaces[i], m[r.Name])
				}
			}
			continue
		}
		var f float64
		if json.Unmarshal(m[r.Name], &f) == nil && r.Max > r.Min {
			to[r] = append(to[r], math.Min(math.Max((f-r.Min)/(r.Max-r.Min), 0), 1))
		}
	}
}

// optionAt is which value of a choice a text is. Of objects only their names are known; the
// first with the same ones is taken.
func optionAt(r *cairn.Range, text json.RawMessage) (int, bool) {
	var m map[string]json.RawMessage
	object := json.Unmarshal(text, &m) == nil && m != nil
	for i, v := range r.Values {
		if i >= len(r.Spaces) || r.Spaces[i] == nil {
			if string(v) == string(text) {
				return i, true
			}
			continue
		}
		same := object && len(m) == len(r.Spaces[i])
		for k := range r.Spaces[i] {
			_, there := m[r.Spaces[i][k].Name]
			same = same && there
		}
		if same {
			return i, true
		}
	}
	return 0, false
}

// unit chooses a place in a parameter's range.
func (g *guide) unit(r *cairn.Range, d *dice) float64 {
	good, bad := g.good[r], g.bad[r]
	if len(good) == 0 {
		return d.unit()
	}
	if r.Type == "choice" {
		return g.option(len(r.Values), good, bad, d)
	}
	width := func(n int) float64 { return math.Max(0.05, 1/math.Sqrt(float64(n)+1)/2) }
	density := func(at []float64, x float64) float64 {
		w, sum := width(len(at)), 0.1 // a little everywhere: nothing is ruled out
		for _, c := range at {
			z := (x - c) / w
			sum += math.Exp(-z*z/2) / w
		}
		return sum / float64(len(at)+1)
	}
	best, bestRatio := 0.5, math.Inf(-1)
	for range candidates {
		x := d.unit()
		if d.unit() < 0.9 {
			c := good[min(int(d.unit()*float64(len(good))), len(good)-1)]
			x = quantile(c, width(len(good)), d.unit())
			x = math.Min(math.Max(x, 0), math.Nextafter(1, 0))
		}
		ratio := math.Log(density(good, x)) - math.Log(density(bad, x))
		if ratio > bestRatio {
			best, bestRatio = x, ratio
		}
	}
	return best
}

// option chooses one of n values.
func (g *guide) option(n int, good, bad []float64, d *dice) float64 {
	count := func(at []float64, i int) float64 {
		c := 1.0
		for _, u := range at {
			if min(int(u*float64(n)), n-1) == i {
				c++
			}
		}
		return c / float64(len(at)+n)
	}
	weights, total := make([]float64, n), 0.0
	for i := range weights {
		weights[i] = count(good, i) / count(bad, i)
		total += weights[i]
	}
	u := d.unit() * total
	for i, w := range weights {
		if u -= w; u < 0 {
			return (float64(i) + 0.5) / float64(n)
		}
	}
	return (float64(n) - 0.5) / float64(n)
}

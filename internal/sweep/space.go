// Package sweep searches: it chooses the values of trials, and says which trials are not
// worth going on with. It is pure: the same question gets the same answer.
package sweep

import (
	"encoding/json"
	"math"

	"github.com/cairn-ml/cairn"
)

// Trial is what is known of one trial.
type Trial struct {
	Values json.RawMessage // what Next answered
	Scores []cairn.Score   // in the order in which they were logged
	Done   bool
	Failed bool // it ended without success: its scores say nothing
	// Stopped says that it was ended before it was done: its scores are right as far as they go.
	Stopped bool
}

// Best is the best score of a trial; ok is false where it has none.
func Best(goal string, scores []cairn.Score) (best float64, ok bool) {
	for _, s := range scores {
		if math.IsNaN(s.Value) || math.IsInf(s.Value, 0) {
			continue
		}
		if !ok || better(goal, s.Value, best) {
			best, ok = s.Value, true
		}
	}
	return best, ok
}

func better(goal string, a, b float64) bool {
	if goal == "minimize" {
		return a < b
	}
	return a > b
}

// Next are the values of the trial with that number, counted from 0, as a JSON object; ok
// is false where the space has no more. tried are the trials before it.
func Next(s *cairn.Sweep, number int, tried []Trial) (values json.RawMessage, ok bool) {
	v := newValues()
	switch s.Algorithm {
	case "grid":
		if !gridPoint(s.Space, number, v) {
			return nil, false
		}
	case "bayesian":
		dice := newDice(uint64(s.Seed), uint64(number))
		guide := learn(s, tried)
		for i := range s.Space {
			v.draw(&s.Space[i], func(r *cairn.Range) float64 { return guide.unit(r, dice) })
		}
	default:
		dice := newDice(uint64(s.Seed), uint64(number))
		seq := sequence{}
		if s.Rule == "sobol" {
			seq = newSequence(uint64(s.Seed), number)
		}
		for i := range s.Space {
			v.draw(&s.Space[i], func(*cairn.Range) float64 {
				if u, ok := seq.next(); ok {
					return u
				}
				return dice.unit()
			})
		}
	}
	return v.json(), true
}

// values keeps the order in which parameters were drawn.
type values struct {
	names []string
	texts map[string]json.RawMessage
}

func newValues() *values { return &values{texts: map[string]json.RawMessage{}} }

func (v *values) set(name string, text json.RawMessage) {
	if _, there := v.texts[name]; !there {
		v.names = append(v.names, name)
	}
	v.texts[name] = text
}

func (v *values) number(name string, f float64) {
	text, err := json.Marshal(f)
	if err != nil { // not finite: a search space cannot mean that
		text = json.RawMessage("0")
	}
	v.set(name, text)
}

func (v *values) json() json.RawMessage {
	out := []byte{'{'}
	for i, n := range v.names {
		if i > 0 {
			out = append(out, ',')
		}
		key, _ := json.Marshal(n) // a text always encodes
		out = append(append(append(out, key...), ':'), v.texts[n]...)
	}
	return append(out, '}')
}

// draw chooses a value of a parameter; unit answers a number from 0 up to 1.
func (v *values) draw(r *cairn.Range, unit func(*cairn.Range) float64) {
	u := unit(r)
	switch r.Type {
	case "choice":
		v.choose(r, min(int(u*float64(len(r.Values))), len(r.Values)-1), unit)
	case "randint":
		v.number(r.Name, math.Min(math.Floor(u*float64(r.Upper)), float64(r.Upper-1)))
	default:
		v.number(r.Name, scaled(r, u))
	}
}

// choose takes one of the values; an object is a space of its own.
func (v *values) choose(r *cairn.Range, i int, unit func(*cairn.Range) float64) {
	if i < 0 {
		return
	}
	if i < len(r.Spaces) && r.Spaces[i] != nil {
		inner := newValues()
		for k := range r.Spaces[i] {
			inner.draw(&r.Spaces[i][k], unit)
		}
		v.set(r.Name, inner.json())
		return
	}
	v.set(r.Name, r.Values[i])
}

// scaled turns a number from 0 to 1 into one of a distribution. Logarithmic ones are given
// by their exponents, as in Azure Machine Learning: exp(uniform(min, max)).
func scaled(r *cairn.Range, u float64) float64 {
	var x float64
	switch r.Type {
	case "uniform", "quniform":
		x = r.Min + u*(r.Max-r.Min)
	case "loguniform", "qloguniform":
		x = math.Exp(r.Min + u*(r.Max-r.Min))
	case "normal", "qnormal":
		x = quantile(r.Mu, r.Sigma, u)
	case "lognormal", "qlognormal":
		x = math.Exp(quantile(r.Mu, r.Sigma, u))
	}
	if r.Q > 0 {
		x = math.Round(x/r.Q) * r.Q
		// 0.1 three times is 0.30000000000000004: what was meant has as many digits as q.
		if digits := math.Ceil(-math.Log10(r.Q)); digits > 0 && digits < 12 {
			p := math.Pow(10, digits+2)
			x = math.Round(x*p) / p
		}
	}
	return x
}

// quantile of a normal distribution, within what a float can say.
func quantile(mu, sigma, u float64) float64 {
	u = math.Min(math.Max(u, 1e-12), 1-1e-12)
	return mu + sigma*math.Sqrt2*math.Erfinv(2*u-1)
}

// gridSize is how many points a space has; 0 for one that is no grid, capped.
func gridSize(space []cairn.Range) int {
	n := 1
	for i := range space {
		n *= optionsOf(&space[i])
		if n == 0 || n > maxGrid {
			return min(n, maxGrid)
		}
	}
	return n
}

const maxGrid = 1_000_000

func optionsOf(r *cairn.Range) int {
	if r.Type != "choice" {
		return 0
	}
	n := 0
	for i := range r.Values {
		if i < len(r.Spaces) && r.Spaces[i] != nil {
			n += gridSize(r.Spaces[i])
		} else {
			n++
		}
	}
	return min(n, maxGrid)
}

// gridPoint is one point of a grid: the last parameter changes first.
func gridPoint(space []cairn.Range, number int, v *values) bool {
	if number >= gridSize(space) {
		return false
	}
	index := make([]int, len(space))
	for i := len(space) - 1; i >= 0; i-- {
		n := optionsOf(&space[i])
		index[i] = number % n
		number /= n
	}
	for i := range space {
		r, k := &space[i], index[i]
		for j := range r.Values {
			if j < len(r.Spaces) && r.Spaces[j] != nil {
				n := gridSize(r.Spaces[j])
				if k < n {
					inner := newValues()
					gridPoint(r.Spaces[j], k, inner)
					v.set(r.Name, inner.json())
					break
				}
				k -= n
				continue
			}
			if k == 0 {
				v.set(r.Name, r.Values[j])
				break
			}
			k--
		}
	}
	return true
}

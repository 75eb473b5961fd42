// Package sweep searches: it chooses the values of trials, and says which trials are not
// worth going on with. It is pure: the same question gets the same answer.
package sweep

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Trial is what is known of one trial.
type Trial struct {
	Values json.RawMessage // what Next answered
	Scores []cairn.Score   // what Log kept of its series
	Done   bool
	Failed bool // it ended without success: its scores say nothing
	// Stopped says that it was ended before it was done: its scores are right as far as they go.
	Stopped bool
}

// Next are the values of the trial with that number, counted from 0, as a JSON object; ok
// is false where the space has no more. tried are the trials before it.
func Next(s *cairn.Sweep, number int, tried []Trial) (values json.RawMessage, ok bool) {
	v := newValues()
	if s.Algorithm == "grid" {
		if !gridPoint(s.Space, number, v) {
			return nil, false
		}
		return v.json(), true
	}
	dice := newDice(uint64(s.Seed), uint64(number))
	draw := drawer{base: s.Logbase, unit: func(*cairn.Range) float64 { return dice.unit() }}
	switch {
	case s.Algorithm == "bayesian":
		guide := learn(s, tried)
		draw.unit = func(r *cairn.Range) float64 { return guide.unit(r, dice) }
	case s.Rule == "sobol":
		at, point := dimensions(s.Space), sobol(uint64(s.Seed), number)
		draw.unit = func(r *cairn.Range) float64 {
			if k := at[r]; k < len(point) {
				return point[k]
			}
			return dice.unit()
		}
	}
	for i := range s.Space {
		draw.value(v, &s.Space[i])
	}
	return v.json(), true
}

// dimensions numbers the parameters of a space, those within choices too: each has a
// dimension of its own, whatever was chosen before it. Otherwise the same parameter would
// get a bit of this one and a bit of that one, and be covered evenly by neither.
func dimensions(space []cairn.Range) map[*cairn.Range]int {
	out := map[*cairn.Range]int{}
	var walk func([]cairn.Range)
	walk = func(space []cairn.Range) {
		for i := range space {
			out[&space[i]] = len(out)
			for _, inner := range space[i].Spaces {
				walk(inner)
			}
		}
	}
	walk(space)
	return out
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

// drawer chooses values of parameters: unit answers a number from 0 up to 1, base is that
// of logarithmic distributions, 0 for e.
type drawer struct {
	base float64
	unit func(*cairn.Range) float64
}

func (d *drawer) value(v *values, r *cairn.Range) {
	u := d.unit(r)
	if r.Type == "choice" {
		d.choose(v, r, min(int(u*float64(len(r.Values))), len(r.Values)-1))
		return
	}
	text, _ := json.Marshal(d.scaled(r, u)) // it is finite
	v.set(r.Name, text)
}

// choose takes one of the values; an object is a space of its own.
func (d *drawer) choose(v *values, r *cairn.Range, i int) {
	if i < len(r.Spaces) && r.Spaces[i] != nil {
		inner := newValues()
		for k := range r.Spaces[i] {
			d.value(inner, &r.Spaces[i][k])
		}
		v.set(r.Name, inner.json())
		return
	}
	v.set(r.Name, r.Values[i])
}

// scaled turns a number from 0 to 1 into one of a distribution. Logarithmic ones are given
// by their exponents, as in Azure Machine Learning: exp(uniform(min, max)). Those with a q
// are rounded to a multiple of it, which may lie a little outside of min and max.
func (d *drawer) scaled(r *cairn.Range, u float64) float64 {
	x := 0.0
	switch r.Type {
	case "randint":
		return math.Min(math.Floor(u*float64(r.Upper)), float64(r.Upper-1))
	case "uniform", "quniform", "loguniform", "qloguniform":
		x = r.Min + u*(r.Max-r.Min)
	case "normal", "qnormal", "lognormal", "qlognormal":
		x = quantile(r.Mu, r.Sigma, u)
	}
	if strings.Contains(r.Type, "log") {
		if d.base > 0 {
			x = math.Pow(d.base, x)
		} else {
			x = math.Exp(x)
		}
	}
	if strings.HasPrefix(r.Type, "q") {
		x = multiple(x, r.Q)
	}
	return math.Min(math.Max(x, -math.MaxFloat64), math.MaxFloat64)
}

// multiple is the multiple of q that is next to x.
func multiple(x, q float64) float64 {
	if math.IsInf(x/q, 0) {
		return x // no number is nearer
	}
	// 0.1 three times is 0.30000000000000004: what was meant has as many digits as q.
	_, digits, _ := strings.Cut(strconv.FormatFloat(q, 'f', -1, 64), ".")
	text := strconv.FormatFloat(math.Round(x/q)*q, 'f', len(digits), 64)
	y, _ := strconv.ParseFloat(text, 64) // it was a number
	return y + 0                         // not -0
}

// quantile of a normal distribution, within what a float can say.
func quantile(mu, sigma, u float64) float64 {
	u = math.Min(math.Max(u, 1e-12), 1-1e-12)
	return mu + sigma*math.Sqrt2*math.Erfinv(2*u-1)
}

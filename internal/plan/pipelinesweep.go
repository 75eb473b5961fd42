package plan

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/pipeline"
)

// maxTrials bounds a sweep.
const maxTrials = 10_000

// sweep takes a search over.
func (b *jobBuilder) sweep(j *pipeline.Job) *cairn.Sweep {
	f := j.Sweep
	s := &cairn.Sweep{
		Algorithm: firstOf(f.Algorithm, "random"), Rule: f.Rule, Goal: firstOf(f.Goal, "maximize"), Metric: f.Metric, MaxTrials: 1000,
		Space: b.space(f.Space, j),
	}
	if f.Seed.Given() {
		s.Seed = int64(f.Seed.Num)
	}
	if f.Logbase.Given() {
		s.Logbase = f.Logbase.Num
	}
	number := func(v pipeline.Binding, at string, other int) int {
		if !v.Given() {
			return other
		}
		n, err := strconv.Atoi(strings.TrimSpace(v.Value.Text))
		if err != nil || n < 1 || n > maxTrials {
			b.fail("plan.sweep", v.Pos, where(j, at), "", "%s: %q is not a number from 1 to %d", where(j, at), clipText(v.Value.Text), maxTrials)
			return other
		}
		return n
	}
	s.MaxTrials = number(j.Limits.MaxTotalTrials, "limits.max_total_trials", 1000)
	s.MaxConcurrent = number(j.Limits.MaxConcurrent, "limits.max_concurrent_trials", 0)
	if t := j.Limits.Timeout; t.Given() {
		s.Timeout, _ = strconv.ParseFloat(strings.TrimSpace(t.Value.Text), 64) // checked by the schema
	}
	if f.Metric == "" {
		b.fail("plan.sweep", f.Pos, where(j, "objective.primary_metric"), "", "%s: objective.primary_metric is missing", whereOr(j, "the job"))
	}
	if f.Stop.Kind == cairn.TemplateMap {
		num := func(key string) float64 {
			v, ok := f.Stop.Field(key)
			if !ok {
				return 0
			}
			if v.Kind == cairn.TemplateString {
				n, _ := strconv.ParseFloat(strings.TrimSpace(v.Text), 64) // checked by the schema
				return n
			}
			return v.Num
		}
		kind, _ := f.Stop.Field("type")
		s.Stop = &cairn.EarlyStop{
			Type: strings.ToLower(kind.Text), Slack: num("slack_factor"), Amount: num("slack_amount"), Percentage: num("truncation_percentage"),
			Interval: max(int(num("evaluation_interval")), 1), Delay: int(num("delay_evaluation")),
		}
	}
	return s
}

// space reads the parameters of a search, nested ones too.
func (b *jobBuilder) space(v pipeline.Value, j *pipeline.Job) []cairn.Range {
	var out []cairn.Range
	for _, p := range v.Pairs {
		r := cairn.Range{Name: p.Key.Value}
		num := func(key string) float64 {
			x, ok := p.Value.Field(key)
			if !ok {
				return 0
			}
			if x.Kind == cairn.TemplateString {
				n, _ := strconv.ParseFloat(strings.TrimSpace(x.Text), 64) // checked by the schema
				return n
			}
			return x.Num
		}
		t, _ := p.Value.Field("type")
		r.Type = strings.ToLower(t.Text)
		if r.Type == "" {
			r.Type = "choice"
		}
		r.Upper, r.Min, r.Max, r.Mu, r.Sigma, r.Q = int64(num("upper")), num("min_value"), num("max_value"), num("mu"), num("sigma"), num("q")
		values, _ := p.Value.Field("values")
		for i, item := range values.Items {
			if item.Kind == cairn.TemplateMap {
				for len(r.Spaces) <= i {
					r.Spaces = append(r.Spaces, nil)
				}
				r.Spaces[i] = b.space(item, j)
			}
			text, err := json.Marshal(item.Plain())
			if err != nil {
				continue // plain values always encode
			}
			r.Values = append(r.Values, text)
		}
		switch {
		case r.Type == "choice" && len(r.Values) == 0:
			b.fail("plan.sweep", p.Key.Pos, where(j, "search_space."+p.Key.Value), "", "%s: choice has no values", where(j, "search_space."+p.Key.Value))
		case r.Type == "randint" && r.Upper < 1:
			b.fail("plan.sweep", p.Key.Pos, where(j, "search_space."+p.Key.Value), "", "%s: upper has to be 1 or more", where(j, "search_space."+p.Key.Value))
		case strings.Contains(r.Type, "uniform") && r.Max < r.Min:
			b.fail("plan.sweep", p.Key.Pos, where(j, "search_space."+p.Key.Value), "", "%s: max_value is less than min_value", where(j, "search_space."+p.Key.Value))
		}
		out = append(out, r)
	}
	return out
}

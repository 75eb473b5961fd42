package stages

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"github.com/cairn-ml/cairn"
)

// Facts are what conditions look at.
type Facts struct {
	Stage   string
	Metrics map[string]float64 // of the release's model
	// Previous are the metrics of what is live on the stage; nil says that nothing
	// is live there.
	Previous map[string]float64
	Tests    map[string]string // results by job name, of the run that made the image
	Release  ReleaseFacts
}

// ReleaseFacts describe what is to go live.
type ReleaseFacts struct {
	Service string
	Name    string // of the image, as it was asked for
	Commit  string
	Branch  string
	Dirty   bool
	Image   string // digest
	Author  string
	Model   string // "model/digits:3"; "" when none is known
}

// Check evaluates conditions. A condition that cannot be evaluated has not passed.
func (c *Checker) Check(ctx context.Context, checks []cairn.StageCheck, f Facts) []cairn.CheckResult {
	out := make([]cairn.CheckResult, len(checks))
	for i, k := range checks {
		out[i] = cairn.CheckResult{Name: cmpOr(k.Name, k.Expr), Expr: k.Expr}
		out[i].Passed, out[i].Detail = c.one(ctx, k.Expr, f)
	}
	return out
}

func (c *Checker) one(ctx context.Context, text string, f Facts) (passed bool, detail string) {
	cond, wrong := c.compile(text)
	if len(wrong) > 0 {
		return false, wrong[0].message
	}
	seen := f.shown(cond.use)
	if u, ok := f.noNumber(cond.use); ok {
		return false, join(u.String()+" is not a number", seen)
	}
	vars := f.vars()
	result, err := c.eval(ctx, cond, vars)
	if err == nil {
		if yes, ok := result.(bool); ok {
			return yes, cmpOr(seen, "it is "+strconv.FormatBool(yes)+" in any case")
		}
		return false, join("it is neither true nor false", seen)
	}
	if ctx.Err() != nil {
		return false, "the evaluation was interrupted"
	}
	missing := f.missing(cond.use)
	// Where nothing is live there is nothing to compare with: that must not keep the
	// first release away. What the new model itself lacks still does.
	onlyPrevious := !slices.ContainsFunc(missing, func(u use) bool { return u.root != varPrevious })
	if f.Previous == nil && onlyPrevious && len(missing) > 0 && c.dependsOnPrevious(ctx, cond, vars) {
		return true, join("nothing is live on "+f.Stage+" yet: there is nothing to compare with", seen)
	}
	if len(missing) > 0 {
		slices.SortStableFunc(missing, func(a, b use) int { return strings.Compare(later(a), later(b)) })
		return false, join(f.lacks(missing[0]), seen)
	}
	if strings.Contains(err.Error(), "cost limit") {
		return false, "the condition takes too long to evaluate"
	}
	return false, join("it cannot be evaluated: "+err.Error(), seen)
}

// later puts what is not live behind what the new release lacks itself.
func later(u use) string {
	if u.root == varPrevious {
		return "1"
	}
	return "0"
}

func join(words, seen string) string {
	if seen == "" {
		return words
	}
	return words + " (" + seen + ")"
}

func (c *Checker) eval(ctx context.Context, cond *compiled, vars any, o ...cel.EvalOption) (any, error) {
	p, err := c.env.Program(cond.ast, cel.CostLimit(maxCost), cel.InterruptCheckFrequency(100), cel.EvalOptions(o...))
	if err != nil {
		return nil, err
	}
	v, _, err := p.ContextEval(ctx, vars)
	if err != nil {
		return nil, err
	}
	if types.IsUnknown(v) {
		return v, nil
	}
	return v.Value(), nil
}

// dependsOnPrevious reports whether only what is not live could decide.
func (c *Checker) dependsOnPrevious(ctx context.Context, cond *compiled, vars map[string]any) bool {
	partial, err := cel.PartialVars(vars, cel.AttributePattern(varPrevious))
	if err != nil {
		return false
	}
	v, err := c.eval(ctx, cond, partial, cel.OptPartialEval)
	if err != nil {
		return false
	}
	_, unknown := v.(*types.Unknown)
	return unknown
}

func (f *Facts) vars() map[string]any {
	some := func(m map[string]float64) map[string]float64 {
		if m == nil {
			return map[string]float64{}
		}
		return m
	}
	tests := f.Tests
	if tests == nil {
		tests = map[string]string{}
	}
	out := map[string]any{varMetrics: some(f.Metrics), varPrevious: some(f.Previous), varTests: tests, varStage: f.Stage}
	for name, v := range f.fields() {
		out[varRelease+"."+name] = v
	}
	return out
}

func (f *Facts) fields() map[string]any {
	r := f.Release
	return map[string]any{"service": r.Service, "name": r.Name, "commit": r.Commit, "branch": r.Branch, "dirty": r.Dirty,
		"image": r.Image, "author": r.Author, "model": r.Model}
}

// value looks up what a condition looks at.
func (f *Facts) value(u use) (any, bool) {
	switch u.root {
	case varMetrics:
		v, ok := f.Metrics[u.key]
		return v, ok
	case varPrevious:
		v, ok := f.Previous[u.key]
		return v, ok
	case varTests:
		v, ok := f.Tests[u.key]
		return v, ok
	case varRelease:
		v, ok := f.fields()[u.key]
		return v, ok
	case varStage:
		return f.Stage, u.key == ""
	}
	return nil, true // a variable of a macro
}

func (f *Facts) missing(uses []use) []use {
	var out []use
	for _, u := range uses {
		if _, ok := f.value(u); !ok && u.key != "" && !u.test {
			out = append(out, u)
		}
	}
	return out
}

// noNumber finds a metric that is NaN: comparing it would say something, but
// mean nothing.
func (f *Facts) noNumber(uses []use) (use, bool) {
	for _, u := range uses {
		if v, ok := f.value(u); ok {
			if n, is := v.(float64); is && math.IsNaN(n) {
				return u, true
			}
		}
	}
	return use{}, false
}

// maxShown keeps a detail readable.
const maxShown = 8

// shown is "metrics.accuracy = 0.941, previous.accuracy = 0.95".
func (f *Facts) shown(uses []use) string {
	var out []string
	add := func(name string, v any) {
		if s := fmt.Sprintf("%s = %s", name, show(v)); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	for _, u := range uses {
		v, ok := f.value(u)
		switch {
		case ok && v == nil:
		case ok:
			add(u.String(), v)
		case u.key == "" && u.root == varMetrics:
			each(f.Metrics, func(k string, v any) { add(use{root: u.root, key: k}.String(), v) })
		case u.key == "" && u.root == varPrevious:
			each(f.Previous, func(k string, v any) { add(use{root: u.root, key: k}.String(), v) })
		case u.key == "" && u.root == varTests:
			each(f.Tests, func(k string, v any) { add(use{root: u.root, key: k}.String(), v) })
		case u.test:
			if s := "no " + u.String(); !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	if len(out) > maxShown {
		out = append(out[:maxShown], fmt.Sprintf("… %d more", len(out)-maxShown))
	}
	return strings.Join(out, ", ")
}

func each[V any](m map[string]V, visit func(k string, v any)) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		visit(k, m[k])
	}
}

func show(v any) string {
	switch v := v.(type) {
	case float64:
		return strconv.FormatFloat(v, 'g', 6, 64)
	case string:
		return quote(v)
	}
	return fmt.Sprint(v)
}

// lacks says in words what is not there.
func (f *Facts) lacks(u use) string {
	var what string
	var have []string
	switch u.root {
	case varMetrics:
		what, have = "the model has no metric "+quote(u.key), slices.Sorted(maps.Keys(f.Metrics))
		if len(have) == 0 {
			what = "the model has no metrics: " + quote(u.key) + " is asked for"
		}
	case varPrevious:
		what, have = "what is live on "+f.Stage+" has no metric "+quote(u.key), slices.Sorted(maps.Keys(f.Previous))
		if f.Previous == nil {
			what = "nothing is live on " + f.Stage + " yet"
		}
	case varTests:
		what, have = "the run has no job "+quote(u.key), slices.Sorted(maps.Keys(f.Tests))
	default:
		return "there is no " + u.String()
	}
	if near := cairn.Nearest(u.key, have); near != "" {
		return what + ": did you mean " + near + "?"
	}
	if len(have) > maxShown {
		have = append(have[:maxShown:maxShown], "…")
	}
	if len(have) > 0 {
		what += "; there are " + strings.Join(have, ", ")
	}
	return what
}

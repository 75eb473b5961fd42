package stages

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	live := map[string]float64{"accuracy": 0.95}
	facts := Facts{
		Stage: "production", Metrics: map[string]float64{"accuracy": 0.941, "val/loss": 0.1, "broken": math.NaN()}, Previous: live,
		Tests:   map[string]string{"unit": "success", "slow": "failure"},
		Release: ReleaseFacts{Service: "api", Commit: "abc", Branch: "main", Dirty: true, Model: "model/digits:3", Author: "Ana"},
	}
	first := facts
	first.Previous = nil
	empty := facts
	empty.Previous = map[string]float64{}
	for _, c := range []struct {
		facts  Facts
		expr   string
		passed bool
		detail string
	}{
		{facts, "metrics.accuracy >= 0.95", false, "metrics.accuracy = 0.941"},
		{facts, "metrics.accuracy > 0", true, "metrics.accuracy = 0.941"},
		{facts, "metrics.accuracy >= previous.accuracy - 0.01", true, "metrics.accuracy = 0.941, previous.accuracy = 0.95"},
		{facts, `metrics["val/loss"] < 0.2`, true, `metrics["val/loss"] = 0.1`},
		{facts, "metrics.acuracy > 0.5", false, `the model has no metric "acuracy": did you mean accuracy?`},
		{facts, "metrics.f1 > 0.5", false, `the model has no metric "f1"; there are accuracy, broken, val/loss`},
		{facts, "metrics.broken < 0.5", false, "metrics.broken is not a number (metrics.broken = NaN)"},
		{facts, "!(metrics.broken < 0.5)", false, "metrics.broken is not a number (metrics.broken = NaN)"},
		{facts, "!has(metrics.f1) || metrics.f1 > 0.5", true, "no metrics.f1"},
		{facts, "has(metrics.f1)", false, "no metrics.f1"},
		{facts, `tests.unit == "success" && tests["slow"] != "success"`, true, `tests.unit = "success", tests.slow = "failure"`},
		{facts, `tests.deploy == "success"`, false, `the run has no job "deploy"; there are slow, unit`},
		{facts, "tests.all(job, tests[job] == 'success')", false, `tests.slow = "failure", tests.unit = "success"`},
		{facts, "!release.dirty", false, "release.dirty = true"},
		{facts, `release.branch == "main" && stage == "production"`, true, `release.branch = "main", stage = "production"`},
		{facts, "size(metrics) > 2", true, `metrics.accuracy = 0.941, metrics.broken = NaN, metrics["val/loss"] = 0.1`},
		{facts, "true", true, "it is true in any case"},
		{facts, "metrics.accuracy > 1.0 / 0.0", false, "metrics.accuracy = 0.941"},
		{facts, "1 / 0 == 1", false, "it cannot be evaluated: division by zero"},
		{facts, "metrics.accuracy", false, "a check is true or false, but this is of type double"},

		// Nothing is live yet: what depends on it holds, and nothing else does.
		{first, "metrics.accuracy >= previous.accuracy - 0.01", true, "nothing is live on production yet: there is nothing to compare with (metrics.accuracy = 0.941)"},
		{first, "metrics.accuracy >= 0.95 && metrics.accuracy >= previous.accuracy", false, "metrics.accuracy = 0.941"},
		{first, "previous.accuracy <= metrics.f1", false, `the model has no metric "f1"; there are accuracy, broken, val/loss`},
		{first, "metrics.f1 >= previous.f1", false, `the model has no metric "f1"; there are accuracy, broken, val/loss`},
		{first, "size(previous) == 0", true, "it is true in any case"},
		// Something is live that lacks the metric: that is no pass.
		{empty, "metrics.accuracy >= previous.accuracy", false, `what is live on production has no metric "accuracy" (metrics.accuracy = 0.941)`},
		{Facts{Stage: "s"}, "metrics.accuracy > 0.5", false, `the model has no metrics: "accuracy" is asked for`},
	} {
		checker, err := NewChecker()
		if err != nil {
			t.Fatal(err)
		}
		got := checker.Check(t.Context(), []cairn.StageCheck{{Expr: c.expr}}, c.facts)[0]
		if got.Passed != c.passed || got.Detail != c.detail || got.Name != c.expr {
			t.Errorf("%s:\n got %v %s\nwant %v %s", c.expr, got.Passed, got.Detail, c.passed, c.detail)
		}
	}
}

// What costs too much is no pass, and ends.
func TestCheckCost(t *testing.T) {
	t.Parallel()
	checker, err := NewChecker()
	if err != nil {
		t.Fatal(err)
	}
	list := "[" + strings.Repeat("1,", 60) + "1]"
	expr := list + ".all(a, " + list + ".all(b, " + list + ".all(c, a + b + c > 0)))"
	got := checker.Check(t.Context(), []cairn.StageCheck{{Name: "x", Expr: expr}}, Facts{})[0]
	if got.Passed || got.Detail != "the condition takes too long to evaluate" {
		t.Errorf("%+v", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := checker.Check(ctx, []cairn.StageCheck{{Expr: expr}}, Facts{})[0]; got.Passed {
		t.Errorf("%+v", got)
	}
	deep := strings.Repeat("(", 2000) + "true" + strings.Repeat(")", 2000)
	if got := checker.Check(t.Context(), []cairn.StageCheck{{Expr: deep}}, Facts{})[0]; got.Passed {
		t.Errorf("%+v", got)
	}
}

func BenchmarkNewChecker(b *testing.B) {
	for b.Loop() {
		c, err := NewChecker()
		if err != nil {
			b.Fatal(err)
		}
		if _, f := c.compile("metrics.accuracy >= previous.accuracy - 0.01"); len(f) > 0 {
			b.Fatal(f)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	c, err := NewChecker()
	if err != nil {
		b.Fatal(err)
	}
	f := Facts{Metrics: map[string]float64{"accuracy": 0.9}, Previous: map[string]float64{"accuracy": 0.9}}
	checks := []cairn.StageCheck{{Expr: "metrics.accuracy >= previous.accuracy - 0.01"}}
	for b.Loop() {
		if !c.Check(b.Context(), checks, f)[0].Passed {
			b.Fatal("no pass")
		}
	}
}

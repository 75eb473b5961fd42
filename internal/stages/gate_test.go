package stages

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
)

func gateFacts() GateFacts {
	return GateFacts{
		Environment: "production",
		Run: &cairn.Run{
			Actor: "ana", Event: "push", Ref: "refs/heads/main", Workflow: "train", Repository: "acme/digits", Number: 7, Attempt: 1,
			Commit: cairn.Commit{SHA: "abc", Author: "Ana"},
		},
		Tests:  map[string]string{"unit": "success", "lint": "failure"},
		Model:  &ModelFacts{Name: "digits", Version: "3", Metrics: map[string]float64{"accuracy": 0.94, "val/loss": 0.2, "nan": math.NaN()}},
		Models: map[string]map[string]float64{"digits": {"accuracy": 0.94}, "base": {"f1": 0.5}},
	}
}

func TestGateCheck(t *testing.T) {
	t.Parallel()
	g, err := NewGate()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ expr, state, detail string }{
		{`run.actor != "bot" && model.metrics.accuracy >= 0.9`, "passed", `run.actor = "ana", model.metrics.accuracy = 0.94 (model/digits:3)`},
		{`model.metrics.accuracy >= 0.99`, "failed", "model.metrics.accuracy = 0.94"},
		{`model.metrics["val/loss"] < 1`, "passed", `model.metrics["val/loss"] = 0.2`},
		{`run.branch == "main" && run.tag == "" && !run.dirty && run.number > 6`, "passed", "run.number = 7"},
		{`tests.unit == "success"`, "passed", `tests.unit = "success"`},
		{`tests.all(k, tests[k] == "success")`, "failed", ""},
		{`models.base.f1 >= 0.5 && models["digits"]["accuracy"] > 0.9`, "passed", "models.base.f1 = 0.5"},
		{`model.metrics.acuracy >= 0.9`, "lacks", `model/digits:3 has no metric "acuracy": did you mean accuracy?`},
		{`models.other.f1 > 0.1`, "lacks", `the run has made and used no model "other"; there are base, digits`},
		{`release.service == "api"`, "lacks", "no release holds an image of this run yet (release.service is asked for)"},
		{`model.metrics.nan > 0.1`, "failed", "model.metrics.nan is not a number"},
		{`has(model.metrics.f1) || run.actor == "ana"`, "passed", `run.actor = "ana"`},
		{`environment == "production" ? model.metrics.accuracy > 0.9 : true`, "passed", `environment = "production"`},
		{`tests.nightly == "success"`, "lacks", `the run has no job "nightly"; there are lint, unit`},
		// What is false in any case lacks nothing.
		{`run.actor == "bot" && release.service == "api"`, "failed", `run.actor = "ana"`},
	} {
		f := gateFacts()
		got := g.Check(context.Background(), c.expr, f)
		if got.State != c.state || !strings.Contains(got.Detail, c.detail) {
			t.Errorf("%s\n got %s: %s\nwant %s: %s", c.expr, got.State, got.Detail, c.state, c.detail)
		}
	}
	none := gateFacts()
	none.Model, none.Models = nil, nil
	if got := g.Check(context.Background(), `model.metrics.accuracy > 0.5`, none); got.State != "lacks" || !strings.Contains(got.Detail, "made and used no model yet") {
		t.Errorf("without a model: %+v", got)
	}
}

func TestGateValidate(t *testing.T) {
	t.Parallel()
	g, err := NewGate()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ expr, message, hint string }{
		{`run.actr == "ana"`, `run has no "actr"`, "did you mean run.actor?"},
		{`runn.actor == "ana"`, `"runn" is not known here`, "did you mean run?"},
		{`run == "x"`, "run is no value by itself", "run has actor"},
		{`model.metrics.accuracy`, "a gate is true or false, but this is of type double", "compare it"},
		{`run.actor = "ana"`, "not a condition in CEL", "equality is written =="},
		{`run.actor > 3`, "does not take", ""},
		{`run.actor == `, "it ends too early", "a value is missing"},
		{`(run.actor == "ana"`, "it ends too early", "a bracket"},
		{``, "", ""},
		{strings.Repeat("(", 4000) + "true", "", ""},
		{strings.Repeat("true && ", 1000) + "true", "the gate has", ""},
	} {
		err := g.Validate(c.expr)
		if err == nil {
			t.Errorf("%.40s: accepted", c.expr)
			continue
		}
		if ce := cairn.AsError(err); !strings.Contains(ce.Message, c.message) || !strings.Contains(ce.Hint, c.hint) {
			t.Errorf("%.40s: got %s (%s)", c.expr, ce.Message, ce.Hint)
		}
	}
}

// FuzzGate looks for conditions that crash the compiler or the evaluator.
func FuzzGate(f *testing.F) {
	for _, s := range []string{`run.actor == "a"`, `model.metrics["a"] > 1`, `tests.all(k, tests[k] == "x")`, `has(models.a.b)`, `1/0 == 1`, `[1,2].map(x, x)[7] == 1`} {
		f.Add(s)
	}
	g, err := NewGate()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if g.Validate(s) == nil {
			if c := g.Check(context.Background(), s, gateFacts()); c.State == "" || c.Detail == "" && c.State == "failed" {
				t.Errorf("%q: %+v", s, c)
			}
		}
	})
}

func BenchmarkGate(b *testing.B) {
	g, err := NewGate()
	if err != nil {
		b.Fatal(err)
	}
	f := gateFacts()
	for b.Loop() {
		if c := g.Check(b.Context(), `run.actor != "bot" && model.metrics.accuracy >= 0.9`, f); c.State != cairn.GatePassed {
			b.Fatal(c)
		}
	}
}

package stages

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"

	"github.com/cairn-ml/cairn"
)

// The roots of a gate's names.
const (
	gateRun         = "run"
	gateModel       = "model"
	gateModels      = "models"
	gateRelease     = "release"
	gateTests       = "tests"
	gateEnvironment = "environment"
)

// gateField is one name that a gate can use, with its line of the reference.
type gateField struct {
	name string
	kind *cel.Type
	doc  string
}

func gateFields() []gateField {
	numbers := cel.MapType(cel.StringType, cel.DoubleType)
	return []gateField{
		{"run.actor", cel.StringType, "Who started the run."},
		{"run.event", cel.StringType, "`push`, `workflow_dispatch`, …"},
		{"run.ref", cel.StringType, "`refs/heads/main`; empty for a detached HEAD."},
		{"run.branch", cel.StringType, "`main`; empty where it is no branch."},
		{"run.tag", cel.StringType, "`v1.2.3`; empty where it is no tag."},
		{"run.commit", cel.StringType, "The SHA."},
		{"run.author", cel.StringType, "Of the commit."},
		{"run.workflow", cel.StringType, "The name of the workflow."},
		{"run.repository", cel.StringType, "`owner/name`."},
		{"run.number", cel.IntType, "The run's number within its workflow."},
		{"run.attempt", cel.IntType, "1, and more for a run that was started again."},
		{"run.dirty", cel.BoolType, "Whether its code has uncommitted changes."},
		{"run.untrusted", cel.BoolType, "Whether its code comes from a fork or from somebody who may not write."},
		{"model.name", cel.StringType, "The model that the run made last, else the one that it used last."},
		{"model.version", cel.StringType, "Its version."},
		{"model.metrics", numbers, "Its metrics: `model.metrics.accuracy`, `model.metrics[\"val/loss\"]`."},
		{"models", cel.MapType(cel.StringType, numbers), "Metrics of each model that the run made or used: `models[\"digits\"][\"accuracy\"]`."},
		{"release.service", cel.StringType, "The newest release that the run's image is part of; by hand, what is deployed."},
		{"release.id", cel.StringType, "Its id."},
		{"release.name", cel.StringType, "The image, as it was asked for."},
		{"release.image", cel.StringType, "The digest of the image."},
		{"release.commit", cel.StringType, "The SHA that it was built from."},
		{"release.dirty", cel.BoolType, "Whether that had uncommitted changes."},
		{"tests", cel.MapType(cel.StringType, cel.StringType), "The result of each job of the run: `tests[\"unit\"] == \"success\"`."},
		{"environment", cel.StringType, "The name of the environment."},
	}
}

// Gate compiles and evaluates the conditions of environments.
type Gate struct{ env *cel.Env }

// NewGate sets up the language of gates; like NewChecker it takes some milliseconds.
func NewGate() (*Gate, error) {
	options := []cel.EnvOption{
		cel.CrossTypeNumericComparisons(true),
		cel.ParserExpressionSizeLimit(maxExpr),
		cel.ParserRecursionLimit(50),
	}
	for _, f := range gateFields() {
		options = append(options, cel.Variable(f.name, f.kind))
	}
	env, err := cel.NewEnv(options...)
	if err != nil {
		return nil, err
	}
	return &Gate{env}, nil
}

// Validate says what is wrong with a condition; nil for one that can be evaluated.
func (g *Gate) Validate(text string) error {
	if len(text) > maxExpr {
		return cairn.Errorf(cairn.CodeTooLarge, "the gate has %d bytes; at most %d", len(text), maxExpr)
	}
	if _, _, wrong := g.compile(text); len(wrong) > 0 {
		return cairn.Errorf(cairn.CodeInvalid, "gate: %s", wrong[0].message).WithHint("%s", wrong[0].hint)
	}
	return nil
}

// gateUse is a value that a gate looks at: model.metrics.accuracy. A test asks only
// whether it is there.
type gateUse struct {
	path string // joined by NUL
	test bool
}

func (u gateUse) parts() []string { return strings.Split(u.path, "\x00") }

func (u gateUse) String() string {
	var b strings.Builder
	for i, p := range u.parts() {
		switch {
		case i == 0:
			b.WriteString(p)
		case plainKey().MatchString(p):
			b.WriteString("." + p)
		default:
			fmt.Fprintf(&b, "[%q]", p)
		}
	}
	return b.String()
}

func (g *Gate) compile(text string) (*cel.Ast, []gateUse, []fault) {
	roots := []string{gateRun, gateModel, gateModels, gateRelease, gateTests, gateEnvironment}
	parsed, issues := g.env.Parse(text)
	if issues.Err() != nil {
		return nil, nil, faults(issues, roots)
	}
	uses, wrong := gateUses(parsed)
	if len(wrong) > 0 {
		return nil, nil, wrong
	}
	checked, issues := g.env.Check(parsed)
	if issues.Err() != nil {
		return nil, nil, faults(issues, roots)
	}
	if t := checked.OutputType(); !t.IsExactType(cel.BoolType) {
		return nil, nil, []fault{{1, 0, fmt.Sprintf("a gate is true or false, but this is of type %s", t),
			"compare it with something: model.metrics.accuracy >= 0.9"}}
	}
	return checked, uses, nil
}

// gateUses lists the values that a condition looks at, and the fields that there
// are not.
func gateUses(parsed *cel.Ast) ([]gateUse, []fault) {
	var out []gateUse
	var wrong []fault
	inner := map[int64]bool{}
	native := parsed.NativeRep()
	ast.PreOrderVisit(native.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if inner[e.ID()] {
			return
		}
		path, ids := chain(e)
		if len(path) == 0 {
			return
		}
		for _, id := range ids {
			inner[id] = true
		}
		if !slices.Contains([]string{gateRun, gateModel, gateModels, gateRelease, gateTests, gateEnvironment}, path[0]) {
			return
		}
		if f, ok := noField(path); ok {
			at := native.SourceInfo().GetStartLocation(e.ID())
			f.line, f.column = at.Line(), at.Column()
			wrong = append(wrong, f)
			return
		}
		u := gateUse{strings.Join(path, "\x00"), e.Kind() == ast.SelectKind && e.AsSelect().IsTestOnly()}
		if !slices.Contains(out, u) {
			out = append(out, u)
		}
	}))
	return out, wrong
}

// chain reads a.b["c"] as [a b c] with the ids of what is inside; nil for anything
// that is not plain names.
func chain(e ast.Expr) (path []string, inner []int64) {
	switch e.Kind() {
	case ast.IdentKind:
		return []string{e.AsIdent()}, nil
	case ast.SelectKind:
		s := e.AsSelect()
		if path, inner = chain(s.Operand()); path != nil {
			return append(path, s.FieldName()), append(inner, s.Operand().ID())
		}
	case ast.CallKind:
		call := e.AsCall()
		if call.FunctionName() != "_[_]" || len(call.Args()) != 2 || call.Args()[1].Kind() != ast.LiteralKind {
			return nil, nil
		}
		key, ok := call.Args()[1].AsLiteral().Value().(string)
		if path, inner = chain(call.Args()[0]); ok && path != nil {
			return append(path, key), append(inner, call.Args()[0].ID())
		}
	}
	return nil, nil
}

// noField names a field of run, model or release that there is not.
func noField(path []string) (fault, bool) {
	var have []string
	for _, f := range gateFields() {
		if root, field, ok := strings.Cut(f.name, "."); ok && root == path[0] {
			have = append(have, field)
		}
	}
	if len(have) == 0 || len(path) > 1 && slices.Contains(have, path[1]) {
		return fault{}, false
	}
	hint := path[0] + " has " + strings.Join(have, ", ")
	if len(path) == 1 {
		return fault{message: path[0] + " is no value by itself", hint: hint}, true
	}
	if near := cairn.Nearest(path[1], have); near != "" {
		hint = "did you mean " + path[0] + "." + near + "? " + hint
	}
	return fault{message: path[0] + " has no " + quote(path[1]), hint: hint}, true
}

// Check evaluates a condition. What it lacks is named; what cannot be evaluated
// does not pass.
func (g *Gate) Check(ctx context.Context, text string, f GateFacts) cairn.GateCheck {
	out := cairn.GateCheck{Expr: text, State: cairn.GateFailed}
	checked, uses, wrong := g.compile(text)
	if len(wrong) > 0 {
		out.Detail = wrong[0].message
		return out
	}
	vars := f.vars()
	seen := f.shown(vars, uses)
	for _, u := range uses {
		if v, ok := look(vars, u.parts()); ok {
			if n, is := v.(float64); is && math.IsNaN(n) {
				out.Detail = join(u.String()+" is not a number", seen)
				return out
			}
		}
	}
	p, err := g.env.Program(checked, cel.CostLimit(maxCost), cel.InterruptCheckFrequency(100))
	if err != nil {
		out.Detail = "it cannot be evaluated: " + err.Error()
		return out
	}
	v, _, err := p.ContextEval(ctx, vars)
	if err == nil {
		yes, is := v.Value().(bool)
		if is && yes {
			out.State = cairn.GatePassed
		}
		out.Detail = cmpOr(seen, "it is the same in any case")
		return out
	}
	for _, u := range uses {
		if _, ok := look(vars, u.parts()); !ok && !u.test {
			out.State, out.Detail = cairn.GateLacks, join(f.lacks(u), seen)
			return out
		}
	}
	if strings.Contains(err.Error(), "cost limit") {
		out.Detail = "the condition takes too long to evaluate"
		return out
	}
	out.Detail = join("it cannot be evaluated: "+err.Error(), seen)
	return out
}

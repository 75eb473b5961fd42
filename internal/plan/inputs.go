package plan

import (
	"encoding/json"
	"math"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
	"github.com/cairn-ml/cairn/internal/workflow"
)

// triggerInputs types the raw texts that were given with a start by hand.
func (b *builder) triggerInputs(event *workflow.Event, given map[string]string) []cairn.Input {
	names := make([]string, len(event.Inputs))
	for i, in := range event.Inputs {
		names[i] = in.Name
	}
	raw := map[string]string{} // by declared name
	for _, name := range sortedKeys(given) {
		i := slices.IndexFunc(names, func(s string) bool { return strings.EqualFold(s, name) })
		if i < 0 {
			hint := "on." + event.Name + " declares no inputs"
			if len(names) > 0 {
				hint = "inputs of this workflow: " + strings.Join(names, ", ")
			}
			if near := cairn.Nearest(name, names); near != "" {
				hint = "did you mean " + near + "? " + hint
			}
			b.fail("plan.input", event.Pos, hint, "there is no input %s", show(name))
			continue
		}
		if _, twice := raw[names[i]]; twice {
			b.fail("plan.input", event.Inputs[i].Pos, "", "input %s is given twice", show(names[i]))
		}
		raw[names[i]] = given[name]
	}
	out := make([]cairn.Input, 0, len(event.Inputs))
	for i := range event.Inputs {
		in := &event.Inputs[i]
		v, ok := b.triggerInput(in, raw)
		if ok {
			out = append(out, cairn.Input{Name: in.Name, Type: in.Type, Value: v.JSON()})
		}
	}
	return out
}

func (b *builder) triggerInput(in *workflow.Input, raw map[string]string) (expr.Value, bool) {
	text, given := raw[in.Name]
	if !given {
		if !in.Default.IsZero() && in.Default.Kind != cairn.TemplateNull {
			return b.defaultInput(in)
		}
		if in.Required {
			b.fail("plan.input", in.Pos, "give it: --input "+in.Name+"="+placeholder(in), "input %s is required", show(in.Name))
			return expr.Value{}, false
		}
		return zeroInput(in), true
	}
	switch in.Type {
	case "boolean":
		if text != "true" && text != "false" {
			b.fail("plan.input", in.Pos, "allowed: true, false", "input %s is a boolean, but %s is given", show(in.Name), show(text))
			return expr.Value{}, false
		}
		return expr.Bool(text == "true"), true
	case "number":
		f := expr.String(text).ToNumber()
		if strings.TrimSpace(text) == "" || math.IsNaN(f) || math.IsInf(f, 0) {
			b.fail("plan.input", in.Pos, "for example 42 or 0.5", "input %s is a number, but %s is given", show(in.Name), show(text))
			return expr.Value{}, false
		}
		return expr.Number(f), true
	case "choice":
		options := make([]string, len(in.Options))
		for i, o := range in.Options {
			options[i] = o.Value
		}
		if !slices.Contains(options, text) {
			hint := "allowed: " + strings.Join(options, ", ")
			if near := cairn.Nearest(text, options); near != "" {
				hint = "did you mean " + near + "? " + hint
			}
			b.fail("plan.input", in.Pos, hint, "input %s cannot be %s", show(in.Name), show(text))
			return expr.Value{}, false
		}
	}
	if in.Required && text == "" {
		b.fail("plan.input", in.Pos, "", "input %s is required, but empty", show(in.Name))
		return expr.Value{}, false
	}
	return expr.String(text), true
}

func placeholder(in *workflow.Input) string {
	switch {
	case in.Type == "boolean":
		return "true"
	case in.Type == "choice" && len(in.Options) > 0:
		return in.Options[0].Value
	default:
		return "…"
	}
}

func (b *builder) defaultInput(in *workflow.Input) (expr.Value, bool) {
	if !in.Default.Static() {
		b.fail("plan.input", in.Pos, "give it: --input "+in.Name+"="+placeholder(in), "the default of input %s is an expression, which only a call can evaluate", show(in.Name))
		return expr.Value{}, false
	}
	v, err := expr.EvalTemplate(in.Default, &expr.Env{})
	if err == nil {
		v, err = typed(v, in.Type)
	}
	if err != nil {
		b.fail("plan.input", in.Pos, "", "the default of input %s: %s", show(in.Name), err)
		return expr.Value{}, false
	}
	return v, true
}

// zeroInput is the value of an input that nobody gave: of a choice its first
// option, as in GitHub's form.
func zeroInput(in *workflow.Input) expr.Value {
	switch in.Type {
	case "boolean":
		return expr.Bool(false)
	case "number":
		return expr.Number(0)
	case "choice":
		if len(in.Options) > 0 {
			return expr.String(in.Options[0].Value)
		}
	}
	return expr.String("")
}

// typed brings a value to the type of an input.
func typed(v expr.Value, kind string) (expr.Value, error) {
	switch kind {
	case "boolean":
		if v.Kind() == expr.KindBool {
			return v, nil
		}
		if s := v.ToString(); v.Kind() == expr.KindString && (s == "true" || s == "false") {
			return expr.Bool(s == "true"), nil
		}
		return v, cairn.Errorf(cairn.CodeInvalid, "a boolean was expected, but the value is %s", describe(v))
	case "number":
		if f := v.ToNumber(); v.Kind() == expr.KindNumber || v.Kind() == expr.KindString && strings.TrimSpace(v.ToString()) != "" && !math.IsNaN(f) {
			return expr.Number(f), nil
		}
		return v, cairn.Errorf(cairn.CodeInvalid, "a number was expected, but the value is %s", describe(v))
	default:
		if !v.Primitive() {
			return v, cairn.Errorf(cairn.CodeInvalid, "text was expected, but the value is %s", describe(v)).
				WithHint("hand it over as text with toJSON(…), and read it there with fromJSON(…)")
		}
		return expr.String(v.ToString()), nil
	}
}

func describe(v expr.Value) string {
	switch v.Kind() {
	case expr.KindNull:
		return "null"
	case expr.KindArray:
		return "an array"
	case expr.KindObject:
		return "an object"
	default:
		return show(v.ToString())
	}
}

// BindInputs types the inputs of a call: given is an object of evaluated values,
// the result an object in the order of the declarations. Defaults that are
// expressions see no context; see BindInputsIn.
func BindInputs(decls []cairn.InputDecl, given expr.Value) (json.RawMessage, error) {
	return BindInputsIn(decls, given, &expr.Env{})
}

// BindInputsIn is BindInputs with the contexts (github, inputs, vars) that
// defaults may use.
func BindInputsIn(decls []cairn.InputDecl, given expr.Value, env *expr.Env) (json.RawMessage, error) {
	fields := make([]expr.Field, 0, len(decls))
	names := make([]string, 0, len(decls))
	for _, d := range decls {
		names = append(names, d.Name)
		v, ok := given.Get(d.Name)
		var err error
		switch {
		case ok:
		case !d.Default.IsZero():
			if v, err = expr.EvalTemplate(d.Default, env); err != nil {
				return nil, named(d.Name, err)
			}
		case d.Required:
			return nil, cairn.Errorf(cairn.CodeInvalid, "input %s is required", show(d.Name))
		}
		if v.IsNull() { // not given, or an empty default
			v = zeroInput(&workflow.Input{Type: d.Type})
		}
		if v, err = typed(v, d.Type); err != nil {
			return nil, named(d.Name, err)
		}
		fields = append(fields, expr.Field{Name: d.Name, Value: v})
	}
	for _, name := range given.Keys() {
		if !slices.ContainsFunc(names, func(s string) bool { return strings.EqualFold(s, name) }) {
			e := cairn.Errorf(cairn.CodeInvalid, "the called workflow has no input %s", show(name))
			return nil, e.WithHint("its inputs: %s", strings.Join(names, ", "))
		}
	}
	return expr.Object(fields...).JSON(), nil
}

func named(input string, err error) error {
	e := *cairn.AsError(err)
	e.Message = "input " + show(input) + ": " + e.Message
	return &e
}

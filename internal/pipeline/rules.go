package pipeline

import (
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

// reservedPorts are names that the original keeps from inputs and outputs: they would be
// variables of the shell.
var reservedPorts = []string{"path", "ld_library_path", "user", "logname", "home", "pwd", "shell"}

// checkEnvironment holds an environment of its own against what it needs.
func (b *builder) checkEnvironment(e *Environment, v Value) {
	image, _ := v.Field("image")
	build, _ := v.Field("build")
	switch {
	case image.Given() && build.Given():
		b.fail(build.Pos, "build", build, "pipeline.exclusive", "", "image and build are both given; an environment has one of them")
	case !image.Given() && !build.Given() && e.CondaText == "" && e.Conda == nil:
		b.fail(v.Pos, "image", Value{}, "pipeline.required", "", "image, or build, is missing: an environment needs one of them")
	case build.Given() && (e.CondaText != "" || e.Conda != nil):
		conda, _ := v.Field("conda_file")
		b.fail(conda.Pos, "conda_file", conda, "pipeline.exclusive", "install the packages in the Dockerfile", "conda_file goes with image, not with build")
	}
}

// checkComponent holds a component against itself.
func (b *builder) checkComponent(c *Component) {
	if c == nil {
		return
	}
	at := c.Job.JSONPath
	for _, kind := range []struct {
		key   string
		ports []PortDecl
	}{{"inputs", c.Inputs}, {"outputs", c.Outputs}} {
		for _, p := range kind.ports {
			b.portName(p.Name, p.Pos, sub(sub(at, kind.key), p.Name))
			if kind.key == "inputs" {
				b.checkBounds(p, sub(sub(at, "inputs"), p.Name))
				b.checkDefault(p, sub(sub(at, "inputs"), p.Name))
			}
		}
	}
	if cmd := c.Job.Command; cmd != nil && c.Kind == KindCommandComponent {
		b.commandRefs(cmd.Command, sub(at, "command"), portNames(c.Inputs), optionalNames(c.Inputs), portNames(c.Outputs), nil)
	}
	if c.Job.Pipeline != nil {
		b.checkPipeline(c.Job.Pipeline, at, portNames(c.Inputs), optionalSet(c.Inputs), portNames(c.Outputs))
	}
}

func portNames(ps []PortDecl) []string {
	var out []string
	for _, p := range ps {
		out = append(out, p.Name)
	}
	return out
}

func optionalNames(ps []PortDecl) map[string]bool {
	out := map[string]bool{}
	for _, p := range ps {
		if p.Optional {
			out[p.Name] = true
		}
	}
	return out
}

// optionalSet are the inputs that may be unset: optional and without a default.
func optionalSet(ps []PortDecl) map[string]bool {
	out := map[string]bool{}
	for _, p := range ps {
		if p.Optional && !p.Default.Given() {
			out[p.Name] = true
		}
	}
	return out
}

func (b *builder) portName(name string, pos cairn.Position, at string) {
	switch {
	case !portName.MatchString(name):
		b.fail(pos, at, Value{}, "pipeline.name", "for example "+asName(name), "%s: %q is no name of an input or output: letters, digits and _, and no digit first", at, clip(name))
	case slices.Contains(reservedPorts, strings.ToLower(name)):
		b.fail(pos, at, Value{}, "pipeline.name", "for example "+name+"_dir", "%s: %q is a variable of the shell; choose another name", at, clip(name))
	}
}

// checkBounds holds min and max of an input of numbers against being numbers.
func (b *builder) checkBounds(p PortDecl, at string) {
	if p.Type != "integer" && p.Type != "number" {
		return
	}
	for _, x := range []struct {
		key string
		v   Value
	}{{"min", p.Min}, {"max", p.Max}} {
		if _, ok := bound(x.v); x.v.Given() && !ok {
			b.fail(x.v.Pos, sub(at, x.key), x.v, "pipeline.value", "", "%s: %s; it has to be a number", sub(at, x.key), shown(x.v))
		}
	}
}

// bound is a bound that is given and is a number.
func bound(v Value) (n float64, ok bool) {
	switch v.Kind {
	case cairn.TemplateNumber:
		return v.Num, true
	case cairn.TemplateString:
		n, err := strconv.ParseFloat(strings.TrimSpace(v.Text), 64)
		return n, err == nil
	}
	return 0, false
}

// checkDefault holds the default of an input against its type, range and choices.
func (b *builder) checkDefault(p PortDecl, at string) {
	v := p.Default.Value
	if v.Kind == cairn.TemplateString && hasBinding(v.Text) && slices.Contains([]string{"integer", "number", "boolean"}, p.Type) {
		b.fail(v.Pos, sub(at, "default"), v, "pipeline.value", "", "%s: %s; the input takes a value of type %s", sub(at, "default"), shown(v), p.Type)
		return
	}
	if p.Default.Given() {
		b.checkLiteral(p, v, sub(at, "default"))
	}
}

// checkLiteral holds a value against a port that takes a literal.
func (b *builder) checkLiteral(p PortDecl, v Value, at string) {
	if v.Kind == cairn.TemplateString && hasBinding(v.Text) {
		return
	}
	bad := func(want string) {
		b.fail(v.Pos, at, v, "pipeline.value", "", "%s: %s; the input takes %s", at, shown(v), want)
	}
	n, isNumber := 0.0, false
	switch p.Type {
	case "integer":
		i, ok := int64(v.Num), v.Kind == cairn.TemplateNumber && v.Num == float64(int64(v.Num))
		if v.Kind == cairn.TemplateString {
			i, ok = pyInt(v.Text)
		}
		if !ok {
			bad("a whole number")
			return
		}
		n, isNumber = float64(i), true
	case "number":
		f, ok := v.Num, v.Kind == cairn.TemplateNumber
		if v.Kind == cairn.TemplateString {
			x, err := strconv.ParseFloat(strings.TrimSpace(v.Text), 64)
			f, ok = x, err == nil
		}
		if !ok {
			bad("a number")
			return
		}
		n, isNumber = f, true
	case "boolean":
		switch {
		case v.Kind == cairn.TemplateBool:
		case v.Kind == cairn.TemplateString && (strings.EqualFold(v.Text, "true") || strings.EqualFold(v.Text, "false")):
		default:
			bad("true or false")
			return
		}
	case "string":
	default:
		return
	}
	lo, hasLo := bound(p.Min)
	hi, hasHi := bound(p.Max)
	if isNumber && (hasLo && n < lo || hasHi && n > hi) {
		b.fail(v.Pos, at, v, "pipeline.range", "", "%s: %s is out of range: %s", at, clip(v.Raw), rangeText(lo, hasLo, hi, hasHi))
	}
	if len(p.Enum) > 0 && !slices.Contains(p.Enum, v.Text) {
		b.fail(v.Pos, at, v, "pipeline.value", didYouMean(v.Text, p.Enum), "%s: %s; it has to be %s", at, shown(v), oneOf(p.Enum))
	}
}

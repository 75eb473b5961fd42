package pipeline

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

// checker holds a tree of values against the shapes.
type checker struct {
	l *loader
	// problems of the branch that is tried.
	problems []cairn.Problem
	depth    int
}

// place is where a value stands: its path in the file, and the folder that relative
// paths start from.
type place struct {
	path string
	dir  string
}

func (p place) key(k string) place {
	if p.path == "" {
		return place{k, p.dir}
	}
	return place{p.path + "." + k, p.dir}
}

func (p place) index(i int) place { return place{p.path + "." + strconv.Itoa(i), p.dir} }

func (c *checker) fail(at cairn.Position, p place, v Value, code, hint, format string, args ...any) {
	if c.full() {
		return
	}
	c.problems = append(c.problems, cairn.Problem{
		Position: at, Severity: cairn.SeverityError, Code: code, Message: fmt.Sprintf(format, args...), Hint: hint,
		Path: p.path, Value: found(v),
	})
}

// full reports whether nothing more is told.
func (c *checker) full() bool { return len(c.problems) >= maxProblem }

// found is a value for messages: bounded.
func found(v Value) any {
	switch v.Kind {
	case cairn.TemplateSeq:
		return fmt.Sprintf("a list of %d", len(v.Items))
	case cairn.TemplateMap:
		return fmt.Sprintf("a map of %d", len(v.Pairs))
	case cairn.TemplateString:
		return clip(v.Text)
	}
	return v.Plain()
}

// try runs fn with problems of its own.
func (c *checker) try(fn func()) []cairn.Problem {
	saved := c.problems
	c.problems = nil
	fn()
	got := c.problems
	c.problems = saved
	return got
}

func (c *checker) wrong(v Value, p place, want string) {
	c.fail(v.Pos, p, v, "pipeline.type", "", "%s: %s; it has to be %s", c.name(p), shown(v), want)
}

// name is the last part of a path, for messages.
func (c *checker) name(p place) string {
	if p.path == "" {
		return "the file"
	}
	return p.path
}

// shown says what was found in words.
func shown(v Value) string {
	switch v.Kind {
	case cairn.TemplateSeq, cairn.TemplateMap:
		return "here is a " + kindWord(v)
	case cairn.TemplateNull:
		return "nothing is given"
	case cairn.TemplateString:
		if v.Time {
			return isWhat(v)
		}
		return fmt.Sprintf("%q", clip(v.Text))
	}
	return isWhat(v)
}

// isWhat says what YAML makes of a text without quotes.
func isWhat(v Value) string {
	switch v.Kind {
	case cairn.TemplateNull:
		return clip(v.Raw) + " means nothing in YAML"
	case cairn.TemplateBool:
		if means := strings.ToLower(v.Text); means != v.Raw {
			return clip(v.Raw) + " means " + means + " in YAML"
		}
	}
	return fmt.Sprintf("%s is a %s in YAML", clip(v.Raw), kindWord(v))
}

// oddKeys are the keys of a map that are no text.
func (c *checker) oddKeys(v Value, p place) {
	for _, k := range v.OddKeys {
		c.fail(k.Pos, p.key(k.Raw), k, "pipeline.key", "put it in quotes", "%s: the key %s; it has to be text", c.name(p), isWhat(k))
	}
}

// field checks one value and returns it as it is meant: names of an enumeration in
// their own spelling, read-only keys gone.
func (c *checker) field(v Value, f *field, p place) Value {
	if c.depth++; c.depth > maxDepth*3 {
		c.fail(v.Pos, p, v, "pipeline.depth", "", "%s: it is nested too deeply", c.name(p))
		c.depth--
		return v
	}
	defer func() { c.depth-- }()
	if v.Kind == cairn.TemplateNull && f.T != "union" {
		if !f.Null && f.T != "Raw" {
			c.wrong(v, p, c.want(f))
		}
		return v
	}
	switch f.T {
	case "union":
		return c.union(v, f, p)
	case "nested":
		return c.nested(v, f, p)
	case "dict":
		return c.dict(v, f, p)
	case "list":
		return c.list(v, f, p)
	case "enum":
		return c.enum(v, f, p)
	case "const":
		if len(f.Vals) > 0 && v.Text != fmt.Sprint(f.Vals[0]) {
			c.wrong(v, p, fmt.Sprintf("%q", f.Vals[0]))
		}
		return v
	case "Raw", "ro":
		return v
	}
	return c.scalar(v, f, p)
}

// dict checks a map with keys of the user's choice.
func (c *checker) dict(v Value, f *field, p place) Value {
	if v.Kind != cairn.TemplateMap {
		c.wrong(v, p, "a map")
		return v
	}
	c.oddKeys(v, p)
	out := v
	out.Pairs = slices.Clone(v.Pairs)
	for i, pair := range out.Pairs {
		at := p.key(pair.Key.Value)
		if f.Keys != nil {
			c.scalar(Value{Kind: cairn.TemplateString, Text: pair.Key.Value, Raw: pair.Key.Value, Pos: pair.Key.Pos}, f.Keys, at)
		}
		if len(f.Of) > 0 {
			out.Pairs[i].Value = c.field(pair.Value, f.Of[0], at)
		}
	}
	return out
}

func (c *checker) list(v Value, f *field, p place) Value {
	if v.Kind != cairn.TemplateSeq {
		c.wrong(v, p, "a list")
		return v
	}
	out := v
	out.Items = slices.Clone(v.Items)
	for i := range out.Items {
		if len(f.Of) > 0 {
			out.Items[i] = c.field(out.Items[i], f.Of[0], p.index(i))
		}
	}
	return out
}

// enum finds the spelling that is meant.
func (c *checker) enum(v Value, f *field, p place) Value {
	names := make([]string, 0, len(f.Vals))
	for _, x := range f.Vals {
		names = append(names, fmt.Sprint(x))
	}
	if v.Kind == cairn.TemplateString && !v.Time {
		if got := inCase(v.Text, f.Case); slices.Contains(names, got) {
			v.Text = got
			return v
		}
	}
	hint := ""
	if v.Kind == cairn.TemplateString && !c.full() {
		hint = didYouMean(v.Text, names)
	}
	c.fail(v.Pos, p, v, "pipeline.value", hint, "%s: %s; it has to be %s", c.name(p), shown(v), oneOf(names))
	return v
}

func oneOf(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	if len(names) > 12 {
		return "one of " + strings.Join(names[:12], ", ") + ", …"
	}
	return "one of " + strings.Join(names, ", ")
}

// inCase brings a name into the case of an enumeration.
func inCase(s, how string) string {
	switch how {
	case "lower":
		return strings.ToLower(s)
	case "upper":
		return strings.ToUpper(s)
	case "snake":
		return snake(s)
	case "camel", "pascal":
		parts := strings.Split(s, "_")
		for i, part := range parts {
			if part != "" && (i > 0 || how == "pascal") {
				parts[i] = strings.ToUpper(part[:1]) + part[1:]
			}
		}
		return strings.Join(parts, "")
	}
	return s
}

// snake is the original's camel_to_snake.
func snake(s string) string {
	var b strings.Builder
	r := []rune(s)
	upper := func(i int) bool { return i >= 0 && i < len(r) && r[i] >= 'A' && r[i] <= 'Z' }
	lower := func(i int) bool {
		return i >= 0 && i < len(r) && (r[i] >= 'a' && r[i] <= 'z' || r[i] >= '0' && r[i] <= '9')
	}
	for i := range r {
		if upper(i) && i > 0 && r[i-1] != '_' && (lower(i-1) || lower(i+1)) {
			b.WriteByte('_')
		}
		b.WriteRune(r[i])
	}
	return strings.ToLower(b.String())
}

// want says in words what a field takes.
func (c *checker) want(f *field) string {
	switch f.T {
	case "String", "DumpableStringField", "VersionField":
		return "text"
	case "Integer", "DumpableIntegerField":
		return "a whole number"
	case "Float", "Number", "DumpableFloatField":
		return "a number"
	case "Boolean":
		return "true or false"
	case "dict", "nested":
		return "a map"
	case "list":
		return "a list"
	case "enum":
		names := make([]string, 0, len(f.Vals))
		for _, x := range f.Vals {
			names = append(names, fmt.Sprint(x))
		}
		return oneOf(names)
	case "ArmStr":
		return "azureml:NAME"
	case "ArmVersionedStr":
		if f.DefaultLabel {
			return "azureml:NAME, azureml:NAME:VERSION or azureml:NAME@LABEL"
		}
		return "azureml:NAME:VERSION or azureml:NAME@LABEL"
	case "RegistryStr", "InternalRegistryStr":
		return "azureml://registries/REGISTRY/…"
	case "LocalPathField":
		return "a path that is there"
	case "SerializeValidatedUrl", "Url":
		return "an address (https://…)"
	case "GitStr":
		return "git+https://…"
	case "DataBindingStr", "NodeBindingStr":
		return "a binding such as ${{parent.inputs.NAME}}"
	case "OutputBindingStr":
		return "${{parent.outputs.NAME}}"
	case "DateTime", "DateTimeStr":
		return "a time such as 2026-03-01T08:00:00"
	case "union":
		var parts []string
		for _, o := range f.Of {
			if w := c.want(o); w != "" && !slices.Contains(parts, w) {
				parts = append(parts, w)
			}
		}
		return strings.Join(parts, ", or ")
	}
	if strings.HasSuffix(f.T, "FileRefField") || f.T == "ComponentYamlRefField" {
		return "the path of a file"
	}
	return "something else"
}

package pipeline

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// nested checks a map against a shape.
func (c *checker) nested(v Value, f *field, p place) Value {
	s := c.l.schemas.of(f.Schema)
	if s == nil {
		c.fail(v.Pos, p, v, "pipeline.schema", "", "%s: a defect of Cairn: its schema names %q, which is not there", c.name(p), f.Schema)
		return v
	}
	if s.is("YamlFileSchema") && v.Kind == cairn.TemplateString && strings.HasPrefix(v.Text, "file:") {
		return c.fromFile(v, s, f, p)
	}
	if v.Kind != cairn.TemplateMap {
		c.wrong(v, p, "a map")
		return v
	}
	return c.shape(v, s, f.Unknown, p)
}

// fromFile reads a map that stands in a file of its own: "file:./component.yml".
func (c *checker) fromFile(v Value, s *shape, f *field, p place) Value {
	name := join(p.dir, strings.TrimPrefix(v.Text, "file:"))
	out, ok := c.l.read(name, v, c, p)
	if !ok {
		return v
	}
	if slices.Contains(c.l.open, name) {
		c.fail(v.Pos, p, v, "pipeline.cycle", "", "%s: %s holds itself", c.name(p), name)
		return v
	}
	c.l.open = append(c.l.open, name)
	defer func() { c.l.open = c.l.open[:len(c.l.open)-1] }()
	if out.Kind != cairn.TemplateMap {
		c.wrong(out, p, "a map")
		return v
	}
	out = c.shape(out, s, f.Unknown, place{p.path, dirOf(name)})
	c.l.keep(name, out)
	v.File = name
	return v
}

// shape checks the keys of a map.
func (c *checker) shape(v Value, s *shape, unknown string, p place) Value {
	if unknown == "" {
		unknown = s.Unknown
	}
	out := v
	out.Pairs = nil
	out.Shape = s.Name
	if !c.before(v, s, p) {
		return out
	}
	c.oddKeys(v, p)
	anonymous := s.is("AnonymousAssetSchema")
	for _, pair := range v.Pairs {
		key := pair.Key.Value
		f := s.field(key)
		at := p.key(key)
		switch {
		case f == nil && anonymous && (key == "name" || key == "version"):
		case f == nil:
			c.unknownKey(pair, s, unknown, p)
			if unknown == "include" {
				out.Pairs = append(out.Pairs, pair)
			}
		case f.ReadOnly || f.T == "ro":
			if anonymous && (key == "name" || key == "version") {
				break
			}
			if pair.Value.Kind == cairn.TemplateNull && key != "$schema" {
				c.unknownKey(pair, s, unknown, p)
			}
		default:
			val := pair.Value
			if key == "version" && s.is("ComponentSchema") && val.Given() && val.Kind != cairn.TemplateMap && val.Kind != cairn.TemplateSeq {
				if val.Kind != cairn.TemplateString {
					val.Text = val.Raw
				}
				val.Kind, val.Time = cairn.TemplateString, false
			}
			if s.is("ParallelForSchema") && key == "items" {
				val = itemsOf(val)
			}
			out.Pairs = append(out.Pairs, Pair{pair.Key, c.field(val, f, at)})
		}
	}
	for _, key := range s.required {
		if _, there := v.Field(key); !there {
			c.fail(v.Pos, p.key(key), Value{}, "pipeline.required", "", "%s is missing: it has to be %s", c.name(p.key(key)), c.want(s.Fields[key]))
		}
	}
	c.after(v, s, p)
	return out
}

// before is what the original's hooks look at before the keys. Where it is something else
// altogether, the keys are not looked at.
func (c *checker) before(v Value, s *shape, p place) bool {
	if s.is("_BaseEnvironmentSchema") || s.Name == "EnvironmentSchema" {
		for _, key := range []string{"channels", "dependencies"} {
			if x, ok := v.Field(key); ok {
				c.fail(x.Pos, p.key(key), x, "pipeline.conda", "write an environment file with image: and conda_file: ./this-file.yml",
					"%s: this is a conda file; an environment has no %s", c.name(p), key)
				return false
			}
		}
	}
	if s.Name == "PipelineJobSchema" {
		component, _ := v.Field("component")
		if jobs, ok := v.Field("jobs"); ok && component.Kind == cairn.TemplateString && len(jobs.Pairs)+len(jobs.Items) > 0 {
			c.fail(component.Pos, p.key("component"), component, "pipeline.exclusive", "", "jobs and component are both given; a pipeline has one of them")
		}
	}
	return true
}

func (c *checker) unknownKey(pair Pair, s *shape, unknown string, p place) {
	if c.full() || unknown == "exclude" || unknown == "include" && pair.Key.Value == "is_control" {
		return
	}
	at, hint := p.key(pair.Key.Value), didYouMean(pair.Key.Value, s.known)
	if unknown == "include" {
		c.problems = append(c.problems, cairn.Problem{Position: pair.Key.Pos, Severity: cairn.SeverityWarning, Code: "pipeline.unknown-key",
			Message: c.name(p) + ": the key " + quote(pair.Key.Value) + " is not known and has no effect", Hint: hint, Path: at.path})
		return
	}
	if hint == "" {
		hint = "known here: " + theyAre(s.known)
	}
	c.fail(pair.Key.Pos, at, pair.Value, "pipeline.unknown-key", hint, "%s: the key %s is not known", c.name(p), quote(pair.Key.Value))
}

func quote(s string) string { return "\"" + clip(s) + "\"" }

// itemsOf reads the items of a loop from JSON text, as the original does.
func itemsOf(v Value) Value {
	if v.Kind != cairn.TemplateString {
		return v
	}
	var any json.RawMessage
	if json.Unmarshal([]byte(v.Text), &any) != nil {
		return v
	}
	out, ok := parseYAML(v.Pos.File, []byte(v.Text), func(cairn.Problem) {})
	if !ok || out.Kind != cairn.TemplateSeq && out.Kind != cairn.TemplateMap {
		return v
	}
	return at(out, v.Pos)
}

// at gives a value and all below it one position.
func at(v Value, pos cairn.Position) Value {
	v.Pos = pos
	for i := range v.Items {
		v.Items[i] = at(v.Items[i], pos)
	}
	for i := range v.Pairs {
		v.Pairs[i].Key.Pos = pos
		v.Pairs[i].Value = at(v.Pairs[i].Value, pos)
	}
	return v
}

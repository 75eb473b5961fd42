package pipeline

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// union takes the first branch that fits. Where none does, the problems of the branch
// that was meant are told: that of the same type, else of the same sort of value.
func (c *checker) union(v Value, f *field, p place) Value {
	if v.Kind == cairn.TemplateNull {
		if !f.Null {
			c.wrong(v, p, c.want(f))
		}
		return v
	}
	type attempt struct {
		branch   *field
		problems []cairn.Problem
	}
	var tried []attempt
	for _, branch := range f.Of {
		if v.Kind == cairn.TemplateMap && branch.T == "nested" && !c.meant(v, branch) {
			continue // it is of another type, and would say just that
		}
		var out Value
		problems := c.try(func() { out = c.field(v, branch, p) })
		if !cairn.HasErrors(problems) {
			c.problems = append(c.problems, problems...) // warnings
			return out
		}
		tried = append(tried, attempt{branch, problems})
	}
	if f.By != "" && v.Kind == cairn.TemplateMap {
		if t, ok := v.Field(f.By); ok && t.Kind == cairn.TemplateString && !slices.ContainsFunc(f.Types, func(s string) bool { return sameType(s, t.Text) }) {
			hint := ""
			if near := cairn.Nearest(t.Text, f.Types); near != "" {
				hint = "did you mean " + near + "?"
			}
			c.fail(t.Pos, p.key(f.By), t, "pipeline.value", hint, "%s: %s; it has to be %s", c.name(p.key(f.By)), shown(t), oneOf(f.Types))
			return v
		}
	}
	if t, ok := v.Field("type"); ok && v.Kind == cairn.TemplateMap && t.Kind == cairn.TemplateString {
		names := c.typesOf(f)
		if len(names) > 0 && !slices.ContainsFunc(names, func(x any) bool { text, ok := x.(string); return ok && sameType(text, t.Text) }) {
			c.enum(t, &field{T: "enum", Vals: names, Case: "lower"}, p.key("type"))
			return v
		}
	}
	best := -1
	for i, a := range tried {
		if !c.meant(v, a.branch) {
			continue
		}
		if best < 0 || c.better(v, a.branch, tried[best].branch, a.problems, tried[best].problems) {
			best = i
		}
	}
	if best < 0 {
		c.wrong(v, p, c.want(f))
		return v
	}
	c.problems = append(c.problems, tried[best].problems...)
	return v
}

// typesOf are the types that the branches of a union take.
func (c *checker) typesOf(f *field) []any {
	var out []any
	for _, branch := range f.Of {
		if branch.T == "union" {
			out = append(out, c.typesOf(branch)...)
			continue
		}
		if branch.T != "nested" {
			continue
		}
		if s := c.l.schemas.of(branch.Schema); s != nil && s.Fields["type"] != nil && s.Fields["type"].T == "enum" {
			for _, v := range s.Fields["type"].Vals {
				if !slices.Contains(out, v) {
					out = append(out, v)
				}
			}
		}
	}
	return out
}

func sameType(a, b string) bool { return a == b || a == strings.ToLower(b) || a == snake(b) }

// meant reports whether a branch takes values of that sort at all.
func (c *checker) meant(v Value, f *field) bool {
	switch v.Kind {
	case cairn.TemplateMap:
		switch f.T {
		case "dict":
			return true
		case "nested":
			s := c.l.schemas.of(f.Schema)
			if s == nil {
				return false
			}
			if _, typed := v.Field("type"); controls[s.Name] != "" && !typed {
				return false
			}
			// A branch for another type was not meant.
			t, given := v.Field("type")
			want, known := s.Fields["type"]
			if !given || !known || want.T != "enum" || t.Kind != cairn.TemplateString {
				return true
			}
			return slices.ContainsFunc(want.Vals, func(x any) bool { text, ok := x.(string); return ok && sameType(text, t.Text) })
		case "union":
			return slices.ContainsFunc(f.Of, func(o *field) bool { return c.meant(v, o) })
		}
		return false
	case cairn.TemplateSeq:
		return f.T == "list" || f.T == "union" && slices.ContainsFunc(f.Of, func(o *field) bool { return c.meant(v, o) })
	}
	switch f.T {
	case "dict", "list", "nested":
		return false
	case "union":
		return slices.ContainsFunc(f.Of, func(o *field) bool { return c.meant(v, o) })
	case "LocalPathField":
		return v.Kind == cairn.TemplateString && !strings.Contains(v.Text, "://") && !strings.HasPrefix(v.Text, "azureml:")
	case "ArmVersionedStr", "ArmStr":
		return strings.HasPrefix(v.Text, "azureml:") && !strings.HasPrefix(v.Text, "azureml://")
	case "RegistryStr":
		return strings.HasPrefix(v.Text, "azureml://")
	}
	return strings.HasSuffix(f.T, "FileRefField") && v.Kind == cairn.TemplateString && !strings.HasPrefix(v.Text, "azureml:") && !strings.HasPrefix(v.Text, "${{")
}

// better reports whether the problems of a branch say more than those of another.
func (c *checker) better(v Value, a, b *field, pa, pb []cairn.Problem) bool {
	if v.Kind == cairn.TemplateMap {
		// A node with a component is no job of its own, and the other way round.
		if _, has := v.Field("component"); has != c.hasKey(b, "component") && has == c.hasKey(a, "component") {
			return true
		} else if has == c.hasKey(b, "component") && has != c.hasKey(a, "component") {
			return false
		}
	}
	return errorsIn(pa) < errorsIn(pb)
}

func (c *checker) hasKey(f *field, key string) bool {
	if f.T != "nested" {
		return false
	}
	s := c.l.schemas.of(f.Schema)
	return s != nil && s.Fields[key] != nil
}

func errorsIn(ps []cairn.Problem) int {
	n := 0
	for _, p := range ps {
		if p.Severity == cairn.SeverityError {
			n++
		}
	}
	return n
}

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
	c.before(v, s, p)
	for _, k := range v.OddKeys {
		c.fail(k.Pos, p.key(k.Raw), k, "pipeline.key", "put it in quotes", "%s: the key %s is a %s; it has to be text", c.name(p), clip(k.Raw), kindWord(k))
	}
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
	for _, key := range slices.Sorted(maps.Keys(s.Fields)) {
		f := s.Fields[key]
		if !f.Required || s.optional(key) {
			continue
		}
		if _, there := v.Field(key); !there {
			c.fail(v.Pos, p.key(key), Value{}, "pipeline.required", "", "%s is missing: it has to be %s", c.name(p.key(key)), c.want(f))
		}
	}
	c.after(v, s, p)
	return out
}

// before is what the original's hooks look at before the keys.
func (c *checker) before(v Value, s *shape, p place) {
	if s.is("_BaseEnvironmentSchema") || s.Name == "EnvironmentSchema" {
		for _, key := range []string{"channels", "dependencies"} {
			if x, ok := v.Field(key); ok {
				c.fail(x.Pos, p.key(key), x, "pipeline.conda", "write an environment file with image: and conda_file: ./this-file.yml",
					"%s: this is a conda file: it has no %s of an environment", c.name(p), key)
				return
			}
		}
	}
	if s.Name == "PipelineJobSchema" {
		component, _ := v.Field("component")
		if jobs, ok := v.Field("jobs"); ok && component.Kind == cairn.TemplateString && len(jobs.Pairs)+len(jobs.Items) > 0 {
			c.fail(component.Pos, p.key("component"), component, "pipeline.exclusive", "", "jobs and component are both given; a pipeline has one of them")
		}
	}
}

func (c *checker) unknownKey(pair Pair, s *shape, unknown string, p place) {
	var known []string
	for _, k := range slices.Sorted(maps.Keys(s.Fields)) {
		if f := s.Fields[k]; !f.ReadOnly && f.T != "ro" {
			known = append(known, k)
		}
	}
	hint := ""
	if near := cairn.Nearest(pair.Key.Value, known); near != "" {
		hint = "did you mean " + near + "?"
	}
	if unknown == "include" {
		if len(c.problems) >= maxProblem || pair.Key.Value == "is_control" {
			return
		}
		c.problems = append(c.problems, cairn.Problem{Position: pair.Key.Pos, Severity: cairn.SeverityWarning, Code: "pipeline.unknown-key",
			Message: c.name(p) + ": the key " + quote(pair.Key.Value) + " is not known and has no effect", Hint: hint, Path: p.key(pair.Key.Value).path})
		return
	}
	if unknown == "exclude" {
		return
	}
	if hint == "" {
		hint = "known here: " + strings.Join(known[:min(len(known), 30)], ", ")
	}
	c.fail(pair.Key.Pos, p.key(pair.Key.Value), pair.Value, "pipeline.unknown-key", hint, "%s: the key %s is not known", c.name(p), quote(pair.Key.Value))
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

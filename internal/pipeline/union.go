package pipeline

import (
	"fmt"
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
		if !c.fits(v, branch) || v.Kind == cairn.TemplateMap && branch.T == "nested" && !c.meant(v, branch) {
			continue // it would say just that
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
			c.fail(t.Pos, p.key(f.By), t, "pipeline.value", didYouMean(t.Text, f.Types), "%s: %s; it has to be %s", c.name(p.key(f.By)), shown(t), oneOf(f.Types))
			return v
		}
	}
	for _, key := range []string{"type", "task"} {
		said, ok := v.Field(key)
		if !ok || v.Kind != cairn.TemplateMap || said.Kind != cairn.TemplateString {
			continue
		}
		names := c.valuesOf(f, key, v)
		if len(names) > 0 && !slices.ContainsFunc(names, func(x any) bool { text, ok := x.(string); return ok && sameType(text, said.Text) }) {
			c.enum(said, &field{T: "enum", Vals: names, Case: "lower"}, p.key(key))
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
		c.fail(v.Pos, p, v, "pipeline.type", c.hintOf(v, f), "%s: %s; it has to be %s", c.name(p), shown(v), c.want(f))
		return v
	}
	c.problems = append(c.problems, tried[best].problems...)
	return v
}

// fits reports whether a branch may take values of that sort. Trying it would show the same,
// with a sentence that nobody reads: a hundred of them for each node of a pipeline.
func (c *checker) fits(v Value, f *field) bool {
	switch f.T {
	case "union", "Raw", "ro", "const", "enum":
		return true
	case "dict":
		return v.Kind == cairn.TemplateMap
	case "list":
		return v.Kind == cairn.TemplateSeq
	case "nested":
		return v.Kind == cairn.TemplateMap || v.Kind == cairn.TemplateString && strings.HasPrefix(v.Text, "file:")
	}
	return v.Kind != cairn.TemplateMap && v.Kind != cairn.TemplateSeq
}

// hintOf is what may be meant by a text that no branch takes: a name that is near, or a
// reference.
func (c *checker) hintOf(v Value, f *field) string {
	if v.Kind != cairn.TemplateString || c.full() {
		return ""
	}
	if near := didYouMean(v.Text, namesOf(f)); near != "" {
		return near
	}
	if slices.ContainsFunc(f.Of, func(o *field) bool { return o.T == "ArmStr" || o.T == "ArmVersionedStr" }) {
		return referenceHint(v.Text)
	}
	return ""
}

// namesOf are the names of all enumerations of a union.
func namesOf(f *field) []string {
	var out []string
	for _, branch := range f.Of {
		for _, x := range branch.Vals {
			out = append(out, fmt.Sprint(x))
		}
		out = append(out, namesOf(branch)...)
	}
	return out
}

// valuesOf are the values of a key by which branches of a union are told apart: of type, or
// of task among those of the same type.
func (c *checker) valuesOf(f *field, key string, v Value) []any {
	var out []any
	for _, branch := range f.Of {
		if branch.T == "union" {
			out = append(out, c.valuesOf(branch, key, v)...)
			continue
		}
		if branch.T != "nested" || key != "type" && !c.meant(v, branch) {
			continue
		}
		if s := c.l.schemas.of(branch.Schema); s != nil && s.Fields[key] != nil && s.Fields[key].T == "enum" {
			for _, v := range s.Fields[key].Vals {
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
	// That a component is of another type says nothing of what is wrong with it.
	if ma, mb := misfit(pa), misfit(pb); ma != mb {
		return mb
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

// misfit reports whether a component was held to be one of another type.
func misfit(ps []cairn.Problem) bool {
	return slices.ContainsFunc(ps, func(p cairn.Problem) bool { return p.Code == "pipeline.component" })
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

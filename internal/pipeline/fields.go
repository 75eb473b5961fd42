package pipeline

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Field is a key that a kind of file has, for references.
type Field struct {
	// Kind is a kind of file ("command", "component/parallel", "compute/amlcompute"), or
	// "node/…" for what stands among the jobs of a pipeline.
	Kind string
	// Path is the key with those around it; * stands for a name of the user's choice.
	Path     string
	Takes    string
	Required bool
}

// nodeShapes are the shapes of nodes by what they are called in references.
var nodeShapes = map[string][]string{
	"node/command": {"CommandSchema", "PipelineCommandJobSchema"}, "node/sweep": {"SweepSchema"}, "node/parallel": {"ParallelSchema", "PipelineParallelJobSchema"},
	"node/pipeline": {"PipelineSchema"}, "node/if_else": {"ConditionNodeSchema"}, "node/do_while": {"DoWhileSchema"}, "node/parallel_for": {"ParallelForSchema"},
}

// elsewhere are keys whose own keys are those of another kind.
var elsewhere = []string{"jobs", "component", "trial", "environment", "create_job", "create_monitor", "import_data", "values"}

// Fields are all keys of all kinds, two levels deep, in order.
func Fields() ([]Field, error) {
	s, err := loadSchemas()
	if err != nil {
		return nil, err
	}
	c := &checker{l: &loader{schemas: s}}
	var out []Field
	for kind := range s.kinds {
		out = append(out, c.fields(kind, s.kinds[kind])...)
	}
	for kind, names := range nodeShapes {
		out = append(out, c.fields(kind, names...)...)
	}
	slices.SortFunc(out, func(a, b Field) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Path, b.Path)) })
	return out, nil
}

// fields are the keys of one kind: those of all its shapes together.
func (c *checker) fields(kind string, shapes ...string) []Field {
	found := map[string]Field{}
	var walk func(name, at string, depth int)
	walk = func(name, at string, depth int) {
		s := c.l.schemas.of(name)
		if s == nil {
			return
		}
		for key, f := range s.Fields {
			if f.ReadOnly || f.T == "ro" {
				continue
			}
			path := at + key
			takes := c.want(f)
			if old, ok := found[path]; ok && !strings.Contains(takes, old.Takes) {
				if takes = old.Takes + ", or " + takes; strings.Contains(old.Takes, c.want(f)) {
					takes = old.Takes
				}
			}
			found[path] = Field{Kind: kind, Path: path, Takes: takes, Required: f.Required && !s.optional(key)}
			if depth >= 2 || slices.Contains(elsewhere, key) {
				continue
			}
			for _, in := range shapesIn(f, "") {
				walk(in.shape, path+"."+in.through, depth+1)
			}
		}
	}
	for _, name := range shapes {
		walk(name, "", 0)
	}
	return slices.Collect(maps.Values(found))
}

// innerShape is a shape that a field takes; through is "*." where it stands in a map or list.
type innerShape struct{ shape, through string }

func shapesIn(f *field, through string) []innerShape {
	switch f.T {
	case "nested":
		return []innerShape{{f.Schema, through}}
	case "union", "list", "dict":
		if f.T != "union" {
			through = "*."
		}
		var out []innerShape
		for _, of := range f.Of {
			out = append(out, shapesIn(of, through)...)
		}
		return out
	}
	return nil
}

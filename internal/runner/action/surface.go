package action

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

// field is an input or output of an action, in the major versions from..to (0: the
// newest) that have it.
type field struct {
	name, def string
	from, to  int
	// old says why the input should not be used any more.
	old string
}

// surface is what an action shows in its action.yml, of all its major versions.
type surface struct {
	inputs, outputs []field
	// fill gives inputs that are not given their default before the action runs.
	fill bool
}

// since are names that all versions from one on have.
func since(from int, names ...string) []field {
	out := make([]field, len(names))
	for i, n := range names {
		n, def, _ := strings.Cut(n, "=")
		out[i] = field{name: n, def: def, from: from}
	}
	return out
}

// between are names that the versions from..to have.
func between(from, to int, names ...string) []field {
	out := since(from, names...)
	for i := range out {
		out[i].to = to
	}
	return out
}

func (f field) in(major int) bool { return f.from <= major && (f.to == 0 || major <= f.to) }

// at lists what one major version has.
func at(fields []field, major int) []field {
	var out []field
	for _, f := range fields {
		if f.in(major) {
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b field) int { return strings.Compare(a.name, b.name) })
	return out
}

// fieldNames lists inputs without their versions.
func fieldNames(fields []field) []string {
	var out []string
	for _, f := range fields {
		if !slices.Contains(out, f.name) {
			out = append(out, f.name)
		}
	}
	return out
}

// checked is an action that is told of inputs as GitHub's runner does: unknown ones
// and those that are not used any more are warnings, defaults are filled in.
type checked struct {
	def   definition
	major int
	runner.Action
}

// Run does the step.
func (a checked) Run(ctx context.Context, c *runner.StepContext) error {
	if why := a.def.retired(a.major); why != "" {
		c.Warn("%s", why)
	}
	known := a.def.Inputs
	if a.def.surface != nil {
		fields := at(a.def.surface.inputs, a.major)
		known = fieldNames(fields)
		for _, f := range fields {
			_, given := c.Inputs[f.name]
			if given && f.old != "" {
				c.Warn("Input '%s' has been deprecated with message: %s", f.name, f.old)
			}
			if !given && a.def.surface.fill && f.def != "" && !strings.Contains(f.def, "${{") {
				if c.Inputs == nil {
					c.Inputs = map[string]string{}
				}
				c.Inputs[f.name] = f.def
			}
		}
	}
	a.unexpected(c, known)
	return a.Action.Run(ctx, c)
}

func (a checked) unexpected(c *runner.StepContext, known []string) {
	var unknown []string
	hint := ""
	for name := range c.Inputs {
		if slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, name) }) {
			continue
		}
		unknown = append(unknown, name)
		if near := cairn.Nearest(name, known); near != "" {
			hint = " (did you mean '" + near + "'?)"
		}
	}
	if len(unknown) == 0 {
		return
	}
	slices.Sort(unknown)
	slices.Sort(known)
	quoted := func(list []string) string { return "'" + strings.Join(list, "', '") + "'" }
	c.Warn("Unexpected input(s) %s, valid inputs are [%s]%s", quoted(unknown), quoted(known), hint)
}

// retired says that GitHub refuses a version, which does here what it did; or "".
func (d definition) retired(major int) string {
	last := map[string]int{"actions/upload-artifact": 3, "actions/download-artifact": 3, "actions/cache": 2, "actions/cache/restore": 2, "actions/cache/save": 2}[d.Name]
	if major > last {
		return ""
	}
	return fmt.Sprintf("%s@v%d no longer works on GitHub; here it does what it did. The newest is v%d", d.Name, major, d.Versions[len(d.Versions)-1])
}

package pipeline

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// checkJob holds a job that stands alone against itself.
func (b *builder) checkJob(j *Job) {
	if j.Name.Set {
		b.jobName(j.Name)
	}
	for _, in := range j.Inputs {
		b.portName(in.Name, in.Pos, "inputs."+in.Name)
	}
	for _, out := range j.Outputs {
		b.portName(out.Name, out.Pos, "outputs."+out.Name)
	}
	inputs, outputs := inputNames(j.Inputs), outputNames(j.Outputs)
	switch {
	case j.Pipeline != nil && j.Component == nil:
		b.checkPipeline(j.Pipeline, "", inputs, unsetInputs(j.Inputs), outputs)
	case j.Pipeline != nil && j.Component.Component != nil:
		b.checkUse(j, j.Component.Component, "")
	case j.Sweep != nil:
		b.checkSweep(j)
		if j.Command != nil && j.Component == nil {
			b.commandRefs(j.Command.Command, "trial.command", inputs, nil, outputs, spaceNames(j.Sweep.Space))
		}
	case j.Command != nil:
		b.commandRefs(j.Command.Command, "command", inputs, nil, outputs, nil)
	}
}

// jobName holds the name of a job against what a service takes.
func (b *builder) jobName(t Text) {
	if !jobNamePattern(t.Value) {
		b.fail(t.Pos, "name", Value{}, "pipeline.name", "for example "+asName(t.Value), "name: %q is no name of a job: 1 to 255 letters, digits, - and _, and a letter or digit first", clip(t.Value))
	}
}

func jobNamePattern(s string) bool {
	if s == "" || len(s) > 255 {
		return false
	}
	for i, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		case (r == '-' || r == '_') && i > 0:
		default:
			return false
		}
	}
	return true
}

func inputNames(in []Input) []string {
	var out []string
	for _, i := range in {
		out = append(out, i.Name)
	}
	return out
}

func outputNames(os []Output) []string {
	var out []string
	for _, o := range os {
		out = append(out, o.Name)
	}
	return out
}

// unsetInputs are inputs of a pipeline job without a value.
func unsetInputs(in []Input) map[string]bool {
	out := map[string]bool{}
	for _, i := range in {
		if !i.Value.Given() && i.Data == nil {
			out[i.Name] = true
		}
	}
	return out
}

func spaceNames(v Value) []string {
	var out []string
	for _, p := range v.Pairs {
		out = append(out, p.Key.Value)
	}
	return out
}

// commandRefs holds the bindings of a command against the ports that there are.
func (b *builder) commandRefs(cmd Binding, at string, inputs []string, optional map[string]bool, outputs, space []string) {
	cmd.Refs(func(r *BindingRef, inBracket bool) {
		if len(r.Path) < 2 {
			return
		}
		var have []string
		switch r.Path[0] {
		case "inputs":
			have = inputs
			if optional[r.Path[1]] && !inBracket {
				b.warn(r.Pos, at, "pipeline.optional", fmt.Sprintf("write $[[… %s]]", r), "%s: %s is optional: where it is unset, what stands here is empty", at, r)
			}
		case "outputs":
			have = outputs
		case "search_space":
			have = space
			if space == nil {
				return // the command of a component is used by a sweep
			}
		default:
			if r.Path[0] == "parent" {
				b.fail(r.Pos, at, Value{}, "pipeline.binding", "", "%s: %s: a command sees its own inputs and outputs only: ${{inputs.NAME}}", at, r)
			}
			return
		}
		if holds(have, r.Path[1]) {
			return
		}
		b.failLate(r.Pos, at, Value{Kind: cairn.TemplateString, Text: r.String()}, "pipeline.binding", func() string {
			if len(have) == 0 {
				return "there is none"
			}
			if near := cairn.Nearest(r.Path[1], have); near != "" {
				return "did you mean ${{" + r.Path[0] + "." + near + "}}? there are " + theyAre(have)
			}
			return "there are " + theyAre(have)
		}, "%s: %s: there is no %s of that name", at, r, map[string]string{"inputs": "input", "outputs": "output", "search_space": "parameter"}[r.Path[0]])
	})
}

// holds reports whether a name is among those of ports. A part of a group's name stands for
// the group.
func holds(ports []string, name string) bool {
	return slices.ContainsFunc(ports, func(p string) bool {
		rest, ok := strings.CutPrefix(name, p)
		return ok && (rest == "" || rest[0] == '.')
	})
}

// checkSweep holds the search space against the way that it is sampled.
func (b *builder) checkSweep(j *Job) {
	allowed := map[string][]string{"grid": {"choice"}, "bayesian": {"choice", "uniform", "quniform"}}[j.Sweep.Algorithm]
	if allowed == nil {
		return
	}
	for _, p := range j.Sweep.Space.Pairs {
		t := text(p.Value, "type")
		if t.Set && !slices.Contains(allowed, strings.ToLower(t.Value)) {
			b.fail(t.Pos, sub(j.JSONPath, "search_space."+p.Key.Value), Value{}, "pipeline.value", "sampling_algorithm: random takes it",
				"%s: %s cannot be searched with sampling_algorithm: %s, which takes %s", "search_space."+p.Key.Value, t.Value, j.Sweep.Algorithm, oneOf(allowed))
		}
	}
}

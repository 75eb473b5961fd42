package pipeline

import (
	"strings"

	"github.com/cairn-ml/cairn"
)

// parallel reads a parallel component's or node's own part.
func (b *builder) parallel(v Value, dir, at string) *Parallel {
	p := &Parallel{Pos: v.Pos, Settings: v, PartitionKeys: texts(v, "partition_keys"), Variables: b.named(v, "environment_variables", at)}
	get := func(x Value, key, at string) Binding { y, _ := x.Field(key); return b.binding(y, sub(at, key)) }
	p.InputData, p.MiniBatchSize = get(v, "input_data", at), text(v, "mini_batch_size")
	t, ok := v.Field("task")
	if !ok || t.Kind != cairn.TemplateMap {
		return p
	}
	here := sub(at, "task")
	p.Task = t
	if c, ok := t.Field("code"); ok && c.Given() {
		p.Code = b.reference(c, dir, "code", sub(here, "code"))
	}
	p.EntryScript = text(t, "entry_script")
	p.Args, p.AppendTo = get(t, "program_arguments", here), get(t, "append_row_to", here)
	p.Environment = b.environment(t, "environment", dir, here)
	return p
}

// sweep reads a sweep's own part.
func (b *builder) sweep(v Value, at string) *Sweep {
	s := &Sweep{Pos: v.Pos, Algorithm: "random"}
	if a, ok := v.Field("sampling_algorithm"); ok {
		if a.Kind == cairn.TemplateMap {
			s.Algorithm, s.Rule = strings.ToLower(text(a, "type").Value), strings.ToLower(text(a, "rule").Value)
			s.Seed, _ = a.Field("seed")
			s.Logbase, _ = a.Field("logbase")
		} else {
			s.Algorithm = strings.ToLower(a.Text)
		}
	}
	s.Space, _ = v.Field("search_space")
	o, _ := v.Field("objective")
	s.Goal, s.Metric = strings.ToLower(text(o, "goal").Value), text(o, "primary_metric").Value
	s.Stop, _ = v.Field("early_termination")
	return s
}

// bodyOf is the node that a binding such as ${{parent.jobs.x}} names.
func bodyOf(s string) string {
	r := oneBinding.FindStringSubmatch(s)
	if r == nil {
		return ""
	}
	name, _ := strings.CutPrefix(r[1], "parent.jobs.")
	return name
}

// control reads if_else, do_while and parallel_for.
func (b *builder) control(j *Job, v Value, dir, at string) {
	get := func(key string) Binding { x, _ := v.Field(key); return b.binding(x, sub(at, key)) }
	names := func(key string) []string {
		x, _ := v.Field(key)
		var out []string
		if x.Kind == cairn.TemplateString {
			out = append(out, bodyOf(x.Text))
		}
		for _, i := range x.Items {
			out = append(out, bodyOf(i.Text))
		}
		return out
	}
	body, _ := v.Field("body")
	switch j.Type {
	case KindIfElse:
		j.IfElse = &IfElse{Condition: get("condition"), True: names("true_block"), False: names("false_block")}
	case KindParallelFor:
		j.For = &ParallelFor{Body: bodyOf(body.Text), Items: get("items"), MaxConcurrency: get("max_concurrency"), Outputs: j.Outputs}
	case KindDoWhile:
		d := &DoWhile{Body: bodyOf(body.Text)}
		condition, _ := v.Field("condition")
		d.Condition = condition.Text
		if r := oneBinding.FindStringSubmatch(condition.Text); r != nil {
			if i := strings.LastIndex(r[1], ".outputs."); i >= 0 {
				d.Condition = r[1][i+len(".outputs."):]
			}
		}
		m, _ := v.Field("mapping")
		for _, p := range m.Pairs {
			e := cairn.LoopMap{Output: p.Key.Value}
			if p.Value.Kind == cairn.TemplateSeq {
				for _, i := range p.Value.Items {
					e.Inputs = append(e.Inputs, inputOf(i.Text))
				}
			} else {
				e.Inputs = []string{inputOf(p.Value.Text)}
			}
			d.Mapping = append(d.Mapping, e)
		}
		j.DoWhile = d
	}
}

// inputOf is the input that a mapping names: its name, or ${{parent.jobs.x.inputs.y}}.
func inputOf(s string) string {
	if r := oneBinding.FindStringSubmatch(s); r != nil {
		if i := strings.LastIndex(r[1], ".inputs."); i >= 0 {
			return r[1][i+len(".inputs."):]
		}
	}
	return s
}

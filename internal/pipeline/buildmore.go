package pipeline

import (
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
	"go.yaml.in/yaml/v3"
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

// asset reads data, a model or an environment.
func (b *builder) asset(v Value, dir string) *Asset {
	a := &Asset{
		Kind: b.doc.Kind, Name: text(v, "name"), Version: text(v, "version"), Description: text(v, "description"), Tags: b.named(v, "tags", ""),
		Properties: b.named(v, "properties", ""), Type: text(v, "type").Value, Stage: text(v, "stage"), OS: text(v, "os_type").Value, Pos: v.Pos,
	}
	a.Flavors, _ = v.Field("flavors")
	switch a.Kind {
	case KindData:
		if a.Type == "" {
			a.Type = "uri_folder"
		}
	case KindModel:
		if a.Type == "" {
			a.Type = "custom_model"
		}
	case KindEnvironment:
		a.Environment = b.environmentOf(v, dir, "")
		a.Environment.Name = a.Name
		b.checkEnvironment(a.Environment, v)
		return a
	}
	if x, ok := v.Field("path"); ok && x.Given() {
		a.Path = b.reference(x, dir, string(a.Kind), "path")
	}
	return a
}

// schedule reads a schedule with the job that it creates.
func (b *builder) schedule(v Value, dir string) *Schedule {
	s := &Schedule{Name: text(v, "name"), DisplayName: text(v, "display_name"), Description: text(v, "description"), Tags: b.named(v, "tags", ""), Pos: v.Pos}
	if on := boolPtr(v, "is_enabled"); on != nil {
		s.Disabled = !*on
	}
	t, _ := v.Field("trigger")
	s.Trigger = trigger(t)
	create, ok := v.Field("create_job")
	if !ok || !create.Given() {
		return s
	}
	if b.depth > 0 {
		b.fail(create.Pos, "create_job", create, "pipeline.cycle", "", "create_job: a schedule creates no schedule")
		return s
	}
	job := create
	if create.Kind == cairn.TemplateMap {
		job, _ = create.Field("job")
		if !job.Given() { // the job stands here
			doc := &Document{Path: b.doc.Path}
			b.nested(s, doc, create)
			return s
		}
	}
	if job.Kind == cairn.TemplateMap {
		doc := &Document{Path: b.doc.Path}
		b.nested(s, doc, job)
		return s
	}
	if strings.HasPrefix(job.Text, "azureml:") {
		s.JobRef = b.reference(job, dir, "job", "create_job")
		return s
	}
	name := join(dir, strings.TrimPrefix(job.Text, "file:"))
	c := &checker{l: b.l}
	root, ok := b.l.read(name, job, c, place{"create_job", dir})
	b.l.problems = append(b.l.problems, c.problems...)
	if !ok {
		return s
	}
	if root.Kind != cairn.TemplateMap {
		b.fail(job.Pos, "create_job", job, "pipeline.type", "", "create_job: %s holds a %s; it has to be a job", name, kindWord(root))
		return s
	}
	if create.Kind == cairn.TemplateMap {
		over := create
		over.Pairs = nil
		for _, p := range create.Pairs {
			if p.Key.Value != "job" {
				over.Pairs = append(over.Pairs, p)
			}
		}
		root = merge(root, over)
	}
	b.nested(s, &Document{Path: name}, root)
	return s
}

// nested reads the job of a schedule as a document of its own.
func (b *builder) nested(s *Schedule, doc *Document, root Value) {
	s.Job = b.l.documentOf(doc, root, Options{Kind: "job"}, b.depth+1)
	if s.Job != nil {
		b.doc.References = append(b.doc.References, s.Job.References...)
	}
}

// merge lays what a schedule says over a job's file, map by map.
func merge(base, over Value) Value {
	if base.Kind != cairn.TemplateMap || over.Kind != cairn.TemplateMap {
		return over
	}
	out := base
	for _, p := range over.Pairs {
		old, _ := out.Field(p.Key.Value)
		out = put(out, []string{p.Key.Value}, merge(old, p.Value))
	}
	return out
}

func trigger(v Value) Trigger {
	t := Trigger{
		Type: strings.ToLower(text(v, "type").Value), Expression: text(v, "expression"), Frequency: strings.ToLower(text(v, "frequency").Value),
		Start: text(v, "start_time"), End: text(v, "end_time"), TimeZone: text(v, "time_zone"), Event: text(v, "event").Value, Name: text(v, "name"), Pos: v.Pos,
	}
	if x, ok := v.Field("interval"); ok {
		t.Interval = int(number(x))
	}
	s, _ := v.Field("schedule")
	ints := func(key string) []int {
		x, _ := s.Field(key)
		if x.Kind == cairn.TemplateNumber || x.Kind == cairn.TemplateString {
			return []int{int(number(x))}
		}
		var out []int
		for _, i := range x.Items {
			out = append(out, int(number(i)))
		}
		return out
	}
	t.Hours, t.Minutes, t.MonthDays = ints("hours"), ints("minutes"), ints("month_days")
	if days, ok := s.Field("week_days"); ok {
		if days.Kind == cairn.TemplateString {
			t.WeekDays = []string{strings.ToLower(days.Text)}
		}
		for _, d := range days.Items {
			t.WeekDays = append(t.WeekDays, strings.ToLower(d.Text))
		}
	}
	return t
}

// number is the value of a number, also of one that is written as text.
func number(v Value) float64 {
	if v.Kind == cairn.TemplateString {
		n, _ := strconv.ParseFloat(strings.TrimSpace(v.Text), 64) // checked before
		return n
	}
	return v.Num
}

// rest notes down what the other kinds name: their files and assets.
func (b *builder) rest(v Value, dir string) {
	uses := map[string]string{"code": "code", "environment": "environment", "model": "model", "path": "data", "conda_file": "conda"}
	var walk func(v Value, at string)
	walk = func(v Value, at string) {
		for _, p := range v.Pairs {
			here := sub(at, p.Key.Value)
			if use, ok := uses[p.Key.Value]; ok && p.Value.Kind == cairn.TemplateString && p.Value.Text != "" && !hasBinding(p.Value.Text) {
				if _, foreign := ParseReference(p.Value.Text, use); foreign || b.isThere(join(dir, p.Value.Text)) {
					b.reference(p.Value, dir, use, here)
				}
				continue
			}
			walk(p.Value, here)
		}
		for i, item := range v.Items {
			walk(item, sub(at, strconv.Itoa(i)))
		}
	}
	walk(v, "")
}

func (b *builder) isThere(name string) bool {
	_, err := b.l.files.Stat(name)
	return err == nil
}

// toYAML writes a value that stands in a file as YAML of its own.
func toYAML(v Value) string {
	out, err := yaml.Marshal(yamlNode(v))
	if err != nil {
		return "" // plain nodes always encode
	}
	return string(out)
}

func yamlNode(v Value) *yaml.Node {
	switch v.Kind {
	case cairn.TemplateSeq:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, i := range v.Items {
			n.Content = append(n.Content, yamlNode(i))
		}
		return n
	case cairn.TemplateMap:
		n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		for _, p := range v.Pairs {
			n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: p.Key.Value}, yamlNode(p.Value))
		}
		return n
	case cairn.TemplateString:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: v.Text}
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Value: v.Raw}
}

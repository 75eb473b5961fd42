package pipeline

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

// builder takes a checked tree over into the document.
type builder struct {
	l     *loader
	doc   *Document
	depth int // of components inside of components
	files []string
}

// maxNesting bounds pipelines inside of pipelines.
const maxNesting = 20

func (b *builder) fail(pos cairn.Position, at string, v Value, code, hint, format string, args ...any) {
	b.l.report(cairn.Problem{Position: pos, Severity: cairn.SeverityError, Code: code, Message: fmt.Sprintf(format, args...), Hint: hint, Path: at, Value: found(v)})
}

func (b *builder) warn(pos cairn.Position, at string, code, hint, format string, args ...any) {
	b.l.report(cairn.Problem{Position: pos, Severity: cairn.SeverityWarning, Code: code, Message: fmt.Sprintf(format, args...), Hint: hint, Path: at})
}

// build fills in what the kind of the document has.
func (b *builder) build() {
	v, dir := b.doc.Value, dirOf(b.doc.Path)
	switch b.doc.Kind {
	case KindCommand, KindPipeline, KindSweep, KindSpark, KindAutoML, KindDataTransfer, KindImport, KindParallel:
		j := b.job(v, dir, "", "", b.doc.Kind)
		b.doc.Job = &j
		b.checkJob(b.doc.Job)
	case KindData, KindModel, KindEnvironment:
		b.doc.Asset = b.asset(v, dir)
	case KindSchedule:
		b.doc.Schedule = b.schedule(v, dir)
	default:
		if strings.HasPrefix(string(b.doc.Kind), "component/") {
			c := b.component(v, dir, "")
			b.doc.Component = c
			b.checkComponent(c)
			return
		}
		b.rest(v, dir)
	}
}

func text(v Value, key string) Text {
	x, ok := v.Field(key)
	if !ok || !x.Given() {
		return Text{Pos: x.Pos}
	}
	t := x.Text
	if x.Kind == cairn.TemplateBool {
		t = strconv.FormatBool(x.Bool)
	}
	return Text{Value: t, Pos: x.Pos, Set: true}
}

func texts(v Value, key string) []string {
	x, _ := v.Field(key)
	var out []string
	for _, i := range x.Items {
		out = append(out, i.Text)
	}
	return out
}

func sub(at, key string) string {
	if at == "" {
		return key
	}
	return at + "." + key
}

func (b *builder) named(v Value, key, at string) []NamedText {
	x, _ := v.Field(key)
	var out []NamedText
	for _, p := range x.Pairs {
		out = append(out, NamedText{p.Key.Value, b.binding(asText(p.Value), sub(sub(at, key), p.Key.Value))})
	}
	return out
}

// asText gives a scalar the text that the original makes of it.
func asText(v Value) Value {
	switch v.Kind {
	case cairn.TemplateBool, cairn.TemplateNumber:
		v.Kind = cairn.TemplateString
	case cairn.TemplateNull:
		v.Kind, v.Text = cairn.TemplateString, ""
	}
	return v
}

func boolPtr(v Value, key string) *bool {
	x, ok := v.Field(key)
	if !ok || !x.Given() {
		return nil
	}
	got, valid := boolean(x)
	if !valid {
		return nil
	}
	return &got
}

// job reads a job, or a node of a pipeline.
func (b *builder) job(v Value, dir, key, at string, kind Kind) Job {
	j := Job{
		Type: kind, Key: key, Name: text(v, "name"), DisplayName: text(v, "display_name"), Experiment: text(v, "experiment_name"),
		Description: text(v, "description"), Tags: b.named(v, "tags", at), Properties: b.named(v, "properties", at), Compute: text(v, "compute"),
		Pos: v.Pos, JSONPath: at,
	}
	j.Inputs = b.inputs(v, dir, at)
	j.Outputs = b.outputs(v, dir, at)
	j.Limits = b.limits(v, at)
	switch kind {
	case KindCommand:
		j.Command = b.command(v, dir, at)
		j.Component = b.use(v, "component", dir, at)
	case KindSweep:
		j.Sweep = b.sweep(v, at)
		b.trial(&j, v, dir, at)
	case KindParallel:
		j.Component = b.use(v, "component", dir, at)
		j.Parallel = b.parallel(v, dir, at)
	case KindPipeline:
		j.Component = b.use(v, "component", dir, at)
		j.Pipeline = b.pipeline(v, dir, at)
	case KindIfElse, KindDoWhile, KindParallelFor:
		b.control(&j, v, dir, at)
	}
	return j
}

// trial reads what a sweep repeats: a command in place, or a component.
func (b *builder) trial(j *Job, v Value, dir, at string) {
	t, ok := v.Field("trial")
	if !ok {
		return
	}
	overrides := b.command(v, dir, at)
	if t.Kind == cairn.TemplateMap && t.File == "" {
		if _, typed := t.Field("type"); !typed || strings.HasPrefix(t.Shape, "ParameterizedCommand") {
			// In a job the trial is a command without ports of its own.
			if ports, _ := t.Field("inputs"); ports.Kind != cairn.TemplateMap {
				j.Command = b.command(t, dir, sub(at, "trial"))
				return
			}
		}
	}
	j.Component = b.use(v, "trial", dir, at)
	j.Command = overrides
}

// nodeKind is the kind of a node: by its type, else by its keys, else by its component.
func (b *builder) nodeKind(v Value, dir string) Kind {
	if t := text(v, "type"); t.Value != "" {
		return Kind(strings.ToLower(t.Value))
	}
	if _, trial := v.Field("trial"); trial {
		return KindSweep
	}
	c, _ := v.Field("component")
	if c.Kind == cairn.TemplateString {
		c = b.l.parsed[join(dir, strings.TrimPrefix(c.Text, "file:"))]
	}
	if t := text(c, "type"); t.Value != "" {
		return Kind(strings.ToLower(t.Value))
	}
	return KindCommand
}

func (b *builder) pipeline(v Value, dir, at string) *Pipeline {
	p := &Pipeline{}
	jobs, _ := v.Field("jobs")
	for _, pair := range jobs.Pairs {
		if pair.Value.Kind != cairn.TemplateMap {
			continue
		}
		node := b.job(pair.Value, dir, pair.Key.Value, sub(sub(at, "jobs"), pair.Key.Value), b.nodeKind(pair.Value, dir))
		node.Pos = pair.Key.Pos
		p.Jobs = append(p.Jobs, node)
	}
	s, _ := v.Field("settings")
	p.Settings = Settings{
		DefaultCompute: text(s, "default_compute"), DefaultDatastore: text(s, "default_datastore"), ContinueOnStepFailure: boolPtr(s, "continue_on_step_failure"),
		ForceRerun: boolPtr(s, "force_rerun"), OnInit: text(s, "on_init"), OnFinalize: text(s, "on_finalize"), Rest: s,
	}
	return p
}

// inputs reads the inputs of a job or node; groups of them become names with dots.
func (b *builder) inputs(v Value, dir, at string) []Input {
	x, _ := v.Field("inputs")
	var out []Input
	for _, p := range x.Pairs {
		out = append(out, b.input(p.Key, p.Value, dir, sub(sub(at, "inputs"), p.Key.Value)))
	}
	return out
}

func (b *builder) input(key Text, v Value, dir, at string) Input {
	in := Input{Name: key.Value, Pos: key.Pos}
	if v.Kind != cairn.TemplateMap {
		in.Value = b.binding(v, at)
		return in
	}
	in.Type, in.Mode = text(v, "type").Value, text(v, "mode").Value
	for _, key := range []string{"type", "mode"} {
		if t := text(v, key); hasBinding(t.Value) {
			b.fail(t.Pos, sub(at, key), Value{}, "pipeline.binding", "", "%s: a %s is no binding", sub(at, key), key)
		}
	}
	if x, ok := v.Field("value"); ok {
		in.Value = b.binding(x, sub(at, "value"))
	}
	x, ok := v.Field("path")
	if !ok || !x.Given() {
		if in.Type == "" && in.Value.Value.Kind == "" {
			in.Type = "uri_folder"
		}
		return in
	}
	in.Value = b.binding(x, sub(at, "path"))
	if in.Type == "" {
		in.Type = "uri_folder"
	}
	if hasBinding(x.Text) {
		if in.Value.Single() != nil {
			in.Type = text(v, "type").Value // the port that it is bound to knows better
		}
		return in
	}
	in.Data = b.reference(x, dir, useOf(in.Type), sub(at, "path"))
	return in
}

func useOf(t string) string {
	switch t {
	case "custom_model", "mlflow_model", "triton_model":
		return "model"
	}
	return "data"
}

func (b *builder) outputs(v Value, dir, at string) []Output {
	x, _ := v.Field("outputs")
	var out []Output
	for _, p := range x.Pairs {
		o := Output{Name: p.Key.Value, Pos: p.Key.Pos}
		here := sub(sub(at, "outputs"), p.Key.Value)
		switch p.Value.Kind {
		case cairn.TemplateString:
			o.Path = b.binding(p.Value, here)
			if r := o.Path.Single(); r != nil && len(r.Path) == 3 && r.Path[0] == "parent" && r.Path[1] == "outputs" {
				o.Bound, o.Path = r.Path[2], Binding{}
			}
		case cairn.TemplateMap:
			o.Type, o.Mode = text(p.Value, "type").Value, text(p.Value, "mode").Value
			o.AssetName, o.AssetVersion = text(p.Value, "name"), text(p.Value, "version")
			if o.AssetName.Set && !assetName.MatchString(o.AssetName.Value) {
				b.fail(o.AssetName.Pos, sub(here, "name"), Value{}, "pipeline.name", "for example "+asName(o.AssetName.Value), "%s: %q is no name of an asset: letters, digits, - and _, 255 at most", sub(here, "name"), clip(o.AssetName.Value))
			}
			if path, ok := p.Value.Field("path"); ok && path.Given() {
				o.Path = b.binding(path, sub(here, "path"))
				if r := o.Path.Single(); r != nil && len(r.Path) == 3 && r.Path[0] == "parent" && r.Path[1] == "outputs" {
					o.Bound, o.Path = r.Path[2], Binding{}
				}
			}
		}
		out = append(out, o)
	}
	return out
}

func (b *builder) limits(v Value, at string) Limits {
	x, ok := v.Field("limits")
	if !ok {
		return Limits{}
	}
	get := func(key string) Binding {
		y, _ := x.Field(key)
		return b.binding(y, sub(sub(at, "limits"), key))
	}
	return Limits{
		Timeout: get("timeout"), MaxTotalTrials: get("max_total_trials"), MaxConcurrent: get("max_concurrent_trials"),
		TrialTimeout: get("trial_timeout"), MaxIterations: get("max_iteration_count"), Pos: x.Pos,
	}
}

// command reads what a command job, component or node has.
func (b *builder) command(v Value, dir, at string) *Command {
	c := &Command{Deterministic: boolPtr(v, "is_deterministic")}
	if x, ok := v.Field("command"); ok {
		c.Command = b.binding(x, sub(at, "command"))
	}
	if x, ok := v.Field("code"); ok && x.Given() {
		c.Code = b.reference(x, dir, "code", sub(at, "code"))
	}
	c.Environment = b.environment(v, "environment", dir, at)
	c.Variables = b.named(v, "environment_variables", at)
	if d, ok := v.Field("distribution"); ok && d.Kind == cairn.TemplateMap {
		get := func(key string) Binding { x, _ := d.Field(key); return b.binding(x, sub(sub(at, "distribution"), key)) }
		c.Spread = &Spread{Type: text(d, "type").Value, Processes: get("process_count_per_instance"), Workers: get("worker_count"), Servers: get("parameter_server_count"), Pos: d.Pos}
	}
	c.Resources, _ = v.Field("resources")
	if x, ok := c.Resources.Field("instance_count"); ok {
		c.Instances = b.binding(x, sub(sub(at, "resources"), "instance_count"))
	}
	if x, ok := c.Resources.Field("shm_size"); ok {
		c.SharedMemory = b.binding(x, sub(sub(at, "resources"), "shm_size"))
	}
	if x, ok := c.Resources.Field("docker_args"); ok {
		list := []Value{x}
		if x.Kind == cairn.TemplateSeq {
			list = x.Items
		}
		for i, item := range list {
			c.DockerArgs = append(c.DockerArgs, b.binding(item, sub(sub(sub(at, "resources"), "docker_args"), strconv.Itoa(i))))
		}
	}
	c.Services, _ = v.Field("services")
	c.Identity, _ = v.Field("identity")
	c.Queue, _ = v.Field("queue_settings")
	if x, ok := v.Field("additional_includes"); ok {
		for i, item := range x.Items {
			if item.Kind == cairn.TemplateString {
				c.Includes = append(c.Includes, *b.reference(item, dir, "include", sub(sub(at, "additional_includes"), strconv.Itoa(i))))
			}
		}
	}
	return c
}

// environment reads a reference, or an environment written in place.
func (b *builder) environment(v Value, key, dir, at string) *Environment {
	x, ok := v.Field(key)
	if !ok || !x.Given() {
		return nil
	}
	here := sub(at, key)
	if x.Kind == cairn.TemplateString && x.File == "" {
		if hasBinding(x.Text) {
			return &Environment{Image: Text{Value: x.Text, Pos: x.Pos, Set: true}, Pos: x.Pos}
		}
		return &Environment{Ref: b.reference(x, dir, "environment", here), Pos: x.Pos}
	}
	if x.File != "" {
		return b.environmentOf(b.l.checked[x.File], dirOf(x.File), here)
	}
	return b.environmentOf(x, dir, here)
}

func (b *builder) environmentOf(x Value, dir, at string) *Environment {
	e := &Environment{Image: text(x, "image"), Name: text(x, "name"), Pos: x.Pos}
	if c, ok := x.Field("conda_file"); ok && c.Given() {
		if c.Kind == cairn.TemplateString {
			r := b.reference(c, dir, "conda", sub(at, "conda_file"))
			e.Conda = r
			if r.Kind == RefLocal {
				if text, err := b.l.bytes(r.Path); err == nil {
					e.CondaText = string(text)
				} else {
					b.fail(c.Pos, sub(at, "conda_file"), c, "pipeline.path", "", "%s: there is no file %q beside this one (looked for %s)", sub(at, "conda_file"), clip(c.Text), r.Path)
				}
			}
		} else {
			e.CondaText = toYAML(c)
		}
	}
	if build, ok := x.Field("build"); ok && build.Kind == cairn.TemplateMap {
		if p, ok := build.Field("path"); ok {
			e.Build = b.reference(p, dir, "build", sub(sub(at, "build"), "path"))
		}
		e.Dockerfile = text(build, "dockerfile_path").Value
		if e.Dockerfile == "" {
			e.Dockerfile = "Dockerfile"
		}
	}
	return e
}

// use reads the component of a node.
func (b *builder) use(v Value, key, dir, at string) *ComponentUse {
	x, ok := v.Field(key)
	if !ok || !x.Given() {
		return nil
	}
	u := &ComponentUse{Pos: x.Pos}
	here := sub(at, key)
	switch {
	case x.Kind == cairn.TemplateMap:
		u.Component = b.component(x, dir, here)
	case x.File != "":
		u.Component = b.fileComponent(x.File, x, here)
	case x.Kind == cairn.TemplateString:
		if _, foreign := ParseReference(x.Text, "component"); foreign {
			u.Ref = b.reference(x, dir, "component", here)
			break
		}
		u.Component = b.fileComponent(join(dir, x.Text), x, here)
		r, _ := ParseReference(x.Text, "component")
		r.Path, r.Pos, r.JSONPath = join(dir, x.Text), x.Pos, here
		u.Ref = &r
	}
	return u
}

// fileComponent reads a component's file once.
func (b *builder) fileComponent(name string, from Value, at string) *Component {
	if c, ok := b.l.comps[name]; ok {
		return c
	}
	v, ok := b.l.checked[name]
	if !ok {
		return nil
	}
	if slices.Contains(b.files, name) || len(b.files) > maxNesting {
		b.fail(from.Pos, at, from, "pipeline.cycle", "", "%s: %s holds itself, or pipelines are nested more than %d deep", at, name, maxNesting)
		return nil
	}
	b.files = append(b.files, name)
	c := b.component(v, dirOf(name), "")
	b.files = b.files[:len(b.files)-1]
	b.l.comps[name] = c
	b.checkComponent(c)
	return c
}

// component reads a component, written in place or in a file of its own.
func (b *builder) component(v Value, dir, at string) *Component {
	t := strings.ToLower(text(v, "type").Value)
	if t == "" {
		t = "command"
		if _, ok := v.Field("jobs"); ok {
			t = "pipeline"
		}
	}
	c := &Component{
		Kind: Kind("component/" + t), Name: text(v, "name"), Version: text(v, "version"), DisplayName: text(v, "display_name"),
		Description: text(v, "description"), Tags: b.named(v, "tags", at), Pos: v.Pos,
	}
	c.Inputs = b.ports(v, "inputs", at)
	c.Outputs = b.ports(v, "outputs", at)
	j := Job{Type: Kind(t), Pos: v.Pos, JSONPath: at}
	switch t {
	case "command":
		j.Command = b.command(v, dir, at)
	case "pipeline":
		j.Pipeline = b.pipeline(v, dir, at)
	case "parallel":
		j.Parallel = b.parallel(v, dir, at)
	}
	c.Job = j
	if c.Job.Command == nil {
		c.Job.Command = &Command{Deterministic: boolPtr(v, "is_deterministic")}
	}
	return c
}

func (b *builder) ports(v Value, key, at string) []PortDecl {
	x, _ := v.Field(key)
	var out []PortDecl
	var read func(prefix string, pairs []Pair)
	read = func(prefix string, pairs []Pair) {
		for _, p := range pairs {
			if p.Value.Kind != cairn.TemplateMap {
				continue
			}
			here := sub(sub(at, key), p.Key.Value)
			d := PortDecl{
				Name: prefix + p.Key.Value, Type: strings.ToLower(text(p.Value, "type").Value), Mode: text(p.Value, "mode").Value,
				Enum: texts(p.Value, "enum"), Description: text(p.Value, "description").Value, Pos: p.Key.Pos,
			}
			if d.Type == "path" {
				d.Type = "uri_folder"
			}
			if o := boolPtr(p.Value, "optional"); o != nil {
				d.Optional = *o
			}
			if o := boolPtr(p.Value, "is_control"); o != nil {
				d.Control = *o
			}
			if y, ok := p.Value.Field("default"); ok && y.Given() {
				d.Default = b.binding(y, sub(here, "default"))
			}
			d.Min, _ = p.Value.Field("min")
			d.Max, _ = p.Value.Field("max")
			out = append(out, d)
		}
	}
	read("", x.Pairs)
	return out
}

package pipeline

import (
	"fmt"
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

// failLate is fail with a hint that is made when it is shown.
func (b *builder) failLate(pos cairn.Position, at string, v Value, code string, hint func() string, format string, args ...any) {
	b.l.problems = append(b.l.problems, told{cairn.Problem{Position: pos, Severity: cairn.SeverityError, Code: code,
		Message: fmt.Sprintf(format, args...), Path: at, Value: found(v)}, hint})
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

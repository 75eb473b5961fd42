package pipeline

import (
	"regexp"
	"strings"

	"github.com/cairn-ml/cairn"
)

// armID is the long id of a resource, as the original takes it for those of a workspace.
var armID = regexp.MustCompile(`^(?i)/subscriptions/[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}/resourcegroups/.*/providers/[a-z.]*/[a-z]*/.*$`)

// servingName is the name of something that serves.
var servingName = regexp.MustCompile(`^[a-zA-Z][-a-zA-Z0-9]{1,30}[a-zA-Z0-9]$`)

// needed are keys that the original asks for behind its schemas.
var needed = map[string][]string{
	"PipelineCommandJobSchema":        {"environment"},
	"PipelineParallelJobSchema":       {"task", "input_data"},
	"JobScheduleSchema":               {"create_job", "trigger"},
	"OneLakeSchema":                   {"artifact"},
	"MonitorDefinitionSchema":         {"compute"},
	"WorkspaceConnectionSchema":       {"name", "target"},
	"RegistrySchema":                  {"name"},
	"VirtualMachineSshSettingsSchema": {"admin_username"},
	"AutoMLClassificationSchema":      {"training_data"},
	"AutoMLRegressionSchema":          {"training_data"},
	"AutoMLForecastingSchema":         {"training_data"},
	"AutoMLRegressionNodeSchema":      {"training_data"},
	"AutoMLForecastingNodeSchema":     {"training_data"},
	"AutoMLClassificationNodeSchema":  {"training_data"},
}

// controls are nodes that say by type alone what they are.
var controls = map[string]string{"ConditionNodeSchema": "if_else", "DoWhileSchema": "do_while", "ParallelForSchema": "parallel_for"}

// field finds the place for a key: keys may have a second spelling.
func (s *shape) field(key string) *field {
	if key == "nvidia.com/gpu" && s.is("ResourceSettingsSchema") {
		key = "gpu"
	}
	return s.Fields[key]
}

// optional reports whether a key that the schemas ask for has a default behind them.
func (s *shape) optional(key string) bool {
	return key == "namespace" && s.is("KubernetesComputeSchema")
}

// after is what the original's hooks look at behind the keys.
func (c *checker) after(v Value, s *shape, p place) {
	missing := func(key string) {
		want := ""
		if f := s.Fields[key]; f != nil {
			want = ": it has to be " + c.want(f)
		}
		c.fail(v.Pos, p.key(key), Value{}, "pipeline.required", "", "%s is missing%s", c.name(p.key(key)), want)
	}
	for _, key := range needed[s.Name] {
		if x, _ := v.Field(key); !x.Given() {
			missing(key)
		}
	}
	if want := controls[s.Name]; want != "" {
		if _, ok := v.Field("type"); !ok {
			c.fail(v.Pos, p.key("type"), Value{}, "pipeline.required", "", "%s is missing: it has to be %s", c.name(p.key("type")), want)
		}
	}
	switch {
	case s.Name == "PipelineParallelJobSchema":
		if x, ok := v.Field("component"); ok {
			c.fail(x.Pos, p.key("component"), x, "pipeline.exclusive", "", "%s: a parallel job that is written in place has no component", c.name(p.key("component")))
		}
	case s.Name == "DataSchema", s.Name == "ModelSchema":
		name, _ := v.Field("name")
		if x, _ := v.Field("version"); x.Given() && !name.Given() {
			missing("name")
		}
	case s.is("OnlineEndpointSchema"):
		t, _ := v.Field("traffic")
		sum := 0.0
		for _, share := range t.Pairs {
			sum += number(share.Value)
		}
		if sum > 100 {
			c.fail(t.Pos, p.key("traffic"), t, "pipeline.range", "", "%s: the shares come to %v; they may come to 100 at most", c.name(p.key("traffic")), sum)
		}
	case s.is("_BaseEnvironmentSchema"):
		c.condaFile(v, p)
	case s.is("OnlineDeploymentSchema"):
		if x, _ := v.Field("name"); x.Given() && !servingName.MatchString(x.Text) {
			c.fail(x.Pos, p.key("name"), x, "pipeline.name", "", "%s: %s is no name of a deployment: 3 to 32 letters, digits and -, a letter first and no - at the end", c.name(p.key("name")), shown(x))
		}
	}
}

// condaFile looks whether the conda file of an environment is there.
func (c *checker) condaFile(v Value, p place) {
	x, _ := v.Field("conda_file")
	switch {
	case x.Kind == cairn.TemplateSeq, x.Kind == cairn.TemplateNumber, x.Kind == cairn.TemplateBool && x.Bool:
		c.wrong(x, p.key("conda_file"), "the path of a conda file, or its map")
	case x.Kind == cairn.TemplateString:
		if hasBinding(x.Text) || x.Time {
			return
		}
		at, name := p.key("conda_file"), join(p.dir, strings.TrimPrefix(x.Text, "file:"))
		b, err := c.l.bytes(name)
		if err != nil {
			c.fail(x.Pos, at, x, "pipeline.path", "", "%s: there is no file %q beside this one (looked for %s)", c.name(at), clip(x.Text), name)
			return
		}
		got, ok := parseYAML(name, b, func(pr cairn.Problem) {
			if pr.Severity == cairn.SeverityError {
				c.problems = append(c.problems, pr)
			}
		})
		if ok && got.Kind != cairn.TemplateMap {
			c.fail(x.Pos, at, x, "pipeline.type", "", "%s: %s holds a %s; a conda file is a map with dependencies", c.name(at), name, kindWord(got))
		}
	}
}

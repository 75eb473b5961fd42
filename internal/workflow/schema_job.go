package workflow

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
)

// legalID reports whether s can be the id of a job, a step or an input.
func legalID(s string) bool {
	if s == "" || len(s) >= maxID {
		return false
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_':
		case i > 0 && ('0' <= c && c <= '9' || c == '-'):
		default:
			return false
		}
	}
	return true
}

func (r *reader) id(n *yaml.Node, what string) {
	switch name := keyText(n); {
	case !legalID(name):
		r.fail("id", n, "this is the id of a "+what, "The identifier %s is invalid. IDs may only contain alphanumeric characters, '_', and '-'. "+
			"IDs must start with a letter or '_' and and must be less than %d characters.", quote(name), maxID)
	case strings.HasPrefix(name, "__"):
		r.fail("id", n, "this is the id of a "+what, "The identifier %s is invalid. IDs starting with '__' are reserved.", quote(name))
	}
}

func (r *reader) jobs(v value) []Job {
	out := make([]Job, 0, min(len(v.node.Content)/2, 64)) // a job is large: it is not copied while the list grows
	r.jobsPos = r.src.place(v.node)
	r.each(v.node, func(k, n *yaml.Node) {
		job := Job{ID: keyText(k), Pos: r.src.place(k)}
		r.id(k, "job")
		what := "job " + quote(job.ID)
		said := what
		if n.Kind != yaml.MappingNode && slices.Contains(jobSchema.names(stepsJob|callingJob), job.ID) {
			said += " (a key of a job: is it indented too little?)"
		}
		if !r.accepts(n, said, wantMap, nil) {
			out = append(out, job)
			return
		}
		r.job = len(out)
		before := r.counts[cairn.SeverityError]
		readMap(r, n, what, &jobSchema, &job)
		if len(job.Steps) == 0 && job.Uses.Value == "" && r.counts[cairn.SeverityError] == before {
			r.fail("missing-key", k, what+" does nothing: add steps: with a list of - run: …",
				"No steps defined in `steps` and no workflow called in `uses` for the following jobs: %s", job.ID)
		}
		out = append(out, job)
	})
	r.job = -1
	if len(out) == 0 && len(v.node.Content) == 0 {
		r.fail("missing-key", v.node, "add a job: its id, and under it runs-on and steps", noStart)
	}
	return out
}

const (
	// maxID is how many characters an id must stay below.
	maxID   = 100
	noStart = "The workflow must contain at least one job with no dependencies."
)

// The shapes of a job.
const (
	stepsJob variant = 1 << iota
	callingJob
)

// jobSchema is one entry under jobs.
var jobSchema = schema[Job]{
	variants: stepsJob | callingJob, tell: "add runs-on: LABEL and steps:, or uses: of a workflow",
	keys: []key[Job]{
		{name: "name", want: wantText, scope: scopeJob, set: func(r *reader, j *Job, v value) { j.Name = r.template(v.node, v.scope) }},
		{name: "needs", want: wantWord | wantTexts, set: func(r *reader, j *Job, v value) { j.Needs = r.texts(v.node) }},
		{name: "if", want: wantText, scope: scopeJobIf, set: func(r *reader, j *Job, v value) { j.If = r.condition(v) }},
		{name: "runs-on", in: stepsJob, must: true, want: wantWord | wantTexts | wantMap, scope: scopeJob, set: (*reader).runsOn},
		{name: "steps", in: stepsJob, want: wantList, set: func(r *reader, j *Job, v value) { j.Steps = r.steps(v.node, false) }},
		{name: "env", in: stepsJob, want: wantMap, scope: scopeJobEnv, set: func(r *reader, j *Job, v value) { j.Env = r.named(v, "env", v.scope) }},
		{name: "outputs", in: stepsJob, want: wantMap, set: func(r *reader, j *Job, v value) { j.Outputs = r.named(v, "outputs", scopeJobOutputs) }},
		{name: "strategy", want: wantMap, scope: scopeStrategy, set: (*reader).strategy},
		{name: "environment", in: stepsJob, want: wantText | wantMap, scope: scopeJob, set: (*reader).environment},
		{name: "permissions", want: wantWord | wantMap, set: func(r *reader, j *Job, v value) { j.Permissions = r.permissions(v) }},
		{name: "concurrency", want: wantWord | wantMap, scope: scopeJob, set: func(r *reader, j *Job, v value) { j.Concurrency = r.concurrency(v) }},
		{name: "defaults", in: stepsJob, want: wantMap, set: func(r *reader, j *Job, v value) { j.Defaults = r.defaults(v, scopeJobDefaults) }},
		{name: "timeout-minutes", in: stepsJob, want: wantNum, scope: scopeJob, set: func(r *reader, j *Job, v value) { j.TimeoutMinutes = r.minutes(v) }},
		{name: "cancel-timeout-minutes", in: stepsJob, want: wantNum, scope: scopeJob, set: func(r *reader, j *Job, v value) { j.CancelTimeout = r.minutes(v) }},
		{name: "continue-on-error", in: stepsJob, want: wantBool, scope: scopeJob, set: func(r *reader, j *Job, v value) {
			j.ContinueOnError = r.template(v.node, v.scope)
		}},
		{name: "container", in: stepsJob, want: wantText | wantMap, scope: scopeJob, set: func(r *reader, j *Job, v value) { j.Container = r.container(v, "container", false) }},
		{name: "services", in: stepsJob, want: wantMap, scope: scopeJob, set: (*reader).services},
		{name: "snapshot", in: stepsJob, want: wantWord | wantMap, set: (*reader).snapshot},
		{name: "uses", in: callingJob, must: true, want: wantWord, set: (*reader).callUses},
		{name: "with", in: callingJob, want: wantMap, set: func(r *reader, j *Job, v value) { j.With = r.named(v, "with", scopeJob) }},
		{name: "secrets", in: callingJob, want: wantWord | wantMap, set: func(r *reader, j *Job, v value) {
			if v.node.Kind == yaml.ScalarNode {
				j.InheritSecrets = r.oneOf(v.node, "secrets", []string{"inherit"})
				return
			}
			j.Secrets = r.named(v, "secrets", scopeJobEnv)
		}},
	},
	misplaced: map[string]string{
		"run": "run belongs to a step: steps: - run: …", "shell": "shell belongs to a step, or under defaults.run",
		"working-directory": "working-directory belongs to a step, or under defaults.run", "on": "on stands at the root of the file",
		"matrix": "matrix belongs under strategy", "fail-fast": "fail-fast belongs under strategy", "max-parallel": "max-parallel belongs under strategy",
		"inputs": "inputs belong to on.workflow_dispatch", "branches": "branches belongs to on.push",
		"with": "with of an action belongs to its step", "secrets": "secrets are passed on to a called workflow; steps use ${{ secrets.NAME }}",
	},
}

func (r *reader) minutes(v value) cairn.Template {
	t := r.template(v.node, v.scope)
	if t.Kind == cairn.TemplateNumber && t.Num <= 0 {
		r.fail("value", v.node, "write a number of minutes above 0", "%s is %s", keyText(v.key), t.Text)
	}
	return t
}

func (r *reader) runsOn(j *Job, v value) {
	if v.node.Kind != yaml.MappingNode {
		j.RunsOn = r.template(v.node, v.scope)
		if v.node.Kind == yaml.SequenceNode && len(v.node.Content) == 0 {
			r.fail("value", v.key, "write runs-on: ubuntu-latest", "runs-on names no label")
		}
		return
	}
	j.RunsOn = cairn.Template{Kind: cairn.TemplateMap, Line: v.node.Line, Col: v.node.Column}
	put := func(r *reader, t *cairn.Template, v value) { r.put(t, v) }
	readMap(r, v.node, "runs-on", &schema[cairn.Template]{keys: []key[cairn.Template]{
		{name: "group", want: wantWord, scope: v.scope, set: put},
		{name: "labels", want: wantWord | wantTexts, scope: v.scope, set: put},
	}}, &j.RunsOn)
}

// put appends an entry to a map template.
func (r *reader) put(t *cairn.Template, v value) {
	t.Pairs = append(t.Pairs, cairn.TemplateField{Key: r.keyTemplate(v.key, nil), Value: r.template(v.node, v.scope)})
}

func (r *reader) strategy(j *Job, v value) {
	j.StrategyPos = r.src.place(v.key)
	if v.node.Kind != yaml.MappingNode {
		r.wholeExpression(v, "strategy")
		return
	}
	j.Strategy = &cairn.Strategy{}
	readMap(r, v.node, "strategy", &schema[cairn.Strategy]{keys: []key[cairn.Strategy]{
		{name: "matrix", want: wantMap, scope: v.scope, set: (*reader).matrix},
		{name: "fail-fast", want: wantBool, scope: v.scope, set: func(r *reader, s *cairn.Strategy, v value) { s.FailFast = r.template(v.node, v.scope) }},
		{name: "max-parallel", want: wantNum, scope: v.scope, set: func(r *reader, s *cairn.Strategy, v value) {
			s.MaxParallel = r.template(v.node, v.scope)
			if s.MaxParallel.Kind == cairn.TemplateNumber && s.MaxParallel.Num < 1 {
				r.fail("value", v.node, "write 1 or more", "max-parallel is %s", s.MaxParallel.Text)
			}
		}},
	}, misplaced: map[string]string{"include": "include belongs under matrix", "exclude": "exclude belongs under matrix"}}, j.Strategy)
}

func (r *reader) matrix(s *cairn.Strategy, v value) {
	s.Matrix = r.template(v.node, v.scope)
	if v.node.Kind != yaml.MappingNode {
		return
	}
	if len(v.node.Content) == 0 {
		r.fail("value", v.key, "give it at least one list", "matrix is empty")
	}
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		k, n := r.deref(v.node.Content[i]), r.deref(v.node.Content[i+1])
		name := keyText(k)
		filter := name == "include" || name == "exclude"
		if expr.HasExpression(k.Value) {
			r.computedKey(k, "matrix")
			continue
		}
		if !r.accepts(n, "matrix."+name, wantList, v.scope) || n.Kind != yaml.SequenceNode {
			continue
		}
		if len(n.Content) == 0 && !filter {
			r.fail("value", n, "give it at least one value", "matrix.%s is an empty list", name)
		}
		for _, item := range n.Content {
			if filter {
				r.accepts(r.deref(item), "an item of matrix."+name, wantMap, v.scope)
			}
		}
	}
}

func (r *reader) snapshot(j *Job, v value) {
	if v.node.Kind != yaml.MappingNode {
		j.Snapshot = r.template(v.node, v.scope)
		return
	}
	j.Snapshot = cairn.Template{Kind: cairn.TemplateMap, Line: v.node.Line, Col: v.node.Column}
	put := func(r *reader, t *cairn.Template, v value) { r.put(t, v) }
	readMap(r, v.node, "snapshot", &schema[cairn.Template]{keys: []key[cairn.Template]{
		{name: "image-name", want: wantWord, must: true, set: put},
		{name: "if", want: wantText, scope: scopeJob, set: func(r *reader, t *cairn.Template, v value) {
			t.Pairs = append(t.Pairs, cairn.TemplateField{Key: cairn.Str("if"), Value: cairn.Str(r.condition(v).Text)})
		}},
		{name: "version", want: wantWord, set: put},
	}}, &j.Snapshot)
}

func (r *reader) environment(j *Job, v value) {
	j.EnvironmentPos = r.src.place(v.node)
	j.Environment = &cairn.EnvironmentRef{}
	if v.node.Kind == yaml.ScalarNode {
		j.Environment.Name = r.template(v.node, v.scope)
		return
	}
	readMap(r, v.node, "environment", &schema[cairn.EnvironmentRef]{keys: []key[cairn.EnvironmentRef]{
		{name: "name", want: wantText, scope: scopeJob, must: true, set: func(r *reader, e *cairn.EnvironmentRef, v value) { e.Name = r.template(v.node, v.scope) }},
		{name: "url", want: wantText, scope: scopeURL, set: func(r *reader, e *cairn.EnvironmentRef, v value) { e.URL = r.template(v.node, v.scope) }},
		{name: "deployment", want: wantBool, scope: scopeJob, set: func(r *reader, _ *cairn.EnvironmentRef, v value) {
			t := r.template(v.node, v.scope)
			j.NoDeployment = t.Kind == cairn.TemplateBool && !t.Bool
			if t.Kind == cairn.TemplateExpr {
				r.fail("unsupported", v.node, "write true or false", "an expression for environment.deployment is not built")
			}
		}},
	}}, j.Environment)
}

func (r *reader) container(v value, what string, service bool) cairn.Template {
	if v.node.Kind != yaml.MappingNode {
		return r.template(v.node, v.scope)
	}
	t := cairn.Template{Kind: cairn.TemplateMap, Line: v.node.Line, Col: v.node.Column}
	put := func(r *reader, t *cairn.Template, v value) { r.put(t, v) }
	s := schema[cairn.Template]{keys: []key[cairn.Template]{
		{name: "image", want: wantWord, scope: scopeJob, set: put},
		{name: "credentials", want: wantMap, scope: scopeCredentials, set: func(r *reader, t *cairn.Template, v value) {
			c := cairn.Template{Kind: cairn.TemplateMap, Line: v.node.Line, Col: v.node.Column}
			if v.node.Kind != yaml.MappingNode {
				r.wholeExpression(v, "credentials")
				return
			}
			readMap(r, v.node, "credentials", &schema[cairn.Template]{keys: []key[cairn.Template]{
				{name: "username", want: wantWord, scope: scopeCredentials, set: put},
				{name: "password", want: wantWord, scope: scopeCredentials, set: put},
			}}, &c)
			t.Pairs = append(t.Pairs, cairn.TemplateField{Key: cairn.Str("credentials"), Value: c})
		}},
		{name: "env", want: wantMap, scope: scopeJob, set: func(r *reader, t *cairn.Template, v value) {
			env := cairn.Template{Kind: cairn.TemplateMap, Line: v.node.Line, Col: v.node.Column}
			for _, e := range r.named(v, "env", scopeJobOutputs) {
				env.Pairs = append(env.Pairs, cairn.TemplateField{Key: cairn.Str(e.Name), Value: e.Value})
			}
			t.Pairs = append(t.Pairs, cairn.TemplateField{Key: cairn.Str("env"), Value: env})
		}},
		{name: "ports", want: wantTexts, scope: scopeJob, set: put},
		{name: "volumes", want: wantTexts, scope: scopeJob, set: put},
		{name: "options", want: wantText, scope: scopeJob, set: put},
	}}
	if service {
		s.keys = append(s.keys,
			key[cairn.Template]{name: "entrypoint", want: wantText, scope: scopeJob, set: put},
			key[cairn.Template]{name: "command", want: wantText, scope: scopeJob, set: put})
	}
	before := r.counts[cairn.SeverityError]
	readMap(r, v.node, what, &s, &t)
	if _, ok := t.Field("image"); !ok && t.Static() && r.counts[cairn.SeverityError] == before {
		r.fail("missing-key", v.node, what+": add image: …", "Container image cannot be empty")
	}
	return t
}

func (r *reader) services(j *Job, v value) {
	if v.node.Kind != yaml.MappingNode {
		j.Services = r.template(v.node, v.scope)
		return
	}
	j.Services = cairn.Template{Kind: cairn.TemplateMap, Line: v.node.Line, Col: v.node.Column}
	r.each(v.node, func(k, n *yaml.Node) {
		name := keyText(k)
		if r.accepts(n, "services."+name, wantWord|wantMap, v.scope) {
			j.Services.Pairs = append(j.Services.Pairs, cairn.TemplateField{
				Key: r.keyTemplate(k, nil), Value: r.container(value{key: k, node: n, scope: v.scope}, "service "+quote(name), true),
			})
		}
	})
}

// A remote reusable workflow: owner/repo/.github/workflows/file.yml@ref.
var remoteWorkflow = regexp.MustCompile(`^[\w.-]+/[\w.-]+/\.github/workflows/[^/@]+\.ya?ml@.+$`)

func (r *reader) callUses(j *Job, v value) {
	j.Uses = r.text(v.node)
	path, local := strings.CutPrefix(j.Uses.Value, "./")
	if !local { // $/ is the repository of this file, which for a workflow is the same
		path, local = strings.CutPrefix(j.Uses.Value, "$/")
	}
	switch {
	case local && strings.HasPrefix(path, ".github/workflows/") && !strings.Contains(path, "@") && !strings.Contains(path, "..") &&
		(strings.HasSuffix(path, ".yml") || strings.HasSuffix(path, ".yaml")):
	case local && strings.Contains(path, "@"):
		r.fail("value", v.node, "leave the @… away: a local workflow comes from the same commit", "%s names a version of a local workflow", quote(j.Uses.Value))
	case !local && remoteWorkflow.MatchString(j.Uses.Value):
	default:
		r.fail("value", v.node, "write ./.github/workflows/NAME.yml, or OWNER/REPO/.github/workflows/NAME.yml@REF", "%s is not a workflow that a job can call", quote(j.Uses.Value))
	}
}

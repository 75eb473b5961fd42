package workflow

import (
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/cairn-ml/cairn"
)

const idHint = "letters, digits, - and _, starting with a letter or _, at most 100"

// legalID reports whether s can be the id of a job, a step or an input.
func legalID(s string) bool {
	if s == "" || len(s) > 100 {
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
		r.fail("id", n, idHint, "%s cannot be the id of a %s", quote(name), what)
	case strings.HasPrefix(name, "__"):
		r.fail("id", n, "ids that start with __ are reserved", "%s cannot be the id of a %s", quote(name), what)
	}
}

func (r *reader) jobs(v value) []Job {
	var out []Job
	r.each(v.node, func(k, n *yaml.Node) {
		job := Job{ID: keyText(k), Pos: r.src.place(k)}
		r.id(k, "job")
		if n.Kind != yaml.MappingNode {
			r.wrongKind(n, "job "+quote(job.ID), wantMap, nil)
			return
		}
		r.job = len(out)
		readMap(r, n, k, "job "+quote(job.ID), &jobSchema, &job)
		r.jobShape(&job, k, n)
		out = append(out, job)
	})
	r.job = -1
	if len(out) == 0 && len(v.node.Content) == 0 {
		r.fail("missing-key", v.key, "add a job: its id, and under it runs-on and steps", "jobs names no job")
	}
	return out
}

// keys of a job that calls a workflow.
const callKeys = " name uses with secrets needs if permissions concurrency strategy "

// jobShape checks what depends on whether a job runs steps or calls a workflow.
func (r *reader) jobShape(job *Job, k, n *yaml.Node) {
	has := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		has[keyText(r.deref(n.Content[i]))] = r.deref(n.Content[i])
	}
	what := "job " + quote(job.ID)
	if has["uses"] != nil {
		for name, at := range has {
			if known := jobKeyKnown(name); known && !strings.Contains(callKeys, " "+name+" ") {
				r.fail("job", at, "a job that calls a workflow has only:"+strings.TrimRight(callKeys, " "), "%s has %s beside uses", what, name)
			}
		}
		return
	}
	if has["<<"] != nil {
		return // the merge key is refused; what it would bring is not known
	}
	for _, name := range []string{"with", "secrets"} {
		if has[name] != nil {
			r.fail("job", has[name], "with and secrets at this level are for a job that calls a workflow; with of an action belongs to its step", "%s has %s without uses", what, name)
		}
	}
	if has["runs-on"] == nil {
		hint := "add runs-on: ubuntu-latest"
		for name := range has {
			if !jobKeyKnown(name) && cairn.Nearest(name, []string{"runs-on"}) != "" {
				return // the misspelt key is reported already
			}
		}
		r.fail("missing-key", k, hint, "%s has no runs-on", what)
	}
	if has["steps"] == nil && cairn.Nearest("steps", unknownKeys(has)) == "" {
		r.fail("missing-key", k, "add steps: with a list of - run: …", "%s has no steps", what)
	}
}

func unknownKeys(has map[string]*yaml.Node) []string {
	var out []string
	for name := range has {
		if !jobKeyKnown(name) {
			out = append(out, name)
		}
	}
	return out
}

// jobSchema is one entry under jobs.
var jobSchema = schema[Job]{
	keys: []key[Job]{
		{name: "name", want: wantText, scope: scopeJob, set: func(r *reader, j *Job, v value) { j.Name = r.template(v.node, v.scope) }},
		{name: "needs", want: wantWord | wantTexts, set: func(r *reader, j *Job, v value) { j.Needs = r.texts(v.node) }},
		{name: "if", want: wantText, scope: scopeJobIf, set: func(r *reader, j *Job, v value) { j.If = r.condition(v) }},
		{name: "runs-on", want: wantWord | wantTexts | wantMap, scope: scopeJob, set: (*reader).runsOn},
		{name: "steps", want: wantList, set: func(r *reader, j *Job, v value) { j.Steps = r.steps(v.node, false) }},
		{name: "env", want: wantMap, scope: scopeJobEnv, set: func(r *reader, j *Job, v value) { j.Env = r.named(v, "env") }},
		{name: "outputs", want: wantMap, scope: scopeJobOutputs, set: func(r *reader, j *Job, v value) { j.Outputs = r.named(v, "outputs") }},
		{name: "strategy", want: wantMap, scope: scopeStrategy, set: (*reader).strategy},
		{name: "environment", want: wantText | wantMap, scope: scopeJob, set: (*reader).environment},
		{name: "permissions", want: wantWord | wantMap, set: func(r *reader, j *Job, v value) { j.Permissions = r.permissions(v) }},
		{name: "concurrency", want: wantWord | wantMap, scope: scopeJob, set: func(r *reader, j *Job, v value) { j.Concurrency = r.concurrency(v) }},
		{name: "defaults", want: wantMap, set: func(r *reader, j *Job, v value) { j.Defaults = r.defaults(v, scopeJobDefaults) }},
		{name: "timeout-minutes", want: wantNum, scope: scopeJob, set: func(r *reader, j *Job, v value) { j.TimeoutMinutes = r.minutes(v) }},
		{name: "cancel-timeout-minutes", want: wantNum, scope: scopeJob, set: func(r *reader, j *Job, v value) { j.CancelTimeout = r.minutes(v) }},
		{name: "continue-on-error", want: wantBool, scope: scopeJob, set: func(r *reader, j *Job, v value) {
			j.ContinueOnError = r.template(v.node, v.scope)
		}},
		{name: "container", want: wantText | wantMap, scope: scopeJob, set: func(r *reader, j *Job, v value) { j.Container = r.container(v, "container", false) }},
		{name: "services", want: wantMap, scope: scopeJob, set: (*reader).services},
		{name: "snapshot", want: wantWord | wantMap, scope: scopeJob, set: func(r *reader, j *Job, v value) { j.Snapshot = r.template(v.node, v.scope) }},
		{name: "uses", want: wantWord, set: (*reader).callUses},
		{name: "with", want: wantMap, scope: scopeJob, set: func(r *reader, j *Job, v value) { j.With = r.named(v, "with") }},
		{name: "secrets", want: wantWord | wantMap, scope: scopeJobEnv, set: func(r *reader, j *Job, v value) {
			if v.node.Kind == yaml.ScalarNode {
				j.InheritSecrets = r.oneOf(v.node, "secrets", []string{"inherit"})
				return
			}
			j.Secrets = r.named(v, "secrets")
		}},
	},
	misplaced: map[string]string{
		"run": "run belongs to a step: steps: - run: …", "shell": "shell belongs to a step, or under defaults.run",
		"working-directory": "working-directory belongs to a step, or under defaults.run", "on": "on stands at the root of the file",
		"matrix": "matrix belongs under strategy", "fail-fast": "fail-fast belongs under strategy", "max-parallel": "max-parallel belongs under strategy",
		"inputs": "inputs belong to on.workflow_dispatch", "branches": "branches belongs to on.push",
	},
}

func jobKeyKnown(name string) bool {
	return strings.Contains(callKeys+"runs-on steps env outputs environment defaults timeout-minutes cancel-timeout-minutes "+
		"continue-on-error container services snapshot ", " "+name+" ")
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
	readMap(r, v.node, v.key, "runs-on", &schema[cairn.Template]{keys: []key[cairn.Template]{
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
		r.expressions(v.node, v.scope)
		r.fail("unsupported", v.node, "write matrix: ${{ … }} instead", "one expression for all of strategy is not built")
		return
	}
	j.Strategy = &cairn.Strategy{}
	readMap(r, v.node, v.key, "strategy", &schema[cairn.Strategy]{keys: []key[cairn.Strategy]{
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
	r.each(v.node, func(k, n *yaml.Node) {
		name := keyText(k)
		filter := name == "include" || name == "exclude"
		if !r.accepts(n, "matrix."+name, wantList, v.scope) || n.Kind != yaml.SequenceNode {
			return
		}
		if len(n.Content) == 0 && !filter {
			r.fail("value", n, "give it at least one value", "matrix.%s is an empty list", name)
		}
		for _, item := range n.Content {
			if item = r.deref(item); filter && item.Kind != yaml.MappingNode && !(item.Kind == yaml.ScalarNode && strings.Contains(item.Value, "${{")) {
				r.fail("wrong-kind", item, "write - key: value", "each item of matrix.%s is a map, but %s stands here", name, describe(item))
			}
		}
	})
}

func (r *reader) environment(j *Job, v value) {
	j.EnvironmentPos = r.src.place(v.node)
	j.Environment = &cairn.EnvironmentRef{}
	if v.node.Kind == yaml.ScalarNode {
		j.Environment.Name = r.template(v.node, v.scope)
		return
	}
	readMap(r, v.node, v.key, "environment", &schema[cairn.EnvironmentRef]{keys: []key[cairn.EnvironmentRef]{
		{name: "name", want: wantText, scope: scopeJob, must: true, set: func(r *reader, e *cairn.EnvironmentRef, v value) { e.Name = r.template(v.node, v.scope) }},
		{name: "url", want: wantText, scope: scopeURL, set: func(r *reader, e *cairn.EnvironmentRef, v value) { e.URL = r.template(v.node, v.scope) }},
		{name: "deployment", want: wantBool, scope: scopeJob, set: func(r *reader, _ *cairn.EnvironmentRef, v value) {
			t := r.template(v.node, v.scope)
			j.NoDeployment = t.Kind == cairn.TemplateBool && !t.Bool
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
		{name: "image", want: wantText, scope: scopeJob, must: true, set: put},
		{name: "credentials", want: wantMap, scope: scopeCredentials, set: func(r *reader, t *cairn.Template, v value) {
			c := cairn.Template{Kind: cairn.TemplateMap, Line: v.node.Line, Col: v.node.Column}
			readMap(r, v.node, v.key, "credentials", &schema[cairn.Template]{keys: []key[cairn.Template]{
				{name: "username", want: wantWord, scope: scopeCredentials, set: put},
				{name: "password", want: wantWord, scope: scopeCredentials, set: put},
			}}, &c)
			t.Pairs = append(t.Pairs, cairn.TemplateField{Key: cairn.Str("credentials"), Value: c})
		}},
		{name: "env", want: wantMap, scope: scopeJobOutputs, set: put},
		{name: "ports", want: wantTexts, scope: scopeJob, set: put},
		{name: "volumes", want: wantTexts, scope: scopeJob, set: put},
		{name: "options", want: wantText, scope: scopeJob, set: put},
	}}
	if service {
		s.keys = append(s.keys,
			key[cairn.Template]{name: "entrypoint", want: wantText, scope: scopeJob, set: put},
			key[cairn.Template]{name: "command", want: wantText, scope: scopeJob, set: put})
	}
	readMap(r, v.node, v.key, what, &s, &t)
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

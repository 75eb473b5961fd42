package workflow

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
)

// stepDraft collects the keys of a step before its shape is known.
type stepDraft struct {
	Step
	has      map[string]*yaml.Node
	parallel []Step
}

var stepControls = []string{"wait", "wait-all", "cancel", "parallel"}

// stepSchema is one step of a job, or of a composite action, which has fewer
// contexts and keys.
func stepSchema(composite bool) *schema[stepDraft] {
	scope, condition := scopeStep, scopeStepIf
	if composite {
		scope, condition = scopeActionStep, scopeActionIf
	}
	keys := []key[stepDraft]{
		{name: "id", want: wantWord, set: func(r *reader, s *stepDraft, v value) { s.ID = scalar(v.node).ToString() }},
		{name: "name", want: wantText, scope: scope, set: func(r *reader, s *stepDraft, v value) { s.Name = r.template(v.node, v.scope) }},
		{name: "if", want: wantText, scope: condition, set: func(r *reader, s *stepDraft, v value) {
			c := r.condition(v)
			s.If, s.IfPos = c.Text, c.Pos
		}},
		{name: "run", want: wantText, scope: scope, set: func(r *reader, s *stepDraft, v value) {
			r.scriptLength(v.node)
			s.Run = r.template(v.node, v.scope)
		}},
		{name: "uses", want: wantWord, set: (*reader).stepUses},
		{name: "with", want: wantMap, scope: scope, set: func(r *reader, s *stepDraft, v value) {
			s.With = r.named(v, "with")
			r.spelledNumbers(s.With, v.node)
		}},
		{name: "env", want: wantMap, scope: scope, set: func(r *reader, s *stepDraft, v value) { s.Env = r.named(v, "env") }},
		{name: "shell", want: wantWord, scope: scope, set: func(r *reader, s *stepDraft, v value) { s.Shell = r.template(v.node, v.scope) }},
		{name: "working-directory", want: wantText, scope: scope, set: func(r *reader, s *stepDraft, v value) {
			s.WorkingDirectory = r.template(v.node, v.scope)
		}},
		{name: "continue-on-error", want: wantBool, scope: scope, set: func(r *reader, s *stepDraft, v value) {
			s.ContinueOnError = r.template(v.node, v.scope)
		}},
	}
	if !composite {
		keys = append(keys,
			key[stepDraft]{name: "timeout-minutes", want: wantNum, scope: scope, set: func(r *reader, s *stepDraft, v value) { s.TimeoutMinutes = r.minutes(v) }},
			key[stepDraft]{name: "background", want: wantBool, set: func(r *reader, s *stepDraft, v value) { s.Background = scalar(v.node).Bool() }},
			key[stepDraft]{name: "wait", want: wantWord | wantTexts},
			key[stepDraft]{name: "wait-all", want: wantBool | wantNull},
			key[stepDraft]{name: "cancel", want: wantWord},
			key[stepDraft]{name: "parallel", want: wantList, set: func(r *reader, s *stepDraft, v value) { s.parallel = r.steps(v.node, false) }})
	}
	return &schema[stepDraft]{keys: keys, misplaced: map[string]string{
		"runs-on": "runs-on belongs to the job", "needs": "needs belongs to the job", "steps": "steps belongs to the job",
		"outputs": "a step sets outputs by writing to $GITHUB_OUTPUT", "args": "args belongs under with", "script": "use run, or with.script of an action",
		"python-version": "inputs of an action belong under with", "path": "inputs of an action belong under with",
		"command": "use run", "workdir": "did you mean working-directory", "environment": "environment belongs to the job", "secrets": "pass secrets through env or with: ${{ secrets.NAME }}",
	}}
}

// steps reads the steps of a job or composite action.
func (r *reader) steps(n *yaml.Node, composite bool) []Step {
	s := stepSchema(composite)
	if len(n.Content) == 0 && !composite {
		r.fail("missing-key", n, "add - run: …", "steps is an empty list")
	}
	out := make([]Step, 0, len(n.Content))
	outer := r.step
	defer func() { r.step = outer }()
	for _, item := range n.Content {
		item = r.deref(item)
		if item.Kind != yaml.MappingNode {
			r.wrongKind(item, "a step", wantMap, nil)
			continue
		}
		d := stepDraft{has: map[string]*yaml.Node{}}
		d.Pos = r.src.place(item)
		if len(item.Content) > 0 {
			d.Pos = r.src.place(r.deref(item.Content[0]))
		}
		for i := 0; i+1 < len(item.Content); i += 2 {
			d.has[keyText(r.deref(item.Content[i]))] = r.deref(item.Content[i])
		}
		if outer < 0 {
			r.step = len(out)
		}
		readMap(r, item, item, "a step", s, &d)
		r.stepShape(&d, item, composite)
		out = append(out, d.Step)
		out = append(out, d.parallel...)
	}
	if outer < 0 { // the outer list checks those inside parallel too
		r.stepIDs(n)
	}
	return out
}

// stepShape checks that a step does exactly one thing.
func (r *reader) stepShape(d *stepDraft, n *yaml.Node, composite bool) {
	var does []string
	for _, name := range append([]string{"run", "uses"}, stepControls...) {
		if d.has[name] != nil {
			does = append(does, name)
		}
	}
	switch {
	case len(does) == 0:
		hint := "add run: COMMAND, or uses: OWNER/ACTION@VERSION"
		for name := range d.has {
			if cairn.Nearest(name, []string{"run", "uses"}) != "" && !slices.Contains([]string{"run", "uses", "env", "name"}, name) {
				return // the misspelt key is reported already
			}
		}
		r.fail("step", firstKey(n), hint, "this step has neither run nor uses")
		return
	case len(does) > 1:
		r.fail("step", d.has[does[1]], "make two steps of it", "a step has either %s or %s, not both", does[0], does[1])
		return
	}
	wrong := func(name, belongs string) {
		if at := d.has[name]; at != nil {
			r.fail("step", at, name+" belongs to a step with "+belongs, "a step with %s cannot have %s", does[0], name)
		}
	}
	switch does[0] {
	case "run":
		wrong("with", "uses; a script reads env")
		if composite && d.Shell.IsZero() {
			r.fail("missing-key", d.has["run"], "add shell: bash", "a run step of a composite action has no shell")
		}
	case "uses":
		wrong("shell", "run")
		wrong("working-directory", "run")
	default:
		d.Control, d.ControlPos = does[0], r.src.place(d.has[does[0]])
		for _, name := range []string{"with", "shell", "working-directory", "env", "timeout-minutes", "background"} {
			wrong(name, "run or uses")
		}
	}
}

func firstKey(n *yaml.Node) *yaml.Node {
	if len(n.Content) > 0 {
		return n.Content[0]
	}
	return n
}

// stepIDs checks the ids of all steps of a job, those inside parallel included.
func (r *reader) stepIDs(n *yaml.Node) {
	seen := map[string]bool{}
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		for _, item := range n.Content {
			item = r.deref(item)
			for i := 0; i+1 < len(item.Content); i += 2 {
				k, v := keyText(r.deref(item.Content[i])), r.deref(item.Content[i+1])
				if k == "parallel" && v.Kind == yaml.SequenceNode {
					walk(v)
				}
				if k != "id" || v.Kind != yaml.ScalarNode {
					continue
				}
				r.id(v, "step")
				id := strings.ToLower(keyText(v))
				if seen[id] && id != "" {
					r.fail("duplicate-id", v, "ids are compared without case; give each step of a job its own", "the id %s is used twice in this job", quote(keyText(v)))
				}
				seen[id] = true
			}
		}
	}
	walk(n)
}

// An action: owner/repo[/path]@ref.
var remoteAction = regexp.MustCompile(`^[\w.-]+/[\w.-]+(/[^@]+)?@.+$`)

func (r *reader) stepUses(s *stepDraft, v value) {
	text := scalar(v.node).ToString()
	s.Uses, s.UsesPos = text, r.src.place(v.node)
	switch {
	case strings.HasPrefix(text, "./"), strings.HasPrefix(text, "docker://") && len(text) > len("docker://"), strings.HasPrefix(text, "$/"):
	case remoteAction.MatchString(text):
	default:
		hint := "write OWNER/REPO@VERSION, ./PATH or docker://IMAGE"
		if strings.Count(text, "/") >= 1 && !strings.Contains(text, "@") && !strings.HasPrefix(text, ".") && !strings.HasPrefix(text, "/") {
			hint = "a version is missing: " + text + "@v4, for example"
		}
		r.fail("value", v.node, hint, "%s is not an action", quote(text))
	}
}

// spelledNumbers warns of python-version: 3.10, which is the number 3.1.
func (r *reader) spelledNumbers(with []cairn.NamedValue, n *yaml.Node) {
	for _, w := range with {
		if w.Value.Kind != cairn.TemplateNumber {
			continue
		}
		if is := expr.FormatNumber(w.Value.Num); is != w.Value.Text && strings.TrimLeft(w.Value.Text, "+") != is {
			r.warn("number", r.fieldOf(n, w.Name), "put it in quotes: '"+w.Value.Text+"'", "%s: %s is the number %s", w.Name, w.Value.Text, is)
		}
	}
}

package workflow

import (
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
)

// stepDraft collects the keys of a step before its shape is known.
type stepDraft struct {
	Step
	does     string // run, uses, wait, …: what the step is for
	doesKey  *yaml.Node
	parallel []Step
}

// The shapes of a step.
const (
	runStep variant = 1 << iota
	usesStep
	waitStep
	waitAllStep
	cancelStep
	parallelStep

	actionSteps = runStep | usesStep
	namedSteps  = actionSteps | waitStep | waitAllStep | cancelStep
	allSteps    = namedSteps | parallelStep
)

// is notes what a step is for.
func (d *stepDraft) is(v value) { d.does, d.doesKey = keyText(v.key), v.key }

// stepSchema is one step of a job, or of a composite action, which has fewer
// contexts and keys.
func stepSchema(composite bool) *schema[stepDraft] {
	scope, condition := scopeStep, scopeStepIf
	if composite {
		scope, condition = scopeActionStep, scopeActionIf
	}
	shell, shellWant := (*expr.Scope)(nil), wantWord
	if composite {
		shell, shellWant = scope, wantText
	}
	keys := []key[stepDraft]{
		{name: "id", in: namedSteps, want: wantWord, set: func(r *reader, s *stepDraft, v value) { s.ID = scalar(v.node).ToString() }},
		{name: "name", in: namedSteps, want: wantText, scope: scope, set: func(r *reader, s *stepDraft, v value) { s.Name = r.template(v.node, v.scope) }},
		{name: "if", in: actionSteps, want: wantText, scope: condition, set: func(r *reader, s *stepDraft, v value) {
			c := r.condition(v)
			s.If, s.IfPos = c.Text, c.Pos
		}},
		{name: "run", in: runStep, must: true, want: wantText, scope: scope, set: func(r *reader, s *stepDraft, v value) {
			s.is(v)
			r.scriptLength(v.node)
			s.Run = r.template(v.node, v.scope)
		}},
		{name: "uses", in: usesStep, must: true, want: wantWord, set: (*reader).stepUses},
		{name: "with", in: usesStep, want: wantMap, scope: scope, set: func(r *reader, s *stepDraft, v value) {
			s.With = r.named(v, "with", v.scope)
			r.spelledNumbers(s.With, v.node)
		}},
		{name: "env", in: actionSteps, want: wantMap, scope: scope, set: func(r *reader, s *stepDraft, v value) { s.Env = r.named(v, "env", v.scope) }},
		{name: "shell", in: runStep, must: composite, want: shellWant, scope: shell, set: func(r *reader, s *stepDraft, v value) { s.Shell = r.template(v.node, v.scope) }},
		{name: "working-directory", in: runStep, want: wantText, scope: scope, set: func(r *reader, s *stepDraft, v value) {
			s.WorkingDirectory = r.template(v.node, v.scope)
		}},
		{name: "continue-on-error", in: namedSteps, want: wantBool, scope: scope, set: func(r *reader, s *stepDraft, v value) {
			s.ContinueOnError = r.template(v.node, v.scope)
		}},
	}
	variants := actionSteps
	if !composite {
		variants = allSteps
		keys = append(keys,
			key[stepDraft]{name: "timeout-minutes", in: actionSteps, want: wantNum, scope: scope, set: func(r *reader, s *stepDraft, v value) {
				s.TimeoutMinutes = r.minutes(v)
			}},
			key[stepDraft]{name: "background", in: actionSteps, want: wantBool, set: func(r *reader, s *stepDraft, v value) { s.Background = scalar(v.node).Bool() }},
			key[stepDraft]{name: "wait", in: waitStep, must: true, want: wantWord | wantTexts, set: func(r *reader, s *stepDraft, v value) {
				s.is(v)
				s.Targets = words(r.texts(v.node))
			}},
			key[stepDraft]{name: "wait-all", in: waitAllStep, must: true, want: wantBool | wantNull, set: func(r *reader, s *stepDraft, v value) {
				s.is(v)
				if b := scalar(v.node); b.Kind() == expr.KindBool && !b.Bool() {
					r.fail("value", v.node, "leave the value away", "The value of 'wait-all' must be true or omitted")
				}
			}},
			key[stepDraft]{name: "cancel", in: cancelStep, must: true, want: wantWord, set: func(r *reader, s *stepDraft, v value) {
				s.is(v)
				s.Targets = words(r.texts(v.node))
			}},
			key[stepDraft]{name: "parallel", in: parallelStep, must: true, want: wantList, set: func(r *reader, s *stepDraft, v value) {
				s.is(v)
				s.parallel = r.steps(v.node, false)
			}})
	}
	return &schema[stepDraft]{keys: keys, variants: variants, tell: "add run: COMMAND, or uses: OWNER/ACTION@VERSION", misplaced: map[string]string{
		"with": "a script reads env; with belongs to a step with uses", "shell": "shell belongs to a step with run", "working-directory": "working-directory belongs to a step with run",
		"run": "make two steps of it", "uses": "make two steps of it", "runs-on": "runs-on belongs to the job", "needs": "needs belongs to the job", "steps": "steps belongs to the job",
		"outputs": "a step sets outputs by writing to $GITHUB_OUTPUT", "args": "args belongs under with", "script": "use run, or with.script of an action",
		"python-version": "inputs of an action belong under with", "path": "inputs of an action belong under with",
		"command": "use run", "workdir": "did you mean working-directory", "environment": "environment belongs to the job", "secrets": "pass secrets through env or with: ${{ secrets.NAME }}",
	}}
}

// steps reads the steps of a job or composite action.
func (r *reader) steps(n *yaml.Node, composite bool) []Step {
	if r.steppers == nil {
		r.steppers = stepSchema(composite)
	}
	out := make([]Step, 0, len(n.Content))
	outer := r.step
	defer func() { r.step = outer }()
	for _, item := range n.Content {
		item = r.deref(item)
		if !r.accepts(item, "a step", wantMap, nil) {
			continue
		}
		var d stepDraft
		d.Pos = r.src.place(item)
		if len(item.Content) > 0 {
			d.Pos = r.src.place(r.deref(item.Content[0]))
		}
		if outer < 0 {
			r.step = len(out)
		}
		readMap(r, item, "a step", r.steppers, &d)
		if d.does != "run" && d.does != "uses" && d.does != "" {
			d.Control, d.ControlPos = d.does, r.src.place(d.doesKey)
		}
		if outer >= 0 {
			r.besideOthers(&d, item)
		}
		for _, beside := range d.parallel {
			beside.Background = true
			out = append(out, beside)
		}
		d.Members = len(d.parallel)
		out = append(out, d.Step)
	}
	if outer < 0 { // the outer list checks those inside parallel too
		r.stepIDs(n)
	}
	return out
}

// besideOthers refuses what cannot stand under parallel.
func (r *reader) besideOthers(d *stepDraft, n *yaml.Node) {
	switch {
	case d.Control == "parallel":
		r.fail("step", n, "", "Nested 'parallel' blocks are not allowed.")
	case d.Control != "":
		r.fail("step", n, "", "'%s' is not allowed inside a parallel block.", d.Control)
	case d.Background:
		r.fail("step", n, "", "'background' is not allowed inside a parallel block. Steps in a parallel block are automatically run as background steps.")
	}
}

// stepIDs checks the ids of all steps of a job, those inside parallel included.
func (r *reader) stepIDs(n *yaml.Node) {
	seen := map[string]bool{}
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		for _, item := range n.Content {
			item = r.deref(item)
			own := ""
			for i := 0; i+1 < len(item.Content); i += 2 {
				k, v := keyText(r.deref(item.Content[i])), r.deref(item.Content[i+1])
				switch {
				case k == "parallel" && v.Kind == yaml.SequenceNode:
					walk(v)
				case k == "wait" || k == "cancel":
					r.targets(v, own, seen)
				}
				if k != "id" || v.Kind != yaml.ScalarNode {
					continue
				}
				r.id(v, "step")
				id := strings.ToLower(keyText(v))
				if seen[id] && id != "" {
					r.fail("duplicate-id", v, "ids are compared without case; give each step of a job its own",
						"The identifier %s may not be used more than once within the same scope.", quote(keyText(v)))
				}
				seen[id], own = true, id
			}
		}
	}
	walk(n)
}

// targets checks the steps that a wait or cancel names: they come before it.
func (r *reader) targets(n *yaml.Node, own string, before map[string]bool) {
	if n.Kind == yaml.SequenceNode {
		for _, item := range n.Content {
			r.targets(r.deref(item), own, before)
		}
		return
	}
	if n.Kind != yaml.ScalarNode {
		return
	}
	switch name := keyText(n); {
	case name == "" || expr.HasExpression(n.Value):
	case strings.HasPrefix(name, "__"):
		r.fail("id", n, "", "The identifier %s is invalid. IDs starting with '__' are reserved.", quote(name))
	case strings.EqualFold(name, own):
		r.fail("step", n, "", "Step %s cannot reference itself", quote(own))
	case !before[strings.ToLower(name)]:
		r.fail("step", n, "name the id of a step that comes before", "Step references unknown step ID %s", quote(name))
	}
}

// An action: owner/repo[/path]@ref.
var remoteAction = regexp.MustCompile(`^[\w.-]+/[\w.-]+(/[^@]+)?@.+$`)

func (r *reader) stepUses(s *stepDraft, v value) {
	s.is(v)
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

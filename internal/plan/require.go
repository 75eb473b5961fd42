package plan

import (
	"regexp"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
)

// Use is one action that a plan uses.
type Use struct {
	Ref  string
	Node string // path of the node
	Step int    // from 0
	Pos  cairn.Position
}

// Need is one named thing that the plan needs from outside.
type Need struct {
	Name string
	Node string // path of the node; "" at the root
	Pos  cairn.Position
}

// Labels is what one node asks of a runner.
type Labels struct {
	Labels []string
	Group  string
	// Text is the expression where only the run can know the labels.
	Text string
	Node string
	Pos  cairn.Position
}

// Required is everything that a plan needs from outside itself. Each name comes
// once, at its first place.
type Required struct {
	Labels       []Labels
	Secrets      []Need // GITHUB_TOKEN is Cairn's own and not among them
	Vars         []Need
	Env          []Need // names read as env.NAME that the workflow nowhere sets
	Environments []Need // names, or their expressions
	Actions      []Use
	Python       []Need // versions that setup-python is asked for; maybe expressions
	Images       []Need // container, services, docker:// actions
	NotBuilt     []Need // what this Cairn parses but does not execute; Name says it
}

// Requirements lists what a plan needs from outside itself, with positions.
func Requirements(p *cairn.Plan) Required {
	c := collector{plan: p}
	c.root()
	var walk func(prefix string, nodes []cairn.Node, env []cairn.NamedValue, inherits bool)
	walk = func(prefix string, nodes []cairn.Node, env []cairn.NamedValue, inherits bool) {
		for i := range nodes {
			n := &nodes[i]
			c.node(prefix+n.ID, n, env, inherits)
			walk(prefix+n.ID+"/", n.Body, n.BodyEnv, inherits && n.InheritSecrets)
		}
	}
	walk("", p.Nodes, p.Env, true)
	for _, w := range p.Warnings {
		if w.Code == CodeNotBuilt {
			c.out.NotBuilt = append(c.out.NotBuilt, Need{Name: w.Message, Pos: w.Position})
		}
	}
	return c.out
}

type collector struct {
	plan *cairn.Plan
	out  Required
	// where the walk is:
	path, file string
	secrets    bool            // secrets here are the run's own, not handed down by a call
	env        map[string]bool // names that are set somewhere around
}

func (c *collector) root() {
	c.file, c.secrets, c.env = c.plan.Path, true, map[string]bool{}
	c.template(c.plan.RunName)
	c.named(c.plan.Env)
	if c.plan.Concurrency != nil {
		c.template(c.plan.Concurrency.Group)
		c.template(c.plan.Concurrency.CancelInProgress)
	}
}

func (c *collector) node(path string, n *cairn.Node, outer []cairn.NamedValue, secrets bool) {
	c.path, c.file, c.secrets = path, n.Pos.File, secrets
	c.env = map[string]bool{}
	for _, list := range [][]cairn.NamedValue{outer, n.Env} {
		for _, v := range list {
			c.env[v.Name] = true
		}
	}
	for i := range n.Steps {
		for _, v := range n.Steps[i].Env {
			c.env[v.Name] = true
		}
		for name := range written(n.Steps[i].Run.Text) {
			c.env[name] = true
		}
	}
	c.expression(n.If, cairn.Template{Line: n.IfPos.Line, Col: n.IfPos.Column})
	for _, t := range []cairn.Template{n.Name, n.RunsOn, n.TimeoutMinutes, n.CancelTimeoutMinutes, n.ContinueOnError, n.Container, n.Services, n.Defaults.Shell, n.Defaults.WorkingDirectory} {
		c.template(t)
	}
	if n.Strategy != nil {
		c.template(n.Strategy.Matrix)
		c.template(n.Strategy.MaxParallel)
		c.template(n.Strategy.FailFast)
	}
	for _, g := range []*cairn.Concurrency{n.Concurrency, n.BodyConcurrency} {
		if g != nil {
			c.template(g.Group)
			c.template(g.CancelInProgress)
		}
	}
	if n.Environment != nil {
		c.template(n.Environment.Name)
		c.template(n.Environment.URL)
		c.add(&c.out.Environments, n.Environment.Name.Text, n.Environment.Name)
	}
	for _, list := range [][]cairn.NamedValue{n.Env, n.Outputs, n.With, n.Secrets} {
		c.named(list)
	}
	if n.Kind == cairn.NodeCall {
		// The called workflow's own env sees what the call hands down.
		c.secrets = secrets && n.InheritSecrets
		c.named(n.BodyEnv)
		return
	}
	c.labels(n)
	c.images(n)
	for i := range n.Steps {
		c.step(i, &n.Steps[i], outer, n.Env)
	}
}

func (c *collector) step(i int, s *cairn.Step, env ...[]cairn.NamedValue) {
	c.expression(s.If, cairn.Template{Line: s.IfPos.Line, Col: s.IfPos.Column})
	for _, t := range []cairn.Template{s.Name, s.Run, s.Shell, s.WorkingDirectory, s.ContinueOnError, s.TimeoutMinutes} {
		c.template(t)
	}
	c.named(s.With)
	c.named(s.Env)
	if s.Uses == "" {
		return
	}
	c.out.Actions = append(c.out.Actions, Use{Ref: s.Uses, Node: c.path, Step: i, Pos: s.Pos})
	if image, ok := strings.CutPrefix(s.Uses, "docker://"); ok {
		c.addAt(&c.out.Images, image, s.Pos)
	}
	if name, _, _ := strings.Cut(strings.ToLower(s.Uses), "@"); name == "actions/setup-python" {
		for _, w := range s.With {
			if strings.EqualFold(w.Name, "python-version") {
				for v := range strings.SplitSeq(settle(w.Value, append(env, s.Env)...), "\n") {
					c.add(&c.out.Python, strings.TrimSpace(v), w.Value)
				}
			}
		}
	}
}

// settle evaluates a text as far as the file alone can tell: constants from env.
func settle(t cairn.Template, env ...[]cairn.NamedValue) string {
	var fields []expr.Field
	for _, list := range env {
		for _, v := range list {
			if v.Value.Static() {
				text, _ := expr.EvalString(v.Value, &expr.Env{})
				fields = append([]expr.Field{{Name: v.Name, Value: expr.String(text)}}, fields...) // the inner one wins
			}
		}
	}
	known := expr.Object(fields...)
	for _, use := range uses(t.Text) {
		if len(use.Path) != 2 || use.Path[0] != "env" {
			return t.Text
		}
		if _, ok := known.Get(use.Path[1]); !ok {
			return t.Text
		}
	}
	text, err := expr.EvalString(t, &expr.Env{Contexts: map[string]expr.Value{"env": known}})
	if err != nil {
		return t.Text
	}
	return text
}

// uses lists the context paths in the expressions of a text.
func uses(text string) []expr.Reference {
	segments, err := expr.Split(text)
	if err != nil {
		return nil
	}
	var out []expr.Reference
	for _, s := range segments {
		if !s.IsExpr {
			continue
		}
		if n, err := expr.Parse(s.Text); err == nil {
			out = append(out, n.References()...)
		}
	}
	return out
}

var envWrite = regexp.MustCompile(`(?m)(?:^|[\s"'])([A-Za-z_][A-Za-z0-9_]*)(?:=|<<)`)

// written guesses which variables a script writes to GITHUB_ENV.
func written(script string) map[string]bool {
	if !strings.Contains(script, "GITHUB_ENV") {
		return nil
	}
	out := map[string]bool{}
	for _, m := range envWrite.FindAllStringSubmatch(script, -1) {
		out[m[1]] = true
	}
	return out
}

func (c *collector) named(list []cairn.NamedValue) {
	for _, v := range list {
		c.template(v.Value)
	}
}

func (c *collector) template(t cairn.Template) {
	switch t.Kind {
	case cairn.TemplateExpr:
		segments, err := expr.Split(t.Text)
		if err != nil {
			return // Parse has refused it
		}
		for _, s := range segments {
			if !s.IsExpr {
				continue
			}
			at := t
			// In a block of several lines the place is the line of the expression.
			if before := strings.Count(t.Text[:s.Offset], "\n"); strings.Contains(t.Text, "\n") {
				at.Line, at.Col = t.Line+1+before, 0
			}
			c.expression(s.Text, at)
		}
	case cairn.TemplateSeq:
		for _, item := range t.Items {
			c.template(item)
		}
	case cairn.TemplateMap:
		for _, p := range t.Pairs {
			c.template(p.Key)
			c.template(p.Value)
		}
	}
}

func (c *collector) expression(src string, at cairn.Template) {
	if src == "" {
		return
	}
	n, err := expr.Parse(src)
	if err != nil {
		return
	}
	for _, r := range n.References() {
		if r.Guarded {
			continue // the file says itself what an empty value means
		}
		name := "*"
		if len(r.Path) > 1 {
			name = r.Path[1]
		}
		switch r.Path[0] {
		case "secrets":
			if c.secrets && !strings.EqualFold(name, "GITHUB_TOKEN") {
				c.add(&c.out.Secrets, name, at)
			}
		case "vars":
			c.add(&c.out.Vars, name, at)
		case "env":
			if name != "*" && !c.env[name] && !strings.HasPrefix(name, "GITHUB_") && !strings.HasPrefix(name, "RUNNER_") && name != "CI" {
				c.add(&c.out.Env, name, at)
			}
		}
	}
}

func (c *collector) add(list *[]Need, name string, at cairn.Template) {
	c.addAt(list, name, cairn.Position{File: c.file, Line: at.Line, Column: at.Col})
}

func (c *collector) addAt(list *[]Need, name string, at cairn.Position) {
	if name == "" {
		return
	}
	for _, n := range *list {
		if strings.EqualFold(n.Name, name) {
			return
		}
	}
	*list = append(*list, Need{Name: name, Node: c.path, Pos: at})
}

func (c *collector) labels(n *cairn.Node) {
	l := Labels{Node: c.path, Pos: cairn.Position{File: c.file, Line: n.RunsOn.Line, Column: n.RunsOn.Col}}
	labels := n.RunsOn
	if n.RunsOn.Kind == cairn.TemplateMap {
		group, _ := n.RunsOn.Field("group")
		labels, _ = n.RunsOn.Field("labels")
		l.Group = group.Text
	}
	items := []cairn.Template{labels}
	if labels.Kind == cairn.TemplateSeq {
		items = labels.Items
	}
	for _, item := range items {
		switch {
		case item.Kind == cairn.TemplateExpr:
			l.Text = item.Text
		case !item.IsZero():
			text, _ := expr.EvalString(item, &expr.Env{})
			l.Labels = append(l.Labels, text)
		}
	}
	c.out.Labels = append(c.out.Labels, l)
}

func (c *collector) images(n *cairn.Node) {
	image := func(t cairn.Template) {
		if t.Kind == cairn.TemplateMap {
			t, _ = t.Field("image")
		}
		c.add(&c.out.Images, t.Text, t)
	}
	image(n.Container)
	for _, s := range n.Services.Pairs {
		image(s.Value)
	}
}

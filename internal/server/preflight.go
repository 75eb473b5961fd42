package server

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/plan"
	"github.com/cairn-ml/cairn/internal/runner/python"
)

// Preflight says what a run would do and what of it cannot be met.
func (s *Server) Preflight(ctx context.Context, r client.RunRequest) (*client.Preflight, error) {
	c, err := s.code(ctx, r)
	if err != nil {
		return nil, err
	}
	out := &client.Preflight{
		Repository: c.repo.Name, Ref: c.snap.Ref, Commit: c.snap.Commit, Dirty: c.snap.Dirty, Notes: c.notes(), Jobs: []string{},
	}
	for _, f := range c.snap.DirtyFiles {
		out.DirtyFiles = append(out.DirtyFiles, f.Path)
	}
	w, err := s.oneWorkflow(ctx, c, r)
	if err != nil {
		if r.Workflow != "" || len(cairn.AsError(err).Problems) > 0 {
			return nil, err
		}
		all, lerr := s.workflows(ctx, c)
		if lerr != nil || len(all) < 2 {
			return nil, err
		}
		for i := range all {
			out.Candidates = append(out.Candidates, all[i].choice())
		}
		return out, nil
	}
	t := byHand(c, w, r)
	out.Workflow, out.Path, out.Event = cmpOr(w.workflow.Name, w.path), w.path, t.Event
	p, err := s.plan(ctx, c, w, t)
	if err != nil {
		return nil, err
	}
	out.Inputs = p.plan.Inputs
	for _, n := range p.plan.Nodes {
		out.Jobs = append(out.Jobs, n.ID)
	}
	if out.Problems, err = s.stageProblems(ctx, c); err != nil {
		return nil, err
	}
	needs := s.needs(ctx, c, p.plan, r)
	for _, w := range p.warnings {
		// The plan's general word on a line that has a need of its own says it twice.
		if !slices.ContainsFunc(needs, func(n cairn.Problem) bool { return n.File == w.File && n.Line == w.Line && w.Code == "plan.not-built" }) {
			out.Problems = append(out.Problems, w)
		}
	}
	out.Problems = append(out.Problems, needs...)
	return out, nil
}

// need gathers what cannot be met.
type need struct {
	always map[string]bool // nodes that run unless something before them fails
	out    []cairn.Problem
}

// add notes a problem: an error where the job runs in any case, else a warning.
func (n *need) add(node string, at cairn.Position, code, hint, message string) {
	sev := cairn.SeverityWarning
	if n.always[node] {
		sev = cairn.SeverityError
	}
	n.warn(sev, at, code, hint, message)
}

func (n *need) warn(sev cairn.Severity, at cairn.Position, code, hint, message string) {
	n.out = append(n.out, cairn.Problem{Position: at, Severity: sev, Code: code, Message: message, Hint: hint})
}

// unconditional lists the nodes that no condition can leave out.
func unconditional(p *cairn.Plan) map[string]bool {
	out := map[string]bool{}
	p.Walk(func(path string, n *cairn.Node) {
		parent := ""
		if i := strings.LastIndexByte(path, '/'); i >= 0 {
			parent = path[:i]
		}
		ok := n.If == "" && (parent == "" || out[parent])
		prefix := strings.TrimSuffix(path, n.ID)
		for _, id := range n.Needs {
			ok = ok && out[prefix+id]
		}
		out[path] = ok
	})
	return out
}

// needs compares what a plan needs with what there is.
func (s *Server) needs(ctx context.Context, c *code, p *cairn.Plan, r client.RunRequest) []cairn.Problem {
	q := plan.Requirements(p)
	n := &need{always: unconditional(p)}
	uses := make([]string, len(q.Actions))
	for i, u := range q.Actions {
		uses[i] = u.Ref
	}
	problems := s.actionProblems(ctx, uses)
	for _, u := range q.Actions {
		if err := problems[u.Ref]; err != nil {
			e := cairn.AsError(err)
			n.add(u.Node, u.Pos, "preflight.action", e.Hint, e.Message)
		}
	}
	slots := s.backend.Slots()
	for _, l := range q.Labels {
		if l.Text != "" || slices.ContainsFunc(slots, func(x cairn.Slot) bool { return x.Serves(l.Labels) }) {
			continue
		}
		n.warn(cairn.SeverityWarning, l.Pos, "preflight.label",
			"map the label to this machine in config.yaml: labels: {"+strings.Join(l.Labels, ": host, ")+": host}",
			"no runner serves "+strings.Join(l.Labels, ", ")+": the job will wait for one")
	}
	s.containerNeeds(ctx, q.Images, n)
	s.secretNeeds(ctx, c, q, r, n)
	s.environmentNeeds(ctx, c, q, n)
	s.pythonNeeds(ctx, q, n)
	return n.out
}

func (s *Server) secretNeeds(ctx context.Context, c *code, q plan.Required, r client.RunRequest, n *need) {
	have := map[string]bool{}
	for name := range r.EnvFile {
		have["secret "+strings.ToUpper(name)], have["var "+strings.ToUpper(name)], have["env "+name] = true, true, true
	}
	scopes := []cairn.Scope{cairn.ScopeWorkspace, cairn.ScopeRepo(c.repo.Name)}
	if es, err := s.store.Environments(ctx, c.repo.Name); err == nil {
		for _, e := range es {
			scopes = append(scopes, cairn.ScopeEnv(c.repo.Name, strings.ToLower(e.Name)))
		}
	}
	// A failure to read them shows when the job starts; here it only warns too much.
	secrets, _ := s.store.Secrets(ctx, scopes...)
	for _, x := range secrets {
		have["secret "+x.Name] = true
	}
	vars, _ := s.store.Variables(ctx, scopes...)
	for _, x := range vars {
		have["var "+x.Name] = true
	}
	for _, x := range q.Secrets {
		if !have["secret "+strings.ToUpper(x.Name)] {
			n.warn(cairn.SeverityWarning, x.Pos, "preflight.secret", "cairn secret set "+x.Name+", or give it with --env-file",
				"the secret "+x.Name+" is not set: it will be empty")
		}
	}
	for _, x := range q.Vars {
		if !have["var "+strings.ToUpper(x.Name)] {
			n.warn(cairn.SeverityWarning, x.Pos, "preflight.variable", "cairn variable set "+x.Name+" VALUE, or give it with --env-file",
				"the variable "+x.Name+" is not set: it will be empty")
		}
	}
	for _, x := range q.Env {
		if !have["env "+x.Name] {
			n.warn(cairn.SeverityWarning, x.Pos, "preflight.env", "give it with --env-file",
				"the workflow reads env."+x.Name+" and sets it nowhere: it will be empty")
		}
	}
}

// environmentNeeds finds environments that are misspelt: a job makes one that is not
// there, without the reviewers and the secrets of the one that was meant.
func (s *Server) environmentNeeds(ctx context.Context, c *code, q plan.Required, n *need) {
	es, err := s.store.Environments(ctx, c.repo.Name)
	if err != nil {
		return // it only warns
	}
	names := make([]string, len(es))
	for i, e := range es {
		names[i] = e.Name
	}
	if f, _, err := s.filled(ctx, c.repo.Name, c.snap.TreeGit); err == nil && f != nil {
		names = append(names, f.Names()...) // the run itself makes those
	}
	for _, x := range q.Environments {
		there := slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, x.Name) })
		if near := cairn.Nearest(x.Name, names); near != "" && !there && !strings.Contains(x.Name, "${{") {
			n.warn(cairn.SeverityWarning, x.Pos, "preflight.environment", "did you mean "+near+"?",
				"there is no environment "+x.Name+" yet: the job makes one, without rules")
		}
	}
}

// pythonPatience bounds the search for interpreters before a run.
const pythonPatience = 5 * time.Second

func (s *Server) pythonNeeds(ctx context.Context, q plan.Required, n *need) {
	if len(q.Python) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, pythonPatience)
	defer cancel()
	tools := s.tools
	for _, x := range q.Python {
		if strings.Contains(x.Name, "${{") {
			continue
		}
		spec, err := python.ParseSpec(x.Name)
		if err != nil {
			e := cairn.AsError(err)
			n.add(x.Node, x.Pos, "preflight.python", e.Hint, e.Message)
			continue
		}
		if _, err := tools.Find(ctx, spec, python.HostArch()); err != nil && ctx.Err() == nil {
			e := cairn.AsError(err)
			// setup-python may still fetch one, so it is not known to fail.
			n.warn(cairn.SeverityWarning, x.Pos, "preflight.python", e.Hint, e.Message)
		}
	}
}

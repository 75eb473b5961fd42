package run

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
	"github.com/cairn-ml/cairn/internal/plan"
)

// start is a job that was just handed out, with its place in the graph.
type start struct {
	effect  string
	attempt cairn.Attempt
	run     cairn.Run
	job     cairn.Job
	plan    *cairn.Plan
	d       *decider
	at      located
}

// starting notes down the effect and the links of a start.
func (e *Engine) starting(a *active, d *decider, path string) (start, error) {
	at, ok := d.where[path]
	if !ok {
		return start{}, fmt.Errorf("job %s was started but never looked at", path)
	}
	j := a.state.Jobs[path]
	a.effect(j, effectStart)
	run := &a.state.Run
	link := func(from cairn.Ref, rel cairn.Relation, to cairn.Ref, note string) {
		a.changes.Links = append(a.changes.Links, cairn.Link{From: from, Relation: rel, To: to, Note: note})
	}
	job := cairn.JobRef(j.ID)
	link(job, cairn.RelPartOf, cairn.RunRef(run.ID), "")
	if r := j.Resume; r != nil {
		link(job, cairn.RelUsed, cairn.JobRef(r.Job), fmt.Sprintf("goes on in its workspace, from step %d of attempt %d", r.Step, r.Attempt))
	}
	if run.Commit.SHA != "" {
		link(job, cairn.RelRan, cairn.CommitRef(run.Commit.SHA), "")
	}
	if run.Dirty {
		if tree := treeRef(run); tree != "" {
			link(job, cairn.RelRan, tree, "with uncommitted changes")
			if run.Commit.SHA != "" {
				link(tree, cairn.RelPartOf, cairn.CommitRef(run.Commit.SHA), "with uncommitted changes")
			}
		}
	}
	if n := at.node.node; n.Task != nil {
		// What could not be evaluated would have failed the job before.
		values, _ := d.taskValues(n, d.env(at.scope, at.node, &at.leg))
		taskLinks(n.Task, values, func(rel cairn.Relation, to cairn.Ref, note string) { link(job, rel, to, note) })
	}
	for _, need := range at.node.node.Needs {
		for _, p := range slices.Sorted(maps.Keys(a.state.Attempt.Kept)) {
			if p == at.scope.prefix+need || strings.HasPrefix(p, at.scope.prefix+need+"[") || strings.HasPrefix(p, at.scope.prefix+need+"/") {
				kept := a.state.Attempt.Kept[p]
				link(job, cairn.RelUsed, cairn.JobRef(kept), fmt.Sprintf("skipped: result of %s taken from an earlier attempt", p))
			}
		}
	}
	return start{
		effect: a.changes.Effects[len(a.changes.Effects)-1].ID,
		run:    *run, attempt: a.state.Attempt, job: *j, plan: a.plan, d: d, at: at,
	}, nil
}

// treeRef names the code that ran when it is not the commit's own tree.
func treeRef(run *cairn.Run) cairn.Ref {
	switch {
	case run.TreeDigest != "":
		return cairn.NewRef(cairn.KindTree, string(run.TreeDigest))
	case run.TreeGit != "":
		return cairn.NewRef(cairn.KindTree, "git:"+run.TreeGit)
	}
	return ""
}

// startJob hands a job to the backend. s is nil after a restart: then its place
// in the graph is found again.
func (e *Engine) startJob(ctx context.Context, j jobEffect, s *start) (pid int, pidStart int64, tracking string, stale bool, err error) {
	if s == nil {
		if s, err = e.restart(ctx, j); err != nil || s == nil {
			return 0, 0, "", err == nil, err
		}
	}
	spec, secrets, err := e.assemble(ctx, s)
	if err != nil {
		return 0, 0, "", false, err
	}
	if spec.Task != nil {
		tracking = spec.Task.Tracking
	}
	if pid, pidStart, err = e.o.Backend.Start(ctx, spec, secrets); err != nil {
		return 0, 0, "", false, err
	}
	if !s.job.CancelAt.IsZero() {
		// The cancel may have been carried out before there was anybody to hear it.
		s.job.PID, s.job.PIDStart = pid, pidStart
		err = e.o.Backend.Cancel(ctx, s.job, !s.job.ForcedAt.IsZero())
	}
	return pid, pidStart, tracking, false, err
}

// restart finds a job's place in the graph from its rows; nil when the lease is
// over.
func (e *Engine) restart(ctx context.Context, j jobEffect) (*start, error) {
	snap, err := e.o.Store.RunSnapshot(ctx, j.Run, 0)
	if err != nil {
		return nil, err
	}
	st := NewState(snap)
	row := st.Jobs[j.Path]
	if row == nil || row.ID != j.Job || row.Epoch != j.Epoch || row.Status != cairn.StatusRunning {
		return nil, nil
	}
	p, err := e.o.Store.Plan(ctx, snap.Run.Plan)
	if err != nil {
		return nil, err
	}
	contexts, err := e.contexts(ctx, &snap.Run)
	if err != nil {
		return nil, err
	}
	f := Facts{Now: e.now(), Run: st.Run, Attempt: st.Attempt, Jobs: st.Jobs, Contexts: contexts, Rules: st.Rules, Approvals: st.Approvals, Permissions: e.o.Permissions}
	// Deciding without any slot starts nothing; what it says is thrown away.
	d := newDecider(p, stateOf(snap.Expansions, &f), &f)
	d.decide()
	at, ok := d.where[j.Path]
	if !ok {
		return nil, cairn.Errorf(cairn.CodeFailed, "job %s is not in its plan", j.Path)
	}
	return &start{run: st.Run, attempt: st.Attempt, job: *row, plan: p, d: d, at: at}, nil
}

// assemble freezes what a runner needs to execute a job.
func (e *Engine) assemble(ctx context.Context, s *start) (spec cairn.JobSpec, secrets cairn.JobSecrets, err error) {
	res, run, job, n := e.o.Resolver, &s.run, &s.job, s.at.node.node
	vars, err := res.Vars(ctx, run, job.Environment)
	if err != nil {
		return spec, secrets, err
	}
	if secrets.Env, err = res.EnvFile(ctx, run); err != nil {
		return spec, secrets, err
	}
	vars, secrets.Vars = fromFile(vars, secrets.Env)
	code, err := res.Code(ctx, run)
	if err != nil {
		return spec, secrets, err
	}
	baseEnv, err := res.JobEnv(ctx, run, job)
	if err != nil {
		return spec, secrets, err
	}
	env := s.d.env(s.at.scope, s.at.node, &s.at.leg)
	github := env.Contexts["github"].With("job", expr.String(n.ID))
	contexts := map[string]json.RawMessage{"github": github.JSON(), "vars": expr.FromGo(vars).JSON()}
	for _, name := range []string{"inputs", "needs", "strategy", "matrix"} {
		contexts[name] = env.Contexts[name].JSON()
	}
	spec = cairn.JobSpec{
		Schema: cairn.JobSpecSchema, Job: job.ID, Run: run.ID, Attempt: job.Attempt, Epoch: job.Epoch,
		Path: job.Path, Name: job.Name, Contexts: contexts, Env: envLayers(s.plan, s.at.scope, n),
		Defaults: n.Defaults, Steps: n.Steps, Outputs: n.Outputs, TimeoutMinutes: job.TimeoutMinutes,
		Container: n.Container, Services: n.Services, BaseEnv: baseEnv, Code: code,
		Debug: run.Debug, AllowSudo: run.AllowSudo, Interactive: run.Interactive,
	}
	spec.CancelTimeoutMinutes, spec.Permissions, spec.Untrusted = job.CancelTimeoutMinutes, job.Permissions, run.Untrusted
	spec.Debug = spec.Debug || job.Attempt == s.attempt.Number && s.attempt.Debug || debugAsked(vars)
	if n.Task != nil {
		var vars map[string]string
		if spec.Task, vars, err = e.taskRun(ctx, s); err != nil {
			return spec, secrets, err
		}
		spec.BaseEnv = withTask(spec.BaseEnv, vars)
	}
	if n.Environment != nil && !n.Environment.NoDeployment {
		spec.EnvironmentURL = n.Environment.URL
	}
	if secrets.Token, err = res.JobToken(ctx, run, job); err != nil {
		return spec, secrets, err
	}
	secrets.StateKey = stateKey(secrets.Token)
	if spec.Resume = job.Resume; spec.Resume != nil {
		token, err := res.JobToken(ctx, run, &cairn.Job{ID: spec.Resume.Job, Run: run.ID, Path: job.Path, Epoch: spec.Resume.Epoch})
		if err != nil {
			return spec, secrets, err
		}
		secrets.ResumeKey = stateKey(token)
	}
	if r, ok := res.(ActionResolver); ok {
		if spec.ActionEnv, secrets.Runtime, err = r.ActionEnv(ctx, run, job); err != nil {
			return spec, secrets, err
		}
		secrets.Masks = append(secrets.Masks, secrets.Runtime)
	}
	if secrets.Secrets, err = e.secrets(ctx, s, secrets.Token); err != nil {
		return spec, secrets, err
	}
	spec.Debug = spec.Debug || debugAsked(secrets.Secrets)
	return spec, secrets, nil
}

// debugAsked reports whether variables or secrets switch debug lines on, under the
// names that GitHub has for it.
func debugAsked(values map[string]string) bool {
	for _, name := range []string{"ACTIONS_STEP_DEBUG", "ACTIONS_RUNNER_DEBUG"} {
		if strings.EqualFold(values[name], "true") {
			return true
		}
	}
	return false
}

// permissions are what the job's token may do: what its node, its file or its
// callers say, and never more than a caller has. Nil: nobody says anything.
func permissions(p *cairn.Plan, sc *scope, n *cairn.Node) cairn.Permissions {
	file, limit := cairn.NamedPermissions(p.Permissions), cairn.Permissions(nil)
	for _, level := range sc.chain() {
		c := level.caller.node
		limit = plan.BodyLimit(c, plan.JobPermissions(c, file, limit))
		file = cairn.NamedPermissions(c.BodyPermissions)
	}
	return plan.JobPermissions(n, file, limit)
}

// fromFile parts the variables that an env file gave from the others.
func fromFile(vars, file map[string]string) (open, hidden map[string]string) {
	open, hidden = maps.Clone(vars), map[string]string{}
	for name, value := range file {
		if up := strings.ToUpper(name); vars[up] == value {
			hidden[up] = value
			delete(open, up)
		}
	}
	return open, hidden
}

// envLayers are workflow and job; a called workflow does not see its caller's.
func envLayers(p *cairn.Plan, sc *scope, n *cairn.Node) [][]cairn.NamedValue {
	outer := p.Env
	if sc.caller != nil {
		outer = sc.caller.node.BodyEnv
	}
	var layers [][]cairn.NamedValue
	for _, l := range [][]cairn.NamedValue{outer, n.Env} {
		if len(l) > 0 {
			layers = append(layers, l)
		}
	}
	return layers
}

// secrets are what the job may see: all of its repository's; in a called
// workflow what the caller hands down, and those of the job's own environment.
func (e *Engine) secrets(ctx context.Context, s *start, token string) (map[string]string, error) {
	all, err := e.o.Resolver.Secrets(ctx, &s.run, s.job.Environment)
	if err != nil {
		return nil, err
	}
	const own = "GITHUB_TOKEN"
	if s.at.scope.caller == nil {
		out := maps.Clone(all)
		if out == nil {
			out = map[string]string{}
		}
		out[own] = token
		return out, nil
	}
	base := all
	if s.job.Environment != "" {
		if base, err = e.o.Resolver.Secrets(ctx, &s.run, ""); err != nil {
			return nil, err
		}
	}
	out := maps.Clone(base)
	if out == nil {
		out = map[string]string{}
	}
	out[own] = token
	for _, sc := range s.at.scope.chain() {
		n := sc.caller.node
		if n.InheritSecrets {
			continue
		}
		env := s.d.env(sc.outer, sc.caller, &sc.via)
		env.Contexts["secrets"] = expr.FromGo(out)
		down := map[string]string{own: token}
		for _, nv := range n.Secrets {
			v, err := expr.EvalString(nv.Value, env)
			if err != nil {
				return nil, cairn.Errorf(cairn.CodeInvalid, "%s", s.d.fault(n, "secrets."+nv.Name, nv.Value, err))
			}
			down[nv.Name] = v
		}
		out = down
	}
	for k, v := range all {
		if old, ok := base[k]; !ok || old != v {
			out[k] = v
		}
	}
	return out, nil
}

// chain is the scopes from the outermost called workflow down to sc.
func (sc *scope) chain() []*scope {
	var out []*scope
	for at := sc; at != nil && at.caller != nil; at = at.outer {
		out = append(out, at)
	}
	slices.Reverse(out)
	return out
}

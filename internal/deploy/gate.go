package deploy

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/stages"
)

// asker is who asks for a deployment: a person, or a job.
type asker struct {
	cairn.Principal
	job *cairn.Job
	run *cairn.Run
}

func (s *Service) asker(ctx context.Context, p cairn.Principal) (asker, error) {
	a := asker{Principal: p}
	if p.Job == 0 {
		return a, nil
	}
	j, err := s.o.Store.Job(ctx, p.Job)
	if err != nil {
		return a, err
	}
	r, err := s.o.Store.Run(ctx, j.Run)
	a.job, a.run = &j, &r
	return a, err
}

// passed reports whether the engine has let the asker through the gate of a stage
// already: a job whose environment the stage is got its reviewers' approval, and
// waited, before it began.
func (a *asker) passed(stage string) bool {
	return a.job != nil && sameName(a.job.Environment, stage)
}

// sameName compares names as the engine and the store do: what is another
// environment to them has not passed the gate of this one.
func sameName(a, b string) bool { return strings.ToLower(a) == strings.ToLower(b) }

// gate is what a deployment must wait for.
type gate struct {
	reviewers  []string
	required   int
	approvedBy string // by the gate of the job's environment
	votes      []cairn.Vote
	notBefore  time.Time
}

// rules are those that hold for a stage: those of its environment, which the file
// of the default branch or an admin gave it; else those of the default branch, or
// where it does not speak of the stage, those of the release's own file. That one
// adds checks, and takes none away: whoever made the release wrote it.
func (s *Service) rules(ctx context.Context, repository string, c *cairn.StageConfig) error {
	lead, err := s.file(ctx, repository, "")
	if err != nil {
		return err
	}
	if lead != nil {
		if l, ok := lead.Stage(c.Name); ok {
			c.Rules = under(l.Rules, c.Rules)
		}
	}
	envs, err := s.o.Store.Environments(ctx, repository)
	if err != nil {
		return err
	}
	for _, e := range envs {
		// What only a workflow named has no rules of its own.
		if sameName(e.Name, c.Name) && e.From != cairn.EnvironmentFromDefault {
			c.Rules.Reviewers, c.Rules.NoSelfReview, c.Rules.Wait = e.Reviewers, e.NoSelfReview, cairn.Milliseconds(e.Wait.Milliseconds())
			c.Rules.Required, c.Rules.Branches, c.Rules.Tags, c.Rules.AllowDirty = e.Required, e.Branches, e.Tags, e.AllowDirty
			c.Rules.Gate = e.Gate
		}
	}
	return nil
}

// under gives the rules of the default branch with what a release's own file asks
// beyond them.
func under(lead, own cairn.StageRules) cairn.StageRules {
	if len(lead.Reviewers) == 0 {
		lead.Reviewers, lead.Required, lead.NoSelfReview = own.Reviewers, own.Required, own.NoSelfReview
	}
	if len(lead.Branches)+len(lead.Tags) == 0 {
		lead.Branches, lead.Tags = own.Branches, own.Tags
	}
	if lead.Gate == "" {
		lead.Gate = own.Gate
	}
	if lead.After == "" {
		lead.After = own.After
	}
	lead.Wait = max(lead.Wait, own.Wait)
	lead.Checks = slices.Clone(lead.Checks)
	for _, c := range own.Checks {
		if !slices.ContainsFunc(lead.Checks, func(l cairn.StageCheck) bool { return l.Name == c.Name && l.Expr == c.Expr }) {
			lead.Checks = append(lead.Checks, c)
		}
	}
	return lead
}

// gate applies the rules of a stage. It refuses what may not go there, and says
// what is waited for otherwise.
func (s *Service) gate(ctx context.Context, a *asker, repository string, r *cairn.Release, c *cairn.StageConfig) (gate, error) {
	if r.Dirty && !c.Rules.AllowDirty {
		return gate{}, cairn.Errorf(cairn.CodeForbidden, "stage %s refuses code with uncommitted changes: release r%d is of some", c.Name, r.Seq).
			WithHint("commit them and run again; or allow it: cairn environment set %s --allow-dirty", c.Name)
	}
	if err := s.branch(ctx, repository, r, c); err != nil {
		return gate{}, err
	}
	if err := s.after(ctx, repository, r, c); err != nil {
		return gate{}, err
	}
	if a.passed(c.Name) {
		c.Rules.Gate = "" // it held when the job began, and is not asked again
		return s.decided(ctx, a, c.Name)
	}
	g := gate{reviewers: c.Rules.Reviewers, required: c.Rules.Required}
	if c.Rules.Wait > 0 {
		g.notBefore = s.now().Add(c.Rules.Wait.Duration())
	}
	return g, nil
}

// branch refuses what was made from another branch or tag than those that may go
// there; they are those of the stage's own repository.
func (s *Service) branch(ctx context.Context, repository string, r *cairn.Release, c *cairn.StageConfig) error {
	if len(c.Rules.Branches)+len(c.Rules.Tags) == 0 {
		return nil
	}
	from := "an image that no run made"
	if r.Run != 0 {
		run, err := s.o.Store.Run(ctx, r.Run)
		if err != nil {
			return err
		}
		own := strings.EqualFold(run.Repository, repository)
		if own && cairn.RefAllowed(s.o.MatchRef, c.Rules.Branches, c.Rules.Tags, run.Ref) {
			return nil
		}
		if from = strings.TrimPrefix(strings.TrimPrefix(run.Ref, "refs/heads/"), "refs/tags/"); from == "" {
			from = "a detached HEAD"
		}
		if !own {
			from += " of " + run.Repository
		}
	}
	return cairn.Errorf(cairn.CodeForbidden, "stage %s does not take %s; allowed: %s", c.Name, from, cairn.AllowedRefs(c.Rules.Branches, c.Rules.Tags))
}

// after refuses a release that was not live on the stage before.
func (s *Service) after(ctx context.Context, repository string, r *cairn.Release, c *cairn.StageConfig) error {
	if c.Rules.After == "" {
		return nil
	}
	was, err := s.o.Store.Deployments(ctx, cairn.DeploymentFilter{
		Workspace: s.o.Workspace, Repository: repository, Stage: c.Rules.After, Release: r.ID, WasLive: true, Limit: 1,
	})
	if err != nil || len(was) > 0 {
		return err
	}
	return cairn.Errorf(cairn.CodeFailed, "release r%d (%s) was never live on %s; %s takes only what was", r.Seq, r.ID, c.Rules.After, c.Name).
		WithHint("cairn deploy --release r%d --to %s", r.Seq, c.Rules.After)
}

// decided takes over who let the job through.
func (s *Service) decided(ctx context.Context, a *asker, stage string) (gate, error) {
	all, err := s.o.Store.Approvals(ctx, a.run.ID)
	for _, x := range all {
		if x.Attempt != a.job.Attempt || !sameName(x.Environment, stage) {
			continue
		}
		g := gate{votes: x.Approvers()}
		g.approvedBy = voters(g.votes)
		return g, err
	}
	return gate{}, err
}

// check evaluates the fixed checks of a stage against what is live there now, and
// says what the first that failed is about.
func (s *Service) check(ctx context.Context, r *cairn.Release, st *cairn.Stage, c *cairn.StageConfig) ([]cairn.CheckResult, string, error) {
	gated, failed, err := s.gateCheck(ctx, r, c)
	if len(c.Rules.Checks) == 0 || failed != "" || err != nil {
		return gated, failed, err
	}
	f := stages.Facts{Stage: c.Name, Tests: map[string]string{}, Release: stages.ReleaseFacts{
		Service: r.Service, Name: r.Name, Commit: r.Commit, Dirty: r.Dirty, Image: string(r.Image), Model: string(modelOf(r)),
	}}
	if f.Metrics, err = s.metrics(ctx, r); err != nil {
		return nil, "", err
	}
	if st != nil && st.Live != 0 {
		live, err := s.o.Store.Deployment(ctx, st.Live)
		if err != nil {
			return nil, "", err
		}
		old, err := s.o.Store.Release(ctx, s.o.Workspace, live.Release)
		if err != nil {
			return nil, "", err
		}
		if f.Previous, err = s.metrics(ctx, &old); err != nil {
			return nil, "", err
		}
	}
	if r.Run != 0 {
		run, err := s.o.Store.Run(ctx, r.Run)
		if err != nil && cairn.CodeOf(err) != cairn.CodeNotFound {
			return nil, "", err
		}
		f.Release.Branch, f.Release.Author = strings.TrimPrefix(run.Ref, "refs/heads/"), run.Commit.Author
		jobs, err := s.o.Store.Jobs(ctx, r.Run, run.Attempt, false)
		if err != nil {
			return nil, "", err
		}
		for _, j := range jobs {
			result := string(j.Conclusion)
			if result == "" {
				result = string(j.Status)
			}
			f.Tests[j.Name], f.Tests[j.Path] = result, result
		}
	}
	if f.Release.Author == "" && r.Commit != "" {
		if commit, err := s.o.Code.Commit(ctx, r.Repository, r.Commit); err == nil {
			f.Release.Author = commit.Author
		}
	}
	checker, err := s.checker()
	if err != nil {
		return nil, "", err
	}
	results := append(gated, checker.Check(ctx, c.Rules.Checks, f)...)
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	for _, x := range results {
		if !x.Passed {
			return results, "check " + x.Name + " failed: " + x.Detail, nil
		}
	}
	return results, "", nil
}

// gateCheck evaluates the condition of the stage's environment for what goes there
// by hand; a job's was evaluated before it began.
func (s *Service) gateCheck(ctx context.Context, r *cairn.Release, c *cairn.StageConfig) ([]cairn.CheckResult, string, error) {
	if c.Rules.Gate == "" {
		return nil, "", nil
	}
	if s.o.Gates == nil {
		return nil, "", cairn.Errorf(cairn.CodeUnsupported, "stage %s has a gate, and none are evaluated here", c.Name)
	}
	g, err := s.o.Gates.CheckRelease(ctx, r, modelOf(r), c.Name, c.Rules.Gate)
	if err != nil {
		return nil, "", err
	}
	x := cairn.CheckResult{Name: "gate", Expr: g.Expr, Passed: g.State == cairn.GatePassed, Detail: g.Detail}
	if x.Passed {
		return []cairn.CheckResult{x}, "", nil
	}
	return []cairn.CheckResult{x}, "the gate of stage " + c.Name + " does not hold: " + g.Detail, nil
}

// metrics are those of the run that made the model of a release; never nil.
func (s *Service) metrics(ctx context.Context, r *cairn.Release) (map[string]float64, error) {
	out := map[string]float64{}
	model := modelOf(r)
	if model == "" {
		return out, nil
	}
	name, ver := model.NameVersion()
	v, err := s.o.Store.AssetVersion(ctx, s.o.Workspace, cairn.AssetModel, name, ver)
	if cairn.CodeOf(err) == cairn.CodeNotFound || err == nil && v.SourceRun == "" {
		return out, nil
	} else if err != nil {
		return nil, err
	}
	run, err := s.o.Store.MLRun(ctx, v.SourceRun)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return out, nil
	} else if err != nil {
		return nil, err
	}
	for _, m := range run.Metrics {
		if out[m.Key] = m.Value; m.NaN {
			out[m.Key] = math.NaN()
		}
	}
	return out, nil
}

package server

import (
	"context"
	"crypto/rand"
	"slices"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/auth"
	"github.com/cairn-ml/cairn/internal/pipeline"
	"github.com/cairn-ml/cairn/internal/plan"
	"github.com/cairn-ml/cairn/internal/run"
)

// jobEvent is the event of a run that was started from a job's file.
const jobEvent = "job"

// SubmitJob plans a job's file and starts a run of it.
func (s *Server) SubmitJob(ctx context.Context, r client.JobRequest) (*client.JobCreated, error) {
	key := ""
	if r.Key != "" {
		key = "job:" + auth.Actor(ctx).Name + ":" + r.Key
		unlock, err := s.submits.lock(ctx, key)
		if err != nil {
			return nil, err
		}
		defer unlock()
		if old, err := s.submitted(ctx, key); err != nil {
			return nil, err
		} else if old != nil && old.Run.Submitted != nil {
			return &client.JobCreated{Name: old.Run.Submitted.Name, Run: old.Run}, nil
		}
	}
	doc, err := readJob(&r)
	if err != nil {
		return nil, err
	}
	if x := doc.Schedule; x != nil && r.Schedule != "" {
		if x.JobRef != nil {
			return s.repeatJob(ctx, &r, cmpOr(x.JobRef.Of, x.JobRef.Name), key)
		}
		if doc = x.Job; doc == nil {
			return nil, cairn.Errorf(cairn.CodeInvalid, "schedule %s starts no job", r.Schedule)
		}
	}
	if err := refuseJob(doc); err != nil {
		return nil, err
	}
	c, err := s.jobCode(ctx, &r)
	if err != nil {
		return nil, err
	}
	sub, err := submittedOf(doc, &r)
	if err != nil {
		return nil, err
	}
	sub.Parent = c.parent
	given := sub.Name != ""
	if !given {
		if sub.Name, err = jobName(rand.Reader); err != nil {
			return nil, err
		}
	}
	unlock, err := s.submits.lock(ctx, "name\x00"+sub.Name)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := s.nameFree(ctx, sub.Name); err != nil {
		return nil, err
	}
	p, err := s.planJob(ctx, doc, &r, sub, c)
	if err != nil {
		return nil, err
	}
	created, err := s.startJob(ctx, p, c, sub, key)
	if err != nil {
		return nil, err
	}
	return &client.JobCreated{Name: sub.Name, Run: *created, Warnings: p.warnings, Notes: append(c.notes, p.notes...)}, nil
}

// CheckJob says what cannot be met of a request. Of URLs it is only looked whether they
// were fetched before.
func (s *Server) CheckJob(ctx context.Context, r client.JobRequest) (*client.JobChecked, error) {
	doc, err := readJob(&r)
	if err != nil {
		if e := cairn.AsError(err); len(e.Problems) > 0 {
			return &client.JobChecked{Problems: e.Problems}, nil
		}
		return nil, err
	}
	if doc.Schedule != nil && doc.Schedule.Job != nil {
		doc = doc.Schedule.Job
	}
	if doc.Job == nil {
		return &client.JobChecked{}, nil
	}
	sub, err := submittedOf(doc, &r)
	if err != nil {
		return nil, err
	}
	sub.Name = cmpOr(sub.Name, "checked")
	p, err := s.planJob(ctx, doc, &r, sub, &jobCode{check: true, untrusted: auth.Actor(ctx).Untrusted})
	if err != nil {
		if e := cairn.AsError(err); len(e.Problems) > 0 {
			return &client.JobChecked{Problems: e.Problems}, nil
		}
		return nil, err
	}
	out := &client.JobChecked{Problems: p.warnings}
	p.plan.Walk(func(_ string, n *cairn.Node) {
		if n.Kind == cairn.NodeJob {
			out.Nodes++
		}
	})
	return out, nil
}

// readJob reads the file that a request is of.
func readJob(r *client.JobRequest) (*pipeline.Document, error) {
	if r.Name != "" && !slices.ContainsFunc(r.Flags, func(f client.NamedFlag) bool { return f.Name == "name" }) {
		if err := checkJobName(r.Name); err != nil {
			return nil, err
		}
	}
	return readRequest(r)
}

// refuseJob says what to do with a file that is of something else.
func refuseJob(doc *pipeline.Document) error {
	if doc.Job != nil {
		return nil
	}
	e := cairn.Errorf(cairn.CodeInvalid, "%s describes a %s, not a job", doc.Path, doc.Kind)
	switch {
	case doc.Schedule != nil:
		return e.WithHint("cairn schedule create --file %s", doc.Path)
	case doc.Component != nil:
		return e.WithHint("cairn component create --file %s registers it; a pipeline's job runs it", doc.Path)
	case doc.Asset != nil:
		return e.WithHint("cairn %s create --file %s", doc.Kind, doc.Path)
	}
	return e
}

// submittedOf is what a run is told of its file.
func submittedOf(doc *pipeline.Document, r *client.JobRequest) (*cairn.Submitted, error) {
	j := doc.Job
	x := &cairn.Submitted{
		Name: cmpOr(r.Name, j.Name.Value), Type: string(j.Type), DisplayName: j.DisplayName.Value, Description: j.Description.Value,
		Experiment: cmpOr(j.Experiment.Value, r.Experiment), Tags: texts(j.Tags), Properties: texts(j.Properties), Schedule: r.Schedule,
	}
	if x.Experiment == "" {
		x.Experiment = "Default"
	}
	if x.Name != "" {
		if err := checkJobName(x.Name); err != nil {
			return nil, err
		}
	}
	return x, nil
}

func texts(ns []pipeline.NamedText) map[string]string {
	if len(ns) == 0 {
		return nil
	}
	out := map[string]string{}
	for _, n := range ns {
		out[n.Name] = n.Value.Value.Text
	}
	return out
}

// plannedJob is a plan of a job's file that is fit to run.
type plannedJob struct {
	plan     *cairn.Plan
	warnings []cairn.Problem
	inputs   []cairn.Setting
	notes    []string
}

// jobRounds bounds how often references of references are resolved: components of
// components.
const jobRounds = 32

// planJob resolves what the file names and freezes it.
func (s *Server) planJob(ctx context.Context, doc *pipeline.Document, r *client.JobRequest, sub *cairn.Submitted, c *jobCode) (*plannedJob, error) {
	refs := newJobRefs(s, r, c)
	var err error
	if refs.maps, err = s.readMaps(ctx); err != nil {
		return nil, err
	}
	of := plan.Submission{Name: sub.Name, Experiment: sub.Experiment, Root: r.Root, NoReuse: r.NoReuse}
	for range jobRounds {
		p, missing, problems := plan.BuildJob(doc, of, refs.resolved)
		if len(missing) == 0 {
			if cairn.HasErrors(problems) {
				return nil, jobProblems(doc, problems)
			}
			if p.Event = jobEvent; p.Name == "" {
				p.Name = cmpOr(sub.DisplayName, doc.Path)
			}
			p.Permissions = append(p.Permissions, c.permissions...)
			p.Walk(func(_ string, n *cairn.Node) {
				if n.Task != nil {
					n.Task.Environment = refs.maps.put(n.Task.Environment)
				}
			})
			return &plannedJob{plan: p, warnings: problems, inputs: refs.inputs(doc.Job), notes: refs.notes}, nil
		}
		lacks, err := refs.resolveAll(ctx, missing)
		if err != nil {
			return nil, err
		}
		if cairn.HasErrors(lacks) {
			return nil, jobProblems(doc, append(lacks, problems...))
		}
	}
	return nil, cairn.Errorf(cairn.CodeInvalid, "%s: the components that it names do not end", doc.Path)
}

func jobProblems(doc *pipeline.Document, problems []cairn.Problem) error {
	slices.SortStableFunc(problems, func(a, b cairn.Problem) int {
		if a.File == b.File {
			return a.Line - b.Line
		}
		return 0
	})
	return &cairn.Error{Code: cairn.CodeInvalid, Message: doc.Path + " cannot be run", Problems: problems}
}

// startJob hands the plan to the engine, under the name of the job.
func (s *Server) startJob(ctx context.Context, p *plannedJob, c *jobCode, sub *cairn.Submitted, key string) (*cairn.Run, error) {
	sub.Inputs = p.inputs
	exp, err := s.experiment(ctx, sub.Experiment)
	if err != nil {
		return nil, err
	}
	req := run.Request{
		Workspace: Workspace, Repository: c.repository, Plan: p.plan, Commit: c.commit, Ref: c.ref, Dirty: c.dirty, TreeGit: c.treeGit,
		TreeDigest: c.treeDigest, Actor: auth.Actor(ctx).Name, WorkDir: c.workDir, Untrusted: c.untrusted, Chain: c.chain,
		Title: cmpOr(sub.DisplayName, sub.Name),
	}
	req.Prepare = func(ctx context.Context, created *cairn.Run) error {
		sub.Tracking = runTracking(created.ID, sub.Name)
		created.Submitted = sub
		if err := s.store.TakeRunName(ctx, Workspace, created.ID, sub); err != nil {
			return nameTaken(err)
		}
		if key != "" {
			return s.store.PutSubmission(ctx, key, created.ID)
		}
		return nil
	}
	created, err := s.engine.Submit(ctx, req)
	if err != nil {
		return nil, err
	}
	if err := s.ensureTracked(ctx, s.trackedRun(ctx, created, exp)); err != nil {
		return nil, err
	}
	if c.parent != 0 {
		// The job that asked for it stands above the run: a trace goes on there.
		if err := s.store.AddLinks(ctx, cairn.Change{By: req.Actor, Links: []cairn.Link{{
			From: cairn.RunRef(created.ID), Relation: cairn.RelPartOf, To: cairn.JobRef(c.parent), Note: "started by its step",
		}}}); err != nil {
			return nil, err
		}
	}
	return created, nil
}

// nameFree refuses the name of a job that is there.
func (s *Server) nameFree(ctx context.Context, name string) error {
	_, err := s.store.RunNamed(ctx, Workspace, name)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return nil
	}
	if err == nil {
		err = nameTaken(cairn.Errorf(cairn.CodeConflict, "there is a job %q already", name))
	}
	return err
}

func nameTaken(err error) error {
	if cairn.CodeOf(err) != cairn.CodeConflict {
		return err
	}
	return cairn.AsError(err).WithHint("leave the name out of the file, or give another one: --name NAME")
}

// repeatJob starts a run of the same plan as an earlier job's.
func (s *Server) repeatJob(ctx context.Context, r *client.JobRequest, name, key string) (*client.JobCreated, error) {
	n, err := s.FindJob(ctx, name)
	if err != nil {
		return nil, err
	}
	old, err := s.store.Run(ctx, n.Run)
	if err != nil {
		return nil, err
	}
	p, err := s.store.Plan(ctx, old.Plan)
	if err != nil {
		return nil, err
	}
	x := *old.Submitted
	sub := &x
	sub.Outputs, sub.Parent, sub.Schedule, sub.Archived = nil, 0, r.Schedule, false
	if sub.Name, err = jobName(rand.Reader); err != nil {
		return nil, err
	}
	c := &jobCode{repository: old.Repository, commit: old.Commit, ref: old.Ref, dirty: old.Dirty, treeGit: old.TreeGit, treeDigest: old.TreeDigest,
		workDir: old.WorkDir, untrusted: old.Untrusted}
	created, err := s.startJob(ctx, &plannedJob{plan: p, inputs: old.Submitted.Inputs}, c, sub, key)
	if err != nil {
		return nil, err
	}
	return &client.JobCreated{Name: sub.Name, Run: *created}, nil
}

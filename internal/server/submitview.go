package server

import (
	"cmp"
	"context"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/auth"
)

// SubmittedJobs lists runs of jobs' files, newest first.
func (s *Server) SubmittedJobs(ctx context.Context, f client.JobFilter) ([]cairn.Run, error) {
	return s.store.SubmittedRuns(ctx, cairn.SubmittedFilter{
		Workspace: Workspace, Experiment: f.Experiment, Schedule: f.Schedule, Archived: f.Archived, Before: f.Before, Limit: f.Limit,
	})
}

// SubmittedJob shows a run of a job's file with its jobs and what each waits for.
func (s *Server) SubmittedJob(ctx context.Context, name string) (*client.JobView, error) {
	n, err := s.FindJob(ctx, name)
	if err != nil {
		return nil, err
	}
	out := &client.JobView{}
	if out.Run, err = s.store.Run(ctx, n.Run); err != nil {
		return nil, err
	}
	out.Run.Payload = nil
	if out.Jobs, err = s.store.Jobs(ctx, n.Run, 0, true); err != nil {
		return nil, err
	}
	if out.Jobs == nil {
		out.Jobs = []cairn.Job{}
	}
	p, err := s.store.Plan(ctx, out.Run.Plan)
	if err != nil {
		return nil, err
	}
	out.Graph = graphOf(p)
	return out, nil
}

// graphOf lists the nodes of a plan with the paths that each waits for.
func graphOf(p *cairn.Plan) []client.GraphNode {
	var out []client.GraphNode
	var level func(prefix string, ns []cairn.Node)
	level = func(prefix string, ns []cairn.Node) {
		for i := range ns {
			n := &ns[i]
			g := client.GraphNode{Path: prefix + n.ID, Kind: n.Kind, Sweep: n.Sweep != nil, Loop: n.Loop != nil}
			for _, need := range n.Needs {
				g.Needs = append(g.Needs, prefix+need)
			}
			if n.Task != nil {
				g.Component = cmp.Or(n.Task.Component.ID(), n.Task.ComponentName, n.Task.ComponentFile)
			}
			out = append(out, g)
			level(prefix+n.ID+"/", n.Body)
		}
	}
	level("", p.Nodes)
	return out
}

// Bounds of what people say of a job.
const (
	maxJobTags = 200
	maxJobText = 10_000
)

// UpdateJob changes what is said of a job.
func (s *Server) UpdateJob(ctx context.Context, name string, u client.JobUpdate) (*cairn.Run, error) {
	n, err := s.FindJob(ctx, name)
	if err != nil {
		return nil, err
	}
	if n.Path != "" {
		return nil, cairn.Errorf(cairn.CodeUnsupported, "%s is a part of job %s: what is said of it is in the file", n.Path, n.Name).
			WithHint("change job %s itself", n.Name)
	}
	if u.Archived != nil && *u.Archived {
		if r, err := s.store.Run(ctx, n.Run); err != nil {
			return nil, err
		} else if r.Status != cairn.StatusCompleted {
			return nil, cairn.Errorf(cairn.CodeConflict, "job %s has not ended: it cannot be archived", n.Name).WithHint("cairn job cancel %s", n.Name)
		}
	}
	r, err := s.store.ChangeSubmitted(ctx, n.Run, auth.Actor(ctx).Name, func(x *cairn.Submitted) error {
		if u.DisplayName != nil {
			x.DisplayName = *u.DisplayName
		}
		if u.Description != nil {
			x.Description = *u.Description
		}
		if u.Archived != nil {
			x.Archived = *u.Archived
		}
		for _, k := range u.RemoveTags {
			delete(x.Tags, k)
		}
		for k, v := range u.SetTags {
			if x.Tags == nil {
				x.Tags = map[string]string{}
			}
			x.Tags[k] = v
		}
		return checkSaid(x)
	})
	if err != nil {
		return nil, err
	}
	r.Payload = nil
	return &r, nil
}

func checkSaid(x *cairn.Submitted) error {
	if len(x.Tags) > maxJobTags {
		return cairn.Errorf(cairn.CodeTooLarge, "a job has at most %d tags", maxJobTags)
	}
	texts := []string{x.DisplayName, x.Description}
	for k, v := range x.Tags {
		if k == "" {
			return cairn.Errorf(cairn.CodeInvalid, "a tag needs a name")
		}
		texts = append(texts, k, v)
	}
	for _, t := range texts {
		if len(t) > maxJobText {
			return cairn.Errorf(cairn.CodeTooLarge, "a text of %d bytes; at most %d are kept", len(t), maxJobText)
		}
	}
	return nil
}

package server

import (
	"context"
	"fmt"
	"slices"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/trigger"
)

// Bounds of what a view of a pull request lists.
const (
	viewCommits = 100
	viewFiles   = 300
	viewRuns    = 100
)

// Pulls lists pull requests, the newest first.
func (s *Server) Pulls(ctx context.Context, f cairn.PullFilter) ([]cairn.PullRequest, error) {
	if f.Repository != "" {
		if _, err := s.store.Repository(ctx, Workspace, f.Repository); err != nil {
			return nil, s.noRepository(ctx, f.Repository, err)
		}
	}
	return s.store.Pulls(ctx, f)
}

// Pull shows a pull request with its commits, files and checks.
func (s *Server) Pull(ctx context.Context, repository string, number int64) (*client.PullView, error) {
	p, err := s.store.Pull(ctx, repository, number)
	if err != nil {
		return nil, err
	}
	v := &client.PullView{Pull: p}
	base := p.BaseSHA
	if from, err := s.host.MergeBase(ctx, repository, p.BaseSHA, p.HeadSHA); err == nil && from != "" {
		base = from
	}
	if v.Commits, _, err = s.host.Between(ctx, repository, p.BaseSHA, p.HeadSHA, viewCommits); err != nil {
		return nil, err
	}
	if v.Files, _, err = s.host.FileChanges(ctx, repository, base, p.HeadSHA, viewFiles); err != nil {
		return nil, err
	}
	if v.Runs, err = s.pullRuns(ctx, &p); err != nil {
		return nil, err
	}
	if v.Statuses, err = s.latestStatuses(ctx, repository, p.HeadSHA); err != nil {
		return nil, err
	}
	v.Checks = checks(v.Runs, v.Statuses)
	return v, nil
}

// pullRuns are the newest runs of each workflow for the commits of a pull request.
func (s *Server) pullRuns(ctx context.Context, p *cairn.PullRequest) ([]cairn.Run, error) {
	var out []cairn.Run
	seen := map[string]bool{}
	for _, f := range []cairn.RunFilter{{Branch: p.MergeRef()}, {SHA: p.HeadSHA}} {
		f.Workspace, f.Repository, f.Limit = Workspace, p.Repository, viewRuns
		rs, err := s.store.Runs(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, r := range rs {
			key := r.Path + "\x00" + r.Event
			if !seen[key] && trigger.HeadSHA(&r) == p.HeadSHA {
				seen[key] = true
				out = append(out, r)
			}
		}
	}
	slices.SortFunc(out, func(a, b cairn.Run) int { return int(b.ID - a.ID) })
	if out == nil {
		out = []cairn.Run{}
	}
	return out, nil
}

// latestStatuses are the newest words of each service on a commit.
func (s *Server) latestStatuses(ctx context.Context, repository, sha string) ([]cairn.CommitStatus, error) {
	all, err := s.store.CommitStatuses(ctx, repository, sha)
	out, seen := []cairn.CommitStatus{}, map[string]bool{}
	for _, x := range all {
		if !seen[x.Context] {
			seen[x.Context] = true
			out = append(out, x)
		}
	}
	return out, err
}

// checks sums up what runs and services say.
func checks(runs []cairn.Run, statuses []cairn.CommitStatus) string {
	word := "none"
	worse := func(w string) {
		rank := []string{"none", "success", "pending", "failure"}
		if slices.Index(rank, w) > slices.Index(rank, word) {
			word = w
		}
	}
	for _, r := range runs {
		switch {
		case r.Status != cairn.StatusCompleted:
			worse("pending")
		case r.Conclusion == cairn.Success || r.Conclusion == cairn.Skipped:
			worse("success")
		default:
			worse("failure")
		}
	}
	for _, x := range statuses {
		switch x.State {
		case "success", "pending":
			worse(x.State)
		default:
			worse("failure")
		}
	}
	return word
}

// PutStatus keeps what a service says of a commit.
func (s *Server) PutStatus(ctx context.Context, x cairn.CommitStatus) (cairn.CommitStatus, error) {
	c, err := s.host.Commit(ctx, x.Repository, x.SHA)
	if err != nil {
		return x, err
	}
	x.SHA = c.SHA
	return s.store.PutCommitStatus(ctx, x, cairn.Change{By: x.By, Events: []cairn.Event{{
		Kind: cairn.EvRecorded, Subject: cairn.CommitRef(x.SHA), Data: fmt.Appendf(nil, "{%q:%q,%q:%q}", "context", x.Context, "state", x.State),
	}}})
}

package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/auth"
	"github.com/cairn-ml/cairn/internal/git"
	"github.com/cairn-ml/cairn/internal/trigger"
)

// mergeMethods are the ways to merge.
var mergeMethods = []string{"merge", "squash", "rebase"}

// MergePull moves the base branch to what the pull request gives. That it is merged
// is written when the branch has moved, by what follows from that move; so nothing
// is lost or done twice where the owner ends in between.
func (s *Server) MergePull(ctx context.Context, repository string, number int64, in client.PullMerge) (*client.PullAnswer, error) {
	in.Method = cmpOr(in.Method, "merge")
	for try := 0; ; try++ {
		var to, from, branch string
		_, err := s.changePull(ctx, repository, number, func(_ cairn.Repository, p *cairn.PullRequest) (_ []cairn.TriggerEvent, err error) {
			if err := mergeable(p, &in); err != nil {
				return nil, err
			}
			base, err := s.host.Branch(ctx, p.Repository, p.Base)
			if err != nil {
				return nil, err
			}
			if to, err = s.mergeCommit(ctx, p, base.SHA, &in); err != nil {
				return nil, err
			}
			p.Merging, p.MergedBy = to, auth.Actor(ctx).Name
			from, branch = base.SHA, "refs/heads/"+p.Base
			return nil, nil
		})
		if err != nil {
			return nil, err
		}
		pushes, err := s.pushes.Move(ctx, repository, branch, to, from, auth.Actor(ctx).Name)
		if cairn.CodeOf(err) == cairn.CodeConflict && try < pullConflict {
			continue // somebody pushed meanwhile: merge with that
		}
		if err != nil {
			return nil, err
		}
		p, err := s.store.Pull(ctx, repository, number)
		a := &client.PullAnswer{Pull: p, Runs: []cairn.RunID{}}
		if text := s.message(ctx, pushes); text != "" {
			a.Notes = strings.Split(text, "\n")
		}
		return a, err
	}
}

func mergeable(p *cairn.PullRequest, in *client.PullMerge) error {
	known := false
	for _, m := range mergeMethods {
		known = known || m == in.Method
	}
	switch {
	case !known:
		e := cairn.Errorf(cairn.CodeInvalid, "%q is no way to merge", clipText(in.Method, 80))
		if near := cairn.Nearest(in.Method, mergeMethods); near != "" {
			return e.WithHint("did you mean %s?", near)
		}
		return e.WithHint("%s", strings.Join(mergeMethods, ", "))
	case p.Merged:
		return cairn.Errorf(cairn.CodeFailed, "pull request %d is merged already", p.Number)
	case p.State != cairn.PullOpen:
		return cairn.Errorf(cairn.CodeFailed, "pull request %d is closed", p.Number).WithHint("open it again: cairn pr reopen %d", p.Number)
	case p.Draft:
		return cairn.Errorf(cairn.CodeFailed, "pull request %d is a draft", p.Number).WithHint("cairn pr edit %d --ready", p.Number)
	case in.Head != "" && in.Head != p.HeadSHA:
		return cairn.Errorf(cairn.CodeConflict, "the branch %s was moved: it is at %.12s, not %.12s", p.Head, p.HeadSHA, in.Head)
	}
	return nil
}

// mergeCommit makes the commit that the base branch is to be moved to.
func (s *Server) mergeCommit(ctx context.Context, p *cairn.PullRequest, base string, in *client.PullMerge) (string, error) {
	who := auth.Actor(ctx)
	by := git.Signature{Name: who.Name, Email: who.Email, Date: time.Now().UTC()}
	conflict := func(files []string) error {
		return cairn.Errorf(cairn.CodeFailed, "%s conflicts with %s in %s", p.Head, p.Base, strings.Join(files, ", ")).
			WithHint("merge %s into %s, solve that, and push", p.Base, p.Head)
	}
	if in.Method == "rebase" {
		tip, conflicts, err := s.host.Replay(ctx, p.Repository, base, p.HeadSHA, by)
		if err == nil && conflicts != nil {
			err = conflict(conflicts)
		}
		return tip, err
	}
	tree, conflicts, err := s.host.MergeTree(ctx, p.Repository, base, p.HeadSHA)
	if err != nil {
		return "", err
	}
	if conflicts != nil || tree == "" {
		return "", conflict(conflicts)
	}
	n := git.NewCommit{Tree: tree, Parents: []string{base, p.HeadSHA}, Author: by, Committer: by}
	owner, _, _ := strings.Cut(cmpOr(p.HeadRepository, p.Repository), "/")
	title, message := fmt.Sprintf("Merge pull request #%d from %s/%s", p.Number, owner, p.Head), p.Title
	if in.Method == "squash" {
		n.Parents = n.Parents[:1]
		title, message = fmt.Sprintf("%s (#%d)", p.Title, p.Number), p.Body
		if head, err := s.host.Commit(ctx, p.Repository, p.HeadSHA); err == nil {
			n.Author = git.Signature{Name: head.Author, Email: head.Email, Date: by.Date}
		}
	}
	n.Message = cmpOr(in.Title, title) + "\n\n" + cmpOr(in.Message, message)
	n.Message = strings.TrimSpace(n.Message) + "\n"
	return s.host.WriteCommit(ctx, p.Repository, n)
}

// pushedPulls does what a push means for pull requests: those of the branch have
// new commits, those into it are merged or can be merged anew. It may be called
// again for the same push.
func (s *Server) pushedPulls(ctx context.Context, push git.Push) ([]string, error) {
	branch, ok := strings.CutPrefix(push.Ref, "refs/heads/")
	if !ok {
		return nil, nil
	}
	into, err := s.store.Pulls(ctx, cairn.PullFilter{Repository: push.Repo, State: cairn.PullOpen, Base: branch, Limit: 1000})
	if err != nil {
		return nil, err
	}
	of, err := s.store.Pulls(ctx, cairn.PullFilter{State: cairn.PullOpen, HeadRepository: push.Repo, Head: branch, Limit: 1000})
	if err != nil {
		return nil, err
	}
	var notes []string
	var errs []error
	each := func(ps []cairn.PullRequest, fn func(cairn.Repository, *cairn.PullRequest) ([]cairn.TriggerEvent, error)) {
		for _, p := range ps {
			a, err := s.changePull(ctx, p.Repository, p.Number, func(repo cairn.Repository, p *cairn.PullRequest) ([]cairn.TriggerEvent, error) {
				if p.State != cairn.PullOpen {
					return nil, errUnchanged
				}
				return fn(repo, p)
			})
			switch {
			case errors.Is(err, errUnchanged):
			case err != nil && passes(err):
				errs = append(errs, err)
			case err != nil:
				s.log.Error("a push could not be brought to a pull request", "repository", p.Repository, "number", p.Number, "error", err)
				notes = append(notes, fmt.Sprintf("pull request %d: %v", p.Number, err))
			default:
				notes = append(notes, a.Notes...)
			}
		}
	}
	each(into, func(repo cairn.Repository, p *cairn.PullRequest) ([]cairn.TriggerEvent, error) {
		return s.baseMoved(ctx, repo, p, push)
	})
	each(of, func(repo cairn.Repository, p *cairn.PullRequest) ([]cairn.TriggerEvent, error) {
		return s.headMoved(ctx, repo, p, push)
	})
	return notes, errors.Join(errs...)
}

// errUnchanged says that there is nothing to write.
var errUnchanged = errors.New("unchanged")

func (s *Server) baseMoved(ctx context.Context, repo cairn.Repository, p *cairn.PullRequest, push git.Push) ([]cairn.TriggerEvent, error) {
	if push.Deleted() {
		return s.closePull(ctx, repo, p)
	}
	merged := p.Merging == push.New
	if !merged {
		there, err := s.host.Contains(ctx, p.Repository, push.New, p.HeadSHA)
		if err != nil {
			return nil, err
		}
		merged = there
		if merged {
			p.MergedBy = push.By
		}
	}
	if !merged {
		if p.BaseSHA == push.New {
			return nil, errUnchanged
		}
		p.BaseSHA, p.Merging = push.New, ""
		return nil, s.testMerge(ctx, p)
	}
	p.Merged, p.MergeCommit, p.Merging, p.State, p.ClosedAt = true, push.New, "", cairn.PullClosed, p.UpdatedAt
	return s.pullEvents(ctx, repo, p, "closed", nil)
}

func (s *Server) headMoved(ctx context.Context, repo cairn.Repository, p *cairn.PullRequest, push git.Push) ([]cairn.TriggerEvent, error) {
	if push.Deleted() {
		return s.closePull(ctx, repo, p)
	}
	if p.HeadSHA == push.New {
		return nil, errUnchanged
	}
	before := p.HeadSHA
	p.HeadSHA, p.Merging = push.New, ""
	if err := s.takeHead(ctx, p); err != nil {
		return nil, err
	}
	if err := s.testMerge(ctx, p); err != nil {
		return nil, err
	}
	return s.pullEvents(ctx, repo, p, "synchronize", trigger.Object{"before": before, "after": p.HeadSHA})
}

func (s *Server) closePull(ctx context.Context, repo cairn.Repository, p *cairn.PullRequest) ([]cairn.TriggerEvent, error) {
	p.State, p.ClosedAt = cairn.PullClosed, p.UpdatedAt
	return s.pullEvents(ctx, repo, p, "closed", nil)
}

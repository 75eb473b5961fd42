package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/auth"
	"github.com/cairn-ml/cairn/internal/git"
	"github.com/cairn-ml/cairn/internal/trigger"
)

// Bounds of a pull request, as GitHub has them.
const (
	maxTitle     = 256
	maxBody      = 65536
	maxLabels    = 100
	maxLabel     = 50
	changedKept  = 1000 // files that an event keeps for path filters
	pullConflict = 10   // tries where somebody else writes at the same time
)

// CreatePull opens a pull request and starts what runs on that.
func (s *Server) CreatePull(ctx context.Context, in client.PullCreate) (*client.PullAnswer, error) {
	repo, err := s.store.Repository(ctx, Workspace, in.Repository)
	if err != nil {
		return nil, s.noRepository(ctx, in.Repository, err)
	}
	if err := s.refuseFollowed(ctx, repo.Name); err != nil {
		return nil, err // its pull requests are those of the other end
	}
	if elsewhere, err := s.isFollowed(ctx, repo.Name); err != nil {
		return nil, err
	} else if elsewhere {
		return nil, cairn.Errorf(cairn.CodeForbidden, "%s mirrors another repository: its pull requests are opened there", repo.Name)
	}
	if in.Base == "" {
		in.Base = repo.DefaultBranch
	}
	if in.HeadRepository == in.Repository {
		in.HeadRepository = ""
	}
	from := cmpOr(in.HeadRepository, repo.Name)
	base, err := s.host.Branch(ctx, repo.Name, in.Base)
	if err != nil {
		return nil, err
	}
	head, err := s.host.Branch(ctx, from, in.Head)
	if err != nil {
		return nil, err
	}
	by := auth.Actor(ctx).Name
	now := time.Now().UTC()
	p := cairn.PullRequest{
		Repository: repo.Name, Title: cmpOr(strings.TrimSpace(in.Title), head.Subject), Body: in.Body, State: cairn.PullOpen, Draft: in.Draft,
		HeadRepository: in.HeadRepository, Head: in.Head, HeadSHA: head.SHA, Base: in.Base, BaseSHA: base.SHA, By: by, CreatedAt: now, UpdatedAt: now,
	}
	if p.Labels, err = addLabels(nil, in.Labels); err == nil {
		err = checkPull(&p)
	}
	if err != nil {
		return nil, err
	}
	if err := s.samePull(ctx, &p); err != nil {
		return nil, err
	}
	if p.Number, err = s.store.NextPull(ctx, repo.Name); err != nil {
		return nil, err
	}
	if err := s.takeHead(ctx, &p); err != nil {
		return nil, err
	}
	ahead, err := s.host.Contains(ctx, repo.Name, base.SHA, head.SHA)
	if err == nil && ahead {
		err = cairn.Errorf(cairn.CodeFailed, "no commits between %s and %s", p.Base, p.Head).
			WithHint("%s has all that %s has: push a commit first", p.Base, p.Head)
	}
	if err == nil {
		var common string
		if common, err = s.host.MergeBase(ctx, repo.Name, base.SHA, head.SHA); err == nil && common == "" {
			err = cairn.Errorf(cairn.CodeFailed, "%s and %s have entirely different histories", p.Base, p.Head)
		}
	}
	if err == nil {
		err = s.testMerge(ctx, &p)
	}
	if err != nil {
		// The number stays unused; its ref must not keep commits of nobody.
		return nil, errors.Join(err, s.host.SetOwnRef(ctx, repo.Name, p.HeadRef(), ""))
	}
	es, err := s.pullEvents(ctx, repo, &p, "opened", nil)
	if err != nil {
		return nil, err
	}
	return s.putPull(ctx, p, es)
}

// checkPull bounds what somebody wrote.
func checkPull(p *cairn.PullRequest) error {
	switch {
	case p.Title == "":
		return cairn.Errorf(cairn.CodeInvalid, "a pull request needs a title")
	case utf8.RuneCountInString(p.Title) > maxTitle || strings.ContainsAny(p.Title, "\n\r\x00"):
		return cairn.Errorf(cairn.CodeInvalid, "a title is one line of at most %d characters", maxTitle)
	case utf8.RuneCountInString(p.Body) > maxBody:
		return cairn.Errorf(cairn.CodeTooLarge, "the description has more than %d characters", maxBody)
	case p.Head == p.Base && !p.Untrusted():
		return cairn.Errorf(cairn.CodeInvalid, "%s cannot be merged into itself", p.Head)
	}
	return nil
}

// addLabels adds labels that are not there yet.
func addLabels(have, more []string) ([]string, error) {
	for _, l := range more {
		l = strings.TrimSpace(l)
		if l == "" || utf8.RuneCountInString(l) > maxLabel || strings.ContainsAny(l, "\n\r\x00") {
			return nil, cairn.Errorf(cairn.CodeInvalid, "%q is no label", clipText(l, 80)).WithHint("one line of at most %d characters", maxLabel)
		}
		if !slices.ContainsFunc(have, func(h string) bool { return strings.EqualFold(h, l) }) {
			have = append(have, l)
		}
	}
	if len(have) > maxLabels {
		return nil, cairn.Errorf(cairn.CodeInvalid, "a pull request has at most %d labels", maxLabels)
	}
	return have, nil
}

func clipText(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + "…"
	}
	return s
}

// samePull refuses a second open pull request of the same two branches.
func (s *Server) samePull(ctx context.Context, p *cairn.PullRequest) error {
	others, err := s.store.Pulls(ctx, cairn.PullFilter{
		Repository: p.Repository, State: cairn.PullOpen, HeadRepository: cmpOr(p.HeadRepository, p.Repository), Head: p.Head, Base: p.Base, Limit: 2,
	})
	if err != nil {
		return err
	}
	for _, o := range others {
		if o.Number != p.Number {
			return cairn.Errorf(cairn.CodeConflict, "a pull request of %s into %s is open already: %d", p.Head, p.Base, o.Number)
		}
	}
	return nil
}

// takeHead brings the commits of the branch into the repository and points the ref
// of the pull request at them.
func (s *Server) takeHead(ctx context.Context, p *cairn.PullRequest) error {
	if p.Untrusted() {
		if err := s.host.Take(ctx, p.Repository, p.HeadRepository, p.Head, p.HeadRef()); err != nil {
			return err
		}
		c, err := s.host.Commit(ctx, p.Repository, p.HeadRef())
		p.HeadSHA = c.SHA
		return err
	}
	return s.host.SetOwnRef(ctx, p.Repository, p.HeadRef(), p.HeadSHA)
}

// testMerge makes the commit that a merge would give, for its workflows to run. The
// same two commits give the same one.
func (s *Server) testMerge(ctx context.Context, p *cairn.PullRequest) error {
	tree, conflicts, err := s.host.MergeTree(ctx, p.Repository, p.BaseSHA, p.HeadSHA)
	if err != nil {
		return err
	}
	p.TestMerge, p.Conflicts = "", conflicts
	if tree != "" {
		head, err := s.host.Commit(ctx, p.Repository, p.HeadSHA)
		if err != nil {
			return err
		}
		who := git.Signature{Name: head.Author, Email: head.Email, Date: head.Date}
		if p.TestMerge, err = s.host.WriteCommit(ctx, p.Repository, git.NewCommit{
			Tree: tree, Parents: []string{p.BaseSHA, p.HeadSHA}, Author: who, Committer: who,
			Message: fmt.Sprintf("Merge %s into %s\n", p.HeadSHA, p.BaseSHA),
		}); err != nil {
			return err
		}
	}
	return s.host.SetOwnRef(ctx, p.Repository, p.MergeRef(), p.TestMerge)
}

// putPull writes a pull request with its events and takes these in.
func (s *Server) putPull(ctx context.Context, p cairn.PullRequest, es []cairn.TriggerEvent) (*client.PullAnswer, error) {
	p, err := s.store.PutPull(ctx, p, es, cairn.Change{By: auth.Actor(ctx).Name})
	if err != nil {
		return nil, err
	}
	runs, notes := s.deliverAll(ctx, es)
	if p.State == cairn.PullOpen && p.TestMerge == "" {
		notes = append(notes, fmt.Sprintf("%s conflicts with %s in %s: no pull_request workflow runs until that is solved", p.Head, p.Base, strings.Join(p.Conflicts, ", ")))
	}
	return &client.PullAnswer{Pull: p, Runs: runs, Notes: notes}, nil
}

// pullEvents are the events of one activity of a pull request as it is now, before
// it is written: its next version is part of their keys.
func (s *Server) pullEvents(ctx context.Context, repo cairn.Repository, p *cairn.PullRequest, action string, more trigger.Object) ([]cairn.TriggerEvent, error) {
	at := s.site(repo)
	headSite := at
	if p.Untrusted() {
		headSite = s.site(cairn.Repository{Name: p.HeadRepository, DefaultBranch: "main"})
		if r, err := s.store.Repository(ctx, Workspace, p.HeadRepository); err == nil {
			headSite = s.site(r)
		}
	}
	body := trigger.Object{"action": action, "number": p.Number, "pull_request": at.Pull(p, headSite)}
	over(body, more)
	payload, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	head, err := s.host.Commit(ctx, p.Repository, p.HeadSHA)
	if err != nil {
		return nil, err
	}
	files, err := s.host.PullFiles(ctx, p.Repository, p.BaseSHA, p.HeadSHA)
	if err != nil {
		return nil, err
	}
	e := cairn.TriggerEvent{
		Repository: p.Repository, Action: action, Ref: p.MergeRef(), SHA: p.TestMerge, BaseRef: p.Base, HeadRef: p.Head, Payload: payload,
		By: auth.Actor(ctx).Name, Title: p.Title, Changed: files[:min(len(files), changedKept)], Message: cmpOr(head.Message, head.Subject),
	}
	switch {
	case p.Merged:
		e.Ref, e.SHA = "refs/heads/"+p.Base, p.MergeCommit
	case p.TestMerge == "":
		e.Conflict, e.SHA = true, p.HeadSHA
	}
	var out []cairn.TriggerEvent
	for _, event := range []string{"pull_request", "pull_request_target"} {
		x := e
		x.Event = event
		x.Key = fmt.Sprintf("%s:%s#%d:%d:%s", event, p.Repository, p.Number, p.Version+1, action)
		if l, ok := more["label"].(trigger.Object); ok {
			x.Key += fmt.Sprintf(":%s", l["name"])
		}
		// The code of the branch runs in one, that of the default branch in the other.
		x.Untrusted = event == "pull_request" && p.Untrusted()
		out = append(out, x)
	}
	return out, nil
}

// changePull lets fn change a pull request; where somebody else does so at the same
// time it starts over.
func (s *Server) changePull(ctx context.Context, repository string, number int64,
	fn func(repo cairn.Repository, p *cairn.PullRequest) ([]cairn.TriggerEvent, error),
) (*client.PullAnswer, error) {
	repo, err := s.store.Repository(ctx, Workspace, repository)
	if err != nil {
		return nil, s.noRepository(ctx, repository, err)
	}
	for try := 0; ; try++ {
		p, err := s.store.Pull(ctx, repository, number)
		if err != nil {
			return nil, err
		}
		p.UpdatedAt = time.Now().UTC()
		es, err := fn(repo, &p)
		if err != nil {
			return nil, err
		}
		a, err := s.putPull(ctx, p, es)
		if cairn.CodeOf(err) != cairn.CodeConflict || try == pullConflict {
			return a, err
		}
	}
}

// EditPull changes a pull request and starts what runs on that.
func (s *Server) EditPull(ctx context.Context, repository string, number int64, in client.PullEdit) (*client.PullAnswer, error) {
	return s.changePull(ctx, repository, number, func(repo cairn.Repository, p *cairn.PullRequest) ([]cairn.TriggerEvent, error) {
		if p.Merging != "" && p.State == cairn.PullOpen && (in.Base != nil || in.State != nil) {
			p.Merging = "" // whoever merges it looks again
		}
		return s.edit(ctx, repo, p, &in)
	})
}

// edit applies changes in the order in which GitHub tells of them.
func (s *Server) edit(ctx context.Context, repo cairn.Repository, p *cairn.PullRequest, in *client.PullEdit) (out []cairn.TriggerEvent, err error) {
	raise := func(action string, more trigger.Object) {
		if err == nil {
			var es []cairn.TriggerEvent
			es, err = s.pullEvents(ctx, repo, p, action, more)
			out = append(out, es...)
		}
	}
	changes := trigger.Object{}
	if in.Title != nil && *in.Title != p.Title {
		changes["title"] = trigger.Object{"from": p.Title}
		p.Title = strings.TrimSpace(*in.Title)
	}
	if in.Body != nil && *in.Body != p.Body {
		changes["body"] = trigger.Object{"from": p.Body}
		p.Body = *in.Body
	}
	if in.Base != nil && *in.Base != p.Base {
		if p.State != cairn.PullOpen {
			return nil, cairn.Errorf(cairn.CodeFailed, "the base of a closed pull request stays as it is")
		}
		base, err := s.host.Branch(ctx, p.Repository, *in.Base)
		if err != nil {
			return nil, err
		}
		changes["base"] = trigger.Object{"ref": trigger.Object{"from": p.Base}, "sha": trigger.Object{"from": p.BaseSHA}}
		p.Base, p.BaseSHA = *in.Base, base.SHA
		if err := s.samePull(ctx, p); err != nil {
			return nil, err
		}
		if err := s.testMerge(ctx, p); err != nil {
			return nil, err
		}
	}
	if err := checkPull(p); err != nil {
		return nil, err
	}
	if len(changes) > 0 {
		raise("edited", trigger.Object{"changes": changes})
	}
	if in.Draft != nil && *in.Draft != p.Draft {
		p.Draft = *in.Draft
		raise(map[bool]string{true: "converted_to_draft", false: "ready_for_review"}[p.Draft], nil)
	}
	before := p.Labels
	if p.Labels, err = addLabels(slices.Clone(before), in.Add); err != nil {
		return nil, err
	}
	for _, l := range p.Labels[len(before):] {
		raise("labeled", trigger.Object{"label": trigger.Label(l)})
	}
	for _, gone := range in.Remove {
		i := slices.IndexFunc(p.Labels, func(l string) bool { return strings.EqualFold(l, gone) })
		if i < 0 {
			e := cairn.Errorf(cairn.CodeNotFound, "pull request %d has no label %q", p.Number, clipText(gone, 80))
			if near := cairn.Nearest(gone, p.Labels); near != "" {
				return nil, e.WithHint("did you mean %s?", near)
			}
			return nil, e
		}
		l := p.Labels[i]
		p.Labels = slices.Delete(slices.Clone(p.Labels), i, i+1)
		raise("unlabeled", trigger.Object{"label": trigger.Label(l)})
	}
	if err == nil && in.State != nil && *in.State != p.State {
		action, serr := s.setState(ctx, p, *in.State)
		if serr != nil {
			return nil, serr
		}
		raise(action, nil)
	}
	return out, err
}

// setState closes a pull request or opens it again.
func (s *Server) setState(ctx context.Context, p *cairn.PullRequest, state string) (action string, err error) {
	switch state {
	case cairn.PullClosed:
		p.State, p.ClosedAt = state, p.UpdatedAt
		return "closed", nil
	case cairn.PullOpen:
	default:
		return "", cairn.Errorf(cairn.CodeInvalid, "a pull request cannot be %q", clipText(state, 80)).WithHint("open or closed")
	}
	if p.Merged {
		return "", cairn.Errorf(cairn.CodeFailed, "pull request %d is merged: it cannot be opened again", p.Number)
	}
	head, err := s.host.Branch(ctx, cmpOr(p.HeadRepository, p.Repository), p.Head)
	if err != nil {
		return "", err
	}
	base, err := s.host.Branch(ctx, p.Repository, p.Base)
	if err != nil {
		return "", err
	}
	p.State, p.ClosedAt, p.HeadSHA, p.BaseSHA = state, time.Time{}, head.SHA, base.SHA
	if err := s.samePull(ctx, p); err != nil {
		return "", err
	}
	if err := s.takeHead(ctx, p); err != nil {
		return "", err
	}
	return "reopened", s.testMerge(ctx, p)
}

package server

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/auth"
	"github.com/cairn-ml/cairn/internal/git"
	"github.com/cairn-ml/cairn/internal/trigger"
)

// zeroSHA stands for no commit, where a ref is made or deleted.
var zeroSHA = strings.Repeat("0", 40)

// site is where a repository is found.
func (s *Server) site(r cairn.Repository) *trigger.Site {
	html := cmpOr(git.WebURL(r.Origin), s.url+"/git/"+r.Name)
	return &trigger.Site{Repository: r, HTML: html, API: s.url + "/api/v3/repos/" + r.Name, Server: s.url}
}

// payload builds github.event as GitHub sends it, as far as workflows read it.
// What the request gives lies over it.
func (s *Server) payload(ctx context.Context, c *code, w *candidate, p *cairn.Plan, given json.RawMessage) (json.RawMessage, error) {
	who := auth.Actor(ctx)
	at := s.site(c.repo)
	out := trigger.Object{"repository": at.Repo(c.snap.Commit.Date), "sender": trigger.User(who.Name)}
	switch p.Event {
	case "workflow_dispatch":
		inputs := map[string]any{}
		for _, in := range p.Inputs {
			inputs[in.Name] = inputText(in.Value)
		}
		out["inputs"], out["ref"], out["workflow"] = inputs, c.snap.Ref, w.path
	case "push":
		push := trigger.Pushed{
			Ref: c.snap.Ref, Before: zeroSHA, After: c.snap.Commit.SHA, By: who.Name, Email: who.Email,
			Head: &c.snap.Commit, Commits: []cairn.Commit{c.snap.Commit},
		}
		if len(c.snap.Commit.Parents) > 0 {
			push.Before = c.snap.Commit.Parents[0]
		}
		over(out, at.Push(push))
	}
	if len(given) > 0 {
		var more map[string]any
		if err := json.Unmarshal(given, &more); err != nil || more == nil {
			return nil, cairn.Errorf(cairn.CodeInvalid, "the payload is not a JSON object: %w", err)
		}
		over(out, more)
	}
	return json.Marshal(out)
}

func over(out, more map[string]any) {
	for k, v := range more {
		out[k] = v
	}
}

// inputText is how github.event.inputs has a typed value: as text.
func inputText(v json.RawMessage) any {
	var s string
	if json.Unmarshal(v, &s) == nil {
		return s
	}
	return string(v)
}

// pushCommits is how many commits the event of a push lists.
const pushCommits = 250

// pushPayload is what an event of a push says of it.
func (s *Server) pushPayload(ctx context.Context, repo cairn.Repository, p git.Push, event string) (json.RawMessage, error) {
	at := s.site(repo)
	if event != "push" {
		return json.Marshal(at.RefMade(p.Ref))
	}
	who := auth.Actor(ctx)
	out := trigger.Pushed{Ref: p.Ref, Before: p.Old, After: p.New, Created: p.Created(), Deleted: p.Deleted(), By: who.Name, Email: who.Email}
	head, err := s.host.Commit(ctx, p.Repo, p.New)
	if cairn.CodeOf(err) == cairn.CodeNotFound || cairn.CodeOf(err) == cairn.CodeInvalid {
		return json.Marshal(at.Push(out)) // a tag of what is no commit
	} else if err != nil {
		return nil, err
	}
	out.Head, out.Commits = &head, []cairn.Commit{head}
	if !p.Created() && strings.HasPrefix(p.Ref, "refs/heads/") {
		// Where the old commit is not there any more, the newest one alone is shown.
		if cs, _, err := s.host.Between(ctx, p.Repo, p.Old, p.New, pushCommits); err == nil {
			slices.Reverse(cs)
			out.Commits = cs
		}
		ahead, err := s.host.Contains(ctx, p.Repo, p.New, p.Old)
		out.Forced = err == nil && !ahead
	}
	return json.Marshal(at.Push(out))
}

// runHead is github.head_ref of an event.
func runHead(e *cairn.TriggerEvent) string {
	if e.Event == "pull_request" || e.Event == "pull_request_target" {
		return e.HeadRef
	}
	return ""
}

// eventTitle is what a run of an event is called where its workflow says nothing: a
// push by its commit ("" here), what runs on the default branch whatever is there by
// its workflow.
func eventTitle(e *cairn.TriggerEvent, p *cairn.Plan) string {
	if e.Title == "" && trigger.OnDefaultBranch(e.Event) {
		return p.Name
	}
	return e.Title
}

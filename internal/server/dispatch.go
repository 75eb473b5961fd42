package server

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/api/github"
	"github.com/cairn-ml/cairn/internal/auth"
	"github.com/cairn-ml/cairn/internal/trigger"
)

// githubOwner is the owner as GitHub's dialect reaches it.
type githubOwner struct{ *Server }

// HostedRepository finds a repository by name.
func (o githubOwner) HostedRepository(ctx context.Context, name string) (cairn.Repository, error) {
	r, err := o.store.Repository(ctx, Workspace, name)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		err = cairn.Errorf(cairn.CodeNotFound, "Not Found: there is no repository %q here", clipText(name, 200))
	}
	return r, err
}

// Site is where a repository is found.
func (o githubOwner) Site(r cairn.Repository) *trigger.Site { return o.site(r) }

// Dispatch raises a repository_dispatch event: once it is answered it is on disk.
func (o githubOwner) Dispatch(ctx context.Context, repository, eventType string, payload json.RawMessage) error {
	repo, err := o.store.Repository(ctx, Workspace, repository)
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]any{"action": eventType, "branch": repo.DefaultBranch, "client_payload": payload})
	if err != nil {
		return err
	}
	by := auth.Actor(ctx).Name
	_, _, err = o.raise(ctx, by, cairn.TriggerEvent{
		Key: "repository_dispatch:" + rand.Text(), Repository: repository, Event: "repository_dispatch", Action: eventType, Payload: body, By: by,
	})
	return err
}

// DispatchWorkflow starts a workflow of a branch or tag by hand.
func (o githubOwner) DispatchWorkflow(ctx context.Context, repository, path, ref string, inputs map[string]string) (*cairn.Run, error) {
	refs, err := o.host.Refs(ctx, repository)
	if err != nil {
		return nil, err
	}
	full := ""
	for _, try := range []string{ref, "refs/heads/" + ref, "refs/tags/" + ref} {
		if refs[try] != "" {
			full = try
			break
		}
	}
	if full == "" {
		var names []string
		for r := range refs {
			names = append(names, trigger.RefName(r))
		}
		e := cairn.Errorf(cairn.CodeInvalid, "No ref found for: %s", clipText(ref, 200))
		if near := cairn.Nearest(ref, names); near != "" {
			return nil, e.WithHint("did you mean %s?", near)
		}
		return nil, e
	}
	created, err := o.Submit(ctx, client.RunRequest{Repository: repository, Ref: full, Workflow: path, Event: "workflow_dispatch", Inputs: inputs})
	if err != nil {
		e := cairn.AsError(err)
		if len(e.Problems) > 0 && e.Code == cairn.CodeInvalid {
			// GitHub says it in one sentence.
			var say []string
			for _, p := range e.Problems {
				if p.Severity == cairn.SeverityError {
					say = append(say, p.Message)
				}
			}
			c := *e
			c.Message += ": " + strings.Join(say, "; ")
			return nil, &c
		}
		return nil, err
	}
	return &created.Run, nil
}

// DefaultWorkflows lists the workflows of the default branch.
func (o githubOwner) DefaultWorkflows(ctx context.Context, repository string) ([]github.Workflow, error) {
	repo, err := o.store.Repository(ctx, Workspace, repository)
	if err != nil {
		return nil, err
	}
	c, err := o.host.Branch(ctx, repository, repo.DefaultBranch)
	if err != nil {
		return nil, err
	}
	all, err := o.defaultWorkflows(ctx, repo, c.SHA)
	var out []github.Workflow
	for i := range all {
		w := github.Workflow{Path: all[i].path}
		if all[i].workflow != nil {
			w.Name, w.Valid = all[i].workflow.Name, !cairn.HasErrors(all[i].problems)
		}
		out = append(out, w)
	}
	return out, err
}

// MoveRef makes, moves or removes (sha "") a branch or tag, as a push would.
func (o githubOwner) MoveRef(ctx context.Context, repository, ref, sha string, create, force bool) (string, error) {
	refs, err := o.host.Refs(ctx, repository)
	if err != nil {
		return "", err
	}
	old := cmpOr(refs[ref], zeroSHA)
	switch {
	case create && old != zeroSHA:
		return "", cairn.Errorf(cairn.CodeFailed, "Reference already exists")
	case !create && old == zeroSHA:
		return "", cairn.Errorf(cairn.CodeFailed, "Reference does not exist")
	}
	to := zeroSHA
	if sha != "" || create {
		c, err := o.host.Commit(ctx, repository, cmpOr(sha, "-"))
		if err != nil {
			return "", cairn.Errorf(cairn.CodeFailed, "Object does not exist")
		}
		to = c.SHA
		if !create && !force && strings.HasPrefix(ref, "refs/heads/") {
			ahead, err := o.host.Contains(ctx, repository, to, old)
			if err != nil {
				return "", err
			}
			if !ahead {
				return "", cairn.Errorf(cairn.CodeFailed, "Update is not a fast forward").WithHint("force moves it all the same")
			}
		}
	}
	_, err = o.pushes.Move(ctx, repository, ref, to, old, auth.Actor(ctx).Name)
	return to, err
}

// maxInputChars bounds the inputs of workflow_dispatch together, as on GitHub.
const maxInputChars = 65_535

// checkInputs bounds what is given with a start by hand.
func checkInputs(inputs map[string]string) error {
	if len(inputs) > trigger.MaxInputs {
		return cairn.Errorf(cairn.CodeInvalid, "a workflow is started with at most %d inputs; %d are given", trigger.MaxInputs, len(inputs))
	}
	n := 0
	for name, v := range inputs {
		n += utf8.RuneCountInString(name) + utf8.RuneCountInString(v)
	}
	if n > maxInputChars {
		return cairn.Errorf(cairn.CodeTooLarge, "the inputs have %d characters together; at most %d are taken", n, maxInputChars).
			WithHint("put what is large into a file of the repository, or an artifact")
	}
	return nil
}

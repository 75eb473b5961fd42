package server

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/auth"
	"github.com/cairn-ml/cairn/internal/git"
)

// payload builds github.event as GitHub sends it, as far as workflows read it.
// What the request gives lies over it.
func (s *Server) payload(ctx context.Context, c *code, w *candidate, p *cairn.Plan, given json.RawMessage) (json.RawMessage, error) {
	who := auth.Actor(ctx)
	owner, name, _ := strings.Cut(c.repo.Name, "/")
	url := cmpOr(git.WebURL(c.repo.Origin), s.url+"/git/"+c.repo.Name)
	out := map[string]any{
		"repository": map[string]any{
			"full_name": c.repo.Name, "name": name, "owner": map[string]any{"login": owner, "name": owner},
			"default_branch": c.repo.DefaultBranch, "private": true, "html_url": url, "clone_url": url + ".git",
			// What is made of a commit bears its time, not the time of the run.
			"updated_at": c.snap.Commit.Date.UTC().Format(time.RFC3339),
		},
		"sender": map[string]any{"login": who.Name, "type": "User"},
	}
	switch p.Event {
	case "workflow_dispatch":
		inputs := map[string]any{}
		for _, in := range p.Inputs {
			inputs[in.Name] = inputText(in.Value)
		}
		out["inputs"], out["ref"], out["workflow"] = inputs, c.snap.Ref, w.path
	case "push":
		out["ref"], out["base_ref"] = c.snap.Ref, nil
		out["before"], out["after"] = strings.Repeat("0", 40), c.snap.Commit.SHA
		out["created"], out["deleted"], out["forced"] = false, false, false
		head := commitPayload(c.snap.Commit, url)
		out["head_commit"], out["commits"] = head, []any{head}
		out["pusher"] = map[string]any{"name": who.Name, "email": who.Email}
		if len(c.snap.Commit.Parents) > 0 {
			out["before"] = c.snap.Commit.Parents[0]
		}
	}
	if len(given) > 0 {
		var over map[string]any
		if err := json.Unmarshal(given, &over); err != nil {
			return nil, cairn.Errorf(cairn.CodeInvalid, "the payload is not a JSON object: %w", err)
		}
		for k, v := range over {
			out[k] = v
		}
	}
	return json.Marshal(out)
}

// inputText is how github.event.inputs has a typed value: as text.
func inputText(v json.RawMessage) any {
	var s string
	if json.Unmarshal(v, &s) == nil {
		return s
	}
	return string(v)
}

func commitPayload(c cairn.Commit, url string) map[string]any {
	return map[string]any{
		"id": c.SHA, "tree_id": c.Tree, "message": cmpOr(c.Message, c.Subject), "timestamp": c.Date.Format("2006-01-02T15:04:05-07:00"),
		"author":    map[string]any{"name": c.Author, "email": c.Email},
		"committer": map[string]any{"name": cmpOr(c.Committer, c.Author), "email": c.Email},
		"url":       url + "/commit/" + c.SHA, "distinct": true,
	}
}

// pushPayload is what a push adds.
func pushPayload(p git.Push) (json.RawMessage, error) {
	return json.Marshal(map[string]any{
		"ref": p.Ref, "before": p.Old, "after": p.New, "created": p.Created(), "deleted": p.Deleted(),
	})
}

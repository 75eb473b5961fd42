package api

import (
	"context"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/auth"
	"github.com/cairn-ml/cairn/internal/follow"
)

// Follows are the repositories that stay elsewhere; *follow.Service satisfies it.
type Follows interface {
	Add(ctx context.Context, url, name string, c follow.Change, latest bool) (*follow.Added, error)
	Set(ctx context.Context, repo string, c follow.Change) (*follow.Added, error)
	Remove(ctx context.Context, repo string) error
	List(ctx context.Context) ([]cairn.FollowInfo, error)
	Show(ctx context.Context, repo string) (*cairn.FollowInfo, error)
	Sync(ctx context.Context, repo string) (*cairn.FollowSync, error)
}

type followQuery struct {
	Repository string `query:"repository" required:"true" maxLength:"255"`
}

type followBody struct {
	URL       string         `json:"url,omitempty" maxLength:"2000" doc:"of the other end, without credentials"`
	Name      string         `json:"name,omitempty" maxLength:"255" doc:"owner/name that it gets here"`
	RunLatest bool           `json:"run_latest,omitempty" doc:"run the newest commit of the default branch at once"`
	Every     *time.Duration `json:"every,omitempty" minimum:"0" doc:"nanoseconds; 0: only when the webhook comes"`
	Branches  *[]string      `json:"branches,omitempty" maxItems:"50"`
	Token     *string        `json:"token,omitempty" maxLength:"8192" doc:"kept encrypted; empty removes it"`
	User      *string        `json:"user,omitempty" maxLength:"100" doc:"sent to git with the token"`
	SSHKey    *string        `json:"ssh_key,omitempty" maxLength:"4096" doc:"a file on the server's machine"`
	Status    *string        `json:"status,omitempty" enum:"github,gitea,gitlab,none"`
	Paused    *bool          `json:"paused,omitempty"`
	Hook      string         `json:"hook,omitempty" enum:"on,off,new"`
}

func (b *followBody) change() follow.Change {
	return follow.Change{Every: b.Every, Branches: b.Branches, Token: b.Token, User: b.User, SSHKey: b.SSHKey, Status: b.Status, Paused: b.Paused, Hook: b.Hook}
}

func (a *API) followRoutes() {
	follows := a.o.Follows
	route(a, op{method: "GET", path: "/follows", id: "list-follows", summary: "Repositories that are followed", need: auth.Need{Role: cairn.RoleReader}},
		func(ctx context.Context, _ *none) ([]cairn.FollowInfo, error) { return orEmpty(follows.List(ctx)) })
	route(a, op{method: "GET", path: "/follow", id: "get-follow", summary: "A followed repository, with what happened last", need: auth.Need{Role: cairn.RoleReader}},
		func(ctx context.Context, in *followQuery) (*cairn.FollowInfo, error) {
			return follows.Show(ctx, in.Repository)
		})
	route(a, op{method: "POST", path: "/follows", id: "add-follow", summary: "Follow a repository", need: admins},
		func(ctx context.Context, in *struct{ Body followBody }) (*client.Followed, error) {
			if err := sshKeyOf(ctx, in.Body.SSHKey); err != nil {
				return nil, err
			}
			got, err := follows.Add(ctx, in.Body.URL, in.Body.Name, in.Body.change(), in.Body.RunLatest)
			return followed(got, err)
		})
	route(a, op{method: "PATCH", path: "/follow", id: "set-follow", summary: "Change how a repository is followed", need: admins},
		func(ctx context.Context, in *struct {
			Repository string `query:"repository" required:"true" maxLength:"255"`
			Body       followBody
		}) (*client.Followed, error) {
			if err := sshKeyOf(ctx, in.Body.SSHKey); err != nil {
				return nil, err
			}
			got, err := follows.Set(ctx, in.Repository, in.Body.change())
			return followed(got, err)
		})
	routeDo(a, op{method: "DELETE", path: "/follow", id: "remove-follow", summary: "Follow a repository no more", need: admins},
		func(ctx context.Context, in *followQuery) error { return follows.Remove(ctx, in.Repository) })
	route(a, op{method: "POST", path: "/follow/sync", id: "sync-follow", summary: "Look at a followed repository now", need: writers},
		func(ctx context.Context, in *followQuery) (*cairn.FollowSync, error) {
			return follows.Sync(ctx, in.Repository)
		})
}

func followed(a *follow.Added, err error) (*client.Followed, error) {
	if err != nil {
		return nil, err
	}
	return &client.Followed{Follow: a.Follow, Hook: a.Hook}, nil
}

// sshKeyOf lets only the machine's own user name files of it.
func sshKeyOf(ctx context.Context, key *string) error {
	if key == nil || *key == "" || auth.Socket(ctx) {
		return nil
	}
	return cairn.Errorf(cairn.CodeForbidden, "an ssh key can only be named by a program of the server's own user, on its socket").
		WithHint("give a token, or run the command on the server's machine")
}

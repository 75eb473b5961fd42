package api

import (
	"context"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
)

// Pulls are pull requests and releases of tags; the server satisfies it.
type Pulls interface {
	CreatePull(ctx context.Context, r client.PullCreate) (*client.PullAnswer, error)
	EditPull(ctx context.Context, repository string, number int64, r client.PullEdit) (*client.PullAnswer, error)
	MergePull(ctx context.Context, repository string, number int64, r client.PullMerge) (*client.PullAnswer, error)
	Pulls(ctx context.Context, f cairn.PullFilter) ([]cairn.PullRequest, error)
	Pull(ctx context.Context, repository string, number int64) (*client.PullView, error)
	CreateTagRelease(ctx context.Context, r client.TagReleaseCreate) (*client.TagReleaseAnswer, error)
}

// PullPath is the pull request that a path names.
type PullPath struct {
	Number     int64  `path:"number" minimum:"1"`
	Repository string `query:"repository" required:"true" maxLength:"255"`
}

func (a *API) pullRoutes() {
	if a.o.Pulls == nil {
		return
	}
	route(a, op{method: "POST", path: "/pulls", id: "create-pull", summary: "Open a pull request", need: writers},
		func(ctx context.Context, in *struct{ Body client.PullCreate }) (*client.PullAnswer, error) {
			return a.o.Pulls.CreatePull(ctx, in.Body)
		})
	route(a, op{method: "GET", path: "/pulls", id: "list-pulls", summary: "Pull requests, newest first", need: readers},
		func(ctx context.Context, in *struct {
			Repository string `query:"repository" maxLength:"255"`
			State      string `query:"state" enum:"open,closed,all" default:"open"`
			Limit      int    `query:"limit" minimum:"0" maximum:"1000" doc:"0: 100"`
		}) ([]cairn.PullRequest, error) {
			if in.State == "all" {
				in.State = ""
			}
			return orEmpty(a.o.Pulls.Pulls(ctx, cairn.PullFilter{Repository: in.Repository, State: in.State, Limit: in.Limit}))
		})
	route(a, op{method: "GET", path: "/pulls/{number}", id: "get-pull", summary: "One pull request with its checks", need: readers},
		func(ctx context.Context, in *PullPath) (*client.PullView, error) {
			return a.o.Pulls.Pull(ctx, in.Repository, in.Number)
		})
	route(a, op{method: "PATCH", path: "/pulls/{number}", id: "edit-pull", summary: "Change a pull request", need: writers},
		func(ctx context.Context, in *struct {
			PullPath
			Body client.PullEdit
		}) (*client.PullAnswer, error) {
			return a.o.Pulls.EditPull(ctx, in.Repository, in.Number, in.Body)
		})
	route(a, op{method: "POST", path: "/pulls/{number}/merge", id: "merge-pull", summary: "Merge a pull request", need: writers},
		func(ctx context.Context, in *struct {
			PullPath
			Body client.PullMerge
		}) (*client.PullAnswer, error) {
			return a.o.Pulls.MergePull(ctx, in.Repository, in.Number, in.Body)
		})
	route(a, op{method: "POST", path: "/tag-releases", id: "create-tag-release", summary: "Publish a release of a tag", need: writers},
		func(ctx context.Context, in *struct{ Body client.TagReleaseCreate }) (*client.TagReleaseAnswer, error) {
			return a.o.Pulls.CreateTagRelease(ctx, in.Body)
		})
}

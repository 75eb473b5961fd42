package api

import (
	"context"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/auth"
)

// Actions are the actions that workflows use and that are not built in.
type Actions interface {
	// ResolveAction answers what `uses` means to the calling job.
	ResolveAction(ctx context.Context, uses string, p cairn.Principal) (cairn.ActionVersion, error)
	FetchAction(ctx context.Context, uses, by string) (cairn.ActionVersion, error)
	Actions(ctx context.Context) ([]cairn.ActionInfo, error)
	Action(ctx context.Context, name string) (*cairn.ActionInfo, error)
	RemoveAction(ctx context.Context, name, by string) (*cairn.ActionInfo, error)
	RunActions(ctx context.Context, run cairn.RunID, attempt int) ([]cairn.UsedAction, error)
}

type actionBody struct {
	Body struct {
		Uses string `json:"uses" minLength:"3" maxLength:"1000" doc:"owner/repo/path@ref"`
	}
}

func (a *API) actionRoutes() {
	route(a, op{method: "POST", path: "/job/actions", id: "resolve-action", summary: "What an action means to the calling job", need: makers},
		func(ctx context.Context, in *actionBody) (cairn.ActionVersion, error) {
			p, err := jobsOnly(ctx)
			if err != nil {
				return cairn.ActionVersion{}, err
			}
			return a.o.Actions.ResolveAction(ctx, in.Body.Uses, p)
		})
	route(a, op{method: "POST", path: "/actions", id: "fetch-action", summary: "Keep an action, before a run needs it", need: writers},
		func(ctx context.Context, in *actionBody) (cairn.ActionVersion, error) {
			return a.o.Actions.FetchAction(ctx, in.Body.Uses, auth.Actor(ctx).Name)
		})
	route(a, op{method: "GET", path: "/actions", id: "list-actions", summary: "Actions that are kept, and which runs used them", need: readers},
		func(ctx context.Context, _ *struct{}) ([]cairn.ActionInfo, error) {
			return orEmpty(a.o.Actions.Actions(ctx))
		})
	type named struct {
		Name string `query:"name" required:"true" maxLength:"1000" doc:"owner/repo, or owner/repo@version"`
	}
	route(a, op{method: "GET", path: "/actions/one", id: "get-action", summary: "One kept action", need: readers},
		func(ctx context.Context, in *named) (*cairn.ActionInfo, error) {
			return a.o.Actions.Action(ctx, in.Name)
		})
	route(a, op{method: "DELETE", path: "/actions/one", id: "remove-action", summary: "Forget a kept action", need: writers},
		func(ctx context.Context, in *named) (*cairn.ActionInfo, error) {
			return a.o.Actions.RemoveAction(ctx, in.Name, auth.Actor(ctx).Name)
		})
	route(a, op{method: "GET", path: "/runs/{id}/actions", id: "list-run-actions", summary: "Actions that the jobs of an attempt used", need: readers},
		func(ctx context.Context, in *struct {
			RunPath
			Attempt int `query:"attempt" minimum:"0" doc:"0: the latest"`
		}) ([]cairn.UsedAction, error) {
			return orEmpty(a.o.Actions.RunActions(ctx, in.run(), in.Attempt))
		})
}

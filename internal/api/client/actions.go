package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/cairn-ml/cairn"
)

// ResolveAction answers what an action that is not built in means to the calling job.
func (c *Client) ResolveAction(ctx context.Context, uses string) (cairn.ActionVersion, error) {
	v, err := call[cairn.ActionVersion](ctx, c, http.MethodPost, "/job/actions", map[string]string{"uses": uses}, idempotent)
	if err != nil {
		return cairn.ActionVersion{}, err
	}
	return *v, nil
}

// FetchAction has an action kept before a run needs it.
func (c *Client) FetchAction(ctx context.Context, uses string) (*cairn.ActionVersion, error) {
	return call[cairn.ActionVersion](ctx, c, http.MethodPost, "/actions", map[string]string{"uses": uses}, idempotent)
}

// Actions lists the actions that are kept.
func (c *Client) Actions(ctx context.Context) ([]cairn.ActionInfo, error) {
	return list[cairn.ActionInfo](ctx, c, "/actions", nil)
}

// Action returns one kept action by its name and version.
func (c *Client) Action(ctx context.Context, name string) (*cairn.ActionInfo, error) {
	return call[cairn.ActionInfo](ctx, c, http.MethodGet, "/actions/one?name="+url.QueryEscape(name), nil)
}

// RemoveAction forgets a kept action and answers what it was.
func (c *Client) RemoveAction(ctx context.Context, name string) (*cairn.ActionInfo, error) {
	return call[cairn.ActionInfo](ctx, c, http.MethodDelete, "/actions/one?name="+url.QueryEscape(name), nil)
}

// RunActions lists the actions that the jobs of an attempt (0: the latest) used.
func (c *Client) RunActions(ctx context.Context, id cairn.RunID, attempt int) ([]cairn.UsedAction, error) {
	q := url.Values{}
	if attempt > 0 {
		q.Set("attempt", strconv.Itoa(attempt))
	}
	return list[cairn.UsedAction](ctx, c, runPath(id, "/actions"), q)
}

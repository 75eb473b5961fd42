package client

import (
	"context"
	"net/http"
	"time"

	"github.com/cairn-ml/cairn"
)

// FollowRequest says how a repository shall be followed; fields that are nil or
// empty change nothing.
type FollowRequest struct {
	URL       string         `json:"url,omitempty"`
	Name      string         `json:"name,omitempty"`
	RunLatest bool           `json:"run_latest,omitempty"`
	Every     *time.Duration `json:"every,omitempty"`
	Branches  *[]string      `json:"branches,omitempty"`
	Token     *string        `json:"token,omitempty"`
	User      *string        `json:"user,omitempty"`
	SSHKey    *string        `json:"ssh_key,omitempty"`
	Status    *string        `json:"status,omitempty"`
	Paused    *bool          `json:"paused,omitempty"`
	Hook      string         `json:"hook,omitempty"` // on, off, new
}

// Followed is how a repository is followed now; Hook is its new webhook, whose
// secret is not shown again.
type Followed struct {
	Follow cairn.FollowInfo `json:"follow"`
	Hook   *cairn.NewHook   `json:"hook,omitempty"`
}

// AddFollow begins to follow a repository.
func (c *Client) AddFollow(ctx context.Context, r FollowRequest) (*Followed, error) {
	return call[Followed](ctx, c, http.MethodPost, "/follows", r)
}

// SetFollow changes how a repository is followed.
func (c *Client) SetFollow(ctx context.Context, repository string, r FollowRequest) (*Followed, error) {
	return call[Followed](ctx, c, http.MethodPatch, "/follow?"+query("repository", repository).Encode(), r)
}

// RemoveFollow ends following a repository.
func (c *Client) RemoveFollow(ctx context.Context, repository string) error {
	return c.del(ctx, "/follow", query("repository", repository))
}

// Follows lists the repositories that are followed.
func (c *Client) Follows(ctx context.Context) ([]cairn.FollowInfo, error) {
	return list[cairn.FollowInfo](ctx, c, "/follows", nil)
}

// Follow is a followed repository, with what happened last.
func (c *Client) Follow(ctx context.Context, repository string) (*cairn.FollowInfo, error) {
	return call[cairn.FollowInfo](ctx, c, http.MethodGet, "/follow?"+query("repository", repository).Encode(), nil)
}

// SyncFollow looks at a followed repository now.
func (c *Client) SyncFollow(ctx context.Context, repository string) (*cairn.FollowSync, error) {
	return call[cairn.FollowSync](ctx, c, http.MethodPost, "/follow/sync?"+query("repository", repository).Encode(), nil, idempotent)
}

package client

import (
	"context"
	"net/http"
	"strconv"

	"github.com/cairn-ml/cairn"
)

// PullCreate asks for a pull request.
type PullCreate struct {
	Repository string `json:"repository"`
	// Head is the branch to be merged; of another repository where HeadRepository
	// says so.
	Head           string   `json:"head"`
	HeadRepository string   `json:"head_repository,omitempty"`
	Base           string   `json:"base,omitempty"`  // empty: the default branch
	Title          string   `json:"title,omitempty"` // empty: the subject of the newest commit
	Body           string   `json:"body,omitempty"`
	Draft          bool     `json:"draft,omitempty"`
	Labels         []string `json:"labels,omitempty"`
}

// PullEdit changes a pull request; nil fields stay.
type PullEdit struct {
	Title  *string  `json:"title,omitempty"`
	Body   *string  `json:"body,omitempty"`
	Base   *string  `json:"base,omitempty"`
	State  *string  `json:"state,omitempty"` // open, closed
	Draft  *bool    `json:"draft,omitempty"`
	Add    []string `json:"add_labels,omitempty"`
	Remove []string `json:"remove_labels,omitempty"`
}

// PullMerge merges a pull request.
type PullMerge struct {
	Method  string `json:"method,omitempty"` // merge (the default), squash, rebase
	Head    string `json:"head,omitempty"`   // the commit that its branch must still be at
	Title   string `json:"title,omitempty"`  // of the commit that is made
	Message string `json:"message,omitempty"`
}

// PullAnswer is a pull request after a change, with what that started.
type PullAnswer struct {
	Pull  cairn.PullRequest `json:"pull"`
	Runs  []cairn.RunID     `json:"runs"`
	Notes []string          `json:"notes,omitempty"`
}

// PullView is a pull request with what checks say of it.
type PullView struct {
	Pull     cairn.PullRequest    `json:"pull"`
	Commits  []cairn.Commit       `json:"commits"` // newest first, at most 100
	Files    []cairn.FileChange   `json:"files"`   // at most 300
	Runs     []cairn.Run          `json:"runs"`    // newest first
	Statuses []cairn.CommitStatus `json:"statuses"`
	// Checks says in one word how far they are: none, pending, success, failure.
	Checks string `json:"checks"`
}

// TagReleaseCreate publishes a release of a tag.
type TagReleaseCreate struct {
	Repository string `json:"repository"`
	Tag        string `json:"tag"`
	Target     string `json:"target,omitempty"` // branch or commit of a tag that is not there; empty: the default branch
	Name       string `json:"name,omitempty"`
	Body       string `json:"body,omitempty"`
	Draft      bool   `json:"draft,omitempty"`
	Prerelease bool   `json:"prerelease,omitempty"`
}

// TagReleaseAnswer is a release of a tag with what it started.
type TagReleaseAnswer struct {
	Release cairn.TagRelease `json:"release"`
	Runs    []cairn.RunID    `json:"runs"`
	Notes   []string         `json:"notes,omitempty"`
}

// CreatePull opens a pull request.
func (c *Client) CreatePull(ctx context.Context, r PullCreate) (*PullAnswer, error) {
	return call[PullAnswer](ctx, c, http.MethodPost, "/pulls", r)
}

// Pulls lists pull requests, the newest first.
func (c *Client) Pulls(ctx context.Context, repository, state string, limit int) ([]cairn.PullRequest, error) {
	q := query("repository", repository, "state", state)
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	return list[cairn.PullRequest](ctx, c, "/pulls", q)
}

// Pull shows one pull request.
func (c *Client) Pull(ctx context.Context, repository string, number int64) (*PullView, error) {
	return call[PullView](ctx, c, http.MethodGet, pullPath(repository, number, ""), nil)
}

// EditPull changes a pull request.
func (c *Client) EditPull(ctx context.Context, repository string, number int64, r PullEdit) (*PullAnswer, error) {
	return call[PullAnswer](ctx, c, http.MethodPatch, pullPath(repository, number, ""), r)
}

// MergePull merges a pull request.
func (c *Client) MergePull(ctx context.Context, repository string, number int64, r PullMerge) (*PullAnswer, error) {
	return call[PullAnswer](ctx, c, http.MethodPost, pullPath(repository, number, "/merge"), r)
}

// CreateTagRelease publishes a release of a tag.
func (c *Client) CreateTagRelease(ctx context.Context, r TagReleaseCreate) (*TagReleaseAnswer, error) {
	return call[TagReleaseAnswer](ctx, c, http.MethodPost, "/tag-releases", r)
}

func pullPath(repository string, number int64, rest string) string {
	return "/pulls/" + strconv.FormatInt(number, 10) + rest + "?" + query("repository", repository).Encode()
}

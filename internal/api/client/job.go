package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/cairn-ml/cairn"
)

// What only jobs ask for, with their own token.

// Ping reports whether the owner answers.
func (c *Client) Ping(ctx context.Context) error { return c.ping(ctx) }

// CreateArtifact records a tree under the artifact's name for the job's run.
func (c *Client) CreateArtifact(ctx context.Context, a cairn.Artifact) (cairn.Artifact, error) {
	return c.createArtifact(ctx, a, false)
}

// UseArtifact links the job to an artifact that it has taken.
func (c *Client) UseArtifact(ctx context.Context, ref cairn.Ref) error {
	return c.do(ctx, http.MethodPost, "/job/uses", map[string]string{"ref": string(ref)}, nil, idempotent)
}

// RecordEnvironment keeps the packages that the job resolved, with their hashes.
func (c *Client) RecordEnvironment(ctx context.Context, name string, lock []byte, props map[string]string) (cairn.Ref, error) {
	out, err := call[struct {
		Ref cairn.Ref `json:"ref"`
	}](ctx, c, http.MethodPost, "/job/environments", map[string]any{"name": name, "lock": string(lock), "properties": props}, idempotent)
	if err != nil {
		return "", err
	}
	return out.Ref, nil
}

// Hosted returns the address that git pushes a repository to.
func (c *Client) Hosted(ctx context.Context, repository string) (string, error) {
	s, err := c.Status(ctx)
	if err != nil {
		return "", err
	}
	return s.URL + "/git/" + (&url.URL{Path: repository}).EscapedPath() + ".git", nil
}

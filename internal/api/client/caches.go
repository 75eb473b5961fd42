package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/cairn-ml/cairn"
)

// FindCache answers the cache that the calling job gets for its keys: the first is
// the key itself, the others are beginnings. Without one the error is CodeNotFound.
func (c *Client) FindCache(ctx context.Context, keys []string, version string) (*cairn.CacheEntry, error) {
	return call[cairn.CacheEntry](ctx, c, http.MethodPost, "/job/caches/find", map[string]any{"keys": keys, "version": version}, idempotent)
}

// CheckCache says whether the calling job may keep something under a key.
func (c *Client) CheckCache(ctx context.Context, key, version string) error {
	return c.do(ctx, http.MethodPost, "/job/caches/check", map[string]string{"key": key, "version": version}, nil, idempotent)
}

// SaveCache keeps stored bytes as a cache of the calling job.
func (c *Client) SaveCache(ctx context.Context, key, version string, d cairn.Digest) (*cairn.CacheEntry, error) {
	return call[cairn.CacheEntry](ctx, c, http.MethodPost, "/job/caches", map[string]any{"key": key, "version": version, "digest": d}, idempotent)
}

// Caches lists caches, the last used first.
func (c *Client) Caches(ctx context.Context, f cairn.CacheFilter) ([]cairn.CacheEntry, error) {
	q := url.Values{}
	for name, v := range map[string]string{"repository": f.Repository, "key": f.Key, "ref": f.Scope} {
		if v != "" {
			q.Set(name, v)
		}
	}
	if f.Exact {
		q.Set("exact", "true")
	}
	if f.ID != 0 {
		q.Set("id", strconv.FormatInt(f.ID, 10))
	}
	if f.Limit != 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	return list[cairn.CacheEntry](ctx, c, "/caches", q)
}

// DeleteCache removes a cache.
func (c *Client) DeleteCache(ctx context.Context, id int64) error {
	return c.do(ctx, http.MethodDelete, "/caches/"+strconv.FormatInt(id, 10), nil, nil)
}

// DeleteArtifact deletes an artifact by its number; its name stays for traces.
func (c *Client) DeleteArtifact(ctx context.Context, id int64) error {
	return c.do(ctx, http.MethodDelete, "/artifacts/"+strconv.FormatInt(id, 10), nil, nil)
}

// ReplaceArtifact is CreateArtifact in the place of another one of the same name.
func (c *Client) ReplaceArtifact(ctx context.Context, a cairn.Artifact) (cairn.Artifact, error) {
	return c.createArtifact(ctx, a, true)
}

func (c *Client) createArtifact(ctx context.Context, a cairn.Artifact, overwrite bool) (cairn.Artifact, error) {
	b := map[string]any{"name": a.Name, "digest": a.Digest, "size": a.Size, "files": a.Files}
	if !a.ExpiresAt.IsZero() {
		b["expires_at"] = a.ExpiresAt
	}
	if a.MediaType != "" {
		b["media_type"] = a.MediaType
	}
	if overwrite {
		b["overwrite"] = true
	}
	out, err := call[cairn.Artifact](ctx, c, http.MethodPost, "/job/artifacts", b, idempotent)
	if err != nil {
		return cairn.Artifact{}, err
	}
	return *out, nil
}

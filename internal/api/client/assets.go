package client

import (
	"context"
	"net/http"
	"strconv"

	"github.com/cairn-ml/cairn"
)

// ListAssets lists the newest version of each asset.
func (c *Client) ListAssets(ctx context.Context, f AssetFilter) ([]cairn.AssetVersion, error) {
	q := query("kind", string(f.Kind), "name", f.Name, "tag", f.Tag)
	if f.Archived {
		q.Set("archived", "true")
	}
	if f.Limit > 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	return list[cairn.AssetVersion](ctx, c, "/assets", q)
}

// AssetVersions lists the versions of one asset, newest first.
func (c *Client) AssetVersions(ctx context.Context, kind cairn.AssetKind, name string) ([]cairn.AssetVersion, error) {
	return list[cairn.AssetVersion](ctx, c, "/assets/versions", query("kind", string(kind), "name", name))
}

// ShowAsset resolves a reference: data/digits:3, model/digits@latest,
// azureml:digits:3. Inside a job it resolves as the job does, and the use is
// recorded.
func (c *Client) ShowAsset(ctx context.Context, ref string) (*AssetDetail, error) {
	return call[AssetDetail](ctx, c, http.MethodGet, "/assets/resolve?"+query("ref", ref).Encode(), nil)
}

// CreateAsset registers a version.
func (c *Client) CreateAsset(ctx context.Context, n NewAsset) (*cairn.AssetVersion, error) {
	return call[cairn.AssetVersion](ctx, c, http.MethodPost, "/assets", n)
}

// ShareAsset copies a version into a registry: a second workspace whose versions are
// named registry/name here.
type ShareAsset struct {
	Kind     cairn.AssetKind `json:"kind"`
	Ref      string          `json:"ref"` // digits:3, digits@latest, an address
	Registry string          `json:"registry"`
	Name     string          `json:"name,omitempty"`    // "": the same
	Version  string          `json:"version,omitempty"` // "": the same
}

// Share copies a version into a registry.
func (c *Client) Share(ctx context.Context, s ShareAsset) (*cairn.AssetVersion, error) {
	return call[cairn.AssetVersion](ctx, c, http.MethodPost, "/assets/share", s)
}

// SetLabel moves a label to a version; an empty version removes the label.
func (c *Client) SetLabel(ctx context.Context, kind cairn.AssetKind, name, label, version string) error {
	return c.do(ctx, http.MethodPut, "/assets/labels", map[string]string{
		"kind": string(kind), "name": name, "label": label, "version": version}, nil)
}

// SetTags adds tags to a version and removes others.
func (c *Client) SetTags(ctx context.Context, ref cairn.Ref, set map[string]string, remove []string) (*cairn.AssetVersion, error) {
	return call[cairn.AssetVersion](ctx, c, http.MethodPut, "/assets/tags", map[string]any{
		"ref": ref, "set": set, "remove": remove})
}

// AssetUpdate changes what is said of a version; nil leaves as it is.
type AssetUpdate struct {
	Set         map[string]string
	Remove      []string
	Description *string
	Stage       *string // of a model
}

// UpdateAsset changes what is said of a version: tags, description, stage.
func (c *Client) UpdateAsset(ctx context.Context, ref cairn.Ref, u AssetUpdate) (*cairn.AssetVersion, error) {
	body := map[string]any{"ref": ref, "set": u.Set, "remove": u.Remove}
	if u.Description != nil {
		body["description"] = *u.Description
	}
	if u.Stage != nil {
		body["stage"] = *u.Stage
	}
	return call[cairn.AssetVersion](ctx, c, http.MethodPut, "/assets/tags", body)
}

// Archive hides a version from latest and from lists, or brings it back.
func (c *Client) Archive(ctx context.Context, ref cairn.Ref, archived bool) error {
	return c.do(ctx, http.MethodPut, "/assets/archived", map[string]any{"ref": ref, "archived": archived}, nil)
}

// Trace walks the links of what asked names: up to where it comes from, or
// down to what came of it.
func (c *Client) Trace(ctx context.Context, asked string, down bool) (*cairn.Trace, error) {
	return c.TraceFrom(ctx, "", asked, down)
}

// TraceFrom is Trace asked from a repository, in which names of stages and
// releases are looked for first.
func (c *Client) TraceFrom(ctx context.Context, repository, asked string, down bool) (*cairn.Trace, error) {
	q := query("ref", asked, "repository", repository)
	if down {
		q.Set("down", "true")
	}
	return call[cairn.Trace](ctx, c, http.MethodGet, "/trace?"+q.Encode(), nil)
}

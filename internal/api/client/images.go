package client

import (
	"context"
	"net/http"
	"strconv"

	"github.com/cairn-ml/cairn"
)

// RecordImage writes an image whose manifest and blobs are stored, with its tags
// and links.
func (c *Client) RecordImage(ctx context.Context, b cairn.ImageBuild) (*cairn.Image, error) {
	return call[cairn.Image](ctx, c, http.MethodPost, "/images", b, idempotent)
}

// heldChunk is how many files one request asks about.
const heldChunk = 50_000

// HeldFiles answers which versions hold files, the likeliest first; more than one
// means that it is not known which. With a job's token what its run used or made
// goes before all else. A file of the run's own code is held by nothing.
func (c *Client) HeldFiles(ctx context.Context, qs []cairn.HeldQuery) (map[cairn.Digest][]cairn.Ref, error) {
	out := map[cairn.Digest][]cairn.Ref{}
	for len(qs) > 0 {
		n := min(len(qs), heldChunk)
		part, err := call[map[cairn.Digest][]cairn.Ref](ctx, c, http.MethodPost, "/images/held", map[string]any{"files": qs[:n]}, idempotent)
		if err != nil {
			return nil, err
		}
		for d, refs := range *part {
			out[d] = refs
		}
		qs = qs[n:]
	}
	return out, nil
}

// Image finds an image: name[:tag], name@digest, sha256:…, docker's image id (or at
// least 12 digits of it), image/sha256:…. A job's use of it is recorded.
func (c *Client) Image(ctx context.Context, ref string) (*cairn.Image, error) {
	return call[cairn.Image](ctx, c, http.MethodGet, "/images/resolve?"+query("ref", ref).Encode(), nil)
}

// Images lists images, newest first.
func (c *Client) Images(ctx context.Context, f cairn.ImageFilter) ([]cairn.Image, error) {
	q := query("name", f.Name, "commit", f.Commit, "digest", string(f.Digest))
	for name, n := range map[string]int64{"run": int64(f.Run), "limit": int64(f.Limit), "before": f.Before} {
		if n > 0 {
			q.Set(name, strconv.FormatInt(n, 10))
		}
	}
	if f.All {
		q.Set("all", "true")
	}
	return list[cairn.Image](ctx, c, "/images", q)
}

// TagImage points names to an image: "name:tag" in full, or a tag alone in the
// repository that ref names.
func (c *Client) TagImage(ctx context.Context, ref string, names []string) ([]cairn.ImageTag, error) {
	out, err := call[[]cairn.ImageTag](ctx, c, http.MethodPost, "/images/tags", map[string]any{"ref": ref, "names": names}, idempotent)
	if err != nil {
		return nil, err
	}
	return *out, nil
}

// UntagImage removes a name; the image stays.
func (c *Client) UntagImage(ctx context.Context, name string) error {
	return c.do(ctx, http.MethodDelete, "/images/tags?"+query("name", name).Encode(), nil, nil)
}

// DeleteImage takes a name away, and with the last one its image; by digest or id
// it takes the image with all its names.
func (c *Client) DeleteImage(ctx context.Context, ref string) error {
	return c.do(ctx, http.MethodDelete, "/images?"+query("ref", ref).Encode(), nil, nil)
}

package server

import (
	"context"
	"io"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/image"
	"github.com/cairn-ml/cairn/internal/oci/archive"
	"github.com/cairn-ml/cairn/internal/oci/ref"
	"github.com/cairn-ml/cairn/internal/oci/remote"
)

// imageSink is the owner as images come to it from elsewhere.
type imageSink struct{ *client.Client }

// UploadBlobs sends blobs in one request with one durable point.
func (s imageSink) UploadBlobs(ctx context.Context, blobs []remote.Blob) error {
	out := make([]client.Blob, len(blobs))
	for i, b := range blobs {
		out[i] = client.Blob{Digest: b.Digest, Size: b.Size, Open: b.Open}
	}
	return s.Client.UploadBlobs(ctx, out)
}

// addImageMoves adds what brings images in and out on this machine, with the
// credentials of the environment.
func addImageMoves(t *image.Tools, env []string) {
	vars := map[string]string{}
	for _, kv := range env {
		k, v, _ := strings.Cut(kv, "=")
		vars[k] = v
	}
	outside := remote.New(remote.Options{Env: vars, Anonymous: true, JobToken: vars["CAIRN_TOKEN"]})
	t.Pull = func(ctx context.Context, c *client.Client, name, platform string, log io.Writer) (*cairn.Image, error) {
		r, err := ref.Parse(name)
		if err != nil {
			return nil, err
		}
		return outside.Pull(ctx, r, platform, imageSink{c}, log)
	}
	t.Push = func(ctx context.Context, c *client.Client, img *cairn.Image, names []string, log io.Writer) ([]cairn.PushResult, error) {
		rs, err := outsideNames(ctx, c, names)
		if err != nil {
			return nil, err
		}
		return outside.Push(ctx, img, rs, c, log)
	}
	t.Load = func(ctx context.Context, c *client.Client, file string, as []string, log io.Writer) ([]*cairn.Image, error) {
		names := make([]string, len(as))
		for i, n := range as {
			r, err := ref.Parse(n)
			if err != nil {
				return nil, err
			}
			names[i] = r.String()
		}
		a, err := archive.Open(ctx, file, "")
		if err != nil {
			return nil, err
		}
		defer a.Close()
		return a.Load(ctx, names, imageSink{c}, log)
	}
	t.Save = func(ctx context.Context, c *client.Client, img *cairn.Image, names []string, w io.Writer) error {
		return archive.Save(ctx, w, img, names, c)
	}
}

// outsideNames reads the names that an image is pushed to; those of Cairn's own
// registry are no place to push to from here.
func outsideNames(ctx context.Context, c *client.Client, names []string) ([]ref.Reference, error) {
	st, err := c.Status(ctx)
	if err != nil {
		return nil, err
	}
	own := strings.TrimPrefix(strings.TrimPrefix(st.URL, "http://"), "https://")
	var out []ref.Reference
	for _, n := range names {
		r, err := ref.ParseLocal(n, []string{own})
		if err != nil {
			return nil, err
		}
		if r.Registry() == "" {
			return nil, cairn.Errorf(cairn.CodeInvalid, "%s is a name of Cairn's own registry, where the image is already", r.Familiar()).
				WithHint("name a registry to push to: cairn image push IMAGE ghcr.io/OWNER/NAME:TAG")
		}
		if r.Digest != "" {
			return nil, cairn.Errorf(cairn.CodeInvalid, "%q names a digest; an image is pushed to a name with a tag", n)
		}
		out = append(out, r)
	}
	return out, nil
}

package remote

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci"
	"github.com/cairn-ml/cairn/internal/oci/ref"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Limits of what is fetched.
const (
	maxImage = 200 << 30 // bytes of the layers of one image
	maxParts = 200       // images of an index
)

// AllPlatforms fetches an index with all its images.
const AllPlatforms = "all"

// Pull fetches an image, stores it and records it under its name. platform is
// "linux/amd64" or AllPlatforms; "" is this machine's.
func (c *Client) Pull(ctx context.Context, r ref.Reference, platform string, sink Sink, log io.Writer) (*cairn.Image, error) {
	if platform == "" {
		platform = "linux/" + runtime.GOARCH
	}
	n, err := c.named(r)
	if err != nil {
		return nil, err
	}
	p := &pull{c: c, ctx: ctx, r: r, repo: n.Context(), platform: platform, sink: sink, log: log}
	img, err := p.image(n)
	return img, explain(ctx, r, "pull", err)
}

type pull struct {
	c        *Client
	ctx      context.Context
	r        ref.Reference
	repo     name.Repository
	platform string
	sink     Sink
	log      io.Writer
}

// get reads a manifest.
func (p *pull) get(n name.Reference) (*oci.Manifest, []byte, error) {
	d, err := remote.Get(n, p.c.options(p.ctx)...)
	if err != nil {
		return nil, nil, err
	}
	m, err := oci.ParseManifest(d.Manifest, string(d.MediaType))
	if err != nil {
		e := cairn.AsError(err)
		return nil, nil, cairn.Errorf(cairn.CodeFailed, "%s of %s: %s", p.r.Familiar(), p.r.Registry(), e.Message)
	}
	return m, d.Manifest, nil
}

func (p *pull) image(n name.Reference) (*cairn.Image, error) {
	m, raw, err := p.get(n)
	if err != nil {
		return nil, err
	}
	names := []string{p.r.String()}
	if !m.Index() {
		return p.store(m, raw, names)
	}
	if p.platform == AllPlatforms {
		return p.index(m, raw, names)
	}
	var have []string
	for _, d := range m.Manifests {
		at := d.Platform.String()
		if at == p.platform || d.Platform != nil && d.Platform.OS+"/"+d.Platform.Architecture == p.platform {
			if m, raw, err = p.get(p.repo.Digest(d.Digest)); err != nil {
				return nil, err
			}
			if m.Index() {
				return nil, cairn.Errorf(cairn.CodeUnsupported, "%s holds an index inside its index for %s", p.r.Familiar(), p.platform).
					WithHint("name the inner one by its digest: %s@%s", p.r.Name, d.Digest)
			}
			if p.r.Digest != "" {
				names = nil // the name is that of the index
			}
			return p.store(m, raw, names)
		}
		if at != "" && !strings.HasPrefix(at, "unknown/") {
			have = append(have, at)
		}
	}
	return nil, cairn.Errorf(cairn.CodeNotFound, "%s is not there for %s", p.r.Familiar(), p.platform).WithHint("it is there for %s", strings.Join(have, ", "))
}

// index fetches all images of an index, then the index itself.
func (p *pull) index(m *oci.Manifest, raw []byte, names []string) (*cairn.Image, error) {
	if len(m.Manifests) > maxParts {
		return nil, cairn.Errorf(cairn.CodeTooLarge, "%s has %d images; at most %d are fetched", p.r.Familiar(), len(m.Manifests), maxParts)
	}
	for _, d := range m.Manifests {
		part, praw, err := p.get(p.repo.Digest(d.Digest))
		if err != nil {
			return nil, err
		}
		if part.Index() {
			return nil, cairn.Errorf(cairn.CodeUnsupported, "%s is an index of indexes", p.r.Familiar()).WithHint("name a platform: --platform linux/amd64")
		}
		if _, err := p.store(part, praw, nil); err != nil {
			return nil, err
		}
	}
	return p.record(raw, names)
}

// store fetches what is missing of an image and records it.
func (p *pull) store(m *oci.Manifest, raw []byte, names []string) (*cairn.Image, error) {
	parts := []oci.Descriptor{*m.Config}
	for _, l := range m.Layers {
		if !oci.Foreign(l.MediaType) {
			parts = append(parts, l)
		}
	}
	var ds []cairn.Digest
	var total int64
	for _, d := range parts {
		ds = append(ds, cairn.Digest(d.Digest))
		if total += d.Size; total > maxImage || total < 0 {
			return nil, cairn.Errorf(cairn.CodeTooLarge, "%s has more than %d bytes", p.r.Familiar(), int64(maxImage))
		}
	}
	missing, err := p.sink.MissingBlobs(p.ctx, ds)
	if err != nil {
		return nil, err
	}
	want := map[cairn.Digest]bool{}
	for _, d := range missing {
		want[d] = true
	}
	for _, d := range parts {
		if !want[cairn.Digest(d.Digest)] {
			continue
		}
		delete(want, cairn.Digest(d.Digest))
		fmt.Fprintf(p.log, "fetching     %s %s\n", cairn.Digest(d.Digest).Short(), SizeText(d.Size))
		if err := p.sink.UploadBlobs(p.ctx, []Blob{{Digest: cairn.Digest(d.Digest), Size: d.Size, Open: func() (io.ReadCloser, error) { return p.open(d) }}}); err != nil {
			return nil, err
		}
	}
	return p.record(raw, names)
}

func (p *pull) open(d oci.Descriptor) (io.ReadCloser, error) {
	l, err := remote.Layer(p.repo.Digest(d.Digest), p.c.options(p.ctx)...)
	if err != nil {
		return nil, explain(p.ctx, p.r, "pull", err)
	}
	r, err := l.Compressed()
	if err != nil {
		return nil, explain(p.ctx, p.r, "pull", err)
	}
	return r, nil
}

func (p *pull) record(raw []byte, names []string) (*cairn.Image, error) {
	d := cairn.SumBytes(raw)
	err := p.sink.UploadBlobs(p.ctx, []Blob{{Digest: d, Size: int64(len(raw)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(raw)), nil
	}}})
	if err != nil {
		return nil, err
	}
	return p.sink.RecordImage(p.ctx, cairn.ImageBuild{Manifest: d, Names: names, Builder: "pull"})
}

func hashOf(d cairn.Digest) v1.Hash { return v1.Hash{Algorithm: "sha256", Hex: d.Hex()} }

// SizeText is a size for people.
func SizeText(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1_000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	case n < 1_000_000_000:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}

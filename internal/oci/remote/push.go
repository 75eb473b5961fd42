package remote

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci"
	"github.com/cairn-ml/cairn/internal/oci/ref"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"
)

// Push sends an image to several names at once. A registry without credentials is
// told of in its result; one that fails is an error, and the others are pushed all
// the same.
func (c *Client) Push(ctx context.Context, img *cairn.Image, dests []ref.Reference, src Source, log io.Writer) ([]cairn.PushResult, error) {
	results := make([]cairn.PushResult, len(dests))
	errs := make([]error, len(dests))
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(4)
	for i, d := range dests {
		g.Go(func() error {
			results[i], errs[i] = c.push(ctx, img, d, src)
			mu.Lock()
			defer mu.Unlock()
			switch r := results[i]; {
			case errs[i] != nil:
				results[i].Reason = cairn.AsError(errs[i]).Message
				fmt.Fprintf(log, "not pushed   %s: %s\n", d.Familiar(), results[i].Reason)
			case r.Pushed:
				fmt.Fprintf(log, "pushed       %s: %s sent, %s were there\n", d.Familiar(), SizeText(r.Bytes), SizeText(r.Skipped))
			}
			return nil
		})
	}
	_ = g.Wait() // the errors are kept one by one
	i := slices.IndexFunc(errs, func(err error) bool { return err != nil })
	if i < 0 {
		return results, nil
	}
	e := *cairn.AsError(errs[i])
	e.Message = "pushing " + dests[i].Familiar() + ": " + e.Message
	return results, &e
}

// Credentials says what keeps a push to the registry of a name from being tried, ""
// for nothing.
func (c *Client) Credentials(ctx context.Context, r ref.Reference) (missing string, err error) {
	n, err := c.named(r)
	if err != nil {
		return "", err
	}
	a, err := c.keys.find(ctx, n.Context().RegistryStr(), n.Context().String())
	switch {
	case err != nil:
		return "", err
	case a == nil:
		return "no credentials for " + r.Registry(), nil
	case c.keys.isOwn(a):
		return "the token that was given for " + r.Registry() + " is this job's own, which is valid in Cairn alone", nil
	}
	return "", nil
}

func (c *Client) push(ctx context.Context, img *cairn.Image, dest ref.Reference, src Source) (cairn.PushResult, error) {
	res := cairn.PushResult{Name: dest.String()}
	n, err := c.named(dest)
	if err != nil {
		return res, err
	}
	missing, err := c.Credentials(ctx, dest)
	if err != nil {
		return res, err
	}
	if missing != "" && !c.o.Anonymous {
		res.Reason = missing
		return res, nil
	}
	s := &stored{ctx: ctx, src: src, dest: n, sent: map[cairn.Digest]int64{}}
	if base, err := ref.Parse(img.BaseName); err == nil && img.BaseName != "" && base.Registry() == dest.Registry() {
		s.mount, s.mountable = base, map[cairn.Digest]bool{}
		for _, l := range img.Layers {
			s.mountable[l.Digest] = l.Role == cairn.LayerBase
		}
	}
	if len(img.Manifests) > 0 {
		idx, err := s.index(img.Digest)
		if err == nil {
			err = remote.WriteIndex(n, idx, c.options(ctx)...)
		}
		if err != nil {
			return res, explain(ctx, dest, "push", err)
		}
	} else {
		m, err := s.image(img.Digest)
		if err == nil {
			err = remote.Write(n, m, c.options(ctx)...)
		}
		if err != nil {
			return res, explain(ctx, dest, "push", err)
		}
	}
	res.Pushed = true
	for _, n := range s.sent {
		res.Bytes += n
	}
	res.Skipped = max(0, s.total-res.Bytes)
	return res, nil
}

// stored are images of Cairn as the library wants them. It counts what is sent.
type stored struct {
	ctx       context.Context
	src       Source
	dest      name.Reference
	mount     ref.Reference // where the base's layers can be mounted from
	mountable map[cairn.Digest]bool

	mu    sync.Mutex
	sent  map[cairn.Digest]int64
	total int64
}

// blob reads a small blob whole, and checks it.
func (s *stored) blob(d cairn.Digest) ([]byte, error) {
	r, size, err := s.src.GetBlob(s.ctx, d)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if size > oci.MaxManifest {
		return nil, cairn.Errorf(cairn.CodeTooLarge, "%s has %d bytes", d, size)
	}
	return io.ReadAll(io.LimitReader(oci.Checked(r, d), oci.MaxManifest+1))
}

func (s *stored) image(d cairn.Digest) (v1.Image, error) {
	raw, err := s.blob(d)
	if err != nil {
		return nil, err
	}
	m, err := oci.ParseManifest(raw, "")
	if err != nil {
		return nil, err
	}
	if m.Index() {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s is an index, and the index above it calls it an image", d)
	}
	config, err := s.blob(cairn.Digest(m.Config.Digest))
	if err != nil {
		return nil, err
	}
	layers := map[v1.Hash]oci.Descriptor{hashOf(cairn.Digest(m.Config.Digest)): *m.Config}
	s.mu.Lock()
	for _, l := range m.Layers {
		layers[hashOf(cairn.Digest(l.Digest))] = l
		s.total += l.Size
	}
	s.mu.Unlock()
	img, err := partial.CompressedToImage(&storedImage{s, m, raw, config, layers})
	if err != nil || s.mount.IsZero() {
		return img, err
	}
	from, err := name.ParseReference(s.mount.String())
	if err != nil {
		return img, nil
	}
	return &mountImage{img, from, s.mountable}, nil
}

func (s *stored) index(d cairn.Digest) (v1.ImageIndex, error) {
	raw, err := s.blob(d)
	if err != nil {
		return nil, err
	}
	m, err := oci.ParseManifest(raw, "")
	if err != nil {
		return nil, err
	}
	return &storedIndex{s, m, raw}, nil
}

type storedImage struct {
	s           *stored
	m           *oci.Manifest
	raw, config []byte
	layers      map[v1.Hash]oci.Descriptor
}

func (i *storedImage) RawManifest() ([]byte, error)   { return i.raw, nil }
func (i *storedImage) RawConfigFile() ([]byte, error) { return i.config, nil }
func (i *storedImage) MediaType() (types.MediaType, error) {
	return types.MediaType(i.m.MediaType), nil
}
func (i *storedImage) LayerByDigest(h v1.Hash) (partial.CompressedLayer, error) {
	d, ok := i.layers[h]
	if !ok {
		return nil, cairn.Errorf(cairn.CodeInternal, "the image has no layer %s", h)
	}
	return &storedLayer{i.s, d}, nil
}

type storedLayer struct {
	s *stored
	d oci.Descriptor
}

func (l *storedLayer) Digest() (v1.Hash, error) { return hashOf(cairn.Digest(l.d.Digest)), nil }
func (l *storedLayer) Size() (int64, error)     { return l.d.Size, nil }
func (l *storedLayer) MediaType() (types.MediaType, error) {
	return types.MediaType(l.d.MediaType), nil
}
func (l *storedLayer) Compressed() (io.ReadCloser, error) {
	r, _, err := l.s.src.GetBlob(l.s.ctx, cairn.Digest(l.d.Digest))
	if err != nil {
		return nil, err
	}
	// A layer that is sent again after a failure counts once.
	l.s.mu.Lock()
	l.s.sent[cairn.Digest(l.d.Digest)] = l.d.Size
	l.s.mu.Unlock()
	return oci.Checked(r, cairn.Digest(l.d.Digest)), nil
}

// mountImage lets the registry take the base's layers from the base's repository.
type mountImage struct {
	v1.Image
	from      name.Reference
	mountable map[cairn.Digest]bool
}

func (m *mountImage) Layers() ([]v1.Layer, error) {
	ls, err := m.Image.Layers()
	for i, l := range ls {
		if h, herr := l.Digest(); herr == nil && m.mountable[cairn.Digest(h.String())] {
			ls[i] = &remote.MountableLayer{Layer: l, Reference: m.from}
		}
	}
	return ls, err
}

type storedIndex struct {
	s   *stored
	m   *oci.Manifest
	raw []byte
}

func (i *storedIndex) MediaType() (types.MediaType, error) {
	return types.MediaType(i.m.MediaType), nil
}
func (i *storedIndex) Digest() (v1.Hash, error)     { return hashOf(cairn.SumBytes(i.raw)), nil }
func (i *storedIndex) Size() (int64, error)         { return int64(len(i.raw)), nil }
func (i *storedIndex) RawManifest() ([]byte, error) { return i.raw, nil }
func (i *storedIndex) IndexManifest() (*v1.IndexManifest, error) {
	return v1.ParseIndexManifest(bytes.NewReader(i.raw))
}
func (i *storedIndex) Image(h v1.Hash) (v1.Image, error) { return i.s.image(cairn.Digest(h.String())) }
func (i *storedIndex) ImageIndex(h v1.Hash) (v1.ImageIndex, error) {
	return i.s.index(cairn.Digest(h.String()))
}

package archive

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci"
	"github.com/cairn-ml/cairn/internal/oci/layer"
	"github.com/cairn-ml/cairn/internal/oci/remote"
)

// maxImages bounds the images of one archive.
const maxImages = 200

// maxManifests bounds what is read of indexes and of those inside them.
const maxManifests = 2000

// The annotations that give the images of a layout their names.
const (
	annotationName  = "org.opencontainers.image.ref.name"
	annotationImage = "io.containerd.image.name"
)

// image is one image of an archive, with all that has to be stored before it.
type image struct {
	manifest []byte
	parts    []part
	inner    []*image // those of an index
	names    []string
}

type part struct {
	digest cairn.Digest
	span   span
	bytes  []byte // instead of a span
}

// Load stores the images of an archive and records them: under the names as, else
// under those that the archive gives them.
func (a *Archive) Load(ctx context.Context, as []string, sink remote.Sink, log io.Writer) ([]*cairn.Image, error) {
	imgs, err := a.images(ctx)
	if err != nil {
		return nil, err
	}
	if len(as) > 0 && len(imgs) > 1 {
		return nil, cairn.Errorf(cairn.CodeInvalid, "the archive holds %d images; a name can be given to one alone", len(imgs))
	}
	var out []*cairn.Image
	for _, i := range imgs {
		if len(as) > 0 {
			i.names = as
		}
		img, err := a.store(ctx, i, sink, log)
		if err != nil {
			return out, err
		}
		out = append(out, img)
	}
	return out, nil
}

func (a *Archive) store(ctx context.Context, i *image, sink remote.Sink, log io.Writer) (*cairn.Image, error) {
	for _, in := range i.inner {
		if _, err := a.store(ctx, in, sink, log); err != nil {
			return nil, err
		}
	}
	ds := make([]cairn.Digest, len(i.parts))
	for n, p := range i.parts {
		ds[n] = p.digest
	}
	missing, err := sink.MissingBlobs(ctx, ds)
	if err != nil {
		return nil, err
	}
	var blobs []remote.Blob
	for _, p := range i.parts {
		if !slices.Contains(missing, p.digest) {
			continue
		}
		missing = slices.DeleteFunc(missing, func(d cairn.Digest) bool { return d == p.digest })
		b := remote.Blob{Digest: p.digest, Size: p.span.size, Open: func() (io.ReadCloser, error) { return io.NopCloser(a.open(p.span)), nil }}
		if p.bytes != nil {
			b.Size, b.Open = int64(len(p.bytes)), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(p.bytes)), nil }
		}
		blobs = append(blobs, b)
	}
	d := cairn.SumBytes(i.manifest)
	fmt.Fprintf(log, "loading      %s, %d of %d parts are new\n", d.Short(), len(blobs), len(i.parts))
	blobs = append(blobs, remote.Blob{Digest: d, Size: int64(len(i.manifest)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(i.manifest)), nil
	}})
	if err := sink.UploadBlobs(ctx, blobs); err != nil {
		return nil, err
	}
	return sink.RecordImage(ctx, cairn.ImageBuild{Manifest: d, Names: i.names, Builder: "load"})
}

// images understands both forms. A layout keeps the digests of its manifests, so it
// goes first; docker's list beside it knows the names.
func (a *Archive) images(ctx context.Context) ([]*image, error) {
	list, docker, err := a.list()
	if err != nil {
		return nil, err
	}
	_, layout := a.part("index.json")
	switch {
	case layout:
		imgs, err := a.layout()
		if err != nil {
			return nil, err
		}
		for _, i := range imgs {
			for _, l := range list {
				if len(i.parts) > 0 && strings.HasSuffix(rel(l.Config), i.parts[0].digest.Hex()) {
					i.names = union(i.names, l.RepoTags)
				}
			}
		}
		return imgs, nil
	case !docker:
		return nil, bad("it has neither a manifest.json nor an index.json")
	case len(list) == 0 || len(list) > maxImages:
		return nil, bad("its manifest.json names %d images", len(list))
	}
	var imgs []*image
	for _, l := range list {
		i, err := a.docker(ctx, l.Config, l.Layers)
		if err != nil {
			return nil, err
		}
		i.names = l.RepoTags
		imgs = append(imgs, i)
	}
	return imgs, nil
}

func union(a, b []string) []string {
	for _, s := range b {
		if !slices.Contains(a, s) {
			a = append(a, s)
		}
	}
	return a
}

// docker makes the manifest that docker's own form has not.
func (a *Archive) docker(ctx context.Context, config string, layers []string) (*image, error) {
	raw, err := a.small(config)
	if err != nil {
		return nil, err
	}
	var c oci.ImageConfig
	if err := json.Unmarshal(raw, &c); err != nil {
		return nil, bad("its configuration is not of the right form")
	}
	if len(c.RootFS.DiffIDs) != len(layers) {
		return nil, bad("its configuration names %d layers, and it has %d", len(c.RootFS.DiffIDs), len(layers))
	}
	i := &image{parts: []part{{digest: cairn.SumBytes(raw), bytes: raw}}}
	m := oci.Manifest{SchemaVersion: 2, MediaType: oci.TypeManifest, Layers: []oci.Descriptor{},
		Config: &oci.Descriptor{MediaType: oci.TypeConfig, Digest: string(cairn.SumBytes(raw)), Size: int64(len(raw))}}
	for n, name := range layers {
		s, ok := a.part(name)
		if !ok {
			return nil, bad("it has no layer %s", clip(name))
		}
		d, err := a.sum(ctx, s)
		if err != nil {
			return nil, err
		}
		head := make([]byte, 4)
		got, _ := io.ReadFull(a.open(s), head)
		kind := layer.MediaTypeTar
		switch {
		case bytes.HasPrefix(head[:got], []byte{0x1f, 0x8b}):
			kind = layer.MediaTypeGzip
		case bytes.HasPrefix(head[:got], []byte{0x28, 0xb5, 0x2f, 0xfd}):
			kind = layer.MediaTypeZstd
		case string(d) != c.RootFS.DiffIDs[n]:
			return nil, bad("its layer %d is %s, and its configuration says %s", n+1, d, clip(c.RootFS.DiffIDs[n]))
		}
		i.parts = append(i.parts, part{digest: d, span: s})
		m.Layers = append(m.Layers, oci.Descriptor{MediaType: kind, Digest: string(d), Size: s.size})
	}
	i.manifest, err = json.Marshal(m)
	return i, err
}

func blobPath(d string) string { return "blobs/" + strings.Replace(d, ":", "/", 1) }

// top is the index of a layout.
func (a *Archive) top() (*oci.Manifest, error) {
	if _, there := a.part("index.json"); !there {
		return nil, bad("it has neither a manifest.json nor an index.json")
	}
	raw, err := a.small("index.json")
	if err != nil {
		return nil, err
	}
	m, err := oci.ParseManifest(raw, oci.TypeIndex)
	if err != nil {
		return nil, bad("%s", cairn.AsError(err).Message)
	}
	return m, nil
}

func (a *Archive) layout() ([]*image, error) {
	top, err := a.top()
	if err != nil {
		return nil, err
	}
	if len(top.Manifests) == 0 || len(top.Manifests) > maxImages {
		return nil, bad("its index.json names %d images", len(top.Manifests))
	}
	var out []*image
	seen := map[string]*image{}
	for _, d := range top.Manifests {
		i := seen[d.Digest]
		if i == nil {
			if i, err = a.manifest(d, 0); err != nil {
				return nil, err
			}
			seen[d.Digest] = i
			out = append(out, i)
		}
		// A name may be whole, or a tag alone, which says not of what.
		for _, n := range []string{d.Annotations[annotationImage], d.Annotations[annotationName]} {
			if strings.ContainsAny(n, ":/") {
				i.names = union(i.names, []string{n})
			}
		}
	}
	return out, nil
}

func (a *Archive) manifest(d oci.Descriptor, depth int) (*image, error) {
	if a.manifests++; a.manifests > maxManifests {
		return nil, bad("its indexes name more than %d manifests", maxManifests)
	}
	raw, err := a.small(blobPath(d.Digest))
	if err != nil {
		return nil, err
	}
	if got := cairn.SumBytes(raw); string(got) != d.Digest {
		return nil, bad("the manifest %s is damaged", d.Digest)
	}
	m, err := oci.ParseManifest(raw, d.MediaType)
	if err != nil {
		return nil, bad("%s", cairn.AsError(err).Message)
	}
	i := &image{manifest: raw}
	if m.Index() {
		if depth > 2 || len(m.Manifests) > maxImages {
			return nil, bad("its indexes are too large or nested too deeply")
		}
		for _, c := range m.Manifests {
			if _, there := a.part(blobPath(c.Digest)); !there {
				continue // docker save leaves out what was not pulled
			}
			in, err := a.manifest(c, depth+1)
			if err != nil {
				return nil, err
			}
			i.inner = append(i.inner, in)
		}
		return i, nil
	}
	for _, c := range append([]oci.Descriptor{*m.Config}, m.Layers...) {
		s, ok := a.part(blobPath(c.Digest))
		if !ok && oci.Foreign(c.MediaType) {
			continue
		}
		if !ok || s.size != c.Size {
			return nil, bad("it has no %s of %d bytes", c.Digest, c.Size)
		}
		i.parts = append(i.parts, part{digest: cairn.Digest(c.Digest), span: s})
	}
	return i, nil
}

package build

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci"
	"github.com/cairn-ml/cairn/internal/oci/dockerfile"
	"github.com/cairn-ml/cairn/internal/oci/layer"
)

// Limits of an archive that an executor wrote.
const (
	maxArchiveEntries = 50_000
	maxArchiveLinks   = 20
)

// archive is an image as docker save or as an OCI layout, in one tar. Its parts
// are read where they lie.
type archive struct {
	f     *os.File
	parts map[string]span
	links map[string]string
}

type span struct{ at, size int64 }

func openArchive(name string) (*archive, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, errArchive("%v", err)
	}
	a := &archive{f: f, parts: map[string]span{}, links: map[string]string{}}
	tr := tar.NewReader(f)
	for n := 0; ; n++ {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return a, nil
		}
		if err == nil && n > maxArchiveEntries {
			err = errors.New("it has too many entries")
		}
		if err != nil {
			f.Close()
			return nil, errArchive("%v", err)
		}
		p := rel(h.Name)
		switch h.Typeflag {
		case tar.TypeReg:
			at, err := f.Seek(0, io.SeekCurrent) // the reader takes no more than it needs
			if err != nil {
				f.Close()
				return nil, errArchive("%v", err)
			}
			a.parts[p] = span{at, h.Size}
		case tar.TypeSymlink:
			a.links[p] = rel(path.Join(path.Dir(p), h.Linkname))
		case tar.TypeLink:
			a.links[p] = rel(h.Linkname)
		}
	}
}

// part finds a part; docker writes the same layer once and links to it.
func (a *archive) part(name string) (span, bool) {
	name = rel(name)
	for range maxArchiveLinks {
		if s, ok := a.parts[name]; ok {
			return s, true
		}
		to, ok := a.links[name]
		if !ok {
			break
		}
		name = to
	}
	return span{}, false
}

func (a *archive) open(s span) io.Reader { return io.NewSectionReader(a.f, s.at, s.size) }

// small reads a part whole.
func (a *archive) small(name string) ([]byte, error) {
	s, ok := a.part(name)
	if !ok {
		return nil, errArchive("it has no %s", clip(name))
	}
	if s.size > configLimit {
		return nil, errArchive("%s has %d bytes", clip(name), s.size)
	}
	return io.ReadAll(a.open(s))
}

// imported is an image inside an archive.
type imported struct {
	config []byte
	layers []importedLayer
}

type importedLayer struct {
	span      span
	mediaType string
	digest    cairn.Digest
}

// read understands both forms; where both are there docker's says which image was
// asked for.
func (a *archive) read(platform string) (*imported, error) {
	if _, ok := a.part("manifest.json"); ok {
		return a.docker()
	}
	if _, ok := a.part("index.json"); ok {
		return a.layout(platform)
	}
	return nil, errArchive("it has neither a manifest.json nor an index.json")
}

func (a *archive) docker() (*imported, error) {
	raw, err := a.small("manifest.json")
	if err != nil {
		return nil, err
	}
	var list []struct {
		Config string
		Layers []string
	}
	if err := json.Unmarshal(raw, &list); err != nil || len(list) != 1 {
		return nil, errArchive("its manifest.json does not name one image")
	}
	i := &imported{}
	if i.config, err = a.small(list[0].Config); err != nil {
		return nil, err
	}
	for _, name := range list[0].Layers {
		s, ok := a.part(name)
		if !ok {
			return nil, errArchive("it has no layer %s", clip(name))
		}
		l := importedLayer{span: s, mediaType: layer.MediaTypeTar}
		head := make([]byte, 4)
		n, _ := io.ReadFull(a.open(s), head)
		switch {
		case bytes.HasPrefix(head[:n], []byte{0x1f, 0x8b}):
			l.mediaType = layer.MediaTypeGzip
		case bytes.HasPrefix(head[:n], []byte{0x28, 0xb5, 0x2f, 0xfd}):
			l.mediaType = layer.MediaTypeZstd
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, a.open(s)); err != nil {
			return nil, errArchive("%v", err)
		}
		l.digest = cairn.DigestOf(sum.Sum(nil))
		i.layers = append(i.layers, l)
	}
	return i, nil
}

func (a *archive) layout(platform string) (*imported, error) {
	blob := func(d string) string { return "blobs/" + strings.Replace(d, ":", "/", 1) }
	name, kind := "index.json", oci.TypeIndex
	for range 3 { // index.json, an index in it, a manifest
		raw, err := a.small(name)
		if err != nil {
			return nil, err
		}
		m, err := oci.ParseManifest(raw, kind)
		if err != nil {
			return nil, errArchive("%s", cairn.AsError(err).Message)
		}
		if m.Index() {
			d := pick(m.Manifests, platform)
			if d == nil {
				return nil, errArchive("it has no image for %s", platform)
			}
			name, kind = blob(d.Digest), d.MediaType
			continue
		}
		i := &imported{}
		if i.config, err = a.small(blob(m.Config.Digest)); err != nil {
			return nil, err
		}
		for _, l := range m.Layers {
			s, ok := a.part(blob(l.Digest))
			if !ok || s.size != l.Size {
				return nil, errArchive("it has no layer %s of %d bytes", clip(l.Digest), l.Size)
			}
			i.layers = append(i.layers, importedLayer{span: s, mediaType: ociType(l.MediaType), digest: cairn.Digest(l.Digest)})
		}
		return i, nil
	}
	return nil, errArchive("its indexes are nested too deeply")
}

// pick finds the image for a platform; attestations have none that is real.
func pick(ds []oci.Descriptor, platform string) *oci.Descriptor {
	var only *oci.Descriptor
	n := 0
	for i := range ds {
		d := &ds[i]
		p := d.Platform.String()
		if strings.HasPrefix(p, "unknown/") {
			continue
		}
		if q, err := dockerfile.ParsePlatform(p); err == nil && p != "" && q == platform {
			return d
		}
		only = d
		n++
	}
	if n == 1 {
		return only
	}
	return nil
}

// importArchive stores the image of an archive; below is what it stands on, where
// that is known. Which models are in it the server looks up by their digests.
func (j *job) importArchive(ctx context.Context, name, platform string, below *base) (*assembled, error) {
	arc, err := openArchive(name)
	if err != nil {
		return nil, err
	}
	defer arc.f.Close()
	img, err := arc.read(platform)
	if err != nil {
		return nil, err
	}
	var c dockerfile.Image
	if err := json.Unmarshal(img.config, &c); err != nil {
		return nil, errArchive("its configuration: %v", err)
	}
	if len(c.RootFS.DiffIDs) != len(img.layers) {
		return nil, errArchive("its configuration names %d layers, and it has %d", len(c.RootFS.DiffIDs), len(img.layers))
	}
	a := &assembled{platform: platform}
	shared := 0
	if below != nil && len(c.RootFS.DiffIDs) >= len(below.config.RootFS.DiffIDs) {
		shared = len(below.config.RootFS.DiffIDs)
		for i, d := range below.config.RootFS.DiffIDs {
			if c.RootFS.DiffIDs[i] != d {
				shared = 0
				break
			}
		}
		a.base, a.baseName = below.image.Digest, below.name
	}
	var parts []part
	for i, l := range img.layers {
		if i < shared {
			// The base as Cairn has it: the same files, and no second copy of them.
			b := below.image.Layers[i]
			b.MediaType, b.Role, b.DiffID, b.Note = ociType(b.MediaType), cairn.LayerBase, cairn.Digest(c.RootFS.DiffIDs[i]), ""
			a.layers = append(a.layers, b)
			a.kept += b.Size
			continue
		}
		if l.mediaType == layer.MediaTypeTar && string(l.digest) != string(c.RootFS.DiffIDs[i]) {
			return nil, errArchive("the layer %d is %s, and the configuration says %s", i+1, l.digest, c.RootFS.DiffIDs[i])
		}
		note := historyNote(&c, i)
		a.layers = append(a.layers, cairn.ImageLayer{Digest: l.digest, DiffID: cairn.Digest(c.RootFS.DiffIDs[i]), Size: l.span.size, MediaType: l.mediaType, Note: note})
		parts = append(parts, part{role: "layer", note: note, digest: l.digest, size: l.span.size,
			open: func() (io.ReadCloser, error) { return io.NopCloser(arc.open(l.span)), nil }})
	}
	raw, err := json.Marshal(j.manifest(a, img.config))
	if err != nil {
		return nil, err
	}
	a.manifest, a.size = cairn.SumBytes(raw), int64(len(raw))
	return a, j.send(ctx, a, parts, img.config, raw)
}

// historyNote is what the history says of the layer i.
func historyNote(c *dockerfile.Image, i int) string {
	n := 0
	for _, h := range c.History {
		if h.EmptyLayer {
			continue
		}
		if n == i {
			s := strings.TrimSuffix(strings.TrimPrefix(h.CreatedBy, "/bin/sh -c #(nop) "), " # buildkit")
			return clip(strings.Join(strings.Fields(s), " "))
		}
		n++
	}
	return ""
}

package build

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci/archive"
	"github.com/cairn-ml/cairn/internal/oci/dockerfile"
	"github.com/cairn-ml/cairn/internal/oci/layer"
)

// importArchive stores the image of an archive; below is what it stands on, where
// that is known. Which models are in it the server looks up by their digests.
func (j *job) importArchive(ctx context.Context, name, platform string, below *base) (*assembled, error) {
	arc, err := archive.Open(ctx, name, j.tmp)
	if err != nil {
		return nil, errArchive("%s", cairn.AsError(err).Message)
	}
	defer arc.Close()
	img, err := arc.Image(ctx, func(p string) bool {
		q, err := dockerfile.ParsePlatform(p)
		return err == nil && q == platform
	})
	if err != nil {
		return nil, errArchive("%s", cairn.AsError(err).Message)
	}
	var c dockerfile.Image
	if err := json.Unmarshal(img.Config, &c); err != nil {
		return nil, errArchive("its configuration: %v", err)
	}
	if len(c.RootFS.DiffIDs) != len(img.Layers) {
		return nil, errArchive("its configuration names %d layers, and it has %d", len(c.RootFS.DiffIDs), len(img.Layers))
	}
	a := &assembled{platform: platform}
	shared := 0
	if below != nil && standsOn(&c, &below.config) {
		shared = len(below.config.RootFS.DiffIDs)
		a.base, a.baseName = below.image.Digest, below.name
	}
	var parts []part
	for i, l := range img.Layers {
		if i < shared {
			// The base as Cairn has it: the same files, and no second copy of them.
			b := below.image.Layers[i]
			b.MediaType, b.Role, b.DiffID, b.Note = ociType(b.MediaType), cairn.LayerBase, cairn.Digest(c.RootFS.DiffIDs[i]), ""
			a.layers = append(a.layers, b)
			a.kept += b.Size
			continue
		}
		if l.MediaType == layer.MediaTypeTar && string(l.Digest) != string(c.RootFS.DiffIDs[i]) {
			return nil, errArchive("the layer %d is %s, and the configuration says %s", i+1, l.Digest, c.RootFS.DiffIDs[i])
		}
		note := historyNote(&c, i)
		a.layers = append(a.layers, cairn.ImageLayer{Digest: l.Digest, DiffID: cairn.Digest(c.RootFS.DiffIDs[i]), Size: l.Size, MediaType: ociType(l.MediaType), Note: note})
		parts = append(parts, part{role: "layer", note: note, digest: l.Digest, size: l.Size, open: l.Open})
	}
	raw, err := json.Marshal(j.manifest(a, img.Config))
	if err != nil {
		return nil, err
	}
	a.manifest, a.size = cairn.SumBytes(raw), int64(len(raw))
	return a, j.send(ctx, a, parts, img.Config, raw)
}

// standsOn reports whether an image begins with the layers of another: an executor
// may have had another image of the same name.
func standsOn(c, below *dockerfile.Image) bool {
	n := len(below.RootFS.DiffIDs)
	return len(c.RootFS.DiffIDs) >= n && slices.Equal(c.RootFS.DiffIDs[:n], below.RootFS.DiffIDs)
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

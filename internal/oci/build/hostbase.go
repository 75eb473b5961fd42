package build

import (
	"context"
	"encoding/json"
	"io"
	"os"

	"github.com/cairn-ml/cairn"
	host "github.com/cairn-ml/cairn/internal/oci/base"
	"github.com/cairn-ml/cairn/internal/oci/dockerfile"
	"github.com/cairn-ml/cairn/internal/oci/layer"
	"github.com/cairn-ml/cairn/internal/oci/ref"
)

// HostBase asks for a base image that is made of this machine's Python.
type HostBase struct {
	Python  string // path of the interpreter
	As      []string
	Own     []string // addresses of Cairn's own registry
	Environ []string
}

// FromHost captures the interpreter and records it as an image.
func (b *Builder) FromHost(ctx context.Context, srv Server, h HostBase, log io.Writer) (*cairn.Image, error) {
	j := &job{o: b.o, srv: srv, log: log, res: &cairn.BuildResult{}}
	names := make([]string, 0, len(h.As))
	for _, n := range h.As {
		r, err := ref.ParseLocal(n, h.Own)
		if err != nil {
			return nil, err
		}
		if r.Digest != "" {
			return nil, cairn.Errorf(cairn.CodeInvalid, "%s has a digest: a new image cannot be given one", n).WithHint("name it with a tag: %s:latest", r.Name)
		}
		j.names = append(j.names, r)
		names = append(names, r.String())
	}
	var err error
	if j.tmp, err = os.MkdirTemp("", "cairn-base-"); err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "no place for an image: %w", err)
	}
	defer j.clean()
	res, err := host.FromHost(ctx, host.Options{Python: h.Python, Environ: h.Environ, Dir: j.tmp, Log: log})
	if err != nil {
		return nil, err
	}
	var c dockerfile.Image
	if err := json.Unmarshal(res.Config, &c); err != nil {
		return nil, cairn.Errorf(cairn.CodeInternal, "the configuration of the base: %w", err)
	}
	a := &assembled{platform: c.OS + "/" + c.Architecture, builder: "cairn"}
	var parts []part
	for _, l := range res.Layers {
		p := part{role: cairn.LayerBase, note: l.Note, digest: l.Blob.Digest, size: l.Blob.Size, open: func() (io.ReadCloser, error) { return openFile(l.Blob.Path) }}
		parts = append(parts, p)
		a.layers = append(a.layers, cairn.ImageLayer{Digest: p.digest, DiffID: p.digest, Size: p.size, MediaType: layer.MediaTypeTar, Role: p.role, Note: p.note})
	}
	raw, err := json.Marshal(j.manifest(a, res.Config))
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeInternal, "the manifest cannot be written: %w", err)
	}
	a.manifest = cairn.SumBytes(raw)
	if err := j.send(ctx, a, parts, res.Config, raw); err != nil {
		return nil, err
	}
	img, err := srv.RecordImage(ctx, cairn.ImageBuild{Manifest: a.manifest, Names: names, Layers: a.layers, Packed: []cairn.Packed{}, Builder: a.builder})
	if err != nil {
		return nil, err
	}
	for _, n := range res.Notes {
		j.printf("note: %s", n)
	}
	j.printf("image        %s (Python %s, %s)", img.Digest, res.Python, res.Libc)
	for _, n := range j.names {
		j.printf("name         %s", n.Familiar())
	}
	return img, nil
}

package server

import (
	"context"
	"io"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cas"
	"github.com/cairn-ml/cairn/internal/deploy/local"
	"github.com/cairn-ml/cairn/internal/oci/layer"
	"github.com/cairn-ml/cairn/internal/runner/python"
)

// localTarget serves releases on this machine.
func (s *Server) localTarget(exe string) (*local.Target, error) {
	return local.New(local.Options{
		Home: s.o.Home, Stage: []string{exe, "_stage"}, Enter: []string{exe, "_enter"}, Environ: s.o.Env,
		Serving: local.Serving(s.config.Serving), Blobs: s.blobs, Unpack: unpacker{s.blobs},
		Image: func(ctx context.Context, d cairn.Digest) (*cairn.Image, error) {
			img, err := s.store.Image(ctx, Workspace, d)
			return &img, err
		},
		Python: s.findPython, URL: s.URL, Log: s.log,
	})
}

// findPython gives the path of an interpreter of this machine.
func (s *Server) findPython(ctx context.Context, version string) (string, error) {
	spec, err := python.ParseSpec(version)
	if err != nil {
		return "", err
	}
	py, err := s.tools.Find(ctx, spec, "")
	return py.Path, err
}

// unpacker unpacks layers out of the blobs.
type unpacker struct{ blobs *cas.Store }

// Unpack puts layers into a folder.
func (u unpacker) Unpack(ctx context.Context, layers []cairn.ImageLayer, dir string) error {
	var from []layer.Source
	for _, l := range layers {
		from = append(from, layer.Source{Digest: l.Digest, MediaType: l.MediaType, Open: func(ctx context.Context) (io.ReadCloser, error) {
			r, _, err := u.blobs.Get(ctx, l.Digest)
			return r, err
		}})
	}
	return layer.Apply(ctx, dir, from, layer.ApplyOptions{})
}

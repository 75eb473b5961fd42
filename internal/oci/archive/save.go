package archive

import (
	"archive/tar"
	"context"
	"encoding/json"
	"io"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci"
	"github.com/cairn-ml/cairn/internal/oci/layer"
	"github.com/cairn-ml/cairn/internal/oci/remote"
)

// Save writes an image as an OCI layout that docker load reads, too: the same image
// and names give the same bytes.
func Save(ctx context.Context, w io.Writer, img *cairn.Image, names []string, src remote.Source) error {
	s := &saver{ctx: ctx, w: tar.NewWriter(w), src: src, done: map[cairn.Digest]bool{}}
	if err := s.save(img.Digest, names); err != nil {
		return err
	}
	return s.w.Close()
}

type saver struct {
	ctx  context.Context
	w    *tar.Writer
	src  remote.Source
	done map[cairn.Digest]bool
}

func (s *saver) save(d cairn.Digest, names []string) error {
	if err := s.file("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)); err != nil {
		return err
	}
	raw, m, err := s.manifest(d)
	if err != nil {
		return err
	}
	top := oci.Manifest{SchemaVersion: 2, MediaType: oci.TypeIndex}
	entry := oci.Descriptor{MediaType: m.MediaType, Digest: string(d), Size: int64(len(raw))}
	if len(names) == 0 {
		top.Manifests = []oci.Descriptor{entry}
	}
	for _, n := range names {
		e := entry
		e.Annotations = map[string]string{annotationImage: n, annotationName: n}
		top.Manifests = append(top.Manifests, e)
	}
	index, err := json.Marshal(top)
	if err != nil {
		return err
	}
	if err := s.file("index.json", index); err != nil {
		return err
	}
	if !m.Index() {
		if names == nil {
			names = []string{}
		}
		one := map[string]any{"Config": blobPath(m.Config.Digest), "RepoTags": names}
		layers := []string{}
		for _, l := range m.Layers {
			layers = append(layers, blobPath(l.Digest))
		}
		one["Layers"] = layers
		list, err := json.Marshal([]any{one})
		if err != nil {
			return err
		}
		if err := s.file("manifest.json", list); err != nil {
			return err
		}
	}
	return s.image(raw, m)
}

// manifest reads a manifest and checks it.
func (s *saver) manifest(d cairn.Digest) ([]byte, *oci.Manifest, error) {
	r, _, err := s.src.GetBlob(s.ctx, d)
	if err != nil {
		return nil, nil, err
	}
	r = oci.Checked(r, d)
	defer r.Close()
	raw, err := io.ReadAll(io.LimitReader(r, oci.MaxManifest+1))
	if err != nil {
		return nil, nil, err
	}
	m, err := oci.ParseManifest(raw, "")
	return raw, m, err
}

func (s *saver) image(raw []byte, m *oci.Manifest) error {
	d := cairn.SumBytes(raw)
	if s.done[d] {
		return nil
	}
	s.done[d] = true
	if err := s.file(blobPath(string(d)), raw); err != nil {
		return err
	}
	for _, c := range m.Manifests {
		raw, m, err := s.manifest(cairn.Digest(c.Digest))
		if cairn.CodeOf(err) == cairn.CodeNotFound {
			continue // an index may name images that were not fetched
		}
		if err != nil {
			return err
		}
		if err := s.image(raw, m); err != nil {
			return err
		}
	}
	if m.Config == nil {
		return nil
	}
	for _, c := range append([]oci.Descriptor{*m.Config}, m.Layers...) {
		if err := s.blob(c); err != nil {
			return err
		}
	}
	return nil
}

func (s *saver) blob(c oci.Descriptor) error {
	d := cairn.Digest(c.Digest)
	if s.done[d] {
		return nil
	}
	s.done[d] = true
	r, size, err := s.src.GetBlob(s.ctx, d)
	if cairn.CodeOf(err) == cairn.CodeNotFound && oci.Foreign(c.MediaType) {
		return nil
	}
	if err != nil {
		return err
	}
	r = oci.Checked(r, d)
	defer r.Close()
	if size != c.Size {
		return cairn.Errorf(cairn.CodeFailed, "%s is damaged in the store: it has %d bytes instead of %d", d, size, c.Size).WithHint("cairn fsck lists what is hit")
	}
	if err := s.w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: blobPath(c.Digest), Size: size, Mode: 0o644}); err != nil {
		return err
	}
	_, err = io.Copy(s.w, layer.WithContext(s.ctx, r))
	return err
}

func (s *saver) file(name string, b []byte) error {
	if err := s.w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(b)), Mode: 0o644}); err != nil {
		return err
	}
	_, err := s.w.Write(b)
	return err
}

package build

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci"
	"github.com/cairn-ml/cairn/internal/oci/dockerfile"
	"github.com/cairn-ml/cairn/internal/oci/layer"
	"github.com/cairn-ml/cairn/internal/oci/remote"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// The labels and annotations that Cairn sets.
const (
	labelRevision   = "org.opencontainers.image.revision"
	labelSource     = "org.opencontainers.image.source"
	annotationBase  = "org.opencontainers.image.base.digest"
	annotationNamed = "org.opencontainers.image.base.name"
)

// store sends what the server lacks and writes the manifest of an image.
func (j *job) store(ctx context.Context, a *assembled, st *stage, parts []part) error {
	config := st.plan.Image
	created, err := j.created()
	if err != nil {
		return err
	}
	if st.base != nil {
		for i, l := range st.base.image.Layers {
			l.MediaType, l.Role, l.Note, l.DiffID = ociType(l.MediaType), cairn.LayerBase, "", cairn.Digest(config.RootFS.DiffIDs[i])
			if i == 0 {
				l.Note = st.base.name
			}
			a.layers = append(a.layers, l)
			a.kept += l.Size
		}
	}
	for _, p := range parts {
		a.layers = append(a.layers, cairn.ImageLayer{Digest: p.digest, DiffID: p.digest, Size: p.size, MediaType: layer.MediaTypeTar, Role: p.role, Note: p.note})
	}
	j.describe(&config, st.plan, parts, created)
	rawConfig, err := json.Marshal(config)
	if err != nil {
		return cairn.Errorf(cairn.CodeInternal, "the configuration cannot be written: %w", err)
	}
	if len(rawConfig) > configLimit {
		return cairn.Errorf(cairn.CodeTooLarge, "the configuration of the image has %d bytes; at most %d are read again", len(rawConfig), configLimit).
			WithHint("its ENV, LABEL and CMD lines are too long: put the text into a file and copy that")
	}
	rawManifest, err := json.Marshal(j.manifest(a, rawConfig))
	if err != nil {
		return cairn.Errorf(cairn.CodeInternal, "the manifest cannot be written: %w", err)
	}
	a.manifest, a.size = cairn.SumBytes(rawManifest), int64(len(rawManifest))
	return j.send(ctx, a, parts, rawConfig, rawManifest)
}

// describe completes the configuration.
func (j *job) describe(c *dockerfile.Image, s *dockerfile.Stage, parts []part, created *time.Time) {
	c.Created = created
	for _, m := range s.Meta {
		c.History = append(c.History, ocispec.History{Created: created, CreatedBy: m, Comment: "cairn", EmptyLayer: true})
	}
	for _, p := range parts {
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, digest.Digest(p.digest))
		c.History = append(c.History, ocispec.History{Created: created, CreatedBy: p.role + ": " + p.note, Comment: "cairn"})
	}
	c.RootFS.Type = "layers"
	labels := c.Config.Labels
	if labels == nil {
		labels = map[string]string{}
	}
	for k, v := range j.r.Labels {
		labels[k] = v
	}
	for k, v := range j.originLabels() {
		if labels[k] == "" {
			labels[k] = v
		}
	}
	if len(labels) > 0 {
		c.Config.Labels = labels
	}
}

// created is the time that the image says it was made: the same for the same
// inputs.
func (j *job) created() (*time.Time, error) {
	for _, v := range []string{j.r.BuildArgs["SOURCE_DATE_EPOCH"], j.r.Env["SOURCE_DATE_EPOCH"]} {
		if v == "" {
			continue
		}
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < 0 || n > 1<<36 {
			return nil, cairn.Errorf(cairn.CodeInvalid, "SOURCE_DATE_EPOCH is %q", clip(v)).WithHint("it is a number of seconds since 1970")
		}
		t := time.Unix(n, 0).UTC()
		return &t, nil
	}
	t := time.Unix(0, 0).UTC()
	return &t, nil
}

func (j *job) manifest(a *assembled, config []byte) *oci.Manifest {
	m := &oci.Manifest{SchemaVersion: 2, MediaType: oci.TypeManifest,
		Config: &oci.Descriptor{MediaType: oci.TypeConfig, Digest: string(cairn.SumBytes(config)), Size: int64(len(config))},
		Layers: []oci.Descriptor{}, Annotations: map[string]string{}}
	for _, l := range a.layers {
		m.Layers = append(m.Layers, oci.Descriptor{MediaType: l.MediaType, Digest: string(l.Digest), Size: l.Size})
	}
	if a.base != "" {
		m.Annotations[annotationBase], m.Annotations[annotationNamed] = string(a.base), a.baseName
	}
	for k, v := range j.r.Annotations {
		m.Annotations[k] = v
	}
	if len(m.Annotations) == 0 {
		m.Annotations = nil
	}
	return m
}

// send stores the layers that are not there, then configuration and manifest.
func (j *job) send(ctx context.Context, a *assembled, parts []part, config, manifest []byte) error {
	small := []Blob{bytesBlob(config), bytesBlob(manifest)}
	var ask []cairn.Digest
	for _, p := range parts {
		ask = append(ask, p.digest)
	}
	for _, b := range small {
		ask = append(ask, b.Digest)
	}
	missing, err := j.srv.MissingBlobs(ctx, ask)
	if err != nil {
		return err
	}
	lacks := map[cairn.Digest]bool{}
	for _, d := range missing {
		lacks[d] = true
	}
	j.res.Kept += a.kept
	var blobs []Blob
	state := map[cairn.Digest]string{}
	for _, p := range parts {
		switch {
		case !lacks[p.digest]:
			j.res.Kept += p.size
			state[p.digest] = "already there"
		case state[p.digest] == "":
			j.res.Sent += p.size
			state[p.digest] = "stored"
			blobs = append(blobs, Blob{Digest: p.digest, Size: p.size, Open: p.open})
		}
	}
	for _, b := range small {
		if lacks[b.Digest] {
			blobs = append(blobs, b)
		}
	}
	if len(blobs) > 0 {
		if err := j.srv.UploadBlobs(ctx, blobs); err != nil {
			if ctx.Err() != nil {
				return err
			}
			return storeError(err)
		}
	}
	j.tell(a, parts, state)
	return nil
}

// tell writes a line for each part of the image.
func (j *job) tell(a *assembled, parts []part, state map[cairn.Digest]string) {
	if n := len(a.layers) - len(parts); n > 0 {
		j.printf("%-12s %-40s %10s  already there", cairn.LayerBase, a.baseName+" ("+count(n, "layer")+")", remote.SizeText(a.kept))
	}
	for _, p := range parts {
		note := p.note
		if r := []rune(note); len(r) > 40 {
			note = string(r[:39]) + "…"
		}
		j.printf("%-12s %-40s %10s  %s", p.role, note, remote.SizeText(p.size), state[p.digest])
	}
}

// record writes the rows of what was made; several platforms are one index.
func (j *job) record(ctx context.Context, made []*assembled, platforms []string) error {
	names := make([]string, len(j.names))
	for i, n := range j.names {
		names[i] = n.String()
	}
	dockerfileDigest := cairn.SumBytes(j.file.Source())
	var index oci.Manifest
	for _, a := range made {
		b := cairn.ImageBuild{Manifest: a.manifest, Layers: a.layers, Packed: a.packed, Base: a.base, BaseName: a.baseName,
			Environment: a.env, Dockerfile: dockerfileDigest, Builder: a.builder}
		if b.Packed == nil && a.builder == "cairn" {
			b.Packed = []cairn.Packed{} // looked for, and none is there
		}
		if len(made) == 1 {
			b.Names = names
		}
		img, err := j.srv.RecordImage(ctx, b)
		if err != nil {
			return err
		}
		j.res.Image = img
		os, arch, variant := platformParts(a.platform)
		index.Manifests = append(index.Manifests, oci.Descriptor{MediaType: oci.TypeManifest, Digest: string(a.manifest), Size: a.size,
			Platform: &oci.Platform{OS: os, Architecture: arch, Variant: variant}})
	}
	if len(made) > 1 {
		index.SchemaVersion, index.MediaType, index.Annotations = 2, oci.TypeIndex, j.r.Annotations
		raw, err := json.Marshal(index)
		if err != nil {
			return cairn.Errorf(cairn.CodeInternal, "the index cannot be written: %w", err)
		}
		blob := bytesBlob(raw)
		if err := j.srv.UploadBlobs(ctx, []Blob{blob}); err != nil {
			return storeError(err)
		}
		img, err := j.srv.RecordImage(ctx, cairn.ImageBuild{Manifest: blob.Digest, Names: names, Layers: []cairn.ImageLayer{}, Packed: []cairn.Packed{},
			Dockerfile: dockerfileDigest, Builder: made[0].builder})
		if err != nil {
			return err
		}
		j.res.Image = img
	}
	j.printf("sent         %s; %s were there", remote.SizeText(j.res.Sent), remote.SizeText(j.res.Kept))
	j.printf("image        %s", j.res.Image.Digest)
	for _, n := range j.names {
		j.printf("name         %s", n.Familiar())
	}
	return nil
}

func platformParts(p string) (os, arch, variant string) {
	parts := append(strings.Split(p, "/"), "", "", "")
	return parts[0], parts[1], parts[2]
}

// ociType gives a layer the name that it has in a manifest of OCI: the bytes are
// the same.
func ociType(t string) string {
	switch t {
	case layer.DockerTypeTar:
		return layer.MediaTypeTar
	case layer.DockerTypeGzip, "application/vnd.docker.image.rootfs.diff.tar.gz":
		return layer.MediaTypeGzip
	case layer.DockerTypeZstd:
		return layer.MediaTypeZstd
	}
	return t
}

func bytesBlob(b []byte) Blob {
	return Blob{Digest: cairn.SumBytes(b), Size: int64(len(b)), Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }}
}

func openFile(name string) (io.ReadCloser, error) { return os.Open(name) }

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

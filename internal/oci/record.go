package oci

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// maxPackedRows bounds the files that a row names; the links are complete.
const maxPackedRows = 2000

// maxPacked bounds what a builder may tell of.
const maxPacked = 100_000

// labelRevision and labelBase are what builders write down about an image's origin.
const (
	labelRevision = "org.opencontainers.image.revision"
	labelBase     = "org.opencontainers.image.base.digest"
	labelBaseName = "org.opencontainers.image.base.name"
)

// Record writes an image that a builder made and whose bytes are stored, with its
// tags, events and links, in one transaction.
func (s *Service) Record(ctx context.Context, b cairn.ImageBuild, actor cairn.Principal) (*cairn.Image, error) {
	if _, err := cairn.ParseDigest(string(b.Manifest)); err != nil {
		return nil, err
	}
	raw, err := s.o.Blobs.ReadBlob(ctx, b.Manifest, MaxManifest)
	if err != nil {
		return nil, notStored(err, b.Manifest)
	}
	names, err := s.names(b.Manifest, b.Names)
	if err != nil {
		return nil, err
	}
	img, err := s.image(ctx, b.Manifest, raw, "")
	if err != nil {
		return nil, err
	}
	if err := takeLayers(img, b.Layers); err != nil {
		return nil, err
	}
	if img.Builder = clip(b.Builder); img.Builder == "" {
		img.Builder = "cairn"
	}
	if b.Base != "" || b.BaseName != "" {
		if img.Base = b.Base; b.Base != "" && !b.Base.Valid() {
			return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not the digest of a base", clip(string(b.Base)))
		}
		img.BaseName = clip(b.BaseName)
	}
	links, err := s.setCommit(ctx, img, actor)
	if err != nil {
		return nil, err
	}
	switch {
	case b.Packed != nil:
		if img.Packed, err = s.checkPacked(ctx, b.Packed); err != nil {
			return nil, err
		}
	case img.Builder != "cairn" && img.Builder != cairn.BuilderHostPython:
		s.lookThrough(ctx, img, actor)
	}
	if b.Environment != "" {
		if b.Environment.Kind() != cairn.KindEnvironment {
			return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not an environment", clip(string(b.Environment)))
		}
		links = append(links, cairn.Link{From: img.Ref(), Relation: cairn.RelPacked, To: b.Environment, Note: "packages"})
	}
	return s.put(ctx, img, names, links, actor)
}

// put completes an image with its maker and its links, and writes it.
func (s *Service) put(ctx context.Context, img *cairn.Image, tags []cairn.ImageTag, links []cairn.Link, actor cairn.Principal) (*cairn.Image, error) {
	now := s.o.Now().UTC()
	img.Workspace, img.By, img.CreatedAt = s.o.Workspace, actor.Name, now
	img.Job, img.Run, img.Attempt = actor.Job, actor.Run, actor.Attempt
	made := cairn.Link{From: maker(actor), Relation: cairn.RelMade, To: img.Ref()}
	if old, err := s.o.Store.Image(ctx, s.o.Workspace, img.Digest); err == nil && !old.Deleted {
		made.Note = "made again with the same content"
	}
	links = append(links, made)
	if img.Base != "" && img.Base != img.Digest {
		if _, err := s.o.Store.Image(ctx, s.o.Workspace, img.Base); err == nil {
			links = append(links, cairn.Link{From: img.Ref(), Relation: cairn.RelPacked, To: cairn.ImageRef(img.Base), Note: strings.TrimSpace("base " + img.BaseName)})
		} else if cairn.CodeOf(err) != cairn.CodeNotFound {
			return nil, err
		}
	}
	links = append(links, packedLinks(img)...)
	img.Packed = img.Packed[:min(len(img.Packed), maxPackedRows)]
	ch := cairn.Change{By: actor.Name, Links: links, Events: []cairn.Event{event(cairn.EvImage, img.Ref(), actor, img)}}
	for i := range tags {
		t := &tags[i]
		t.Workspace, t.Digest, t.By, t.Job, t.At = s.o.Workspace, img.Digest, actor.Name, actor.Job, now
		if t.Tag != "" {
			ch.Events = append(ch.Events, event(cairn.EvImageTag, img.Ref(), actor, t))
		}
	}
	out, err := s.o.Store.PutImage(ctx, *img, tags, ch)
	if err != nil {
		return nil, err
	}
	return &out, nil
}

// setCommit says which commit an image comes from: that of its job's run, else what
// its label says, where that commit is known.
func (s *Service) setCommit(ctx context.Context, img *cairn.Image, actor cairn.Principal) ([]cairn.Link, error) {
	if actor.Run != 0 {
		r, err := s.o.Store.Run(ctx, actor.Run)
		if err != nil {
			return nil, err
		}
		img.Repository, img.Commit, img.Dirty = r.Repository, r.Commit.SHA, r.Dirty
		return nil, nil
	}
	sha := img.Labels[labelRevision]
	if s.o.Code == nil || len(sha) != 40 || !isHex(sha) {
		return nil, nil
	}
	repo, err := s.o.Code.Commit(ctx, sha)
	if err != nil || repo == "" {
		return nil, err
	}
	img.Repository, img.Commit = repo, sha
	return []cairn.Link{{From: img.Ref(), Relation: cairn.RelPacked, To: cairn.CommitRef(sha), Note: "label " + labelRevision}}, nil
}

// image reads a manifest and makes sure that all it names is stored.
func (s *Service) image(ctx context.Context, d cairn.Digest, raw []byte, contentType string) (*cairn.Image, error) {
	m, err := ParseManifest(raw, contentType)
	if err != nil {
		return nil, err
	}
	img := &cairn.Image{Digest: d, MediaType: m.MediaType, ArtifactType: m.Kind(), Labels: map[string]string{}}
	if m.Subject != nil {
		img.Subject = cairn.Digest(m.Subject.Digest)
	}
	for i := range m.Manifests {
		img.Manifests = append(img.Manifests, cairn.Digest(m.Manifests[i].Digest))
		img.Size += m.Manifests[i].Size
	}
	if m.Config != nil {
		if err := s.stored(ctx, m); err != nil {
			return nil, err
		}
		img.Config = cairn.Digest(m.Config.Digest)
		img.Size = m.Config.Size
		for i := range m.Layers {
			l := &m.Layers[i]
			img.Layers = append(img.Layers, cairn.ImageLayer{Digest: cairn.Digest(l.Digest), Size: l.Size, MediaType: l.MediaType})
			img.Size += l.Size
		}
		if err := s.readConfig(ctx, m, img); err != nil {
			return nil, err
		}
	}
	addLabels(img, m.Annotations)
	if base, err := cairn.ParseDigest(img.Labels[labelBase]); err == nil {
		img.Base, img.BaseName = base, clip(img.Labels[labelBaseName])
	}
	return img, nil
}

// readConfig takes platform, labels and the digests of the layers' content from the
// configuration of an image; that of another artifact says nothing.
func (s *Service) readConfig(ctx context.Context, m *Manifest, img *cairn.Image) error {
	if m.Config.MediaType != TypeConfig && m.Config.MediaType != TypeDockerConfig {
		return nil
	}
	img.ArtifactType = m.ArtifactType
	b, err := s.o.Blobs.ReadBlob(ctx, img.Config, maxConfig)
	if err != nil {
		return err
	}
	var c ImageConfig
	if err := json.Unmarshal(b, &c); err != nil {
		// What pushes something else under this type is not hindered: it is only not
		// understood.
		s.o.Log.Debug("a configuration is not understood", "digest", img.Config, "error", err)
		return nil
	}
	img.Platform = c.Platform.String()
	addLabels(img, c.Config.Labels)
	if len(c.RootFS.DiffIDs) == len(img.Layers) {
		for i, d := range c.RootFS.DiffIDs {
			if diff, err := cairn.ParseDigest(d); err == nil {
				img.Layers[i].DiffID = diff
			}
		}
	}
	return nil
}

// stored refuses a manifest whose configuration or layers are not there with the
// sizes that it says.
func (s *Service) stored(ctx context.Context, m *Manifest) error {
	need := []Descriptor{*m.Config}
	for _, l := range m.Layers {
		if !Foreign(l.MediaType) {
			need = append(need, l)
		}
	}
	ds := make([]cairn.Digest, len(need))
	for i, d := range need {
		ds[i] = cairn.Digest(d.Digest)
	}
	// Asked for as missing they count as new, so that nobody collects them meanwhile.
	missing, err := s.o.Blobs.Missing(ctx, ds)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return &blobUnknown{missing[0], cairn.Errorf(cairn.CodeConflict, "%d of the blobs that the manifest names are not stored, %s first", len(missing), missing[0]).
			WithHint("upload configuration and layers before the manifest")}
	}
	for _, d := range need {
		size, err := s.o.Blobs.Stat(ctx, cairn.Digest(d.Digest))
		if err != nil {
			return err
		}
		if size != d.Size {
			return badManifest("%s has %d bytes, not %d", d.Digest, size, d.Size)
		}
	}
	return nil
}

// blobUnknown is a manifest's blob that is not there; the registry protocol has a
// code of its own for it.
type blobUnknown struct {
	digest cairn.Digest
	err    *cairn.Error
}

func (e *blobUnknown) Error() string { return e.err.Error() }
func (e *blobUnknown) Unwrap() error { return e.err }

// BlobUnknown returns the digest that a manifest names and that is not stored, if
// that is what err says.
func BlobUnknown(err error) (cairn.Digest, bool) {
	for err != nil {
		if e, ok := err.(*blobUnknown); ok {
			return e.digest, true
		}
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			break
		}
		err = u.Unwrap()
	}
	return "", false
}

// takeLayers takes over what a builder says of layers; it has to be of this
// manifest's.
func takeLayers(img *cairn.Image, told []cairn.ImageLayer) error {
	if len(told) == 0 {
		return nil
	}
	if len(told) != len(img.Layers) {
		return cairn.Errorf(cairn.CodeInvalid, "%d layers are told of, the manifest has %d", len(told), len(img.Layers))
	}
	for i, l := range told {
		if l.Digest != img.Layers[i].Digest {
			return cairn.Errorf(cairn.CodeInvalid, "layer %d is told as %s, the manifest has %s", i+1, clip(string(l.Digest)), img.Layers[i].Digest)
		}
		if l.Role != "" && !slices.Contains([]string{cairn.LayerBase, cairn.LayerDeps, cairn.LayerCode, cairn.LayerModel}, l.Role) {
			return cairn.Errorf(cairn.CodeInvalid, "%q is not the role of a layer", clip(l.Role)).
				WithHint("roles are %s, %s, %s and %s", cairn.LayerBase, cairn.LayerDeps, cairn.LayerCode, cairn.LayerModel)
		}
		img.Layers[i].Role, img.Layers[i].Note = l.Role, strings.ToValidUTF8(l.Note[:min(len(l.Note), 500)], "")
	}
	return nil
}

// checkPacked makes sure that the versions named hold the files named.
func (s *Service) checkPacked(ctx context.Context, ps []cairn.Packed) ([]cairn.Packed, error) {
	if len(ps) > maxPacked {
		return nil, cairn.Errorf(cairn.CodeTooLarge, "%d packed files; at most %d are kept", len(ps), maxPacked)
	}
	held := map[cairn.Digest][]cairn.Holder{}
	for _, p := range ps {
		if _, err := cairn.ParseDigest(string(p.Digest)); err != nil {
			return nil, err
		}
		if p.Path == "" || len(p.Path) > 4096 || path.Clean("/"+p.Path) != "/"+p.Path {
			return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not a path in an image", clip(p.Path))
		}
		hs, asked := held[p.Digest]
		if !asked {
			var err error
			if hs, err = s.o.Store.Holding(ctx, s.o.Workspace, p.Digest, holdersLimit); err != nil {
				return nil, err
			}
			held[p.Digest] = hs
		}
		for _, r := range append([]cairn.Ref{p.Ref}, p.Others...) {
			if !slices.ContainsFunc(hs, func(h cairn.Holder) bool { return h.Ref == r }) {
				return nil, cairn.Errorf(cairn.CodeInvalid, "%s does not hold %s, which is packed as %s", clip(string(r)), p.Digest, clip(p.Path))
			}
		}
	}
	return ps, nil
}

// packedLinks are the links of an image to what is packed into it: one for each
// version, with a note of where.
func packedLinks(img *cairn.Image) []cairn.Link {
	type place struct {
		paths  []string
		others []cairn.Ref
	}
	at := map[cairn.Ref]*place{}
	var order []cairn.Ref
	for _, p := range img.Packed {
		if at[p.Ref] == nil {
			at[p.Ref] = &place{}
			order = append(order, p.Ref)
		}
		at[p.Ref].paths = append(at[p.Ref].paths, p.Path)
		for _, o := range p.Others {
			if !slices.Contains(at[p.Ref].others, o) {
				at[p.Ref].others = append(at[p.Ref].others, o)
			}
		}
	}
	var out []cairn.Link
	for _, r := range order {
		note := where(at[r].paths)
		for i, o := range at[r].others {
			switch i {
			case 0:
				note += "; ambiguous: also " + string(o)
			case 5:
				note += fmt.Sprintf(" and %d more", len(at[r].others)-5)
			default:
				if i < 5 {
					note += ", " + string(o)
				}
			}
		}
		out = append(out, cairn.Link{From: img.Ref(), Relation: cairn.RelPacked, To: r, Note: note})
	}
	return out
}

// where tells of one path, or of the folder that many lie in.
func where(paths []string) string {
	if len(paths) == 1 {
		return paths[0]
	}
	dir := path.Dir(paths[0])
	for _, p := range paths[1:] {
		for dir != "." && dir != "/" && !strings.HasPrefix(p, dir+"/") {
			dir = path.Dir(dir)
		}
	}
	if dir == "." {
		dir = "/"
	}
	return fmt.Sprintf("%s, %d files", dir, len(paths))
}

func notStored(err error, d cairn.Digest) error {
	if cairn.CodeOf(err) != cairn.CodeNotFound {
		return err
	}
	return cairn.Errorf(cairn.CodeConflict, "%s is not stored here: upload the content first", d)
}

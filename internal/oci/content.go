package oci

import (
	"bytes"
	"context"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci/ref"
)

// PutManifest takes a manifest that was pushed into a repository. tag is "" for one
// that was pushed by its digest; want is the digest that its sender names, "" for
// none.
func (s *Service) PutManifest(ctx context.Context, name, tag string, want cairn.Digest, contentType string, raw []byte, actor cairn.Principal) (*cairn.Image, error) {
	d := cairn.SumBytes(raw)
	if want != "" && want != d {
		return nil, cairn.Errorf(cairn.CodeInvalid, "the manifest that was sent is %s, not %s", d, want)
	}
	if tag != "" {
		if err := ref.CheckTag(tag); err != nil {
			return nil, err
		}
	}
	img, err := s.image(ctx, d, raw, contentType)
	if err != nil {
		return nil, err
	}
	if _, _, err := s.o.Blobs.Put(ctx, bytes.NewReader(raw), d); err != nil {
		return nil, err
	}
	img.Builder = "push"
	links, err := s.setCommit(ctx, img, actor)
	if err != nil {
		return nil, err
	}
	old, err := s.o.Store.Image(ctx, s.o.Workspace, d)
	switch {
	case err != nil && cairn.CodeOf(err) != cairn.CodeNotFound:
		return nil, err
	case err != nil || old.Deleted:
		s.lookThrough(ctx, img, actor)
	}
	return s.put(ctx, img, []cairn.ImageTag{{Name: name, Tag: tag}}, links, actor)
}

// Manifest finds a manifest of a repository by tag or digest, and reads its bytes.
// A job's use of it is recorded.
func (s *Service) Manifest(ctx context.Context, name, tag string, d cairn.Digest, actor cairn.Principal) (*cairn.Image, []byte, error) {
	if d == "" {
		t, err := s.o.Store.ImageTag(ctx, s.o.Workspace, name, tag)
		if err != nil {
			return nil, nil, err
		}
		d = t.Digest
	}
	in, err := s.o.Store.ImageIn(ctx, s.o.Workspace, name, d, true)
	if err != nil {
		return nil, nil, err
	}
	if !in {
		return nil, nil, cairn.Errorf(cairn.CodeNotFound, "%s does not hold the manifest %s", clip(name), d)
	}
	img, err := s.live(ctx, d)
	if err != nil {
		return nil, nil, err
	}
	raw, err := s.o.Blobs.ReadBlob(ctx, d, MaxManifest)
	if err != nil {
		return nil, nil, err
	}
	asked := name + ":" + tag
	if tag == "" {
		asked = name + "@" + string(d)
	}
	return img, raw, s.used(ctx, img, asked, actor)
}

// DropTag removes a tag of a repository; the image stays.
func (s *Service) DropTag(ctx context.Context, name, tag string, actor cairn.Principal) error {
	t, err := s.o.Store.ImageTag(ctx, s.o.Workspace, name, tag)
	if err != nil {
		return err
	}
	return s.untag(ctx, t, actor)
}

// DropManifest takes a manifest with its tags out of a repository. With the last
// repository that holds it the image is deleted.
func (s *Service) DropManifest(ctx context.Context, name string, d cairn.Digest, actor cairn.Principal) error {
	img, err := s.live(ctx, d)
	if err != nil {
		return err
	}
	holders, err := s.o.Store.ImageHolders(ctx, s.o.Workspace, d, true)
	if err != nil {
		return err
	}
	if len(holders) == 1 && holders[0] == name {
		if err := s.free(ctx, d); err != nil {
			return err
		}
	}
	return s.o.Store.DropImageContent(ctx, s.o.Workspace, name, d, true, func(last bool) cairn.Change {
		if last {
			return s.deleted(img, actor)
		}
		return cairn.Change{By: actor.Name, Events: []cairn.Event{event(cairn.EvImageTag, img.Ref(), actor, cairn.ImageTag{
			Workspace: s.o.Workspace, Name: name, By: actor.Name, Job: actor.Job, At: s.o.Now().UTC()})}}
	})
}

// Blob says how large a blob of a repository is.
func (s *Service) Blob(ctx context.Context, name string, d cairn.Digest) (int64, error) {
	in, err := s.o.Store.ImageIn(ctx, s.o.Workspace, name, d, false)
	if err != nil {
		return 0, err
	}
	if !in {
		return 0, cairn.Errorf(cairn.CodeNotFound, "%s does not hold the blob %s", clip(name), d)
	}
	return s.o.Blobs.Stat(ctx, d)
}

// AddBlob takes a stored blob into a repository.
func (s *Service) AddBlob(ctx context.Context, name string, d cairn.Digest) error {
	// Asked for as missing it counts as new, so that nobody collects it meanwhile.
	missing, err := s.o.Blobs.Missing(ctx, []cairn.Digest{d})
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return cairn.Errorf(cairn.CodeNotFound, "%s is not stored here", d)
	}
	return s.o.Store.AddImageBlob(ctx, s.o.Workspace, name, d)
}

// Mount takes a blob of another repository (of any, with from "") into name; false
// when none has it.
func (s *Service) Mount(ctx context.Context, name, from string, d cairn.Digest) (bool, error) {
	holders, err := s.o.Store.ImageHolders(ctx, s.o.Workspace, d, false)
	if err != nil || len(holders) == 0 {
		return false, err
	}
	if from != "" {
		if in, err := s.o.Store.ImageIn(ctx, s.o.Workspace, from, d, false); err != nil || !in {
			return false, err
		}
	}
	err = s.AddBlob(ctx, name, d)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return false, nil
	}
	return err == nil, err
}

// DropBlob takes a blob out of a repository; others that hold it keep it.
func (s *Service) DropBlob(ctx context.Context, name string, d cairn.Digest, actor cairn.Principal) error {
	return s.o.Store.DropImageContent(ctx, s.o.Workspace, name, d, false, func(bool) cairn.Change { return cairn.Change{By: actor.Name} })
}

// Held is the repository that is read when one is asked for here: itself, and where
// there is no "api", docker.io/library/api, as people say "api" for both.
func (s *Service) Held(ctx context.Context, name string) (string, error) {
	own, err := ref.ParseOwn(name)
	if err != nil || own.Registry() != "" {
		return name, nil
	}
	there, err := s.o.Store.HasImageName(ctx, s.o.Workspace, name)
	if err != nil || there {
		return name, err
	}
	hub, err := ref.Parse(name)
	if err != nil {
		return name, nil
	}
	if there, err = s.o.Store.HasImageName(ctx, s.o.Workspace, hub.Name); err == nil && there {
		name = hub.Name
	}
	return name, err
}

// NameTags lists the tags of a repository behind one of them, in order. A
// repository that holds nothing is not found.
func (s *Service) NameTags(ctx context.Context, name, after string, limit int) ([]string, error) {
	tags, err := s.o.Store.ImageNameTags(ctx, s.o.Workspace, name, after, limit)
	if err != nil || len(tags) > 0 {
		return tags, err
	}
	there, err := s.o.Store.HasImageName(ctx, s.o.Workspace, name)
	if err == nil && !there {
		err = cairn.Errorf(cairn.CodeNotFound, "there is no repository %s", clip(name))
	}
	return nil, err
}

// Names lists the repositories behind one of them, in order.
func (s *Service) Names(ctx context.Context, after string, limit int) ([]string, error) {
	return s.o.Store.ImageNames(ctx, s.o.Workspace, after, limit)
}

// Referrers lists what refers to a manifest in a repository, as descriptors.
func (s *Service) Referrers(ctx context.Context, name string, d cairn.Digest) ([]Descriptor, error) {
	imgs, err := s.o.Store.ImageReferrers(ctx, s.o.Workspace, name, d)
	if err != nil {
		return nil, err
	}
	out := []Descriptor{}
	for i := range imgs {
		raw, err := s.o.Blobs.ReadBlob(ctx, imgs[i].Digest, MaxManifest)
		if err != nil {
			return nil, err
		}
		m, err := ParseManifest(raw, imgs[i].MediaType)
		if err != nil {
			return nil, err
		}
		out = append(out, Descriptor{MediaType: m.MediaType, Digest: string(imgs[i].Digest), Size: int64(len(raw)),
			ArtifactType: m.Kind(), Annotations: m.Annotations})
	}
	return out, nil
}

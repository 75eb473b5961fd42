package oci

import (
	"context"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci/ref"
)

// maxNames bounds the names that one request points to an image.
const maxNames = 200

// name reads a name that shall point to an image: one without a registry is
// Cairn's own.
func (s *Service) name(asked string) (ref.Reference, error) {
	r, err := ref.ParseOwn(asked)
	if err == nil && r.Registry() != "" {
		r, err = ref.ParseLocal(asked, s.own())
	}
	return r, err
}

// names reads many names for the image d, each once. One with its digest makes it a
// part of the repository.
func (s *Service) names(d cairn.Digest, asked []string) ([]cairn.ImageTag, error) {
	if len(asked) > maxNames {
		return nil, cairn.Errorf(cairn.CodeTooLarge, "%d names for one image; at most %d", len(asked), maxNames)
	}
	var out []cairn.ImageTag
	for _, n := range asked {
		r, err := s.name(n)
		if err != nil {
			return nil, err
		}
		if r.Digest != "" && r.Digest != d {
			return nil, cairn.Errorf(cairn.CodeInvalid, "%q names another image: this one is %s", clip(n), d)
		}
		t := cairn.ImageTag{Name: r.Name, Tag: r.Tag}
		if !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out, nil
}

// Tag points names to an image: "v1.2.3" in the repository that asked names, or
// "name:tag" in full.
func (s *Service) Tag(ctx context.Context, asked string, names []string, actor cairn.Principal) ([]cairn.ImageTag, error) {
	img, err := s.Resolve(ctx, asked)
	if err != nil {
		return nil, err
	}
	home, err := s.homeOf(ctx, asked, img)
	if err != nil {
		return nil, err
	}
	full := make([]string, len(names))
	for i, n := range names {
		if full[i] = n; strings.ContainsAny(n, "/:@") {
			continue
		}
		if err := ref.CheckTag(n); err != nil {
			return nil, err
		}
		if home == "" {
			return nil, cairn.Errorf(cairn.CodeInvalid, "%q does not say in which repository: %s has no name yet", clip(n), img.Digest).
				WithHint("write NAME:%s", clip(n))
		}
		full[i] = home + ":" + n
	}
	tags, err := s.names(img.Digest, full)
	if err != nil {
		return nil, err
	}
	if len(tags) == 0 {
		return nil, cairn.Errorf(cairn.CodeInvalid, "no name is given for the image")
	}
	ch := cairn.Change{By: actor.Name}
	for i := range tags {
		t := &tags[i]
		t.Workspace, t.Digest, t.By, t.Job, t.At = s.o.Workspace, img.Digest, actor.Name, actor.Job, s.o.Now().UTC()
		ch.Events = append(ch.Events, event(cairn.EvImageTag, img.Ref(), actor, t))
	}
	return tags, s.o.Store.SetImageTags(ctx, s.o.Workspace, img.Digest, tags, ch)
}

// homeOf is the repository that asked names, else the first that holds the image.
func (s *Service) homeOf(ctx context.Context, asked string, img *cairn.Image) (string, error) {
	holders, err := s.o.Store.ImageHolders(ctx, s.o.Workspace, img.Digest, true)
	if err != nil || len(holders) == 0 {
		return "", err
	}
	if rs, err := s.candidates(asked); err == nil {
		for _, r := range rs {
			if slices.Contains(holders, r.Name) {
				return r.Name, nil
			}
		}
	}
	return holders[0], nil
}

// Untag removes a name; the image stays.
func (s *Service) Untag(ctx context.Context, asked string, actor cairn.Principal) error {
	rs, err := s.candidates(asked)
	if err != nil {
		return err
	}
	for _, r := range rs {
		if r.Digest != "" {
			return cairn.Errorf(cairn.CodeInvalid, "%q is no tag", clip(asked))
		}
		t, err := s.o.Store.ImageTag(ctx, s.o.Workspace, r.Name, r.Tag)
		if cairn.CodeOf(err) == cairn.CodeNotFound {
			continue
		}
		if err != nil {
			return err
		}
		return s.untag(ctx, t, actor)
	}
	return s.noName(ctx, asked, rs)
}

func (s *Service) untag(ctx context.Context, t cairn.ImageTag, actor cairn.Principal) error {
	subject := cairn.ImageRef(t.Digest)
	t.Digest, t.By, t.Job, t.At = "", actor.Name, actor.Job, s.o.Now().UTC()
	return s.o.Store.DeleteImageTag(ctx, s.o.Workspace, t.Name, t.Tag, cairn.Change{By: actor.Name,
		Events: []cairn.Event{event(cairn.EvImageTag, subject, actor, t)}})
}

// Delete takes a name away and, with the last one, the image; asked for by digest
// or id, the image with all its names. One that is live somewhere stays.
func (s *Service) Delete(ctx context.Context, asked string, actor cairn.Principal) error {
	img, err := s.Resolve(ctx, asked)
	if err != nil {
		return err
	}
	if rs, err := s.candidates(strings.TrimPrefix(asked, cairn.KindImage+"/")); err == nil && len(img.Tags) > 1 {
		for _, r := range rs {
			if r.Digest == "" && slices.Contains(img.Tags, r.String()) {
				return s.Untag(ctx, asked, actor)
			}
		}
	}
	if err := s.free(ctx, img.Digest); err != nil {
		return err
	}
	return s.o.Store.DeleteImage(ctx, s.o.Workspace, img.Digest, s.deleted(img, actor))
}

func (s *Service) deleted(img *cairn.Image, actor cairn.Principal) cairn.Change {
	gone := *img
	gone.Deleted, gone.Tags = true, nil
	return cairn.Change{By: actor.Name, Events: []cairn.Event{event(cairn.EvImage, img.Ref(), actor, gone)}}
}

// free refuses to let go of what is in use by a release that is live, itself or in
// an index that names it.
func (s *Service) free(ctx context.Context, d cairn.Digest) error {
	if s.o.InUse == nil {
		return nil
	}
	above, err := s.o.Store.ImageParents(ctx, s.o.Workspace, d)
	if err != nil {
		return err
	}
	by := ""
	for _, one := range append([]cairn.Digest{d}, above...) {
		if by, err = s.o.InUse(ctx, one); err != nil {
			return err
		}
		if by != "" {
			break
		}
	}
	if by == "" {
		return nil
	}
	return cairn.Errorf(cairn.CodeConflict, "the image %s is in use: %s", d.Short(), by).
		WithHint("deploy another one there, or stop it, first")
}

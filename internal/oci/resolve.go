package oci

import (
	"context"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci/ref"
)

// shortID is the least of a docker image id that is looked for.
const shortID = 12

// Resolve finds an image by whatever names it: name[:tag], name@digest, the digest
// of its manifest, docker's image id (the digest of its configuration, or at least
// 12 digits of one), image/sha256:….
func (s *Service) Resolve(ctx context.Context, asked string) (*cairn.Image, error) {
	asked = strings.TrimPrefix(strings.TrimSpace(asked), cairn.KindImage+"/")
	if asked == "" {
		return nil, cairn.Errorf(cairn.CodeInvalid, "no image is named").WithHint("write a name with a tag, a digest or an image id")
	}
	if d := cairn.Digest(asked); d.Valid() {
		return s.byDigest(ctx, d)
	}
	if hex, ok := strings.CutPrefix(asked, "sha256:"); ok {
		if len(hex) < shortID || !isHex(hex) {
			return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not a digest", clip(asked)).
				WithHint("a digest is sha256: and 64 hex digits; at least %d of them name an image", shortID)
		}
		return s.byHex(ctx, hex)
	}
	if len(asked) == 64 && isHex(asked) {
		return s.byHex(ctx, asked) // no name looks like this
	}
	img, err := s.byName(ctx, asked)
	if cairn.CodeOf(err) == cairn.CodeNotFound && len(asked) >= shortID && len(asked) <= 64 && isHex(asked) {
		return s.byHex(ctx, asked)
	}
	return img, err
}

// Use is Resolve for a job, whose use of the image is recorded, unless it made it.
func (s *Service) Use(ctx context.Context, asked string, actor cairn.Principal) (*cairn.Image, error) {
	img, err := s.Resolve(ctx, asked)
	if err != nil {
		return nil, err
	}
	return img, s.used(ctx, img, asked, actor)
}

func (s *Service) used(ctx context.Context, img *cairn.Image, asked string, actor cairn.Principal) error {
	if actor.Job == 0 {
		return nil
	}
	links, err := s.o.Store.LinksFrom(ctx, cairn.JobRef(actor.Job))
	if err != nil {
		return err
	}
	for _, l := range links {
		if l.To == img.Ref() {
			return nil // made or used already
		}
	}
	return s.o.Store.AddLinks(ctx, cairn.Change{By: actor.Name, Links: []cairn.Link{
		{From: cairn.JobRef(actor.Job), Relation: cairn.RelUsed, To: img.Ref(), Note: "as " + clip(asked)}}})
}

// live reads an image that is not deleted.
func (s *Service) live(ctx context.Context, d cairn.Digest) (*cairn.Image, error) {
	img, err := s.o.Store.Image(ctx, s.o.Workspace, d)
	if err == nil && img.Deleted {
		err = cairn.Errorf(cairn.CodeNotFound, "the image %s was deleted", d)
	}
	if err != nil {
		return nil, err
	}
	return &img, nil
}

func (s *Service) byDigest(ctx context.Context, d cairn.Digest) (*cairn.Image, error) {
	img, err := s.live(ctx, d)
	if cairn.CodeOf(err) != cairn.CodeNotFound {
		return img, err
	}
	imgs, lerr := s.o.Store.Images(ctx, s.o.Workspace, cairn.ImageFilter{Digest: d, Limit: 1, All: true})
	if lerr != nil {
		return nil, lerr
	}
	if len(imgs) == 0 {
		return nil, err
	}
	return &imgs[0], nil
}

// byHex finds the image that a short id means. Several manifests may share one
// configuration: the newest counts.
func (s *Service) byHex(ctx context.Context, hex string) (*cairn.Image, error) {
	imgs, err := s.o.Store.ImagesByHex(ctx, s.o.Workspace, hex, 100)
	if err != nil {
		return nil, err
	}
	if len(imgs) == 0 {
		return nil, cairn.Errorf(cairn.CodeNotFound, "there is no image %s", hex).WithHint("cairn image list shows what there is")
	}
	for _, other := range imgs[1:] {
		if other.Config != imgs[0].Config {
			return nil, cairn.Errorf(cairn.CodeInvalid, "%s is the start of more than one image: %s and %s", hex, imgs[0].Digest, other.Digest).
				WithHint("write more of its digits")
		}
	}
	return &imgs[0], nil
}

// candidates are the repositories that a name may mean, likeliest first.
func (s *Service) candidates(asked string) ([]ref.Reference, error) {
	own, err := ref.ParseOwn(asked)
	if err != nil {
		return nil, err
	}
	local, err := ref.ParseLocal(asked, s.own())
	if err != nil {
		return nil, err
	}
	if own.Registry() == "" {
		return []ref.Reference{own, local}, nil
	}
	return []ref.Reference{local}, nil
}

func (s *Service) byName(ctx context.Context, asked string) (*cairn.Image, error) {
	rs, err := s.candidates(asked)
	if err != nil {
		return nil, err
	}
	for _, r := range rs {
		d := r.Digest
		if d == "" {
			t, err := s.o.Store.ImageTag(ctx, s.o.Workspace, r.Name, r.Tag)
			if cairn.CodeOf(err) == cairn.CodeNotFound {
				continue
			}
			if err != nil {
				return nil, err
			}
			d = t.Digest
		} else if in, err := s.o.Store.ImageIn(ctx, s.o.Workspace, r.Name, d, true); err != nil {
			return nil, err
		} else if !in {
			continue
		}
		return s.live(ctx, d)
	}
	return nil, s.noName(ctx, asked, rs)
}

// noName says that a name is not there, and what may have been meant.
func (s *Service) noName(ctx context.Context, asked string, rs []ref.Reference) error {
	e := cairn.Errorf(cairn.CodeNotFound, "there is no image %s here", clip(asked))
	for _, r := range rs {
		tags, err := s.o.Store.ImageNameTags(ctx, s.o.Workspace, r.Name, "", 1000)
		if err != nil {
			return err
		}
		if len(tags) == 0 {
			continue
		}
		if near := cairn.Nearest(r.Tag, tags); near != "" {
			return e.WithHint("did you mean %s:%s?", r.Name, near)
		}
		return e.WithHint("%s has the tags %s", r.Name, list(tags))
	}
	names, err := s.o.Store.ImageNames(ctx, s.o.Workspace, "", 1000)
	if err != nil {
		return err
	}
	var same []string
	for _, n := range names {
		if slices.ContainsFunc(rs, func(r ref.Reference) bool { return r.Name == n }) {
			continue // it has no tags
		}
		if n == rs[0].Last() || strings.HasSuffix(n, "/"+rs[0].Last()) {
			same = append(same, n)
		}
	}
	if len(same) > 0 {
		return e.WithHint("there is %s: write the name in full", list(same))
	}
	if near := cairn.Nearest(rs[0].Name, names); near != "" {
		return e.WithHint("did you mean %s?", near)
	}
	return e.WithHint("cairn image list shows what there is; cairn image pull %s fetches it", clip(asked))
}

// Images lists images, newest first.
func (s *Service) Images(ctx context.Context, f cairn.ImageFilter) ([]cairn.Image, error) {
	if f.Commit != "" && (len(f.Commit) > 40 || !isHex(f.Commit)) {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not a commit", clip(f.Commit)).WithHint("up to 40 lower-case hex digits")
	}
	if f.Digest != "" {
		if _, err := cairn.ParseDigest(string(f.Digest)); err != nil {
			return nil, err
		}
	}
	if f.Name != "" {
		r, err := ref.ParseOwn(f.Name)
		if err != nil {
			return nil, err
		}
		if r.Registry() != "" {
			if r, err = ref.ParseLocal(f.Name, s.own()); err != nil {
				return nil, err
			}
		}
		f.Name = r.Name
	}
	return s.o.Store.Images(ctx, s.o.Workspace, f)
}

func list(names []string) string {
	if len(names) > 10 {
		return strings.Join(names[:10], ", ") + " and others"
	}
	return strings.Join(names, ", ")
}

func isHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }

package deploy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

// ReleaseID is the hash that names a release.
func ReleaseID(service string, image, model, config cairn.Digest, commit string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{service, string(image), string(model), string(config), commit}, "\n")))
	return hex.EncodeToString(sum[:])[:12]
}

// releaseOf makes the release of an image, or finds it: the same image, model,
// configuration and commit are the same release. name is what was asked for.
func (s *Service) releaseOf(ctx context.Context, img *cairn.Image, repository, name string, file *stageFile, actor cairn.Principal) (cairn.Release, error) {
	r := cairn.Release{
		Workspace: s.o.Workspace, Repository: img.Repository, Image: img.Digest, Name: name, Config: file.digest(),
		Commit: img.Commit, Dirty: img.Dirty, Run: img.Run, Job: img.Job, By: actor.Name, CreatedAt: s.now(),
	}
	if r.Repository == "" {
		r.Repository = repository
	}
	if r.Service = file.service(); r.Service == "" {
		r.Service = serviceName(r.Repository)
	}
	if err := s.packed(ctx, img, &r); err != nil {
		return r, err
	}
	r.ID = ReleaseID(r.Service, r.Image, r.Model, r.Config, r.Commit)
	made, err := s.o.Store.PutRelease(ctx, r, func(r cairn.Release, created bool) cairn.Change {
		ch := cairn.Change{By: actor.Name}
		if created {
			ch.Links = []cairn.Link{{From: r.Ref(), Relation: cairn.RelReleased, To: img.Ref(), Note: r.Name}}
		}
		return ch
	})
	if err != nil {
		return r, err
	}
	if made.Image != r.Image || made.Commit != r.Commit {
		return r, cairn.Errorf(cairn.CodeInternal, "release %s is another image of another commit", r.ID)
	}
	made.Tags, err = s.versionTags(ctx, &made, img.Tags, actor)
	return made, err
}

// serviceName is how the service of a repository is called by default.
func serviceName(repository string) string {
	return repository[strings.LastIndexByte(repository, '/')+1:]
}

// packed notes what is in an image: models first, the likeliest of them as the
// model of the release.
func (s *Service) packed(ctx context.Context, img *cairn.Image, r *cairn.Release) error {
	files := img.Packed
	for _, m := range img.Manifests {
		// An index packs nothing itself; its images hold the same files.
		if len(files) > 0 {
			break
		}
		part, err := s.o.Images.Resolve(ctx, string(m))
		if cairn.CodeOf(err) == cairn.CodeNotFound {
			continue
		} else if err != nil {
			return err
		}
		files = part.Packed
	}
	rank := func(p cairn.Packed) int {
		switch p.Ref.Kind() {
		case cairn.KindModel:
			return 0
		case cairn.KindArtifact:
			return 1
		case cairn.KindData:
			return 2
		}
		return 3
	}
	files = slices.Clone(files)
	slices.SortStableFunc(files, func(a, b cairn.Packed) int { return rank(a) - rank(b) })
	for i, p := range files {
		if i == 0 {
			d, err := s.versionDigest(ctx, p)
			if err != nil {
				return err
			}
			r.Model = d
		}
		if !slices.Contains(r.Packed, p.Ref) {
			r.Packed = append(r.Packed, p.Ref)
		}
	}
	return nil
}

// versionDigest is that of the version that holds a file, else of the file.
func (s *Service) versionDigest(ctx context.Context, p cairn.Packed) (cairn.Digest, error) {
	kind := cairn.AssetKind(p.Ref.Kind())
	if kind != cairn.AssetModel && kind != cairn.AssetData {
		return p.Digest, nil
	}
	name, version := p.Ref.NameVersion()
	v, err := s.o.Store.AssetVersion(ctx, s.o.Workspace, kind, name, version)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return p.Digest, nil
	}
	return v.Digest, err
}

// modelOf is the model version that a release packs, "" for none.
func modelOf(r *cairn.Release) cairn.Ref {
	if len(r.Packed) > 0 && r.Packed[0].Kind() == cairn.KindModel {
		return r.Packed[0]
	}
	return ""
}

// shownModel is what people are told the model is: where none was registered, the
// artifact that holds it.
func shownModel(r *cairn.Release) cairn.Ref {
	if len(r.Packed) > 0 && r.Packed[0].Kind() == cairn.KindArtifact && r.Model != "" {
		return r.Packed[0]
	}
	return modelOf(r)
}

var (
	// version is a whole version; 1.2 and 1 are tags that move.
	version = regexp.MustCompile(`^(release[-_.])?v?\d{1,9}\.\d{1,9}\.\d{1,9}([-+][0-9A-Za-z.+-]{1,60})?$`)
	number  = regexp.MustCompile(`^r([1-9]\d{0,17})$`)
	hexID   = regexp.MustCompile(`^[0-9a-f]{4,12}$`)
	tagName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.+-]*$`)
)

// versionTags makes tags of an image that look like versions tags of its release.
// One that names another release already stays there.
func (s *Service) versionTags(ctx context.Context, r *cairn.Release, names []string, actor cairn.Principal) ([]string, error) {
	there, err := s.o.Store.Release(ctx, r.Workspace, r.ID)
	if err != nil {
		return nil, err
	}
	tags := there.Tags
	for _, name := range names {
		tag := name[strings.LastIndexByte(name, ':')+1:]
		if !version.MatchString(tag) || slices.Contains(tags, tag) {
			continue
		}
		err := s.o.Store.PutReleaseTag(ctx, s.tag(r, tag, actor), cairn.Change{By: actor.Name})
		if cairn.CodeOf(err) == cairn.CodeConflict {
			continue
		} else if err != nil {
			return nil, err
		}
		tags = append(tags, tag)
	}
	slices.Sort(tags)
	return tags, nil
}

func (s *Service) tag(r *cairn.Release, tag string, actor cairn.Principal) cairn.ReleaseTag {
	return cairn.ReleaseTag{Workspace: r.Workspace, Service: r.Service, Tag: tag, Release: r.ID, By: actor.Name, At: s.now()}
}

// TagRelease gives a release a further name, for good. A job names those of its
// own repository alone.
func (s *Service) TagRelease(ctx context.Context, repository, ref, tag string, actor cairn.Principal) (*cairn.Release, error) {
	switch {
	case len(tag) > 128 || !tagName.MatchString(tag):
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q cannot be the tag of a release", clip(tag, 100)).
			WithHint("letters, digits, _ . + and -, at most 128; for example v1.2.3")
	case number.MatchString(tag) || hexID.MatchString(tag):
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q cannot be the tag of a release: it looks like a number or an id of one", tag).
			WithHint("for example v1.2.3")
	}
	a, err := s.asker(ctx, actor)
	if err != nil {
		return nil, err
	}
	if a.run != nil && repository == "" {
		repository = a.run.Repository
	}
	r, err := s.FindRelease(ctx, repository, ref)
	if err != nil {
		return nil, err
	}
	if a.run != nil && !strings.EqualFold(r.Repository, a.run.Repository) {
		return nil, cairn.Errorf(cairn.CodeForbidden, "a job of %s may not tag a release of %s", a.run.Repository, r.Repository).
			WithHint("give the step a person's token as a secret, in CAIRN_TOKEN")
	}
	if err := s.o.Store.PutReleaseTag(ctx, s.tag(r, tag, actor), cairn.Change{By: actor.Name}); err != nil {
		return nil, err
	}
	again, err := s.o.Store.Release(ctx, r.Workspace, r.ID)
	return &again, err
}

// FindRelease finds the release that ref means: r3 or v1.2.3 of the service of
// repository ("": of the only service that has it), or an id or a beginning of it.
func (s *Service) FindRelease(ctx context.Context, repository, ref string) (*cairn.Release, error) {
	asked := strings.TrimPrefix(ref, cairn.KindRelease+"/")
	if len(asked) > 200 || asked == "" {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not a release", clip(ref, 80)).WithHint("write r3, a tag such as v1.2.3, or its id")
	}
	services, err := s.services(ctx, repository)
	if err != nil {
		return nil, err
	}
	var found []cairn.Release
	add := func(r cairn.Release, err error) error {
		if cairn.CodeOf(err) == cairn.CodeNotFound {
			return nil
		}
		found = append(found, r)
		return err
	}
	for _, service := range services {
		if m := number.FindStringSubmatch(asked); m != nil {
			seq, _ := strconv.ParseInt(m[1], 10, 64) // it has at most 18 digits
			if err := add(s.o.Store.ReleaseBySeq(ctx, s.o.Workspace, service, seq)); err != nil {
				return nil, err
			}
			continue
		}
		if err := add(s.o.Store.ReleaseByTag(ctx, s.o.Workspace, service, asked)); err != nil {
			return nil, err
		}
	}
	if len(found) == 0 && hexID.MatchString(asked) {
		if err := add(s.o.Store.Release(ctx, s.o.Workspace, asked)); err != nil {
			return nil, err
		}
	}
	switch len(found) {
	case 1:
		return &found[0], nil
	case 0:
		return nil, s.noRelease(ctx, repository, asked)
	}
	var names []string
	for _, r := range found {
		names = append(names, r.ID+" of "+r.Service)
	}
	return nil, cairn.Errorf(cairn.CodeConflict, "%s is a release of %d services: %s", asked, len(found), strings.Join(names, ", ")).
		WithHint("name it by its id")
}

// services are those of a repository that have releases; of all without one.
func (s *Service) services(ctx context.Context, repository string) ([]string, error) {
	rs, err := s.o.Store.Releases(ctx, cairn.ReleaseFilter{Workspace: s.o.Workspace, Repository: repository, Limit: 1000})
	var out []string
	for _, r := range rs {
		if !slices.Contains(out, r.Service) {
			out = append(out, r.Service)
		}
	}
	return out, err
}

// noRelease names the nearest one.
func (s *Service) noRelease(ctx context.Context, repository, asked string) error {
	rs, err := s.o.Store.Releases(ctx, cairn.ReleaseFilter{Workspace: s.o.Workspace, Repository: repository, Limit: 200})
	if err != nil {
		return err
	}
	of := ""
	if repository != "" {
		of = " of " + repository
	}
	e := cairn.Errorf(cairn.CodeNotFound, "there is no release %s%s", clip(asked, 80), of)
	if len(rs) == 0 {
		return e.WithHint("a release is made when an image is deployed: cairn deploy IMAGE --to STAGE")
	}
	var names []string
	for _, r := range rs {
		names = append(append(names, r.ID), r.Tags...)
	}
	if near := cairn.Nearest(asked, names); near != "" && !number.MatchString(asked) {
		return e.WithHint("did you mean %s?", near)
	}
	return e.WithHint("the newest is r%d; cairn release list shows them", rs[0].Seq)
}

// clip cuts text for a message.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

package trace

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

var (
	predictionPattern = regexp.MustCompile(`^[0-9a-f]{12}-[0-9]+-[0-9]+-[0-9]+$`)
	releasePattern    = regexp.MustCompile(`^r[1-9][0-9]{0,8}$`)
	versionPattern    = regexp.MustCompile(`^v?[0-9]+(\.[0-9]+){1,3}([-+][0-9A-Za-z.+-]*)?$`)
	hexOnly           = regexp.MustCompile(`^[0-9a-f]{12,64}$`)
)

// byServed finds a thing of delivery by its kind and id.
func (t *Tracer) byServed(ctx context.Context, repository, kind, id string) ([]Found, error) {
	switch kind {
	case cairn.KindPrediction:
		return t.byPrediction(ctx, cairn.PredictionID(id))
	case cairn.KindDeployment:
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil || n < 1 {
			return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not the number of a deployment", clip(id, 40))
		}
		if t.Delivery == nil {
			return nil, nil
		}
		d, err := t.Delivery.Deployment(ctx, cairn.DeploymentID(n))
		return []Found{{Ref: d.Ref()}}, err
	case cairn.KindRelease:
		fs, err := t.byRelease(ctx, repository, id)
		if err == nil && len(fs) == 0 {
			err = cairn.Errorf(cairn.CodeNotFound, "there is no release %q", clip(id, 60)).
				WithHint("a release is r3, a version tag such as v1.2.3, or its id; cairn release list shows them")
		}
		return fs, err
	case cairn.KindStage:
		return t.byStage(ctx, repository, id, true)
	}
	return t.byImage(ctx, id)
}

func (t *Tracer) byPrediction(ctx context.Context, id cairn.PredictionID) ([]Found, error) {
	release, _, _, _, err := id.Parts()
	if err != nil || t.Delivery == nil {
		return []Found{{Ref: id.Ref()}}, err
	}
	// Whether its log still has it shows when it is read: the id leads on to its
	// release anyway. One whose release was never here is a misspelt one.
	if _, err = t.Delivery.Release(ctx, t.Workspace, release); cairn.CodeOf(err) == cairn.CodeNotFound {
		return nil, cairn.Errorf(cairn.CodeNotFound, "there is no prediction %s: no release has the id %s", id, release).
			WithHint("cairn prediction list shows the newest")
	}
	return []Found{{Ref: id.Ref()}}, err
}

// byRelease finds a release by number (r3, api:r3), version tag or id.
func (t *Tracer) byRelease(ctx context.Context, repository, id string) ([]Found, error) {
	if t.Delivery == nil {
		return nil, nil
	}
	service, rest, named := cutLast(id, ':')
	if !named {
		service, rest = "", id
	}
	switch {
	case releasePattern.MatchString(rest):
		return t.releaseBySeq(ctx, repository, service, rest)
	case hexPattern.MatchString(rest) && !named:
		r, err := t.Delivery.Release(ctx, t.Workspace, rest)
		if err == nil {
			return []Found{{Ref: r.Ref()}}, nil
		} else if cairn.CodeOf(err) != cairn.CodeNotFound {
			return nil, err
		}
	}
	for _, tag := range otherSpelling(rest) {
		r, err := t.Delivery.ReleaseByTag(ctx, t.Workspace, service, tag)
		if err == nil {
			return []Found{{Ref: r.Ref()}}, nil
		} else if cairn.CodeOf(err) != cairn.CodeNotFound {
			return nil, err
		}
	}
	return nil, nil
}

// otherSpelling is a tag as it stands, and a version with or without its v.
func otherSpelling(tag string) []string {
	if !versionPattern.MatchString(tag) {
		return []string{tag}
	}
	if v, ok := strings.CutPrefix(tag, "v"); ok {
		return []string{tag, v}
	}
	return []string{tag, "v" + tag}
}

// releaseBySeq finds r3 of a service, of the repository that was asked from, or
// of the only service that has one.
func (t *Tracer) releaseBySeq(ctx context.Context, repository, service, name string) ([]Found, error) {
	seq, err := strconv.ParseInt(name[1:], 10, 64)
	if err != nil {
		return nil, err
	}
	find := func(repository string) ([]cairn.Release, error) {
		// Below Before seq+1 the newest of each service comes first: seq itself.
		rs, err := t.Delivery.Releases(ctx, cairn.ReleaseFilter{Workspace: t.Workspace, Repository: repository, Service: service, Before: seq + 1, Limit: 1000})
		var out []cairn.Release
		for _, r := range rs {
			if r.Seq == seq {
				out = append(out, r)
			}
		}
		return out, err
	}
	var rs []cairn.Release
	if repository != "" && service == "" {
		rs, err = find(repository)
	}
	if err == nil && len(rs) == 0 {
		rs, err = find("")
	}
	if err != nil || len(rs) == 0 {
		return nil, err
	}
	if len(rs) > 1 {
		var all []string
		for _, r := range rs {
			all = append(all, "release/"+r.Service+":"+name)
		}
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s is a release of several services", name).WithHint("say which: %s", strings.Join(all, ", "))
	}
	return []Found{{Ref: rs[0].Ref()}}, nil
}

// byStage finds a stage by name, in the repository that was asked from first, or
// by owner/name:stage.
func (t *Tracer) byStage(ctx context.Context, repository, id string, must bool) ([]Found, error) {
	if t.Delivery == nil {
		return nil, nil
	}
	name := id
	if r, n, ok := cutLast(id, ':'); ok && strings.Contains(r, "/") {
		repository, name = r, n
	}
	sts, err := t.Delivery.Stages(ctx, "")
	if err != nil {
		return nil, err
	}
	var here, elsewhere []cairn.Stage
	var names []string
	for _, st := range sts {
		if st.Repository == repository || repository == "" {
			names = append(names, st.Name)
		}
		switch {
		case !strings.EqualFold(st.Name, name):
		case st.Repository == repository:
			here = append(here, st)
		default:
			elsewhere = append(elsewhere, st)
		}
	}
	if len(here) == 0 && name == id {
		here = elsewhere
	}
	switch {
	case len(here) == 1:
		return []Found{{Ref: here[0].Ref()}}, nil
	case len(here) > 1:
		var all []string
		for _, st := range here {
			all = append(all, string(st.Ref()))
		}
		return nil, cairn.Errorf(cairn.CodeInvalid, "several repositories have a stage %s", name).WithHint("say which: %s", strings.Join(all, ", "))
	case !must:
		return nil, nil
	}
	e := cairn.Errorf(cairn.CodeNotFound, "nothing was put on a stage %q", clip(name, 60))
	if near := cairn.Nearest(name, names); near != "" {
		return nil, e.WithHint("did you mean %s?", near)
	}
	if len(names) > 0 {
		return nil, e.WithHint("there are %s", strings.Join(names, ", "))
	}
	return nil, e.WithHint("cairn deploy IMAGE --to STAGE puts something there")
}

// nearest is the stage, release or image that a misspelt word may mean, "" for none.
func (t *Tracer) nearest(ctx context.Context, repository, word string) (string, error) {
	if t.Delivery == nil {
		return "", nil
	}
	var names []string
	sts, err := t.Delivery.Stages(ctx, repository)
	for _, st := range sts {
		names = append(names, st.Name)
	}
	if err != nil {
		return "", err
	}
	rs, err := t.Delivery.Releases(ctx, cairn.ReleaseFilter{Workspace: t.Workspace, Repository: repository, Limit: 1000})
	for _, r := range rs {
		names = append(names, r.Tags...)
	}
	if err != nil {
		return "", err
	}
	imgs, err := t.Delivery.Images(ctx, t.Workspace, cairn.ImageFilter{Limit: 1000})
	for _, img := range imgs {
		names = append(names, img.Tags...)
	}
	return cairn.Nearest(word, names), err
}

// byImage finds an image by a reference, a digest, or the id that docker shows.
func (t *Tracer) byImage(ctx context.Context, ref string) ([]Found, error) {
	if t.Delivery == nil {
		return nil, nil
	}
	d := cairn.Digest(ref)
	if len(ref) == 64 && hexOnly.MatchString(ref) {
		d = cairn.Digest("sha256:" + ref)
	}
	if d.Valid() {
		return t.imageByDigest(ctx, d)
	}
	if hexOnly.MatchString(ref) {
		imgs, err := t.Delivery.ImagesByHex(ctx, t.Workspace, ref, 3)
		if err != nil {
			return nil, err
		}
		if len(imgs) > 1 {
			return nil, cairn.Errorf(cairn.CodeInvalid, "several images begin with %s", ref).WithHint("give more digits")
		}
		if len(imgs) == 1 {
			return []Found{{Ref: imgs[0].Ref()}}, nil
		}
	}
	if t.FindImage == nil {
		return nil, nil
	}
	img, err := t.FindImage(ctx, ref)
	switch cairn.CodeOf(err) {
	case "":
		return []Found{{Ref: img.Ref()}}, nil
	case cairn.CodeNotFound, cairn.CodeInvalid:
		return nil, nil // no image is called so: what was asked may not even look like one
	}
	return nil, err
}

func (t *Tracer) imageByDigest(ctx context.Context, d cairn.Digest) ([]Found, error) {
	if t.Delivery == nil {
		return nil, nil
	}
	img, err := t.Delivery.Image(ctx, t.Workspace, d)
	if err == nil {
		return []Found{{Ref: img.Ref()}}, nil
	} else if cairn.CodeOf(err) != cairn.CodeNotFound {
		return nil, err
	}
	imgs, err := t.Delivery.Images(ctx, t.Workspace, cairn.ImageFilter{Digest: d, All: true, Limit: 1})
	if err != nil || len(imgs) == 0 {
		return nil, err
	}
	return []Found{{Ref: imgs[0].Ref(), Note: "docker id " + d.Short()}}, nil
}

// byURL finds what answers at the address of a served API.
func (t *Tracer) byURL(ctx context.Context, asked string) ([]Found, error) {
	u, err := url.Parse(asked)
	if err != nil || u.Hostname() == "" {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not an address", clip(asked, 100)).WithHint("for example http://127.0.0.1:7081/predict")
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[strings.ToLower(u.Scheme)]
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not an address", clip(asked, 100))
	}
	if t.Delivery == nil {
		return nil, nil
	}
	if !here(u.Hostname()) {
		return nil, t.unserved(ctx, cairn.Errorf(cairn.CodeNotFound, "%s is not an address of this machine", clip(u.Host, 100)))
	}
	st, err := t.Delivery.StageByPort(ctx, int(n))
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return nil, t.unserved(ctx, cairn.Errorf(cairn.CodeNotFound, "no stage answers at %s", net.JoinHostPort(u.Hostname(), port)))
	} else if err != nil {
		return nil, err
	}
	if st.Live == 0 {
		return nil, cairn.Errorf(cairn.CodeNotFound, "%s is the address of stage %s, where nothing is live", u.Host, st.Name).
			WithHint("cairn trace %s shows what was", st.Ref())
	}
	return []Found{{Ref: st.Live.Ref(), Note: "stage " + st.Name}}, nil
}

// here reports whether a host is this machine's own.
func here(host string) bool {
	host = strings.ToLower(host)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && (a.Unmap().IsLoopback() || a.IsUnspecified())
}

// unserved adds to an error which addresses are served.
func (t *Tracer) unserved(ctx context.Context, e *cairn.Error) error {
	sts, err := t.Delivery.Stages(ctx, "")
	if err != nil || len(sts) == 0 {
		return e.WithHint("nothing is served from here yet: cairn deploy IMAGE --to STAGE")
	}
	var all []string
	for _, st := range sts {
		all = append(all, fmt.Sprintf("%s (%s)", st.URL, st.Name))
	}
	return e.WithHint("served here: %s", clip(strings.Join(all, ", "), 500))
}

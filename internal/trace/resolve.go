package trace

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Found is one thing that a question meant.
type Found struct {
	Ref  cairn.Ref
	Note string // how it was meant: "@latest", "holds it as images/3.png"
}

var (
	hexPattern    = regexp.MustCompile(`^[0-9a-f]{4,64}$`)
	digitsPattern = regexp.MustCompile(`^[0-9]{1,9}$`)
	assetKinds    = []cairn.AssetKind{cairn.AssetModel, cairn.AssetData, cairn.AssetEnvironment, cairn.AssetComponent, cairn.AssetCode}
)

// forms is the hint when nothing was found.
const forms = "a reference is a run (42, run/42), a job (job/108), an asset (model/digits:3, data/digits@latest), an artifact (artifact/42/name), a commit SHA or its first digits, a digest, a file, an image (api:main, its digest or docker id), a release (r3, v1.2.3), a stage (production), deployment/7, prediction/ID, or the URL of a served API"

// Resolve finds what asked means. It answers at least one thing or an error.
func (t *Tracer) Resolve(ctx context.Context, repository, asked string) ([]Found, error) {
	s := strings.TrimSpace(asked)
	if s == "" || len(s) > 1000 {
		return nil, cairn.Errorf(cairn.CodeInvalid, "nothing to trace is given").WithHint(forms)
	}
	s = strings.TrimPrefix(s, "azureml:")
	var fs []Found
	var err error
	kind, id, hasKind := strings.Cut(s, "/")
	switch {
	case strings.HasPrefix(s, "sha256:"):
		fs, err = t.byDigest(ctx, cairn.Digest(strings.ToLower(s)))
	case strings.HasPrefix(s, "http://"), strings.HasPrefix(s, "https://"):
		fs, err = t.byURL(ctx, s)
	case predictionPattern.MatchString(s):
		fs, err = t.byPrediction(ctx, cairn.PredictionID(s))
	case digitsPattern.MatchString(s):
		fs, err = t.byKind(ctx, repository, cairn.KindRun, s)
		// One commit in forty has no letter among its first eight digits.
		if cairn.CodeOf(err) == cairn.CodeNotFound && hexPattern.MatchString(s) {
			if commits, cerr := t.byHex(ctx, s); cerr == nil && len(commits) > 0 {
				fs, err = commits, nil
			}
		}
	case hasKind && known(kind):
		fs, err = t.byKind(ctx, repository, kind, id)
	case hexPattern.MatchString(strings.ToLower(s)):
		fs, err = t.byHex(ctx, strings.ToLower(s))
		if err == nil && len(fs) == 0 {
			fs, err = t.byName(ctx, repository, s)
		}
	default:
		fs, err = t.byName(ctx, repository, s)
	}
	if err != nil {
		return nil, err
	}
	if len(fs) == 0 {
		e := cairn.Errorf(cairn.CodeNotFound, "nothing here is called %q", clip(asked, 100))
		if near, err := t.nearest(ctx, repository, s); err != nil {
			return nil, err
		} else if near != "" {
			return nil, e.WithHint("did you mean %s?", near)
		}
		return nil, e.WithHint(forms)
	}
	return fs, nil
}

func known(kind string) bool {
	switch kind {
	case cairn.KindCommit, cairn.KindTree, cairn.KindRun, cairn.KindJob, cairn.KindArtifact, cairn.KindMLRun, cairn.KindUser, cairn.KindFile, cairn.KindAction,
		cairn.KindImage, cairn.KindRelease, cairn.KindDeployment, cairn.KindPrediction, cairn.KindStage:
		return true
	}
	return isAsset(kind)
}

// isServed reports whether a kind is one of delivery.
func isServed(kind string) bool {
	switch kind {
	case cairn.KindImage, cairn.KindRelease, cairn.KindDeployment, cairn.KindPrediction, cairn.KindStage:
		return true
	}
	return false
}

func isAsset(kind string) bool {
	for _, k := range assetKinds {
		if string(k) == kind {
			return true
		}
	}
	return false
}

func (t *Tracer) byKind(ctx context.Context, repository, kind, id string) ([]Found, error) {
	switch {
	case isServed(kind):
		return t.byServed(ctx, repository, kind, id)
	case isAsset(kind):
		return t.asset(ctx, cairn.AssetKind(kind), id)
	case kind == cairn.KindRun:
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil {
			return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not the number of a run", clip(id, 40))
		}
		r, err := t.Reader.Run(ctx, cairn.RunID(n))
		return []Found{{Ref: cairn.RunRef(r.ID)}}, err
	case kind == cairn.KindJob:
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil {
			// One that was started from a file has a name.
			if t.Named != nil {
				if ref, err := t.Named(ctx, id); err != nil || ref != "" {
					return []Found{{Ref: ref}}, err
				}
			}
			return nil, cairn.Errorf(cairn.CodeNotFound, "%q is neither the number nor the name of a job", clip(id, 40)).
				WithHint("cairn job list shows their names")
		}
		j, err := t.Reader.Job(ctx, cairn.JobID(n))
		return []Found{{Ref: cairn.JobRef(j.ID)}}, err
	case kind == cairn.KindCommit:
		return t.commit(ctx, strings.ToLower(id))
	case kind == cairn.KindArtifact:
		return t.artifact(ctx, id)
	case kind == cairn.KindMLRun:
		r, err := t.Reader.MLRun(ctx, id)
		if err != nil {
			return nil, err
		}
		return []Found{{Ref: r.Ref()}}, nil
	case kind == cairn.KindFile:
		return t.byDigest(ctx, cairn.Digest(id))
	}
	// Kinds without rows of their own are known by their links.
	ref := cairn.NewRef(kind, id)
	from, err := t.Reader.LinksFrom(ctx, ref)
	if err != nil {
		return nil, err
	}
	to, err := t.Reader.LinksTo(ctx, ref)
	if err != nil || len(from)+len(to) == 0 {
		return nil, err
	}
	return []Found{{Ref: ref}}, nil
}

// asset resolves name, name:version or name@label of one kind.
func (t *Tracer) asset(ctx context.Context, kind cairn.AssetKind, id string) ([]Found, error) {
	name, label, byLabel := cutLast(id, '@')
	if !byLabel {
		if n, version, ok := cutLast(id, ':'); ok {
			v, err := t.Reader.AssetVersion(ctx, t.Workspace, kind, n, version)
			return []Found{{Ref: v.Ref()}}, err
		}
		name, label = id, "latest"
	}
	if label == "latest" {
		v, err := t.Reader.LatestAssetVersion(ctx, t.Workspace, kind, name)
		return []Found{{Ref: v.Ref(), Note: "@latest"}}, err
	}
	ls, err := t.Reader.AssetLabels(ctx, t.Workspace, kind, name)
	if err != nil {
		return nil, err
	}
	names := []string{"latest"}
	for _, l := range ls {
		if l.Label == label {
			return []Found{{Ref: cairn.AssetRef(kind, name, l.Version), Note: "@" + label}}, nil
		}
		names = append(names, l.Label)
	}
	e := cairn.Errorf(cairn.CodeNotFound, "%s %s has no label %q", kind, name, clip(label, 40))
	return nil, e.WithHint("its labels: %s", strings.Join(names, ", "))
}

// byName looks for an asset of any kind; where none is called so, for a stage, a
// release, an image.
func (t *Tracer) byName(ctx context.Context, repository, id string) ([]Found, error) {
	out, err := t.assetByName(ctx, id)
	if err == nil && len(out) == 0 {
		out, err = t.byStage(ctx, repository, id, false)
	}
	if err == nil && len(out) == 0 {
		out, err = t.byRelease(ctx, repository, id)
	}
	if err == nil && len(out) == 0 {
		out, err = t.byImage(ctx, id)
	}
	if err == nil && len(out) == 0 && t.Named != nil {
		ref, err := t.Named(ctx, id)
		if err != nil || ref == "" {
			return nil, err
		}
		return []Found{{Ref: ref}}, nil
	}
	return out, err
}

func (t *Tracer) assetByName(ctx context.Context, id string) ([]Found, error) {
	var out []Found
	for _, k := range assetKinds {
		fs, err := t.asset(ctx, k, id)
		if cairn.CodeOf(err) == cairn.CodeNotFound {
			continue
		} else if err != nil {
			return nil, err
		}
		out = append(out, fs...)
	}
	return out, nil
}

func (t *Tracer) byHex(ctx context.Context, s string) ([]Found, error) {
	switch len(s) {
	case 64:
		return t.byDigest(ctx, cairn.Digest("sha256:"+s))
	case 32:
		r, err := t.Reader.MLRun(ctx, s)
		if err == nil {
			return []Found{{Ref: r.Ref()}}, nil
		} else if cairn.CodeOf(err) != cairn.CodeNotFound {
			return nil, err
		}
	}
	if len(s) > 40 {
		return nil, nil
	}
	return t.commit(ctx, s)
}

func (t *Tracer) commit(ctx context.Context, prefix string) ([]Found, error) {
	if !hexPattern.MatchString(prefix) || len(prefix) > 40 {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not a commit", clip(prefix, 60)).
			WithHint("at least four of the 40 hex digits of its SHA")
	}
	refs, err := t.Reader.RefsWithPrefix(ctx, string(cairn.NewRef(cairn.KindCommit, prefix)), 6)
	if err != nil {
		return nil, err
	}
	if len(refs) == 0 && t.Commit != nil {
		cs, err := t.Commit(ctx, prefix)
		if err != nil {
			return nil, err
		}
		for _, c := range cs {
			refs = append(refs, cairn.CommitRef(c.SHA))
		}
	}
	if len(refs) > 1 {
		var names []string
		for _, r := range refs {
			names = append(names, r.ID()[:min(len(prefix)+6, 40)])
		}
		return nil, cairn.Errorf(cairn.CodeInvalid, "several commits begin with %s", prefix).
			WithHint("give more digits: %s", strings.Join(names, ", "))
	}
	if len(refs) == 0 {
		return nil, nil
	}
	return []Found{{Ref: refs[0]}}, nil
}

// artifact resolves 42/name (newest attempt) and 42.1/name.
func (t *Tracer) artifact(ctx context.Context, id string) ([]Found, error) {
	run, attempt, name, ok := artifactRef(cairn.NewRef(cairn.KindArtifact, id))
	if !ok {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not an artifact", clip(id, 60)).WithHint("artifact/42/name, or artifact/42.1/name for attempt 1")
	}
	as, err := t.Reader.Artifacts(ctx, run)
	if err != nil {
		return nil, err
	}
	var best *cairn.Artifact
	var names []string
	for i := range as {
		names = append(names, as[i].Name)
		if as[i].Name == name && (attempt == 0 || attempt == as[i].Attempt) && (best == nil || as[i].Attempt > best.Attempt) {
			best = &as[i]
		}
	}
	if best == nil {
		e := cairn.Errorf(cairn.CodeNotFound, "run %d has no artifact %q", run, clip(name, 60))
		if near := cairn.Nearest(name, names); near != "" {
			return nil, e.WithHint("did you mean %s?", near)
		}
		return nil, e
	}
	return []Found{{Ref: cairn.ArtifactRef(run, best.Attempt, name)}}, nil
}

// holdersLimit bounds the versions that an answer starts from.
const holdersLimit = 20

// byDigest finds the versions that are these bytes or hold them.
func (t *Tracer) byDigest(ctx context.Context, d cairn.Digest) ([]Found, error) {
	if !d.Valid() {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not a digest", clip(string(d), 100)).WithHint("sha256: and 64 hex digits")
	}
	// An image is also a blob, which somebody may have registered: what is meant is
	// the image.
	if fs, err := t.imageByDigest(ctx, d); err != nil || len(fs) > 0 {
		return fs, err
	}
	hs, err := t.Reader.Holding(ctx, t.Workspace, d, holdersLimit)
	if err != nil {
		return nil, err
	}
	var out []Found
	at := map[cairn.Ref]int{}
	for _, h := range hs {
		if i, dup := at[h.Ref]; dup {
			if h.Path != "" {
				out[i].Note += ", " + h.Path
			}
			continue
		}
		f := Found{Ref: h.Ref}
		if h.Path != "" {
			f.Note = fmt.Sprintf("holds it as %s", h.Path)
		}
		at[h.Ref] = len(out)
		out = append(out, f)
	}
	if len(out) > 0 {
		return out, nil
	}
	tree := cairn.NewRef(cairn.KindTree, string(d))
	to, err := t.Reader.LinksTo(ctx, tree)
	if err != nil || len(to) == 0 {
		return nil, err
	}
	return []Found{{Ref: tree}}, nil
}

func cutLast(s string, sep byte) (before, after string, ok bool) {
	if i := strings.LastIndexByte(s, sep); i > 0 && i < len(s)-1 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

package track

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/cairn-ml/cairn"
)

// Version reads one version of a registered model.
func (s *Service) Version(ctx context.Context, name, version string) (*ModelVersion, error) {
	if err := checkModelName(name); err != nil {
		return nil, err
	}
	v, err := s.models.Version(ctx, cairn.AssetModel, name, version)
	if err == nil && v.Deleted {
		err = cairn.Errorf(cairn.CodeNotFound, "deleted")
	}
	if err != nil {
		return nil, noVersion(err, name, version)
	}
	return s.view(ctx, v)
}

func (s *Service) view(ctx context.Context, v *cairn.AssetVersion) (*ModelVersion, error) {
	labels, err := s.models.Labels(ctx, cairn.AssetModel, v.Name)
	if err != nil {
		return nil, err
	}
	out := withAliases(*v, labels)
	return &out, nil
}

// PatchVersion changes description and tags of a version.
func (s *Service) PatchVersion(ctx context.Context, name, version string, p ModelPatch) (*ModelVersion, error) {
	if err := checkPatch(p); err != nil {
		return nil, err
	}
	if _, err := s.Version(ctx, name, version); err != nil {
		return nil, err
	}
	v, err := s.models.PatchModel(ctx, name, version, p, s.actor(ctx))
	if err != nil {
		return nil, noVersion(err, name, version)
	}
	return s.view(ctx, v)
}

// DeleteVersion hides a version; its number is never given again.
func (s *Service) DeleteVersion(ctx context.Context, name, version string) error {
	if _, err := s.Version(ctx, name, version); err != nil {
		return err
	}
	return noVersion(s.models.DeleteVersion(ctx, cairn.AssetModel, name, version, s.actor(ctx)), name, version)
}

// TransitionStage moves a version to a stage, and the others that are there to
// Archived where that is wanted.
func (s *Service) TransitionStage(ctx context.Context, name, version, stage string, archive bool) (*ModelVersion, error) {
	st, err := parseStage(stage)
	if err != nil {
		return nil, err
	}
	active := st == "Staging" || st == "Production"
	if archive && !active {
		return nil, invalid("Model version transition cannot archive existing model versions because '%s' is not an Active stage. Valid stages are Staging, Production", st)
	}
	if _, err := s.Version(ctx, name, version); err != nil {
		return nil, err
	}
	if archive {
		vs, err := s.versions(ctx, name)
		if err != nil {
			return nil, err
		}
		for _, v := range vs {
			if v.Version != version && stageOf(&v) == st {
				if _, err := s.models.PatchModel(ctx, name, v.Version, ModelPatch{Stage: new("Archived")}, s.actor(ctx)); err != nil {
					return nil, err
				}
			}
		}
	}
	v, err := s.models.PatchModel(ctx, name, version, ModelPatch{Stage: &st}, s.actor(ctx))
	if err != nil {
		return nil, noVersion(err, name, version)
	}
	return s.view(ctx, v)
}

// LatestVersions lists the last version of each stage; of all where none is named.
func (s *Service) LatestVersions(ctx context.Context, name string, want []string) ([]ModelVersion, error) {
	m, err := s.models.Name(ctx, cairn.AssetModel, name)
	if err != nil {
		return nil, noModel(err, name)
	}
	canonical := make([]string, 0, len(want))
	for _, w := range want {
		st, err := parseStage(w)
		if err != nil {
			return nil, err
		}
		canonical = append(canonical, st)
	}
	if len(canonical) == 0 {
		canonical = stages
	}
	vs, err := s.versions(ctx, m.Name)
	if err != nil {
		return nil, err
	}
	labels, err := s.models.Labels(ctx, cairn.AssetModel, m.Name)
	if err != nil {
		return nil, err
	}
	var out []ModelVersion
	for _, v := range latestPerStage(vs, canonical) {
		out = append(out, withAliases(v, labels))
	}
	return out, nil
}

// SearchVersions returns a page of model versions and the token of the next.
func (s *Service) SearchVersions(ctx context.Context, q Search) ([]ModelVersion, string, error) {
	g := versionGrammar
	n, err := pageSize(q.Max, 10_000, MaxVersionPage)
	if err != nil {
		return nil, "", err
	}
	where, order, pg, err := g.question(q)
	if err != nil {
		return nil, "", err
	}
	name := ""
	for _, c := range where {
		if c.Subject == cairn.OfAttribute && c.Key == "name" && c.Op == "=" {
			name = c.Text
		}
	}
	all, err := s.versions(ctx, name)
	if err != nil {
		return nil, "", err
	}
	all = slices.DeleteFunc(all, func(v cairn.AssetVersion) bool { return !matches(where, versionRow(&v)) })
	slices.SortStableFunc(all, func(a, b cairn.AssetVersion) int {
		return cmp.Or(compareBy(order, g, versionRow(&a), versionRow(&b)), cmp.Compare(a.Name, b.Name), cmp.Compare(b.Seq, a.Seq))
	})
	vs, next := take(all, pg, n)
	labels := map[string][]cairn.Label{}
	out := make([]ModelVersion, 0, len(vs))
	for _, v := range vs {
		ls, ok := labels[v.Name]
		if !ok {
			if ls, err = s.models.Labels(ctx, cairn.AssetModel, v.Name); err != nil {
				return nil, "", err
			}
			labels[v.Name] = ls
		}
		out = append(out, withAliases(v, ls))
	}
	return out, next, nil
}

func versionRow(v *cairn.AssetVersion) row {
	ms := func(t time.Time) float64 { return float64(t.UnixMilli()) }
	return func(sub cairn.TrackSubject, key string) (string, float64, bool) {
		if sub == cairn.OfTag {
			t, ok := v.Tags[key]
			return t, 0, ok
		}
		switch key {
		case "name":
			return v.Name, 0, true
		case "version_number":
			n, err := strconv.ParseFloat(v.Version, 64)
			return "", n, err == nil
		case "run_id":
			return v.SourceRun, 0, v.SourceRun != ""
		case "source_path":
			return v.SourceURI, 0, v.SourceURI != ""
		case "creation_timestamp":
			return "", ms(v.CreatedAt), true
		case "last_updated_timestamp":
			return "", ms(v.UpdatedAt), true
		}
		return "", 0, false
	}
}

// SetAlias points an alias at a version; DeleteAlias removes one; ByAlias reads
// the version that one points to.
func (s *Service) SetAlias(ctx context.Context, name, alias, version string) error {
	if err := checkAlias(alias); err != nil {
		return err
	}
	if _, err := s.Version(ctx, name, version); err != nil {
		return err
	}
	_, err := s.models.SetLabel(ctx, cairn.AssetModel, name, alias, version, s.actor(ctx))
	return err
}

// DeleteAlias removes an alias; one that is not there is no error.
func (s *Service) DeleteAlias(ctx context.Context, name, alias string) error {
	if err := checkAlias(alias); err != nil {
		return err
	}
	if _, err := s.models.Name(ctx, cairn.AssetModel, name); err != nil {
		return noModel(err, name)
	}
	err := s.models.DeleteLabel(ctx, cairn.AssetModel, name, alias, s.actor(ctx))
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return nil
	}
	return err
}

// ByAlias reads the version that an alias points to.
func (s *Service) ByAlias(ctx context.Context, name, alias string) (*ModelVersion, error) {
	if _, err := s.models.Name(ctx, cairn.AssetModel, name); err != nil {
		return nil, noModel(err, name)
	}
	labels, err := s.models.Labels(ctx, cairn.AssetModel, name)
	if err != nil {
		return nil, err
	}
	for _, l := range labels {
		if l.Label == alias && l.Label != "latest" {
			return s.Version(ctx, name, l.Version)
		}
	}
	return nil, cairn.Errorf(cairn.CodeInvalid, "Registered model alias %s not found.", alias)
}

// VersionRoot is the path below which a version's files are read: by the digest
// of their tree.
func (s *Service) VersionRoot(ctx context.Context, name, version string) (string, error) {
	v, err := s.Version(ctx, name, version)
	if err != nil {
		return "", err
	}
	if v.Type == "file" {
		return "", cairn.Errorf(cairn.CodeUnsupported, "Model %s:%s is a single file, not a folder that MLflow can load", name, version).
			WithHint("fetch it with: cairn model download %s:%s", name, version)
	}
	return treeFolder + "/" + v.Digest.Hex(), nil
}

// DownloadURI is where clients read a version's files. A job that asks is noted
// as having used the version.
func (s *Service) DownloadURI(ctx context.Context, name, version string) (string, error) {
	root, err := s.VersionRoot(ctx, name, version)
	if err != nil {
		return "", err
	}
	if who := s.actor(ctx); who.Job != 0 {
		if err := s.models.UseModel(ctx, name, version, who); err != nil {
			return "", err
		}
	}
	return s.URI(root), nil
}

func sortEntries(es []cairn.TreeEntry) {
	slices.SortFunc(es, func(a, b cairn.TreeEntry) int { return cmp.Compare(a.Name, b.Name) })
}

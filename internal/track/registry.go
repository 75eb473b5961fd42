package track

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

// ModelVersion is a version with the aliases that point to it.
type ModelVersion struct {
	cairn.AssetVersion
	Aliases []string
}

// RegisteredModel is a name with its aliases and the latest version per stage.
type RegisteredModel struct {
	cairn.Asset
	Aliases []cairn.Label
	Latest  []ModelVersion
}

// Stages of versions, in the order in which they are listed.
var stages = []string{"None", "Staging", "Production", "Archived"}

func parseStage(s string) (string, error) {
	for _, st := range stages {
		if strings.EqualFold(s, st) {
			return st, nil
		}
	}
	return "", invalid("Invalid Model Version stage: %s. Value must be one of %s.", s, strings.Join(stages, ", "))
}

func stageOf(v *cairn.AssetVersion) string { return cmp.Or(v.Stage, stages[0]) }

func noModel(err error, name string) error {
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return &cairn.Error{Code: cairn.CodeNotFound, Message: "Registered Model with name=" + name + " not found", Err: err}
	}
	return err
}

func noVersion(err error, name, version string) error {
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return &cairn.Error{Code: cairn.CodeNotFound, Message: "Model Version (name=" + name + ", version=" + version + ") not found", Err: err}
	}
	return err
}

// CreateModel makes a registered model without versions.
func (s *Service) CreateModel(ctx context.Context, name, description string, tags []cairn.Param) (*RegisteredModel, error) {
	if err := checkModelName(name); err != nil {
		return nil, err
	}
	set, err := modelTags(tags)
	if err != nil {
		return nil, err
	}
	a, err := s.models.CreateName(ctx, cairn.Asset{Kind: cairn.AssetModel, Name: name, Description: description, Tags: set}, s.actor(ctx))
	if cairn.CodeOf(err) == cairn.CodeConflict {
		return nil, cairn.Errorf(cairn.CodeConflict, "Registered Model (name=%s) already exists.", name)
	}
	if err != nil {
		return nil, err
	}
	return &RegisteredModel{Asset: *a}, nil
}

func modelTags(tags []cairn.Param) (map[string]string, error) {
	set := make(map[string]string, len(tags))
	for _, t := range tags {
		if err := checkModelTag(t.Key, t.Value); err != nil {
			return nil, err
		}
		set[t.Key] = t.Value
	}
	return set, nil
}

// Model reads a registered model.
func (s *Service) Model(ctx context.Context, name string) (*RegisteredModel, error) {
	if err := checkModelName(name); err != nil {
		return nil, err
	}
	a, err := s.models.Name(ctx, cairn.AssetModel, name)
	if err != nil {
		return nil, noModel(err, name)
	}
	vs, err := s.versions(ctx, name)
	if err != nil {
		return nil, err
	}
	return s.registered(ctx, *a, vs)
}

func (s *Service) registered(ctx context.Context, a cairn.Asset, vs []cairn.AssetVersion) (*RegisteredModel, error) {
	labels, err := s.models.Labels(ctx, cairn.AssetModel, a.Name)
	if err != nil {
		return nil, err
	}
	m := &RegisteredModel{Asset: a, Aliases: aliasesOnly(labels)}
	for _, v := range latestPerStage(vs, stages) {
		m.Latest = append(m.Latest, withAliases(v, labels))
	}
	return m, nil
}

// aliasesOnly leaves out the label that is implied.
func aliasesOnly(labels []cairn.Label) []cairn.Label {
	return slices.DeleteFunc(slices.Clone(labels), func(l cairn.Label) bool { return l.Label == "latest" })
}

func withAliases(v cairn.AssetVersion, labels []cairn.Label) ModelVersion {
	out := ModelVersion{AssetVersion: v}
	for _, l := range aliasesOnly(labels) {
		if l.Version == v.Version {
			out.Aliases = append(out.Aliases, l.Label)
		}
	}
	slices.Sort(out.Aliases)
	return out
}

// latestPerStage picks the last version of each wanted stage, in their order.
func latestPerStage(vs []cairn.AssetVersion, want []string) []cairn.AssetVersion {
	var out []cairn.AssetVersion
	for _, st := range want {
		var best *cairn.AssetVersion
		for i := range vs {
			if stageOf(&vs[i]) == st && (best == nil || vs[i].Seq > best.Seq) {
				best = &vs[i]
			}
		}
		if best != nil {
			out = append(out, *best)
		}
	}
	return out
}

// versions lists live versions of a name ("": of all), oldest first.
func (s *Service) versions(ctx context.Context, name string) ([]cairn.AssetVersion, error) {
	var out []cairn.AssetVersion
	f := cairn.AssetFilter{Kind: cairn.AssetModel, Name: name, Archived: true}
	for {
		vs, next, err := s.models.Versions(ctx, f)
		if cairn.CodeOf(err) == cairn.CodeNotFound {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
		for _, v := range vs {
			if !v.Deleted {
				out = append(out, v)
			}
		}
		if next == 0 {
			break
		}
		f.After = next
	}
	slices.SortStableFunc(out, func(a, b cairn.AssetVersion) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Seq, b.Seq))
	})
	return out, nil
}

func (s *Service) names(ctx context.Context) ([]cairn.Asset, error) {
	var out []cairn.Asset
	f := cairn.AssetFilter{Kind: cairn.AssetModel, Archived: true}
	for {
		as, next, err := s.models.Names(ctx, f)
		if err != nil {
			return nil, err
		}
		out = append(out, as...)
		if next == 0 {
			return out, nil
		}
		f.After = next
	}
}

// PatchRegisteredModel changes description and tags of a name.
func (s *Service) PatchRegisteredModel(ctx context.Context, name string, p ModelPatch) (*RegisteredModel, error) {
	if err := checkPatch(p); err != nil {
		return nil, err
	}
	if _, err := s.models.Name(ctx, cairn.AssetModel, name); err != nil {
		return nil, noModel(err, name)
	}
	if _, err := s.models.PatchName(ctx, name, p, s.actor(ctx)); err != nil {
		return nil, noModel(err, name)
	}
	return s.Model(ctx, name)
}

func checkPatch(p ModelPatch) error {
	for k, v := range p.SetTags {
		if err := checkModelTag(k, v); err != nil {
			return err
		}
	}
	return nil
}

// RenameModel refuses: the name is part of every link to a version.
func (s *Service) RenameModel(ctx context.Context, name, to string) error {
	if _, err := s.models.Name(ctx, cairn.AssetModel, name); err != nil {
		return noModel(err, name)
	}
	return cairn.Errorf(cairn.CodeUnsupported, "Registered Model '%s' cannot be renamed to '%s': its versions are known by this name in everything that was made from them", name, to).
		WithHint("register the versions under the new name: client.copy_model_version(\"models:/%s/1\", \"%s\")", name, to)
}

// DeleteModel removes a name with its aliases; its versions stay in the lineage.
func (s *Service) DeleteModel(ctx context.Context, name string) error {
	return noModel(s.models.DeleteName(ctx, cairn.AssetModel, name, s.actor(ctx)), name)
}

// SearchModels returns a page of registered models and the token of the next.
func (s *Service) SearchModels(ctx context.Context, q Search) ([]RegisteredModel, string, error) {
	g := modelGrammar
	n, err := pageSize(q.Max, 100, MaxRegisteredPage)
	if err != nil {
		return nil, "", err
	}
	where, order, pg, err := g.question(q)
	if err != nil {
		return nil, "", err
	}
	all, err := s.names(ctx)
	if err != nil {
		return nil, "", err
	}
	all = slices.DeleteFunc(all, func(a cairn.Asset) bool { return !matches(where, nameRow(&a)) })
	slices.SortStableFunc(all, func(a, b cairn.Asset) int {
		return cmp.Or(compareBy(order, g, nameRow(&a), nameRow(&b)), cmp.Compare(a.Name, b.Name))
	})
	names, next := take(all, pg, n)
	out := make([]RegisteredModel, 0, len(names))
	for _, a := range names {
		vs, err := s.versions(ctx, a.Name)
		if err != nil {
			return nil, "", err
		}
		m, err := s.registered(ctx, a, vs)
		if err != nil {
			return nil, "", err
		}
		out = append(out, *m)
	}
	return out, next, nil
}

// question parses what all searches that look at rows have in common.
func (g grammar) question(q Search) ([]cairn.TrackCondition, []cairn.TrackOrder, page, error) {
	where, err := g.parseFilter(q.Filter)
	if err != nil {
		return nil, nil, page{}, err
	}
	order, err := g.parseOrders(q.Order)
	if err != nil {
		return nil, nil, page{}, err
	}
	pg, err := parseToken(q.Token, questionOf(g.what, q.Filter, q.Order))
	return where, order, pg, err
}

func nameRow(a *cairn.Asset) row {
	return func(sub cairn.TrackSubject, key string) (string, float64, bool) {
		if sub == cairn.OfTag {
			v, ok := a.Tags[key]
			return v, 0, ok
		}
		switch key {
		case "name":
			return a.Name, 0, true
		case "creation_timestamp":
			return "", float64(a.CreatedAt.UnixMilli()), true
		case "last_updated_timestamp":
			return "", float64(a.UpdatedAt.UnixMilli()), true
		}
		return "", 0, false
	}
}

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

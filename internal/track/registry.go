package track

import (
	"cmp"
	"context"
	"slices"
	"strings"

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

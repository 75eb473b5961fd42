package asset

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Version reads one version, archived and deleted ones too.
func (s *Service) Version(ctx context.Context, kind cairn.AssetKind, name, version string) (*cairn.AssetVersion, error) {
	if err := checkReadName(kind, name); err != nil {
		return nil, err
	}
	v, err := s.o.Store.AssetVersion(ctx, s.o.Workspace, kind, name, version)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return nil, s.explain(ctx, Reference{Kind: kind, Name: name, Version: version}, err)
	}
	if err != nil {
		return nil, err
	}
	return &v, nil
}

// Versions lists versions, newest first; next is the After of the next page, 0
// at the end.
func (s *Service) Versions(ctx context.Context, f cairn.AssetFilter) (vs []cairn.AssetVersion, next int64, err error) {
	return s.o.Store.AssetVersions(ctx, s.o.Workspace, f)
}

// Update holds changes of a version or a name; nil fields stay.
type Update struct {
	Description *string
	SetTags     map[string]string
	DeleteTags  []string
	Archived    *bool
	// Stage is one of MLflow's: None, Staging, Production, Archived, in any case.
	// Names have none.
	Stage *string
}

func (u *Update) check() error {
	if err := checkMap("tags", u.SetTags); err != nil {
		return err
	}
	if u.Description != nil {
		if err := checkText(*u.Description); err != nil {
			return err
		}
	}
	if u.Stage == nil {
		return nil
	}
	for _, st := range []string{"None", "Staging", "Production", "Archived"} {
		if strings.EqualFold(st, *u.Stage) {
			u.Stage = &st
			return nil
		}
	}
	return cairn.Errorf(cairn.CodeInvalid, "%q is not a stage", clip(*u.Stage)).WithHint("allowed are None, Staging, Production and Archived")
}

// tags applies the changes of tags to a copy.
func (u *Update) tags(old map[string]string) (map[string]string, error) {
	out := maps.Clone(old)
	if out == nil {
		out = map[string]string{}
	}
	maps.Copy(out, u.SetTags)
	for _, k := range u.DeleteTags {
		delete(out, k)
	}
	return out, checkMap("tags", out)
}

// UpdateVersion changes what may change of a version.
func (s *Service) UpdateVersion(ctx context.Context, kind cairn.AssetKind, name, version string, u Update, actor cairn.Principal) (*cairn.AssetVersion, error) {
	if err := trusted(actor, kind); err != nil {
		return nil, err
	}
	if err := u.check(); err != nil {
		return nil, err
	}
	return s.changeVersion(ctx, kind, name, version, actor, func(v *cairn.AssetVersion) (err error) {
		v.Tags, err = u.tags(v.Tags)
		if u.Description != nil {
			v.Description = *u.Description
		}
		if u.Archived != nil {
			v.Archived = *u.Archived
		}
		if u.Stage != nil {
			v.Stage = *u.Stage
		}
		return err
	})
}

// DeleteVersion marks a version as deleted: it is not found any more, its number
// is not used again, and what used it can still be told.
func (s *Service) DeleteVersion(ctx context.Context, kind cairn.AssetKind, name, version string, actor cairn.Principal) error {
	if err := trusted(actor, kind); err != nil {
		return err
	}
	ls, err := s.o.Store.AssetLabels(ctx, s.o.Workspace, kind, name)
	if err != nil {
		return err
	}
	for _, l := range ls {
		if l.Version != version {
			continue
		}
		if err := s.DeleteLabel(ctx, kind, name, l.Label, actor); err != nil {
			return err
		}
	}
	_, err = s.changeVersion(ctx, kind, name, version, actor, func(v *cairn.AssetVersion) error {
		v.Deleted = true
		return nil
	})
	return err
}

func (s *Service) changeVersion(ctx context.Context, kind cairn.AssetKind, name, version string, actor cairn.Principal, mutate func(*cairn.AssetVersion) error) (*cairn.AssetVersion, error) {
	if err := checkReadName(kind, name); err != nil {
		return nil, err
	}
	v, err := s.o.Store.UpdateAssetVersion(ctx, s.o.Workspace, kind, name, version, func(v *cairn.AssetVersion) error {
		if v.Deleted {
			return cairn.Errorf(cairn.CodeNotFound, "%s was deleted", v.Ref())
		}
		v.UpdatedAt = s.o.Now().UTC()
		return mutate(v)
	}, func(v cairn.AssetVersion) cairn.Change {
		return cairn.Change{By: actor.Name, Events: []cairn.Event{event(cairn.EvAssetChanged, v.Ref(), actor, v)}}
	})
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return nil, s.explain(ctx, Reference{Kind: kind, Name: name, Version: version}, err)
	}
	if err != nil {
		return nil, err
	}
	return &v, nil
}

// CreateName makes a name without versions; one that exists is a conflict.
func (s *Service) CreateName(ctx context.Context, a cairn.Asset, actor cairn.Principal) (*cairn.Asset, error) {
	if err := trusted(actor, a.Kind); err != nil {
		return nil, err
	}
	if err := CheckName(a.Kind, a.Name); err != nil {
		return nil, err
	}
	if err := checkMap("tags", a.Tags); err != nil {
		return nil, err
	}
	if err := checkText(a.Description); err != nil {
		return nil, err
	}
	now := s.o.Now().UTC()
	a.Workspace, a.By, a.CreatedAt, a.UpdatedAt = s.o.Workspace, actor.Name, now, now
	a, created, err := s.o.Store.PutAsset(ctx, a, cairn.Change{By: actor.Name,
		Events: []cairn.Event{event(cairn.EvAssetCreated, nameRef(a.Kind, a.Name), actor, a)}})
	if err != nil {
		return nil, err
	}
	if !created {
		return nil, cairn.Errorf(cairn.CodeConflict, "there is a %s %q already", a.Kind, a.Name)
	}
	return &a, nil
}

// nameRef is the subject of events of a name without a version.
func nameRef(kind cairn.AssetKind, name string) cairn.Ref { return cairn.NewRef(string(kind), name) }

// Name reads a name with its latest version.
func (s *Service) Name(ctx context.Context, kind cairn.AssetKind, name string) (*cairn.Asset, error) {
	if err := checkReadName(kind, name); err != nil {
		return nil, err
	}
	a, err := s.o.Store.Asset(ctx, s.o.Workspace, kind, name)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return nil, s.noName(ctx, kind, name)
	}
	if err != nil {
		return nil, err
	}
	return &a, nil
}

// Names lists names with their latest versions, by kind and name.
func (s *Service) Names(ctx context.Context, f cairn.AssetFilter) (as []cairn.Asset, next int64, err error) {
	return s.o.Store.Assets(ctx, s.o.Workspace, f)
}

// UpdateName changes description, tags and archived of a name.
func (s *Service) UpdateName(ctx context.Context, kind cairn.AssetKind, name string, u Update, actor cairn.Principal) (*cairn.Asset, error) {
	if err := trusted(actor, kind); err != nil {
		return nil, err
	}
	if err := u.check(); err != nil {
		return nil, err
	}
	if u.Stage != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "a stage belongs to a version, not to a name")
	}
	a, err := s.o.Store.UpdateAsset(ctx, s.o.Workspace, kind, name, func(a *cairn.Asset) (err error) {
		a.UpdatedAt = s.o.Now().UTC()
		a.Tags, err = u.tags(a.Tags)
		if u.Description != nil {
			a.Description = *u.Description
		}
		if u.Archived != nil {
			a.Archived = *u.Archived
		}
		return err
	}, func(a cairn.Asset) cairn.Change {
		return cairn.Change{By: actor.Name, Events: []cairn.Event{event(cairn.EvAssetChanged, nameRef(kind, name), actor, a)}}
	})
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return nil, s.noName(ctx, kind, name)
	}
	if err != nil {
		return nil, err
	}
	return &a, nil
}

// DeleteName removes a name with its labels and marks its versions as deleted.
func (s *Service) DeleteName(ctx context.Context, kind cairn.AssetKind, name string, actor cairn.Principal) error {
	if err := trusted(actor, kind); err != nil {
		return err
	}
	if err := checkReadName(kind, name); err != nil {
		return err
	}
	err := s.o.Store.DeleteAsset(ctx, s.o.Workspace, kind, name, cairn.Change{By: actor.Name,
		Events: []cairn.Event{event(cairn.EvAssetChanged, nameRef(kind, name), actor, map[string]any{"kind": kind, "name": name, "deleted": true})}})
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return s.noName(ctx, kind, name)
	}
	return err
}

// SetLabel moves a label to a version.
func (s *Service) SetLabel(ctx context.Context, kind cairn.AssetKind, name, label, version string, actor cairn.Principal) (*cairn.Label, error) {
	if err := trusted(actor, kind); err != nil {
		return nil, err
	}
	if err := checkReadName(kind, name); err != nil {
		return nil, err
	}
	if err := checkLabel(label); err != nil {
		return nil, err
	}
	l := cairn.Label{Workspace: s.o.Workspace, Kind: kind, Name: name, Label: label, Version: version, By: actor.Name, At: s.o.Now().UTC()}
	err := s.o.Store.SetAssetLabel(ctx, l, actor.Run, actor.Attempt, cairn.Change{By: actor.Name,
		Events: []cairn.Event{event(cairn.EvLabelMoved, cairn.AssetRef(kind, name, version), actor, l)}})
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return nil, s.explain(ctx, Reference{Kind: kind, Name: name, Version: version}, err)
	}
	if err != nil {
		return nil, err
	}
	return &l, nil
}

// DeleteLabel removes a label; the versions stay.
func (s *Service) DeleteLabel(ctx context.Context, kind cairn.AssetKind, name, label string, actor cairn.Principal) error {
	if err := trusted(actor, kind); err != nil {
		return err
	}
	l := cairn.Label{Workspace: s.o.Workspace, Kind: kind, Name: name, Label: label, By: actor.Name, At: s.o.Now().UTC()}
	return s.o.Store.DeleteAssetLabel(ctx, s.o.Workspace, kind, name, label, cairn.Change{By: actor.Name,
		Events: []cairn.Event{event(cairn.EvLabelMoved, nameRef(kind, name), actor, l)}})
}

// Labels lists the labels of a name; latest is not among them.
func (s *Service) Labels(ctx context.Context, kind cairn.AssetKind, name string) ([]cairn.Label, error) {
	return s.o.Store.AssetLabels(ctx, s.o.Workspace, kind, name)
}

// Pins lists what labels and versions meant to the jobs of a run.
func (s *Service) Pins(ctx context.Context, run cairn.RunID) ([]cairn.Pin, error) {
	pins, err := s.o.Store.Pins(ctx, run)
	return slices.Clip(pins), err
}

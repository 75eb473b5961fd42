// Package tracktest has stand-ins in memory for what package track needs of
// other rooms.
package tracktest

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/track"
)

// Models is track.Models in memory. Used lists what UseModel was told.
type Models struct {
	Now func() time.Time

	mu       sync.Mutex
	names    map[string]*cairn.Asset
	versions []*cairn.AssetVersion
	labels   []cairn.Label
	used     []string
}

// NewModels returns an empty registry.
func NewModels() *Models { return &Models{Now: time.Now, names: map[string]*cairn.Asset{}} }

var _ track.Models = (*Models)(nil)

// Used lists "name:version by principal" for each use that was recorded.
func (m *Models) Used() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.used)
}

func missing(what string) error { return cairn.Errorf(cairn.CodeNotFound, "there is no %s", what) }

func (m *Models) CreateName(_ context.Context, a cairn.Asset, actor cairn.Principal) (*cairn.Asset, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.names[a.Name]; ok {
		return nil, cairn.Errorf(cairn.CodeConflict, "model %s is there already", a.Name)
	}
	a.By, a.CreatedAt, a.UpdatedAt = actor.Name, m.Now(), m.Now()
	m.names[a.Name] = &a
	return new(a), nil
}

func (m *Models) Name(_ context.Context, _ cairn.AssetKind, name string) (*cairn.Asset, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.names[name]
	if !ok {
		return nil, missing("model " + name)
	}
	return new(*a), nil
}

func (m *Models) Names(_ context.Context, f cairn.AssetFilter) ([]cairn.Asset, int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []cairn.Asset
	for _, n := range slices.Sorted(maps.Keys(m.names)) {
		out = append(out, *m.names[n])
	}
	return out, 0, nil
}

func (m *Models) DeleteName(_ context.Context, _ cairn.AssetKind, name string, _ cairn.Principal) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.names[name]; !ok {
		return missing("model " + name)
	}
	delete(m.names, name)
	m.labels = slices.DeleteFunc(m.labels, func(l cairn.Label) bool { return l.Name == name })
	for _, v := range m.versions {
		if v.Name == name {
			v.Deleted = true
		}
	}
	return nil
}

func (m *Models) version(name, version string) (*cairn.AssetVersion, error) {
	for _, v := range m.versions {
		if v.Name == name && v.Version == version && !v.Deleted {
			return v, nil
		}
	}
	return nil, missing("model " + name + ":" + version)
}

func (m *Models) Version(_ context.Context, _ cairn.AssetKind, name, version string) (*cairn.AssetVersion, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, err := m.version(name, version)
	if err != nil {
		return nil, err
	}
	return new(*v), nil
}

func (m *Models) Versions(_ context.Context, f cairn.AssetFilter) ([]cairn.AssetVersion, int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []cairn.AssetVersion
	for _, v := range slices.Backward(m.versions) {
		if (f.Name == "" || f.Name == v.Name) && (f.Digest == "" || f.Digest == v.Digest) && (f.Deleted || !v.Deleted) {
			out = append(out, *v)
		}
	}
	return out, 0, nil
}

func (m *Models) DeleteVersion(_ context.Context, _ cairn.AssetKind, name, version string, _ cairn.Principal) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, err := m.version(name, version)
	if err != nil {
		return err
	}
	v.Deleted = true
	m.labels = slices.DeleteFunc(m.labels, func(l cairn.Label) bool { return l.Name == name && l.Version == version })
	return nil
}

func (m *Models) Labels(_ context.Context, _ cairn.AssetKind, name string) ([]cairn.Label, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(m.labels), func(l cairn.Label) bool { return l.Name != name }), nil
}

func (m *Models) SetLabel(_ context.Context, kind cairn.AssetKind, name, label, version string, actor cairn.Principal) (*cairn.Label, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.version(name, version); err != nil {
		return nil, err
	}
	m.labels = slices.DeleteFunc(m.labels, func(l cairn.Label) bool { return l.Name == name && l.Label == label })
	l := cairn.Label{Kind: kind, Name: name, Label: label, Version: version, By: actor.Name, At: m.Now()}
	m.labels = append(m.labels, l)
	return &l, nil
}

func (m *Models) DeleteLabel(_ context.Context, _ cairn.AssetKind, name, label string, _ cairn.Principal) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := len(m.labels)
	m.labels = slices.DeleteFunc(m.labels, func(l cairn.Label) bool { return l.Name == name && l.Label == label })
	if len(m.labels) == n {
		return missing("label " + label)
	}
	return nil
}

func (m *Models) CreateModel(_ context.Context, n track.NewModelVersion, actor cairn.Principal) (*cairn.AssetVersion, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	last := 0
	for _, v := range m.versions {
		if v.Name == n.Name {
			last++
		}
	}
	v := &cairn.AssetVersion{Kind: cairn.AssetModel, Name: n.Name, Version: strconv.Itoa(last + 1), Seq: int64(len(m.versions) + 1),
		Type: "folder", Digest: n.Digest, Size: n.Size, Files: n.Files, Description: n.Description, Tags: n.Tags, Properties: n.Properties,
		SourceRun: n.SourceRun, SourceURI: n.SourceURI, Job: actor.Job, By: actor.Name, CreatedAt: m.Now(), UpdatedAt: m.Now()}
	m.versions = append(m.versions, v)
	return new(*v), nil
}

func patch(p track.ModelPatch, description *string, tags *map[string]string) {
	if p.Description != nil {
		*description = *p.Description
	}
	*tags = maps.Clone(*tags)
	if *tags == nil {
		*tags = map[string]string{}
	}
	maps.Copy(*tags, p.SetTags)
	for _, k := range p.DeleteTags {
		delete(*tags, k)
	}
}

func (m *Models) PatchName(_ context.Context, name string, p track.ModelPatch, _ cairn.Principal) (*cairn.Asset, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.names[name]
	if !ok {
		return nil, missing("model " + name)
	}
	patch(p, &a.Description, &a.Tags)
	a.UpdatedAt = m.Now()
	return new(*a), nil
}

func (m *Models) PatchModel(_ context.Context, name, version string, p track.ModelPatch, _ cairn.Principal) (*cairn.AssetVersion, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, err := m.version(name, version)
	if err != nil {
		return nil, err
	}
	patch(p, &v.Description, &v.Tags)
	if p.Stage != nil {
		v.Stage = *p.Stage
	}
	v.UpdatedAt = m.Now()
	return new(*v), nil
}

func (m *Models) UseModel(_ context.Context, name, version string, actor cairn.Principal) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.used = append(m.used, name+":"+version+" by "+actor.Name)
	return nil
}

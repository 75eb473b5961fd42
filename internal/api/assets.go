package api

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/asset"
	"github.com/cairn-ml/cairn/internal/auth"
)

func (a *API) assetRoutes() {
	route(a, op{method: "GET", path: "/assets", id: "list-assets", summary: "The newest version of each asset", need: readers}, a.listAssets)
	route(a, op{method: "GET", path: "/assets/versions", id: "list-versions", summary: "Versions of an asset, newest first", need: readers},
		func(ctx context.Context, in *struct {
			Kind string `query:"kind" required:"true" enum:"data,model,environment,component,code"`
			Name string `query:"name" required:"true" maxLength:"255"`
		}) ([]cairn.AssetVersion, error) {
			vs, _, err := a.o.Assets.Versions(ctx, cairn.AssetFilter{Kind: cairn.AssetKind(in.Kind), Name: in.Name, Archived: true})
			if err == nil && len(vs) == 0 {
				return nil, a.noAsset(ctx, cairn.AssetKind(in.Kind), in.Name)
			}
			return vs, err
		})
	route(a, op{method: "GET", path: "/assets/resolve", id: "resolve-asset", summary: "What a reference means; a job's use of it is recorded", need: readers},
		func(ctx context.Context, in *struct {
			Ref string `query:"ref" required:"true" maxLength:"500"`
		}) (*client.AssetDetail, error) {
			return a.resolve(ctx, in.Ref)
		})
	route(a, op{method: "POST", path: "/assets", id: "create-asset", summary: "Register a version of an asset", need: makers},
		func(ctx context.Context, in *struct{ Body client.NewAsset }) (*cairn.AssetVersion, error) {
			return a.createAsset(ctx, in.Body)
		})
	route(a, op{method: "POST", path: "/assets/share", id: "share-asset", summary: "Copy a version into a registry", need: makers},
		func(ctx context.Context, in *struct{ Body client.ShareAsset }) (*cairn.AssetVersion, error) {
			b := in.Body
			return a.o.Assets.Share(ctx, b.Kind, b.Ref, asset.Share{Registry: b.Registry, Name: b.Name, Version: b.Version}, auth.Actor(ctx))
		})
	routeDo(a, op{method: "PUT", path: "/assets/labels", id: "set-label", summary: "Move a label; no version removes it", need: makers},
		func(ctx context.Context, in *struct {
			Body struct {
				Kind    string `json:"kind"`
				Name    string `json:"name"`
				Label   string `json:"label" minLength:"1"`
				Version string `json:"version,omitempty"`
			}
		}) error {
			b, who := in.Body, auth.Actor(ctx)
			if b.Version == "" {
				return a.o.Assets.DeleteLabel(ctx, cairn.AssetKind(b.Kind), b.Name, b.Label, who)
			}
			_, err := a.o.Assets.SetLabel(ctx, cairn.AssetKind(b.Kind), b.Name, b.Label, b.Version, who)
			return err
		})
	route(a, op{method: "PUT", path: "/assets/tags", id: "set-tags", summary: "Change tags, description and stage of a version", need: makers},
		func(ctx context.Context, in *struct {
			Body struct {
				Ref    cairn.Ref         `json:"ref"`
				Set    map[string]string `json:"set,omitempty"`
				Remove []string          `json:"remove,omitempty"`
				// What is left out stays as it is.
				Description *string `json:"description,omitempty"`
				Stage       *string `json:"stage,omitempty"`
			}
		}) (*cairn.AssetVersion, error) {
			b := in.Body
			return a.update(ctx, b.Ref, asset.Update{SetTags: b.Set, DeleteTags: b.Remove, Description: b.Description, Stage: b.Stage})
		})
	route(a, op{method: "PUT", path: "/assets/archived", id: "archive-asset", summary: "Hide a version, or bring it back", need: makers},
		func(ctx context.Context, in *struct {
			Body struct {
				Ref      cairn.Ref `json:"ref"`
				Archived bool      `json:"archived"`
			}
		}) (*cairn.AssetVersion, error) {
			return a.update(ctx, in.Body.Ref, asset.Update{Archived: &in.Body.Archived})
		})
}

func (a *API) listAssets(ctx context.Context, in *struct {
	Kind     string `query:"kind" enum:"data,model,environment,component,code"`
	Name     string `query:"name" maxLength:"255" doc:"part of the name"`
	Tag      string `query:"tag" maxLength:"500" doc:"key or key=value"`
	Archived bool   `query:"archived"`
	Limit    int    `query:"limit" minimum:"0" maximum:"1000"`
}) ([]cairn.AssetVersion, error) {
	names, _, err := a.o.Assets.Names(ctx, cairn.AssetFilter{Kind: cairn.AssetKind(in.Kind), Archived: in.Archived})
	if err != nil {
		return nil, err
	}
	key, value, valued := strings.Cut(in.Tag, "=")
	out := []cairn.AssetVersion{}
	for _, n := range names {
		v := n.Latest
		if v == nil || in.Name != "" && !strings.Contains(strings.ToLower(n.Name), strings.ToLower(in.Name)) {
			continue
		}
		if got, has := v.Tags[key]; in.Tag != "" && (!has || valued && got != value) {
			continue
		}
		out = append(out, *v)
	}
	slices.SortStableFunc(out, func(x, y cairn.AssetVersion) int { return y.CreatedAt.Compare(x.CreatedAt) })
	if in.Limit > 0 {
		out = out[:min(len(out), in.Limit)]
	}
	return out, nil
}

// resolve reads a reference with or without a kind.
func (a *API) resolve(ctx context.Context, asked string) (*client.AssetDetail, error) {
	kind := cairn.AssetKind("")
	for _, k := range []cairn.AssetKind{cairn.AssetData, cairn.AssetModel, cairn.AssetEnvironment, cairn.AssetComponent, cairn.AssetCode} {
		if strings.HasPrefix(asked, string(k)+"/") {
			kind = k
		}
	}
	if kind == "" {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q does not say which kind of asset it is", asked).
			WithHint("write data/name:version or model/name@latest")
	}
	v, err := a.o.Assets.Resolve(ctx, kind, asked, auth.Actor(ctx))
	if err != nil {
		return nil, err
	}
	d := &client.AssetDetail{Version: *v}
	ls, err := a.o.Assets.Labels(ctx, v.Kind, v.Name)
	if err != nil {
		return nil, err
	}
	for _, l := range ls {
		if l.Version == v.Version {
			d.Labels = append(d.Labels, l.Label)
		}
	}
	links, err := a.o.Rows.LinksTo(ctx, v.Ref())
	if err != nil {
		return nil, err
	}
	for _, l := range links {
		switch {
		case l.Relation == cairn.RelMade && d.MadeBy == "":
			d.MadeBy = l.From
		case l.Relation == cairn.RelUsed && len(d.UsedBy) < 100:
			d.UsedBy = append(d.UsedBy, l.From)
		}
	}
	return d, nil
}

func (a *API) createAsset(ctx context.Context, n client.NewAsset) (*cairn.AssetVersion, error) {
	v := asset.NewVersion{
		Kind: n.Kind, Name: n.Name, Version: n.Version, Type: n.Type, Digest: n.Digest, Description: n.Description,
		Tags: n.Tags, Properties: n.Properties, SourceURI: n.SourceURI,
	}
	if v.Digest == "" && v.SourceURI != "" && a.o.Submissions != nil {
		if err := a.located(ctx, &v); err != nil {
			return nil, err
		}
	}
	if v.Type == "" {
		v.Type = "folder"
	}
	if !v.Digest.Valid() {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not a digest", v.Digest).
			WithHint("upload the bytes first; the answer says their digest")
	}
	info, err := a.measure(ctx, v.Type, v.Digest)
	if err != nil {
		return nil, err
	}
	v.Size, v.Files = info.Size, info.Files
	return a.o.Assets.Create(ctx, v, auth.Actor(ctx))
}

// located finds the bytes of a version that names where they lie instead of a digest.
func (a *API) located(ctx context.Context, v *asset.NewVersion) error {
	d, err := a.o.Submissions.DataAt(ctx, v.SourceURI, string(v.Kind))
	if err != nil {
		return err
	}
	v.Type, v.Digest = d.Type, d.Digest
	if v.Properties = maps.Clone(v.Properties); v.Properties == nil {
		v.Properties = map[string]string{}
	}
	switch kind := v.Properties["type"]; {
	case kind == "uri_file" && d.Type != "file":
		return cairn.Errorf(cairn.CodeInvalid, "%s is a folder, and type is uri_file", v.SourceURI).WithHint("type: uri_folder, or name a file in it")
	case kind != "" && kind != "uri_file" && v.Kind == cairn.AssetData && d.Type == "file":
		return cairn.Errorf(cairn.CodeInvalid, "%s is a file, and type is %s", v.SourceURI, kind).WithHint("type: uri_file, or name its folder")
	}
	if d.Type == "file" && d.Name != "" {
		v.Properties["file"] = d.Name
	}
	if d.Ref != "" {
		v.Derived = append(v.Derived, cairn.Link{To: d.Ref, Note: "registered from " + v.SourceURI})
	}
	return nil
}

// measure says how large a stored folder or file is.
func (a *API) measure(ctx context.Context, kind string, d cairn.Digest) (*client.TreeInfo, error) {
	if kind != "folder" {
		size, err := a.o.Blobs.Stat(ctx, d)
		return &client.TreeInfo{Root: d, Size: size, Files: 1}, err
	}
	es, err := a.o.Blobs.ReadTree(ctx, d)
	if err != nil {
		return nil, err
	}
	info := &client.TreeInfo{Root: d}
	for _, e := range es {
		info.Size += e.Size
		if e.Mode == cairn.ModeDir {
			info.Files += e.Files
		} else {
			info.Files++
		}
	}
	return info, nil
}

func (a *API) update(ctx context.Context, ref cairn.Ref, u asset.Update) (*cairn.AssetVersion, error) {
	name, version := ref.NameVersion()
	if name == "" || version == "" {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q does not name a version", ref).WithHint("write kind/name:version, such as data/digits:3")
	}
	return a.o.Assets.UpdateVersion(ctx, cairn.AssetKind(ref.Kind()), name, version, u, auth.Actor(ctx))
}

// noAsset says that a name is not there, and which one may have been meant.
func (a *API) noAsset(ctx context.Context, kind cairn.AssetKind, name string) error {
	e := cairn.Errorf(cairn.CodeNotFound, "there is no %s %q", kind, name)
	names, _, err := a.o.Assets.Names(ctx, cairn.AssetFilter{Kind: kind, Archived: true})
	if err != nil {
		return e
	}
	var all []string
	for _, n := range names {
		all = append(all, n.Name)
	}
	if near := cairn.Nearest(name, all); near != "" {
		return e.WithHint("did you mean %s?", near)
	}
	return e
}

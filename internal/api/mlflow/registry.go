package mlflow

import (
	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/track"
)

func modelReply(m *track.RegisteredModel, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return object{"registered_model": registered(m)}, nil
}

func versionReply(v *track.ModelVersion, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return object{"model_version": version(v)}, nil
}

func (h *handler) createModel(c *call) (any, error) {
	name, description, tags := c.need("name"), c.str("description"), c.pairs("tags")
	if c.err != nil {
		return nil, c.err
	}
	return modelReply(h.track.CreateModel(c.r.Context(), name, description, tags))
}

func (h *handler) getModel(c *call) (any, error) {
	name := c.need("name")
	if c.err != nil {
		return nil, c.err
	}
	return modelReply(h.track.Model(c.r.Context(), name))
}

func (h *handler) updateModel(c *call) (any, error) {
	name, p := c.need("name"), track.ModelPatch{Description: c.text("description")}
	if c.err != nil {
		return nil, c.err
	}
	return modelReply(h.track.PatchRegisteredModel(c.r.Context(), name, p))
}

func (h *handler) renameModel(c *call) (any, error) {
	name, to := c.need("name"), c.need("new_name")
	if c.err != nil {
		return nil, c.err
	}
	return nil, h.track.RenameModel(c.r.Context(), name, to)
}

func (h *handler) deleteModel(c *call) (any, error) {
	name := c.need("name")
	if c.err != nil {
		return nil, c.err
	}
	return nil, h.track.DeleteModel(c.r.Context(), name)
}

func (h *handler) searchModels(c *call) (any, error) {
	q := c.search("filter", "")
	if c.err != nil {
		return nil, c.err
	}
	ms, next, err := h.track.SearchModels(c.r.Context(), q)
	if err != nil {
		return nil, err
	}
	out := make([]registeredJSON, len(ms))
	for i := range ms {
		out[i] = registered(&ms[i])
	}
	return paged("registered_models", out, next), nil
}

func (h *handler) latestVersions(c *call) (any, error) {
	name, want := c.need("name"), c.strs("stages")
	if c.err != nil {
		return nil, c.err
	}
	vs, err := h.track.LatestVersions(c.r.Context(), name, want)
	if err != nil {
		return nil, err
	}
	return paged("model_versions", versions(vs), ""), nil
}

func (h *handler) setModelTag(c *call) (any, error) {
	name, key, value := c.need("name"), c.need("key"), c.str("value")
	if c.err != nil {
		return nil, c.err
	}
	_, err := h.track.PatchRegisteredModel(c.r.Context(), name, track.ModelPatch{SetTags: map[string]string{key: value}})
	return nil, err
}

func (h *handler) deleteModelTag(c *call) (any, error) {
	name, key := c.need("name"), c.need("key")
	if c.err != nil {
		return nil, c.err
	}
	_, err := h.track.PatchRegisteredModel(c.r.Context(), name, track.ModelPatch{DeleteTags: []string{key}})
	return nil, err
}

func (h *handler) setAlias(c *call) (any, error) {
	name, alias, v := c.need("name"), c.need("alias"), c.need("version")
	if c.err != nil {
		return nil, c.err
	}
	return nil, h.track.SetAlias(c.r.Context(), name, alias, v)
}

func (h *handler) deleteAlias(c *call) (any, error) {
	name, alias := c.need("name"), c.need("alias")
	if c.err != nil {
		return nil, c.err
	}
	return nil, h.track.DeleteAlias(c.r.Context(), name, alias)
}

func (h *handler) getByAlias(c *call) (any, error) {
	name, alias := c.need("name"), c.need("alias")
	if c.err != nil {
		return nil, c.err
	}
	return versionReply(h.track.ByAlias(c.r.Context(), name, alias))
}

func (h *handler) createVersion(c *call) (any, error) {
	n := track.NewVersion{Name: c.need("name"), Source: c.need("source"), RunID: c.str("run_id"), ModelID: c.str("model_id"),
		RunLink: c.str("run_link"), Description: c.str("description"), Tags: c.pairs("tags")}
	if c.err != nil {
		return nil, c.err
	}
	return versionReply(h.track.CreateVersion(c.r.Context(), n))
}

func (h *handler) getVersion(c *call) (any, error) {
	name, v := c.need("name"), c.need("version")
	if c.err != nil {
		return nil, c.err
	}
	return versionReply(h.track.Version(c.r.Context(), name, v))
}

func (h *handler) updateVersion(c *call) (any, error) {
	name, v, p := c.need("name"), c.need("version"), track.ModelPatch{Description: c.text("description")}
	if c.err != nil {
		return nil, c.err
	}
	return versionReply(h.track.PatchVersion(c.r.Context(), name, v, p))
}

func (h *handler) deleteVersion(c *call) (any, error) {
	name, v := c.need("name"), c.need("version")
	if c.err != nil {
		return nil, c.err
	}
	return nil, h.track.DeleteVersion(c.r.Context(), name, v)
}

func (h *handler) transitionStage(c *call) (any, error) {
	name, v, stage, archive := c.need("name"), c.need("version"), c.need("stage"), c.boolean("archive_existing_versions")
	if c.err != nil {
		return nil, c.err
	}
	return versionReply(h.track.TransitionStage(c.r.Context(), name, v, stage, archive))
}

func (h *handler) searchVersions(c *call) (any, error) {
	q := c.search("filter", "")
	if c.err != nil {
		return nil, c.err
	}
	vs, next, err := h.track.SearchVersions(c.r.Context(), q)
	if err != nil {
		return nil, err
	}
	return paged("model_versions", versions(vs), next), nil
}

func (h *handler) downloadURI(c *call) (any, error) {
	name, v := c.need("name"), c.need("version")
	if c.err != nil {
		return nil, c.err
	}
	uri, err := h.track.DownloadURI(c.r.Context(), name, v)
	if err != nil {
		return nil, err
	}
	return object{"artifact_uri": uri}, nil
}

func (h *handler) setVersionTag(c *call) (any, error) {
	name, v, t := c.need("name"), c.need("version"), cairn.Param{Key: c.need("key"), Value: c.str("value")}
	if c.err != nil {
		return nil, c.err
	}
	_, err := h.track.PatchVersion(c.r.Context(), name, v, track.ModelPatch{SetTags: map[string]string{t.Key: t.Value}})
	return nil, err
}

func (h *handler) deleteVersionTag(c *call) (any, error) {
	name, v, key := c.need("name"), c.need("version"), c.need("key")
	if c.err != nil {
		return nil, c.err
	}
	_, err := h.track.PatchVersion(c.r.Context(), name, v, track.ModelPatch{DeleteTags: []string{key}})
	return nil, err
}

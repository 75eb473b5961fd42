package github

import (
	"net/http"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/auth"
)

func (h *handler) releaseRoutes() {
	read, write := cairn.PermissionRead, cairn.PermissionWrite
	h.in("GET", "/releases", "contents", read, func(r *request) (answer, error) {
		all, err := h.releases(r, "")
		if err != nil {
			return none(err)
		}
		out := []any{}
		for _, x := range page(r, all) {
			out = append(out, r.site.Release(&x))
		}
		return ok(out)
	})
	h.in("POST", "/releases", "contents", write, h.createRelease)
	h.in("GET", "/releases/latest", "contents", read, func(r *request) (answer, error) {
		all, err := h.releases(r, "")
		for i := range all {
			if !all[i].Draft && !all[i].Prerelease {
				return ok(r.site.Release(&all[i]))
			}
		}
		if err == nil {
			err = cairn.Errorf(cairn.CodeNotFound, "Not Found: %s has no release", r.repo.Name)
		}
		return none(err)
	})
	h.in("GET", "/releases/tags/{tag...}", "contents", read, func(r *request) (answer, error) {
		all, err := h.releases(r, r.PathValue("tag"))
		for i := range all {
			if !all[i].Draft {
				return ok(r.site.Release(&all[i]))
			}
		}
		if err == nil {
			err = cairn.Errorf(cairn.CodeNotFound, "Not Found: the tag %q has no release", clip(r.PathValue("tag")))
		}
		return none(err)
	})
	h.in("GET", "/releases/{id}", "contents", read, func(r *request) (answer, error) {
		id, err := r.number("id")
		if err != nil {
			return none(err)
		}
		x, err := h.o.Rows.TagRelease(r.Context(), r.repo.Name, id)
		if err == nil && x.Draft {
			err = auth.Permit(r.Context(), "contents", write)
		}
		if err != nil {
			return none(err)
		}
		return ok(r.site.Release(&x))
	})
	h.in("PATCH", "/releases/{id}", "contents", write, h.editRelease)
	h.in("DELETE", "/releases/{id}", "contents", write, func(r *request) (answer, error) {
		id, err := r.number("id")
		if err == nil {
			err = h.o.Owner.DeleteTagRelease(r.Context(), r.repo.Name, id)
		}
		if err != nil {
			return none(err)
		}
		return done(http.StatusNoContent)
	})
	h.refuse("POST", "/releases/{id}/assets", "files of releases: upload an artifact")
	h.refuse("POST", "/releases/generate-notes", "notes that write themselves")
}

// releases are the ones that who asks may see: drafts only who may write.
func (h *handler) releases(r *request, tag string) ([]cairn.TagRelease, error) {
	all, err := h.o.Rows.TagReleases(r.Context(), r.repo.Name, tag)
	if auth.Permit(r.Context(), "contents", cairn.PermissionWrite) == nil {
		return all, err
	}
	var out []cairn.TagRelease
	for _, x := range all {
		if !x.Draft {
			out = append(out, x)
		}
	}
	return out, err
}

func (h *handler) createRelease(r *request) (answer, error) {
	var in struct {
		Tag        string `json:"tag_name"`
		Target     string `json:"target_commitish"`
		Name, Body string
		Draft      bool
		Prerelease bool
	}
	if err := r.read(&in); err != nil {
		return none(err)
	}
	a, err := h.o.Owner.CreateTagRelease(r.Context(), client.TagReleaseCreate{
		Repository: r.repo.Name, Tag: in.Tag, Target: in.Target, Name: in.Name, Body: in.Body, Draft: in.Draft, Prerelease: in.Prerelease,
	})
	if err != nil {
		return none(unprocessable(err))
	}
	return created(r.site.Release(&a.Release))
}

func (h *handler) editRelease(r *request) (answer, error) {
	id, err := r.number("id")
	if err != nil {
		return none(err)
	}
	var in struct {
		Tag        *string `json:"tag_name"`
		Target     *string `json:"target_commitish"`
		Name, Body *string
		Draft      *bool
		Prerelease *bool
	}
	if err := r.read(&in); err != nil {
		return none(err)
	}
	a, err := h.o.Owner.EditTagRelease(r.Context(), r.repo.Name, id, func(x *cairn.TagRelease) {
		set(&x.Tag, in.Tag)
		set(&x.Target, in.Target)
		set(&x.Name, in.Name)
		set(&x.Body, in.Body)
		set(&x.Draft, in.Draft)
		set(&x.Prerelease, in.Prerelease)
	})
	if err != nil {
		return none(unprocessable(err))
	}
	return ok(r.site.Release(&a.Release))
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

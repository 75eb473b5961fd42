package github

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/auth"
)

// Artifacts are the artifacts of runs; *asset.Service satisfies it.
type Artifacts interface {
	Artifacts(ctx context.Context, run cairn.RunID) ([]cairn.Artifact, error)
	ArtifactByID(ctx context.Context, id int64) (*cairn.Artifact, error)
	UseArtifact(ctx context.Context, ref cairn.Ref, actor cairn.Principal) (*cairn.Artifact, error)
	DeleteArtifact(ctx context.Context, a cairn.Artifact, actor cairn.Principal) error
}

// ArtifactRows list the artifacts of a repository; *store.Store satisfies it.
type ArtifactRows interface {
	RepositoryArtifacts(ctx context.Context, repository string, before int64, limit int) ([]cairn.Artifact, error)
}

// Caches are what jobs keep; *cache.Service satisfies it.
type Caches interface {
	List(ctx context.Context, f cairn.CacheFilter) ([]cairn.CacheEntry, error)
	Delete(ctx context.Context, id int64, actor cairn.Principal) error
}

// Kept is what the routes of artifacts and caches stand on.
type Kept struct {
	Artifacts Artifacts
	Rows      ArtifactRows
	Caches    Caches
	// URL is an address at which an artifact can be read for a while, by whoever asks.
	URL func(r *http.Request, a *cairn.Artifact) (string, error)
}

func (h *handler) artifactRoutes() {
	read, write := cairn.PermissionRead, cairn.PermissionWrite
	h.in("GET", "/actions/runs/{id}/artifacts", "actions", read, func(r *request) (answer, error) {
		run, err := h.run(r)
		if err != nil {
			return none(err)
		}
		all, err := h.o.Kept.Artifacts.Artifacts(r.Context(), run.ID)
		if err != nil {
			return none(err)
		}
		return listArtifacts(r, all)
	})
	h.in("GET", "/actions/artifacts", "actions", read, func(r *request) (answer, error) {
		all, err := h.o.Kept.Rows.RepositoryArtifacts(r.Context(), r.repo.Name, 0, maxRuns)
		if err != nil {
			return none(err)
		}
		return listArtifacts(r, all)
	})
	h.in("GET", "/actions/artifacts/{id}", "actions", read, func(r *request) (answer, error) {
		a, err := h.artifact(r)
		if err != nil {
			return none(err)
		}
		return ok(artifactObject(r, a))
	})
	h.in("GET", "/actions/artifacts/{id}/{format}", "actions", read, h.downloadArtifact)
	h.in("DELETE", "/actions/artifacts/{id}", "actions", write, func(r *request) (answer, error) {
		a, err := h.artifact(r)
		if err != nil {
			return none(err)
		}
		if err := h.o.Kept.Artifacts.DeleteArtifact(r.Context(), *a, auth.Actor(r.Context())); err != nil {
			return none(err)
		}
		return done(http.StatusNoContent)
	})
	h.in("GET", "/actions/caches", "actions", read, h.listCaches)
	h.in("DELETE", "/actions/caches", "actions", write, h.deleteCaches)
	h.in("DELETE", "/actions/caches/{id}", "actions", write, func(r *request) (answer, error) {
		id, err := r.number("id")
		if err != nil {
			return none(err)
		}
		es, err := h.o.Kept.Caches.List(r.Context(), cairn.CacheFilter{Repository: r.repo.Name, ID: id})
		if err == nil && len(es) == 0 {
			err = cairn.Errorf(cairn.CodeNotFound, "Not Found: there is no cache %d", id)
		}
		if err == nil {
			err = h.o.Kept.Caches.Delete(r.Context(), id, auth.Actor(r.Context()))
		}
		if err != nil {
			return none(err)
		}
		return done(http.StatusNoContent)
	})
}

// artifact is the one that a path names, of this repository.
func (h *handler) artifact(r *request) (*cairn.Artifact, error) {
	id, err := r.number("id")
	if err != nil {
		return nil, err
	}
	a, err := h.o.Kept.Artifacts.ArtifactByID(r.Context(), id)
	if err != nil {
		return nil, err
	}
	run, err := h.o.Rows.Run(r.Context(), a.Run)
	if err == nil && (run.Repository != r.repo.Name || a.Gone == cairn.ArtifactDeleted) {
		err = cairn.Errorf(cairn.CodeNotFound, "Not Found: there is no artifact %d of %s", id, r.repo.Name)
	}
	return a, err
}

// listArtifacts answers a list, narrowed by name.
func listArtifacts(r *request, all []cairn.Artifact) (answer, error) {
	name := r.URL.Query().Get("name")
	var match []cairn.Artifact
	for _, a := range all {
		if name == "" || a.Name == name {
			match = append(match, a)
		}
	}
	out := []any{}
	for _, a := range page(r, match) {
		out = append(out, artifactObject(r, &a))
	}
	return ok(map[string]any{"total_count": len(match), "artifacts": out})
}

func artifactObject(r *request, a *cairn.Artifact) map[string]any {
	url := fmt.Sprintf("%s%s/repos/%s/actions/artifacts/%d", r.base, Prefix, r.repo.Name, a.ID)
	out := map[string]any{
		"id": a.ID, "node_id": string(a.Ref()), "name": a.Name, "size_in_bytes": a.Size, "url": url, "archive_download_url": url + "/zip",
		"expired": a.Gone != "", "created_at": a.CreatedAt.UTC().Format(time.RFC3339), "updated_at": a.CreatedAt.UTC().Format(time.RFC3339),
		"expires_at": a.ExpiresAt.UTC().Format(time.RFC3339), "workflow_run": map[string]any{"id": a.Run}, "digest": nil,
	}
	if a.Archive != "" {
		out["size_in_bytes"], out["digest"] = a.ArchiveSize, string(a.Archive)
	}
	return out
}

// downloadArtifact leads to where the zip is read.
func (h *handler) downloadArtifact(r *request) (answer, error) {
	if f := r.PathValue("format"); f != "zip" {
		return none(cairn.Errorf(cairn.CodeNotFound, "Not Found: artifacts are sent as zip, not as %.20q", f))
	}
	a, err := h.artifact(r)
	if err != nil {
		return none(err)
	}
	if a.Gone != "" {
		return none(refusal{cairn.Errorf(cairn.CodeNotFound, "Artifact has expired"), http.StatusGone})
	}
	url, err := h.o.Kept.URL(r.Request, a)
	if err == nil {
		_, err = h.o.Kept.Artifacts.UseArtifact(r.Context(), a.Ref(), auth.Actor(r.Context()))
	}
	if err != nil {
		return none(err)
	}
	r.w.Header().Set("Location", url)
	return done(http.StatusFound)
}

func cacheFilter(r *request) cairn.CacheFilter {
	q := r.URL.Query()
	f := cairn.CacheFilter{Repository: r.repo.Name, Key: q.Get("key"), Scope: q.Get("ref"), Limit: maxRuns}
	if f.Scope != "" && !strings.HasPrefix(f.Scope, "refs/") {
		f.Scope = "refs/heads/" + f.Scope
	}
	return f
}

func (h *handler) listCaches(r *request) (answer, error) {
	es, err := h.o.Kept.Caches.List(r.Context(), cacheFilter(r))
	if err != nil {
		return none(err)
	}
	out := []any{}
	for _, e := range page(r, es) {
		out = append(out, cacheObject(e))
	}
	return ok(map[string]any{"total_count": len(es), "actions_caches": out})
}

func cacheObject(e cairn.CacheEntry) map[string]any {
	return map[string]any{"id": e.ID, "ref": e.Scope, "key": e.Key, "version": e.Version, "size_in_bytes": e.Size,
		"created_at": e.CreatedAt.UTC().Format(time.RFC3339), "last_accessed_at": e.UsedAt.UTC().Format(time.RFC3339)}
}

// deleteCaches removes the caches of a key.
func (h *handler) deleteCaches(r *request) (answer, error) {
	f := cacheFilter(r)
	if f.Exact = true; f.Key == "" {
		return none(cairn.Errorf(cairn.CodeInvalid, "the key is missing"))
	}
	es, err := h.o.Kept.Caches.List(r.Context(), f)
	if err == nil && len(es) == 0 {
		err = cairn.Errorf(cairn.CodeNotFound, "Not Found: there is no cache %q", f.Key)
	}
	out := []any{}
	for _, e := range es {
		if err == nil {
			err = h.o.Kept.Caches.Delete(r.Context(), e.ID, auth.Actor(r.Context()))
		}
		out = append(out, cacheObject(e))
	}
	if err != nil {
		return none(err)
	}
	return ok(map[string]any{"total_count": len(out), "actions_caches": out})
}

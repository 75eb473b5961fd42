package api

import (
	"context"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/auth"
)

// Caches are what jobs keep for later runs; *cache.Service satisfies it.
type Caches interface {
	Find(ctx context.Context, job cairn.Principal, keys []string, version string) (*cairn.CacheEntry, error)
	Check(ctx context.Context, job cairn.Principal, key, version string) error
	Save(ctx context.Context, job cairn.Principal, key, version string, d cairn.Digest) (*cairn.CacheEntry, error)
	List(ctx context.Context, f cairn.CacheFilter) ([]cairn.CacheEntry, error)
	Delete(ctx context.Context, id int64, actor cairn.Principal) error
}

func (a *API) cacheRoutes() {
	route(a, op{method: "POST", path: "/job/caches/find", id: "find-cache", summary: "The cache that the calling job gets for its keys", need: makers},
		func(ctx context.Context, in *struct {
			Body struct {
				Keys    []string `json:"keys"`
				Version string   `json:"version"`
			}
		}) (*cairn.CacheEntry, error) {
			return a.o.Caches.Find(ctx, auth.Actor(ctx), in.Body.Keys, in.Body.Version)
		})
	routeDo(a, op{method: "POST", path: "/job/caches/check", id: "check-cache", summary: "Whether the calling job may keep something under a key", need: makers},
		func(ctx context.Context, in *struct {
			Body struct {
				Key     string `json:"key"`
				Version string `json:"version"`
			}
		}) error {
			return a.o.Caches.Check(ctx, auth.Actor(ctx), in.Body.Key, in.Body.Version)
		})
	route(a, op{method: "POST", path: "/job/caches", id: "save-cache", summary: "Keep stored bytes as a cache of the calling job", need: makers},
		func(ctx context.Context, in *struct {
			Body struct {
				Key     string       `json:"key"`
				Version string       `json:"version"`
				Digest  cairn.Digest `json:"digest"`
			}
		}) (*cairn.CacheEntry, error) {
			return a.o.Caches.Save(ctx, auth.Actor(ctx), in.Body.Key, in.Body.Version, in.Body.Digest)
		})
	route(a, op{method: "GET", path: "/caches", id: "list-caches", summary: "Caches, the last used first", need: readers, trusted: true},
		func(ctx context.Context, in *struct {
			Repository string `query:"repository" maxLength:"255"`
			Key        string `query:"key" maxLength:"2048" doc:"what keys begin with"`
			Exact      bool   `query:"exact" doc:"key is the whole key"`
			Ref        string `query:"ref" maxLength:"500"`
			ID         int64  `query:"id" minimum:"0"`
			Limit      int    `query:"limit" minimum:"0" maximum:"1000"`
		}) ([]cairn.CacheEntry, error) {
			return orEmpty(a.o.Caches.List(ctx, cairn.CacheFilter{Repository: in.Repository, Key: in.Key, Exact: in.Exact, Scope: in.Ref, ID: in.ID, Limit: in.Limit}))
		})
	routeDo(a, op{method: "DELETE", path: "/caches/{id}", id: "delete-cache", summary: "Remove a cache", need: writers},
		func(ctx context.Context, in *struct {
			ID int64 `path:"id" minimum:"1"`
		}) error {
			return a.o.Caches.Delete(ctx, in.ID, auth.Actor(ctx))
		})
	routeDo(a, op{method: "DELETE", path: "/artifacts/{id}", id: "delete-artifact", summary: "Delete an artifact; a job may delete those of its run", need: makers},
		func(ctx context.Context, in *struct {
			ID int64 `path:"id" minimum:"1"`
		}) error {
			found, err := a.o.Assets.ArtifactByID(ctx, in.ID)
			if err != nil {
				return err
			}
			return a.o.Assets.DeleteArtifact(ctx, *found, auth.Actor(ctx))
		})
}

package server

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/actions"
	"github.com/cairn-ml/cairn/internal/api/github"
	"github.com/cairn-ml/cairn/internal/asset"
	"github.com/cairn-ml/cairn/internal/cache"
	"github.com/cairn-ml/cairn/internal/store"
)

// openResults makes the room of caches and the services that GitHub's clients of
// artifacts and caches speak to.
func (s *Server) openResults() error {
	s.caches = cache.New(cache.Options{Store: s.store, Blobs: s.blobs, Place: s.cachePlace, Limits: s.config.cacheLimits, Log: s.log})
	var err error
	s.results, err = actions.New(actions.Options{
		Artifacts: s.assets, Caches: s.caches, Blobs: s.blobs, People: s.people, Dir: filepath.Join(s.o.Home, "transfers"),
		MaxUpload: int64(s.config.MaxUpload), Free: s.store.Free, Explain: store.Explain, Log: s.log,
	})
	return err
}

// cachePlace tells where the caches of a job belong: to its ref, and for reading to
// the base of a pull request and to the default branch.
func (s *Server) cachePlace(ctx context.Context, job cairn.Principal) (cache.Place, error) {
	run, err := s.store.Run(ctx, job.Run)
	if err != nil {
		return cache.Place{}, err
	}
	p := cache.Place{Repository: run.Repository}
	add := func(ref string) {
		if ref != "" && !slices.Contains(p.Scopes, ref) {
			p.Scopes = append(p.Scopes, ref)
		}
	}
	add(run.Ref)
	if len(p.Scopes) == 0 {
		return p, nil // of a detached head: it belongs to nothing
	}
	// What code of strangers left under a ref that others read would run there.
	p.ReadOnly = run.Untrusted && !strings.HasPrefix(run.Ref, "refs/pull/")
	if run.BaseRef != "" {
		add(branchRef(run.BaseRef))
	}
	repos, err := s.store.Repositories(ctx, Workspace)
	if err != nil {
		return p, err
	}
	for _, r := range repos {
		if r.Name == run.Repository && r.DefaultBranch != "" {
			add(branchRef(r.DefaultBranch))
		}
	}
	return p, nil
}

func branchRef(name string) string {
	if strings.HasPrefix(name, "refs/") {
		return name
	}
	return "refs/heads/" + name
}

// retention tells how long artifacts of a run are kept.
func (s *Server) retention(ctx context.Context, id cairn.RunID) (asset.Retention, error) {
	run, err := s.store.Run(ctx, id)
	if err != nil {
		return asset.Retention{}, err
	}
	return s.config.retention(run.Repository), nil
}

// ActionEnv is what steps with uses are told of the services for artifacts and
// caches. The addresses are those of an IP, as all that code dials.
func (r *resolver) ActionEnv(_ context.Context, _ *cairn.Run, job *cairn.Job) (map[string]string, string, error) {
	token, err := r.s.people.Key().RuntimeToken(job)
	return map[string]string{
		"ACTIONS_RUNTIME_URL": r.s.url + "/", "ACTIONS_RESULTS_URL": r.s.url + "/", "ACTIONS_CACHE_URL": r.s.url + "/",
		"ACTIONS_CACHE_SERVICE_V2": "true",
	}, token, err
}

// kept is what the interface in GitHub's form shows of artifacts and caches.
func (s *Server) kept() github.Kept {
	return github.Kept{Artifacts: s.assets, Rows: s.store, Caches: s.caches, URL: s.results.ArtifactURL}
}

func days(n float64) time.Duration { return time.Duration(n * float64(24*time.Hour)) }

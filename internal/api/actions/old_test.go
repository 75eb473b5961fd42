package actions_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestOldServicesRefused: the services of artifacts v3 and caches v1, which GitHub has
// switched off, are refused by name.
func TestOldServicesRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{"/_apis/artifactcache/cache?keys=a&version=b", "/_apis/pipelines/workflows/1/artifacts?api-version=6.0-preview"} {
		status, _, b := w.send(http.MethodGet, w.URL+path, nil, "Authorization", "Bearer "+w.token)
		if status != http.StatusNotImplemented || !strings.Contains(string(b), "artifacts v3 and caches v1 are not spoken here") {
			t.Errorf("%s: %d %s", path, status, b)
		}
	}
}

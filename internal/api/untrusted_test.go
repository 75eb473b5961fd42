package api

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/auth"
)

// What people sent to a model, and what its program wrote, is not for the job of
// untrusted code to read.
func TestUntrustedReadsNoPredictions(t *testing.T) {
	t.Parallel()
	a := New(Options{Version: "test"})
	job := cairn.Principal{Name: "job/1", Role: cairn.RoleJob, Job: 1, Permissions: cairn.DefaultPermissions().ReadOnly(), Untrusted: true}
	for _, path := range []string{"/predictions", "/predictions/p1", "/predictions/p1/input", "/stages/log?stage=production"} {
		r := httptest.NewRequestWithContext(auth.With(t.Context(), job), http.MethodGet, Prefix+path, nil)
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		if w.Code != http.StatusForbidden {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

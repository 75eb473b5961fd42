package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
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

// repositoryRows are run 1 and job 1 of one repository, run 2 and job 2 of another.
type repositoryRows struct{ Rows }

func (repositoryRows) Run(_ context.Context, id cairn.RunID) (cairn.Run, error) {
	return cairn.Run{ID: id, Attempt: 1, Repository: map[cairn.RunID]string{1: "ana/digits", 2: "ben/other"}[id]}, nil
}

func (repositoryRows) Runs(_ context.Context, f cairn.RunFilter) ([]cairn.Run, error) {
	return []cairn.Run{{ID: 1, Repository: f.Repository}}, nil
}

func (repositoryRows) Job(_ context.Context, id cairn.JobID) (cairn.Job, error) {
	return cairn.Job{ID: id, Run: cairn.RunID(id)}, nil
}

func (repositoryRows) Steps(context.Context, cairn.JobID) ([]cairn.StepRow, error) { return nil, nil }

func (repositoryRows) Jobs(context.Context, cairn.RunID, int, bool) ([]cairn.Job, error) {
	return nil, nil
}

// A job of untrusted code reads runs, jobs and logs of its own repository; one of
// trusted code reads those of all.
func TestUntrustedReadsItsOwnRepository(t *testing.T) {
	t.Parallel()
	a := New(Options{Version: "test", Rows: repositoryRows{}})
	get := func(path string, untrusted bool) (int, string) {
		job := cairn.Principal{Name: "job/1", Role: cairn.RoleJob, Job: 1, Run: 1, Permissions: cairn.DefaultPermissions().ReadOnly(), Untrusted: untrusted}
		r := httptest.NewRequestWithContext(auth.With(t.Context(), job), http.MethodGet, Prefix+path, nil)
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	for _, path := range []string{"/runs/1", "/runs/1/jobs", "/jobs/1"} {
		if code, text := get(path, true); code != http.StatusOK {
			t.Errorf("%s: %d %s", path, code, text)
		}
	}
	for _, path := range []string{"/runs/2", "/runs/2/jobs", "/runs/2/artifacts", "/runs/2/plan", "/runs/2/events", "/jobs/2", "/jobs/2/steps/1/log"} {
		if code, text := get(path, true); code != http.StatusNotFound || !strings.Contains(text, "not of ana/digits") {
			t.Errorf("%s: %d %s", path, code, text)
		}
	}
	if code, text := get("/runs/2", false); code != http.StatusOK {
		t.Errorf("%d %s", code, text)
	}
	if code, text := get("/runs?repository=ben/other", true); code != http.StatusOK || strings.Contains(text, "ben/other") || !strings.Contains(text, "ana/digits") {
		t.Errorf("%d %s", code, text)
	}
	for _, path := range []string{"/events", "/caches", "/concurrency-groups"} {
		if code, text := get(path, true); code != http.StatusForbidden {
			t.Errorf("%s: %d %s", path, code, text)
		}
	}
}

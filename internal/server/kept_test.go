package server

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/auth"
)

// TestArtifactsOverREST: the interface that clients of other runs use: lists, the
// redirect to a zip, deletion, caches.
func TestArtifactsOverREST(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := startHere(t)
	plan := []byte("{}")
	if err := s.store.PutRepository(ctx, cairn.Repository{Workspace: Workspace, Name: "ana/digits", DefaultBranch: "main"}, cairn.Change{By: "ana"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.store.CreateRun(ctx, cairn.Run{ID: 1, Workspace: Workspace, Repository: "ana/digits", Attempt: 1, Ref: "refs/heads/main", Plan: cairn.SumBytes(plan),
		Status: cairn.StatusCompleted, Conclusion: cairn.Success}, cairn.Attempt{Run: 1, Number: 1}, plan, cairn.Change{By: "ana"}); err != nil {
		t.Fatal(err)
	}
	d, err := s.blobs.PutBytes(ctx, []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	tree, err := s.blobs.PutTree(ctx, []cairn.TreeEntry{{Name: "a.txt", Mode: cairn.ModeFile, Size: 5, Digest: d}})
	if err != nil {
		t.Fatal(err)
	}
	who := auth.JobPrincipal(&cairn.Job{ID: 1, Run: 1, Attempt: 1, Epoch: 1})
	a, err := s.assets.CreateArtifact(ctx, cairn.Artifact{Name: "x", Digest: tree}, false, who)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.caches.Save(ctx, who, "pip-1", strings.Repeat("a", 64), d); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	ask := func(method, path string) (int, map[string]any, http.Header) {
		t.Helper()
		req, err := http.NewRequestWithContext(ctx, method, s.url+"/api/v3/repos/ana/digits/actions"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		var out map[string]any
		if len(b) > 0 {
			if err := json.Unmarshal(b, &out); err != nil {
				t.Fatalf("%s: %v", b, err)
			}
		}
		return resp.StatusCode, out, resp.Header
	}
	for _, path := range []string{"/runs/1/artifacts", "/artifacts", "/artifacts?name=x"} {
		if status, out, _ := ask("GET", path); status != http.StatusOK || out["total_count"] != 1.0 {
			t.Errorf("%s: %d %v", path, status, out)
		}
	}
	if status, out, _ := ask("GET", "/artifacts/1"); status != http.StatusOK || out["name"] != "x" || out["expired"] != false || out["id"] != float64(a.ID) {
		t.Errorf("%d %v", status, out)
	}
	status, _, h := ask("GET", "/artifacts/1/zip")
	if status != http.StatusFound {
		t.Fatalf("%d %v", status, h)
	}
	resp, err := http.Get(h.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK || !strings.HasPrefix(string(b), "PK") {
		t.Errorf("%d %v", resp.StatusCode, err)
	}
	if status, _, _ := ask("GET", "/artifacts/1/tar"); status != http.StatusNotFound {
		t.Error(status)
	}
	if status, _, _ := ask("DELETE", "/artifacts/1"); status != http.StatusNoContent {
		t.Error(status)
	}
	for _, path := range []string{"/artifacts/1", "/artifacts/1/zip", "/artifacts/9"} {
		if status, out, _ := ask("GET", path); status != http.StatusNotFound {
			t.Errorf("%s: %d %v", path, status, out)
		}
	}
	if status, out, _ := ask("GET", "/caches?key=pip-"); status != http.StatusOK || out["total_count"] != 1.0 {
		t.Errorf("%d %v", status, out)
	}
	if status, out, _ := ask("DELETE", "/caches?key=pip-"); status != http.StatusNotFound {
		t.Errorf("part of a key: %d %v", status, out)
	}
	if status, out, _ := ask("DELETE", "/caches?key=pip-1"); status != http.StatusOK || out["total_count"] != 1.0 {
		t.Errorf("%d %v", status, out)
	}
	if status, _, _ := ask("DELETE", "/caches/1"); status != http.StatusNotFound {
		t.Error(status)
	}
}

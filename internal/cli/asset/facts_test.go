package asset

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
)

// TestMatrixIsFound looks in all places where training scripts leave it, the
// nearest to the model first.
func TestMatrixIsFound(t *testing.T) {
	t.Parallel()
	const text = `{"labels":["cat","dog"],"matrix":[[5,0],[1,4]]}`
	model, report, old, blob := cairn.SumBytes([]byte("model")), cairn.SumBytes([]byte("report")), cairn.SumBytes([]byte("old")), cairn.SumBytes([]byte(text))
	for _, where := range []string{"model", "tracking", "artifact", ""} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			files := func(here bool) []client.TreeFile {
				fs := []client.TreeFile{{Path: "notes.txt", Size: 3, Digest: model}}
				if here {
					fs = append(fs, client.TreeFile{Path: "plots/confusion-matrix.json", Size: int64(len(text)), Digest: blob})
				}
				return fs
			}
			mux := http.NewServeMux()
			answer := func(path string, v any) {
				mux.HandleFunc("GET /api/v1"+path, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Type", "application/json")
					if err := json.NewEncoder(w).Encode(v); err != nil {
						t.Error(err)
					}
				})
			}
			answer("/trace", cairn.Trace{Roots: []cairn.TraceNode{{Facts: []cairn.TraceFact{{Group: "metric", Name: "accuracy", Value: "0.9"}}}}})
			answer("/trees/"+string(model)+"/files", files(where == "model"))
			answer("/trees/"+string(report)+"/files", files(where == "artifact"))
			answer("/trees/"+string(old)+"/files", files(true))
			answer("/tracking/runs/r1/files", files(where == "tracking"))
			answer("/runs/3/artifacts", []cairn.Artifact{{Name: "old", Attempt: 1, Digest: old}, {Name: "report", Attempt: 2, Digest: report}})
			mux.HandleFunc("GET /api/v1/blobs/"+string(blob), func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) })
			srv := httptest.NewServer(mux)
			t.Cleanup(srv.Close)
			c, err := client.New(client.Options{URL: srv.URL})
			if err != nil {
				t.Fatal(err)
			}
			m := readModelFacts(t.Context(), c, &client.AssetDetail{Version: cairn.AssetVersion{Kind: cairn.AssetModel, Name: "m", Version: "1",
				Digest: model, SourceRun: "r1", Run: 3, Attempt: 2}})
			if len(m.metrics) != 1 || (m.matrix != nil) != (where != "") || m.matrix != nil && m.matrix.labels[1] != "dog" {
				t.Errorf("%+v", m)
			}
		})
	}
}

package mlflow_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
)

// upload puts files below a run's root.
func (w *world) upload(root string, names ...string) {
	w.t.Helper()
	for _, n := range names {
		if code, text, _ := w.send("PUT", files+"/"+root+"/"+n, "", "bytes of "+n); code != 200 {
			w.t.Fatalf("%d %s", code, text)
		}
	}
}

func TestVersionSources(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ok("POST", api+"registered-models/create", `{"name":"digits"}`)
	run, other := w.newRun(`{}`), w.newRun(`{}`)
	w.upload("0/"+run+"/artifacts", "model/MLmodel", "model/data/model.pkl", "plain.bin")
	logged := w.ok("POST", api+"logged-models", `{"experiment_id":"0","name":"net","source_run_id":"`+run+`"}`)
	id := at(logged, "model", "info", "model_id").(string)
	w.upload("0/models/"+id+"/artifacts", "MLmodel", "data/model.pkl")
	if at(logged, "model", "info", "status") != "LOGGED_MODEL_PENDING" {
		t.Errorf("new: %v", logged)
	}
	w.ok("PATCH", api+"logged-models/"+id, `{"model_id":"`+id+`","status":"LOGGED_MODEL_READY"}`)

	var first cairn.Digest
	for i, c := range []struct{ source, extra, want string }{
		{"runs:/" + run + "/model", ``, ""},
		{"mlflow-artifacts:/0/" + run + "/artifacts/model", `,"run_id":"` + run + `"`, ""},
		{"mlflow-artifacts://127.0.0.1:7077/0/" + run + "/artifacts/model", ``, ""},
		{"http://127.0.0.1:7077/api/2.0/mlflow-artifacts/artifacts/0/" + run + "/artifacts/model", ``, ""},
		{"models:/" + id, `,"model_id":"` + id + `"`, ""},
		{"mlflow-artifacts:/0/models/" + id + "/artifacts", ``, ""},
		{"runs:/" + run + "/net", ``, ""}, // beside the run
		{"models:/digits/1", ``, ""},
		{"mlflow-artifacts:/0/" + run + "/artifacts/plain.bin", ``, ""},

		{"runs:/" + run + "/model", `,"run_id":"` + other + `"`, "must identify the resource"},
		{"mlflow-artifacts:/0/" + run + "/artifacts/model", `,"run_id":"` + other + `"`, "must identify the resource"},
		{"models:/" + id, `,"model_id":"m-` + strings.Repeat("0", 32) + `"`, "must identify the resource"},
		{"mlflow-artifacts:/0/" + run + "/artifacts/../../x", ``, "Invalid path"},
		{"mlflow-artifacts:/0/" + run + "/artifacts/%2e%2e/x", ``, "encoded"},
		{"mlflow-artifacts:/0/" + run + "/artifacts/model#/../../x", ``, "without query or fragment"},
		{"file:///etc", ``, "Invalid model version source"},
		{"/etc/passwd", ``, "Invalid model version source"},
		{"s3://bucket/x", ``, "Invalid model version source"},
		{"models://other/digits/1", ``, "active model registry"},
		{"http://elsewhere/x", ``, "Invalid model version source"},
	} {
		body := fmt.Sprintf(`{"name":"digits","source":%q%s}`, c.source, c.extra)
		code, text, _ := w.send("POST", api+"model-versions/create", "", body)
		if c.want != "" {
			if code != 400 || !strings.Contains(text, c.want) {
				t.Errorf("%s: %d %s, want …%s…", body, code, text, c.want)
			}
			continue
		}
		var reply map[string]any
		if code != 200 || json.Unmarshal([]byte(text), &reply) != nil {
			t.Fatalf("%s: %d %s", body, code, text)
		}
		if at(reply, "model_version", "run_id") != run || at(reply, "model_version", "version") != fmt.Sprint(i+1) {
			t.Errorf("%s: %s", body, text)
		}
		v, err := w.models.Version(t.Context(), cairn.AssetModel, "digits", fmt.Sprint(i+1))
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = v.Digest
			if v.Files != 2 || v.Size != int64(len("bytes of model/MLmodel")+len("bytes of model/data/model.pkl")) {
				t.Errorf("size and files: %d %d", v.Size, v.Files)
			}
		}
		if (i < 4 || i == 7) && v.Digest != first {
			t.Errorf("%s: digest %s, want %s", c.source, v.Digest, first)
		}
	}
	for _, source := range []string{"runs:/" + run + "/none", "models:/m-" + strings.Repeat("0", 32), "mlflow-artifacts:/0/none"} {
		if code, text, _ := w.send("POST", api+"model-versions/create", "", fmt.Sprintf(`{"name":"digits","source":%q}`, source)); code != 404 {
			t.Errorf("%s: %d %s", source, code, text)
		}
	}
	var regs []string
	m := w.ok("GET", api+"logged-models/"+id, "")
	for _, r := range at(m, "model", "info", "registrations").([]any) {
		regs = append(regs, fmt.Sprint(at(r, "version")))
	}
	if strings.Join(regs, " ") != "5 6 7" {
		t.Errorf("registrations %v", regs)
	}
}

func TestRegistry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ok("POST", api+"registered-models/create", `{"name":"my digits","description":"d","tags":[{"key":"a","value":"b"}]}`)
	w.ok("POST", api+"registered-models/create", `{"name":"other"}`)
	if code, text, _ := w.send("POST", api+"registered-models/create", "", `{"name":"other"}`); code != 400 || !strings.Contains(text, "RESOURCE_ALREADY_EXISTS") {
		t.Errorf("%d %s", code, text)
	}
	run := w.newRun(`{}`)
	w.upload("0/"+run+"/artifacts/m", "MLmodel", "sub/x.txt")
	for range 3 {
		w.ok("POST", api+"model-versions/create", `{"name":"my digits","source":"runs:/`+run+`/m","description":"v","tags":[{"key":"k","value":"1"}],"run_link":"http://x"}`)
	}
	stage := func(v, st string, archive bool) {
		w.ok("POST", api+"model-versions/transition-stage", fmt.Sprintf(`{"name":"my digits","version":%q,"stage":%q,"archive_existing_versions":%v}`, v, st, archive))
	}
	stage("1", "production", false)
	stage("2", "PRODUCTION", true)
	vs := func(q string) string {
		t.Helper()
		var out []string
		list, _ := w.ok("GET", api+"model-versions/search?filter="+q, "")["model_versions"].([]any)
		for _, v := range list {
			out = append(out, fmt.Sprintf("%v:%v", at(v, "version"), at(v, "current_stage")))
		}
		return strings.Join(out, " ")
	}
	if got := vs("name%3D%27my%20digits%27"); got != "3:None 2:Production 1:Archived" {
		t.Errorf("search: %s", got)
	}
	if got := vs("run_id%20IN%20('" + run + "')%20AND%20version_number%20%3C%203%20AND%20tags.k%3D'1'"); got != "2:Production 1:Archived" {
		t.Errorf("search: %s", got)
	}
	latest := w.ok("POST", api+"registered-models/get-latest-versions", `{"name":"my digits","stages":["Production"]}`)
	if at(latest, "model_versions", 0, "version") != "2" {
		t.Errorf("latest: %v", latest)
	}
	alias := func(body string) { w.ok("POST", api+"registered-models/alias", body) }
	alias(`{"name":"my digits","alias":"champion","version":"1"}`)
	alias(`{"name":"my digits","alias":"champion","version":"2"}`)
	for _, bad := range []string{"latest", "v3", "V12", "a b", ""} {
		if code, _, _ := w.send("POST", api+"registered-models/alias", "", fmt.Sprintf(`{"name":"my digits","alias":%q,"version":"2"}`, bad)); code != 400 {
			t.Errorf("alias %q: %d", bad, code)
		}
	}
	v := w.ok("GET", api+"registered-models/alias?name=my%20digits&alias=champion", "")
	if at(v, "model_version", "version") != "2" || at(v, "model_version", "aliases", 0) != "champion" || at(v, "model_version", "run_link") != "http://x" {
		t.Errorf("by alias: %v", v)
	}
	m := w.ok("GET", api+"registered-models/get?name=my%20digits", "")
	if at(m, "registered_model", "aliases", 0, "version") != "2" || at(m, "registered_model", "tags", 0, "value") != "b" ||
		len(at(m, "registered_model", "latest_versions").([]any)) != 3 {
		t.Errorf("model: %v", m)
	}
	list := w.ok("GET", api+"registered-models/search?filter=name%20ILIKE%20'MY%25'%20AND%20tag.%60mlflow.prompt.is_prompt%60%20!%3D%20'true'", "")
	if at(list, "registered_models", 0, "name") != "my digits" || at(list, "registered_models", 1) != nil {
		t.Errorf("search: %v", list)
	}
	page := w.ok("GET", api+"registered-models/search?max_results=1&order_by=name%20DESC", "")
	if at(page, "registered_models", 0, "name") != "other" {
		t.Errorf("first page: %v", page)
	}
	page = w.ok("GET", api+"registered-models/search?max_results=1&order_by=name%20DESC&page_token="+page["next_page_token"].(string), "")
	if at(page, "registered_models", 0, "name") != "my digits" || page["next_page_token"] != nil {
		t.Errorf("second page: %v", page)
	}

	// The version is read by its digest, and a job that asks is noted.
	_, text, _ := w.send("GET", api+"model-versions/get-download-uri?name=my%20digits&version=1", "job", "")
	var uri struct {
		URI string `json:"artifact_uri"`
	}
	if err := json.Unmarshal([]byte(text), &uri); err != nil {
		t.Fatal(err)
	}
	p, ok := strings.CutPrefix(uri.URI, "mlflow-artifacts:/")
	if !ok {
		t.Fatalf("uri %q", uri.URI)
	}
	if code, text, _ := w.send("GET", files+"/"+p+"/sub/x.txt", "", ""); code != 200 || text != "bytes of sub/x.txt" {
		t.Errorf("%d %s", code, text)
	}
	if code, text, _ := w.send("GET", "/model-versions/get-artifact?name=my%20digits&version=1&path=MLmodel", "", ""); code != 200 || text != "bytes of MLmodel" {
		t.Errorf("%d %s", code, text)
	}
	links, err := w.store.LinksFrom(t.Context(), "job/7")
	if err != nil || len(links) != 1 || links[0].Relation != cairn.RelUsed || links[0].To != "model/my digits:1" {
		t.Errorf("links of the job that asked: %v %v", links, err)
	}
	links, err = w.store.LinksFrom(t.Context(), "model/my digits:1")
	if err != nil || len(links) != 1 || links[0].Relation != cairn.RelDerived || links[0].To != cairn.NewRef(cairn.KindMLRun, run) {
		t.Errorf("links of the version: %v %v", links, err)
	}

	w.ok("DELETE", api+"model-versions/delete", `{"name":"my digits","version":"3"}`)
	if code, _, _ := w.send("GET", api+"model-versions/get?name=my%20digits&version=3", "", ""); code != 404 {
		t.Errorf("a deleted version: %d", code)
	}
	v = w.ok("POST", api+"model-versions/create", `{"name":"my digits","source":"runs:/`+run+`/m"}`)
	if at(v, "model_version", "version") != "4" {
		t.Errorf("a number was given twice: %v", v)
	}
	if code, text, _ := w.send("POST", api+"registered-models/rename", "", `{"name":"other","new_name":"b"}`); code != 501 || !strings.Contains(text, "copy_model_version") {
		t.Errorf("rename: %d %s", code, text)
	}
	w.ok("DELETE", api+"registered-models/delete", `{"name":"my digits"}`)
	if code, _, _ := w.send("GET", api+"registered-models/get?name=my%20digits", "", ""); code != 404 {
		t.Errorf("a deleted model: %d", code)
	}
}

func TestSummaries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ok("POST", api+"registered-models/create", `{"name":"digits"}`)
	run := w.newRun(`{"run_name":"r"}`)
	w.ok("POST", api+"runs/log-batch", `{"run_id":"`+run+`","params":[{"key":"C","value":"1"}],"metrics":[{"key":"acc","value":0.9,"timestamp":1}]}`)
	w.upload("0/"+run+"/artifacts", "m/MLmodel", "training_confusion_matrix.png", "plots/confusion-matrix.png", "confusion_matrix.json")
	w.ok("POST", api+"model-versions/create", `{"name":"digits","source":"runs:/`+run+`/m"}`)
	s, err := w.track.ModelSummary(t.Context(), "digits", "1")
	if err != nil {
		t.Fatal(err)
	}
	if s.Run == nil || s.Run.ConfusionMatrix != "plots/confusion-matrix.png" || len(s.Run.Artifacts) != 4 || s.Run.ExperimentName != "Default" ||
		s.Run.Params[0].Value != "1" || s.Run.Metrics[0].Value != 0.9 {
		t.Errorf("summary: %+v", s.Run)
	}
	files, err := w.track.RunFiles(t.Context(), run)
	if err != nil || len(files) != 4 || files[0].Path != "confusion_matrix.json" || !files[0].Digest.Valid() {
		t.Errorf("files: %+v %v", files, err)
	}
}

package mlflow_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
)

func TestErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	run := w.newRun(`{"experiment_id":"0"}`)
	w.ok("POST", api+"runs/log-parameter", fmt.Sprintf(`{"run_id":%q,"key":"lr","value":"1"}`, run))
	gone := w.newRun(`{}`)
	w.ok("POST", api+"runs/delete", fmt.Sprintf(`{"run_id":%q}`, gone))
	many := func(n int, one string) string { return "[" + strings.TrimSuffix(strings.Repeat(one+",", n), ",") + "]" }
	for _, c := range []struct {
		name, method, path, token, body string
		status                          int
		code, message                   string
	}{
		{"unknown endpoint", "POST", api + "traces", "", `{}`, 404, "ENDPOINT_NOT_FOUND", "POST /api/2.0/mlflow/traces"},
		{"unknown method", "DELETE", api + "runs/get", "", `{}`, 404, "ENDPOINT_NOT_FOUND", "DELETE"},
		{"unknown version", "GET", "/api/3.0/mlflow/server-info", "", ``, 404, "ENDPOINT_NOT_FOUND", "server-info"},
		{"nobody", "GET", api + "experiments/get?experiment_id=0", "unknown", ``, 401, "UNAUTHENTICATED", "MLFLOW_TRACKING_TOKEN"},
		{"reader writes", "POST", api + "runs/create", "reader", `{}`, 403, "PERMISSION_DENIED", "rita"},
		{"reader uploads", "PUT", "/api/2.0/mlflow-artifacts/artifacts/x", "reader", `x`, 403, "PERMISSION_DENIED", ""},
		{"not JSON", "POST", api + "runs/create", "", `{`, 400, "INVALID_PARAMETER_VALUE", "JSON"},
		{"missing", "GET", api + "runs/get", "", ``, 400, "INVALID_PARAMETER_VALUE", "Missing value for required parameter 'run_id'. See the API docs"},
		{"wrong type", "POST", api + "experiments/create", "", `{"name":123}`, 400, "INVALID_PARAMETER_VALUE", "Invalid value 123 for parameter 'name' supplied"},
		{"bool as value", "POST", api + "runs/log-metric", "", `{"run_id":"` + run + `","key":"k","value":true,"timestamp":1}`, 400, "INVALID_PARAMETER_VALUE", "type 'bool'"},
		{"no value", "POST", api + "runs/log-metric", "", `{"run_id":"` + run + `","key":"k","timestamp":1}`, 400, "INVALID_PARAMETER_VALUE", "'value'"},
		{"negative time", "POST", api + "runs/log-metric", "", `{"run_id":"` + run + `","key":"k","value":1,"timestamp":-1}`, 400, "INVALID_PARAMETER_VALUE", "nonnegative"},
		{"bad key", "POST", api + "runs/log-metric", "", `{"run_id":"` + run + `","key":"a*b","value":1,"timestamp":1}`, 400, "INVALID_PARAMETER_VALUE", "Names may only contain"},
		{"key as path", "POST", api + "runs/log-parameter", "", `{"run_id":"` + run + `","key":"a/../b","value":"1"}`, 400, "INVALID_PARAMETER_VALUE", "would resolve to 'b'"},
		{"long key", "POST", api + "runs/set-tag", "", `{"run_id":"` + run + `","key":"` + strings.Repeat("k", 251) + `","value":"1"}`, 400, "INVALID_PARAMETER_VALUE", "maximum length of 250"},
		{"param again", "POST", api + "runs/log-parameter", "", `{"run_id":"` + run + `","key":"lr","value":"2"}`, 400, "INVALID_PARAMETER_VALUE", "Changing param values is not allowed"},
		{"param twice", "POST", api + "runs/log-batch", "", `{"run_id":"` + run + `","params":[{"key":"a","value":"1"},{"key":"a","value":"2"}]}`, 400, "INVALID_PARAMETER_VALUE", "Duplicate parameter keys"},
		{"many metrics", "POST", api + "runs/log-batch", "", `{"run_id":"` + run + `","metrics":` + many(1001, `{"key":"a","value":1,"timestamp":1}`) + `}`, 400, "INVALID_PARAMETER_VALUE", "at most 1000 metrics"},
		{"many params", "POST", api + "runs/log-batch", "", `{"run_id":"` + run + `","params":` + many(101, `{"key":"a","value":"1"}`) + `}`, 400, "INVALID_PARAMETER_VALUE", "at most 100 params"},
		{"deleted run", "POST", api + "runs/log-metric", "", `{"run_id":"` + gone + `","key":"k","value":1,"timestamp":1}`, 400, "INVALID_PARAMETER_VALUE", "'active' state"},
		{"deleted run, param", "POST", api + "runs/log-parameter", "", `{"run_id":"` + gone + `","key":"k","value":"1"}`, 400, "INVALID_PARAMETER_VALUE", "'active' state"},
		{"deleted run, update", "POST", api + "runs/update", "", `{"run_id":"` + gone + `","status":"FINISHED"}`, 400, "INVALID_PARAMETER_VALUE", "'active' state"},
		{"bad status", "POST", api + "runs/update", "", `{"run_id":"` + run + `","status":"DONE"}`, 400, "INVALID_PARAMETER_VALUE", "FINISHED"},
		{"bad run id", "GET", api + "runs/get?run_id=../x", "", ``, 400, "INVALID_PARAMETER_VALUE", "run_id"},
		{"missing run", "GET", api + "runs/get?run_id=" + strings.Repeat("0", 32), "", ``, 404, "RESOURCE_DOES_NOT_EXIST", "not found"},
		{"empty name", "POST", api + "experiments/create", "", `{"name":" "}`, 400, "INVALID_PARAMETER_VALUE", "Invalid experiment name"},
		{"taken name", "POST", api + "experiments/create", "", `{"name":"Default"}`, 400, "RESOURCE_ALREADY_EXISTS", "already exists"},
		{"foreign location", "POST", api + "experiments/create", "", `{"name":"x","artifact_location":"s3://b/c"}`, 400, "INVALID_PARAMETER_VALUE", "leave artifact_location out"},
		{"default stays", "POST", api + "experiments/delete", "", `{"experiment_id":"0"}`, 400, "INVALID_PARAMETER_VALUE", "default experiment"},
		{"run names differ", "POST", api + "runs/create", "", `{"run_name":"a","tags":[{"key":"mlflow.runName","value":"b"}]}`, 400, "INVALID_PARAMETER_VALUE", "different values"},
		{"filter", "POST", api + "runs/search", "", `{"experiment_ids":["0"],"filter":"metrics.a > 1 OR metrics.b > 2"}`, 400, "INVALID_PARAMETER_VALUE", "only be joined with AND"},
		{"page size", "POST", api + "runs/search", "", `{"experiment_ids":["0"],"max_results":50001}`, 400, "INVALID_PARAMETER_VALUE", "50000"},
		{"page token", "POST", api + "runs/search", "", `{"experiment_ids":["0"],"page_token":"!"}`, 400, "INVALID_PARAMETER_VALUE", "base64"},
		{"model name", "POST", api + "registered-models/create", "", `{"name":"a/b"}`, 400, "INVALID_PARAMETER_VALUE", "cannot contain"},
		{"no model", "GET", api + "registered-models/get?name=none", "", ``, 404, "RESOURCE_DOES_NOT_EXIST", "name=none"},
		{"no model for version", "POST", api + "model-versions/create", "", `{"name":"none","source":"runs:/x/y"}`, 404, "RESOURCE_DOES_NOT_EXIST", ""},
		{"multipart", "POST", "/api/2.0/mlflow-artifacts/mpu/create/0/a", "", `{}`, 501, "NOT_IMPLEMENTED", "Multipart upload is not supported for the current artifact repository"},
		{"presigned", "GET", "/api/2.0/mlflow-artifacts/presigned/0/a", "", ``, 501, "NOT_IMPLEMENTED", "Multipart download is not supported"},
		{"missing artifact", "GET", "/api/2.0/mlflow-artifacts/artifacts/0/none", "", ``, 404, "RESOURCE_DOES_NOT_EXIST", "No such artifact"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, text, _ := w.send(c.method, c.path, c.token, c.body)
			var e struct {
				Code    string `json:"error_code"`
				Message string `json:"message"`
			}
			if err := json.Unmarshal([]byte(text), &e); err != nil {
				t.Fatalf("%d %s", status, text)
			}
			if status != c.status || e.Code != c.code || !strings.Contains(e.Message, c.message) {
				t.Errorf("got %d %s %q, want %d %s …%s…", status, e.Code, e.Message, c.status, c.code, c.message)
			}
		})
	}
	if n := len(w.ok("GET", api+"runs/get?run_id="+run, "")["run"].(map[string]any)["data"].(map[string]any)["params"].([]any)); n != 1 {
		t.Errorf("refused requests left %d params, want 1", n)
	}
}

func TestWireShapes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if got := w.ok("POST", api+"runs/search", `{"experiment_ids":["0"]}`); len(got) != 0 {
		t.Errorf("an empty search answers %v, want {}", got)
	}
	_, text, h := w.send("POST", "/ajax-api/2.0/mlflow/runs/create", "", `"{\"experiment_id\":\"0\",\"run_name\":\"r\",\"start_time\":\"17\",\"unknown\":1}"`)
	if h.Get("Content-Type") != "application/json" {
		t.Errorf("Content-Type %q", h.Get("Content-Type"))
	}
	for _, want := range []string{`"start_time":17`, `"experiment_id":"0"`, `"status":"RUNNING"`, `"lifecycle_stage":"active"`, `"inputs":{}`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
	if strings.Contains(text, "end_time") {
		t.Errorf("end_time is not set, so it is left out: %s", text)
	}
	var reply map[string]any
	if err := json.Unmarshal([]byte(text), &reply); err != nil {
		t.Fatal(err)
	}
	id, _ := at(reply, "run", "info", "run_uuid").(string)
	w.ok("POST", api+"runs/log-batch", `{"run_uuid":"`+id+`","metrics":[
		{"key":"a","value":"NaN","timestamp":1,"step":"2"},{"key":"b","value":"Infinity","timestamp":1},{"key":"c","value":"1.5","timestamp":1,"step":-3}],
		"params":[{"key":"p","value":"`+strings.Repeat("ü", 7000)+`"}],"tags":[{"key":"t","value":"v"}]}`)
	run := w.ok("GET", api+"runs/get?run_uuid="+id, "")
	if got := at(run, "run", "data", "metrics", 0, "value"); got != "NaN" {
		t.Errorf("NaN came back as %v", got)
	}
	if got := at(run, "run", "data", "metrics", 1, "value"); got != 1.7976931348623157e308 {
		t.Errorf("Infinity came back as %v", got)
	}
	if got := at(run, "run", "data", "metrics", 2, "step"); got != -3.0 {
		t.Errorf("step came back as %v", got)
	}
	if got, _ := at(run, "run", "data", "params", 0, "value").(string); got != strings.Repeat("ü", 6000) {
		t.Errorf("a long param has %d characters", len([]rune(got)))
	}
	info := w.ok("POST", api+"runs/update", `{"run_id":"`+id+`","status":"FINISHED","end_time":99}`)
	if at(info, "run_info", "status") != "FINISHED" || at(info, "run_info", "end_time") != 99.0 {
		t.Errorf("update answered %v", info)
	}
}

func TestLatestMetricAndHistory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.newRun(`{}`)
	log := func(value float64, timestamp, step int64) {
		w.ok("POST", api+"runs/log-metric", fmt.Sprintf(`{"run_id":%q,"key":"m","value":%v,"timestamp":%d,"step":%d}`, id, value, timestamp, step))
	}
	log(1, 10, 5)
	log(2, 20, 3) // later, but of an earlier step
	log(3, 10, 5) // same step and time, larger
	log(2.5, 10, 5)
	log(3, 10, 5) // sent again
	latest := at(w.ok("GET", api+"runs/get?run_id="+id, ""), "run", "data", "metrics", 0, "value")
	if latest != 3.0 {
		t.Errorf("the latest value is %v, want 3", latest)
	}
	var got []any
	token := ""
	for {
		page := w.ok("GET", api+"metrics/get-history?run_id="+id+"&metric_key=m&max_results=3&page_token="+token, "")
		for _, p := range page["metrics"].([]any) {
			got = append(got, at(p, "value"))
		}
		if token, _ = page["next_page_token"].(string); token == "" {
			break
		}
	}
	if fmt.Sprint(got) != "[1 2.5 3 2]" {
		t.Errorf("history %v, want by time, step, value and each once", got)
	}
}

func TestSearchRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 6 {
		id := w.newRun(fmt.Sprintf(`{"run_name":"r%d","start_time":%d,"tags":[{"key":"parity","value":"p%d"}]}`, i, 100+i, i%2))
		body := fmt.Sprintf(`{"run_id":%q,"params":[{"key":"n","value":"%d"}]`, id, i)
		switch i {
		case 4:
			body += `,"metrics":[{"key":"score","value":"NaN","timestamp":1}]`
		case 5: // no metric
		default:
			body += fmt.Sprintf(`,"metrics":[{"key":"score","value":%d,"timestamp":1}]`, i)
		}
		w.ok("POST", api+"runs/log-batch", body+`}`)
	}
	for _, c := range []struct{ filter, order, want string }{
		{``, ``, "r5 r4 r3 r2 r1 r0"},
		{``, `start_time ASC`, "r0 r1 r2 r3 r4 r5"},
		{``, `metrics.score DESC`, "r3 r2 r1 r0 r4 r5"},
		{``, "metrics.`score`", "r0 r1 r2 r3 r4 r5"},
		{``, `params.n desc`, "r5 r4 r3 r2 r1 r0"},
		{`metrics.score >= 2`, ``, "r3 r2"},
		{`metrics.score != 2`, ``, "r4 r3 r1 r0"},
		{`metrics.score > -1 and tags.parity = 'p0'`, ``, "r2 r0"},
		{`metric."score" < 1`, ``, "r0"},
		{`params.n = "3"`, ``, "r3"},
		{`params.n IN ('3')`, ``, "INVALID_PARAMETER_VALUE"},
		{`params.none != '3'`, ``, ""},
		{`params.none IS NULL AND params.n IS NOT NULL AND params.n LIKE '_'`, `run_name`, "r0 r1 r2 r3 r4 r5"},
		{`tags.parity ILIKE 'P_' AND tags.parity LIKE '%1'`, ``, "r5 r3 r1"},
		{`tags.parity LIKE 'P%'`, ``, ""},
		{`attributes.run_name = 'r2'`, ``, "r2"},
		{`run_name LIKE 'r%' AND start_time > 103`, ``, "r5 r4"},
		{`attributes.status = 'RUNNING' AND run.start_time <= 101`, ``, "r1 r0"},
		{`status = 'FINISHED'`, ``, ""},
		{`attributes.artifact_uri LIKE 'mlflow-artifacts:/0/%'`, ``, "r5 r4 r3 r2 r1 r0"},
	} {
		q, err := json.Marshal(map[string]any{"experiment_ids": []string{"0"}, "filter": c.filter, "max_results": 4,
			"order_by": strings.FieldsFunc(c.order, func(r rune) bool { return r == ',' })})
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		token := ""
		for {
			status, text, _ := w.send("POST", api+"runs/search", "", strings.TrimSuffix(string(q), "}")+`,"page_token":"`+token+`"}`)
			var reply map[string]any
			if err := json.Unmarshal([]byte(text), &reply); err != nil {
				t.Fatal(err)
			}
			if status != 200 {
				names = append(names, fmt.Sprint(reply["error_code"]))
				break
			}
			runs, _ := reply["runs"].([]any)
			for _, r := range runs {
				names = append(names, fmt.Sprint(at(r, "info", "run_name")))
			}
			if token, _ = reply["next_page_token"].(string); token == "" {
				break
			}
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%s order by %q: %s, want %s", c.filter, c.order, got, c.want)
		}
	}
}

func TestRunsOfJobs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, text, _ := w.send("POST", api+"runs/create", "job", `{"run_name":"trained","tags":[{"key":"mlflow.source.git.commit","value":"guess"}]}`)
	var reply map[string]any
	if err := json.Unmarshal([]byte(text), &reply); err != nil {
		t.Fatal(err)
	}
	id := at(reply, "run", "info", "run_id").(string)
	tags := map[any]any{}
	for _, x := range at(reply, "run", "data", "tags").([]any) {
		tags[at(x, "key")] = at(x, "value")
	}
	for k, v := range map[string]string{"mlflow.source.git.commit": strings.Repeat("a1", 20), "mlflow.source.git.branch": "main",
		"mlflow.source.git.repoURL": "https://git.example/ana/digits", "cairn.run": "3", "cairn.job": "7", "mlflow.runName": "trained"} {
		if tags[k] != v {
			t.Errorf("tag %s is %v, want %s", k, tags[k], v)
		}
	}
	links, err := w.store.LinksFrom(t.Context(), cairn.NewRef(cairn.KindMLRun, id))
	if err != nil || len(links) != 1 || links[0].Relation != cairn.RelPartOf || links[0].To != "job/7" {
		t.Errorf("links from the run: %v %v", links, err)
	}
	links, err = w.store.LinksFrom(t.Context(), "job/7")
	if err != nil || len(links) != 1 || links[0].Relation != cairn.RelMade || links[0].To != cairn.NewRef(cairn.KindMLRun, id) {
		t.Errorf("links from the job: %v %v", links, err)
	}
	runs, err := w.track.RunsOfJob(t.Context(), 7)
	if err != nil || len(runs) != 1 || runs[0].ID != id {
		t.Errorf("runs of the job: %v %v", runs, err)
	}
	if byHand := w.newRun(`{}`); byHand == id {
		t.Error("an id twice")
	}
	if runs, err := w.track.RunsOfJob(t.Context(), 0); err != nil || len(runs) != 0 {
		t.Errorf("runs of no job: %v %v", runs, err)
	}
}

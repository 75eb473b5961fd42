package server_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
)

// jobFiles are the files of a job's request, and the folders that were sent with it.
func jobRequest(t testing.TB, c *client.Client, dir, file string, folders ...string) client.JobRequest {
	t.Helper()
	r := client.JobRequest{File: file, Experiment: "tests"}
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(p) != ".yml" && filepath.Ext(p) != ".yaml" {
			return err
		}
		b, err := os.ReadFile(p)
		rel, _ := filepath.Rel(dir, p)
		r.Files = append(r.Files, client.JobFile{Path: filepath.ToSlash(rel), Text: string(b)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		d, size, files, err := c.UploadTree(context.Background(), filepath.Join(dir, f), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Local = append(r.Local, client.LocalData{Path: f, Data: cairn.DataValue{Type: "folder", Digest: d, Size: size, Files: files}})
	}
	return r
}

func write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func submitJob(t testing.TB, c *client.Client, r client.JobRequest) *client.JobCreated {
	t.Helper()
	made, err := c.SubmitJob(context.Background(), r)
	if err != nil {
		t.Fatalf("%v %+v", err, cairn.AsError(err))
	}
	return made
}

const twoSteps = `type: pipeline
display_name: Two steps
experiment_name: two
inputs:
  words:
    type: uri_folder
    path: ./words
  times: 2
outputs:
  counted:
    type: uri_folder
jobs:
  upper:
    type: command
    code: ./code
    command: >-
      sh upper.sh ${{inputs.words}} ${{outputs.big}}
    environment:
      image: cairn.invalid/none
    inputs:
      words: ${{parent.inputs.words}}
    outputs:
      big:
        type: uri_folder
        path: azureml://datastores/mine/paths/big/words
  count:
    type: command
    command: >-
      for i in $(seq ${{inputs.times}}); do cat ${{inputs.big}}/*; done | wc -l > ${{outputs.counted}}/lines.txt
    environment:
      image: cairn.invalid/none
    inputs:
      big: ${{parent.jobs.upper.outputs.big}}
      times: ${{parent.inputs.times}}
    outputs:
      counted: ${{parent.outputs.counted}}
`

func TestSubmittedNames(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	home := tempHome(t)
	start(t, home)
	c := connect(t, home)
	dir := t.TempDir()
	write(t, dir, map[string]string{"pipeline.yml": twoSteps, "words/a.txt": "one\ntwo\n", "code/upper.sh": "tr a-z A-Z < $1/a.txt > $2/a.txt\n"})
	r := jobRequest(t, c, dir, "pipeline.yml", "words", "code")

	checked, err := c.CheckJob(ctx, r)
	if err != nil || checked.Nodes != 2 || cairn.HasErrors(checked.Problems) {
		t.Fatalf("%+v %v", checked, err)
	}
	r.Name, r.Key = "first_run", "k1"
	made := submitJob(t, c, r)
	if made.Name != "first_run" || made.Run.Submitted == nil || made.Run.Submitted.Type != "pipeline" || made.Run.Submitted.Experiment != "two" ||
		made.Run.Title != "Two steps" || made.Run.Event != "job" || !strings.HasPrefix(made.Run.Repository, "local/") {
		t.Errorf("%+v %+v", made.Run, made.Run.Submitted)
	}
	if len(made.Run.Submitted.Inputs) != 2 {
		t.Errorf("inputs %+v", made.Run.Submitted.Inputs)
	}
	again := submitJob(t, c, r)
	if again.Run.ID != made.Run.ID {
		t.Errorf("the same request made runs %d and %d", made.Run.ID, again.Run.ID)
	}
	r.Key = "k2"
	if _, err := c.SubmitJob(ctx, r); cairn.CodeOf(err) != cairn.CodeConflict || cairn.AsError(err).Hint == "" {
		t.Errorf("a name twice: %v", err)
	}
	for name, want := range map[string]cairn.RunID{"first_run": made.Run.ID, "1": made.Run.ID} {
		n, err := c.FindJob(ctx, name)
		if err != nil || n.Run != want {
			t.Errorf("%s: %+v %v", name, n, err)
		}
	}
	if _, err := c.FindJob(ctx, "frist_run"); cairn.CodeOf(err) != cairn.CodeNotFound || !strings.Contains(cairn.AsError(err).Hint, "first_run") {
		t.Errorf("a name with a slip: %v %+v", err, cairn.AsError(err))
	}
	v, err := c.SubmittedJob(ctx, "first_run")
	if err != nil || len(v.Graph) != 2 || v.Graph[1].Path != "count" || len(v.Graph[1].Needs) != 1 || v.Graph[1].Needs[0] != "upper" {
		t.Errorf("%+v %v", v, err)
	}
	all, err := c.SubmittedJobs(ctx, client.JobFilter{Experiment: "two"})
	if err != nil || len(all) != 1 {
		t.Errorf("%+v %v", all, err)
	}
	name := "My run"
	u, err := c.UpdateJob(ctx, "first_run", client.JobUpdate{DisplayName: &name, SetTags: map[string]string{"a": "b"}})
	if err != nil || u.Submitted.DisplayName != name || u.Submitted.Tags["a"] != "b" {
		t.Errorf("%+v %v", u, err)
	}
	finish(t, c, made.Run.ID)
	yes := true
	if _, err := c.UpdateJob(ctx, "first_run", client.JobUpdate{Archived: &yes}); err != nil {
		t.Error(err)
	}
	if all, err := c.SubmittedJobs(ctx, client.JobFilter{}); err != nil || len(all) != 0 {
		t.Errorf("archived ones are hidden: %+v %v", all, err)
	}
}

func TestSubmissionsAreExplained(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	home := tempHome(t)
	start(t, home)
	c := connect(t, home)
	for _, k := range []struct{ name, input, env, want, hint string }{
		{"asset", "azureml:nothing:1", "image: x", `there is no data "nothing"`, "there is none yet"},
		{"datastore", "azureml://datastores/ds/paths/a/b", "image: x", "nothing lies at a/b of datastore ds", "cairn data create"},
		{"job", "azureml://jobs/nobody/outputs/o", "image: x", `there is no job "nobody"`, "job create"},
		{"storage", "wasbs://c@a/x", "image: x", "storage of Azure is not read", "register it"},
	} {
		text := "type: command\ncommand: echo ${{inputs.x}}\nenvironment:\n  " + k.env + "\ninputs:\n  x:\n    type: uri_folder\n    path: " + k.input + "\n"
		_, err := c.SubmitJob(ctx, client.JobRequest{File: "job.yml", Files: []client.JobFile{{Path: "job.yml", Text: text}}})
		e := cairn.AsError(err)
		if e == nil || len(e.Problems) == 0 {
			t.Errorf("%s: %v", k.name, err)
			continue
		}
		p := e.Problems[0]
		if !strings.Contains(p.Message, k.want) || !strings.Contains(p.Hint, k.hint) || p.Line == 0 || p.File != "job.yml" {
			t.Errorf("%s: %+v", k.name, p)
		}
	}
	for name, text := range map[string]string{"component": "type: command\nname: c\ncommand: echo\nenvironment: azureml:AzureML-none@latest\n"} {
		_, err := c.SubmitJob(ctx, client.JobRequest{File: name + ".yml", Files: []client.JobFile{{Path: name + ".yml", Text: text}}})
		if e := cairn.AsError(err); e == nil || len(e.Problems) != 1 || !strings.Contains(e.Problems[0].Message, "curated environments") {
			t.Errorf("%s: %v %+v", name, err, e)
		}
	}
	if _, err := c.SubmitJob(ctx, client.JobRequest{File: "job.yml", Schedule: "x"}); cairn.CodeOf(err) != cairn.CodeInvalid {
		t.Errorf("in the name of a schedule: %v", err)
	}
}

func TestPipelineEndToEnd(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	home := tempHome(t)
	start(t, home)
	c := connect(t, home)
	dir := repository(t, map[string]string{"pipeline.yml": twoSteps, "words/a.txt": "one\ntwo\n", "code/upper.sh": "tr a-z A-Z < $1/a.txt > $2/a.txt\n"})
	run := func() *cairn.Run {
		t.Helper()
		r := jobRequest(t, c, dir, "pipeline.yml", "words", "code")
		r.Dir = dir
		done := finish(t, c, submitJob(t, c, r).Run.ID)
		if done.Conclusion != cairn.Success {
			t.Fatalf("%s %s\n%s", done.Conclusion, done.Reason, describe(c, done.ID))
		}
		return done
	}
	first := run()
	if first.Commit.SHA == "" || first.Dirty {
		t.Errorf("%+v", first.Commit)
	}
	counted, ok := cairn.DecodeData(first.Submitted.Outputs["counted"])
	if !ok || counted.Type != "folder" {
		t.Fatalf("outputs %+v", first.Submitted.Outputs)
	}
	to := t.TempDir()
	if err := c.DownloadTree(ctx, counted.Digest, to); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(filepath.Join(to, "lines.txt")); strings.TrimSpace(string(b)) != "4" {
		t.Errorf("counted %q", b)
	}

	second := run()
	v, err := c.SubmittedJob(ctx, second.Submitted.Name)
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range v.Jobs {
		if j.Task == nil || j.Task.From == 0 {
			t.Errorf("%s was not taken over: %+v", j.Path, j.Task)
		}
	}
	x, err := c.ExplainCache(ctx, second.Submitted.Name+"/count")
	if err != nil || !strings.Contains(x.Why, "took the outputs of "+first.Submitted.Name+"/count") {
		t.Errorf("%+v %v", x, err)
	}

	// One file changes: its step and what follows run.
	write(t, dir, map[string]string{"code/upper.sh": "tr a-z A-Z < $1/a.txt > $2/b.txt\n"})
	third := run()
	if x, err = c.ExplainCache(ctx, third.Submitted.Name+"_upper"); err != nil || !strings.Contains(x.Why, "since code changed") ||
		len(x.Changed) != 1 || len(x.Changed[0].Files) != 1 || x.Changed[0].Files[0] != "changed upper.sh" {
		t.Errorf("%+v %v", x, err)
	}
	if x, err = c.ExplainCache(ctx, third.Submitted.Name+"/count"); err != nil || !strings.Contains(x.Why, "since inputs.big changed") {
		t.Errorf("%+v %v", x, err)
	}

	// What a job made is read by the place that it was asked to lie at, and by its name.
	for _, path := range []string{
		"azureml://datastores/mine/paths/big/words", "azureml://datastores/mine/paths/big/words/b.txt",
		"azureml://jobs/" + third.Submitted.Name + "_upper/outputs/big", "azureml://datastores/workspaceblobstore/paths/azureml/" + third.Submitted.Name + "_upper/big/",
	} {
		text := "type: command\ncommand: cat ${{inputs.x}}* ${{inputs.x}}/* 2>/dev/null | grep -q TWO\nenvironment: {image: none}\ninputs:\n  x: {type: uri_folder, path: '" + path + "'}\n"
		if strings.HasSuffix(path, ".txt") {
			text = strings.Replace(text, "uri_folder", "uri_file", 1)
		}
		done := finish(t, c, submitJob(t, c, client.JobRequest{File: "job.yml", Files: []client.JobFile{{Path: "job.yml", Text: text}}}).Run.ID)
		if done.Conclusion != cairn.Success {
			t.Errorf("%s: %s\n%s", path, done.Reason, describe(c, done.ID))
		}
	}
	rep, err := c.Fsck(ctx, false)
	if err != nil || len(rep.Findings) > 0 {
		t.Errorf("%+v %v", rep, err)
	}
}

const registering = `type: pipeline
experiment_name: animals
jobs:
  train:
    type: command
    command: mkdir ${{outputs.model}}/animal-cnn && echo weights > ${{outputs.model}}/animal-cnn/w && cat ${{inputs.data}}/*
    environment: {image: none}
    inputs:
      data: {type: uri_folder, path: azureml:pandas:1}
    outputs:
      model: {type: uri_folder}
  register:
    type: command
    component: azureml://registries/azureml/components/register_model/versions/0.0.9
    inputs:
      model_path: ${{parent.jobs.train.outputs.model}}
      model_name: animal-classification
      model_type: custom_model
`

// A workflow's step starts a pipeline, which registers its model: the trace goes from the
// model to the step, the data and the commit.
func TestPipelineOfAWorkflow(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	home := tempHome(t)
	start(t, home)
	c := connect(t, home)
	script := `name: mlops
on: [workflow_dispatch]
jobs:
  train:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: |
          python3 - <<'EOT'
          import json, os, urllib.request
          body = {"file": "pipeline.yml", "files": [{"path": "pipeline.yml", "text": open("pipeline.yml").read()}], "experiment": "x"}
          q = urllib.request.Request(os.environ["CAIRN_URL"] + "/api/v1/submissions", json.dumps(body).encode(),
              {"Authorization": "Bearer " + os.environ["CAIRN_TOKEN"], "Content-Type": "application/json"})
          print(json.load(urllib.request.urlopen(q))["name"])
          EOT
`
	dir := repository(t, map[string]string{".github/workflows/mlops.yml": script, "pipeline.yml": registering})
	data := t.TempDir()
	write(t, data, map[string]string{"a.txt": "panda\n"})
	d, _, _, err := c.UploadTree(ctx, data, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateAsset(ctx, client.NewAsset{Kind: cairn.AssetData, Name: "pandas", Type: "folder", Digest: d, Properties: map[string]string{"type": "uri_folder"}}); err != nil {
		t.Fatal(err)
	}
	above := finish(t, c, submit(t, c, dir, client.RunRequest{}).ID)
	if above.Conclusion != cairn.Success {
		t.Fatalf("%s\n%s", above.Reason, describe(c, above.ID))
	}
	all, err := c.SubmittedJobs(ctx, client.JobFilter{})
	if err != nil || len(all) != 1 {
		t.Fatalf("%+v %v", all, err)
	}
	below := finish(t, c, all[0].ID)
	if below.Conclusion != cairn.Success {
		t.Fatalf("%s\n%s", below.Reason, describe(c, below.ID))
	}
	if below.Commit.SHA != above.Commit.SHA || below.Submitted.Parent == 0 || below.Repository != above.Repository {
		t.Errorf("%+v", below)
	}
	tr, err := c.Trace(ctx, "model/animal-classification:1", false)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	tr.Render(&b)
	if len(tr.Gaps) > 0 {
		t.Errorf("gaps %+v", tr.Gaps)
	}
	for _, want := range []string{"made by job register", "used component azureml/register_model:0.0.9", "used artifact train.model", "made by job train",
		"used data pandas:1", "ran commit " + above.Commit.SHA[:12], "part of job train (1) of run 1", "author Ana"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the trace does not say %q:\n%s", want, &b)
		}
	}
	m, err := c.ShowAsset(ctx, "model/animal-classification:1")
	if err != nil {
		t.Fatal(err)
	}
	files, err := c.TreeFiles(ctx, m.Version.Digest)
	if err != nil || len(files) != 1 || files[0].Path != "INPUT_model_path/animal-cnn/w" || m.Version.Properties["type"] != "custom_model" {
		t.Errorf("%+v %+v %v", files, m.Version, err)
	}
}

const smallSweep = `type: sweep
experiment_name: search
trial:
  command: >-
    echo "import json, os, urllib.request as u; u.urlopen(u.Request(os.environ['MLFLOW_TRACKING_URI'] + '/api/2.0/mlflow/runs/log-metric',
    json.dumps(dict(run_id=os.environ['MLFLOW_RUN_ID'], key='score', value=${{search_space.x}}, timestamp=1, step=0)).encode(),
    dict([('Authorization', 'Bearer ' + os.environ['MLFLOW_TRACKING_TOKEN']), ('Content-Type', 'application/json')])))" | python3 -
  environment: {image: none}
sampling_algorithm: grid
search_space:
  x: {type: choice, values: [1, 3, 2]}
objective: {goal: maximize, primary_metric: score}
limits: {max_total_trials: 3, max_concurrent_trials: 2}
`

func TestSweepHasABestChild(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	home := tempHome(t)
	start(t, home)
	c := connect(t, home)
	done := finish(t, c, submitJob(t, c, client.JobRequest{File: "s.yml", Files: []client.JobFile{{Path: "s.yml", Text: smallSweep}}}).Run.ID)
	if done.Conclusion != cairn.Success {
		t.Fatalf("%s\n%s", done.Reason, describe(c, done.ID))
	}
	var best string
	for range 100 {
		v, err := c.SubmittedJob(ctx, done.Submitted.Name)
		if err != nil {
			t.Fatal(err)
		}
		if best = v.Run.Submitted.Properties["best_child_run_id"]; best != "" {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	n, err := c.FindJob(ctx, best)
	if err != nil {
		t.Fatalf("%q: %v", best, err)
	}
	j, err := c.Job(ctx, n.Job)
	if err != nil || j.Task == nil || !j.Task.Best || !strings.Contains(string(j.Task.Trial), "3") {
		t.Errorf("%+v %v", j.Task, err)
	}
}

// Every spelling of a reference leads to the same bytes.
func TestReferencesOfJobs(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	home := tempHome(t)
	srv := start(t, home)
	c := connect(t, home)
	dir := t.TempDir()
	write(t, dir, map[string]string{"a/b.txt": "panda\n"})
	d, _, _, err := c.UploadTree(ctx, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateAsset(ctx, client.NewAsset{Kind: cairn.AssetData, Name: "pandas", Version: "7", Digest: d}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Share(ctx, client.ShareAsset{Kind: cairn.AssetData, Ref: "pandas:7", Registry: "shared"}); err != nil {
		t.Fatal(err)
	}
	const arm = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
	for text, want := range map[string]cairn.Ref{
		"azureml:pandas:7": "data/pandas:7", "azureml:pandas@latest": "data/pandas:7", "azureml:" + arm + "/data/pandas/versions/7": "data/pandas:7",
		"azureml://registries/shared/data/pandas/versions/7": "data/shared/pandas:7", "azureml://registries/shared/data/pandas/labels/latest": "data/shared/pandas:7",
	} {
		v, err := srv.DataAt(ctx, text, "data")
		if err != nil || v.Digest != d || v.Ref != want {
			t.Errorf("%s: %+v %v", text, v, err)
		}
	}
	for text, want := range map[string]string{
		"azureml:pandas:8": "its versions are 7", "azureml:panda:7": `did you mean "pandas"`, "azureml://registries/azureml/data/pandas/versions/7": "pandas",
		"runs:/0123456789abcdef0123456789abcdef/model": "not found",
	} {
		_, err := srv.DataAt(ctx, text, "data")
		e := cairn.AsError(err)
		if e == nil || cairn.CodeOf(err) != cairn.CodeNotFound || !strings.Contains(e.Message+" "+e.Hint, want) {
			t.Errorf("%s: %v %+v", text, err, e)
		}
	}
}

// A job of code that is not trusted starts runs that are not trusted either, which fetch
// nothing and may do no more than it may.
func TestSubmissionOfUntrustedCode(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	home := tempHome(t)
	if err := os.WriteFile(filepath.Join(home, "config.yaml"), []byte("untrusted: [main]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, home)
	c := connect(t, home)
	ask := func(text string) string {
		return "python3 -c \"import json, os, urllib.request as u, urllib.error\n" +
			"q = u.Request(os.environ['CAIRN_URL'] + '/api/v1/submissions', json.dumps(dict(file='j.yml', files=[dict(path='j.yml', text=" + text + ")])).encode(), dict([('Authorization', 'Bearer ' + os.environ['CAIRN_TOKEN']), ('Content-Type', 'application/json')]))\n" +
			"try: print(u.urlopen(q).status)\nexcept urllib.error.HTTPError as e: print(e.read().decode())\""
	}
	flow := "on: [workflow_dispatch]\npermissions: {contents: read}\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: |\n"
	for _, text := range []string{
		ask("'type: command\\ncommand: echo hello\\nenvironment: {image: none}\\n'"),
		ask("'type: command\\ncommand: echo hello\\nenvironment: {image: none}\\ninputs: {x: {type: uri_file, path: https://127.0.0.1:1/x}}\\n'"),
	} {
		for line := range strings.SplitSeq(text, "\n") {
			flow += "          " + line + "\n"
		}
	}
	dir := repository(t, map[string]string{".github/workflows/a.yml": flow})
	above := finish(t, c, submit(t, c, dir, client.RunRequest{}).ID)
	all, err := c.SubmittedJobs(ctx, client.JobFilter{})
	if err != nil || len(all) != 1 || !above.Untrusted {
		t.Fatalf("%+v %v untrusted %v\n%s", all, err, above.Untrusted, describe(c, above.ID))
	}
	below := finish(t, c, all[0].ID)
	if !below.Untrusted || below.Conclusion != cairn.Success {
		t.Errorf("%+v\n%s", below, describe(c, below.ID))
	}
	js, err := c.Jobs(ctx, below.ID, 0)
	if err != nil || len(js) != 1 || js[0].Permissions.Allows("packages", cairn.PermissionWrite) {
		t.Errorf("%+v %v", js, err)
	}
	if said := describe(c, above.ID); !strings.Contains(said, "nothing is fetched for code that is not trusted") {
		t.Errorf("a URL passes:\n%s", said)
	}
}

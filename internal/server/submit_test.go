package server_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

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

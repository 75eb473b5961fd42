package task

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

// fakeServer keeps what a task hands it.
type fakeServer struct {
	runner.Server
	trees      map[cairn.Digest]map[string]string
	artifacts  []cairn.Artifact
	registered []cairn.Registration
}

func (s *fakeServer) UploadTree(_ context.Context, dir string, names []string) (cairn.Digest, int64, int64, error) {
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil || len(names) > 0 && !slices.Contains(names, rel) {
			return err
		}
		b, err := os.ReadFile(path)
		files[rel] = string(b)
		return err
	})
	text, _ := json.Marshal(files)
	d := cairn.SumBytes(text)
	if s.trees == nil {
		s.trees = map[cairn.Digest]map[string]string{}
	}
	s.trees[d] = files
	return d, int64(len(text)), int64(len(files)), err
}

func (s *fakeServer) DownloadTree(_ context.Context, d cairn.Digest, dir string) error {
	for name, text := range s.trees[d] {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (s *fakeServer) DownloadBlob(_ context.Context, d cairn.Digest, path string) error {
	return os.WriteFile(path, []byte("blob "+d.Short()), 0o644)
}

func (s *fakeServer) CreateArtifact(_ context.Context, a cairn.Artifact) (cairn.Artifact, error) {
	a.Run, a.Attempt = 7, 1
	s.artifacts = append(s.artifacts, a)
	return a, nil
}

func (s *fakeServer) RegisterOutput(_ context.Context, r cairn.Registration, _ cairn.DataValue, _ map[string]string) (*cairn.AssetVersion, error) {
	s.registered = append(s.registered, r)
	return &cairn.AssetVersion{Kind: r.Kind, Name: r.Name, Version: "1"}, nil
}

// step is a context over folders of its own.
func step(t *testing.T, s *fakeServer, run cairn.TaskRun) (*runner.StepContext, *bytes.Buffer) {
	t.Helper()
	dir := t.TempDir()
	log := &bytes.Buffer{}
	return &runner.StepContext{
		Spec: &cairn.JobSpec{Path: "sub/train", Task: &run}, Server: s, Log: log, Env: map[string]string{"PATH": os.Getenv("PATH")},
		Dirs: runner.Dirs{Workspace: filepath.Join(dir, "work"), Temp: filepath.Join(dir, "temp")},
	}, log
}

func TestNeedsTask(t *testing.T) {
	t.Parallel()
	a, err := New(nil, Deps{}).Action(Prefix + "run")
	if err != nil {
		t.Fatal(err)
	}
	err = a.Run(context.Background(), &runner.StepContext{Spec: &cairn.JobSpec{}, Uses: Prefix + "run"})
	if cairn.CodeOf(err) != cairn.CodeInvalid || cairn.AsError(err).Hint == "" {
		t.Errorf("%v", err)
	}
	if _, err := New(nil, Deps{}).Action(Prefix + "x"); cairn.CodeOf(err) != cairn.CodeUnsupported {
		t.Errorf("%v", err)
	}
}

func TestInputsAndOutputs(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := &fakeServer{trees: map[cairn.Digest]map[string]string{"sha256:c0": {"train.py": "print()"}, "sha256:d0": {"a/b.txt": "b"}}}
	run := cairn.TaskRun{
		Name: "job", Trial: json.RawMessage(`{"lr":0.1,"net":{"layers":2}}`),
		Task: cairn.Task{
			Kind: cairn.TaskCommand, Code: &cairn.DataValue{Type: "folder", Digest: "sha256:c0"},
			Command: cairn.Expr("x ${{ inputs['n'] }} ${{ inputs['data'] }} ${{ outputs['model'] }} ${{ search_space['lr'] }} ${{ search_space['net'] }} ${{ job_name }}"),
			Outputs: []cairn.TaskOutput{{Name: "model", Type: "uri_folder", Register: &cairn.Registration{Kind: cairn.AssetModel, Name: "net", Type: "custom_model"}},
				{Name: "report", Type: "uri_file"}, {Name: "score", Type: "number"}, {Name: "empty", Type: "uri_folder"}},
		},
		Values: []cairn.TaskValue{{Name: "n", Text: "3"}, {Name: "data", Data: &cairn.DataValue{Type: "folder", Digest: "sha256:d0"}},
			{Name: "one", Data: &cairn.DataValue{Type: "file", Digest: "sha256:f0", Name: "x.csv"}},
			{Name: "many", List: []cairn.DataValue{{Type: "folder", Digest: "sha256:d0"}, {Type: "folder", Digest: "sha256:d0"}}}},
	}
	c, _ := step(t, s, run)
	if err := (inputsAction{}).Run(ctx, c); err != nil {
		t.Fatal(err)
	}
	l := layoutOf(c)
	for _, path := range []string{filepath.Join(l.work(), "train.py"), filepath.Join(l.input("data"), "a", "b.txt"), l.input("one"), filepath.Join(l.input("many"), "1", "a", "b.txt"), l.output("model")} {
		if !exists(path) {
			t.Errorf("%s is not there", path)
		}
	}
	text, err := evaluate(c, run.Task.Command)
	if want := "x 3 " + l.input("data") + " " + l.output("model") + ` 0.1 {"layers":2} job`; err != nil || text != want {
		t.Errorf("command %q, %v", text, err)
	}
	env, err := variables(c)
	if err != nil || env["AZUREML_PARAMETER_n"] != "3" || env["AZURE_ML_INPUT_data"] != l.input("data") || env["AZUREML_CR_DATA_CAPABILITY_PATH"] != l.data() || !strings.Contains(env["PYTHONPATH"], "pylib-") {
		t.Errorf("%v, %v", env, err)
	}
	write := func(path, text string) {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(l.output("model"), "m.pkl"), "m")
	write(l.output("report"), "r")
	write(l.output("score"), " 0.5\n")
	write(filepath.Join(l.work(), "outputs", "plot.png"), "p")
	if err := (outputsAction{}).Run(ctx, c); err != nil {
		t.Fatal(err)
	}
	model, ok := cairn.DecodeData(c.Outputs["model"])
	if !ok || model.Ref != "model/net:1" || len(s.registered) != 1 {
		t.Errorf("model: %+v", model)
	}
	if report, ok := cairn.DecodeData(c.Outputs["report"]); !ok || report.Type != "file" || report.Name != "report" || report.Digest != cairn.SumBytes([]byte("r")) {
		t.Errorf("report: %+v", report)
	}
	if c.Outputs["score"] != "0.5" {
		t.Errorf("score: %q", c.Outputs["score"])
	}
	var names []string
	for _, a := range s.artifacts {
		names = append(names, a.Name)
	}
	if want := []string{"sub.train.artifacts", "sub.train.model", "sub.train.report", "sub.train.empty"}; !slices.Equal(names, want) {
		t.Errorf("artifacts %v, want %v", names, want)
	}
	if kept := s.trees[s.artifacts[0].Digest]; kept["outputs/plot.png"] != "p" {
		t.Errorf("kept: %v", kept)
	}
}

func TestOutputsThatLack(t *testing.T) {
	t.Parallel()
	run := cairn.TaskRun{Task: cairn.Task{Outputs: []cairn.TaskOutput{{Name: "f", Type: "uri_file"}, {Name: "n", Type: "integer"}}}}
	c, _ := step(t, &fakeServer{}, run)
	if err := (inputsAction{}).Run(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	err := (outputsAction{}).Run(context.Background(), c)
	if err == nil || !strings.Contains(err.Error(), "output f has to be a file") || !strings.Contains(err.Error(), "output n is a integer") {
		t.Errorf("%v", err)
	}
	c.Status = cairn.Failure
	if err := (outputsAction{}).Run(context.Background(), c); err != nil {
		t.Errorf("of a command that failed: %v", err)
	}
}

func TestLiterals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		typ, text string
		ok        bool
	}{{"integer", "3", true}, {"integer", "3.5", false}, {"number", "1e3", true}, {"boolean", "True", true}, {"boolean", "yes", false}, {"string", "", true}} {
		if err := checkLiteral(&cairn.TaskOutput{Name: "o", Type: c.typ}, c.text); (err == nil) != c.ok {
			t.Errorf("%s %q: %v", c.typ, c.text, err)
		}
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	got, err := words(`--a "b c" 'd "e"' f\ g "" h`)
	if want := []string{"--a", "b c", `d "e"`, "f g", "", "h"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := words(`"open`); err == nil {
		t.Error("an open quote is taken")
	}
}

func TestSpread(t *testing.T) {
	t.Parallel()
	ms, err := membersOf(&cairn.Spread{Kind: "pytorch", Nodes: 2, Processes: 2}, map[string]string{"A": "1"})
	if err != nil || len(ms) != 4 {
		t.Fatal(err, len(ms))
	}
	if e := ms[3].env; e["RANK"] != "3" || e["LOCAL_RANK"] != "1" || e["NODE_RANK"] != "1" || e["WORLD_SIZE"] != "4" || e["A"] != "1" || e["MASTER_PORT"] == "" {
		t.Errorf("%v", e)
	}
	ms, err = membersOf(&cairn.Spread{Kind: "tensorflow", Workers: 2, Servers: 1}, nil)
	if err != nil || len(ms) != 3 || !ms[2].serves || !strings.Contains(ms[1].env["TF_CONFIG"], `"task":{"index":1,"type":"worker"}`) {
		t.Errorf("%v %v", ms, err)
	}
	if _, err := membersOf(&cairn.Spread{Kind: "ray"}, nil); cairn.CodeOf(err) != cairn.CodeUnsupported {
		t.Errorf("ray: %v", err)
	}
}

func TestTaskLog(t *testing.T) {
	t.Parallel()
	c, log := step(t, &fakeServer{}, cairn.TaskRun{})
	c.Clean = func(s string) string { return strings.ReplaceAll(s, "secret", "***") }
	l, err := openLog(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"one\ntw", "o sec", "ret\n", "\nthree"} {
		if _, err := l.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	l.flush()
	if got := l.last(); !slices.Equal(got, []string{"one", "two ***", "three"}) {
		t.Errorf("%q", got)
	}
	b, err := os.ReadFile(filepath.Join(layoutOf(c).logs(), "user_logs", "std_log.txt"))
	if err != nil || string(b) != "one\ntwo ***\n\nthree" || log.String() != "one\ntwo secret\n\nthree" {
		t.Errorf("%q, %v; step: %q", b, err, log.String())
	}
	if e := failed(3, []string{"x"}); !strings.Contains(e.Error(), "exit code 3") || !strings.Contains(e.Error(), "\nx") {
		t.Errorf("%v", e)
	}
}

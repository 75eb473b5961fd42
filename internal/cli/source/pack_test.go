package source

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/pipeline"
)

// unpacked is a packed tree as files in memory.
func unpacked(s *fakeStore, d cairn.Digest) (pipeline.MapFiles, []string) {
	m := pipeline.MapFiles{Files: map[string][]byte{}}
	var names []string
	for _, line := range s.trees[d] {
		name, text, _ := strings.Cut(line, " ")
		m.Files[name] = []byte(text)
		names = append(names, name)
	}
	slices.Sort(names)
	return m, names
}

func TestPackComponent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lay(t, dir, ".git/HEAD: x", "src/train.py: print(1)", "src/.gitignore: *.log", "src/a.log: x", "lib/util.py: print(2)", "ml/conda.yml: dependencies: [pip]",
		`ml/train.yml: name: train|version: "01"|type: command|command: python train.py --n ${{inputs.n}}|code: ../src|additional_includes: [../lib]|inputs:|  n: {type: integer, default: 3}|environment:|  image: ubuntu|  conda_file: ./conda.yml|`)
	k, _ := newKit(dir)
	f, name, err := Open(k, "ml/train.yml")
	if err != nil {
		t.Fatal(err)
	}
	doc, ps := f.Load(name, pipeline.Options{Kind: "component", Set: []string{"tags.team=vision"}})
	if cairn.HasErrors(ps) {
		t.Fatal(ps)
	}
	store := &fakeStore{}
	p, err := f.Pack(t.Context(), doc, "component.yml", store)
	if err != nil {
		t.Fatal(err)
	}
	files, names := unpacked(store, p.Digest)
	if want := []string{"code/.gitignore", "code/lib/util.py", "code/train.py", "component.yml", "conda.yml"}; !slices.Equal(names, want) {
		t.Errorf("%q", names)
	}
	again, ps := pipeline.Load(files, "component.yml", pipeline.Options{Kind: "component"})
	if cairn.HasErrors(ps) || again.Component == nil {
		t.Fatalf("%v\n%s", ps, files.Files["component.yml"])
	}
	c := again.Component
	if c.Name.Value != "train" || c.Version.Value != "01" || c.Job.Command.Code.Path != "code" || c.Job.Command.Environment.CondaText != "dependencies: [pip]" || len(c.Job.Command.Includes) > 0 || len(c.Tags) != 1 {
		t.Errorf("%s", files.Files["component.yml"])
	}
}

func TestPackPipeline(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	step := func(name string) string {
		return "type: command|name: " + name + "|command: ls|code: ./src|environment: file:../env/env.yml|"
	}
	lay(t, dir, "a/step.yml: "+step("a"), "a/src/x: a", "b/step.yml: "+step("b"), "b/src/x: b", "env/env.yml: image: ubuntu|conda_file: conda.yml|name: e|version: 1", "env/conda.yml: dependencies: [pip]",
		"pipe.yml: type: pipeline|name: all|jobs:|  one: {type: command, component: ./a/step.yml}|  two: {type: command, component: ./b/step.yml}|  three: {type: command, component: ./a/step.yml}|")
	k, _ := newKit(dir)
	f := &Folder{Root: dir, k: k}
	doc, ps := f.Load("pipe.yml", pipeline.Options{Kind: "component"})
	if cairn.HasErrors(ps) {
		t.Fatal(ps)
	}
	store := &fakeStore{}
	p, err := f.Pack(t.Context(), doc, "component.yml", store)
	if err != nil {
		t.Fatal(err)
	}
	files, names := unpacked(store, p.Digest)
	if want := []string{"code-2/x", "code/x", "component.yml", "conda.yml", "step-2.yml", "step.yml"}; !slices.Equal(names, want) {
		t.Errorf("%q", names)
	}
	again, ps := pipeline.Load(files, "component.yml", pipeline.Options{Kind: "component"})
	if cairn.HasErrors(ps) {
		t.Fatalf("%v\n%s\n%s", ps, files.Files["component.yml"], files.Files["step.yml"])
	}
	jobs := again.Component.Job.Pipeline.Jobs
	if len(jobs) != 3 || jobs[1].Component.Component.Job.Command.Code.Path != "code-2" || jobs[2].Component.Component.Job.Command.Environment.CondaText != "dependencies: [pip]" {
		t.Errorf("%s\n%s", files.Files["component.yml"], files.Files["step-2.yml"])
	}
}

func TestPackEnvironment(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lay(t, dir, "env.yml: name: e|build:|  path: ./context|", "context/Dockerfile: FROM ubuntu", "context/.gitignore: *")
	k, _ := newKit(dir)
	f, name, err := Open(k, filepath.Join(dir, "env.yml"))
	if err != nil {
		t.Fatal(err)
	}
	doc, ps := f.Load(name, pipeline.Options{Kind: pipeline.KindEnvironment})
	if cairn.HasErrors(ps) {
		t.Fatal(ps)
	}
	store := &fakeStore{}
	p, err := f.Pack(t.Context(), doc, "environment.yml", store)
	if err != nil {
		t.Fatal(err)
	}
	files, names := unpacked(store, p.Digest)
	if want := []string{"build/.gitignore", "build/Dockerfile", "environment.yml"}; !slices.Equal(names, want) {
		t.Errorf("%q", names)
	}
	if again, ps := pipeline.Load(files, "environment.yml", pipeline.Options{Kind: pipeline.KindEnvironment}); cairn.HasErrors(ps) || again.Asset.Environment.Build.Path != "build" {
		t.Errorf("%v\n%s", ps, files.Files["environment.yml"])
	}
}

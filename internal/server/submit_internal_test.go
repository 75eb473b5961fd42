package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cas"
	"github.com/cairn-ml/cairn/internal/pipeline"
)

func TestJobName(t *testing.T) {
	t.Parallel()
	name, err := jobName(bytes.NewReader([]byte("0123456789ab")))
	if err != nil || !regexp.MustCompile(`^[a-z]+_[a-z]+_[0-9a-z]{10}$`).MatchString(name) {
		t.Errorf("%q %v", name, err)
	}
	if _, err := jobName(strings.NewReader("short")); cairn.CodeOf(err) != cairn.CodeInternal {
		t.Errorf("without randomness: %v", err)
	}
	for name, ok := range map[string]bool{"a": true, "green_ant_1": true, "0-x": true, "": false, "-a": false, "a b": false, "42": false, "a/b": false, strings.Repeat("a", 256): false} {
		if err := checkJobName(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
	if got := childName("root", "sub[a, 1]/train"); got != "root_sub_a__1__train" {
		t.Errorf("child: %s", got)
	}
}

func TestLocalRepository(t *testing.T) {
	t.Parallel()
	for dir, want := range map[string]string{"/home/ana/My Model": "local/My-Model", "/": "local/jobs", "..": "local/jobs", "x.y": "local/x.y"} {
		if got := localRepository(dir); got != want {
			t.Errorf("%s: %s, want %s", dir, got, want)
		}
	}
}

func put(t *testing.T, s *cas.Store, files map[string]string) cairn.DataValue {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	r, err := s.CheckIn(context.Background(), dir, cas.ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return cairn.DataValue{Type: "folder", Digest: r.Root}
}

func blobs(t *testing.T) *cas.Store {
	t.Helper()
	s, err := cas.Open(t.TempDir(), cas.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStoredFiles(t *testing.T) {
	t.Parallel()
	s := blobs(t)
	top := put(t, s, map[string]string{"component.yml": "type: command\n", "code/a/train.py": "pass\n"})
	f := &storedFiles{ctx: context.Background(), blobs: s, texts: map[string]string{"x/pipeline.yml": "p"}, at: map[string]cairn.DataValue{".": top}}
	for p, want := range map[string]string{"component.yml": "type: command\n", "./code/a/train.py": "pass\n", "x/pipeline.yml": "p"} {
		if b, err := f.ReadFile(p); err != nil || string(b) != want {
			t.Errorf("%s: %q %v", p, b, err)
		}
	}
	for p, want := range map[string]bool{"code": true, "code/a": true, "code/a/train.py": false, "x": true, ".": true} {
		if dir, err := f.Stat(p); err != nil || dir != want {
			t.Errorf("%s: %v %v", p, dir, err)
		}
	}
	for _, p := range []string{"nothing", "code/b", "code/a/train.py/x", "../out"} {
		if _, err := f.Stat(p); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", p, err)
		}
		if _, err := f.ReadFile(p); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", p, err)
		}
	}
	v, err := dataBelow(f.ctx, s, top, "code/a/train.py")
	if err != nil || v.Type != "file" || v.Name != "train.py" || v.Digest != cairn.SumBytes([]byte("pass\n")) {
		t.Errorf("%+v %v", v, err)
	}
}

func TestChangedParts(t *testing.T) {
	t.Parallel()
	srv := &Server{blobs: blobs(t)}
	a := put(t, srv.blobs, map[string]string{"train.py": "1", "lib/util.py": "u", "old/x": "x"})
	b := put(t, srv.blobs, map[string]string{"train.py": "2", "lib/util.py": "u", "lib/new.py": "n"})
	f, _, err := srv.blobs.Put(context.Background(), strings.NewReader("bytes"), "")
	if err != nil {
		t.Fatal(err)
	}
	was := []cairn.KeyPart{{Name: "code", Value: string(a.Digest)}, {Name: "inputs.epochs", Value: "1"}, {Name: "inputs.data", Value: "file " + string(f) + " a.csv"}, {Name: "gone", Value: "x"}}
	is := []cairn.KeyPart{{Name: "code", Value: string(b.Digest)}, {Name: "inputs.epochs", Value: "2"}, {Name: "inputs.data", Value: "folder " + string(a.Digest)}, {Name: "new", Value: "y"}}
	got, err := srv.changedParts(context.Background(), was, is)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range got {
		names = append(names, c.Name)
	}
	if !slices.Equal(names, []string{"code", "inputs.epochs", "inputs.data", "new", "gone"}) {
		t.Errorf("parts: %v", names)
	}
	if want := []string{"added lib/new.py", "changed train.py", "removed old/"}; !slices.Equal(got[0].Files, want) {
		t.Errorf("files: %v, want %v", got[0].Files, want)
	}
	if got[2].Files != nil {
		t.Errorf("a file is no folder: %v", got[2].Files)
	}
}

func TestWhyRan(t *testing.T) {
	t.Parallel()
	node := func(reuse, source bool) *cairn.Node {
		return &cairn.Node{Task: &cairn.Task{Reuse: reuse, Source: source}}
	}
	keyed := func() *cairn.Job {
		return &cairn.Job{Node: "train", Status: cairn.StatusCompleted, Conclusion: cairn.Success, Task: &cairn.JobTask{Key: "k", Source: true}}
	}
	failed := keyed()
	failed.Conclusion = cairn.Failure
	for _, c := range []struct {
		job     *cairn.Job
		node    *cairn.Node
		changed []client.ChangedPart
		against *cairn.Job
		want    string
	}{
		{keyed(), node(true, true), []client.ChangedPart{{Name: "code"}}, keyed(), "it ran since code changed"},
		{keyed(), node(true, true), nil, nil, "no earlier job"},
		{keyed(), node(false, true), nil, keyed(), "--no-reuse"},
		{keyed(), node(false, false), nil, keyed(), "force_rerun"},
		{keyed(), node(true, true), nil, failed, "ended with failure"},
		{&cairn.Job{Conclusion: cairn.Skipped, Reason: "if was false"}, node(true, true), nil, nil, "skipped"},
		{&cairn.Job{Status: cairn.StatusWaiting}, node(true, true), nil, nil, "not known yet"},
	} {
		got := whyRan(&cairn.Run{}, c.job, c.node, &client.CacheExplanation{Changed: c.changed, AgainstName: "calm_owl/train"}, c.against)
		if !strings.Contains(got, c.want) {
			t.Errorf("%q does not say %q", got, c.want)
		}
	}
}

func TestDatastoreURI(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]string{
		"azureml://datastores/ds/paths/a/b":                                              "ds a/b",
		"azureml://subscriptions/S/resourcegroups/G/workspaces/W/datastores/ds/paths/a/": "ds a/",
		"azureml:x:1": "", "https://x/datastores/ds/paths/a": "", "azureml://datastores/ds": "",
	} {
		ds, p, ok := datastoreURI(uri)
		got := ds + " " + p
		if !ok {
			got = ""
		}
		if got != want {
			t.Errorf("%s: %q, want %q", uri, got, want)
		}
	}
	got := outputPlace("azureml://datastores/${{default_datastore}}/paths/x/${{ name }}/${{output_name}}", "run_a", "model")
	if got != "azureml://datastores/workspaceblobstore/paths/x/run_a/model" {
		t.Errorf("place: %s", got)
	}
}

func TestBuiltinComponents(t *testing.T) {
	t.Parallel()
	j := &jobRefs{s: &Server{blobs: blobs(t)}}
	for version, output := range map[string]string{"0.0.2": "registration_details", "0.0.9": "registration_details_folder", "0.0.21": "registration_details_folder", "": "registration_details_folder"} {
		c, err := j.builtinComponent(context.Background(), &pipeline.Reference{Registry: "azureml", Name: "register_model", Version: version})
		if err != nil {
			t.Fatalf("%s: %v %+v", version, err, cairn.AsError(err).Problems)
		}
		out := c.Document.Component.Outputs
		if len(out) != 1 || out[0].Name != output || !builtinRef(c.Ref) {
			t.Errorf("%s: %+v %s", version, out, c.Ref)
		}
	}
	if builtinRef("component/azureml/other:1") || builtinRef("component/register_model:1") || builtinRef("model/azureml/register_model:1") {
		t.Error("what has rows is taken for built in")
	}
}

func TestDataIn(t *testing.T) {
	t.Parallel()
	d := cairn.SumBytes([]byte("x"))
	text := cairn.DataValue{Type: "file", Digest: d, Name: "x"}.Encode()
	p := &cairn.Plan{Nodes: []cairn.Node{{ID: "main", Task: &cairn.Task{Code: &cairn.DataValue{Type: "folder", Digest: d}, Inputs: []cairn.TaskInput{{Name: "in", Value: cairn.Str(text)}}}}}}
	b, _, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if got := dataIn(b); len(got) != 2 {
		t.Errorf("%+v", got)
	}
}

func TestBoundedBody(t *testing.T) {
	t.Parallel()
	b := &boundedBody{r: strings.NewReader(strings.Repeat("x", 100)), left: 100}
	if got, err := io.ReadAll(b); err != nil || len(got) != 100 || b.over {
		t.Errorf("%d %v %v", len(got), err, b.over)
	}
	b = &boundedBody{r: strings.NewReader(strings.Repeat("x", 101)), left: 100}
	if _, err := io.ReadAll(b); err == nil || !b.over {
		t.Errorf("too much passes: %v", err)
	}
}

func TestEnvironmentMaps(t *testing.T) {
	t.Parallel()
	m := environmentMaps{}
	for _, line := range []cairn.EnvironmentMap{
		{Name: "training", Python: "/t"}, {Name: "training:2", Where: cairn.MapPython, Python: "/t2"}, {Name: "AzureML-sklearn-1.5", Python: "/s"},
		{Name: "mcr/x:latest", Python: "/i"}, {Name: "boxed", Where: cairn.MapDocker}, {Name: "mcr/y:1", Where: cairn.MapDocker},
		{Name: "out", Where: cairn.MapHost},
	} {
		m[strings.ToLower(line.Name)] = line
	}
	all := environmentMaps{"*": {Name: "*", Where: cairn.MapDocker}, "out": m["out"], "training": m["training"]}
	build := &cairn.DataValue{Type: "folder"}
	for _, c := range []struct {
		m    environmentMaps
		env  cairn.TaskEnvironment
		want string // a Python, "docker", or "" for what is built here
	}{
		{m, cairn.TaskEnvironment{Name: "Training", Version: "1"}, "/t"},
		{m, cairn.TaskEnvironment{Name: "training", Version: "2"}, "/t2"},
		{m, cairn.TaskEnvironment{Name: "sklearn-1.5"}, "/s"},
		{m, cairn.TaskEnvironment{Image: "mcr/x:latest"}, "/i"},
		{m, cairn.TaskEnvironment{Image: "mcr/x:latest", Conda: "name: x"}, ""},
		{m, cairn.TaskEnvironment{Name: "other"}, ""},
		{m, cairn.TaskEnvironment{}, ""},
		{m, cairn.TaskEnvironment{Name: "training", Python: "/own"}, "/own"},
		{m, cairn.TaskEnvironment{Name: "boxed", Image: "a"}, "docker"},
		{m, cairn.TaskEnvironment{Name: "boxed"}, ""}, // there is no image
		{m, cairn.TaskEnvironment{Image: "mcr/y:1", Conda: "name: x"}, "docker"},
		{m, cairn.TaskEnvironment{Name: "other", Build: build}, "docker"},
		{m, cairn.TaskEnvironment{Name: "training", Build: build}, "/t"},
		{m, cairn.TaskEnvironment{Name: "out", Image: "a"}, ""},
		{nil, cairn.TaskEnvironment{Build: build}, "docker"},
		{all, cairn.TaskEnvironment{Image: "a"}, "docker"},
		{all, cairn.TaskEnvironment{Name: "sklearn-1.5"}, ""},
		{all, cairn.TaskEnvironment{Name: "out", Image: "a"}, ""},
		{all, cairn.TaskEnvironment{Name: "training", Image: "a"}, "/t"},
	} {
		env := c.m.put(c.env)
		got := env.Python
		if env.Docker {
			got += "docker"
		}
		if got != c.want {
			t.Errorf("%+v: %q, want %q", c.env, got, c.want)
		}
	}
}

// What lies in datastores and what was fetched is kept; what is lost holds nothing up.
func TestTaskRoots(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := rooms(t)
	there, lost := put(t, s.blobs, map[string]string{"a": "1"}), cairn.DataValue{Type: "folder", Digest: cairn.SumBytes([]byte("lost"))}
	for name, v := range map[string]cairn.DataValue{"there": there, "lost": lost} {
		if err := s.store.PutDatastorePath(ctx, cairn.DatastorePath{Workspace: Workspace, Datastore: "ds", Path: name, Data: v}); err != nil {
			t.Fatal(err)
		}
	}
	file, _, err := s.blobs.Put(ctx, strings.NewReader("csv"), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.store.PutFetchedURL(ctx, cairn.FetchedURL{URL: "https://example.org/a.csv", Digest: file}); err != nil {
		t.Fatal(err)
	}
	got := map[cairn.Digest]bool{}
	if !s.taskRoots(ctx, func(r cas.Root, err error) bool {
		if err != nil {
			t.Error(err)
		}
		got[r.Digest] = r.Tree
		return true
	}) {
		t.Error("the listing ended early")
	}
	if len(got) != 2 || !got[there.Digest] || got[file] {
		t.Errorf("%v", got)
	}
}

func BenchmarkCompareTrees(b *testing.B) {
	st, err := cas.Open(b.TempDir(), cas.Options{})
	if err != nil {
		b.Fatal(err)
	}
	s := &Server{blobs: st}
	tree := func(change string) cairn.Digest {
		dir := b.TempDir()
		for i := range 1000 {
			text := "same"
			if i == 500 {
				text = change
			}
			p := filepath.Join(dir, "d"+strconv.Itoa(i/100), strconv.Itoa(i))
			if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte(text), 0o644)); err != nil {
				b.Fatal(err)
			}
		}
		r, err := st.CheckIn(context.Background(), dir, cas.ScanOptions{})
		if err != nil {
			b.Fatal(err)
		}
		return r.Root
	}
	was, is := tree("1"), tree("2")
	for b.Loop() {
		var out []string
		if err := s.compareTrees(context.Background(), was, is, "", &out); err != nil || len(out) != 1 {
			b.Fatal(out, err)
		}
	}
}

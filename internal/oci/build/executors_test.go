package build

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci"
	"github.com/cairn-ml/cairn/internal/oci/archive"
	"github.com/cairn-ml/cairn/internal/oci/dockerfile"
	"github.com/cairn-ml/cairn/internal/oci/layer"
	"github.com/opencontainers/go-digest"
)

// scripted is an executor that leaves a given archive.
type scripted struct {
	ready   bool
	archive []byte
	err     error
	asked   *ExecRequest
}

func (scripted) Name() string                            { return "scripted" }
func (s *scripted) Ready(context.Context, []string) bool { return s.ready }
func (s *scripted) Has(_ context.Context, _ []string, name string) bool {
	return name == "debian:12"
}
func (s *scripted) Build(ctx context.Context, r ExecRequest) (string, error) {
	s.asked = &r
	for _, b := range r.Bases {
		name, err := b.Archive(ctx)
		if err != nil {
			return "", err
		}
		arc, err := archive.Open(ctx, name, r.Dir)
		if err != nil {
			return "", err
		}
		if _, err := arc.Image(ctx, func(p string) bool { return p == "linux/amd64" }); err != nil {
			return "", err
		}
		arc.Close()
		dir, d, err := b.Layout(ctx)
		if err != nil {
			return "", err
		}
		if _, err := os.Stat(filepath.Join(dir, "blobs", "sha256", d.Hex())); err != nil {
			return "", err
		}
	}
	p := filepath.Join(r.Dir, "out.tar")
	return p, errors.Join(s.err, os.WriteFile(p, s.archive, 0o600))
}

// dockerArchive is what docker save leaves: base layers, then one with files.
func dockerArchive(t *testing.T, w *world, base *cairn.Image, files []layer.File, change func(name string) string) []byte {
	t.Helper()
	var lb bytes.Buffer
	if err := layer.Write(&lb, files); err != nil {
		t.Fatal(err)
	}
	c := w.config(t, base)
	c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, digest.Digest(cairn.SumBytes(lb.Bytes())))
	raw, _ := json.Marshal(c)
	parts := map[string][]byte{"0/layer.tar": w.blobs[base.Layers[0].Digest], "1/layer.tar": lb.Bytes(), "c.json": raw,
		"manifest.json": []byte(`[{"Config":"c.json","RepoTags":null,"Layers":["0/layer.tar","1/layer.tar"]}]`)}
	var out bytes.Buffer
	tw := tar.NewWriter(&out)
	for _, n := range []string{"0/layer.tar", "1/layer.tar", "c.json", "manifest.json"} {
		b := parts[n]
		if change != nil {
			n = change(n)
		}
		if err := tw.WriteHeader(&tar.Header{Name: n, Typeflag: tar.TypeReg, Size: int64(len(b)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		tw.Write(b)
	}
	tw.Close()
	return out.Bytes()
}

func TestExecutor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	base := w.images["docker.io/library/python:3.11-slim"]
	s := &scripted{ready: true, archive: dockerArchive(t, w, base, []layer.File{text1("app/model", "m")}, nil)}
	w.o.Executors = []Executor{&scripted{}, s}
	w.b = New(w.o)
	dir := write(t, map[string]string{"Dockerfile": "FROM python:3.11-slim\nRUN apt-get update\n"})
	_, log, err := w.build(t, cairn.BuildRequest{Context: dir, Names: []string{"a/b:c"}, BuildArgs: map[string]string{"X": "y"}, Env: map[string]string{"GITHUB_SHA": "abc"}})
	if err != nil {
		t.Fatal(err, log)
	}
	if b := w.builds[0]; b.Builder != "scripted" || b.Packed != nil || b.Base != base.Digest || len(b.Layers) != 2 || b.Layers[0].Role != cairn.LayerBase || b.Layers[1].Role != "" {
		t.Errorf("%+v", b)
	}
	if len(s.asked.Bases) != 1 || s.asked.Bases[0].Name != "python:3.11-slim" || s.asked.Args["X"] != "y" || s.asked.Labels["org.opencontainers.image.revision"] != "abc" {
		t.Errorf("%+v", s.asked)
	}
	if !strings.Contains(log, "line 2 needs a container: it runs apt-get") {
		t.Error(log)
	}

	// One that stood on another image of that name: its base is not known.
	w.addBase(t, "other:1", "linux/amd64", []layer.File{text1("etc/other", "o")}, nil)
	other := &scripted{ready: true, archive: dockerArchive(t, w, w.images["docker.io/library/other:1"], []layer.File{text1("app/model", "m")}, nil)}
	w.o.Executors = []Executor{other}
	w.b = New(w.o)
	if _, log, err := w.build(t, cairn.BuildRequest{Context: dir}); err != nil {
		t.Fatal(err, log)
	}
	if b := w.builds[len(w.builds)-1]; b.Base != "" || b.BaseName != "" || b.Layers[0].Role != "" {
		t.Errorf("%+v", b)
	}
	w.o.Executors = []Executor{s}
	w.b = New(w.o)

	// A base that only the executor may have.
	w2 := newWorld(t)
	s2 := &scripted{ready: true, archive: s.archive}
	w2.o.Executors = []Executor{s2}
	w2.b = New(w2.o)
	if _, log, err := w2.build(t, cairn.BuildRequest{Context: write(t, map[string]string{"Dockerfile": "FROM debian:12\nRUN make\n"})}); err != nil || len(s2.asked.Bases) != 0 {
		t.Error(err, log)
	}

	// And one that nobody has.
	if _, _, err := w2.build(t, cairn.BuildRequest{Context: write(t, map[string]string{"Dockerfile": "FROM debian:99\nRUN make\n"})}); cairn.CodeOf(err) != cairn.CodeNotFound {
		t.Error(err)
	}

	// It fails.
	s.err = errors.New("exit status 1")
	if _, _, err := w.build(t, cairn.BuildRequest{Context: dir}); cairn.CodeOf(err) != cairn.CodeFailed || !strings.Contains(err.Error(), "scripted did not build") {
		t.Error(err)
	}
}

func TestImportRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	base := w.images["docker.io/library/python:3.11-slim"]
	good := dockerArchive(t, w, base, []layer.File{text1("a", "a")}, nil)
	for name, b := range map[string][]byte{
		"no tar":      []byte("not a tar at all, but long enough to be looked at"),
		"cut":         good[:len(good)/2],
		"no manifest": dockerArchive(t, w, base, nil, func(n string) string { return "x" + n }),
		"no layer":    dockerArchive(t, w, base, nil, func(n string) string { return strings.Replace(n, "1/", "2/", 1) }),
		"no config":   dockerArchive(t, w, base, nil, func(n string) string { return strings.Replace(n, "c.json", "d.json", 1) }),
		"other bytes": bytes.Replace(good, []byte("root:x"), []byte("evil:x"), 1),
	} {
		s := &scripted{ready: true, archive: b}
		w.o.Executors = []Executor{s}
		_, _, err := (&world{w.fakeServer, New(w.o), w.deps, w.o}).build(t, cairn.BuildRequest{Context: write(t, map[string]string{"Dockerfile": "FROM scratch\nRUN x\n"})})
		if cairn.CodeOf(err) != cairn.CodeFailed {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(w.builds) != 0 {
		t.Error("something was recorded")
	}
}

// TestImportLayout reads an OCI archive with an index in its index, as BuildKit
// writes with attestations.
func TestImportLayout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	base := w.images["docker.io/library/python:3.11-slim"]
	index := func(ds ...oci.Descriptor) []byte {
		b, _ := json.Marshal(oci.Manifest{SchemaVersion: 2, MediaType: oci.TypeIndex, Manifests: ds})
		return b
	}
	inner := index(
		oci.Descriptor{MediaType: oci.TypeManifest, Digest: "sha256:" + strings.Repeat("1", 64), Size: 1, Platform: &oci.Platform{OS: "unknown", Architecture: "unknown"}},
		oci.Descriptor{MediaType: oci.TypeManifest, Digest: string(base.Digest), Size: int64(len(w.blobs[base.Digest])), Platform: &oci.Platform{OS: "linux", Architecture: "amd64"}})
	outer := index(oci.Descriptor{MediaType: oci.TypeIndex, Digest: string(cairn.SumBytes(inner)), Size: int64(len(inner))})
	var out bytes.Buffer
	tw := tar.NewWriter(&out)
	add := func(name string, b []byte) {
		tw.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: int64(len(b)), Mode: 0o644})
		tw.Write(b)
	}
	add("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	add("index.json", outer)
	for _, b := range [][]byte{inner, w.blobs[base.Digest], w.blobs[base.Config], w.blobs[base.Layers[0].Digest]} {
		add(fmt.Sprintf("blobs/sha256/%x", sha256.Sum256(b)), b)
	}
	tw.Close()
	w.o.Executors = []Executor{&scripted{ready: true, archive: out.Bytes()}}
	w.b = New(w.o)
	res, log, err := w.build(t, cairn.BuildRequest{Context: write(t, map[string]string{"Dockerfile": "FROM scratch\nRUN x\n"})})
	if err != nil || res.Image.Config != base.Config || res.Image.Layers[0].MediaType != layer.MediaTypeTar {
		t.Error(err, log)
	}
}

// TestPrograms runs the executors against programs that write down how they are
// called.
func TestPrograms(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const id = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	script := `#!/bin/sh
echo "$(basename "$0") $* [$DOCKER_BUILDKIT $TOKEN]" >> "$CALLS"
prev=
for a in "$@"; do
  case "$prev" in --iidfile) echo ` + id + ` > "$a";; --output) case "$a" in /*) : > "$a";; esac;; --secret) cat "${a#*src=}" >> "$CALLS"; echo >> "$CALLS";; esac
  prev="$a"
done
case "$1 $2" in "build --help") echo "--secret --load";; *version*) echo 1.0;; "info "*) echo ok;; esac
`
	for _, n := range []string{"docker", "podman", "buildah", "buildctl"} {
		if err := os.WriteFile(filepath.Join(dir, n), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, ex := range append(Executors(), engine{"podman"}) {
		calls := filepath.Join(t.TempDir(), "calls")
		env := []string{"PATH=" + dir + ":/usr/bin:/bin", "CALLS=" + calls, "BUILDKIT_HOST=unix:///x"}
		if !ex.Ready(t.Context(), env) {
			t.Errorf("%s is not ready", ex.Name())
			continue
		}
		_, err := ex.Build(t.Context(), ExecRequest{Context: "/c", Dockerfile: "/c/Dockerfile", Args: map[string]string{"TOKEN": "t0k", "PATH": "/x"}, Labels: map[string]string{"a": "b"},
			Target: "final", Platform: "linux/arm64", NoCache: true, Pull: true, Secrets: map[string]string{"s": "s3cret"}, Env: env, Dir: t.TempDir(), Log: io.Discard})
		if err != nil {
			t.Errorf("%s: %v", ex.Name(), err)
		}
		b, _ := os.ReadFile(calls)
		got := string(b)
		for _, want := range []string{"final", "linux/arm64", "no-cache", "pull", "a=b", "s3cret"} {
			if !strings.Contains(got, want) {
				t.Errorf("%s was not told %s:\n%s", ex.Name(), want, got)
			}
		}
		for line := range strings.Lines(got) {
			if args, _, _ := strings.Cut(line, " ["); strings.Contains(args, "t0k") && ex.Name() != "buildkit" || strings.Contains(args, "s3cret") && strings.Contains(args, " ") {
				t.Errorf("%s shows a value in its arguments: %s", ex.Name(), line)
			}
		}
		if ex.Name() == "docker" && !strings.Contains(got, "[1 t0k]") {
			t.Errorf("docker: %s", got)
		}
	}
	for _, ex := range Executors() {
		if ex.Ready(t.Context(), []string{"PATH=/nowhere"}) {
			t.Errorf("%s is ready without a program", ex.Name())
		}
	}
}

// TestDocker builds the same Dockerfiles here and with the real docker (and
// buildah), and compares configuration and files.
func TestDocker(t *testing.T) {
	if os.Getenv("CAIRN_TEST_DOCKER") == "" {
		t.Skip("CAIRN_TEST_DOCKER=1 compares with docker build")
	}
	var ready []Executor
	for _, ex := range Executors() {
		if ex.Ready(t.Context(), os.Environ()) {
			ready = append(ready, ex)
		}
	}
	if len(ready) == 0 {
		t.Fatal("neither docker nor buildah answers")
	}
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Fatal(err)
	}
	files := append(pythonFiles(), text1("bin/busybox", string(busybox)), layer.File{Path: "bin/sh", Type: tar.TypeSymlink, Link: "busybox", Mode: 0o777})
	for i := range files {
		if files[i].Path == "bin/busybox" {
			files[i].Mode = 0o755
		}
	}
	context := map[string]string{"a.txt": "A", "b.txt": "B", "d/x": "X", "d/e/y": "Y", "d/l": "-> x", "empty/": "", "skip.log": "no", ".dockerignore": "*.log\nDockerfile\n",
		"t.tar": string(smallTar(t))}
	for name, lines := range map[string]string{
		"course": "WORKDIR /code\nCOPY ./a.txt /code/a.txt\nCOPY . .\nEXPOSE 80\nCMD [\"uvicorn\", \"main:app\"]\n",
		"config": "ARG V=1\nENV A=1 B=\"two words\" C=$V\nLABEL x=$A y=\"z z\"\nEXPOSE 80 90-92/udp\nVOLUME /data\nUSER app\nWORKDIR /home/app\nWORKDIR sub\nSTOPSIGNAL SIGINT\n" +
			"HEALTHCHECK --interval=5s --retries=2 CMD true\nSHELL [\"/bin/sh\", \"-ec\"]\nENTRYPOINT run me\nCMD [\"x\"]\nONBUILD COPY . /x\n",
		"copies": "COPY a.txt /x\nCOPY a.txt b.txt /y/\nCOPY d /d2\nCOPY d/ /d3/\nCOPY *.txt /p/\nCOPY a.txt /tmp/\nCOPY empty /e\nCOPY b.txt /x\nCOPY d/l /followed\n",
		"owners": "COPY --chown=app:staff a.txt /o/x\nCOPY --chown=7 d /o2/\nCOPY --chown=1000:50 --chmod=600 a.txt /o3\n",
		"links":  "COPY a.txt /lib/a\nCOPY a.txt /var/run/\nCOPY d /var/run\n",
		"add":    "ADD t.tar /t\nADD a.txt /t/\nADD d /q/\n",
		"stages": "FROM cairn.test/base:1 AS s\nCOPY d /d\nFROM s AS s2\nCOPY a.txt /d/a\nFROM scratch\nCOPY --from=s /d /one\nCOPY --from=s2 /d/a /two/\nCOPY --from=1 /d/* /three/\nENV X=y\n",
	} {
		for _, ex := range ready {
			if ex.Name() == "buildah" {
				continue // it makes the folders of WORKDIR when a container runs, and labels what it makes
			}
			if _, mode := dockerMode(t.Context(), os.Environ(), find(os.Environ(), "docker")); ex.Name() == "docker" && mode == "DOCKER_BUILDKIT=0" {
				continue // what docker build means is what BuildKit does
			}
			t.Run(ex.Name()+"/"+name, func(t *testing.T) {
				w := newWorld(t)
				w.addBase(t, "cairn.test/base:1", "linux/amd64", files, nil)
				fs := map[string]string{"Dockerfile": "FROM cairn.test/base:1\n" + lines}
				for k, v := range context {
					fs[k] = v
				}
				r := cairn.BuildRequest{Context: write(t, fs), Env: environMap(), NoCache: true}
				ours, log, err := w.build(t, r)
				if err != nil {
					t.Fatal(err, log)
				}
				theirs := w.executed(t, ex, r)
				a, b := comparable1(w.config(t, ours.Image)), comparable1(w.config(t, theirs))
				if a != b {
					t.Errorf("configuration: ours\n%s\ntheirs\n%s", a, b)
				}
				if a, b := w.merged(t, ours.Image), w.merged(t, theirs); a != b {
					t.Errorf("files: %s", diff(a, b))
				}
			})
		}
	}
	for _, ex := range ready {
		t.Run(ex.Name()+"/run", func(t *testing.T) {
			w := newWorld(t)
			w.addBase(t, "cairn.test/base:1", "linux/amd64", files, nil)
			w.o.Executors = []Executor{ex}
			w.b = New(w.o)
			dir := write(t, map[string]string{"Dockerfile": "FROM cairn.test/base:1\nARG WHO\nCOPY m /m\nRUN /bin/busybox echo \"hi $WHO\" > /made && /bin/busybox rm /m\n", "m": "model"})
			res, log, err := w.build(t, cairn.BuildRequest{Context: dir, BuildArgs: map[string]string{"WHO": "you"}, Env: environMap()})
			if err != nil {
				t.Fatal(err, log)
			}
			got := w.merged(t, res.Image)
			if !strings.Contains(got, "made ") || strings.Contains(got, "\nm ") || res.Image.Layers[0].Role != cairn.LayerBase {
				t.Errorf("%s\n%s", log, got)
			}
			if w.builds[0].Builder != ex.Name() {
				t.Error(w.builds[0].Builder)
			}
		})
	}
}

func smallTar(t *testing.T) []byte {
	var b bytes.Buffer
	if err := layer.Write(&b, []layer.File{{Path: "in/f", Mode: 0o640, UID: 7, GID: 8, Size: 1, Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("T")), nil }},
		{Path: "in/s", Type: tar.TypeSymlink, Link: "f", Mode: 0o777}}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func environMap() map[string]string {
	out := map[string]string{}
	for _, kv := range os.Environ() {
		k, v, _ := strings.Cut(kv, "=")
		out[k] = v
	}
	return out
}

// executed builds with an executor what would need none.
func (w *world) executed(t *testing.T, ex Executor, r cairn.BuildRequest) *cairn.Image {
	t.Helper()
	var log bytes.Buffer
	o := w.o
	o.Executors = []Executor{ex}
	j := &job{o: New(o).o, srv: w, r: r, log: &log, res: &cairn.BuildResult{}, bases: map[string]*base{}, stages: map[*dockerfile.Stage]*stage{}, tmp: t.TempDir()}
	if err := j.open(); err != nil {
		t.Fatal(err)
	}
	defer j.ctx.close()
	plan, err := j.file.Evaluate(t.Context(), dockerfile.Options{Platform: "linux/amd64",
		Base: func(ctx context.Context, name, platform string) (*dockerfile.Base, error) {
			return j.base(ctx, name, platform)
		}})
	if err != nil {
		t.Fatal(err)
	}
	a, err := j.execute(t.Context(), plan, "linux/amd64", nil, nil)
	if err != nil {
		t.Fatal(err, log.String())
	}
	if err := j.record(t.Context(), []*assembled{a}, []string{"linux/amd64"}); err != nil {
		t.Fatal(err)
	}
	return j.res.Image
}

// merged is every path of an image, with what can be compared.
func (w *world) merged(t *testing.T, img *cairn.Image) string {
	t.Helper()
	b := &base{image: img, srv: w}
	fs, err := layer.Index(t.Context(), b.sources())
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	err = fs.Walk("", func(i layer.Info) error {
		if i.Path != "" && !strings.HasPrefix(i.Path, "usr/local") {
			fmt.Fprintf(&out, "%s %c %04o %d:%d %d %s\n", i.Path, i.Type, i.Mode, i.UID, i.GID, i.Size, i.Link)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// comparable1 is the part of a configuration that says how an image runs.
func comparable1(c dockerfile.Image) string {
	b, _ := json.MarshalIndent(map[string]any{"env": c.Config.Env, "cmd": c.Config.Cmd, "entrypoint": c.Config.Entrypoint, "dir": c.Config.WorkingDir, "user": c.Config.User,
		"ports": c.Config.ExposedPorts, "volumes": c.Config.Volumes, "labels": c.Config.Labels, "stop": c.Config.StopSignal, "health": c.Config.Healthcheck,
		"onbuild": c.Config.OnBuild, "shell": c.Config.Shell, "os": c.OS, "arch": c.Architecture}, "", " ")
	return string(b)
}

func diff(a, b string) string {
	have := map[string]int{}
	for l := range strings.Lines(a) {
		have[l]++
	}
	var out strings.Builder
	for l := range strings.Lines(b) {
		if have[l]--; have[l] < 0 {
			out.WriteString("\n  theirs " + strings.TrimSpace(l))
		}
	}
	for l := range strings.Lines(a) {
		if have[l] > 0 {
			out.WriteString("\n  ours   " + strings.TrimSpace(l))
		}
	}
	return out.String()
}

// An executor that was only tried because it has a base, and fails, does not hide
// what is wrong: the base, where FROM names it, and what helps.
func TestExecutorHasTheBaseAndFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := &scripted{ready: true, err: cairn.Errorf(cairn.CodeFailed, "no space")}
	w.o.Executors = []Executor{s}
	w.b = New(w.o)
	dir := write(t, map[string]string{"Dockerfile": "# base\nFROM debian:12\nRUN apt-get update\n"})
	_, _, err := w.build(t, cairn.BuildRequest{Context: dir, Names: []string{"a/b:c"}})
	e := cairn.AsError(err)
	if e == nil || e.Position == nil || e.Position.Line != 2 || s.asked == nil {
		t.Fatalf("%+v", e)
	}
	for _, want := range []string{"debian:12 cannot be had", "scripted, which has it, did not build the image: no space"} {
		if !strings.Contains(e.Message, want) {
			t.Errorf("%s\nhas no %q", e.Message, want)
		}
	}
	if !strings.Contains(e.Hint, "cairn image base create --from-host-python --as debian:12 ") {
		t.Error(e.Hint)
	}
}

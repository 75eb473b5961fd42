package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/image"
	"github.com/cairn-ml/cairn/internal/runner/python"
)

// builds is a server with a base image, and a folder to build from.
type builds struct {
	c     *client.Client
	tools python.Tools
	dir   string
}

func newBuilds(t testing.TB) *builds {
	t.Helper()
	if _, err := exec.LookPath("python3"); err != nil || runtime.GOOS != "linux" {
		t.Skip("needs Linux with a Python")
	}
	home, err := os.MkdirTemp("", "cairn-i") // short: it holds a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	environ := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s, err := Start(context.Background(), Options{Home: home, Version: "test", Listen: "127.0.0.1:0", Env: environ, Exe: exe})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	b := &builds{tools: python.Tools{Home: home, UserHome: os.Getenv("HOME"), Environ: environ}, dir: t.TempDir()}
	if b.c, err = client.Connect(context.Background(), client.Options{Home: home, Patience: 10 * time.Second}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.c.Close)
	if _, err := baseFromHost(context.Background(), b.c, b.tools, image.BaseRequest{As: "python:3-slim"}, io.Discard); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *builds) write(t testing.TB, name string, content []byte) {
	t.Helper()
	p := filepath.Join(b.dir, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// model writes the model and registers it as a version.
func (b *builds) model(t testing.TB, seed, size int) cairn.Ref {
	t.Helper()
	m := make([]byte, size)
	for at := 0; at+32 <= len(m); at += 32 {
		sum := sha256.Sum256(fmt.Appendf(nil, "%d %d", seed, at>>15))
		copy(m[at:], sum[:])
	}
	b.write(t, "model.joblib", m)
	root, _, _, err := b.c.UploadTree(context.Background(), b.dir, []string{"model.joblib"})
	if err != nil {
		t.Fatal(err)
	}
	v, err := b.c.CreateAsset(context.Background(), client.NewAsset{Kind: cairn.AssetModel, Name: "digits", Type: "folder", Digest: root})
	if err != nil {
		t.Fatal(err)
	}
	return v.Ref()
}

func (b *builds) build(r cairn.BuildRequest, log io.Writer) (*cairn.BuildResult, error) {
	r.Context = b.dir
	if r.Env == nil {
		r.Env = map[string]string{"PATH": "/nowhere"} // no executor of this machine
	}
	return buildImage(context.Background(), b.c, b.tools, r, log)
}

func TestBuildImage(t *testing.T) {
	t.Parallel()
	b := newBuilds(t)
	b.write(t, "Dockerfile", []byte("FROM python:3-slim\nWORKDIR /code\nCOPY . .\nCMD [\"python3\", \"main.py\"]\n"))
	b.write(t, "main.py", bytes.Repeat([]byte("print('served')\n"), 10))
	first := b.model(t, 1, 1<<20)
	var log bytes.Buffer
	res, err := b.build(cairn.BuildRequest{Names: []string{"ghcr.io/acme/api:main", "api"}}, &log)
	if err != nil {
		t.Fatal(err, cairn.AsError(err).Hint)
	}
	img := res.Image
	if len(img.Packed) != 1 || img.Packed[0].Ref != first || img.Packed[0].Path != "code/model.joblib" || img.BaseName != "python:3-slim" {
		t.Errorf("%+v\n%s", img, log.String())
	}
	for _, name := range []string{"ghcr.io/acme/api:main", "api:latest", "docker.io/library/api", string(img.Digest), string(img.Config)} {
		if found, err := b.c.Image(t.Context(), name); err != nil || found.Digest != img.Digest {
			t.Errorf("%s: %v", name, err)
		}
	}
	tr, err := b.c.Trace(t.Context(), string(img.Ref()), false)
	if err != nil || !strings.Contains(fmt.Sprintf("%+v", tr), string(first)) {
		t.Errorf("%v: %+v", err, tr)
	}

	// Only the model is new: code and base stay.
	second := b.model(t, 2, 1<<20)
	again, err := b.build(cairn.BuildRequest{Names: []string{"ghcr.io/acme/api:main"}}, &log)
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range again.Image.Layers {
		if same := l.Digest == img.Layers[i].Digest; same != (l.Role != cairn.LayerModel) {
			t.Errorf("layer %s: same %v", l.Role, same)
		}
	}
	if again.Image.Packed[0].Ref != second || again.Sent < 1<<20 || again.Sent > 1<<20+10_000 {
		t.Errorf("sent %d, %+v", again.Sent, again.Image.Packed)
	}

	// What needs a container is refused, and nothing is recorded.
	b.write(t, "Dockerfile", []byte("FROM python:3-slim\nRUN apt-get update\n"))
	if _, err := b.build(cairn.BuildRequest{}, &log); cairn.CodeOf(err) != cairn.CodeUnsupported {
		t.Error(err)
	}
}

func benchBuilds(b *testing.B) *builds {
	w := newBuilds(b)
	w.write(b, "Dockerfile", []byte("FROM python:3-slim\nWORKDIR /code\nCOPY . .\n"))
	for i := range 200 {
		w.write(b, fmt.Sprintf("pkg/m%03d.py", i), bytes.Repeat(fmt.Appendf(nil, "x = %d\n", i), 300))
	}
	w.model(b, 0, 10<<20)
	if _, err := w.build(cairn.BuildRequest{}, io.Discard); err != nil {
		b.Fatal(err)
	}
	return w
}

// BenchmarkImageModelOnly builds and stores an image of which only the model, of
// 10 MB, is new: hashing, asking, storing with fsync, rows and links.
func BenchmarkImageModelOnly(b *testing.B) {
	w := benchBuilds(b)
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		w.model(b, i+1, 10<<20)
		b.StartTimer()
		if res, err := w.build(cairn.BuildRequest{Names: []string{"api"}}, io.Discard); err != nil || res.Sent < 10<<20 {
			b.Fatal(err, res)
		}
	}
}

// BenchmarkImageCodeOnly builds and stores an image of which one file is new.
func BenchmarkImageCodeOnly(b *testing.B) {
	w := benchBuilds(b)
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		w.write(b, "pkg/m007.py", fmt.Appendf(nil, "%d", i))
		b.StartTimer()
		if _, err := w.build(cairn.BuildRequest{Names: []string{"api"}}, io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDockerModelOnly is the same with docker build and docker push, where
// docker is: CAIRN_TEST_DOCKER=1.
func BenchmarkDockerModelOnly(b *testing.B) {
	if os.Getenv("CAIRN_TEST_DOCKER") == "" {
		b.Skip("CAIRN_TEST_DOCKER=1 compares with docker")
	}
	w := benchBuilds(b)
	st, err := w.c.Status(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	at := strings.TrimPrefix(st.URL, "http://")
	docker := func(args ...string) {
		if out, err := exec.Command("docker", args...).CombinedOutput(); err != nil {
			b.Fatalf("docker %v: %v\n%s", args, err, out)
		}
	}
	docker("pull", at+"/docker.io/library/python:3-slim")
	docker("tag", at+"/docker.io/library/python:3-slim", "python:3-slim")
	push := func() {
		docker("build", "--quiet", "--tag", at+"/bench:1", w.dir)
		docker("push", "--quiet", at+"/bench:1")
	}
	push()
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		w.model(b, i+1, 10<<20)
		b.StartTimer()
		push()
	}
}

// TestBuildPackages lays real packages into an image.
func TestBuildPackages(t *testing.T) {
	t.Parallel()
	if os.Getenv("CAIRN_TEST_NETWORK") == "" {
		t.Skip("CAIRN_TEST_NETWORK=1 fetches packages")
	}
	b := newBuilds(t)
	b.write(t, "Dockerfile", []byte("FROM python:3-slim\nWORKDIR /code\nCOPY ./requirements.txt /code/requirements.txt\n"+
		"RUN pip install --no-cache-dir --upgrade -r /code/requirements.txt\nCOPY . .\n"))
	b.write(t, "requirements.txt", []byte("fastapi>=0.110\nuvicorn\n"))
	b.write(t, "main.py", []byte("import fastapi\n"))
	env := map[string]string{"PATH": os.Getenv("PATH"), "HOME": os.Getenv("HOME")}
	var log bytes.Buffer
	res, err := b.build(cairn.BuildRequest{Env: env}, &log)
	if err != nil {
		t.Fatal(err, cairn.AsError(err).Hint, log.String())
	}
	t.Log(log.String())
	var roles []string
	for _, l := range res.Image.Layers {
		roles = append(roles, l.Role)
	}
	if got := strings.Join(roles, " "); got != "base base dependencies code" {
		t.Error(got)
	}
	log.Reset()
	b.write(t, "main.py", []byte("import uvicorn\n"))
	again, err := b.build(cairn.BuildRequest{Env: env}, &log)
	if err != nil || again.Image.Layers[2].Digest != res.Image.Layers[2].Digest || again.Sent > 100_000 {
		t.Errorf("%v\n%s", err, log.String())
	}
	t.Log(log.String())
}

package server

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cas"
	"github.com/cairn-ml/cairn/internal/deploy"
	"github.com/cairn-ml/cairn/internal/deploy/local"
	"github.com/cairn-ml/cairn/internal/oci/base"
	"github.com/cairn-ml/cairn/internal/oci/layer"
	"github.com/cairn-ml/cairn/internal/runner/python"
)

// servingHome is a home with blobs and a target, without an owner.
type servingHome struct {
	t     *testing.T
	s     *Server
	stage cairn.Stage
	// version is what deployments are told; "": one that follows from their number.
	version string
	*local.Target
}

func newServingHome(t *testing.T, serving string) *servingHome {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	home, err := os.MkdirTemp("", "cairn-s") // short: it holds sockets
	if err != nil {
		t.Fatal(err)
	}
	h := &servingHome{t: t}
	environ := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	h.s = &Server{o: Options{Home: home, Env: environ}, config: Config{Serving: serving}, log: slog.New(slog.DiscardHandler)}
	h.s.tools = python.Tools{Home: home, UserHome: os.Getenv("HOME"), Environ: environ, Exe: exe}
	if h.s.blobs, err = cas.Open(filepath.Join(home, "blobs"), cas.Options{}); err != nil {
		t.Fatal(err)
	}
	if h.Target, err = h.s.localTarget(exe); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.stage = cairn.Stage{ID: 3, Workspace: Workspace, Repository: "acme/api", Name: "production", Port: l.Addr().(*net.TCPAddr).Port}
	l.Close()
	t.Cleanup(func() {
		if err := h.Stop(context.Background(), h.stage); err != nil {
			t.Error(err)
		}
		if err := os.RemoveAll(home); err != nil {
			t.Error(err)
		}
	})
	return h
}

func (h *servingHome) put(b []byte) cairn.Digest {
	h.t.Helper()
	d, err := h.s.blobs.PutBytes(h.t.Context(), b)
	if err != nil {
		h.t.Fatal(err)
	}
	return d
}

// layer stores a layer of these files; a name that ends with ! is a program.
func (h *servingHome) layer(role string, files map[string]string) cairn.ImageLayer {
	h.t.Helper()
	var list []layer.File
	for name, text := range files {
		f := layer.File{Path: strings.TrimSuffix(name, "!"), Mode: 0o644, Type: '0', Size: int64(len(text)),
			Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }}
		if strings.HasSuffix(name, "!") {
			f.Mode = 0o755
		}
		list = append(list, f)
	}
	var b bytes.Buffer
	if err := layer.Write(&b, list); err != nil {
		h.t.Fatal(err)
	}
	return cairn.ImageLayer{Digest: h.put(b.Bytes()), Size: int64(b.Len()), MediaType: "application/vnd.oci.image.layer.v1.tar", Role: role}
}

func (h *servingHome) image(config map[string]any, layers ...cairn.ImageLayer) cairn.Image {
	h.t.Helper()
	text, _ := json.Marshal(map[string]any{"architecture": runtime.GOARCH, "os": "linux", "config": config})
	m := map[string]any{"schemaVersion": 2, "config": map[string]any{"digest": h.put(text), "size": len(text)}}
	var ls []any
	for _, l := range layers {
		ls = append(ls, map[string]any{"mediaType": l.MediaType, "digest": l.Digest, "size": l.Size})
	}
	m["layers"] = ls
	raw, _ := json.Marshal(m)
	return cairn.Image{Digest: h.put(raw), Layers: layers, Tags: []string{"api:main"}}
}

// deploy puts an image on the stage and returns the notes.
func (h *servingHome) deploy(id cairn.DeploymentID, img cairn.Image, config cairn.StageConfig) (notes string, err error) {
	ctx, cancel := context.WithTimeout(h.t.Context(), time.Minute)
	defer cancel()
	if config.Start == 0 {
		config.Start = 30_000
	}
	r := deploy.TargetRequest{
		Stage: h.stage, Deployment: cairn.Deployment{ID: id}, Release: cairn.Release{ID: "abcdef123456"}, Image: img, Config: config,
		Facts: deploy.ServiceFacts{APIVersion: fmt.Sprintf("r%d", id)},
	}
	if h.version != "" {
		r.Facts.APIVersion = h.version
	}
	err = h.Deploy(ctx, r, func(ev cairn.StageEvent) { notes += ev.Kind + ": " + ev.Text + "\n" })
	return notes, err
}

func (h *servingHome) get() (text string, release string, err error) {
	res, err := http.Get("http://127.0.0.1:" + strconv.Itoa(h.stage.Port) + "/")
	if err != nil {
		return "", "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", res.Status, b)
	}
	return string(b), res.Header.Get("X-Cairn-Release"), err
}

func (h *servingHome) mustGet(want string) {
	h.t.Helper()
	text, release, err := h.get()
	if err != nil || text != want || release != "abcdef123456" {
		h.t.Fatalf("%q of release %q, %v; not %q", text, release, err, want)
	}
}

// staticSelf is the text of this test binary, which is the API of an image too.
func staticSelf(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Skip("this test binary is linked dynamically (CGO_ENABLED=1): it cannot run in an empty root")
		}
	}
	b, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// An image is deployed, replaced, kept alive and stopped, by the real process of a
// stage and in the image's own root file system.
func TestServingFromAnImage(t *testing.T) {
	t.Parallel()
	h := newServingHome(t, "root")
	base := h.layer(cairn.LayerBase, map[string]string{"usr/bin/api!": staticSelf(t), "etc/passwd": "root:x:0:0::/root:\napi:x:1000:1000::/:\n"})
	config := map[string]any{"Cmd": []string{"api"}, "Env": []string{"PATH=/usr/bin"}, "WorkingDir": "/app", "User": "api"}
	one := h.image(config, base, h.layer(cairn.LayerCode, map[string]string{"app/data.txt": "one"}))
	two := h.image(config, base, h.layer(cairn.LayerCode, map[string]string{"app/data.txt": "two"}))

	warm := cairn.StageConfig{Warm: 600_000}
	notes, err := h.deploy(1, one, warm)
	if cairn.CodeOf(err) == cairn.CodeUnsupported {
		t.Skip(err)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, notes)
	}
	h.mustGet("r1: one")
	if notes, err = h.deploy(2, two, warm); err != nil {
		t.Fatalf("%v\n%s", err, notes)
	}
	h.mustGet("r2: two")

	// One that ends at once changes nothing, and its last words are there.
	config["Cmd"] = []string{"api", "exit"}
	notes, err = h.deploy(3, h.image(config, base), cairn.StageConfig{})
	if err == nil || !strings.Contains(err.Error(), "exit code 3") {
		t.Fatalf("%v\n%s", err, notes)
	}
	h.mustGet("r2: two")
	// Back to the first, which is still warm, and forth again.
	for i, v := range []struct{ version, want string }{{"r1", "r1: one"}, {"r2", "r2: two"}} {
		h.version = v.version
		if notes, err = h.deploy(cairn.DeploymentID(4+i), []cairn.Image{one, two}[i], warm); err != nil || !strings.Contains(notes, "was kept warm") {
			t.Fatalf("%v\n%s", err, notes)
		}
		h.mustGet(v.want)
	}
	var out bytes.Buffer
	if err := h.Logs(t.Context(), h.stage, deploy.LogRequest{Deployment: 3}, &out); err != nil || !strings.Contains(out.String(), "there is no model") {
		t.Errorf("log %q, %v", out.String(), err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.Keep(ctx, func(context.Context) ([]cairn.Stage, error) { return []cairn.Stage{h.stage}, nil })
	}()
	st, err := h.Status(t.Context(), h.stage)
	if err != nil || st == nil || st.Live == nil {
		t.Fatalf("%+v, %v", st, err)
	}
	for range 3 {
		if err := syscall.Kill(st.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		was := st
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			st, err = h.Status(t.Context(), h.stage)
			if _, _, gerr := h.get(); err == nil && st != nil && st.PID != was.PID && gerr == nil {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("it does not answer again: %+v, %v", st, err)
			}
		}
		h.mustGet("r2: two")
		if st.Live.PID != was.Live.PID {
			t.Errorf("the API was started again: %d, before %d", st.Live.PID, was.Live.PID)
		}
	}
	cancel()
	<-done
	if err := h.Stop(t.Context(), h.stage); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.get(); err == nil {
		t.Error("it still answers")
	}
	for _, pid := range []int{st.PID, st.Live.PID} {
		for end := time.Now().Add(10 * time.Second); syscall.Kill(pid, 0) == nil; time.Sleep(time.Millisecond) { // its parent waits for it
			if time.Now().After(end) {
				t.Fatalf("process %d is left", pid)
			}
		}
	}
	if es, _ := os.ReadDir(filepath.Join(h.s.o.Home, "stages", "3", "made")); len(es) > 0 {
		t.Errorf("left: %v", es)
	}
}

// Without container and root the application runs on a Python of this machine.
func TestServingOnTheHostsPython(t *testing.T) {
	t.Parallel()
	h := newServingHome(t, "host")
	py, err := h.s.tools.Interpreters(t.Context())
	if err != nil || len(py) == 0 {
		t.Skip("no Python on this machine")
	}
	version := fmt.Sprintf("%d.%d", py[0].Version.Major, py[0].Version.Minor)
	site := "usr/local/lib/python" + version + "/site-packages/"
	code := h.layer(cairn.LayerCode, map[string]string{
		site + "served.py": "text = 'by Python'\n",
		"app/main.py": `import http.server, os, served
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write((os.environ["API_VERSION"] + ": " + served.text).encode())
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), H).serve_forever()
`})
	img := h.image(map[string]any{"Cmd": []string{"python", "main.py"}, "WorkingDir": "/app", "Env": []string{"PATH=/usr/local/bin:/usr/bin:/bin"}}, code)
	notes, err := h.deploy(1, img, cairn.StageConfig{})
	if err != nil {
		t.Fatalf("%v\n%s", err, notes)
	}
	h.mustGet("r1: by Python")
	if !strings.Contains(notes, "it runs on this machine's Python "+version) {
		t.Errorf("notes: %s", notes)
	}
}

func TestDamagedLayerIsNotServed(t *testing.T) {
	t.Parallel()
	h := newServingHome(t, "root")
	l := h.layer(cairn.LayerCode, map[string]string{"app/data.txt": strings.Repeat("one", 1000)})
	path := ""
	_ = filepath.WalkDir(filepath.Join(h.s.o.Home, "blobs"), func(p string, _ os.DirEntry, _ error) error {
		if strings.HasSuffix(p, strings.TrimPrefix(string(l.Digest), "sha256:")[2:]) || strings.HasSuffix(p, strings.TrimPrefix(string(l.Digest), "sha256:")) {
			path = p
		}
		return nil
	})
	img := h.image(map[string]any{"Cmd": []string{"api"}}, l)
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("two"), 1600); err != nil {
		t.Fatal(err)
	}
	_, err = h.deploy(1, img, cairn.StageConfig{})
	if err == nil || !strings.Contains(err.Error(), "the image api:main cannot be unpacked: ") {
		t.Errorf("%v", err)
	}
	if es, _ := os.ReadDir(filepath.Join(h.s.o.Home, "roots")); len(es) > 0 {
		t.Errorf("left: %v", es)
	}
}

// A base that was captured from this machine carries a Python API in its own root:
// shared memory, temporary files, names of hosts and certificates are there.
func TestServingOnABaseOfThisMachine(t *testing.T) {
	t.Parallel()
	h := newServingHome(t, "root")
	py, err := h.s.tools.Interpreters(t.Context())
	if err != nil || len(py) == 0 {
		t.Skip("no Python on this machine")
	}
	b, err := base.FromHost(t.Context(), base.Options{Python: py[0].Path, Environ: h.s.o.Env, Dir: t.TempDir()})
	if err != nil {
		t.Skip(err)
	}
	var layers []cairn.ImageLayer
	for _, l := range b.Layers {
		f, err := os.Open(l.Blob.Path)
		if err != nil {
			t.Fatal(err)
		}
		d, _, err := h.s.blobs.Put(t.Context(), f, l.Blob.Digest)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		layers = append(layers, cairn.ImageLayer{Digest: d, Size: l.Blob.Size, MediaType: "application/vnd.oci.image.layer.v1.tar", Role: cairn.LayerBase})
	}
	layers = append(layers, h.layer(cairn.LayerCode, map[string]string{"app/main.py": `import http.server, json, os, socket, subprocess, sys, tempfile
from multiprocessing import shared_memory
m = shared_memory.SharedMemory(create=True, size=16); m.close(); m.unlink()
tempfile.NamedTemporaryFile().close()
socket.getaddrinfo("localhost", 80)
open("written", "w").write("x")
os.urandom(4); os.listdir("/proc/self/fd"); subprocess.run([sys.executable, "-c", "pass"], check=True)
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(("%s: %s %d" % (os.environ["API_VERSION"], os.getcwd(), os.cpu_count() > 0)).encode())
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), H).serve_forever()
`}))
	var config struct {
		Config map[string]any `json:"config"`
	}
	if err := json.Unmarshal(b.Config, &config); err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{"", "1000:1000"} {
		config.Config["Cmd"], config.Config["WorkingDir"], config.Config["User"] = []string{"python3", "main.py"}, "/app", user
		if user != "" {
			config.Config["WorkingDir"] = "/srv"
			config.Config["Cmd"] = []string{"/bin/sh", "-c", "exec python3 /app/main.py"}
		}
		notes, err := h.deploy(cairn.DeploymentID(1+len(user)), h.image(config.Config, layers...), cairn.StageConfig{})
		if cairn.CodeOf(err) == cairn.CodeUnsupported {
			t.Skip(err)
		}
		if err != nil {
			var out bytes.Buffer
			_ = h.Logs(t.Context(), h.stage, deploy.LogRequest{Deployment: cairn.DeploymentID(1 + len(user))}, &out)
			t.Fatalf("%v\n%s\n%s", err, notes, out.String())
		}
		h.mustGet(fmt.Sprintf("r%d: %s 1", 1+len(user), config.Config["WorkingDir"]))
	}
}

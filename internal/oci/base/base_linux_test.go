package base_test

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci/base"
	"github.com/cairn-ml/cairn/internal/oci/layer"
	"github.com/cairn-ml/cairn/internal/oci/wheel"
)

// pythons are the interpreters of this machine that a base is made of: the one
// that the user has, and the distribution's.
func pythons(t *testing.T) []string {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("Linux only")
	}
	var out []string
	for _, p := range []string{"python3", "/usr/bin/python3"} {
		if full, err := exec.LookPath(p); err == nil {
			out = append(out, full)
		}
	}
	if len(out) == 0 {
		t.Skip("no Python on this machine")
	}
	return out
}

func capture(t *testing.T, python string) *base.Result {
	t.Helper()
	res, err := base.FromHost(t.Context(), base.Options{Python: python, Environ: os.Environ(), Dir: t.TempDir(), Log: testLog{t}})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) { l.t.Logf("%s", p); return len(p), nil }

func sources(res *base.Result) []layer.Source {
	var out []layer.Source
	for _, l := range res.Layers {
		out = append(out, layer.Source{Digest: l.Blob.Digest, MediaType: layer.MediaTypeTar, Open: func(context.Context) (io.ReadCloser, error) { return os.Open(l.Blob.Path) }})
	}
	return out
}

func TestFromHost(t *testing.T) {
	t.Parallel()
	for _, python := range pythons(t) {
		t.Run(python, func(t *testing.T) {
			t.Parallel()
			res := capture(t, python)
			t.Log(res.Notes)
			again := capture(t, python)
			for i, l := range res.Layers {
				if again.Layers[i].Blob.Digest != l.Blob.Digest {
					t.Errorf("%s has another digest the second time", l.Note)
				}
			}
			if string(again.Config) != string(res.Config) {
				t.Error("the configuration differs the second time")
			}
			var c struct {
				Architecture string
				Config       struct{ Env []string }
				RootFS       struct {
					DiffIDs []string `json:"diff_ids"`
				}
			}
			if err := json.Unmarshal(res.Config, &c); err != nil || c.Architecture != runtime.GOARCH || len(c.RootFS.DiffIDs) != len(res.Layers) {
				t.Errorf("%s: %v", res.Config, err)
			}
			fs, err := layer.IndexWith(t.Context(), sources(res), layer.IndexOptions{Keep: wheel.Keep})
			if err != nil {
				t.Fatal(err)
			}
			r, err := wheel.Target(t.Context(), fs, res.Config)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(res.Python, strings.TrimSuffix(r.Python, "t")+".") || r.Libc != res.Libc || r.ScriptsDir != "usr/local/bin" {
				t.Errorf("%+v of %s, %s", r, res.Python, res.Libc)
			}
			for _, p := range []string{"usr/local/bin/python", "usr/local/bin/python3", "tmp", "etc/passwd", "etc/os-release"} {
				if _, err := fs.Stat(p); err != nil {
					t.Error(err)
				}
			}
			if err := fs.Walk("", func(i layer.Info) error {
				if strings.HasSuffix(i.Path, ".pyc") || strings.Contains(i.Path, "site-packages/") || strings.Contains(i.Path, ".pyenv") {
					t.Errorf("%s is in the image", i.Path)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			t.Run("runs", func(t *testing.T) { runs(t, res) })
		})
	}
}

// runs starts the image's Python with the image as its root.
func runs(t *testing.T, res *base.Result) {
	if os.Geteuid() != 0 {
		t.Skip("chroot needs root")
	}
	root := t.TempDir()
	if err := layer.Apply(t.Context(), root, sources(res), layer.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	in := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Path, cmd.Dir = args[0], "/"
		cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	got := in("/usr/local/bin/python3", "-c", `import ssl, sqlite3, ctypes, hashlib, encodings, lzma, bz2, zlib, uuid, json, asyncio, decimal, readline, sys, os
assert hashlib.sha256(b"").hexdigest().startswith("e3b0c442")
assert ctypes.CDLL(None).getpid() == os.getpid()
sqlite3.connect(":memory:").execute("select 1")
print(sys.version.split()[0], sys.getfilesystemencoding(), len(ssl.create_default_context().get_ca_certs()) > 0, [p for p in sys.path if p and not os.path.exists(p) and not p.endswith(".zip")])`)
	if got != res.Python+" utf-8 True []" {
		t.Errorf("it says %q", got)
	}
	if got := in("/bin/sh", "-c", "python -c 'import sys; print(sys.executable)' && env | grep -c PATH || true"); !strings.HasPrefix(got, "/usr/local/bin/python") {
		t.Errorf("the shell says %q", got)
	}
	site := in("/usr/local/bin/python3", "-c", "import site; print(site.getsitepackages()[0])")
	if !strings.HasPrefix(site, "/usr/local/") {
		t.Errorf("site-packages is %s", site)
	}
	for _, name := range []string{"libstdc++.so.6", "libgomp.so.1"} {
		if p, _ := filepath.Glob("/usr/lib/*/" + name); len(p) > 0 {
			in("/usr/local/bin/python3", "-c", "import ctypes; ctypes.CDLL('"+name+"')")
		}
	}
}

func TestWhatIsNoPython(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("Linux only")
	}
	for python, code := range map[string]cairn.Code{"": cairn.CodeInvalid, "/nowhere/python3": cairn.CodeFailed, "/bin/true": cairn.CodeFailed} {
		if _, err := base.FromHost(t.Context(), base.Options{Python: python, Dir: t.TempDir()}); cairn.CodeOf(err) != code {
			t.Errorf("%q: %v", python, err)
		}
	}
}

// TestPackagesRunOnIt puts packages of the index over the image, as a build does.
func TestPackagesRunOnIt(t *testing.T) {
	t.Parallel()
	if os.Getenv("CAIRN_TEST_NETWORK") == "" || os.Geteuid() != 0 {
		t.Skip("needs root and the package index: CAIRN_TEST_NETWORK=1")
	}
	for _, python := range pythons(t) {
		t.Run(python, func(t *testing.T) {
			t.Parallel()
			res := capture(t, python)
			fs, err := layer.IndexWith(t.Context(), sources(res), layer.IndexOptions{Keep: wheel.Keep})
			if err != nil {
				t.Fatal(err)
			}
			r, err := wheel.Target(t.Context(), fs, res.Config)
			if err != nil {
				t.Fatal(err)
			}
			pip := wheel.Tool{Args: []string{"python3", "-m", "pip"}, Env: os.Environ(), Python: r.Python}
			r.Requirements, r.Base, r.Log = []byte("fastapi\nuvicorn\nnumpy\npillow\nscikit-learn\n"), fs, testLog{t}
			made, err := wheel.New(wheel.Options{Cache: t.TempDir(), Pip: func(context.Context, string) (wheel.Tool, error) { return pip, nil }}).Layer(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			root := t.TempDir()
			layers := append(sources(res), layer.Source{Digest: made.Layer.Digest, Open: func(context.Context) (io.ReadCloser, error) { return os.Open(made.Layer.Path) }})
			if err := layer.Apply(t.Context(), root, layers, layer.ApplyOptions{}); err != nil {
				t.Fatal(err)
			}
			for _, args := range [][]string{
				{"/usr/local/bin/uvicorn", "--version"},
				{"/usr/local/bin/python", "-c", "import fastapi, numpy, sklearn.svm, PIL.Image; import importlib.metadata as m; print(m.version('fastapi'), numpy.ones(3).sum())"},
			} {
				cmd := &exec.Cmd{Path: args[0], Args: args, Dir: "/", Env: []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"}, SysProcAttr: &syscall.SysProcAttr{Chroot: root}}
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Errorf("%v: %v", args, err)
				}
				t.Logf("%s", out)
			}
		})
	}
}

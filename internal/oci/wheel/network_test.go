package wheel_test

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci/layer"
	"github.com/cairn-ml/cairn/internal/oci/wheel"
)

// real are the user's own uv and pip; the tests that use them need the index.
func real(t testing.TB, cache string) (wheel.Options, string) {
	t.Helper()
	if os.Getenv("CAIRN_TEST_NETWORK") == "" {
		t.Skip("needs the package index: CAIRN_TEST_NETWORK=1")
	}
	out, err := exec.Command("python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2], sys.executable)").Output()
	if err != nil {
		t.Skip("needs a Python with pip")
	}
	version, exe, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	pip := wheel.Tool{Args: []string{exe, "-m", "pip"}, Env: os.Environ(), Python: version}
	uv := wheel.Tool{Args: []string{"uv"}, Env: os.Environ()}
	if p, err := exec.LookPath("uv"); err == nil {
		uv.Args[0] = p
	} else {
		// As Tools does it: pip brings uv.
		dir := filepath.Join(os.TempDir(), "cairn-test-uv")
		uv.Args[0] = filepath.Join(dir, "bin", "uv")
		if _, err := os.Stat(uv.Args[0]); err != nil {
			if out, err := exec.Command(exe, "-m", "pip", "install", "-q", "--target", dir, "uv>=0.7,<1").CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
	}
	return wheel.Options{
		Cache: cache,
		UV:    func(context.Context) (wheel.Tool, error) { return uv, nil },
		Pip:   func(context.Context, string) (wheel.Tool, error) { return pip, nil },
	}, version
}

// TestAsPipInstalls compares a layer with what pip puts below --prefix.
func TestAsPipInstalls(t *testing.T) {
	t.Parallel()
	o, version := real(t, t.TempDir())
	pip, err := o.Pip(t.Context(), version)
	if err != nil {
		t.Fatal(err)
	}
	r := request("fastapi[standard]\npillow\njoblib\npyyaml\ncharset-normalizer\nsetuptools\n")
	r.Python = version
	r.SitePackages, r.Interpreter = "usr/local/lib/python"+version+"/site-packages", pip.Args[0]
	r.Libc = "glibc 2.28"
	r.Log = testLog{t}
	res, err := wheel.New(o).Layer(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	ours := t.TempDir()
	if err := layer.Apply(t.Context(), ours, []layer.Source{{Digest: res.Layer.Digest, Open: func(context.Context) (io.ReadCloser, error) { return os.Open(res.Layer.Path) }}}, layer.ApplyOptions{Unprivileged: true}); err != nil {
		t.Fatal(err)
	}
	theirs := t.TempDir()
	var wheels []string
	for _, p := range res.Packages {
		named := filepath.Join(t.TempDir(), p.File)
		if err := os.Link(filepath.Join(o.Cache, "wheels", p.SHA256[:2], p.SHA256+".whl"), named); err != nil {
			t.Fatal(err)
		}
		wheels = append(wheels, named)
	}
	args := append(pip.Args[1:], "install", "-q", "--no-compile", "--no-deps", "--no-index", "--ignore-installed", "--prefix", filepath.Join(theirs, "usr/local"))
	cmd := exec.Command(pip.Args[0], append(args, wheels...)...)
	cmd.Env = append(os.Environ(), "PIP_FIND_LINKS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("pip: %v\n%s", err, out)
	}
	a, b := contents(t, ours), contents(t, theirs)
	for _, p := range union(a, b) {
		switch base := filepath.Base(p); {
		case base == "REQUESTED" || base == "direct_url.json" || base == "INSTALLER":
		case base == "RECORD":
			compareRecords(t, p, a[p], b[p])
		case a[p] != b[p]:
			t.Errorf("%s differs:\nours   %.200q\ntheirs %.200q", p, a[p], b[p])
		}
	}
}

type testLog struct{ t testing.TB }

func (l testLog) Write(p []byte) (int, error) { l.t.Logf("%s", p); return len(p), nil }

func contents(t *testing.T, root string) map[string]string {
	t.Helper()
	out := map[string]string{}
	if err := filepath.Walk(root, func(p string, fi os.FileInfo, err error) error {
		if err != nil || fi.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(root, p)
		b, err := os.ReadFile(p)
		out[rel] = fi.Mode().String() + " " + string(b)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

func union(a, b map[string]string) []string {
	var out []string
	for _, m := range []map[string]string{a, b} {
		for p := range m {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// compareRecords leaves out what the two installers write about themselves.
func compareRecords(t *testing.T, p, a, b string) {
	t.Helper()
	lines := func(s string) []string {
		var out []string
		for l := range strings.SplitSeq(s, "\n") {
			if l = strings.TrimRight(l, "\r"); l != "" && !strings.Contains(l, "/INSTALLER,") && !strings.Contains(l, "/REQUESTED,") && !strings.Contains(l, "/direct_url.json,") {
				out = append(out, l)
			}
		}
		slices.Sort(out)
		return out
	}
	la, lb := lines(a), lines(b)
	for i := range max(len(la), len(lb)) {
		if i >= len(la) || i >= len(lb) || la[i] != lb[i] {
			t.Errorf("%s differs from line %d on:\nours   %q\ntheirs %q", p, i, la[min(i, len(la)):min(i+2, len(la))], lb[min(i, len(lb)):min(i+2, len(lb))])
			return
		}
	}
}

func TestResolveForOtherMachines(t *testing.T) {
	t.Parallel()
	o, version := real(t, t.TempDir())
	for _, c := range [][3]string{{"3.12", "linux/arm64", "glibc 2.36"}, {"3.11", "linux/amd64", "musl 1.2"}, {"3.10", "linux/amd64", "glibc 2.17"}} {
		r := request("charset-normalizer\nmarkupsafe\n")
		r.Python, r.Platform, r.Libc = c[0], c[1], c[2]
		res, err := wheel.New(o).Layer(t.Context(), r)
		if err != nil {
			t.Errorf("%v: %v", c, err)
			continue
		}
		t.Logf("%v: %s, %s", c, res.Packages[0].File, res.Packages[1].File)
	}
	r := request("antlr4-python3-runtime==4.9.3\n")
	r.Python = version
	_, err := wheel.New(o).Layer(t.Context(), r)
	t.Log(err)
	if cairn.CodeOf(err) != cairn.CodeUnsupported || !strings.Contains(err.Error(), "antlr4-python3-runtime") {
		t.Errorf("%v (%s)", err, cairn.CodeOf(err))
	}
	r = request("scipy==1.5.0\n")
	r.Python = "3.11"
	_, err = wheel.New(o).Layer(t.Context(), r)
	t.Log(err)
	if cairn.CodeOf(err) != cairn.CodeUnsupported {
		t.Errorf("%v (%s)", err, cairn.CodeOf(err))
	}
}

// TestPipAlone does without uv; the layer is the same.
func TestPipAlone(t *testing.T) {
	t.Parallel()
	o, version := real(t, t.TempDir())
	r := request("joblib\nclick\ncolorama; sys_platform == 'win32'\n")
	r.Python = version
	with, err := wheel.New(o).Layer(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	o.UV, o.Cache = nil, t.TempDir()
	without, err := wheel.New(o).Layer(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if with.Layer.Digest != without.Layer.Digest {
		t.Errorf("uv: %s\npip: %s", with.Lock, without.Lock)
	}
}

// BenchmarkLayer unpacks an API's packages from wheels that are there.
func BenchmarkLayer(b *testing.B) {
	o, version := real(b, filepath.Join(os.TempDir(), "cairn-bench-wheels"))
	r := request("scikit-learn\nnumpy\nscipy\npillow\nfastapi\nuvicorn\n")
	r.Python = version
	if _, err := wheel.New(o).Layer(b.Context(), r); err != nil {
		b.Fatal(err)
	}
	layers := filepath.Join(o.Cache, "layers")
	b.Run("unpack", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			if err := os.RemoveAll(layers); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			res, err := wheel.New(o).Layer(b.Context(), r)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(res.Layer.Size)
		}
	})
	b.Run("again", func(b *testing.B) {
		for b.Loop() {
			if _, err := wheel.New(o).Layer(b.Context(), r); err != nil {
				b.Fatal(err)
			}
		}
	})
}

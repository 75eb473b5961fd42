package wheel_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci/layer"
	"github.com/cairn-ml/cairn/internal/oci/wheel"
)

// zipFile is a file of a wheel that a test makes.
type zipFile struct {
	name, text string
	mode       os.FileMode
}

func sum(s string) string {
	h := sha256.Sum256([]byte(s))
	return "sha256=" + base64.RawURLEncoding.EncodeToString(h[:])
}

// makeWheel writes a wheel with a proper RECORD, unless the files have one.
func makeWheel(t testing.TB, dir, file string, files ...zipFile) string {
	t.Helper()
	parts := strings.Split(file, "-")
	info := parts[0] + "-" + parts[1] + ".dist-info"
	has := func(name string) bool {
		return slices.ContainsFunc(files, func(f zipFile) bool { return f.name == name })
	}
	if !has(info + "/WHEEL") {
		files = append(files, zipFile{name: info + "/WHEEL", text: "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"})
	}
	if !has(info + "/METADATA") {
		files = append(files, zipFile{name: info + "/METADATA", text: "Metadata-Version: 2.1\nName: " + parts[0] + "\nVersion: " + parts[1] + "\n"})
	}
	if !has(info + "/RECORD") {
		record := ""
		for _, f := range files {
			record += fmt.Sprintf("\"%s\",%s,%d\n", f.name, sum(f.text), len(f.text))
		}
		files = append(files, zipFile{name: info + "/RECORD", text: record + info + "/RECORD,,\n"})
	}
	p := filepath.Join(dir, file)
	out, err := os.Create(p)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	z := zip.NewWriter(out)
	for _, f := range files {
		if f.text == "-" {
			continue
		}
		h := &zip.FileHeader{Name: f.name, Method: zip.Deflate}
		if f.mode != 0 {
			h.SetMode(f.mode)
		}
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, f.text)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return p
}

// lockOf is a pylock.toml as uv writes it, for wheels in a folder.
func lockOf(t testing.TB, wheels ...string) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("lock-version = \"1.0\"\ncreated-by = \"uv\"\n")
	for _, w := range wheels {
		raw, err := os.ReadFile(w)
		if err != nil {
			t.Fatal(err)
		}
		h := sha256.Sum256(raw)
		parts := strings.Split(filepath.Base(w), "-")
		fmt.Fprintf(&b, "\n[[packages]]\nname = %q\nversion = %q\nwheels = [{ path = %q, size = %d, hashes = { sha256 = %q } }]\n",
			strings.ToLower(strings.ReplaceAll(parts[0], "_", "-")), parts[1], w, len(raw), hex.EncodeToString(h[:]))
	}
	return b.String()
}

// script is a tool that runs a shell script.
func script(text string, env ...string) func(context.Context) (wheel.Tool, error) {
	return func(context.Context) (wheel.Tool, error) {
		return wheel.Tool{Args: []string{"/bin/sh", "-c", text, "tool"}, Env: append(env, "PATH=/usr/bin:/bin"), Version: "0.9.0", Python: "3.11"}, nil
	}
}

// fakeUV answers every resolution with the same lock.
func fakeUV(t testing.TB, lock string) func(context.Context) (wheel.Tool, error) {
	t.Helper()
	p := filepath.Join(t.TempDir(), "pylock.toml")
	if err := os.WriteFile(p, []byte(lock), 0o644); err != nil {
		t.Fatal(err)
	}
	return script("cp '" + p + "' pylock.toml")
}

func request(requirements string) wheel.Request {
	return wheel.Request{
		Requirements: []byte(requirements), Python: "3.11", Platform: "linux/amd64", Libc: "glibc 2.36",
		SitePackages: "usr/local/lib/python3.11/site-packages", ScriptsDir: "usr/local/bin", Prefix: "usr/local", Interpreter: "/usr/local/bin/python3.11",
	}
}

// listing is a layer as lines: path, mode and content.
func listing(t testing.TB, b *layer.Blob) map[string]string {
	t.Helper()
	f, err := os.Open(b.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := map[string]string{}
	if err := layer.Read(f, layer.MediaTypeTar, func(h *tar.Header, r io.Reader) error {
		if h.Typeflag == tar.TypeReg {
			b, err := io.ReadAll(r)
			out[h.Name] = fmt.Sprintf("%o %s", h.Mode, b)
			return err
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

func demoWheels(t testing.TB, dir string) []string {
	return []string{
		makeWheel(t, dir, "Demo_Pkg-1.0-py3-none-any.whl",
			zipFile{name: "demo/__init__.py", text: "x = 1\n"},
			zipFile{name: "demo/__pycache__/x.cpython-311.pyc", text: "old"},
			zipFile{name: "demo/run.sh", text: "#!/bin/sh\n", mode: 0o755},
			zipFile{name: "shared/a.txt", text: "of demo"},
			zipFile{name: "Demo_Pkg-1.0.data/scripts/tool", text: "#!python -E\nprint()\n"},
			zipFile{name: "Demo_Pkg-1.0.data/scripts/plain.sh", text: "#!/bin/sh\n"},
			zipFile{name: "Demo_Pkg-1.0.data/purelib/extra.py", text: "y = 2\n"},
			zipFile{name: "Demo_Pkg-1.0.data/data/share/doc, with comma.txt", text: "doc"},
			zipFile{name: "Demo_Pkg-1.0.data/headers/demo.h", text: "int x;"},
			zipFile{name: "Demo_Pkg-1.0.dist-info/entry_points.txt", text: "[console_scripts]\ndemo = demo.cli:App.main [extra]\n\n[other]\nx = y\n[gui_scripts]\ndemo-gui=demo:gui\n"}),
		makeWheel(t, dir, "other-2.0-cp311-cp311-manylinux_2_17_x86_64.whl",
			zipFile{name: "other/_c.so", text: strings.Repeat("ELF", 1000)}, zipFile{name: "shared/a.txt", text: "of other"}),
	}
}

func TestLayerOfWheels(t *testing.T) {
	t.Parallel()
	ws := demoWheels(t, t.TempDir())
	b := wheel.New(wheel.Options{Cache: t.TempDir(), UV: fakeUV(t, lockOf(t, ws...))})
	var log bytes.Buffer
	r := request("demo-pkg\nother==2.0")
	r.Log = &log
	res, err := b.Layer(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	const site = "usr/local/lib/python3.11/site-packages/"
	got := listing(t, res.Layer)
	for p, want := range map[string]string{
		site + "demo/__init__.py":                      "644 x = 1\n",
		site + "demo/run.sh":                           "755 #!/bin/sh\n",
		site + "shared/a.txt":                          "644 of other",
		site + "extra.py":                              "644 y = 2\n",
		"usr/local/bin/tool":                           "755 #!/usr/local/bin/python3.11\nprint()\n",
		"usr/local/bin/plain.sh":                       "755 #!/bin/sh\n",
		"usr/local/share/doc, with comma.txt":          "644 doc",
		"usr/local/include/python3.11/demo-pkg/demo.h": "644 int x;",
		site + "Demo_Pkg-1.0.dist-info/INSTALLER":      "644 cairn\n",
		"usr/local/bin/demo": "755 #!/usr/local/bin/python3.11\n# -*- coding: utf-8 -*-\nimport re\nimport sys\nfrom demo.cli import App\nif __name__ == '__main__':\n" +
			"    sys.argv[0] = re.sub(r'(-script\\.pyw|\\.exe)?$', '', sys.argv[0])\n    sys.exit(App.main())\n",
	} {
		if got[p] != want {
			t.Errorf("%s is %q, want %q", p, got[p], want)
		}
	}
	if _, there := got["usr/local/bin/demo-gui"]; !there {
		t.Error("no script of gui_scripts")
	}
	if _, there := got[site+"demo/__pycache__/x.cpython-311.pyc"]; there {
		t.Error("byte code is in the layer")
	}
	record := got[site+"Demo_Pkg-1.0.dist-info/RECORD"]
	for _, line := range []string{"\ndemo/__init__.py," + sum("x = 1\n") + ",6\n", "\n../../../bin/tool," + sum("#!/usr/local/bin/python3.11\nprint()\n") + ",36\n",
		"\nDemo_Pkg-1.0.dist-info/RECORD,,\n", "\n\"../../../share/doc, with comma.txt\"," + sum("doc") + ",3\n"} {
		if !strings.Contains(record, line) {
			t.Errorf("RECORD lacks %q:\n%s", line, record)
		}
	}
	if len(res.Warnings) != 1 || !strings.Contains(res.Warnings[0], "demo-pkg and other both bring "+site+"shared/a.txt") {
		t.Error(res.Warnings)
	}
	if res.Note() != "2 packages" || !res.Built || !res.Resolved || res.Props["libc"] != "glibc 2.36" {
		t.Errorf("%+v", res)
	}
	const lock = `# The wheels of an image for Python 3.11 on linux/amd64 with glibc 2.36.
lock-version = "1.0"
created-by = "cairn"
requires-python = "==3.11.*"

[[packages]]
name = "demo-pkg"
version = "1.0"
wheels = [{ name = "Demo_Pkg-1.0-py3-none-any.whl", path = "./Demo_Pkg-1.0-py3-none-any.whl", size = `
	if !strings.HasPrefix(string(res.Lock), lock) {
		t.Errorf("the lock is\n%s", res.Lock)
	}
	again, err := wheel.ParseLock(res.Lock)
	if err != nil || !bytes.Equal(again.Render(), res.Lock) {
		t.Errorf("the lock is read back as %+v: %v", again, err)
	}
	if !strings.Contains(log.String(), "2 packages resolved for Python 3.11, linux/amd64, glibc 2.36 by uv 0.9.0") {
		t.Error(log.String())
	}
}

// TestSameLayerElsewhere builds the same twice: another cache, another folder,
// another order, no program.
func TestSameLayerElsewhere(t *testing.T) {
	t.Parallel()
	build := func(requirements string) (string, *wheel.Result) {
		ws := demoWheels(t, t.TempDir())
		slices.Reverse(ws)
		if strings.HasPrefix(requirements, "demo") {
			slices.Reverse(ws)
		}
		cache := t.TempDir()
		res, err := wheel.New(wheel.Options{Cache: cache, UV: fakeUV(t, lockOf(t, ws...))}).Layer(t.Context(), request(requirements))
		if err != nil {
			t.Fatal(err)
		}
		return cache, res
	}
	cache, one := build("demo-pkg # first\nother")
	_, two := build("other\n\n  demo-pkg")
	if one.Layer.Digest != two.Layer.Digest || one.LockKey != two.LockKey || !bytes.Equal(one.Lock, two.Lock) {
		t.Errorf("%s and %s", one.Layer.Digest, two.Layer.Digest)
	}
	// A stored lock and stored wheels need nobody.
	if err := os.RemoveAll(filepath.Join(cache, "layers")); err != nil {
		t.Fatal(err)
	}
	alone := wheel.New(wheel.Options{Cache: cache})
	three, err := alone.Layer(t.Context(), request("demo-pkg\nother"))
	if err != nil || three.Layer.Digest != one.Layer.Digest || three.Resolved || !three.Built {
		t.Errorf("%+v %v", three, err)
	}
	four, err := alone.Layer(t.Context(), request("demo-pkg\nother"))
	if err != nil || four.Built || four.Layer.Digest != one.Layer.Digest || len(four.Warnings) != 1 {
		t.Errorf("%+v %v", four, err)
	}
	// A layer that lost bytes is made again.
	if err := os.Truncate(four.Layer.Path, 100); err != nil {
		t.Fatal(err)
	}
	if five, err := alone.Layer(t.Context(), request("demo-pkg\nother")); err != nil || !five.Built || five.Layer.Digest != one.Layer.Digest {
		t.Errorf("%+v %v", five, err)
	}
	other := request("demo-pkg\nother")
	other.Interpreter = "/opt/with space/python"
	six, err := alone.Layer(t.Context(), other)
	if err != nil || six.Layer.Digest == one.Layer.Digest {
		t.Fatalf("%+v %v", six, err)
	}
	if got := listing(t, six.Layer)["usr/local/bin/tool"]; got != "755 #!/bin/sh\n'''exec' \"/opt/with space/python\" \"$0\" \"$@\"\n' '''\nprint()\n" {
		t.Errorf("%q", got)
	}
}

func TestWheelsThatLie(t *testing.T) {
	t.Parallel()
	const info = "bad-1.0.dist-info/"
	record := func(lines string) zipFile {
		return zipFile{name: info + "RECORD", text: lines + info + "METADATA," + sum("Metadata-Version: 2.1\nName: bad\nVersion: 1.0\n") + ",\n" +
			info + "WHEEL," + sum("Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n") + ",\n" + info + "RECORD,,\n"}
	}
	for _, c := range []struct {
		name  string
		files []zipFile
		says  string
	}{
		{"other content", []zipFile{{name: "a.py", text: "evil"}, record("a.py," + sum("good") + ",4\n")}, "is not what RECORD says"},
		{"other size", []zipFile{{name: "a.py", text: "evil"}, record("a.py," + sum("evil") + ",5\n")}, "it has 4"},
		{"not listed", []zipFile{{name: "a.py", text: "evil"}, record("")}, `RECORD does not name "a.py"`},
		{"not there", []zipFile{record("a.py," + sum("x") + ",1\n")}, "which is not in it"},
		{"no hash", []zipFile{{name: "a.py", text: "x"}, record("a.py,,\n")}, "no hash that can be checked"},
		{"weak hash", []zipFile{{name: "a.py", text: "x"}, record("a.py,md5=abc,1\n")}, "no hash that can be checked"},
		{"no RECORD", []zipFile{{name: info + "RECORD", text: "-"}}, "it has no RECORD"},
		{"climbs", []zipFile{{name: "../evil.py", text: "x"}}, "is not a path inside it"},
		{"climbs from data", []zipFile{{name: "bad-1.0.data/data/../../x", text: "x"}}, "is not a path inside it"},
		{"absolute", []zipFile{{name: "/etc/passwd", text: "x"}}, "is not a path inside it"},
		{"backslash", []zipFile{{name: `..\evil.py`, text: "x"}}, "is not a path inside it"},
		{"link", []zipFile{{name: "a", text: "/etc/passwd", mode: os.ModeSymlink | 0o777}}, "is no plain file"},
		{"whiteout", []zipFile{{name: "bad-1.0.data/data/.wh.lib", text: "x"}}, "would remove"},
		{"unknown scheme", []zipFile{{name: "bad-1.0.data/etc/x", text: "x"}}, "unknown scheme"},
		{"other package", []zipFile{{name: "good-1.0.dist-info/METADATA", text: "x"}}, "it has the folders"},
		{"future", []zipFile{{name: info + "WHEEL", text: "Wheel-Version: 2.0\n"}}, "version 2.0 of the format"},
		{"entry point that climbs", []zipFile{{name: info + "entry_points.txt", text: "[console_scripts]\n../x = a:b\n"}}, "cannot be a script"},
		{"entry point with code", []zipFile{{name: info + "entry_points.txt", text: "[console_scripts]\nx = os:system('x')\n"}}, "cannot be a script"},
		{"twice", []zipFile{{name: "a", text: "x"}, {name: "a", text: "x"}}, "is in it twice"},
		{"two become one", []zipFile{{name: "a", text: "x"}, {name: "bad-1.0.data/purelib/a", text: "x"}}, "two of its files become"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := makeWheel(t, t.TempDir(), "bad-1.0-py3-none-any.whl", c.files...)
			_, err := wheel.New(wheel.Options{Cache: t.TempDir(), UV: fakeUV(t, lockOf(t, w))}).Layer(t.Context(), request("bad"))
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %q", err, c.says)
			}
			if code := cairn.CodeOf(err); code != cairn.CodeInvalid && code != cairn.CodeUnsupported {
				t.Errorf("code %s", code)
			}
		})
	}
}

func TestWheelWithOtherBytes(t *testing.T) {
	t.Parallel()
	w := makeWheel(t, t.TempDir(), "a-1.0-py3-none-any.whl", zipFile{name: "a.py", text: "1"})
	lock := lockOf(t, w)
	makeWheel(t, filepath.Dir(w), "a-1.0-py3-none-any.whl", zipFile{name: "a.py", text: "2"})
	_, err := wheel.New(wheel.Options{Cache: t.TempDir(), UV: fakeUV(t, lock)}).Layer(t.Context(), request("a"))
	if err == nil || !strings.Contains(err.Error(), "instead of") {
		t.Error(err)
	}
}

func TestFetchWithPip(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := makeWheel(t, dir, "a_b-1.0-py3-none-any.whl", zipFile{name: "a.py", text: "1"})
	lock := strings.ReplaceAll(lockOf(t, w), `path = "`+w, `url = "https://user:secret@index.example/x/a_b-1.0-py3-none-any.whl?sig=1`)
	args := filepath.Join(dir, "args")
	pip := func(text string) func(context.Context, string) (wheel.Tool, error) {
		return func(ctx context.Context, _ string) (wheel.Tool, error) { return script(text)(ctx) }
	}
	good := `echo "$@" >> '` + args + `'; cat requirements.txt >> '` + args + `'; mkdir out && cp '` + dir + `'/*.whl out/`
	res, err := wheel.New(wheel.Options{Cache: t.TempDir(), UV: fakeUV(t, lock), Pip: pip(good)}).Layer(t.Context(), request("--extra-index-url https://me:hidden@two.example/simple\na-b"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(res.Lock), "secret") || strings.Contains(string(res.Lock), "sig=") || !strings.Contains(string(res.Lock), `url = "https://index.example/x/a_b-1.0-py3-none-any.whl"`) {
		t.Errorf("the lock is\n%s", res.Lock)
	}
	said, err := os.ReadFile(args)
	if err != nil {
		t.Fatal(err)
	}
	line, file, _ := strings.Cut(string(said), "\n")
	if strings.Contains(line, "hidden") || !strings.Contains(line, "--platform manylinux_2_36_x86_64") || !strings.Contains(line, "--require-hashes") {
		t.Error(line)
	}
	if !strings.Contains(file, "--extra-index-url https://me:hidden@two.example/simple\na-b @ https://index.example/x/a_b-1.0-py3-none-any.whl --hash=sha256:") {
		t.Error(file)
	}
	bad := `echo "ERROR: no route to https://me:hidden@two.example" >&2; exit 1`
	_, err = wheel.New(wheel.Options{Cache: t.TempDir(), UV: fakeUV(t, lock), Pip: pip(bad)}).Layer(t.Context(), request("a-b"))
	if cairn.CodeOf(err) != cairn.CodeUnavailable || !strings.Contains(err.Error(), "no route to https://***@two.example") {
		t.Error(err)
	}
}

func TestWhatCannotBeResolved(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		uv   string
		code cairn.Code
		says string
	}{
		{`printf 'lock-version = "1.0"\n[[packages]]\nname = "old"\nversion = "1"\nsdist = { url = "https://x/old-1.tar.gz", hashes = { sha256 = "%064d" } }\n' 0 > pylock.toml`,
			cairn.CodeUnsupported, "old 1 has no wheel for Python 3.11, linux/amd64, glibc 2.36: there is only its source"},
		{`printf 'lock-version = "1.0"\n[[packages]]\nname = "win"\nversion = "1"\nwheels = [{ url = "https://x/win-1-cp311-cp311-win_amd64.whl", hashes = { sha256 = "%064d" } }]\n' 0 > pylock.toml`,
			cairn.CodeUnsupported, "there are win-1-cp311-cp311-win_amd64.whl"},
		{`echo 'Because foo==1.0 has no wheels with a matching Python ABI tag' >&2; exit 1`, cairn.CodeUnsupported, "foo 1.0 has no wheel for Python 3.11"},
		{`echo 'error: Failed to fetch: https://me:pw@x/simple' >&2; exit 2`, cairn.CodeUnavailable, "https://***@x/simple"},
		{`echo 'Because a>1 and a<1' >&2; exit 1`, cairn.CodeFailed, "Because a>1"},
	} {
		_, err := wheel.New(wheel.Options{Cache: t.TempDir(), UV: script(c.uv)}).Layer(t.Context(), request("x"))
		if cairn.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v (%s), want %s: %s", err, cairn.CodeOf(err), c.code, c.says)
		}
	}
}

func TestPackageOfTheBaseIsReplaced(t *testing.T) {
	t.Parallel()
	const site = "usr/local/lib/python3.11/site-packages/"
	w := makeWheel(t, t.TempDir(), "setup-2.0-py3-none-any.whl", zipFile{name: "setup/a.py", text: "new"})
	var b bytes.Buffer
	file := func(p, text string) layer.File {
		return layer.File{Path: p, Mode: 0o644, Size: int64(len(text)), Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }}
	}
	if err := layer.Write(&b, []layer.File{file(site+"setup/a.py", "old"), file(site+"setup/b.py", "old"), file("usr/local/bin/setup", "x"), file("etc/passwd", "root"),
		file(site+"setup-1.0.dist-info/METADATA", ""), file(site+"setup-1.0.dist-info/RECORD",
			"setup/a.py,,\nsetup/b.py,,\n../../../bin/setup,,\n../../../../../../../../etc/none,,\nsetup-1.0.dist-info/RECORD,,\n")}); err != nil {
		t.Fatal(err)
	}
	fs, err := layer.Index(t.Context(), []layer.Source{{Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil }}})
	if err != nil {
		t.Fatal(err)
	}
	r := request("setup")
	r.Base = fs
	res, err := wheel.New(wheel.Options{Cache: t.TempDir(), UV: fakeUV(t, lockOf(t, w))}).Layer(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	got := listing(t, res.Layer)
	var gone []string
	for p := range got {
		if strings.Contains(p, ".wh.") {
			gone = append(gone, p)
		}
	}
	slices.Sort(gone)
	if want := []string{"usr/local/bin/.wh.setup", site + ".wh.setup-1.0.dist-info", site + "setup/.wh.b.py"}; !slices.Equal(gone, want) {
		t.Errorf("removed %v, want %v", gone, want)
	}
	if got[site+"setup/a.py"] != "644 new" {
		t.Error(got)
	}
}

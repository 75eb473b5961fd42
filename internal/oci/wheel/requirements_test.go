package wheel_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci/wheel"
)

// asked is what a tool would be given for requirements.
func asked(t *testing.T, r wheel.Request) (file, constraints, args string, err error) {
	t.Helper()
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	if err := os.Mkdir(out, 0o755); err != nil {
		t.Fatal(err)
	}
	uv := script(`cp requirements.in constraints.txt '` + out + `'; echo "$@" > '` + out + `/args'; echo 'enough' >&2; exit 1`)
	_, err = wheel.New(wheel.Options{Cache: dir, UV: uv}).Layer(t.Context(), r)
	read := func(name string) string {
		b, _ := os.ReadFile(filepath.Join(out, name))
		return string(b)
	}
	return read("requirements.in"), read("constraints.txt"), read("args"), err
}

func TestRequirementsAreReadInFull(t *testing.T) {
	t.Parallel()
	ctx := t.TempDir()
	for name, text := range map[string]string{
		"requirements.txt": "", "sub/base.txt": "-r ../more.txt\nnumpy>=1.26 \\\n    ; python_version < \"3.13\"\n", "more.txt": "pillow  # pictures\n--pre\n-r sub/base.txt\n",
		"limits.txt": "scipy<2\n", "wheels/keep": "",
	} {
		p := filepath.Join(ctx, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r := request("\ufefffastapi[standard]==0.110.0 --hash=sha256:" + strings.Repeat("a", 64) + "\r\n-rsub/base.txt\n-c limits.txt\n--find-links wheels\n" +
		"spacy @ https://example.org/spacy-1.0-py3-none-any.whl#sha256=x\n")
	r.File, r.ContextDir = "requirements.txt", ctx
	r.Args = []string{"--no-cache-dir", "-qU", "--index-url=https://one.example/simple", "--progress-bar", "off"}
	r.Env = map[string]string{"PIP_INDEX_URL": "https://zero.example/simple", "PIP_NO_CACHE_DIR": "1", "PIP_EXTRA_INDEX_URL": "https://two.example/ https://three.example/", "HOME": "/x"}
	file, constraints, args, err := asked(t, r)
	if err == nil || !strings.Contains(err.Error(), "enough") {
		t.Fatal(err)
	}
	want := "--index-url https://one.example/simple\n--extra-index-url https://two.example/\n--extra-index-url https://three.example/\n--find-links " + ctx + "/wheels\n" +
		"fastapi[standard]==0.110.0 --hash=sha256:" + strings.Repeat("a", 64) + "\npillow\nnumpy>=1.26 ; python_version < \"3.13\"\nspacy @ https://example.org/spacy-1.0-py3-none-any.whl#sha256=x\n"
	if file != want {
		t.Errorf("asked for\n%s\nwant\n%s", file, want)
	}
	if constraints != "scipy<2\n" {
		t.Errorf("%q", constraints)
	}
	for _, a := range []string{"--python-version 3.11", "--python-platform x86_64-manylinux_2_36", "--only-binary :all:", "--prerelease=allow"} {
		if !strings.Contains(args, a) {
			t.Errorf("%s lacks %s", args, a)
		}
	}
}

func TestRequirementsThatAreRefused(t *testing.T) {
	t.Parallel()
	ctx := t.TempDir()
	if err := os.Symlink("/etc/passwd", filepath.Join(ctx, "link.txt")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		text string
		code cairn.Code
		says string
	}{
		{"numpy\n-e .", cairn.CodeUnsupported, "req.txt:2: pip's option -e is not supported without an executor: packages would have to be built"},
		{"git+https://token@example.org/x.git", cairn.CodeUnsupported, `"git+https://***@example.org/x.git" is a version control URL`},
		{"x @ git+https://example.org/x.git", cairn.CodeUnsupported, "version control"},
		{"./local", cairn.CodeUnsupported, "a local path"},
		{"dist/x-1.0-py3-none-any.whl", cairn.CodeUnsupported, "a local path"},
		{"x @ file:///tmp/x.whl", cairn.CodeUnsupported, "a local path"},
		{"x @ https://example.org/x.tar.gz", cairn.CodeUnsupported, "is no wheel"},
		{"https://example.org/x.whl", cairn.CodeUnsupported, "a URL without a name"},
		{"--no-binary :all:", cairn.CodeUnsupported, "would have to be built"},
		{"--index-ulr https://x", cairn.CodeUnsupported, "--index-ulr"},
		{"-r ../outside.txt", cairn.CodeNotFound, "cannot be included"},
		{"-r link.txt", cairn.CodeNotFound, "cannot be included"},
		{"-r /etc/passwd", cairn.CodeUnsupported, "lies in the image"},
		{"-r https://example.org/r.txt", cairn.CodeUnsupported, "from a URL"},
		{"--find-links ../..", cairn.CodeInvalid, "no folder of the build context"},
		{"numpy scipy", cairn.CodeInvalid, `"numpy scipy" is no requirement`},
		{"numpy --global-option=x", cairn.CodeUnsupported, "--global-option"},
		{"# nothing", cairn.CodeInvalid, "names no package"},
	} {
		r := request(c.text)
		r.File, r.ContextDir = "req.txt", ctx
		_, _, _, err := asked(t, r)
		if cairn.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v (%s), want %s: %s", c.text, err, cairn.CodeOf(err), c.code, c.says)
		}
	}
	for _, args := range [][]string{{"--user"}, {"--target", "x"}, {"--unknown"}, {"word"}} {
		r := request("numpy")
		r.Args = args
		if _, _, _, err := asked(t, r); err == nil || strings.Contains(err.Error(), "enough") {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func FuzzRequirements(f *testing.F) {
	f.Add("numpy>=1 ; x\\\n-r a\n--hash=sha256:00")
	f.Add("a @ https://x/y.whl")
	f.Fuzz(func(t *testing.T, text string) {
		r := request(text)
		r.Dir = t.TempDir()
		// Without tools only the reading is done.
		if _, err := wheel.New(wheel.Options{}).Layer(t.Context(), r); err == nil {
			t.Error("a layer came of nothing")
		}
	})
}

func FuzzParseLock(f *testing.F) {
	f.Add([]byte("# The wheels of an image for Python 3.11 on linux/amd64 with glibc 2.36.\n[[packages]]\nname = \"a\"\nversion = \"1\"\nwheels = [{ name = \"a-1-py3-none-any.whl\", url = \"https://x/a-1-py3-none-any.whl\", size = 1, hashes = { sha256 = \"" + strings.Repeat("0", 64) + "\" } }]\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := wheel.ParseLock(b)
		if err != nil {
			return
		}
		again, err := wheel.ParseLock(l.Render())
		if err != nil {
			t.Fatalf("what was read cannot be read again: %v\n%s", err, l.Render())
		}
		if string(again.Render()) != string(l.Render()) {
			t.Fatal("reading changes it")
		}
	})
}

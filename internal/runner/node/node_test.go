package node

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
)

// ranges were checked against npm's semver package (satisfies, without
// includePrerelease).
func ranges() []struct{ spec, yes, no string } {
	return []struct{ spec, yes, no string }{
		{"20", "20.0.0 20.11.1", "19.9.9 21.0.0 20.1.0-rc.1 21.0.0-rc.1"},
		{"v20.11", "20.11.0 20.11.9", "20.12.0 20.10.9"},
		{"20.11.1", "20.11.1", "20.11.2 20.11.1-rc.1"},
		{"=20.11.1", "20.11.1", "20.11.0"},
		{"18.x", "18.0.0 18.20.4", "20.0.0"},
		{"18.*", "18.0.0", "17.0.0"},
		{">=18", "18.0.0 22.1.0", "17.9.9 18.0.0-rc.1"},
		{">=18 <21", "18.0.0 20.9.9", "21.0.0 21.0.0-rc.1 17.0.0"},
		{">= 18.12.0 < 21", "18.12.0", "18.11.0"},
		{">18", "19.0.0 20.0.0", "18.0.0 18.9.9 17.1.0"},
		{">18.1.2", "18.1.3", "18.1.2"},
		{"<=18", "18.9.9 16.0.0", "19.0.0"},
		{"<18", "17.9.9", "18.0.0 18.0.0-rc.1"},
		{"<18.2.0", "18.1.9", "18.2.0"},
		{"^18.2.0", "18.2.0 18.9.0", "18.1.9 19.0.0"},
		{"^0.10", "0.10.48", "0.11.0 0.9.0"},
		{"^0.0.3", "0.0.3", "0.0.4"},
		{"~18.2", "18.2.9", "18.3.0"},
		{"~18", "18.9.9", "19.0.0"},
		{"~18.2.3", "18.2.3 18.2.9", "18.2.2 18.3.0"},
		{"16 || 18 || >=20.1", "16.1.0 18.0.0 20.1.0 22.0.0", "17.0.0 20.0.9"},
		{"14 - 16", "14.0.0 16.9.9", "13.9.9 17.0.0"},
		{"14.1 - 16.2.3", "14.1.0 16.2.3", "16.2.4 14.0.9"},
		{"21.0.0-rc.1", "21.0.0-rc.1", "21.0.0 21.0.0-rc.2"},
		{">=21.0.0-rc.1", "21.0.0-rc.2 21.0.0 22.0.0", "22.0.0-rc.1 20.0.0"},
		{"lts/iron", "20.0.0 20.9.0", "22.0.0"},
		{"lts/*", "20.0.0 22.1.0", "21.0.0 23.0.0 26.0.0"},
		{"lts/-1", "22.1.0", "24.0.0 20.0.0"},
		{"LTS/Hydrogen", "18.1.0", "20.0.0"},
		{"latest", "25.1.0", "25.0.0-rc.1"},
		{"node", "25.1.0", ""},
		{"*", "1.0.0", ""},
	}
}

func TestSpec(t *testing.T) {
	t.Parallel()
	for _, c := range ranges() {
		s, err := ParseSpec(c.spec)
		if err != nil {
			t.Errorf("%s: %v", c.spec, err)
			continue
		}
		for want, list := range map[bool]string{true: c.yes, false: c.no} {
			for _, text := range strings.Fields(list) {
				v, ok := Parse(text)
				if !ok || s.Matches(v) != want || v.String() != text {
					t.Errorf("%s matches %s: %v", c.spec, text, !want)
				}
			}
		}
	}
	for spec, code := range map[string]cairn.Code{
		"abc": cairn.CodeInvalid, "1.2.3.4": cairn.CodeInvalid, "lts/none": cairn.CodeInvalid, "lts/-99": cairn.CodeInvalid, ">=": cairn.CodeInvalid,
		"20 ||": "", strings.Repeat("9", 201): cairn.CodeInvalid, "22-nightly": cairn.CodeUnsupported, "v8-canary": cairn.CodeUnsupported,
	} {
		if _, err := ParseSpec(spec); cairn.CodeOf(err) != code {
			t.Errorf("%s: %v", spec, err)
		}
	}
}

// TestSpecAsNPM compares with the semver package that npm of this machine brings.
func TestSpecAsNPM(t *testing.T) {
	t.Parallel()
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Skip("npm is not on this machine")
	}
	real, err := filepath.EvalSymlinks(npm)
	if err != nil {
		t.Fatal(err)
	}
	semver := filepath.Join(filepath.Dir(filepath.Dir(real)), "node_modules", "semver")
	if _, err := os.Stat(semver); err != nil {
		t.Skip("npm of this machine brings no semver package")
	}
	var script strings.Builder
	fmt.Fprintf(&script, "const s=require(%q);const say=(v,r)=>console.log(v+' '+r+' '+s.satisfies(v,r));\n", semver)
	var want strings.Builder
	for _, c := range ranges() {
		if strings.HasPrefix(strings.ToLower(c.spec), "l") || c.spec == "node" {
			continue
		}
		for _, yes := range []bool{true, false} {
			list := c.no
			if yes {
				list = c.yes
			}
			for _, v := range strings.Fields(list) {
				fmt.Fprintf(&script, "say(%q,%q);\n", v, c.spec)
				fmt.Fprintf(&want, "%s %s %v\n", v, c.spec, yes)
			}
		}
	}
	out, err := exec.Command("node", "-e", script.String()).CombinedOutput()
	if err != nil {
		t.Fatalf("%v %s", err, out)
	}
	got, expected := strings.Split(string(out), "\n"), strings.Split(want.String(), "\n")
	for i := range min(len(got), len(expected)) {
		if got[i] != expected[i] {
			t.Errorf("npm says %s, the table %s", got[i], expected[i])
		}
	}
}

func TestVersionFile(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"20\n": "20", "v18.17.1": "18.17.1", "lts/iron": "lts/iron", "# a comment\nv20 # here\n": "20", "nodejs 20.11.1\npython 3.11\n": "20.11.1",
		"python 3.11\nnodejs 20.11.1": "20.11.1", "node 18": "18", ">=16\n": ">=16",
		`{"engines":{"node":">=18 <21"}}`: ">=18 <21", `{"volta":{"node":"20.1.0"},"engines":{"node":"16"}}`: "20.1.0",
		`{"devEngines":{"runtime":{"name":"node","version":"^22"}},"engines":{"node":"16"}}`:           "^22",
		`{"devEngines":{"runtime":[{"name":"bun","version":"1"},{"name":"node","version":"22.1.0"}]}}`: "22.1.0",
		`{"volta":{"extends":"../package.json"}}`:                                                      "->../package.json",
	} {
		got, extends, err := VersionFile(text)
		if extends != "" {
			got = "->" + extends
		}
		if err != nil || got != want {
			t.Errorf("%q: %q %v", text, got, err)
		}
	}
	for _, bad := range []string{"", "# only\n", "{}", "{", `{"engines":{}}`, "python 3.11\n"} {
		if v, _, err := VersionFile(bad); cairn.CodeOf(err) != cairn.CodeInvalid {
			t.Errorf("%q: %q %v", bad, v, err)
		}
	}
	if PackageManager([]byte(`{"packageManager":"pnpm@9.1.0+sha512.x"}`)) != "pnpm" || PackageManager([]byte("x")) != "" {
		t.Error("packageManager")
	}
}

// program writes a Node that answers a version.
func program(t *testing.T, path, version string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho v"+version+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestAll(t *testing.T) {
	t.Parallel()
	home, path, tools := t.TempDir(), t.TempDir(), t.TempDir()
	program(t, filepath.Join(path, "node"), "20.1.0")
	for p, v := range map[string]string{
		".nvm/versions/node/v18.1.0/bin/node": "18.1.0", ".local/share/fnm/node-versions/v22.2.0/installation/bin/node": "22.2.0",
		".volta/tools/image/node/16.3.0/bin/node": "16.3.0", ".asdf/installs/nodejs/21.0.0/bin/node": "21.0.0", "n/n/versions/node/19.0.0/bin/node": "19.0.0",
		".local/share/mise/installs/node/23.0.0/bin/node": "23.0.0", ".nodenv/versions/17.0.0/bin/node": "17.0.0",
	} {
		program(t, filepath.Join(home, p), v)
	}
	program(t, filepath.Join(tools, "node/24.0.0", Arch(), "bin/node"), "24.0.0")
	program(t, filepath.Join(tools, "node/25.0.0/other/bin/node"), "25.0.0")
	if err := os.Symlink(filepath.Join(path, "node"), filepath.Join(path, "nodejs")); err != nil {
		t.Fatal(err)
	}
	p := Places{Home: home, Path: path + ":/does/not/exist:relative", ToolCache: tools, Getenv: func(n string) string {
		if n == "N_PREFIX" {
			return filepath.Join(home, "n")
		}
		return ""
	}}
	all := p.All(t.Context())
	var got []string
	for _, n := range all {
		got = append(got, n.Version.String()+"="+n.Source)
	}
	want := "24.0.0=tool cache 23.0.0=mise 22.2.0=fnm 21.0.0=asdf 20.1.0=PATH 19.0.0=n 18.1.0=nvm 17.0.0=nodenv 16.3.0=volta"
	if strings.Join(got, " ") != want {
		t.Errorf("got  %v\nwant %s", got, want)
	}
	spec, _ := ParseSpec("<20")
	if n, ok := Choose(all, spec); !ok || n.Version.Major != 19 {
		t.Errorf("%+v", n)
	}
	spec, _ = ParseSpec("14")
	err := NotHere(spec, all, fmt.Errorf("no network"))
	if cairn.CodeOf(err) != cairn.CodeNotFound || !strings.Contains(err.Error(), "24.0.0 (tool cache") || !strings.Contains(cairn.AsError(err).Hint, "node-version: 24") {
		t.Errorf("%v %s", err, cairn.AsError(err).Hint)
	}
}

// archive packs entries "name=content", "name->link".
func archive(t *testing.T, entries ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, e := range entries {
		name, text, isFile := strings.Cut(e, "=")
		h := &tar.Header{Name: name, Mode: 0o755, Typeflag: tar.TypeReg, Size: int64(len(text))}
		if !isFile {
			name, to, _ := strings.Cut(e, "->")
			h = &tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: to}
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if isFile {
			if _, err := w.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.Close()
	z.Close()
	return b.Bytes()
}

func TestFetchDist(t *testing.T) {
	t.Parallel()
	name := func(v string) string { return fmt.Sprintf("node-v%s-%s-%s", v, runtime.GOOS, Arch()) }
	good := archive(t, name("20.11.1")+"/bin/node=#!/bin/sh", name("20.11.1")+"/lib/npm.js=x", name("20.11.1")+"/bin/npm->../lib/npm.js")
	sum := sha256.Sum256(good)
	files := map[string]string{
		"/index.json":                              `[{"version":"v22.1.0","lts":false},{"version":"v20.11.1","lts":"Iron"},{"version":"v20.1.0","lts":"Iron"},{"version":"v18.9.0","lts":"Hydrogen"},{"version":"bad"}]`,
		"/v20.11.1/SHASUMS256.txt":                 hex.EncodeToString(sum[:]) + "  " + name("20.11.1") + ".tar.gz\n",
		"/v20.11.1/" + name("20.11.1") + ".tar.gz": string(good),
		"/v18.9.0/SHASUMS256.txt":                  strings.Repeat("0", 64) + "  " + name("18.9.0") + ".tar.gz\n",
		"/v18.9.0/" + name("18.9.0") + ".tar.gz":   string(good),
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := files[r.URL.Path]
		if r.Header.Get("Authorization") != "secret" || !ok {
			http.Error(w, "no", http.StatusNotFound)
			return
		}
		fmt.Fprint(w, text)
	}))
	defer web.Close()
	f := &Fetcher{ToolCache: t.TempDir(), Mirror: web.URL + "/", MirrorToken: "secret", Client: web.Client(), Log: t.Logf}
	fetch := func(spec string) (Node, error) {
		s, err := ParseSpec(spec)
		if err != nil {
			t.Fatal(err)
		}
		return f.Fetch(context.Background(), s)
	}
	for _, spec := range []string{"20", "lts/*", "20.11.1"} {
		n, err := fetch(spec)
		if err != nil || n.Version.String() != "20.11.1" || n.Path != filepath.Join(f.ToolCache, "node/20.11.1", Arch(), "bin/node") {
			t.Errorf("%s: %+v %v", spec, n, err)
		}
	}
	if b, err := os.ReadFile(filepath.Join(f.ToolCache, "node/20.11.1", Arch(), "bin/npm")); err != nil || string(b) != "x" {
		t.Errorf("%q %v", b, err)
	}
	if _, err := os.Stat(filepath.Join(f.ToolCache, "node/20.11.1", Arch()+".complete")); err != nil {
		t.Error(err)
	}
	for spec, want := range map[string]string{"18": "not what SHASUMS256.txt says", "14": "has no version 14", "22": "404"} {
		if _, err := fetch(spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", spec, err)
		}
	}
	left, _ := filepath.Glob(filepath.Join(f.ToolCache, "node/*/.new-*"))
	if len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestUnpackHostile(t *testing.T) {
	t.Parallel()
	everything := func(string) bool { return true }
	for _, entries := range [][]string{{"top/bin/node->/etc/passwd"}, {"top/a->../../x"}, {"top/../../x/y=1"}, {"top/l->b", "top/l=x"}} {
		dir := t.TempDir()
		if err := unpack(archive(t, entries...), dir, everything); err == nil {
			t.Errorf("%v is unpacked", entries)
		}
	}
	if err := unpack([]byte("no gzip"), t.TempDir(), everything); err == nil {
		t.Error("not an archive")
	}
}

// TestFetchNPM takes a Node out of the npm registry.
func TestFetchNPM(t *testing.T) {
	t.Parallel()
	if os.Getenv("CAIRN_TEST_NETWORK") == "" {
		t.Skip("needs the npm registry: CAIRN_TEST_NETWORK=1")
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Skip("npm is not on this machine")
	}
	f := &Fetcher{ToolCache: t.TempDir(), NPM: npm, Environ: os.Environ(), Log: t.Logf}
	spec, _ := ParseSpec("lts/hydrogen")
	n, err := f.fromNPM(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(n.Path, "-p", "process.version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "v18.") {
		t.Errorf("%v %s", err, out)
	}
}

func FuzzParseSpec(f *testing.F) {
	for _, c := range ranges() {
		f.Add(c.spec)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSpec(text)
		if err == nil {
			s.Matches(Version{20, 1, 2, ""})
		}
	})
}

func FuzzVersionFile(f *testing.F) {
	for _, text := range []string{"20\n", "nodejs 20.11.1\n", `{"volta":{"extends":"x"}}`, `{"devEngines":{"runtime":[1]}}`, "# x"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		version, extends, err := VersionFile(text)
		if err == nil && version == "" && extends == "" {
			t.Errorf("%q names nothing and is no error", text)
		}
	})
}

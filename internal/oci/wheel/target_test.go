package wheel_test

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci/layer"
	"github.com/cairn-ml/cairn/internal/oci/wheel"
)

func image(t *testing.T, files map[string]string) *layer.FS {
	t.Helper()
	var fs []layer.File
	for p, text := range files {
		if to, ok := strings.CutPrefix(text, "-> "); ok {
			fs = append(fs, layer.File{Path: p, Mode: 0o777, Type: tar.TypeSymlink, Link: to})
			continue
		}
		fs = append(fs, layer.File{Path: p, Mode: 0o755, Size: int64(len(text)), Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }})
	}
	var b bytes.Buffer
	if err := layer.Write(&b, fs); err != nil {
		t.Fatal(err)
	}
	f, err := layer.IndexWith(t.Context(), []layer.Source{{Open: func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(b.Bytes())), nil
	}}}, layer.IndexOptions{Keep: wheel.Keep})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

const glibc36 = "..\nGNU C Library (Debian GLIBC 2.36-9+deb12u10) stable release version 2.36.\n.."

func TestTarget(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		files map[string]string
		env   string
		want  [6]string // Python, Libc, SitePackages, ScriptsDir, Interpreter, Platform
		says  string
	}{
		{name: "python:3.11-slim", files: map[string]string{
			"usr/local/bin/python3.11": "ELF", "usr/local/bin/python3": "-> python3.11", "usr/local/bin/python": "-> python3", "lib": "-> usr/lib",
			"usr/lib/x86_64-linux-gnu/libc.so.6": glibc36, "etc/os-release": "ID=debian\n",
		}, env: `"PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin"`,
			want: [6]string{"3.11", "glibc 2.36", "usr/local/lib/python3.11/site-packages", "usr/local/bin", "/usr/local/bin/python3.11", "linux/amd64"}},
		{name: "Debian's python3", files: map[string]string{
			"usr/bin/python3.11": "ELF", "usr/bin/python3": "-> python3.11", "lib/x86_64-linux-gnu/libc.so.6": "-> libc-2.31.so",
			"lib/x86_64-linux-gnu/libc-2.31.so": "x", "etc/os-release": "-> ../usr/lib/os-release", "usr/lib/os-release": "ID=ubuntu\nID_LIKE=debian\n",
		}, want: [6]string{"3.11", "glibc 2.31", "usr/local/lib/python3.11/dist-packages", "usr/local/bin", "/usr/bin/python3.11", "linux/amd64"}},
		{name: "venv on PATH", files: map[string]string{
			"usr/local/bin/python3.12": "ELF", "opt/venv/bin/python3": "-> /usr/local/bin/python3.12", "opt/venv/pyvenv.cfg": "home = /usr/local/bin\nversion = 3.12.1\n",
			"lib64/libc.so.6": glibc36,
		}, env: `"PATH=/opt/venv/bin:/usr/local/bin"`,
			want: [6]string{"3.12", "glibc 2.36", "opt/venv/lib/python3.12/site-packages", "opt/venv/bin", "/opt/venv/bin/python3", "linux/amd64"}},
		{name: "VIRTUAL_ENV", files: map[string]string{
			"usr/local/bin/python3.12": "ELF", "v/bin/python": "-> ../../usr/local/bin/python3.12", "v/pyvenv.cfg": "", "lib64/libc.so.6": glibc36,
		}, env: `"VIRTUAL_ENV=/v"`, want: [6]string{"3.12", "glibc 2.36", "v/lib/python3.12/site-packages", "v/bin", "/v/bin/python", "linux/amd64"}},
		{name: "Alpine", files: map[string]string{
			"usr/bin/python3.12": "ELF", "usr/bin/python3": "-> python3.12", "lib/ld-musl-x86_64.so.1": "a\x001.2.5\x00b", "etc/os-release": "ID=alpine\n",
		}, want: [6]string{"3.12", "musl 1.2", "usr/lib/python3.12/site-packages", "usr/bin", "/usr/bin/python3.12", "linux/amd64"}},
		{name: "links to another prefix", files: map[string]string{
			"opt/py/bin/python3.10": "ELF", "usr/local/bin/python3": "-> /opt/py/bin/python3.10", "usr/local/bin/python3.10": "-> /opt/py/bin/python3.10", "lib64/libc.so.6": glibc36,
		}, want: [6]string{"3.10", "glibc 2.36", "opt/py/lib/python3.10/site-packages", "opt/py/bin", "/usr/local/bin/python3.10", "linux/amd64"}},
		{name: "no Python", files: map[string]string{"bin/sh": "x"}, says: "has no Python 3"},
		{name: "no libc", files: map[string]string{"usr/bin/python3.12": "", "usr/bin/python3": "-> python3.12"}, says: "C library of the base image is not known"},
		{name: "no version", files: map[string]string{"usr/bin/python3": "ELF"}, says: "version of the Python at /usr/bin/python3 is not known"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, err := wheel.Target(t.Context(), image(t, c.files), []byte(`{"architecture":"amd64","os":"linux","config":{"Env":[`+c.env+`]}}`))
			if c.says != "" {
				if cairn.CodeOf(err) != cairn.CodeUnsupported || !strings.Contains(err.Error(), c.says) {
					t.Error(err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := [6]string{r.Python, r.Libc, r.SitePackages, r.ScriptsDir, r.Interpreter, r.Platform}; got != c.want {
				t.Errorf("got %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestTheBestWheelIsChosen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		python, platform, libc string
		files                  []string
		want                   string
	}{
		{"3.11", "linux/amd64", "glibc 2.36", []string{"a-1-py3-none-any.whl", "a-1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "a-1-cp38-abi3-manylinux_2_28_x86_64.whl"}, "a-1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"},
		{"3.11", "linux/amd64", "glibc 2.17", []string{"a-1-cp311-cp311-manylinux_2_28_x86_64.whl", "a-1-py3-none-any.whl"}, "a-1-py3-none-any.whl"},
		{"3.12", "linux/arm64", "glibc 2.36", []string{"a-1-cp312-cp312-manylinux_2_17_x86_64.whl", "a-1-cp39-abi3-manylinux2014_aarch64.whl"}, "a-1-cp39-abi3-manylinux2014_aarch64.whl"},
		{"3.11", "linux/amd64", "musl 1.2", []string{"a-1-cp311-cp311-manylinux_2_17_x86_64.whl", "a-1-cp311-cp311-musllinux_1_1_x86_64.whl"}, "a-1-cp311-cp311-musllinux_1_1_x86_64.whl"},
		{"3.11", "linux/amd64", "glibc 2.36", []string{"a-1-1-py3-none-any.whl", "a-1-10-py3-none-any.whl", "a-1-2-py3-none-any.whl"}, "a-1-10-py3-none-any.whl"},
		{"3.11", "linux/amd64", "glibc 2.36", []string{"a-1-cp312-cp312-manylinux_2_17_x86_64.whl", "a-1-cp311-cp311-macosx_11_0_arm64.whl"}, ""},
	} {
		dir := t.TempDir()
		var wheels []string
		files := slices.Clone(c.files)
		for _, f := range files {
			wheels = append(wheels, makeWheel(t, dir, f, zipFile{name: "a.py", text: f}))
		}
		r := request("a")
		r.Python, r.Platform, r.Libc = c.python, c.platform, c.libc
		res, err := wheel.New(wheel.Options{Cache: t.TempDir(), UV: fakeUV(t, lockOf(t, wheels...))}).Layer(t.Context(), r)
		if c.want == "" {
			if cairn.CodeOf(err) != cairn.CodeUnsupported {
				t.Error(err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%v: %v", c.files, err)
		} else if res.Packages[0].File != c.want {
			t.Errorf("%v: %s", c.files, res.Packages[0].File)
		}
	}
}

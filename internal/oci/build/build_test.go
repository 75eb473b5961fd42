package build

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci/layer"
)

var update = flag.Bool("update", false, "write the golden files anew")

const course = `FROM python:3.11-slim
WORKDIR /code
COPY ./requirements.txt /code/requirements.txt
RUN pip install --no-cache-dir --upgrade -r /code/requirements.txt
COPY . .
CMD ["uvicorn", "main:app", "--host", "0.0.0.0", "--port", "80"]
`

func courseFiles() map[string]string {
	return map[string]string{"Dockerfile": course, "requirements.txt": "-r base.txt\nfastapi==0.110 # web\n", "base.txt": "uvicorn\n",
		"main.py": strings.Repeat("print('hello')\n", 10), "model.joblib": strings.Repeat("model", 100), ".dockerignore": "Dockerfile\n.dockerignore\n"}
}

func TestCourse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	files := courseFiles()
	files["Dockerfile"] = strings.Replace(course, "COPY ./requirements.txt", "COPY ./requirements.txt base.txt", 1)
	files["Dockerfile"] = strings.Replace(files["Dockerfile"], "/code/requirements.txt\nRUN", "/code/\nRUN", 1)
	dir := write(t, files)
	model := cairn.SumBytes([]byte(files["model.joblib"]))
	w.held[model] = []cairn.Ref{"model/digits:1", "artifact/1.1/model"}
	// main.py was uploaded with the model, but it is the run's code.
	w.held[cairn.SumBytes([]byte(files["main.py"]))] = []cairn.Ref{"artifact/1.1/model"}
	_, sum, err := sums(func() (io.ReadCloser, error) { return os.Open(filepath.Join(dir, "main.py")) }, int64(len(files["main.py"])))
	if err != nil {
		t.Fatal(err)
	}
	w.code[sum] = true

	r := cairn.BuildRequest{Context: dir, Names: []string{"ghcr.io/acme/api:main", "ghcr.io/acme/api:main"}, Env: map[string]string{"GITHUB_SHA": "abc", "GITHUB_REPOSITORY": "acme/api", "GITHUB_SERVER_URL": "http://x"}}
	res, log, err := w.build(t, r)
	if err != nil {
		t.Fatal(err, log)
	}
	var roles []string
	for _, l := range res.Image.Layers {
		roles = append(roles, l.Role)
	}
	if got := strings.Join(roles, " "); got != "base dependencies code model" {
		t.Errorf("layers: %s", got)
	}
	if got, want := w.list(t, res.Image, cairn.LayerModel), "code/ 0755 0:0\ncode/model.joblib 0644 0:0 \""+files["model.joblib"]+"\"\n"; got != want {
		t.Errorf("model layer:\n%s", got)
	}
	code := w.list(t, res.Image, cairn.LayerCode)
	for _, want := range []string{"code/main.py", "code/requirements.txt", "code/base.txt"} {
		if !strings.Contains(code, want) {
			t.Errorf("the code layer has no %s:\n%s", want, code)
		}
	}
	if strings.Contains(code, "joblib") || strings.Contains(code, "Dockerfile") {
		t.Errorf("code layer:\n%s", code)
	}
	if deps := w.list(t, res.Image, cairn.LayerDeps); !strings.Contains(deps, "fastapi__0.110") || !strings.Contains(deps, "uvicorn") {
		t.Errorf("packages:\n%s", deps)
	}
	b := w.builds[0]
	if len(b.Packed) != 1 || b.Packed[0].Path != "code/model.joblib" || b.Packed[0].Ref != "model/digits:1" || len(b.Packed[0].Others) != 1 {
		t.Errorf("packed %+v", b.Packed)
	}
	if b.Environment != "environment/api:1" || b.BaseName != "python:3.11-slim" || b.Builder != "cairn" || len(b.Names) != 1 {
		t.Errorf("build %+v", b)
	}
	c := w.config(t, res.Image)
	if c.Config.Labels["org.opencontainers.image.revision"] != "abc" || c.Config.Labels["org.opencontainers.image.source"] != "http://x/acme/api" {
		t.Errorf("labels %v", c.Config.Labels)
	}
	if c.Config.WorkingDir != "/code" || c.Config.Cmd[0] != "uvicorn" || c.Created.Unix() != 0 {
		t.Errorf("config %+v", c)
	}

	// Again, from another folder, with other times: the same image, nothing sent.
	dir2 := write(t, files)
	r.Context = dir2
	again, _, err := w.build(t, r)
	if err != nil || again.Image.Digest != res.Image.Digest || again.Sent != 0 {
		t.Errorf("again: %v, sent %d, %s instead of %s", err, again.Sent, again.Image.Digest, res.Image.Digest)
	}
	if w.deps.calls != 1 {
		t.Errorf("packages were made %d times", w.deps.calls)
	}

	// The model alone changes: one layer moves.
	files["model.joblib"] = strings.Repeat("MODEL", 100)
	w.held[cairn.SumBytes([]byte(files["model.joblib"]))] = []cairn.Ref{"model/digits:2"}
	r.Context = write(t, files)
	third, _, err := w.build(t, r)
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range third.Image.Layers {
		if same := l.Digest == res.Image.Layers[i].Digest; same != (l.Role != cairn.LayerModel) {
			t.Errorf("layer %s: same %v", l.Role, same)
		}
	}
}

// TestLayout is COPY and ADD by example: the Dockerfile and what is in the image.
func TestLayout(t *testing.T) {
	t.Parallel()
	files := map[string]string{"a.txt": "A", "b.txt": "B", "d/x": "X", "d/e/y": "Y", "d/l": "-> x", "link": "-> a.txt", "dirlink": "-> d", "empty/": "", "c[1].txt": "C"}
	var gz bytes.Buffer
	zw := gzip.NewWriter(&gz)
	tw := tar.NewWriter(zw)
	for _, h := range []*tar.Header{
		{Name: "in/", Typeflag: tar.TypeDir, Mode: 0o750},
		{Name: "in/f", Typeflag: tar.TypeReg, Mode: 0o640, Size: 1, Uid: 7, Gid: 8},
		{Name: "in/h", Typeflag: tar.TypeLink, Linkname: "in/f"},
		{Name: "in/s", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"},
	} {
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			tw.Write([]byte("T"))
		}
	}
	tw.Close()
	zw.Close()
	files["t.tar.gz"] = gz.String()
	for _, c := range []struct{ name, lines, want string }{
		{"file to a name", "COPY a.txt /x", `x 0644 0:0 "A"`},
		{"file to a folder", "COPY a.txt /x/", "x/ 0755 0:0\nx/a.txt 0644 0:0 \"A\""},
		{"file to a folder that is there", "COPY a.txt /opt/private", "opt/ 0755 0:0\nopt/private/ 0700 5:6\nopt/private/a.txt 0644 0:0 \"A\""},
		{"sticky folder stays", "COPY a.txt /tmp/", "tmp/ 1777 0:0\ntmp/a.txt 0644 0:0 \"A\""},
		{"through a link", "COPY a.txt /lib/a\nCOPY b.txt /var/run/", "run/ 0755 0:0\nrun/b.txt 0644 0:0 \"B\"\nusr/ 0755 0:0\nusr/lib/ 0755 0:0\nusr/lib/a 0644 0:0 \"A\""},
		{"what is in a folder", "COPY d /d2", "d2/ 0755 0:0\nd2/e/ 0755 0:0\nd2/e/y 0644 0:0 \"Y\"\nd2/l 0777 0:0 -> x\nd2/x 0644 0:0 \"X\""},
		{"several", "WORKDIR /w\nCOPY a.txt b.txt ./", "w/ 0755 0:0\nw/a.txt 0644 0:0 \"A\"\nw/b.txt 0644 0:0 \"B\""},
		{"pattern", "COPY *.txt /p/", "p/ 0755 0:0\np/a.txt 0644 0:0 \"A\"\np/b.txt 0644 0:0 \"B\"\np/c[1].txt 0644 0:0 \"C\""},
		{"escaped pattern", `COPY ["c[[]1].txt", "/p/"]`, "p/ 0755 0:0\np/c[1].txt 0644 0:0 \"C\""},
		{"later wins", "COPY a.txt /x\nCOPY b.txt /x", `x 0644 0:0 "B"`},
		{"source is a link", "COPY link /x\nCOPY dirlink /y/", "x 0644 0:0 \"A\"\ny/ 0755 0:0\ny/e/ 0755 0:0\ny/e/y 0644 0:0 \"Y\"\ny/l 0777 0:0 -> x\ny/x 0644 0:0 \"X\""},
		{"owner", "COPY --chown=app:staff --chmod=600 a.txt /o/x", "o/ 0755 1000:50\no/x 0600 1000:50 \"A\""},
		{"owner of a folder", "COPY --chown=app d/e /o/", "o/ 0755 1000:1001\no/y 0644 1000:1001 \"Y\""},
		{"owner by number", "COPY --chown=7 a.txt /x\nCOPY --chown=7:8 a.txt /y", "x 0644 7:7 \"A\"\ny 0644 7:8 \"A\""},
		{"empty folder", "COPY empty /e", "e/ 0755 0:0"},
		{"exclude", "COPY --exclude=e --exclude=l d /x/", "x/ 0755 0:0\nx/x 0644 0:0 \"X\""},
		{"parents", "COPY --parents d/e/y a.txt /x/", "x/ 0755 0:0\nx/a.txt 0644 0:0 \"A\"\nx/d/ 0755 0:0\nx/d/e/ 0755 0:0\nx/d/e/y 0644 0:0 \"Y\""},
		{"parents from a point", "COPY --parents ./d/./e/y /x/", "x/ 0755 0:0\nx/e/ 0755 0:0\nx/e/y 0644 0:0 \"Y\""},
		{"heredoc", "COPY <<EOF /x\nhi\nEOF", `x 0644 0:0 "hi\n"`},
		{"workdir of a user", "USER app\nWORKDIR /home/app", "home/ 0755 1000:1001\nhome/app/ 0755 1000:1001"},
		{"archive", "ADD t.tar.gz /t", "t/ 0755 0:0\nt/in/ 0750 0:0\nt/in/f 0640 7:8 \"T\"\nt/in/h 0640 7:8 \"T\"\nt/in/s 0777 0:0 -> /etc/passwd"},
		{"archive copied", "COPY t.tar.gz /t", fmt.Sprintf("t 0644 0:0 %q", gz.String())},
		{"added file", "ADD a.txt /t/", "t/ 0755 0:0\nt/a.txt 0644 0:0 \"A\""},
		{"mkdir", "RUN mkdir -p /m/n /tmp", "m/ 0755 0:0\nm/n/ 0755 0:0"},
		{"image", "COPY --from=python:3.11-slim /lib/x /x", "x/ 0755 0:0\nx/lib.so 0644 0:0 \"library\""},
		{"file of an image", "COPY --from=python:3.11-slim /etc/passwd /p", "p 0644 0:0 \"root:x:0:0:root:/root:/bin/sh\\napp:x:1000:1001:App:/home/app:/bin/sh\\n\""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			f := map[string]string{"Dockerfile": "FROM python:3.11-slim\n" + c.lines + "\n"}
			for k, v := range files {
				f[k] = v
			}
			res, log, err := w.build(t, cairn.BuildRequest{Context: write(t, f)})
			if err != nil {
				t.Fatal(err, cairn.AsError(err).Hint, log)
			}
			if got := strings.TrimSpace(w.list(t, res.Image, "")); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestStages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := write(t, map[string]string{"a": "A", "Dockerfile": `FROM python:3.11-slim AS build
RUN pip install fastapi
WORKDIR /b
COPY a /b/a
FROM unreachable AS never
FROM build AS more
COPY a /b/more
FROM scratch
COPY --from=build /usr/local/lib/python3.11/site-packages /site
COPY --from=more /b /b
COPY --from=0 /b/* /c/
`})
	res, _, err := w.build(t, cairn.BuildRequest{Context: dir})
	if err != nil {
		t.Fatal(err)
	}
	want := `b/ 0755 0:0
b/a 0644 0:0 "A"
b/more 0644 0:0 "A"
c/ 0755 0:0
c/a 0644 0:0 "A"
site/ 0755 0:0
site/fastapi/ 0755 0:0
site/fastapi/__init__.py 0644 0:0 "fastapi"
`
	if got := w.list(t, res.Image, ""); got != want {
		t.Errorf("got\n%s", got)
	}
	// The target chooses, and a stage that stands on another has its packages.
	res, _, err = w.build(t, cairn.BuildRequest{Context: dir, Target: "more"})
	if err != nil || len(res.Image.Layers) != 3 || res.Image.Layers[1].Role != cairn.LayerDeps {
		t.Errorf("%v %+v", err, res.Image)
	}
}

func TestPlatforms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addBase(t, "multi", "linux/amd64", pythonFiles(), nil)
	amd := w.images["docker.io/library/multi:latest"]
	arm := w.addBase(t, "multi2", "linux/arm64", pythonFiles(), nil)
	w.images["docker.io/library/multi:latest"] = &cairn.Image{Digest: "sha256:" + cairn.Digest(strings.Repeat("0", 64)), Manifests: []cairn.Digest{amd.Digest, arm.Digest}}
	dir := write(t, map[string]string{"a": "A", "Dockerfile": "FROM multi\nARG TARGETARCH\nENV ARCH=$TARGETARCH\nCOPY a /\n"})
	res, log, err := w.build(t, cairn.BuildRequest{Context: dir, Names: []string{"x:1"}, Platforms: []string{"linux/amd64,linux/arm64"}})
	if err != nil {
		t.Fatal(err, log)
	}
	if len(res.Image.Manifests) != 2 || len(w.builds) != 3 || len(w.builds[0].Names) != 0 || w.builds[2].Names[0] != "docker.io/library/x:1" {
		t.Errorf("%+v", w.builds)
	}
	for i, want := range []string{"ARCH=amd64", "ARCH=arm64"} {
		c := w.config(t, w.images["image/"+string(res.Image.Manifests[i])])
		if c.Config.Env[1] != want || c.Architecture != strings.TrimPrefix(want, "ARCH=") {
			t.Errorf("%v %s", c.Config.Env, c.Architecture)
		}
	}
	if _, _, err := w.build(t, cairn.BuildRequest{Context: dir, Platforms: []string{"linux/s390x"}}); cairn.CodeOf(err) != cairn.CodeNotFound || !strings.Contains(err.Error(), "linux/s390x") {
		t.Error(err)
	}
}

// TestBad holds the messages of what goes wrong, and that nothing is left behind.
func TestBad(t *testing.T) {
	t.Parallel()
	type bad struct {
		files  map[string]string
		change func(t *testing.T, w *world, r *cairn.BuildRequest)
	}
	base := "FROM python:3.11-slim\n"
	for name, c := range map[string]bad{
		"unknown-instruction": {files: map[string]string{"Dockerfile": base + "COPPY . .\n"}},
		"missing-file":        {files: map[string]string{"Dockerfile": base + "COPY requirments.txt .\n", "requirements.txt": "x"}},
		"missing-elsewhere":   {files: map[string]string{"Dockerfile": base + "COPY model.joblib .\n", "out/model.joblib": "x"}},
		"ignored-file":        {files: map[string]string{"Dockerfile": base + "COPY secret .\n", "secret": "x", ".dockerignore": "secret\n"}},
		"above-context":       {files: map[string]string{"Dockerfile": base + "COPY ../x .\n"}},
		"link-out":            {files: map[string]string{"Dockerfile": base + "COPY l .\n", "l": "-> /etc/passwd"}},
		"link-out-relative":   {files: map[string]string{"Dockerfile": base + "COPY d/l .\n", "d/l": "-> ../../etc/passwd"}},
		"link-circle":         {files: map[string]string{"Dockerfile": base + "COPY a .\n", "a": "-> b", "b": "-> a"}},
		"no-base":             {files: map[string]string{"Dockerfile": "FROM python:3.99\n"}},
		"no-stage":            {files: map[string]string{"Dockerfile": base + "FROM python:3.11-slim AS runtime\n"}, change: func(_ *testing.T, _ *world, r *cairn.BuildRequest) { r.Target = "runtme" }},
		"executor":            {files: map[string]string{"Dockerfile": base + "RUN apt-get update\nRUN pip install fastapi\nRUN make\n"}},
		"no-dockerfile":       {files: map[string]string{"Dockerfile.prod": base}},
		"from-nothing":        {files: map[string]string{"Dockerfile": base + "COPY --from=python:3.11-slim /nothing /x\n"}},
		"no-requirements":     {files: map[string]string{"Dockerfile": base + "WORKDIR /app\nRUN pip install -r requirements.txt\n", "requirements.txt": "x"}},
		"no-user":             {files: map[string]string{"Dockerfile": base + "COPY --chown=ap a /\n", "a": "x"}},
		"file-over-folder":    {files: map[string]string{"Dockerfile": base + "COPY d /\n", "d/tmp": "x"}},
		"folder-over-file":    {files: map[string]string{"Dockerfile": base + "COPY a /x\nCOPY a /x/y\n", "a": "x"}},
		"whiteout":            {files: map[string]string{"Dockerfile": base + "COPY . /\n", ".wh.tmp": "x"}},
		"too-many-files": {files: map[string]string{"Dockerfile": base + "COPY . /x/\n", "a": "x", "b": "x", "c": "x"}, change: func(_ *testing.T, w *world, _ *cairn.BuildRequest) {
			w.o.Limits = Limits{Files: 3}
			w.b = New(w.o)
		}},
		"too-many-bytes": {files: map[string]string{"Dockerfile": base + "COPY . /x/\n", "a": strings.Repeat("x", 2000)}, change: func(_ *testing.T, w *world, _ *cairn.BuildRequest) {
			w.o.Limits = Limits{Bytes: 1000}
			w.b = New(w.o)
		}},
		"long-config": {files: map[string]string{"Dockerfile": base + longConfig()}},
		"disk-full": {files: map[string]string{"Dockerfile": base + "COPY a /\n", "a": "x"}, change: func(_ *testing.T, w *world, _ *cairn.BuildRequest) {
			w.full = cairn.Errorf(cairn.CodeUnavailable, "the disk of the server is full").WithHint("make room and build again")
		}},
		"corrupt-layer": {files: map[string]string{"Dockerfile": base + "COPY a /\n", "a": "x"}, change: func(t *testing.T, w *world, _ *cairn.BuildRequest) {
			d := w.images["docker.io/library/python:3.11-slim"].Layers[0].Digest
			b := bytes.Clone(w.blobs[d])
			b[600] ^= 1
			w.blobs[d] = b
		}},
		"corrupt-config": {files: map[string]string{"Dockerfile": base}, change: func(t *testing.T, w *world, _ *cairn.BuildRequest) {
			w.blobs[w.images["docker.io/library/python:3.11-slim"].Config] = []byte("{}")
		}},
		"corrupt-archive": {files: map[string]string{"Dockerfile": base + "ADD t.tar /\n", "t.tar": cutTar(t)}},
		"xz-archive":      {files: map[string]string{"Dockerfile": base + "ADD t.tar.xz /\n", "t.tar.xz": "\xfd7zXZ\x00" + strings.Repeat("x", 100)}},
		"frontend":        {files: map[string]string{"Dockerfile": "# syntax=acme/lang:1\n" + base}},
		"bad-name":        {files: map[string]string{"Dockerfile": base}, change: func(_ *testing.T, _ *world, r *cairn.BuildRequest) { r.Names = []string{"acme/Api"} }},
		"wheel-missing": {files: map[string]string{"Dockerfile": base + "RUN pip install pkg-of-c\n"}, change: func(_ *testing.T, w *world, _ *cairn.BuildRequest) {
			w.deps.err = cairn.Errorf(cairn.CodeUnsupported, "pkg-of-c has no wheel for Python 3.11")
		}},
		"outside-dockerfile": {files: map[string]string{"a": "x"}, change: func(t *testing.T, _ *world, r *cairn.BuildRequest) {
			r.Dockerfile = filepath.Join(write(t, map[string]string{"Dockerfile": base + "COPY b /\n"}), "Dockerfile")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			r := cairn.BuildRequest{Context: write(t, c.files), Names: []string{"acme/api:1"}}
			if c.change != nil {
				c.change(t, w, &r)
			}
			res, _, err := w.build(t, r)
			if err == nil {
				t.Fatalf("it went well: %+v", res)
			}
			e := cairn.AsError(err)
			got := fmt.Sprintf("%s: %s\nhint: %s\n", e.Code, e.Error(), e.Hint)
			for _, p := range e.Problems {
				got += fmt.Sprintf("  %s: %s\n", p.Position, p.Message)
			}
			if r.Dockerfile != "" {
				got = strings.ReplaceAll(got, filepath.Dir(r.Dockerfile)+"/", "/outside/")
			}
			got = strings.ReplaceAll(got, r.Context, "/context")
			golden := filepath.Join("testdata", "bad", name+".golden")
			if *update {
				os.MkdirAll(filepath.Dir(golden), 0o755)
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, _ := os.ReadFile(golden)
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if len(w.builds) != 0 {
				t.Errorf("something was recorded: %+v", w.builds)
			}
		})
	}
}

// longConfig is lines whose values together are more than a configuration may hold.
func longConfig() string {
	s := "ENV A=" + strings.Repeat("x", 1000) + "\n" + strings.Repeat("ENV A=$A$A\n", 9)
	for i := range 20 {
		s += fmt.Sprintf("ENV B%d=$A\n", i)
	}
	return s
}

func cutTar(t *testing.T) string {
	var b bytes.Buffer
	if err := layer.Write(&b, []layer.File{text1("a", strings.Repeat("a", 2000)), text1("b", "b")}); err != nil {
		t.Fatal(err)
	}
	return b.String()[:1500]
}

// TestPipOfAnotherPython: packages go where the pip of the line would put them, or
// nowhere.
func TestPipOfAnotherPython(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"RUN python3.12 -m pip install a": "it installs for Python 3.12, and that of the image is 3.11",
		"RUN pip3.9 install a":            "it installs for Python 3.9, and that of the image is 3.11",
		"RUN pip install a\nENV PATH=/opt/venv/bin:$PATH\nRUN pip install b": "PATH or VIRTUAL_ENV is another one than at the pip lines above",
		"RUN pip3.11 install a": "",
	} {
		w := newWorld(t)
		_, _, err := w.build(t, cairn.BuildRequest{Context: write(t, map[string]string{"Dockerfile": "FROM python:3.11-slim\n" + line + "\n"})})
		if want == "" && err == nil {
			continue
		}
		if e := cairn.AsError(err); err == nil || e.Code != cairn.CodeUnsupported || len(e.Problems) != 1 || !strings.HasSuffix(e.Problems[0].Message, want) {
			t.Errorf("%s: %v %+v", line, err, e)
		}
	}

	w := newWorld(t)
	for _, lines := range []string{"RUN pip install a\n", "ENV VIRTUAL_ENV=/opt/venv\nENV PATH=$VIRTUAL_ENV/bin:$PATH\nRUN pip install a\n", "RUN pip install b\n"} {
		w.deps.env = nil
		if _, _, err := w.build(t, cairn.BuildRequest{Context: write(t, map[string]string{"Dockerfile": "FROM python:3.11-slim\n" + lines})}); err != nil {
			t.Fatal(err)
		}
		own := strings.HasPrefix(value(w.deps.env, "PATH"), "/opt/venv/bin:") && value(w.deps.env, "VIRTUAL_ENV") == "/opt/venv"
		if want := strings.Contains(lines, "VIRTUAL_ENV"); own != want {
			t.Errorf("%s: the Python was looked for with %q", lines, w.deps.env)
		}
	}
}

// TestLocalServer: the port that a server happens to have is not in the image.
func TestLocalServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	seen := map[cairn.Digest]bool{}
	for _, u := range []string{"http://127.0.0.1:7077", "http://localhost:7078/", "http://[::1]:80", ""} {
		res, _, err := w.build(t, cairn.BuildRequest{Context: write(t, map[string]string{"Dockerfile": "FROM python:3.11-slim\n"}),
			Env: map[string]string{"GITHUB_REPOSITORY": "acme/api", "GITHUB_SERVER_URL": u}})
		if err != nil {
			t.Fatal(err)
		}
		seen[res.Image.Digest] = true
		if got := w.config(t, res.Image).Config.Labels[labelSource]; got != "acme/api" {
			t.Errorf("%q: %q", u, got)
		}
	}
	if len(seen) != 1 {
		t.Errorf("%d images", len(seen))
	}
}

// TestFrontend: docker's own frontend is built in, and a directive that names
// nothing is none.
func TestFrontend(t *testing.T) {
	t.Parallel()
	for _, syntax := range []string{"docker/dockerfile:1", "docker.io/docker/dockerfile:1.7 ", "\u00a0", ""} {
		w := newWorld(t)
		dir := write(t, map[string]string{"Dockerfile": "# syntax=" + syntax + "\nFROM python:3.11-slim\nCOPY a /\n", "a": "x"})
		if _, _, err := w.build(t, cairn.BuildRequest{Context: dir}); err != nil {
			t.Errorf("%q: %v", syntax, err)
		}
	}
}

// TestTemporaryFiles holds that a build leaves nothing behind, also when it fails.
func TestTemporaryFiles(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	w := newWorld(t)
	for _, lines := range []string{"COPY --from=python:3.11-slim /etc /e\nRUN pip install a\n", "COPY --from=python:3.11-slim /etc /e\nCOPY nothing /\n"} {
		w.build(t, cairn.BuildRequest{Context: write(t, map[string]string{"Dockerfile": "FROM python:3.11-slim\n" + lines})})
	}
	left, err := filepath.Glob(filepath.Join(tmp, "cairn-build-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestFactsAreKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := write(t, map[string]string{"Dockerfile": "FROM python:3.11-slim\nCOPY --chown=app a /lib/\n", "a": "x"})
	first, _, err := w.build(t, cairn.BuildRequest{Context: dir})
	if err != nil {
		t.Fatal(err)
	}
	// The layer is not read any more: the facts about it are there.
	delete(w.blobs, first.Image.Layers[0].Digest)
	w.blobs[first.Image.Layers[0].Digest] = []byte("not a layer")
	again, _, err := w.build(t, cairn.BuildRequest{Context: dir})
	if err != nil || again.Image.Digest != first.Image.Digest {
		t.Error(err)
	}
	// Kept facts that are broken are gathered anew.
	files, _ := filepath.Glob(filepath.Join(w.o.Cache, "bases", "*"))
	if len(files) != 1 {
		t.Fatal(files)
	}
	if err := os.WriteFile(files[0], []byte("broken"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.build(t, cairn.BuildRequest{Context: dir}); err == nil {
		t.Error("the damaged layer was not looked at")
	}
}

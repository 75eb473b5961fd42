package dockerfile

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
)

var update = flag.Bool("update", false, "write the golden files anew")

// python is the base that tests build on.
func python() *Base {
	b := &Base{Name: "docker.io/library/python:3.11-slim"}
	b.Config.OS, b.Config.Architecture = "linux", "amd64"
	b.Config.Config.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "PYTHON_VERSION=3.11.9"}
	b.Config.Config.Cmd = []string{"python3"}
	return b
}

func finder(_ context.Context, name, platform string) (*Base, error) {
	switch name {
	case "python:3.11-slim", "python":
		return python(), nil
	case "onbuild":
		b := python()
		b.Config.Config.OnBuild = []string{"COPY . /src", "WORKDIR /src", "ENV TRIGGERED=yes"}
		return b, nil
	case "badonbuild":
		b := python()
		b.Config.Config.OnBuild = []string{"FROM x"}
		return b, nil
	}
	return nil, cairn.Errorf(cairn.CodeNotFound, "the image %s cannot be had", name).WithHint("look at its name")
}

func evaluate(t *testing.T, src string, o Options) (*Plan, error) {
	t.Helper()
	f, err := Parse("Dockerfile", []byte(src))
	if err != nil {
		return nil, err
	}
	if o.Platform == "" {
		o.Platform = "linux/amd64"
	}
	o.Base = finder
	return f.Evaluate(context.Background(), o)
}

// show is a plan as text, for golden files.
func show(p *Plan) string {
	var b strings.Builder
	for _, s := range p.Stages {
		fmt.Fprintf(&b, "stage %d %q from %s (%s)\n", s.Index, s.Name, s.BaseName, s.Platform)
		for _, op := range s.Ops {
			switch {
			case op.Copy != nil:
				c := op.Copy
				from := "context"
				if c.Stage != nil {
					from = fmt.Sprintf("stage %d", c.Stage.Index)
				} else if c.Image != nil {
					from = c.Image.Name
				}
				fmt.Fprintf(&b, "  %d copy %v from %s to %s", op.Line, c.Sources, from, c.Dest)
				for _, i := range c.Inline {
					fmt.Fprintf(&b, " inline %s=%q", i.Name, i.Data)
				}
				for _, kv := range [][2]string{{"chown", c.Chown}, {"chmod", c.Chmod}, {"exclude", strings.Join(c.Exclude, ",")}} {
					if kv[1] != "" {
						fmt.Fprintf(&b, " %s=%s", kv[0], kv[1])
					}
				}
				if c.Parents {
					b.WriteString(" parents")
				}
				if c.Unpack {
					b.WriteString(" unpack")
				}
				b.WriteByte('\n')
			case op.Pip != nil:
				p := op.Pip
				fmt.Fprintf(&b, "  %d pip files=%v constraints=%v packages=%q args=%q mounts=%v env=%v\n", op.Line, p.Files, p.Constraints, p.Packages, p.Args, p.Mounts, p.Env)
			default:
				fmt.Fprintf(&b, "  %d folders %v\n", op.Line, op.Dirs)
			}
		}
		for _, n := range s.Needs {
			fmt.Fprintf(&b, "  %d needs an executor: %s: %s\n", n.Line, n.Text, n.Reason)
		}
	}
	c, _ := json.MarshalIndent(p.Target.Image.Config, "", "  ")
	fmt.Fprintf(&b, "config %s\n", c)
	for _, w := range p.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", w)
	}
	return b.String()
}

// TestGolden evaluates testdata/*.dockerfile. The first line may hold options:
// "#!target=x arg:K=V platform=…".
func TestGolden(t *testing.T) {
	t.Parallel()
	files, _ := filepath.Glob("testdata/*.dockerfile")
	if len(files) == 0 {
		t.Fatal("no files")
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			src, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			o := Options{Args: map[string]string{}}
			if first, _, _ := strings.Cut(string(src), "\n"); strings.HasPrefix(first, "#!") {
				for _, kv := range strings.Fields(first[2:]) {
					k, v, _ := strings.Cut(kv, "=")
					switch {
					case k == "target":
						o.Target = v
					case k == "platform":
						o.Platform = v
					case strings.HasPrefix(k, "arg:"):
						o.Args[k[4:]] = v
					}
				}
			}
			p, err := evaluate(t, string(src), o)
			var got string
			if err != nil {
				e := cairn.AsError(err)
				got = fmt.Sprintf("error %s: %s\nhint: %s\n", e.Code, e.Error(), e.Hint)
			} else {
				got = show(p)
				if n := p.Needs(); len(n) > 0 {
					f, _ := Parse("Dockerfile", src)
					e := f.NeedsError(n)
					got += fmt.Sprintf("error %s: %s\n", e.Code, e.Error())
					for _, pr := range e.Problems {
						got += fmt.Sprintf("  %s: %s\n", pr.Position, pr.Message)
					}
				}
			}
			golden := strings.TrimSuffix(name, ".dockerfile") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, _ := os.ReadFile(golden)
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestRunLines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		line, packages, files, args, need string
	}{
		{line: "pip install -r requirements.txt", files: "/app/requirements.txt"},
		{line: "pip install --no-cache-dir --upgrade -r /code/requirements.txt", files: "/code/requirements.txt"},
		{line: "pip3 install -rreq.txt -cc.txt", files: "/app/req.txt"},
		{line: "python -m pip install fastapi 'uvicorn[standard]==0.30' \"httpx>=0.27\"", packages: "fastapi uvicorn[standard]==0.30 httpx>=0.27"},
		{line: "pip install uvicorn[standard]", packages: "uvicorn[standard]"},
		{line: "python3.11 -m pip install --upgrade pip", packages: ""},
		{line: "pip install --upgrade pip && pip install fastapi", packages: "fastapi"},
		{line: "pip install -U pip setuptools wheel", packages: ""},
		{line: "PIP_NO_CACHE_DIR=1 pip install fastapi; rm -rf /root/.cache", packages: "fastapi"},
		{line: "pip install --index-url https://x/simple --extra-index-url=https://y/simple a", packages: "a", args: "--index-url https://x/simple --extra-index-url https://y/simple"},
		{line: "pip install --root-user-action=ignore --progress-bar off a", packages: "a"},
		{line: "--mount=type=cache,target=/root/.cache/pip pip install a", packages: "a"},
		{line: "--mount=type=bind,source=r.txt,target=/tmp/r.txt pip install -r /tmp/r.txt", files: "/tmp/r.txt"},
		{line: "--mount=type=secret,id=x pip install a", need: "mounts a secret"},
		{line: `["pip", "install", "a"]`, packages: "a"},
		{line: "pip install $PKG", packages: "numpy"},
		{line: "pip install ${PKG}==1", packages: "numpy==1"},
		{line: "pip install $MISSING", need: "only known in the container"},
		{line: "pip install .", need: "builds the package ."},
		{line: "pip install -e .", need: "development mode"},
		{line: "pip install git+https://x/y", need: "from an address"},
		{line: "pip install --target /x a", need: "another place"},
		{line: "pip install --frobnicate a", need: "--frobnicate"},
		{line: "pip install a > /dev/null", need: "redirects"},
		{line: "pip install a || true", need: "a pipe"},
		{line: "pip install a & pip install b", need: "background"},
		{line: "apt-get update && apt-get install -y gcc", need: "runs apt-get"},
		{line: "mkdir -p /data logs && true"},
		{line: "mkdir /data", need: "without -p"},
		{line: "rm -rf /var/lib", need: "removes /var/lib"},
		{line: "rm -rf ~/.cache/pip"},
		{line: "echo $(date)", need: "shell script"},
		{line: "useradd app", need: "runs useradd"},
		{line: "uv pip install --system a", packages: "a"},
		{line: "uv pip install a", need: "virtual environment"},
		{line: "pip uninstall a", need: "pip uninstall"},
		{line: "./setup.sh", need: "runs ./setup.sh"},
		{line: "--network=none pip install a", need: "--network"},
		{line: "pip", need: "not told"},
		{line: "/usr/local/bin/pip install a", packages: "a"},
		{line: "/usr/local/bin/python3.11 -m pip install a", packages: "a"},
		{line: "/opt/venv/bin/pip install a", need: "runs /opt/venv/bin/pip"},
		{line: "/opt/venv/bin/python -m pip install a", need: "runs /opt/venv/bin/python"},
	} {
		p, err := evaluate(t, "FROM python\nWORKDIR /app\nENV PKG=numpy\nRUN "+c.line+"\n", Options{})
		if err != nil {
			t.Errorf("%s: %v", c.line, err)
			continue
		}
		var packages, files, args []string
		for _, op := range p.Target.Ops {
			if op.Pip != nil {
				packages, files, args = append(packages, op.Pip.Packages...), append(files, op.Pip.Files...), append(args, op.Pip.Args...)
			}
		}
		need := ""
		if n := p.Needs(); len(n) > 0 {
			need = n[0].Reason
		}
		if (c.need == "") != (need == "") || !strings.Contains(need, c.need) {
			t.Errorf("%s: needs %q, want %q", c.line, need, c.need)
		}
		if strings.Join(packages, " ") != c.packages || strings.Join(files, " ") != c.files || strings.Join(args, " ") != c.args {
			t.Errorf("%s: packages %q files %q args %q", c.line, packages, files, args)
		}
	}
}

// TestExpansionInAll: nor do many words that are within bounds each.
func TestExpansionInAll(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("FROM python\nENV A=" + strings.Repeat("x", 1000) + "\n")
	for range 9 {
		b.WriteString("ENV A=$A$A\n")
	}
	for i := range 200 {
		fmt.Fprintf(&b, "ENV B%d=$A\n", i)
	}
	_, err := evaluate(t, b.String(), Options{})
	if e := cairn.AsError(err); err == nil || e.Code != cairn.CodeTooLarge || e.Position == nil {
		t.Error(err)
	}
}

func TestRequirementLine(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": " ", "# x": " ", "a==1 # note": "package a==1", "-r base.txt": "requirement base.txt", "-rbase.txt": "requirement base.txt",
		"--requirement=x.txt": "requirement x.txt", "-c c.txt": "constraint c.txt", "--constraint c.txt": "constraint c.txt",
		"--index-url https://x": "package --index-url https://x",
	} {
		kind, v := RequirementLine(in)
		if kind+" "+v != want {
			t.Errorf("%q: %q %q", in, kind, v)
		}
	}
}

func TestExpansionIsBounded(t *testing.T) {
	t.Parallel()
	src := "FROM scratch\nENV A=0123456789012345678901234567890123456789\n" + strings.Repeat("ENV A=$A$A$A$A\n", 40)
	_, err := evaluate(t, src, Options{})
	if cairn.CodeOf(err) != cairn.CodeTooLarge {
		t.Fatal(err)
	}
}

func TestPlatforms(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"linux/amd64": "linux/amd64", "arm64": "linux/arm64", "linux/arm64/v8": "linux/arm64", "linux/x86_64": "linux/amd64",
		"linux/arm/v6": "linux/arm/v6", "linux/arm": "linux/arm/v7", "aarch64": "linux/arm64",
		"": "", "linux": "", "a/b/c/d": "", "linux/../x": "linux/../x", "x y": "",
	} {
		got, err := ParsePlatform(in)
		if in == "linux/../x" {
			continue
		}
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q %v", in, got, err)
		}
	}
}

func TestIgnore(t *testing.T) {
	t.Parallel()
	i, err := ParseIgnore(".dockerignore", []byte("# c\n*.pyc\n/secret\n**/tmp\n!secret/keep\n"))
	if err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]bool{"a.pyc": true, "x/a.pyc": false, "secret": true, "secret/x": true, "secret/keep": false, "x/tmp": true, "x/tmp/y": true, "main.py": false} {
		var st State
		var got bool
		parts := strings.Split(p, "/")
		for n := range parts {
			if got, st, err = i.Match(strings.Join(parts[:n+1], "/"), st); err != nil {
				t.Fatal(err)
			}
		}
		if got != want {
			t.Errorf("%s: %v", p, got)
		}
	}
	if _, err := ParseIgnore("x", []byte("[a\n")); cairn.CodeOf(err) != cairn.CodeInvalid {
		t.Error(err)
	}
}

// FuzzEvaluate holds that nothing a file can say breaks the reader, that errors
// are ours, and that it says the same twice.
func FuzzEvaluate(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.dockerfile")
	for _, name := range files {
		b, _ := os.ReadFile(name)
		f.Add(string(b))
	}
	f.Fuzz(func(t *testing.T, src string) {
		p, err := evaluate(t, src, Options{Args: map[string]string{"X": "y"}})
		if err != nil {
			if c := cairn.CodeOf(err); !slices.Contains([]cairn.Code{cairn.CodeInvalid, cairn.CodeNotFound, cairn.CodeTooLarge, cairn.CodeUnsupported}, c) {
				t.Fatalf("%s: %v", c, err)
			}
			return
		}
		again, err := evaluate(t, src, Options{Args: map[string]string{"X": "y"}})
		if err != nil || show(again) != show(p) {
			t.Fatalf("not the same twice: %v", err)
		}
	})
}

package local

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/deploy"
)

// fakeEngine is a docker that writes down what it is asked, and runs the program
// of the image without a container.
const fakeEngine = `#!/bin/sh
echo "$*" >>"$DOCKER_HOST/calls"
case "$1" in
ps) echo 1234 ;;
version) test ! -e "$DOCKER_HOST/down" || { echo "Cannot connect to the Docker daemon" >&2; exit 1; } ;;
image) test -e "$DOCKER_HOST/image.tar" ;;
load) cat >"$DOCKER_HOST/image.tar" ;;
run)
	env >"$DOCKER_HOST/env"
	while test $# -gt 0; do
		case "$1" in
		-p) publish=$2 ;;
		--env-file) cp "$2" "$DOCKER_HOST/file" ;;
		esac
		shift
	done
	publish=${publish#127.0.0.1:}
	PORT=${publish%%:*} exec "$DOCKER_HOST/api" ;;
esac
`

// noEngine stands before a Podman of this machine.
const noEngine = "#!/bin/sh\nexit 125\n"

func newEngine(t *testing.T) *place {
	t.Helper()
	dir := t.TempDir()
	p := newPlace(t, func(o *Options) {
		o.Serving = ServeAuto
		o.Environ = append(o.Environ, "PATH="+dir+":"+os.Getenv("PATH"), "DOCKER_HOST="+dir)
	})
	for name, text := range map[string]string{"docker": fakeEngine, "podman": noEngine, "api": program(t)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func (p *place) engineFile(name string) string {
	b, _ := os.ReadFile(filepath.Join(lookup(p.o.Environ, "DOCKER_HOST"), name))
	return string(b)
}

func TestContainerWhereAnEngineAnswers(t *testing.T) {
	t.Parallel()
	p := newEngine(t)
	layer := p.blobs.layer(cairn.LayerCode, map[string]string{"app/main.py": "app = 1"})
	img := p.blobs.image(config{"Cmd": []string{"uvicorn", "main:app", "--port", "80"}, "ExposedPorts": map[string]any{"9000/tcp": map[string]any{}}}, runtime.GOARCH, layer, layer)
	r := p.request(4, img)
	r.Config.Memory, r.Config.CPU = 1<<30, 1.5
	r.Config.Variables = []cairn.NamedText{{Name: "SECRET", Value: "s3cr3t\nof two lines"}, {Name: "HOME", Value: "/home/api"}}
	if err := p.deploy(r); err != nil {
		t.Fatal(err)
	}
	calls := strings.Split(strings.TrimSpace(p.engineFile("calls")), "\n")
	run := calls[len(calls)-1]
	for _, want := range []string{
		"run --rm --name cairn-" + p.mark + "-1-", " --label cairn.stage=" + p.markOf(1) + " -p 127.0.0.1:", ":80 ", " -e SECRET ", " -e PORT ", " -e API_VERSION ", " --memory 1073741824 ", " --cpus 1.5 ",
		" --entrypoint uvicorn cairn.local/serve:" + short(img.Digest) + " main:app --port 80 --host 0.0.0.0",
	} {
		if !strings.Contains(run, want) {
			t.Errorf("%q is not in %s", want, run)
		}
	}
	if all := strings.Join(calls, "\n"); strings.Contains(all, "s3cr3t") {
		t.Error("a value is an argument")
	}
	if env := p.engineFile("env"); !strings.Contains(env, "SECRET=s3cr3t\n") || !strings.Contains(env, "PORT=80\n") || strings.Contains(env, "CAIRN_TOKEN") {
		t.Errorf("environment of the engine: %s", env)
	}
	if got := p.engineFile("file"); got != "HOME=/home/api\n" {
		t.Errorf("env file %q", got)
	}
	var names []string
	for tr := tar.NewReader(strings.NewReader(p.engineFile("image.tar"))); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		if h.Name == "manifest.json" {
			b, _ := io.ReadAll(tr)
			l := hexOf(layer.Digest) + ".tar"
			if !strings.HasSuffix(string(b), `"RepoTags":["cairn.local/serve:`+short(img.Digest)+`"],"Layers":["`+l+`","`+l+`"]}]`) {
				t.Errorf("manifest %s", b)
			}
		}
	}
	if len(names) != 3 || !slices.Contains(names, hexOf(layer.Digest)+".tar") {
		t.Errorf("the archive holds %v", names)
	}
	if err := p.Stop(t.Context(), p.stage); err != nil {
		t.Fatal(err)
	}
	if calls := p.engineFile("calls"); !strings.HasSuffix(calls, "ps -aq --filter label=cairn.stage="+p.markOf(1)+"\nrm -f 1234\n") {
		t.Errorf("the container was not removed: %s", calls)
	}
}

// What is run does not depend on the deployment, so that one that is kept warm is
// taken again: not even where variables need a file.
func TestContainersOfTwoDeploymentsAreTheSame(t *testing.T) {
	t.Parallel()
	p := newEngine(t)
	img := p.blobs.image(config{"Cmd": []string{"api"}}, runtime.GOARCH, p.blobs.layer(cairn.LayerCode, map[string]string{"app/main.py": "app = 1"}))
	prepare := func(d cairn.DeploymentID, home string) cairn.ExecSpec {
		r := p.request(d, img)
		r.Facts.APIVersion = "v1"
		r.Config.Variables = []cairn.NamedText{{Name: "HOME", Value: home}}
		made, err := p.prepare(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return made.exec
	}
	one, other, two := prepare(1, "/a"), prepare(2, "/b"), prepare(3, "/a")
	if !slices.Equal(one.Args, two.Args) || slices.Equal(one.Args, other.Args) {
		t.Errorf("%q\n%q\n%q", one.Args, other.Args, two.Args)
	}
	p.clean(p.folder(p.stage.ID), map[cairn.DeploymentID]bool{3: true})
	i := slices.Index(two.Args, "--env-file")
	if b, err := os.ReadFile(two.Args[i+1]); err != nil || string(b) != "HOME=/a\n" {
		t.Errorf("%q %v", b, err)
	}
	p.clean(p.folder(p.stage.ID), nil)
	if left, _ := filepath.Glob(p.folder(p.stage.ID).made() + "/*"); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestEngineThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	p := newEngine(t)
	if err := os.WriteFile(filepath.Join(lookup(p.o.Environ, "DOCKER_HOST"), "down"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(p.folder(1).made(), 0o700); err != nil {
		t.Fatal(err)
	}
	mode, _, err := p.choose(t.Context(), p.folder(1), &plan{})
	if err != nil || mode == modeContainer {
		t.Errorf("auto: %s, %v", mode, err)
	}
	p.Target.o.Serving = ServeContainer
	_, _, err = p.choose(t.Context(), p.folder(1), &plan{})
	if cairn.CodeOf(err) != cairn.CodeUnavailable || !strings.Contains(err.Error(), "no container can be run:") {
		t.Errorf("container: %v", err)
	}
}

// With CAIRN_TEST_DOCKER=1 the engine of this machine runs the image.
func TestContainerForReal(t *testing.T) {
	if os.Getenv("CAIRN_TEST_DOCKER") != "1" {
		t.Skip("CAIRN_TEST_DOCKER=1 runs it")
	}
	p := newPlace(t, func(o *Options) {
		o.Serving = ServeContainer
		if at := os.Getenv("DOCKER_HOST"); at != "" {
			o.Environ = append(o.Environ, "DOCKER_HOST="+at)
		}
	})
	img := p.blobs.image(config{"Entrypoint": []string{"api"}, "Cmd": []string{"all"}, "Env": []string{"PATH=/usr/bin", "MINE=1"}, "WorkingDir": "/app"}, runtime.GOARCH,
		p.blobs.layer(cairn.LayerBase, map[string]string{"usr/bin/api!": program(t), "app/data.txt": "inside"}))
	r := p.request(1, img)
	r.Config.Memory = 256 << 20
	r.Config.Variables = []cairn.NamedText{{Name: "HOME", Value: "/here"}, {Name: "SECRET", Value: "two\nlines"}}
	if err := p.deploy(r); err != nil {
		var out strings.Builder
		_ = p.Logs(t.Context(), p.stage, deploy.LogRequest{Deployment: 1}, &out)
		t.Fatal(err, out.String())
	}
	var a answer
	until(t, "it answers", func() (ok bool) {
		got, err := p.ask()
		a = got
		return err == nil
	})
	if a.Env["HOME"] != "/here" || a.Env["SECRET"] != "two\nlines" || a.Env["MINE"] != "1" || a.Env["PATH"] != "/usr/bin" || a.Env["GIT_SHA"] == "" ||
		a.Env["PORT"] != "8000" || a.Data != "inside" {
		t.Errorf("%+v", a)
	}
	if err := p.Stop(t.Context(), p.stage); err != nil {
		t.Fatal(err)
	}
	left, err := exec.Command("docker", "ps", "-aq", "--filter", "label="+label+"="+p.markOf(1)).Output()
	if err != nil || len(left) > 0 {
		t.Errorf("containers are left: %s, %v", left, err)
	}
	if out, err := exec.Command("docker", "rmi", "cairn.local/serve:"+short(img.Digest)).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

package local

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/deploy"
	"github.com/cairn-ml/cairn/internal/deploy/local/enter"
	"github.com/cairn-ml/cairn/internal/proc"
)

func TestRootOfAnImageServes(t *testing.T) {
	t.Parallel()
	p := newPlace(t, nil)
	img := p.api(t, config{"Cmd": []string{"api", "serve"}, "Env": []string{"PATH=/bin", "GIT_SHA=image", "MINE=1", "MLFLOW_TRACKING_URI=http://elsewhere"},
		"WorkingDir": "/app", "User": "api"})
	r := p.request(1, img)
	r.Config.Variables = []cairn.NamedText{{Name: "MODEL_NAME", Value: "by the stage"}, {Name: "PORT", Value: "80"}, {Name: "SECRET", Value: "s3cr3t"}}
	if err := p.deploy(r); err != nil {
		t.Fatal(err)
	}
	a := p.mustAsk()
	for name, want := range map[string]string{
		"API_VERSION": "v1.2.3", "MODEL_NAME": "by the stage", "MODEL_VERSION": "7", "GIT_SHA": strings.Repeat("a", 40), "CAIRN_RELEASE": "abcdef123456",
		"MINE": "1", "SECRET": "s3cr3t", "MLFLOW_TRACKING_URI": "http://elsewhere", "CAIRN_URL": "http://127.0.0.1:7077", "CAIRN_TOKEN": "",
		"PATH": "/bin", "HOME": "/home/api",
	} {
		if a.Env[name] != want {
			t.Errorf("%s is %q, not %q", name, a.Env[name], want)
		}
	}
	if a.Env["PORT"] == "80" || a.Dir != "/app" || a.Data != "shared" {
		t.Errorf("%+v", a)
	}
	if os.Geteuid() == 0 && a.UID != 1000 {
		t.Errorf("it runs as %d", a.UID)
	}
	cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", a.PID))
	if bytes.Contains(cmdline, []byte("s3cr3t")) {
		t.Error("a value is an argument")
	}
	// Once more is the same deployment.
	if err := p.deploy(r); err != nil {
		t.Fatal(err)
	}
	if again := p.mustAsk(); again.PID != a.PID || len(p.events) < 2 || p.events[0].Mode != "root" || p.events[len(p.events)-1].Kind != cairn.StageEvLive {
		t.Errorf("a second request started it again: %+v", p.events)
	}
	var out bytes.Buffer
	if err := p.Logs(context.Background(), cairn.Stage{ID: 1, Live: 1}, deploy.LogRequest{Lines: 1}, &out); err != nil || out.String() != "the API starts\n" {
		t.Errorf("log %q, %v", out.String(), err)
	}
	if err := p.Stop(context.Background(), p.stage); err != nil {
		t.Fatal(err)
	}
	p.nothingRuns(a.PID)
	if es, _ := os.ReadDir(p.folder(1).made()); len(es) > 0 {
		t.Errorf("left: %v", es)
	}
}

func (p *place) nothingRuns(some ...int) {
	p.t.Helper()
	for _, pid := range some {
		if proc.Start(pid) != 0 {
			p.t.Errorf("process %d is left", pid)
		}
	}
	for _, q := range proc.All() {
		if proc.Carries(q.PID, markVariable, p.markOf(1)) {
			p.t.Errorf("process %d is left", q.PID)
		}
	}
	if st, err := p.Status(context.Background(), p.stage); st != nil || err != nil {
		p.t.Errorf("it still answers: %+v, %v", st, err)
	}
}

func TestStagesAreKept(t *testing.T) {
	t.Parallel()
	p := newPlace(t, nil)
	img := p.api(t, config{"Cmd": []string{"/bin/api"}, "Env": []string{"PATH=/bin"}})
	if err := p.deploy(p.request(1, img)); err != nil {
		t.Fatal(err)
	}
	first := p.folder(1).identity()
	p.again() // the owner was killed: the process goes on
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.Keep(ctx, func(context.Context) ([]cairn.Stage, error) { return []cairn.Stage{p.stage}, nil })
	}()
	for range 3 {
		id := p.folder(1).identity()
		if !id.Alive() {
			t.Fatal("the process of the stage is gone")
		}
		if err := id.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		until(t, "it answers again", func() bool {
			_, err := p.ask()
			return err == nil && p.folder(1).identity() != id
		})
	}
	if p.folder(1).identity() == first {
		t.Error("it was not started again")
	}
	cancel()
	<-done
	a := p.mustAsk()
	// A process that was killed leaves programs that only their mark tells of.
	if err := p.folder(1).identity().Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	until(t, "it ended", func() bool { return !p.folder(1).identity().Alive() })
	if err := p.Stop(context.Background(), p.stage); err != nil {
		t.Fatal(err)
	}
	p.nothingRuns(a.PID)
}

// A process that answers no more is not waited for, and can be ended.
func TestProcessThatHangs(t *testing.T) {
	t.Parallel()
	p := newPlace(t, nil)
	p.silence = 60 * time.Millisecond
	r := p.request(1, p.api(t, config{"Cmd": []string{"/bin/api", "hang"}}))
	err := p.Deploy(t.Context(), r, func(ev cairn.StageEvent) {
		if ev.Kind == cairn.StageEvStarted {
			if err := p.folder(1).identity().Signal(syscall.SIGSTOP); err != nil {
				t.Error(err)
			}
		}
	})
	if cairn.CodeOf(err) != cairn.CodeUnavailable || !strings.HasPrefix(err.Error(), "stage staging: the stage's process does not answer") ||
		cairn.AsError(err).Hint != "cairn stop staging ends it by force; then deploy again" {
		t.Errorf("%v", err)
	}
	id := p.folder(1).identity()
	if err := p.Stop(t.Context(), p.stage); err != nil || id.Alive() {
		t.Error(err)
	}
}

func TestWhatCannotBeServed(t *testing.T) {
	t.Parallel()
	p := newPlace(t, nil)
	good := map[string]string{"bin/api!": program(t), "bin/uvicorn!": "#!/usr/bin/python3\n", "bin/plain": "x"}
	base := p.blobs.layer(cairn.LayerBase, good)
	damaged := p.blobs.layer(cairn.LayerCode, map[string]string{"app/x": "1"})
	p.blobs.m[damaged.Digest] = []byte("other bytes")
	other := map[string]string{"amd64": "arm64", "arm64": "amd64"}[runtime.GOARCH]
	path := []string{"PATH=/usr/bin:/bin"}
	missing := p.blobs.image(config{"Cmd": []string{"api"}}, runtime.GOARCH, base)
	missing.Digest = cairn.SumBytes([]byte("nowhere"))
	for name, c := range map[string]struct {
		img     cairn.Image
		command []string
		code    cairn.Code
		want    string
	}{
		"another architecture":  {p.blobs.image(config{"Cmd": []string{"api"}}, other, base), nil, cairn.CodeInvalid, "the image api:main is for linux/" + other + "; this machine is linux/"},
		"no command":            {p.blobs.image(config{}, runtime.GOARCH, base), nil, cairn.CodeInvalid, "says no command: it has neither CMD nor ENTRYPOINT"},
		"a program not there":   {p.blobs.image(config{"Cmd": []string{"uvicron", "main:app"}, "Env": path}, runtime.GOARCH, base), nil, cairn.CodeInvalid, "the command uvicron is not in the image api:main: looked for in /usr/bin:/bin"},
		"a path not there":      {p.blobs.image(config{"Cmd": []string{"./run.sh"}, "Env": path, "WorkingDir": "/app"}, runtime.GOARCH, base), nil, cairn.CodeInvalid, "the command ./run.sh is not in the image"},
		"of the stage":          {p.blobs.image(config{"Cmd": []string{"api"}, "Env": path}, runtime.GOARCH, base), []string{"nothing"}, cairn.CodeInvalid, "the command nothing is not in the image"},
		"no program":            {p.blobs.image(config{"Cmd": []string{"plain"}, "Env": path}, runtime.GOARCH, base), nil, cairn.CodeInvalid, "the command plain is not in the image"},
		"a user not there":      {p.blobs.image(config{"Cmd": []string{"api"}, "Env": path, "User": "app"}, runtime.GOARCH, base), nil, cairn.CodeInvalid, `the image's user "app" is not in its /etc/passwd`},
		"a damaged layer":       {p.blobs.image(config{"Cmd": []string{"api"}}, runtime.GOARCH, base, damaged), nil, cairn.CodeFailed, "the image api:main cannot be unpacked: the layer " + string(damaged.Digest) + " is damaged"},
		"no manifest":           {missing, nil, cairn.CodeNotFound, "is not whole here"},
		"one that ends at once": {p.blobs.image(config{"Cmd": []string{"api", "exit"}, "Env": path}, runtime.GOARCH, base), nil, cairn.CodeFailed, "the program ended"},
	} {
		r := p.request(9, c.img)
		r.Config.Command = c.command
		err := p.deploy(r)
		if cairn.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v (%s)", name, err, cairn.CodeOf(err))
		}
		if name == "a program not there" && !strings.HasPrefix(cairn.AsError(err).Hint, "did you mean uvicorn?") {
			t.Errorf("%s: hint %q", name, cairn.AsError(err).Hint)
		}
		if name == "one that ends at once" {
			last := p.events[len(p.events)-1]
			if last.Kind != cairn.StageEvFailed || !slices.Contains(last.Log, "no model") {
				t.Errorf("%s: %+v", name, last)
			}
		}
	}
	es, _ := os.ReadDir(p.rootsDir())
	for _, e := range es {
		if strings.HasPrefix(e.Name(), unfinished) {
			t.Errorf("%s is left", e.Name())
		}
	}
}

func TestPortThatIsTaken(t *testing.T) {
	t.Parallel()
	p := newPlace(t, nil)
	l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(p.stage.Port))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	err = p.deploy(p.request(1, p.api(t, config{"Cmd": []string{"/bin/api"}})))
	want := fmt.Sprintf("port %d of the stage staging is taken by ", p.stage.Port)
	if cairn.CodeOf(err) != cairn.CodeConflict || !strings.HasPrefix(err.Error(), want) || !strings.HasSuffix(err.Error(), fmt.Sprintf(", pid %d", os.Getpid())) {
		t.Fatalf("%v", err)
	}
}

func TestProcessThatDoesNotStart(t *testing.T) {
	t.Parallel()
	p := newPlace(t, func(o *Options) { o.Stage = []string{"/bin/sh", "-c", "echo it breaks; exit 3"} })
	err := p.deploy(p.request(1, p.api(t, config{"Cmd": []string{"/bin/api"}})))
	if cairn.CodeOf(err) != cairn.CodeUnavailable || !strings.Contains(err.Error(), "ended at once: it breaks") {
		t.Fatalf("%v", err)
	}
}

func TestUnpackedImagesAreSharedAndCleanedUp(t *testing.T) {
	t.Parallel()
	p := newPlace(t, nil)
	one := p.api(t, config{"Cmd": []string{"/bin/api"}})
	if err := p.deploy(p.request(1, one)); err != nil {
		t.Fatal(err)
	}
	base := one.Layers[0]
	two := p.blobs.image(config{"Cmd": []string{"/bin/api"}}, runtime.GOARCH, base, p.blobs.layer(cairn.LayerCode, map[string]string{"app/data.txt": "changed"}))
	if err := p.deploy(p.request(2, two)); err != nil {
		t.Fatal(err)
	}
	if a := p.mustAsk(); a.Data != "changed" {
		t.Errorf("%+v", a)
	}
	roots := func() (names []string) {
		es, _ := os.ReadDir(p.rootsDir())
		for _, e := range es {
			names = append(names, e.Name())
		}
		return names
	}
	if got := roots(); len(got) != 3 { // the base once, the code twice
		t.Errorf("roots are %v", got)
	}
	if err := os.Mkdir(filepath.Join(p.rootsDir(), unfinished+"x"), 0o700); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-2 * keepUnused)
	for _, n := range roots() {
		if err := os.Chtimes(filepath.Join(p.rootsDir(), n, "ok"), old, old); err != nil && !strings.HasPrefix(n, unfinished) {
			t.Fatal(err)
		}
	}
	p.again()
	p.cleanAll(context.Background(), true)
	recs := p.folder(1).records()
	if len(recs) != 1 || p.folder(1).readRecord(2).Mode != "root" || p.folder(1).readRecord(1).Mode != "" {
		t.Fatalf("records: %+v", recs)
	}
	var want []string
	for _, r := range recs[0].Roots {
		want = append(want, filepath.Base(filepath.Dir(r)))
	}
	slices.Sort(want)
	if got := roots(); !slices.Equal(got, want) || len(want) != 2 {
		t.Errorf("roots are %v, live are %v", got, want)
	}
	p.mustAsk()
}

func TestIndexOfPlatforms(t *testing.T) {
	t.Parallel()
	p := newPlace(t, nil)
	child := p.api(t, config{"Cmd": []string{"/bin/api"}})
	index := func(os, arch string) cairn.Image {
		raw, _ := json.Marshal(map[string]any{"manifests": []any{
			map[string]any{"digest": child.Digest, "platform": map[string]string{"os": "unknown", "architecture": "unknown"}},
			map[string]any{"digest": child.Digest, "platform": map[string]string{"os": os, "architecture": arch}},
		}})
		return cairn.Image{Digest: p.blobs.put(raw)}
	}
	if _, err := p.open(context.Background(), index("linux", runtime.GOARCH)); err != nil {
		t.Error(err)
	}
	_, err := p.open(context.Background(), index("linux", "s390x"))
	if err == nil || !strings.Contains(err.Error(), "only for linux/s390x") {
		t.Error(err)
	}
}

func TestPythonKeepsCompiledModules(t *testing.T) {
	t.Parallel()
	p := newPlace(t, nil)
	python := p.blobs.layer(cairn.LayerDeps, map[string]string{"usr/bin/python3.8!": ""})
	old := p.blobs.layer(cairn.LayerDeps, map[string]string{"usr/bin/python3.7!": ""})
	path := "PATH=/bin:/usr/bin"
	for i, c := range []struct {
		name  string
		layer cairn.ImageLayer
		env   []string
		stage []cairn.NamedText
		want  string
	}{
		{"with a Python", python, []string{path}, nil, enter.BytecodeDir},
		{"with an old one", old, []string{path}, nil, ""},
		{"whose image keeps none", python, []string{path, "PYTHONDONTWRITEBYTECODE=1"}, nil, ""},
		{"whose stage says where", python, []string{path}, []cairn.NamedText{{Name: "PYTHONPYCACHEPREFIX", Value: "/tmp/mine"}}, "/tmp/mine"},
	} {
		base := p.api(t, nil).Layers[0]
		r := p.request(cairn.DeploymentID(i+1), p.blobs.image(config{"Cmd": []string{"/bin/api"}, "Env": c.env}, runtime.GOARCH, base, c.layer))
		r.Config.Variables = c.stage
		if err := p.deploy(r); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := p.mustAsk().Env["PYTHONPYCACHEPREFIX"]; got != c.want {
			t.Errorf("%s: %q, not %q", c.name, got, c.want)
		}
		if is := p.folder(1).readRecord(r.Deployment.ID).Bytecode; is != (c.want == enter.BytecodeDir) {
			t.Errorf("%s: the record says %v", c.name, is)
		}
	}
}

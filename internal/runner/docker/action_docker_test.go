package docker

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn/internal/runner"
)

// An action that is an image runs with the folders that GitHub gives it.
func TestDockerAction(t *testing.T) {
	t.Parallel()
	e := real(t)
	image := box(t, e)
	j := newJob(t)
	d := j.host.dirs
	step := filepath.Join(d.Files, "1")
	if err := os.MkdirAll(step, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{filepath.Join(step, "output"), filepath.Join(d.Files, "event.json")} {
		if err := os.WriteFile(f, []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out, log bytes.Buffer
	code, err := j.session.RunContainer(t.Context(), runner.ContainerProcess{
		Image: image, Entrypoint: "sh", Args: []string{"-c", `pwd; echo "$HOME $GITHUB_WORKSPACE $GITHUB_OUTPUT $INPUT_WHO [$LD_LIBRARY_PATH] $1"; cat /github/workflow/event.json; echo x=1 > $GITHUB_OUTPUT; echo made > $GITHUB_WORKSPACE/made; echo err >&2; exit 5`, "x", "an arg"},
		Env: map[string]string{
			"PATH": "/host", "LD_LIBRARY_PATH": "/nowhere", "HOME": d.Home, "GITHUB_WORKSPACE": d.Workspace,
			"GITHUB_OUTPUT": filepath.Join(step, "output"), "INPUT_WHO": "me",
		},
		Stdout: &out, Stderr: &out, Log: &log,
	})
	if err != nil || code != 5 {
		t.Fatalf("%d %v\n%s%s", code, err, out.String(), log.String())
	}
	want := "/github/workspace\n/github/home /github/workspace /github/file_commands/1/output me [] an arg\n{}err\n"
	if out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
	if b, _ := os.ReadFile(filepath.Join(step, "output")); string(b) != "x=1\n" {
		t.Errorf("output: %q", b)
	}
	if b, _ := os.ReadFile(filepath.Join(d.Workspace, "made")); string(b) != "made\n" {
		t.Errorf("made: %q", b)
	}
	if err := j.session.Stop(t.Context(), &log); err != nil || j.left(e) != 0 {
		t.Errorf("%v, %d left", err, j.left(e))
	}
}

func TestDockerActionBuild(t *testing.T) {
	t.Parallel()
	e := real(t)
	image := box(t, e)
	j := newJob(t)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"Dockerfile": "FROM " + image + "\nCOPY entry.sh /entry.sh\nRUN echo built > /built\nENTRYPOINT [\"/entry.sh\"]\n",
		"entry.sh":   "#!/bin/sh\necho \"entry $1 $(cat /built)\"; ls /secret 2>&1; true\n", "secret": "x", ".dockerignore": "secret\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var log, out bytes.Buffer
	name, err := j.session.BuildImage(t.Context(), runner.BuildContainer{Dir: dir, Log: &log})
	if err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	code, err := j.session.RunContainer(t.Context(), runner.ContainerProcess{Image: name, Args: []string{"hello"}, Stdout: &out, Stderr: &out})
	if err != nil || code != 0 || !strings.HasPrefix(out.String(), "entry hello built\n") {
		t.Errorf("%d %v %q", code, err, out.String())
	}
	log.Reset()
	again, err := j.session.BuildImage(t.Context(), runner.BuildContainer{Dir: dir, Log: &log})
	if err != nil || again != name || !strings.Contains(log.String(), "is there") {
		t.Errorf("the second build: %s %v %s", again, err, log.String())
	}
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM "+image+"\nRUN exit 7\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := j.session.BuildImage(t.Context(), runner.BuildContainer{Dir: dir, Log: &log}); err == nil || !strings.Contains(err.Error(), "exit 7") {
		t.Errorf("a build that fails: %v", err)
	}
	if _, err := j.session.BuildImage(t.Context(), runner.BuildContainer{Dir: dir, Dockerfile: "../Dockerfile"}); err == nil {
		t.Error("a Dockerfile outside was taken")
	}
	if err := j.session.Stop(t.Context(), &log); err != nil {
		t.Error(err)
	}
}

// A cancelled action is asked to stop before it is killed.
func TestDockerActionCancel(t *testing.T) {
	t.Parallel()
	e := real(t)
	image := box(t, e)
	j := newJob(t)
	ctx, stop := context.WithCancel(t.Context())
	out := &watched{stop: stop}
	began := time.Now()
	_, err := j.session.RunContainer(ctx, runner.ContainerProcess{
		Image: image, Entrypoint: "sh", Args: []string{"-c", `trap 'echo heard; exit 3' INT; echo ready; while :; do sleep 0.1; done`}, Stdout: out, Stderr: out,
	})
	if err != nil || !strings.Contains(out.String(), "heard") {
		t.Errorf("%v %q after %s", err, out.String(), time.Since(began))
	}
	if err := j.session.Stop(context.Background(), out); err != nil || j.left(e) != 0 {
		t.Errorf("%v, %d left", err, j.left(e))
	}
}

// watched calls stop once something was printed.
type watched struct {
	bytes.Buffer
	stop func()
}

func (w *watched) Write(p []byte) (int, error) {
	defer w.stop()
	return w.Buffer.Write(p)
}

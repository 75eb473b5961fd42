package local

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/deploy"
	"github.com/cairn-ml/cairn/internal/deploy/local/enter"
)

// The names of the ways in an ExecSpec, as cairn.Deployment.Mode has them.
const (
	modeContainer = "container"
	modeRoot      = "root"
	modeHost      = "host"
)

// record is what is kept of how an image is served on a stage, so that all of it can
// be cleaned up when nobody needs it.
type record struct {
	Mode  string   `json:"mode"`
	Notes []string `json:"notes,omitempty"`
	Tool  string   `json:"tool,omitempty"` // the container engine
	// Spec is what cairn _enter reads of the file.
	enter.Spec
}

// plan is how a deployment is executed.
type plan struct {
	key   string
	exec  cairn.ExecSpec
	notes []string
	made  record
}

func (p *plan) notef(format string, args ...any) {
	p.notes = append(p.notes, fmt.Sprintf(format, args...))
}

// prepare makes everything ready that a deployment needs, by the first way that
// works here.
func (t *Target) prepare(ctx context.Context, r deploy.TargetRequest) (*plan, error) {
	img, err := t.open(ctx, r.Image)
	if err != nil {
		return nil, err
	}
	p := &plan{}
	p.exec.Signal = img.Config.StopSignal
	f := t.folder(r.Stage.ID)
	if err := os.MkdirAll(f.made(), 0o700); err != nil {
		return nil, diskError(t.o.Home, err)
	}
	mode, tool, err := t.choose(ctx, f, p)
	if err != nil {
		return nil, err
	}
	p.exec.Mode, p.made.Mode = mode, mode
	p.key = img.key() + "-" + mode
	switch mode {
	case modeContainer:
		err = t.container(ctx, r, img, tool, p)
	case modeRoot:
		err = t.inRoot(ctx, r, img, p)
	default:
		err = t.onHost(ctx, r, img, p)
	}
	if err != nil {
		return nil, err
	}
	p.made.Notes = p.notes
	text, err := json.Marshal(p.made)
	if err != nil {
		return nil, err
	}
	if err := writeFile(f.record(p.key), text); err != nil {
		return nil, diskError(t.o.Home, err)
	}
	return p, diskError(t.o.Home, writeFile(f.ref(r.Deployment.ID), []byte(p.key)))
}

// choose finds out which way of serving works here.
func (t *Target) choose(ctx context.Context, f folder, p *plan) (mode, tool string, err error) {
	way := t.o.Serving
	var why string
	if way == ServeAuto || way == ServeContainer {
		if tool, why = t.engine(ctx); tool != "" {
			return modeContainer, tool, nil
		}
		if way == ServeContainer {
			return "", "", cairn.Errorf(cairn.CodeUnavailable, "the configuration says serving: container, and no container can be run: %s", why).
				WithHint("start Docker or Podman, or set serving to auto, root or host")
		}
	}
	if way == ServeAuto || way == ServeRoot {
		why = ""
		if !t.enterOK.Load() {
			why = t.enters(ctx, f)
		}
		if why == "" {
			t.enterOK.Store(true)
			return modeRoot, "", nil
		}
		if way == ServeRoot {
			return "", "", cairn.Errorf(cairn.CodeUnsupported, "the configuration says serving: root, and the root of an image cannot be entered here: %s", why).
				WithHint("set serving to auto, container or host")
		}
		p.notef("its own root file system cannot be entered here: %s", why)
	}
	return modeHost, "", nil
}

const (
	engineTime = 3 * time.Second
	enterTime  = 10 * time.Second
)

// engine finds the container engine that answers.
func (t *Target) engine(ctx context.Context) (tool, why string) {
	why = "neither docker nor podman is on PATH"
	for _, name := range []string{"docker", "podman"} {
		path := t.lookPath(name)
		if path == "" {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, engineTime)
		cmd := exec.CommandContext(ctx, path, "version", "--format", "{{.Server.Version}}")
		cmd.Env = t.o.Environ
		cmd.WaitDelay = 100 * time.Millisecond
		out, err := cmd.CombinedOutput()
		cancel()
		if err == nil {
			return path, ""
		}
		why = fmt.Sprintf("%s does not answer: %s", name, firstLine(out, err))
	}
	return "", why
}

func (t *Target) lookPath(name string) string {
	for _, dir := range filepath.SplitList(t.environ("PATH")) {
		if !filepath.IsAbs(dir) {
			continue
		}
		p := filepath.Join(dir, name)
		if fi, err := os.Stat(p); err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0 {
			return p
		}
	}
	return ""
}

func firstLine(out []byte, err error) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if line == "" {
		line = err.Error()
	}
	return fmt.Sprintf("%.200s", line)
}

// enters tries to enter an empty root; why says why that does not work.
func (t *Target) enters(ctx context.Context, f folder) (why string) {
	if runtime.GOOS != "linux" {
		return "that needs Linux"
	}
	dir, err := os.MkdirTemp(f.made(), unfinished)
	if err != nil {
		return err.Error()
	}
	defer t.remove(dir)
	root := filepath.Join(dir, "root")
	spec := enter.Spec{Roots: []string{root}, Scratch: filepath.Join(dir, "scratch")}
	if err := os.Mkdir(root, 0o755); err != nil {
		return err.Error()
	}
	text, err := json.Marshal(spec)
	if err != nil {
		return err.Error()
	}
	file := filepath.Join(dir, "spec.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return err.Error()
	}
	ctx, cancel := context.WithTimeout(ctx, enterTime)
	defer cancel()
	args := append(t.o.Enter[1:len(t.o.Enter):len(t.o.Enter)], "--probe", file)
	cmd := exec.CommandContext(ctx, t.o.Enter[0], args...)
	cmd.Env = t.o.Environ
	cmd.WaitDelay = 100 * time.Millisecond
	if out, err := cmd.CombinedOutput(); err != nil {
		return strings.TrimPrefix(firstLine(out, err), "cairn: ")
	}
	return ""
}

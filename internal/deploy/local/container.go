package local

import (
	"archive/tar"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/deploy"
	"github.com/cairn-ml/cairn/internal/deploy/local/command"
)

// usualPort is where a service in a container listens that says nothing itself.
const usualPort = 8000

// runScript removes what an engine was not asked to end, and becomes its client.
// Its arguments are the engine, the name of the container and those of run.
const runScript = `engine=$1 name=$2; shift 2; "$engine" rm -f "$name" >/dev/null 2>&1; exec "$engine" run "$@"`

// container runs an image with Docker or Podman, in the foreground.
func (t *Target) container(ctx context.Context, r deploy.TargetRequest, img *image, tool string, p *plan) error {
	inside := r.Config.Port
	if inside == 0 {
		// What the command means tells more than what the image exposes.
		if c := command.Rewrite(img.Config.Entrypoint, img.Config.Cmd, command.Address{}); c.Listens != 0 {
			inside = c.Listens
		} else if inside = img.port(); inside == 0 {
			inside = usualPort
		}
	}
	c, err := p.command(r, img, command.Address{Host: "0.0.0.0", Port: strconv.Itoa(inside)})
	if err != nil {
		return err
	}
	tag, err := t.load(ctx, img, tool)
	if err != nil {
		return err
	}
	// The port tells apart what runs at once; the label finds what is left.
	name := fmt.Sprintf("cairn-%s-%d-%s", t.mark, r.Stage.ID, port)
	var set environment
	own(&set, r, strconv.Itoa(inside))
	var e environment
	e.add(t.stageEnviron(r.Stage.ID)) // what the engine's client needs
	args := []string{"--rm", "--name", name, "--label", label + "=" + t.markOf(r.Stage.ID), "-p", "127.0.0.1:" + port + ":" + strconv.Itoa(inside)}
	var file strings.Builder
	for _, n := range set.names {
		if _, taken := e.values[n]; !taken && !reserved(n) {
			e.set(n, set.values[n]) // the client hands it on: no value is an argument
			args = append(args, "-e", n)
			continue
		}
		if strings.ContainsAny(set.values[n], "\n\r") {
			return cairn.Errorf(cairn.CodeUnsupported, "the variable %s of the stage %s holds several lines: a container cannot be given that under this name", n, r.Stage.Name).
				WithHint("use another name for it")
		}
		fmt.Fprintf(&file, "%s=%s\n", n, set.values[n])
	}
	if file.Len() > 0 {
		// Named by what is in it: the arguments of the same program are the same.
		path := t.folder(r.Stage.ID).scratch(p.key) + "." + short(cairn.SumBytes([]byte(file.String()))) + envFile
		if err := writeFile(path, []byte(file.String())); err != nil { // made with mode 0600
			return diskError(t.o.Home, err)
		}
		args = append(args, "--env-file", path)
	}
	if r.Config.Memory > 0 {
		args = append(args, "--memory", strconv.FormatInt(r.Config.Memory, 10))
	}
	if r.Config.CPU > 0 {
		args = append(args, "--cpus", strconv.FormatFloat(r.Config.CPU, 'f', -1, 64))
	}
	// The entry point is given apart from its arguments.
	args = append(append(args, "--entrypoint", c.Args[0], tag), c.Args[1:]...)
	p.exec.Args = append([]string{"/bin/sh", "-c", runScript, "cairn", tool, name}, args...)
	p.exec.Env = e.list()
	p.exec.Dir = string(t.folder(r.Stage.ID))
	p.exec.Stop = []string{tool, "stop", "-t", "10", name}
	p.made.Tool = tool
	if c.Server == "" {
		p.notef("the container is expected to listen on port %d", inside)
	}
	return nil
}

// envFile is how the files end that hold variables for an engine.
const envFile = ".env"

// reserved are the variables that the client of an engine reads itself.
func reserved(name string) bool {
	switch name {
	case "PATH", "HOME", "TMPDIR", "SSH_AUTH_SOCK":
		return true
	}
	for _, p := range []string{"DOCKER_", "CONTAINER", "PODMAN_", "XDG_", "LD_", "BUILDKIT_"} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return strings.HasSuffix(strings.ToLower(name), "_proxy")
}

// load gives an image to the engine, once, and returns the name that it has there.
func (t *Target) load(ctx context.Context, img *image, tool string) (string, error) {
	tag := "cairn.local/serve:" + img.key()
	ask := exec.CommandContext(ctx, tool, "image", "inspect", "--format", "{{.Id}}", tag)
	ask.Env = t.o.Environ
	if ask.Run() == nil {
		return tag, nil
	}
	r, w := io.Pipe()
	go func() { w.CloseWithError(t.archive(ctx, img, tag, w)) }()
	cmd := exec.CommandContext(ctx, tool, "load")
	cmd.Env = t.o.Environ
	cmd.Stdin = r
	out, err := cmd.CombinedOutput()
	r.CloseWithError(io.ErrClosedPipe)
	if err != nil {
		return "", cairn.Errorf(cairn.CodeFailed, "the image %s cannot be loaded: %s", img.name, firstLine(out, err))
	}
	return tag, nil
}

// archive writes an image as `docker save` does.
func (t *Target) archive(ctx context.Context, img *image, tag string, w io.Writer) error {
	tw := tar.NewWriter(w)
	put := func(name string, size int64, r io.Reader) error {
		if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: size, Typeflag: tar.TypeReg}); err != nil {
			return err
		}
		_, err := io.Copy(tw, r)
		return err
	}
	blob := func(name string, d cairn.Digest) error {
		r, size, err := t.o.Blobs.Get(ctx, d)
		if err != nil {
			return err
		}
		defer r.Close()
		return put(name, size, r)
	}
	config := hexOf(img.config) + ".json"
	if err := blob(config, img.config); err != nil {
		return err
	}
	m := []struct {
		Config   string
		RepoTags []string
		Layers   []string
	}{{Config: config, RepoTags: []string{tag}}}
	seen := map[string]bool{}
	for _, l := range img.layers {
		name := hexOf(l.Digest) + ".tar"
		m[0].Layers = append(m[0].Layers, name)
		if seen[name] {
			continue
		}
		seen[name] = true
		if err := blob(name, l.Digest); err != nil {
			return err
		}
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := put("manifest.json", int64(len(text)), strings.NewReader(string(text))); err != nil {
		return err
	}
	return tw.Close()
}

func hexOf(d cairn.Digest) string {
	_, h, _ := strings.Cut(string(d), ":")
	return h
}

// label is on every container of a stage.
const label = "cairn.stage"

// removeContainers ends the containers of a stage by force.
func (t *Target) removeContainers(ctx context.Context, tool string, stage int64) {
	run := func(args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, tool, args...)
		cmd.Env = t.o.Environ
		out, err := cmd.Output()
		return string(out), err
	}
	ids, err := run("ps", "-aq", "--filter", "label="+label+"="+t.markOf(stage))
	if all := strings.Fields(ids); err == nil && len(all) > 0 {
		_, err = run(append([]string{"rm", "-f"}, all...)...)
	}
	if err != nil {
		t.o.Log.Warn("containers of a stage may be left", "engine", tool, "stage", stage, "error", err)
	}
}

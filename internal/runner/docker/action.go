package docker

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
	"github.com/cairn-ml/cairn/internal/runner/docker/inside"
	"github.com/cairn-ml/cairn/internal/runner/process"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/build"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/client"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

const (
	// builtPrefix is the repository of images that were built for actions.
	builtPrefix  = "cairn.local/action:"
	maxContext   = 1 << 30 // bytes of an action's folder
	maxIgnore    = 1 << 20
	removeTime   = time.Minute
	attachedTail = 5 * time.Second // for the last output of a container that ended
)

// RunContainer runs the container of an action of a job whose steps run on the host.
func (s *Session) RunContainer(ctx context.Context, p runner.ContainerProcess) (int, error) {
	return s.run(ctx, p, s.o.Host.Environ())
}

// run runs a container to its end. machine is what every process of the job gets:
// that is of another place.
func (s *Session) run(ctx context.Context, p runner.ContainerProcess, machine map[string]string) (int, error) {
	if p.Log == nil {
		p.Log = io.Discard
	}
	e, err := s.connect(ctx)
	if err != nil {
		return 0, err
	}
	if err := s.connectNetwork(ctx, e, nil); err != nil {
		return 0, err
	}
	c, err := s.actionContainer(ctx, e, p, machine)
	if err != nil {
		return 0, err
	}
	id, err := s.create(ctx, e, c, "the action")
	if err != nil {
		return 0, err
	}
	defer func() {
		ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), removeTime)
		defer stop()
		_, _ = e.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		if s.foreign {
			if err := s.ownAfter(ctx, e, c.config.Image); err != nil {
				s.o.Logger.Warn("files of a container are not given back", "error", err)
			}
		}
	}()
	return s.attend(ctx, e, id, p)
}

// actionContainer describes the container of an action as GitHub has it.
func (s *Session) actionContainer(ctx context.Context, e *Engine, p runner.ContainerProcess, machine map[string]string) (*creation, error) {
	c := &creation{}
	if strings.HasPrefix(p.Image, builtPrefix) {
		c.config.Image = p.Image
	} else {
		img, err := s.puller(e).fetch(ctx, p.Image, "", "", p.Log)
		if err != nil {
			return nil, err
		}
		c.config.Image = img.ID
	}
	if img, err := e.ImageInspect(ctx, c.config.Image); err == nil && img.Config != nil && !isRoot(img.Config.User) {
		openFiles(s.o.Host.Dirs())
	}
	env := map[string]string{}
	for k, v := range p.Env {
		if was, ok := machine[k]; ok && was == v && !strings.HasSuffix(strings.ToLower(k), "_proxy") || k == "PATH" {
			continue // of the machine, not of the step
		}
		env[k] = v
	}
	dirs := s.o.Host.Dirs()
	ms := actionMappings(dirs)
	env = ms.translate(env, s.to)
	env["HOME"] = ms.in(dirs.Home)
	if mark := s.o.Host.Environ()["CAIRN_JOB_MARK"]; mark != "" {
		env["CAIRN_JOB_MARK"] = mark
	}
	c.config.Env = process.EnvList(env)
	if p.Entrypoint != "" {
		c.config.Entrypoint = []string{p.Entrypoint}
	}
	c.config.Cmd = p.Args
	c.config.WorkingDir = ms.in(dirs.Workspace)
	c.config.AttachStdout, c.config.AttachStderr = true, true
	ms.mount(c)
	// What a job with a container calls its folders means the same here.
	c.bind(workOf(dirs), "/__w", false)
	return c, nil
}

// isRoot reports whether the user of an image is root.
func isRoot(user string) bool {
	name, _, _ := strings.Cut(user, ":")
	return name == "" || name == "root" || name == "0"
}

// attend starts a container, carries its output and waits for its end.
func (s *Session) attend(ctx context.Context, e *Engine, id string, p runner.ContainerProcess) (int, error) {
	// What follows goes on when ctx ends: the container is asked to end then.
	own, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	at, err := e.ContainerAttach(own, id, client.ContainerAttachOptions{Stream: true, Stdout: true, Stderr: true})
	if err != nil {
		return 0, failed("the container cannot be attached to", err)
	}
	defer at.Close()
	printed := make(chan struct{})
	go func() {
		defer close(printed)
		_, _ = stdcopy.StdCopy(orDiscard(p.Stdout), orDiscard(p.Stderr), at.Reader)
	}()
	wait := e.ContainerWait(own, id, client.ContainerWaitOptions{Condition: container.WaitConditionNextExit})
	if _, err := e.ContainerStart(own, id, client.ContainerStartOptions{}); err != nil {
		return 0, failed("the container cannot be started", err)
	}
	exited, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-exited:
		case <-ctx.Done():
			process.End(containerTarget{own, e, id}, s.o.Grace, exited, s.o.Force)
		}
	}()
	defer func() {
		close(exited)
		<-ended
	}()
	select {
	case r := <-wait.Result:
		select {
		case <-printed:
		case <-time.After(attachedTail):
		}
		if r.Error != nil {
			return 0, cairn.Errorf(cairn.CodeFailed, "the container cannot be waited for: %s", r.Error.Message)
		}
		return int(r.StatusCode), nil
	case err := <-wait.Error:
		return 0, failed("the container cannot be waited for", err)
	}
}

func orDiscard(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}

// containerTarget is a container that is asked to end.
type containerTarget struct {
	ctx context.Context
	e   *Engine
	id  string
}

func (t containerTarget) signal(sig string) {
	_, _ = t.e.ContainerKill(t.ctx, t.id, client.ContainerKillOptions{Signal: sig})
}

func (t containerTarget) Interrupt() { t.signal("SIGINT") }
func (t containerTarget) Terminate() { t.signal("SIGTERM") }
func (t containerTarget) Kill()      { t.signal("SIGKILL") }
func (t containerTarget) Look()      {}

// ownAfter gives what a container of an action left to the user who runs this: a
// small container of the same image does it, as root.
func (s *Session) ownAfter(ctx context.Context, e *Engine, image string) error {
	dirs := s.o.Host.Dirs()
	ms := actionMappings(dirs)
	text, err := json.Marshal(inside.Own{UID: os.Getuid(), GID: os.Getgid(), Dirs: []string{
		ms.in(dirs.Workspace), ms.in(dirs.Temp), ms.in(dirs.Home), ms.in(dirs.Files),
	}})
	if err != nil {
		return err
	}
	c := &creation{}
	c.config.Image, c.config.User = image, "0:0"
	c.config.Entrypoint = []string{externals + "/bin/cairn", "_contained", "own", string(text)}
	c.config.Healthcheck = &container.HealthConfig{Test: []string{"NONE"}}
	ms.mount(c)
	c.bind(s.o.Exe, externals+"/bin/cairn", true)
	id, err := s.create(ctx, e, c, "the owner of files")
	if err != nil {
		return err
	}
	defer e.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	var said strings.Builder
	code, err := s.attend(ctx, e, id, runner.ContainerProcess{Stdout: &said, Stderr: &said})
	if err == nil && code != 0 {
		err = cairn.Errorf(cairn.CodeFailed, "%.500s", said.String())
	}
	return err
}

// ownAsRoot does the same in a container that runs.
func (s *Session) ownAsRoot(ctx context.Context, id string, o inside.Own) error {
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	x, err := s.engine.ExecCreate(ctx, id, client.ExecCreateOptions{
		User: "0:0", WorkingDir: "/", Cmd: []string{externals + "/bin/cairn", "_contained", "own", string(text)},
		AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		return err
	}
	at, err := s.engine.ExecAttach(ctx, x.ID, client.ExecAttachOptions{})
	if err != nil {
		return err
	}
	defer at.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(at.Reader, maxIgnore))
	return err
}

// BuildImage builds the image of an action from its Dockerfile. The image is named by
// what it is built from, so that the next job with the same action has it at once.
func (s *Session) BuildImage(ctx context.Context, b runner.BuildContainer) (string, error) {
	if b.Log == nil {
		b.Log = io.Discard
	}
	file := b.Dockerfile
	if file == "" {
		file = "Dockerfile"
	}
	if !filepath.IsLocal(file) {
		return "", cairn.Errorf(cairn.CodeInvalid, "the Dockerfile %q is not in the folder of its action", file)
	}
	path := filepath.Join(b.Dir, file)
	if fi, err := os.Stat(path); err != nil || !fi.Mode().IsRegular() {
		return "", cairn.Errorf(cairn.CodeNotFound, "the action has no file %s", file)
	}
	dir, name := filepath.Split(path)
	e, err := s.connect(ctx)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	if err := packContext(dir, name, sum); err != nil {
		return "", err
	}
	image := builtPrefix + hex.EncodeToString(sum.Sum(nil))[:32]
	if _, err := e.ImageInspect(ctx, image); err == nil {
		fmt.Fprintf(b.Log, "The image of this very action is there: %s\n", image)
		return image, nil
	}
	r, w := io.Pipe()
	go func() { w.CloseWithError(packContext(dir, name, w)) }()
	defer r.Close()
	res, err := e.ImageBuild(ctx, r, client.ImageBuildOptions{
		Tags: []string{image}, Dockerfile: name, Remove: true, ForceRemove: true, Version: build.BuilderV1,
		Labels: map[string]string{labelPrefix + "action": "1"},
	})
	if err != nil {
		return "", failed("the image of the action cannot be built", err)
	}
	defer res.Body.Close()
	return image, showBuild(res.Body, b.Log)
}

// showBuild shows what a build says, to its end.
func showBuild(r io.Reader, log io.Writer) error {
	for d := json.NewDecoder(r); ; {
		var m jsonstream.Message
		switch err := d.Decode(&m); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return failed("the build was cut off", err)
		case m.Error != nil:
			return cairn.Errorf(cairn.CodeFailed, "Docker build failed: %s", strings.TrimSpace(m.Error.Message)).
				WithHint("its output is above")
		case m.Stream != "":
			if _, err := io.WriteString(log, m.Stream); err != nil {
				return err
			}
		case m.Status != "" && m.Progress == nil:
			fmt.Fprintln(log, strings.TrimSpace(m.ID+" "+m.Status))
		}
	}
}

// packContext writes the folder of an action as a tar, the same for the same files:
// without times and owners, and without what .dockerignore names.
func packContext(dir, dockerfile string, w io.Writer) error {
	skip, err := ignored(dir, dockerfile)
	if err != nil {
		return err
	}
	tw := tar.NewWriter(w)
	var total int64
	err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil || rel == "." {
			return err
		}
		rel = filepath.ToSlash(rel)
		if drop, err := skip(rel); err != nil || drop {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		h := &tar.Header{Name: rel, Mode: int64(fi.Mode().Perm()), Format: tar.FormatPAX}
		switch {
		case fi.IsDir():
			h.Typeflag, h.Name = tar.TypeDir, rel+"/"
		case fi.Mode().IsRegular():
			h.Typeflag, h.Size = tar.TypeReg, fi.Size()
		case fi.Mode()&fs.ModeSymlink != 0:
			h.Typeflag = tar.TypeSymlink
			if h.Linkname, err = os.Readlink(p); err != nil {
				return err
			}
		default:
			return nil // sockets and pipes are no part of an action
		}
		if total += h.Size; total > maxContext {
			return cairn.Errorf(cairn.CodeTooLarge, "the folder of the action has more than %d MiB", maxContext>>20)
		}
		if err := tw.WriteHeader(h); err != nil || h.Typeflag != tar.TypeReg {
			return err
		}
		f, err := os.OpenFile(p, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.CopyN(tw, f, h.Size)
		return err
	})
	if err != nil {
		return err
	}
	return tw.Close()
}

// ignored reads .dockerignore.
func ignored(dir, dockerfile string) (func(rel string) (bool, error), error) {
	f, err := os.Open(filepath.Join(dir, ".dockerignore"))
	if errors.Is(err, fs.ErrNotExist) {
		return func(string) (bool, error) { return false, nil }, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	patterns, err := ignorefile.ReadAll(io.LimitReader(f, maxIgnore))
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, ".dockerignore: %w", err)
	}
	m, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, ".dockerignore: %w", err)
	}
	always := []string{dockerfile, ".dockerignore"}
	return func(rel string) (bool, error) {
		if slices.Contains(always, rel) {
			return false, nil
		}
		return m.MatchesOrParentMatches(rel)
	}, nil
}

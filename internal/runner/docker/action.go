package docker

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
	"github.com/cairn-ml/cairn/internal/runner/docker/inside"
	"github.com/cairn-ml/cairn/internal/runner/process"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

const (
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
	img, err := s.image(ctx, e, &runner.ContainerSpec{Image: p.Image, Kept: p.Kept}, p.Log)
	if err != nil {
		return nil, err
	}
	c.config.Image = img.ID
	if img.Config != nil && !isRoot(img.Config.User) {
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

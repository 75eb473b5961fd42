package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
	"github.com/cairn-ml/cairn/internal/runner/azureml"
	"github.com/cairn-ml/cairn/internal/runner/docker/inside"
	"github.com/cairn-ml/cairn/internal/runner/process"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// Where things of Cairn are in the container of a job. GitHub has its own there.
const (
	externals  = "/__e"
	agentDir   = externals + "/run"
	agentName  = "agent"
	bridgeName = "cairn"
)

const (
	agentTime   = time.Minute // for a container to begin
	ownTime     = time.Minute // for files to be given back
	defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// machine is the container that the steps of a job run in.
type machine struct {
	sdk       string // where the container sees the package that stands in for azureml; "": nowhere
	s         *Session
	container string
	agent     *agent
	dirs      runner.Dirs
	maps      mappings
	env       map[string]string
	to        rewriter
	// open says that the user of the container is neither the one who runs this nor
	// root: files of the job are opened to it. own says that what root makes there is
	// given back.
	open, own bool
}

var (
	_ runner.PathMachine     = (*machine)(nil)
	_ runner.ContainerRunner = (*machine)(nil)
)

// startJob starts the container of the job's steps.
func (s *Session) startJob(ctx context.Context, e *Engine, spec *runner.ContainerSpec, log io.Writer) (*machine, error) {
	group(log, "Starting job container")
	if runtime.GOOS != "linux" {
		return nil, cairn.Errorf(cairn.CodeUnsupported, "jobs in containers are there on Linux only")
	}
	m := &machine{s: s, dirs: s.o.Host.Dirs(), to: s.to}
	m.maps = jobMappings(m.dirs)
	c, err := describe(*spec, m.dirs.Workspace)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeOf(err), "container: %w", err).WithHint("%s", cairn.AsError(err).Hint)
	}
	img, err := s.image(ctx, e, spec, log)
	if err != nil {
		return nil, err
	}
	c.config.Image = img.ID
	c.config.Entrypoint = []string{externals + "/bin/cairn", "_contained", "serve", agentDir + "/" + agentName}
	c.config.Cmd = nil
	c.config.Tty, c.config.OpenStdin = false, false
	c.host.RestartPolicy = container.RestartPolicy{}
	c.host.AutoRemove = false
	c.host.Init = nil // Cairn is the first process, and waits for what is left to it
	mark := s.o.Host.Environ()["CAIRN_JOB_MARK"]
	if mark != "" {
		c.config.Env = append(c.config.Env, "CAIRN_JOB_MARK="+mark)
	}
	if c.config.WorkingDir == "" {
		c.config.WorkingDir = m.maps.in(m.dirs.Workspace)
	}
	if err := os.MkdirAll(filepath.Join(workOf(m.dirs), "_temp"), 0o755); err != nil {
		return nil, err
	}
	m.maps.mount(c)
	c.bind(s.o.Exe, externals+"/bin/cairn", true)
	c.bind(s.o.Exe, externals+"/bin/az", true)
	if m.sdk, err = azureml.Install(filepath.Join(m.dirs.Cache, "azureml")); err == nil {
		c.bind(m.sdk, externals+"/azureml", true)
		m.sdk = externals + "/azureml"
	}
	if node := lendable(s.o.Node); node != "" {
		c.bind(node, externals+"/bin/node", true)
	}
	c.bind(s.o.Dir, agentDir, true)
	// Others may enter, but not look around; the folder of the job keeps them out.
	if err := os.Chmod(s.o.Dir, 0o711); err != nil {
		return nil, err
	}
	l, err := listenUnix(s.o.Dir, agentName)
	if err != nil {
		return nil, fmt.Errorf("the line to the container cannot be opened: %w", err)
	}
	defer l.Close()
	if err := os.Chmod(filepath.Join(s.o.Dir, agentName), 0o666); err != nil {
		return nil, err
	}
	if m.container, err = s.create(ctx, e, c, "the job"); err != nil {
		return nil, err
	}
	if _, err := e.ContainerStart(ctx, m.container, client.ContainerStartOptions{}); err != nil {
		return nil, failed("the container of the job cannot be started", err)
	}
	if err := m.meet(ctx, e, l); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.job = m
	s.mu.Unlock()
	if err := m.enter(ctx, e, log); err != nil {
		return nil, err
	}
	fmt.Fprintln(log, m.container)
	endGroup(log)
	return m, nil
}

// meet waits until the container has begun.
func (m *machine) meet(ctx context.Context, e *Engine, l *net.UnixListener) error {
	ctx, stop := context.WithTimeout(ctx, agentTime)
	defer stop()
	// A container that ends at once is not waited for.
	ended := e.ContainerWait(ctx, m.container, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	wait, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case r := <-ended.Result:
			cancel(cairn.Errorf(cairn.CodeFailed, "the container of the job ended with exit code %d before any step", r.StatusCode))
		case <-wait.Done():
		}
	}()
	a, err := await(wait, l)
	if err == nil {
		m.agent = a
		return nil
	}
	var said strings.Builder
	_ = showLogs(context.WithoutCancel(ctx), e, m.container, &said)
	text := strings.TrimSpace(said.String())
	if len(text) > 2000 {
		text = text[:2000]
	}
	out := cairn.Errorf(cairn.CodeOf(err), "%w", err)
	if errors.Is(err, context.DeadlineExceeded) {
		out = cairn.Errorf(cairn.CodeFailed, "the container of the job did not begin within %s", agentTime)
	}
	if strings.Contains(text, "exec "+externals) {
		return out.WithHint("it said: %s. Cairn has to be a static program to run there: build it with CGO_ENABLED=0, as make build does", text)
	}
	if text != "" {
		return out.WithHint("it said: %s", text)
	}
	return out.WithHint("the engine has to see this machine's files, and cairn has to be a static program: make build")
}

// enter learns how things are in the container.
func (m *machine) enter(ctx context.Context, e *Engine, log io.Writer) error {
	r, err := e.ContainerInspect(ctx, m.container, client.ContainerInspectOptions{})
	if err != nil {
		return failed("the container of the job cannot be looked at", err)
	}
	m.env = map[string]string{}
	for k, v := range m.s.o.Host.Environ() {
		if strings.HasSuffix(strings.ToLower(k), "_proxy") {
			m.env[k] = v
		}
	}
	if r.Container.Config != nil {
		for _, kv := range r.Container.Config.Env {
			name, value, _ := strings.Cut(kv, "=")
			m.env[name] = value
		}
	}
	if m.env["PATH"] == "" {
		m.env["PATH"] = defaultPath
	}
	// Behind what the image has: there is nothing to hide.
	m.env["PATH"] += ":" + externals + "/bin"
	m.env["HOME"] = m.maps.in(m.dirs.Home)
	h := m.agent.hello
	m.own = h.UID == 0 && h.Owner != 0
	m.open = h.UID != 0 && h.UID != h.Owner
	m.bridge(ctx, log)
	if host, _, err := net.SplitHostPort(m.to.to); err == nil {
		for _, name := range []string{"NO_PROXY", "no_proxy"} {
			if m.env[name] != "" {
				m.env[name] += "," + host
			}
		}
	}
	return nil
}

// bridge finds an address of the owner that answers in the container: that of the
// gateway, else one of the container's own loopback.
func (m *machine) bridge(ctx context.Context, log io.Writer) {
	s := m.s
	if s.bridge == nil || m.to.to != "" && m.agent.reaches(ctx, m.to.to) {
		return
	}
	m.to.to = ""
	err := s.bridge.onSocket(s.o.Dir, bridgeName)
	if err == nil {
		var r inside.Reply
		if r, err = m.agent.call(ctx, inside.Request{Op: inside.OpListen, Path: agentDir + "/" + bridgeName}); err == nil {
			m.to.to = fmt.Sprintf("127.0.0.1:%d", r.Code)
			return
		}
	}
	fmt.Fprintf(log, "##[warning]Steps do not reach Cairn from this container: %v\n", err)
}

func (m *machine) Dirs() runner.Dirs          { return m.dirs }
func (m *machine) Environ() map[string]string { return m.env }
func (m *machine) Info() runner.MachineInfo   { return m.s.o.Host.Info() }

// HostPath is where a path of the container lies on this host.
func (m *machine) HostPath(path string) (string, bool) { return m.maps.out(path) }

// Rewrite changes addresses of this host to those that the container reaches.
func (m *machine) Rewrite(text string) string { return m.to.text(text) }

// LookPath finds a program in the container.
func (m *machine) LookPath(file, path string) (string, error) {
	ctx, stop := context.WithTimeout(context.Background(), pingTime)
	defer stop()
	r, err := m.agent.call(ctx, inside.Request{Op: inside.OpLook, Args: []string{m.maps.in(file)}, Path: path})
	return r.Path, err
}

// Exec runs a process in the container.
func (m *machine) Exec(ctx context.Context, p runner.Process) (int, error) {
	if len(p.Args) == 0 {
		return 0, cairn.Errorf(cairn.CodeInternal, "no program to run")
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if m.open {
		openFiles(m.dirs)
	}
	if p.Dir == "" {
		p.Dir = m.dirs.Workspace
	}
	if first := azureml.First(m.sdk, p.Env); first != p.Env["PYTHONPATH"] {
		p.Env = maps.Clone(p.Env)
		p.Env["PYTHONPATH"] = first
	}
	args := slices.Clone(p.Args)
	for i := range args {
		args[i] = m.maps.in(args[i])
	}
	pipes, err := process.NewPipes(p.Stdout, p.Stderr)
	if err != nil {
		return 0, err
	}
	id, answer, err := m.agent.start(inside.Request{
		Op: inside.OpExec, Args: args, Dir: m.maps.in(p.Dir), Env: process.EnvList(m.maps.translate(p.Env, m.to)),
	}, pipes.Stdout.W, pipes.Stderr.W)
	if err != nil {
		pipes.Close()
		return 0, errGone
	}
	pipes.Start()
	defer pipes.Drain()
	r, err := m.wait(ctx, id, answer)
	if err != nil {
		return 0, err
	}
	switch r.Fail {
	case "":
	case inside.FailNotFound:
		return 0, cairn.Errorf(cairn.CodeNotFound, "%s: command not found", p.Args[0]).
			WithHint("it is not in the image of the job's container")
	case inside.FailDir:
		return 0, cairn.Errorf(cairn.CodeInvalid, "the folder %s is not there in the container: %s", m.maps.in(p.Dir), r.Err)
	default:
		return 0, cairn.Errorf(cairn.CodeFailed, "%s cannot be started in the container: %s", p.Args[0], r.Err)
	}
	m.giveBack(ctx)
	return r.Code, nil
}

// wait waits for a process; when ctx ends, it is asked to end.
func (m *machine) wait(ctx context.Context, id int, answer <-chan inside.Reply) (inside.Reply, error) {
	select {
	case r := <-answer:
		return r, nil
	case <-m.agent.gone:
		return inside.Reply{}, errGone
	case <-ctx.Done():
	}
	exited, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		process.End(target{m.agent, id}, m.s.o.Grace, exited, m.s.o.Force)
	}()
	defer func() {
		close(exited)
		<-ended
	}()
	select {
	case r := <-answer:
		return r, nil
	case <-m.agent.gone:
		return inside.Reply{}, errGone
	}
}

// inDirs are the job's folders by their names in the container.
func (m *machine) inDirs() []string {
	return []string{m.maps.in(workOf(m.dirs)), m.maps.in(m.dirs.Temp), m.maps.in(m.dirs.Home), m.maps.in(m.dirs.Files)}
}

// giveBack gives what root made in the container to the user who runs this, so that
// later steps on this host, and the removal of the workspace, have no trouble with it.
func (m *machine) giveBack(ctx context.Context) {
	if !m.own {
		return
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), ownTime)
	defer stop()
	h := m.agent.hello
	_, err := m.agent.call(ctx, inside.Request{Op: inside.OpOwn, Own: &inside.Own{UID: h.Owner, GID: h.Group, Root: true, Dirs: m.inDirs()}})
	if err != nil {
		m.s.o.Logger.Warn("files of a container are not given back", "error", err)
	}
}

// openFiles lets the user of a container work with the job's files. Nobody else
// gets at them: the folder of the job lets only its owner in.
func openFiles(d runner.Dirs) {
	for _, dir := range []string{workOf(d), d.Temp, d.Home, d.Files} {
		openFolder(dir)
	}
}

// openFolder goes through a folder without ever leaving it: what runs in the
// container may put links in the way meanwhile.
func openFolder(dir string) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return
	}
	defer root.Close()
	_ = fs.WalkDir(root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		fi, err := d.Info()
		if err != nil || fi.Mode()&fs.ModeSymlink != 0 {
			return nil
		}
		want := fi.Mode().Perm() | 0o666
		if d.IsDir() || fi.Mode()&0o100 != 0 {
			want |= 0o777
		}
		if want != fi.Mode().Perm() {
			_ = root.Chmod(p, want) // what another user made is open or not by its own wish
		}
		return nil
	})
}

// leave gives all files back before the container goes.
func (m *machine) leave(ctx context.Context) {
	if m.agent == nil || !m.own && !m.open {
		return
	}
	h := m.agent.hello
	o := inside.Own{UID: h.Owner, GID: h.Group, Dirs: append(m.inDirs(), m.maps.in(m.dirs.ToolCache))}
	if h.UID == 0 {
		ctx, stop := context.WithTimeout(ctx, ownTime)
		defer stop()
		_, _ = m.agent.call(ctx, inside.Request{Op: inside.OpOwn, Own: &o})
		return
	}
	if err := m.s.ownAsRoot(ctx, m.container, o); err != nil {
		m.s.o.Logger.Warn("files of a container are not given back", "error", err)
	}
}

// RunContainer runs the container of an action.
func (m *machine) RunContainer(ctx context.Context, p runner.ContainerProcess) (int, error) {
	return m.s.run(ctx, p, m.env)
}

// BuildImage builds the image of an action.
func (m *machine) BuildImage(ctx context.Context, b runner.BuildContainer) (string, error) {
	return m.s.BuildImage(ctx, b)
}

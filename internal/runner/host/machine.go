package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/proc"
	"github.com/cairn-ml/cairn/internal/runner"
	"github.com/cairn-ml/cairn/internal/runner/azureml"
	"github.com/cairn-ml/cairn/internal/runner/process"
)

// machine runs the processes of one job on this host.
type machine struct {
	dirs  runner.Dirs
	env   map[string]string
	name  string
	grace Grace
	// force, once closed, ends processes without grace.
	force <-chan struct{}
	// containers runs actions that are images; nil: there are none.
	containers runner.Containers
	// sdk is the folder of the package that stands in for azureml; "" where it cannot be had.
	sdk string
	// active counts processes that somebody waits for.
	active atomic.Int32
}

var _ runner.Machine = (*machine)(nil)

// makeMachine makes the job's folders.
func makeMachine(l layout, spec *cairn.JobSpec, h handover, environ []string, mark string) (*machine, error) {
	repo := "work"
	if _, name, ok := strings.Cut(spec.Code.Repository, "/"); ok && filepath.IsLocal(name) && !strings.Contains(name, "/") {
		repo = name
	}
	at := l.base() // where an earlier job of which this one goes on worked
	m := &machine{
		dirs: runner.Dirs{
			Workspace: filepath.Join(at.file("work"), repo, repo),
			Home:      at.file("home"), Temp: at.file("temp"), Files: l.file("files"),
			ToolCache: filepath.Join(h.Home, "cache", "tools"),
			Cache:     filepath.Join(h.Home, "cache"),
		},
		env: jobEnviron(l, environ, h, mark), grace: h.Grace,
	}
	if t := m.env["RUNNER_TOOL_CACHE"]; t != "" {
		m.dirs.ToolCache = t
	}
	m.name, _ = os.Hostname()
	// Without it jobs run as well, save those of the old SDK, which say that it is missing.
	m.sdk, _ = azureml.Install(filepath.Join(m.dirs.Cache, "azureml"))
	for _, d := range []string{m.dirs.Workspace, m.dirs.Home, m.dirs.Temp, m.dirs.Files, m.dirs.ToolCache, at.file("tmp"), l.file("bin"), l.file("lines")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, err
		}
	}
	if exe, err := os.Executable(); err == nil {
		for _, name := range []string{"cairn", "az"} { // which of them it is called by decides the dialect
			if err := os.Symlink(exe, filepath.Join(l.file("bin"), name)); err != nil {
				return nil, err
			}
		}
	}
	if !spec.AllowSudo {
		if err := os.WriteFile(filepath.Join(l.file("bin"), "sudo"), []byte(sudoShim), 0o755); err != nil {
			return nil, err
		}
	}
	return m, linkConfig(at, h.UserHome)
}

var (
	_ runner.Machine         = (*machine)(nil)
	_ runner.ContainerRunner = (*machine)(nil) // else actions that are images run nowhere
)

func (m *machine) Dirs() runner.Dirs          { return m.dirs }
func (m *machine) Environ() map[string]string { return m.env }

func (m *machine) Info() runner.MachineInfo {
	info := runner.MachineInfo{Name: m.name, OS: "Linux", Arch: strings.ToUpper(runtime.GOARCH), Environment: "self-hosted"}
	if runtime.GOOS == "darwin" {
		info.OS = "macOS"
	}
	if runtime.GOARCH == "amd64" {
		info.Arch = "X64"
	}
	return info
}

// LookPath finds a program on a PATH that is not this process's own.
func (m *machine) LookPath(file, path string) (string, error) {
	if strings.Contains(file, "/") {
		return file, executable(file)
	}
	for _, dir := range filepath.SplitList(path) {
		if dir == "" {
			continue
		}
		p := filepath.Join(dir, file)
		if executable(p) == nil {
			return p, nil
		}
	}
	return "", &exec.Error{Name: file, Err: exec.ErrNotFound}
}

func executable(p string) error {
	fi, err := os.Stat(p)
	switch {
	case err != nil:
		return err
	case fi.IsDir():
		return syscall.EISDIR
	case fi.Mode()&0o111 == 0:
		return fs.ErrPermission
	}
	return nil
}

// RunContainer runs the container of an action.
func (m *machine) RunContainer(ctx context.Context, p runner.ContainerProcess) (int, error) {
	if m.containers == nil {
		return 0, errNoContainers
	}
	return m.containers.RunContainer(ctx, p)
}

// BuildImage builds the image of an action.
func (m *machine) BuildImage(ctx context.Context, b runner.BuildContainer) (string, error) {
	if m.containers == nil {
		return "", errNoContainers
	}
	return m.containers.BuildImage(ctx, b)
}

var errNoContainers = cairn.Errorf(cairn.CodeUnsupported, "this runner starts no containers")

// Exec runs a process in a group of its own, its input empty.
func (m *machine) Exec(ctx context.Context, p runner.Process) (int, error) {
	if len(p.Args) == 0 {
		return 0, cairn.Errorf(cairn.CodeInternal, "no program to run")
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	path, err := m.LookPath(p.Args[0], p.Env["PATH"])
	if err != nil {
		return 0, cairn.Errorf(cairn.CodeNotFound, "%s: command not found", p.Args[0])
	}
	if first := azureml.First(m.sdk, p.Env); first != p.Env["PYTHONPATH"] {
		p.Env = maps.Clone(p.Env)
		p.Env["PYTHONPATH"] = first
	}
	cmd := &exec.Cmd{Path: path, Args: p.Args, Dir: p.Dir, Env: process.EnvList(p.Env), SysProcAttr: &syscall.SysProcAttr{Setpgid: true}}
	if cmd.Dir == "" {
		cmd.Dir = m.dirs.Workspace
	}
	pipes, err := process.NewPipes(p.Stdout, p.Stderr)
	if err != nil {
		return 0, err
	}
	cmd.Stdout, cmd.Stderr = pipes.Stdout.W, pipes.Stderr.W
	m.active.Add(1)
	defer m.active.Add(-1)
	if err := cmd.Start(); err != nil {
		pipes.Close()
		return 0, startError(p, err)
	}
	pipes.Start()
	exited := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-exited:
		case <-ctx.Done():
			process.End(proc.NewTree(cmd.Process.Pid), m.grace, exited, m.force)
		}
	}()
	err = cmd.Wait()
	close(exited)
	<-stopped
	pipes.Drain()
	if ctx.Err() != nil {
		// What the process left in its group ends with it.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	return exitCode(cmd.ProcessState, err)
}

func exitCode(st *os.ProcessState, err error) (int, error) {
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, err
	}
	if ws, ok := st.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal()), nil // as shells count
	}
	return st.ExitCode(), nil
}

func startError(p runner.Process, err error) error {
	if errors.Is(err, syscall.E2BIG) {
		return &cairn.Error{Code: cairn.CodeInvalid, Err: err, Message: "the environment of the step is too large for the operating system",
			Hint: "a variable may have 128 KiB; write larger values into files"}
	}
	return fmt.Errorf("%s cannot be started: %w", p.Args[0], err)
}

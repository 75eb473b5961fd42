package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

// drainTime is how long output is waited for after a process has ended while
// something that it started still holds its output open.
const drainTime = 50 * time.Millisecond

// machine runs the processes of one job on this host.
type machine struct {
	dirs  runner.Dirs
	env   map[string]string
	name  string
	grace Grace
	// force, once closed, ends processes without grace.
	force <-chan struct{}
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
	m := &machine{
		dirs: runner.Dirs{
			Workspace: filepath.Join(l.file("work"), repo, repo),
			Home:      l.file("home"), Temp: l.file("temp"), Files: l.file("files"),
			ToolCache: filepath.Join(h.Home, "cache", "tools"),
			Cache:     filepath.Join(h.Home, "cache"),
		},
		env: jobEnviron(l, environ, h, mark), grace: h.Grace,
	}
	if t := m.env["RUNNER_TOOL_CACHE"]; t != "" {
		m.dirs.ToolCache = t
	}
	m.name, _ = os.Hostname()
	for _, d := range []string{m.dirs.Workspace, m.dirs.Home, m.dirs.Temp, m.dirs.Files, m.dirs.ToolCache, l.file("tmp"), l.file("bin")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, err
		}
	}
	if exe, err := os.Executable(); err == nil {
		if err := os.Symlink(exe, filepath.Join(l.file("bin"), "cairn")); err != nil {
			return nil, err
		}
	}
	if !spec.AllowSudo {
		if err := os.WriteFile(filepath.Join(l.file("bin"), "sudo"), []byte(sudoShim), 0o755); err != nil {
			return nil, err
		}
	}
	return m, linkConfig(l, h.UserHome)
}

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
	cmd := &exec.Cmd{Path: path, Args: p.Args, Dir: p.Dir, Env: envList(p.Env), SysProcAttr: &syscall.SysProcAttr{Setpgid: true}}
	if cmd.Dir == "" {
		cmd.Dir = m.dirs.Workspace
	}
	var pipes []*pipe
	defer func() {
		for _, q := range pipes {
			q.w.Close()
		}
	}()
	open := func(w io.Writer) (*os.File, error) {
		q, err := newPipe(w)
		if err != nil {
			return nil, err
		}
		pipes = append(pipes, q)
		return q.w, nil
	}
	out, err := open(p.Stdout)
	if err != nil {
		return 0, err
	}
	cmd.Stdout, cmd.Stderr = out, out
	if p.Stderr != p.Stdout {
		if cmd.Stderr, err = open(p.Stderr); err != nil {
			return 0, err
		}
	}
	m.active.Add(1)
	defer m.active.Add(-1)
	if err := cmd.Start(); err != nil {
		for _, q := range pipes {
			q.r.Close()
		}
		return 0, startError(p, err)
	}
	for _, q := range pipes {
		q.w.Close()
		go q.copy()
	}
	exited := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-exited:
		case <-ctx.Done():
			m.end(cmd.Process.Pid, exited)
		}
	}()
	err = cmd.Wait()
	close(exited)
	<-stopped
	for _, q := range pipes {
		q.drain()
	}
	if ctx.Err() != nil {
		// What the process left in its group ends with it.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	return exitCode(cmd.ProcessState, err)
}

// end asks a process to stop, then kills its tree: SIGINT, SIGTERM, SIGKILL.
func (m *machine) end(pid int, exited <-chan struct{}) {
	tree := newTree(pid)
	wait := func(d time.Duration) bool {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-exited:
			return true
		case <-m.force:
		case <-t.C:
		}
		tree.grow()
		return false
	}
	forced := false
	select {
	case <-m.force:
		forced = true
	default:
	}
	if !forced {
		_ = syscall.Kill(-pid, syscall.SIGINT)
		if !wait(m.grace.Interrupt) {
			_ = syscall.Kill(-pid, syscall.SIGTERM)
			tree.signal(syscall.SIGTERM)
			wait(m.grace.Terminate)
		}
	}
	tree.grow()
	tree.signal(syscall.SIGKILL)
	_ = syscall.Kill(-pid, syscall.SIGKILL)
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

func envList(env map[string]string) []string {
	out := make([]string, 0, len(env))
	for k, v := range env {
		if k != "" && !strings.ContainsRune(k, 0) && !strings.ContainsRune(v, 0) {
			out = append(out, k+"="+v)
		}
	}
	slices.Sort(out)
	return out
}

// pipe carries the output of a process.
type pipe struct {
	r, w *os.File
	to   io.Writer
	done chan struct{}
}

func newPipe(to io.Writer) (*pipe, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	if to == nil {
		to = io.Discard
	}
	return &pipe{r: r, w: w, to: to, done: make(chan struct{})}, nil
}

func (q *pipe) copy() {
	defer close(q.done)
	buf := make([]byte, 32<<10)
	for {
		n, err := q.r.Read(buf)
		if n > 0 {
			_, _ = q.to.Write(buf[:n])
		}
		if err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				q.r.Close()
			}
			return
		}
	}
}

// drain waits for the last output. A process that goes on in the background
// (a server that later steps use) keeps its pipe: closing it would kill it.
func (q *pipe) drain() {
	select {
	case <-q.done:
		return
	default:
	}
	_ = q.r.SetReadDeadline(time.Now().Add(drainTime))
	<-q.done
	if q.r.SetReadDeadline(time.Time{}) != nil {
		return // closed: all was read
	}
	go func() {
		_, _ = io.Copy(io.Discard, q.r)
		q.r.Close()
	}()
}

package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/proc"
)

// program is one run of an instance's program.
type program struct {
	process
	spec   *cairn.ExecSpec
	log    string
	grace  time.Duration // for it to end after it was asked to
	from   int64         // where its part of the log begins
	exited chan struct{}
	ended  string // once exited: how
	// held says that a control group bounds its memory; else it is looked at.
	held    bool
	tooMuch atomic.Int64 // resident bytes for which it was ended
}

// freePort finds a port of the loopback interface that nobody listens on.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, cairn.Errorf(cairn.CodeUnavailable, "no free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// withPort puts the port into a command or environment.
func withPort(in []string, port int) []string {
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = strings.ReplaceAll(s, "{PORT}", strconv.Itoa(port))
	}
	return out
}

// startProgram starts an instance's program in a session of its own. notes are
// what people should know of it.
func startProgram(x *cairn.StageInstance, log, mark string, grace time.Duration) (p *program, notes []string, err error) {
	port, err := freePort()
	if err != nil {
		return nil, nil, err
	}
	out, err := openLog(log)
	if err != nil {
		return nil, nil, err
	}
	defer out.Close()
	args, env := withPort(x.Exec.Args, port), withPort(x.Exec.Env, port)
	path, err := lookPath(args[0], env, x.Exec.Dir)
	if err != nil {
		return nil, nil, err
	}
	note(out, "deployment %d, release %s: starts on port %d", x.Deployment, x.Release, port)
	fi, err := out.Stat()
	if err != nil {
		return nil, nil, diskError(err)
	}
	var l limits
	if x.Exec.Mode != "container" {
		l = makeLimits("cairn-"+mark, x.Memory, x.CPU)
		if x.CPU > 0 && !l.cpu {
			notes = append(notes, fmt.Sprintf("the limit of %g cores is not held: no control group can be made here", x.CPU))
		}
		if x.Memory > 0 && !l.memory {
			notes = append(notes, fmt.Sprintf("the limit of %s of memory is held by watching: no control group can be made here", bytesText(x.Memory)))
		}
	}
	cmd := &exec.Cmd{
		Path: path, Args: args, Env: append(env, markVariable+"="+mark), Dir: x.Exec.Dir, Stdout: out, Stderr: out,
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if err := cmd.Start(); err != nil {
		removeGroups(l.dirs)
		return nil, nil, cairn.Errorf(cairn.CodeFailed, "%s cannot be started: %w", args[0], err).
			WithHint("the command is %s, in %s", clip(strings.Join(args, " "), 300), x.Exec.Dir)
	}
	p = &program{
		process: process{Identity: proc.Identity{PID: cmd.Process.Pid, Start: proc.Began(cmd.Process.Pid), Boot: proc.BootID()}, Port: port, Mark: mark, Groups: l.dirs},
		spec:    &x.Exec, log: log, grace: grace, from: fi.Size(), exited: make(chan struct{}), held: l.memory,
	}
	if err := l.enter(p.PID); err != nil {
		p.held = false
		notes = append(notes, "its control group refuses it: "+err.Error())
	}
	go func() {
		err := cmd.Wait()
		p.ended = howEnded(cmd, err)
		p.close()
	}()
	return p, notes, nil
}

// adopt takes over a program that another process started.
func adopt(x *cairn.StageInstance, was *process, log string, grace time.Duration) *program {
	p := &program{process: *was, spec: &x.Exec, log: log, grace: grace, exited: make(chan struct{}), held: len(was.Groups) > 0}
	if fi, err := os.Stat(log); err == nil {
		p.from = fi.Size()
	}
	go func() {
		proc.WaitExit(p.PID, p.Start)
		if how, ok := reap(p.PID); ok {
			p.ended = how
			p.close()
			return
		}
		p.ended = "it ended; with which code is not known, since the process of the stage had been replaced meanwhile"
		p.close()
	}()
	return p
}

// close says that it ended, and why where that was its memory.
func (p *program) close() {
	switch n := p.tooMuch.Load(); {
	case n > 0:
		p.ended = fmt.Sprintf("it was ended because it used %s of memory, more than its limit", bytesText(n))
	case outOfMemory(p.Groups):
		p.ended = "the kernel ended it because it used more memory than its limit"
	}
	close(p.exited)
}

func howEnded(cmd *exec.Cmd, err error) string {
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok {
		return statusText(ws)
	}
	return fmt.Sprintf("it ended: %v", err)
}

func statusText(ws syscall.WaitStatus) string {
	if ws.Signaled() {
		return fmt.Sprintf("it was ended by signal %d (%s)", ws.Signal(), ws.Signal())
	}
	return fmt.Sprintf("it ended with exit code %d", ws.ExitStatus())
}

// reap says how a process ended that is a child of this one although another
// program started it, in whose place this one is.
func reap(pid int) (string, bool) {
	var ws syscall.WaitStatus
	for {
		got, err := syscall.Wait4(pid, &ws, syscall.WNOHANG, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		return statusText(ws), err == nil && got == pid
	}
}

// lookPath finds a command as execvp would, on the PATH of its own environment.
func lookPath(name string, env []string, dir string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	path := "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, "PATH="); ok {
			path = v
		}
	}
	for _, d := range filepath.SplitList(path) {
		if !filepath.IsAbs(d) {
			d = filepath.Join(dir, d)
		}
		file := filepath.Join(d, name)
		if fi, err := os.Stat(file); err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0 {
			return file, nil
		}
	}
	return "", cairn.Errorf(cairn.CodeFailed, "the command %q was not found on PATH (%s)", clip(name, 100), clip(path, 300)).
		WithHint("install it in the image, or give its whole path")
}

// stop asks the program to end, waits, and then ends whatever is left of it.
func (p *program) stop(ctx context.Context) {
	if len(p.spec.Stop) > 0 {
		p.runStop(ctx)
	} else if p.Alive() {
		// Its whole group: a shell in front of it would keep the signal for itself.
		sig := signalNamed(p.spec.Signal)
		if err := syscall.Kill(-p.PID, sig); err != nil {
			_ = proc.Signal(p.PID, p.Start, sig) // ended meanwhile
		}
	}
	t := time.NewTimer(p.grace)
	defer t.Stop()
	select {
	case <-p.exited:
	case <-t.C:
	case <-ctx.Done():
	}
	p.kill()
}

// clear ends whatever is left of a program that ended by itself.
func (p *program) clear() {
	if len(p.spec.Stop) > 0 {
		p.runStop(context.Background())
	}
	p.kill()
}

// kill ends all processes of the program at once.
func (p *program) kill() {
	killAll(func() []proc.Proc { return members(&p.process) })
	if p.Alive() {
		return // not ours to end; what waits for it goes on waiting
	}
	<-p.exited
	removeGroups(p.Groups)
}

// stopTime bounds the command that ends a program.
const stopTime = 30 * time.Second

// runStop runs the command that ends what signals do not reach.
func (p *program) runStop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, stopTime)
	defer cancel()
	args, env := withPort(p.spec.Stop, p.Port), withPort(p.spec.Env, p.Port)
	path, err := lookPath(args[0], env, p.spec.Dir)
	if err != nil {
		return // it is ended by signals, then
	}
	cmd := exec.CommandContext(ctx, path, args[1:]...)
	cmd.Args[0], cmd.Env, cmd.Dir = args[0], env, p.spec.Dir
	if out, err := openLog(p.log); err == nil {
		defer out.Close()
		cmd.Stdout, cmd.Stderr = out, out
	}
	_ = cmd.Run() // how it went is in the log, and what is left is ended anyway
}

// watch looks at what no control group holds; it is called every now and then.
func (p *program) watch(memory int64) {
	if memory <= 0 || p.held || p.spec.Mode == "container" || residentSize(&p.process) <= memory {
		return
	}
	if n := sharedSize(&p.process); n > memory && p.tooMuch.CompareAndSwap(0, n) {
		killAll(func() []proc.Proc { return members(&p.process) })
	}
}

func bytesText(n int64) string {
	switch {
	case n >= 10<<30:
		return strconv.FormatInt(n>>30, 10) + " GiB"
	case n >= 10<<20:
		return strconv.FormatInt(n>>20, 10) + " MiB"
	case n >= 10<<10:
		return strconv.FormatInt(n>>10, 10) + " KiB"
	}
	return strconv.FormatInt(n, 10) + " bytes"
}

// checkInstance refuses what cannot be started.
func checkInstance(x *cairn.StageInstance) error {
	bad := func(format string, args ...any) error {
		return cairn.Errorf(cairn.CodeInvalid, "this instance cannot be started: "+format, args...)
	}
	if x.Deployment <= 0 {
		return bad("deployment is %d", x.Deployment)
	}
	if _, _, _, _, err := cairn.NewPredictionID(x.Release, 1, 1, 0).Parts(); err != nil {
		return bad("release is %q, not 12 hex digits", clip(x.Release, 40))
	}
	if len(x.Exec.Args) == 0 || x.Exec.Args[0] == "" {
		return bad("its command is empty").(*cairn.Error).WithHint("give the image a CMD, or the stage a command")
	}
	switch x.Exec.Mode {
	case "container", "root", "host":
	default:
		return bad("mode is %q; container, root and host are known", clip(x.Exec.Mode, 40))
	}
	for _, list := range [][]string{x.Exec.Args, x.Exec.Env, x.Exec.Stop} {
		for _, s := range list {
			if strings.ContainsRune(s, 0) {
				return bad("a NUL byte is in its command or environment")
			}
		}
	}
	for _, kv := range x.Exec.Env {
		if k, _, ok := strings.Cut(kv, "="); !ok || k == "" {
			return bad("its environment has an entry that is not NAME=VALUE")
		}
	}
	switch x.Log.Mode {
	case "", "sync", "async", "off":
	default:
		return bad("log.mode is %q; sync, async and off are known", clip(x.Log.Mode, 40))
	}
	for name, d := range map[string]cairn.Milliseconds{"start": x.Start, "drain": x.Drain, "warm": x.Warm} {
		if d < 0 || d.Duration() > 30*24*time.Hour {
			return bad("%s is %s", name, d.Duration())
		}
	}
	if x.Memory < 0 || x.CPU < 0 || x.CPU > 10_000 {
		return bad("memory is %d, cpu %g", x.Memory, x.CPU)
	}
	if fi, err := os.Stat(x.Exec.Dir); err != nil || !fi.IsDir() {
		if err == nil {
			err = errors.New("not a folder")
		}
		return bad("its folder %s: %w", x.Exec.Dir, err)
	}
	return nil
}

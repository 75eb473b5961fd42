package enter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/cairn-ml/cairn/internal/proc"
	"golang.org/x/sys/unix"
)

// Main is `cairn _enter [--probe] SPEC [-- PROGRAM ARG…]`. It returns only when
// the program could not be started, when a user namespace needs a parent that
// waits, or with --probe, which does everything but start a program.
func Main(ctx context.Context, args, env []string, stderr io.Writer) int {
	// Namespaces and credentials belong to a thread, and so does the signal that
	// tells a child of its parent's end.
	runtime.LockOSThread()
	c, err := parse(args)
	if err == nil {
		c.env = env
		err = c.run(ctx)
	}
	if err == nil {
		return 0
	}
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		if ws, ok := ended.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			return 128 + int(ws.Signal())
		}
		return ended.ExitCode()
	}
	fmt.Fprintln(stderr, "cairn:", err)
	var start *startError
	if errors.As(err, &start) {
		return start.code
	}
	return exitSetup
}

// call is one call of the program.
type call struct {
	probe     bool
	inner     bool   // in the user namespace already
	name      string // of the folder of this start: pid and start time of what waits for its end
	file      string
	spec      Spec
	argv, env []string
}

func parse(args []string) (*call, error) {
	c := &call{name: fmt.Sprintf("%d-%d", os.Getpid(), proc.Start(os.Getpid()))}
	for len(args) > 0 && strings.HasPrefix(args[0], "--") {
		switch args[0] {
		case "--probe":
			c.probe = true
		case "--inner":
			if len(args) < 2 {
				return nil, errors.New("_enter: --inner needs a name")
			}
			c.inner, c.name = true, args[1]
			args = args[1:]
		default:
			return nil, fmt.Errorf("_enter: there is no flag %s", args[0])
		}
		args = args[1:]
	}
	if len(args) == 0 || !c.probe && (len(args) < 3 || args[1] != "--") {
		return nil, errors.New("_enter is called as: cairn _enter SPEC -- PROGRAM ARG…")
	}
	c.file = args[0]
	if len(args) > 2 {
		c.argv = args[2:]
	}
	var err error
	c.spec, err = readSpec(c.file)
	return c, err
}

func (c *call) run(ctx context.Context) error {
	user, err := Lookup(c.spec.Roots, c.spec.User)
	if err != nil {
		return err
	}
	if !c.inner {
		err := unix.EPERM
		if os.Geteuid() == 0 {
			if e := unix.Unshare(unix.CLONE_NEWNS); e == nil {
				return c.enter(user)
			} else if errno, ok := e.(unix.Errno); ok {
				err = errno
			}
		}
		if err != unix.EPERM {
			return fmt.Errorf("no mount namespace: %w", err)
		}
		return c.inNamespace(ctx, user)
	}
	return c.enter(user)
}

// inNamespace starts itself again in a user namespace, in which this user is the
// image's, and waits: a program with several threads cannot go there itself.
func (c *call) inNamespace(ctx context.Context, user Account) error {
	args := []string{"_enter", "--inner", c.name}
	if c.probe {
		args = append(args, "--probe")
	}
	args = append(args, c.file)
	if len(c.argv) > 0 {
		args = append(append(args, "--"), c.argv...)
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "/proc/self/exe", args...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = c.env, os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: user.UID, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: user.GID, HostID: os.Getegid(), Size: 1}},
		// Whoever is not root in the namespace would lose what mounting needs.
		AmbientCaps: []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SYS_CHROOT, unix.CAP_SETPCAP, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER},
		// This thread waits until the end: it does not go before the process does.
		Pdeathsig: syscall.SIGKILL,
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGWINCH)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("no user namespace: %w", err)
	}
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s)
		}
	}()
	return cmd.Wait()
}

// enter goes into the root and becomes the program.
func (c *call) enter(user Account) error {
	rootless := c.inner
	own, ended, err := c.spec.folder(c.name)
	if err != nil {
		return err
	}
	if c.spec.Bytecode {
		if err := c.spec.compiled(own, user, rootless); err != nil {
			return fmt.Errorf("no folder for compiled modules: %w", err)
		}
	}
	for _, dir := range ended {
		if err := RemoveAll(dir); err != nil {
			return err
		}
	}
	if err := c.spec.mount(own, rootless); err != nil {
		return err
	}
	if err := c.spec.furnish(own, user, rootless); err != nil {
		return err
	}
	if c.probe {
		return nil
	}
	if err := become(user, rootless); err != nil {
		return err
	}
	if rootless {
		// Changed credentials may have forgotten it.
		if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
			return err
		}
	}
	if i := slices.IndexFunc(c.env, func(kv string) bool { return strings.HasPrefix(kv, "HOME=") }); i < 0 {
		c.env = append(c.env, "HOME="+user.Home)
	}
	return start(c.argv, c.env)
}

// startError is a program that does not start.
type startError struct {
	code int
	text string
}

// Error says why.
func (e *startError) Error() string { return e.text }

// start becomes the program.
func start(argv, env []string) error {
	path := ""
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, "PATH="); ok {
			path = v
		}
	}
	candidates := []string{argv[0]}
	if !strings.Contains(argv[0], "/") {
		candidates = nil
		for dir := range strings.SplitSeq(path, ":") {
			candidates = append(candidates, dir+"/"+argv[0])
		}
	}
	refused := ""
	for _, file := range candidates {
		fi, err := os.Stat(file)
		if err != nil || fi.IsDir() {
			continue
		}
		switch err := unix.Exec(file, argv, env); err {
		case unix.ENOEXEC:
			return &startError{exitNoExec, file + " cannot be executed: it is of another architecture, or a script without #!"}
		case unix.ENOENT:
			return &startError{exitNotFound, file + " cannot be executed: the interpreter or loader that it names is not in the image"}
		case unix.EACCES:
			refused = file
		default:
			return &startError{exitNoExec, fmt.Sprintf("%s cannot be executed: %v", file, err)}
		}
	}
	switch {
	case refused != "":
		return &startError{exitNoExec, refused + " may not be executed by the image's user"}
	case strings.Contains(argv[0], "/"):
		return &startError{exitNotFound, argv[0] + " is not in the image"}
	}
	return &startError{exitNotFound, fmt.Sprintf("%s is not in the image: looked for in %s", argv[0], path)}
}

package host

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/cairn-ml/cairn"
)

const startTime = 30 * time.Second // for a supervisor to answer

// spawn starts a supervisor for a job and waits until it owns the job: its pid file
// is on the disk and nothing has run yet. ended is called when the process has been
// waited for. Without a worker another supervisor has the job.
func spawn(ctx context.Context, l layout, command, environ []string, h []byte, ended func()) (*worker, *identity, error) {
	out, err := os.OpenFile(l.output(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, nil, diskError(err)
	}
	defer out.Close()
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.Command(command[0], append(command[1:len(command):len(command)], string(l))...)
	cmd.Dir = string(l)
	cmd.Env = append(environ, lineVariable+"=yes")
	cmd.Stdout, cmd.Stderr = out, out
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		ours.Close()
		return nil, nil, cairn.Errorf(cairn.CodeUnavailable, "the supervisor of the job cannot be started: %w", err)
	}
	w := &worker{line: ours, in: bufio.NewReader(ours), end: make(chan struct{}), kill: func() { _ = cmd.Process.Kill() }}
	go func() {
		_ = cmd.Wait()
		close(w.end)
		ended()
	}()
	id, mine, err := w.assign(ctx, l, h)
	if errors.Is(err, errGone) {
		err = startFailed("it ended without an answer" + lastLine(l.output()))
	}
	if err != nil || !mine {
		ours.Close() // without a job it ends
		return nil, id, err
	}
	return w, id, nil
}

// socketPair is a line between two processes.
func socketPair() (ours, theirs *os.File, err error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	for _, fd := range fds {
		syscall.CloseOnExec(fd)
	}
	// Ours is waited for with deadlines.
	if err := syscall.SetNonblock(fds[0], true); err != nil {
		syscall.Close(fds[0])
		syscall.Close(fds[1])
		return nil, nil, err
	}
	return os.NewFile(uintptr(fds[0]), "line"), os.NewFile(uintptr(fds[1]), "line"), nil
}

func startFailed(answer string) error {
	if strings.Contains(answer, syscall.ENOSPC.Error()) {
		return diskError(syscall.ENOSPC)
	}
	return cairn.Errorf(cairn.CodeUnavailable, "the supervisor of the job did not start: %s", answer)
}

// awaitIdentity reads the pid file. Where another supervisor was faster it may
// still be about to write it.
func awaitIdentity(l layout, deadline time.Time) (*identity, error) {
	for {
		id, err := l.readIdentity()
		if err != nil || id != nil {
			return id, err
		}
		if time.Now().After(deadline) {
			return nil, startFailed("another one holds the job and does not say who it is")
		}
		time.Sleep(time.Millisecond)
	}
}

func lastLine(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return fmt.Sprintf(": %.300s", last)
	}
	return ""
}

// takeLock makes this process the job's only supervisor, as long as it lives.
func takeLock(l layout) (*os.File, error) {
	f, err := os.OpenFile(l.lock(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := flock(f); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errBusy
		}
		return nil, err
	}
	return f, nil
}

var errBusy = errors.New("another supervisor has the job")

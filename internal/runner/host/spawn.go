package host

import (
	"bufio"
	"bytes"
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

const (
	// ackVariable tells a supervisor which of its files takes its answer.
	ackVariable = "CAIRN_JOB_ACK"
	startTime   = 30 * time.Second // for a supervisor to answer
)

// spawn starts a supervisor and waits until it owns the job: its pid file is on
// the disk and nothing has run yet. ended is called when a supervisor that this
// process started has been waited for.
func spawn(ctx context.Context, l layout, command, environ []string, h []byte, ended func()) (*identity, error) {
	out, err := os.OpenFile(l.output(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, diskError(err)
	}
	defer out.Close()
	ackR, ackW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer ackR.Close()
	cmd := exec.Command(command[0], append(command[1:len(command):len(command)], string(l))...)
	cmd.Dir = string(l)
	cmd.Env = append(environ, ackVariable+"=3")
	cmd.Stdin = bytes.NewReader(h)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.ExtraFiles = []*os.File{ackW}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		ackW.Close()
		return nil, cairn.Errorf(cairn.CodeUnavailable, "the supervisor of the job cannot be started: %w", err)
	}
	ackW.Close()
	go func() {
		_ = cmd.Wait()
		ended()
	}()
	deadline := time.Now().Add(startTime)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	_ = ackR.SetReadDeadline(deadline)
	answer, _ := bufio.NewReader(ackR).ReadString('\n')
	answer = strings.TrimSpace(answer)
	if answer == "ok" || answer == "busy" {
		return awaitIdentity(l, deadline)
	}
	if answer == "" {
		// It died, or does not answer: nothing has run. Make sure that nothing will.
		_ = cmd.Process.Kill()
		answer = "it ended without an answer" + lastLine(l.output())
	}
	return nil, startFailed(answer)
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

// ack answers the owner and closes the line to it. A dead owner is no error.
func ack(format string, args ...any) {
	if os.Getenv(ackVariable) != "3" {
		return
	}
	f := os.NewFile(3, "ack")
	if f == nil {
		return
	}
	defer f.Close()
	_, _ = fmt.Fprintf(f, format+"\n", args...)
	os.Unsetenv(ackVariable)
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

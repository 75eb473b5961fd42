package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

// IdleExit is how long an owner that a command started stays without client,
// run or deployment.
const IdleExit = 60 * time.Second

// Ready is the line that a detached owner writes to its standard output when
// it answers, or when it cannot.
type Ready struct {
	Ready bool         `json:"ready"`
	Error *cairn.Error `json:"error,omitempty"`
	// Busy says that another process owns the home: connect to that one.
	Busy bool `json:"busy,omitempty"`
}

// reach returns when the owner answers, after starting one where that is asked
// for and none runs.
func (c *Client) reach(ctx context.Context) error {
	deadline := time.Now().Add(c.o.Patience)
	for try, died := 0, 0; ; try++ {
		err := c.ping(ctx)
		if err == nil {
			return nil
		}
		var ce *cairn.Error
		if errors.As(err, &ce) {
			return err // it answers, and says no
		}
		switch {
		case ctx.Err() == nil && c.o.URL == "" && !c.o.AutoStart && neverSent(err):
			return &cairn.Error{Code: cairn.CodeUnavailable, Message: "no Cairn server runs for " + c.o.Home,
				Hint: "start one with: cairn serve", Err: err}
		case ctx.Err() != nil || time.Now().After(deadline):
			return c.wrap(ctx, err)
		}
		if c.o.URL == "" && c.o.AutoStart {
			// One that was killed while it started is started again; one that does not
			// live through three starts will not live through more.
			err := c.start(ctx)
			if errors.Is(err, errDied) {
				if died++; died < 3 {
					err = nil
				}
			}
			if err != nil {
				return err
			}
			if c.ping(ctx) == nil {
				return nil
			}
		}
		if err := pause(ctx, backoff(try)); err != nil {
			return c.wrap(ctx, err)
		}
	}
}

// ping asks once, without trying again.
func (c *Client) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	resp, _, err := c.once(ctx, "GET", "/whoami", &callOptions{})
	if err != nil {
		return err
	}
	if resp.StatusCode >= 500 {
		resp.Body.Close()
		return fmt.Errorf("the server answered %s", resp.Status)
	}
	if resp.StatusCode >= 400 {
		return readError(resp)
	}
	io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	return resp.Body.Close()
}

// start starts an owner unless one answers by the time that this process is the
// only one that starts. Two commands at once start one owner.
func (c *Client) start(ctx context.Context) error {
	if err := MakeHome(c.o.Home); err != nil {
		return err
	}
	unlock, err := LockFile(ctx, filepath.Join(c.o.Home, "start.lock"))
	if err != nil {
		return HomeError(c.o.Home, err)
	}
	defer unlock()
	if c.ping(ctx) == nil {
		return nil
	}
	exe := c.o.Exec
	if exe == "" {
		if exe, err = os.Executable(); err != nil {
			return err
		}
	}
	cmd := exec.Command(exe, "serve", "--detached")
	cmd.Dir = c.o.Home
	cmd.Env = ownerEnv(c.o.Env, c.o.Home)
	cmd.SysProcAttr = detached()
	logFile, err := os.OpenFile(filepath.Join(c.o.Home, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return HomeError(c.o.Home, cairn.Errorf(cairn.CodeUnavailable, "cannot write to the home of Cairn: %w", err))
	}
	defer logFile.Close()
	cmd.Stderr = logFile
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd.Stdout = w
	err = cmd.Start()
	w.Close()
	if err != nil {
		return cairn.Errorf(cairn.CodeUnavailable, "cannot start the Cairn server: %w", err)
	}
	// Reaped here while this process lives; by init when it outlives it.
	go cmd.Wait()
	return awaitReady(ctx, r, filepath.Join(c.o.Home, "server.log"))
}

// errDied says that an owner ended without a word.
var errDied = errors.New("it ended without saying why")

func awaitReady(ctx context.Context, r *os.File, log string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { r.SetReadDeadline(time.Now()) })
	defer stop()
	line, err := bufio.NewReader(io.LimitReader(r, 1<<16)).ReadBytes('\n')
	var got Ready
	if err == nil {
		err = json.Unmarshal(line, &got)
	}
	switch {
	case errors.Is(err, io.EOF) && len(line) == 0:
		return cairn.Errorf(cairn.CodeUnavailable, "the Cairn server ended while it started: %w", errDied).
			WithHint("its log: %s", log)
	case err != nil:
		return cairn.Errorf(cairn.CodeUnavailable, "the Cairn server ended while it started: %w", err).
			WithHint("its log: %s", log)
	case got.Error != nil:
		return got.Error
	}
	return nil // ready, or another process owns the home and will answer
}

// ownerEnv is what an owner inherits: not what belongs to one command or job.
func ownerEnv(env []string, home string) []string {
	if env == nil {
		env = os.Environ()
	}
	out := make([]string, 0, len(env)+1)
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		switch {
		case name == "CAIRN_HOME", name == "CAIRN_URL", name == "CAIRN_TOKEN",
			strings.HasPrefix(name, "MLFLOW_"), strings.HasPrefix(name, "GITHUB_"), strings.HasPrefix(name, "RUNNER_"):
			continue
		}
		out = append(out, kv)
	}
	return append(out, "CAIRN_HOME="+home)
}

// maxSocketPath is what the kernel takes for the name of a socket.
const maxSocketPath = 100

// dialSocket connects to a socket whose path may be longer than the kernel
// takes: then through the folder's file descriptor.
func dialSocket(ctx context.Context, d *net.Dialer, path string) (net.Conn, error) {
	if len(path) <= maxSocketPath {
		return d.DialContext(ctx, "unix", path)
	}
	short, done, err := shortSocket(path)
	if err != nil {
		return nil, err
	}
	defer done()
	return d.DialContext(ctx, "unix", short)
}

// ListenSocket listens on the socket at path, replacing one that is left over:
// the caller owns the home.
func ListenSocket(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	addr := path
	if len(path) > maxSocketPath {
		short, done, err := shortSocket(path)
		if err != nil {
			return nil, err
		}
		defer done()
		addr = short
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: addr, Net: "unix"})
	if err != nil {
		return nil, err
	}
	// The name may be gone, or another owner's, when this listener closes.
	l.SetUnlinkOnClose(false)
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func shortSocket(path string) (string, func(), error) {
	if runtime.GOOS != "linux" {
		return "", nil, cairn.Errorf(cairn.CodeInvalid, "the path of the home is too long for a socket (%d bytes, at most %d)", len(path), maxSocketPath).
			WithHint("set CAIRN_HOME to a shorter path")
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)), func() { dir.Close() }, nil
}

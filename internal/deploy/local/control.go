package local

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/cairn-ml/cairn"
)

const (
	maxSocketPath = 100 // what the kernel takes for the name of a socket
	maxAnswer     = 4 << 20
	statusTime    = 2 * time.Second
)

// control speaks with the process of a stage.
type control struct {
	http   *http.Client
	socket string
}

func newControl(socket string) *control {
	c := &control{socket: socket}
	c.http = &http.Client{Transport: &http.Transport{DialContext: c.dial, DisableKeepAlives: true}}
	return c
}

func (c *control) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	var d net.Dialer
	path := c.socket
	if len(path) > maxSocketPath && runtime.GOOS == "linux" {
		dir, err := os.Open(filepath.Dir(path))
		if err != nil {
			return nil, err
		}
		defer dir.Close()
		path = fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path))
	}
	return d.DialContext(ctx, "unix", path)
}

// absent reports whether an error says that nobody listens.
func absent(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)
}

// call makes a request. An answer that is none of a good one is an error.
func (c *control) call(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://stage"+path, r)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode < 300 {
		return res, nil
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	var e cairn.Error
	if json.Unmarshal(text, &e) == nil && e.Message != "" {
		return nil, &e
	}
	if res.StatusCode == http.StatusNotFound {
		return nil, cairn.Errorf(cairn.CodeUnsupported, "the stage's process does not know %s: it is of another version of Cairn", path).
			WithHint("stop the stage and deploy again")
	}
	return nil, cairn.Errorf(cairn.CodeUnavailable, "the stage's process answers %s to %s: %s", res.Status, path, strings.TrimSpace(string(text)))
}

// status asks how it is; nil where nobody listens.
func (c *control) status(ctx context.Context) (*cairn.StageStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTime)
	defer cancel()
	res, err := c.call(ctx, http.MethodGet, "/v1/status", nil)
	if err != nil {
		if absent(err) {
			return nil, nil
		}
		return nil, unreachable(err)
	}
	defer res.Body.Close()
	// A newer process may say more than is known here.
	var st cairn.StageStatus
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(&st); err != nil {
		return nil, unreachable(err)
	}
	return &st, nil
}

// errCut is an answer that ended before the deployment did.
var errCut = errors.New("the stage's process ended meanwhile")

// deploy starts an instance and gives its events to visit until it is live or has
// failed; last is that end.
func (c *control) deploy(ctx context.Context, in cairn.StageInstance, visit func(cairn.StageEvent)) (last cairn.StageEvent, err error) {
	res, err := c.call(ctx, http.MethodPost, "/v1/deploy", in)
	if err != nil {
		if absent(err) || errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
			return last, errCut
		}
		return last, err
	}
	defer res.Body.Close()
	s := bufio.NewScanner(res.Body)
	s.Buffer(nil, maxAnswer)
	for s.Scan() {
		if len(bytes.TrimSpace(s.Bytes())) == 0 {
			continue
		}
		var ev cairn.StageEvent
		if err := json.Unmarshal(s.Bytes(), &ev); err != nil {
			return last, unreachable(err)
		}
		visit(ev)
		if ev.Kind == cairn.StageEvLive || ev.Kind == cairn.StageEvFailed {
			return ev, nil
		}
	}
	if ctx.Err() != nil {
		return last, ctx.Err()
	}
	return last, errCut
}

// stop asks it to drain and end.
func (c *control) stop(ctx context.Context) error {
	res, err := c.call(ctx, http.MethodPost, "/v1/stop", nil)
	if err != nil {
		// It may be gone before it has answered.
		if absent(err) || errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
			return nil
		}
		return err
	}
	return res.Body.Close()
}

func unreachable(err error) error {
	return cairn.Errorf(cairn.CodeUnavailable, "the stage's process does not answer: %w", err)
}

// Package client is the only way that commands and supervisors talk to the
// owner of a Cairn home: typed methods over /api/v1, on the home's socket or at
// an address with a token.
package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/cairn-ml/cairn"
)

// Options say where the owner is.
type Options struct {
	// Home is $CAIRN_HOME; its socket is used unless URL is given.
	Home string
	// URL and Token reach an owner over TCP: CAIRN_URL and CAIRN_TOKEN in a job.
	URL   string
	Token string
	// Job is the token of the job in which this is done with another token: what is made
	// is the job's. "": nothing is said.
	Job string
	// AutoStart starts the owner of Home when none runs.
	AutoStart bool
	// Exec is the cairn binary to start; empty: this program's own.
	Exec string
	// Env is the environment of an owner that is started; nil: this process's.
	Env []string
	// Patience is how long to wait for an owner that is away (being killed and
	// started again); 0: 30 s.
	Patience time.Duration
	Log      *slog.Logger
}

// Client talks to one owner. It is safe for concurrent use.
type Client struct {
	o    Options
	base string
	http *http.Client
}

// Connect finds the owner, starting it where asked to, and returns when it
// answers.
func Connect(ctx context.Context, o Options) (*Client, error) {
	c, err := New(o)
	if err != nil {
		return nil, err
	}
	if err := c.reach(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// New returns a client without asking anything yet: for jobs, whose owner may
// be away at the moment.
func New(o Options) (*Client, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Patience == 0 {
		o.Patience = 30 * time.Second
	}
	c := &Client{o: o}
	tr := &http.Transport{MaxIdleConnsPerHost: 8, IdleConnTimeout: 30 * time.Second, DisableCompression: true}
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	if o.URL != "" {
		u, err := url.Parse(o.URL)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not the address of a Cairn server", o.URL).
				WithHint("an address looks like http://127.0.0.1:7077")
		}
		c.base = strings.TrimRight(u.Scheme+"://"+u.Host+u.Path, "/")
		tr.DialContext = dialer.DialContext
		// Localhost and the owner's own address never go through a proxy.
		tr.Proxy = http.ProxyFromEnvironment
	} else {
		if o.Home == "" {
			return nil, cairn.Errorf(cairn.CodeInvalid, "neither a home nor an address of a Cairn server is given")
		}
		c.base = "http://cairn"
		socket := SocketPath(o.Home)
		tr.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return dialSocket(ctx, dialer, socket) }
	}
	c.http = &http.Client{Transport: tr}
	return c, nil
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// SocketPath is where the owner of home listens.
func SocketPath(home string) string { return filepath.Join(home, "cairn.sock") }

// Status says how the owner is doing.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	return call[Status](ctx, c, http.MethodGet, "/status", nil)
}

// Handover asks an owner that a command started to leave, so that another
// process can own the home. Its jobs go on.
func (c *Client) Handover(ctx context.Context) error {
	return c.do(ctx, http.MethodPost, "/owner/handover", nil, nil)
}

type callOption func(*callOptions)

type callOptions struct {
	repeat bool                      // may be sent again after a connection broke half-way
	body   func() (io.Reader, error) // instead of JSON
	kind   string
	final  func() error // an error of the body that ends the attempts
}

func idempotent(o *callOptions) { o.repeat = true }

func call[T any](ctx context.Context, c *Client, method, path string, in any, opts ...callOption) (*T, error) {
	out := new(T)
	if err := c.do(ctx, method, path, in, out, opts...); err != nil {
		return nil, err
	}
	return out, nil
}

// list reads a JSON array.
func list[T any](ctx context.Context, c *Client, path string, q url.Values) ([]T, error) {
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	out, err := call[[]T](ctx, c, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	return *out, nil
}

// answerLimit bounds a JSON answer.
const answerLimit = 256 << 20

func (c *Client) do(ctx context.Context, method, path string, in, out any, opts ...callOption) error {
	resp, err := c.send(ctx, method, path, in, opts...)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, answerLimit)).Decode(out); err != nil {
		return c.wrap(ctx, fmt.Errorf("reading the answer to %s %s: %w", method, path, err))
	}
	return nil
}

// send does a request and returns the answer when it is a success. A request
// that was never taken in is sent again while the owner is away; one that may
// have been is only sent again when that does no harm.
func (c *Client) send(ctx context.Context, method, path string, in any, opts ...callOption) (*http.Response, error) {
	o := callOptions{repeat: method == http.MethodGet || method == http.MethodHead}
	for _, f := range opts {
		f(&o)
	}
	if o.body == nil && in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		o.kind = "application/json"
		o.body = func() (io.Reader, error) { return bytes.NewReader(b), nil }
	}
	deadline := time.Now().Add(c.o.Patience)
	for try := 0; ; try++ {
		resp, sent, err := c.once(ctx, method, path, &o)
		switch {
		case err == nil && resp.StatusCode < 400:
			return resp, nil
		case err == nil:
			err = readError(resp)
			if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
				return nil, err
			}
		case ctx.Err() != nil:
			return nil, c.wrap(ctx, err)
		case sent && !o.repeat:
			return nil, c.wrap(ctx, err)
		}
		if o.final != nil {
			if err := o.final(); err != nil {
				return nil, err
			}
		}
		if time.Now().After(deadline) {
			return nil, c.wrap(ctx, err)
		}
		c.o.Log.Debug("owner away, trying again", "path", path, "error", err)
		if c.o.URL == "" && c.o.AutoStart {
			if err := c.reach(ctx); err != nil {
				return nil, err
			}
			continue
		}
		if err := pause(ctx, backoff(try)); err != nil {
			return nil, c.wrap(ctx, err)
		}
	}
}

// once sends a request; sent says that the owner may have taken it in.
func (c *Client) once(ctx context.Context, method, path string, o *callOptions) (resp *http.Response, sent bool, err error) {
	var body io.Reader
	if o.body != nil {
		if body, err = o.body(); err != nil {
			return nil, false, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+"/api/v1"+path, body)
	if err != nil {
		return nil, false, err
	}
	if o.kind != "" {
		req.Header.Set("Content-Type", o.kind)
	}
	if c.o.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.o.Token)
		if c.o.Job != "" {
			req.Header.Set("X-Cairn-Job", c.o.Job)
		}
	}
	resp, err = c.http.Do(req)
	if err != nil {
		return nil, !neverSent(err), err
	}
	return resp, true, nil
}

// neverSent reports that no connection was made.
func neverSent(err error) bool {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return true
	}
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT)
}

func readError(resp *http.Response) error {
	defer resp.Body.Close()
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	e := &cairn.Error{}
	if json.Unmarshal(b, e) == nil && e.Code != "" && e.Message != "" {
		return e
	}
	return cairn.Errorf(cairn.CodeInternal, "the server answered %s: %s", resp.Status, strings.TrimSpace(string(b[:min(len(b), 300)])))
}

// wrap turns an error of the transport into one for people.
func (c *Client) wrap(ctx context.Context, err error) error {
	var ce *cairn.Error
	switch {
	case errors.As(err, &ce):
		return err
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled):
		return cairn.Errorf(cairn.CodeCanceled, "interrupted: %w", ctx.Err())
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err // its own text repeats the method and the address of the request
	}
	where := c.base
	if c.o.URL == "" {
		where = SocketPath(c.o.Home)
	}
	return cairn.Errorf(cairn.CodeUnavailable, "no answer from the Cairn server at %s: %w", where, err).
		WithHint("is it running? cairn status says so; cairn serve starts it")
}

func query(pairs ...string) url.Values {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q
}

func randomKey() string { return rand.Text() }

func backoff(try int) time.Duration {
	return min(5*time.Millisecond<<min(try, 7), 500*time.Millisecond)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

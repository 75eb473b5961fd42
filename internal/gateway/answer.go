package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/gateway/predlog"
)

// The headers of every answer.
const (
	headerRelease    = "X-Cairn-Release"
	headerPrediction = "X-Cairn-Prediction"
	headerModel      = "X-Cairn-Model"
)

const defaultBody = 1 << 20

// maxBody is how much is kept of each body.
func maxBody(l cairn.PredictionLog) int64 {
	if l.MaxBody <= 0 {
		return defaultBody
	}
	return min(l.MaxBody, predlog.MaxBody)
}

// notLogged says that an answer may not go out, since its record is not on the disk.
type notLogged struct{ err error }

func (e *notLogged) Error() string { return e.err.Error() }
func (e *notLogged) Unwrap() error { return e.err }

// answer is called with what a program answered, before any of it goes out. The
// context of the log is not the client's: what was answered is kept, whoever goes.
func (s *Stage) answer(resp *http.Response) error {
	f, ok := resp.Request.Context().Value(flowKey{}).(*flow)
	if !ok {
		return errNothingLive
	}
	t := f.term
	resp.Header.Set(headerRelease, t.spec.Release)
	resp.Header.Del(headerPrediction)
	resp.Header.Del(headerModel)
	if t.spec.Model != "" {
		resp.Header.Set(headerModel, string(t.spec.Model))
	}
	if f.skip {
		return nil
	}
	p := f.prediction(resp)
	w, err := s.openLogNow()
	if err != nil {
		if p.Async {
			return nil
		}
		return &notLogged{err}
	}
	ctx := context.Background()
	b, isWhole := resp.Body.(*whole)
	switch {
	case isWhole:
		p.Response.Body, p.Response.Size = b.b, int64(len(b.b))
	case resp.StatusCode == http.StatusSwitchingProtocols:
	case resp.ContentLength == 0, resp.StatusCode == http.StatusNoContent, resp.StatusCode == http.StatusNotModified:
		isWhole = true
	}
	if isWhole {
		p.ID, err = w.Append(ctx, p)
	} else {
		p.ID, err = w.Begin(ctx, p)
	}
	switch {
	case err != nil && !p.Async:
		return &notLogged{err}
	case err != nil:
		return nil // the writer counts what is lost
	}
	resp.Header.Set(headerPrediction, string(p.ID))
	if isWhole {
		return nil
	}
	rec := &recorder{ReadCloser: resp.Body, s: s, f: f, p: p, w: w, want: resp.ContentLength, limit: maxBody(t.log)}
	resp.Body = rec
	if conn, ok := rec.ReadCloser.(io.ReadWriteCloser); ok && resp.StatusCode == http.StatusSwitchingProtocols {
		rec.want = -1
		resp.Body = &duplex{recorder: rec, conn: conn}
	}
	return nil
}

// prediction is what is known of a request when its answer begins.
func (f *flow) prediction(resp *http.Response) *cairn.Prediction {
	t := f.term
	p := &cairn.Prediction{
		Deployment: t.spec.Deployment, Release: t.spec.Release, Image: t.spec.Image, Model: t.spec.Model,
		At: f.began, Took: f.took(), Remote: remote(f.req), Method: f.req.Method, Path: f.req.URL.RequestURI(),
		Status: resp.StatusCode, Async: t.log.Mode == "async",
	}
	p.Request.Type, p.Response.Type = f.req.Header.Get("Content-Type"), resp.Header.Get("Content-Type")
	f.in.fill(&p.Request)
	return p
}

func (f *flow) took() cairn.Micros { return cairn.Micros(f.s.o.Now().Sub(f.began).Microseconds()) }

// remote is who asked: the client's address, or what a web server on this machine
// in front of us says of it.
func remote(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	if v := r.Header.Values("X-Forwarded-For"); len(v) > 0 {
		last := v[len(v)-1]
		if i := bytes.LastIndexByte([]byte(last), ','); i >= 0 {
			last = last[i+1:]
		}
		if ip := net.ParseIP(string(bytes.TrimSpace([]byte(last)))); ip != nil {
			return ip.String()
		}
	}
	return host
}

// errStalled says that a client stopped sending.
var errStalled = errors.New("the client stopped sending")

// capture passes a request's body on and keeps its beginning.
type capture struct {
	io.ReadCloser
	rc    *http.ResponseController
	limit int64

	mu   sync.Mutex
	kept []byte
	size int64
	read bool
}

func (c *capture) Read(p []byte) (int, error) {
	_ = c.rc.SetReadDeadline(time.Now().Add(stallTime)) // without deadlines it works as well
	n, err := c.ReadCloser.Read(p)
	if err != nil {
		// What comes after the body is not the body's: waiting for it has no end.
		_ = c.rc.SetReadDeadline(time.Time{})
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = errStalled
		}
	}
	c.add(p[:n])
	return n, err
}

func (c *capture) add(p []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read = true
	c.size += int64(len(p))
	if room := c.limit - int64(len(c.kept)); room > 0 {
		c.kept = append(c.kept, p[:min(room, int64(len(p)))]...)
	}
}

// touched reports whether anything of the body was asked for.
func (c *capture) touched() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read
}

// fill notes what went by so far; it reports whether that is more than before.
func (c *capture) fill(x *cairn.Exchanged) (more bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	more = c.size > x.Size
	x.Size, x.Cut = c.size, c.size > int64(len(c.kept))
	x.Body = c.kept[:len(c.kept):len(c.kept)]
	return more
}

// recorder passes an answer on as it comes and keeps its beginning. Its end is on
// the disk before the client sees it.
type recorder struct {
	io.ReadCloser
	s     *Stage
	f     *flow
	p     *cairn.Prediction
	w     *predlog.Writer
	want  int64 // Content-Length; -1: not known
	limit int64

	mu   sync.Mutex
	kept []byte
	size int64
	once sync.Once
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.mu.Lock()
	r.size += int64(n)
	if room := r.limit - int64(len(r.kept)); room > 0 {
		r.kept = append(r.kept, p[:min(room, int64(n))]...)
	}
	done := r.want >= 0 && r.size >= r.want
	r.mu.Unlock()
	switch {
	case err == io.EOF || done:
		r.end(nil)
	case err != nil:
		r.end(err)
	}
	return n, err
}

func (r *recorder) Close() error {
	r.end(errors.New("the client went away"))
	return r.ReadCloser.Close()
}

// end writes the second record of the answer, once.
func (r *recorder) end(err error) {
	r.once.Do(func() {
		p := *r.p
		p.Took = r.f.took()
		if err != nil {
			p.Error = err.Error()
			if errors.Is(context.Cause(r.f.ctx), errCut) {
				p.Error = errCut.Error()
			}
		}
		if more := r.f.in.fill(&p.Request); !more {
			p.Request.Body = nil // it stands at the begin
		}
		r.mu.Lock()
		p.Response.Size, p.Response.Body = r.size, r.kept
		p.Response.Cut = r.size > int64(len(r.kept))
		r.mu.Unlock()
		if err := r.w.End(context.Background(), &p); err != nil {
			r.s.o.Logger.Error("the end of an answer was not logged", "prediction", p.ID, "error", err)
		}
	})
}

// duplex is a connection after an upgrade: the client's messages count as the
// request's body.
type duplex struct {
	*recorder
	conn io.ReadWriteCloser
}

func (d *duplex) Write(p []byte) (int, error) {
	n, err := d.conn.Write(p)
	d.f.in.add(p[:n])
	return n, err
}

// Close is the usual end of such a connection, from either side.
func (d *duplex) Close() error {
	if errors.Is(context.Cause(d.f.ctx), errCut) {
		d.end(errCut)
	} else {
		d.end(nil)
	}
	return d.conn.Close()
}

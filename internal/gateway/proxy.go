package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cairn-ml/cairn"
)

const (
	headerTime = 15 * time.Second // for a client to send its header
	idleTime   = 2 * time.Minute  // between two requests of a connection
	stallTime  = 60 * time.Second // without a byte of a body, either way
	maxHeader  = 64 << 10
	// maxRequests are under way at once; more are told to come again.
	maxRequests = 4096
	// idleToProgram is shorter than what servers of programs wait (gunicorn 2 s,
	// uvicorn 5 s), so that a request hardly ever meets a connection that is closed
	// just then.
	idleToProgram = time.Second
	// patience is how long a request waits for a program that is started again, where
	// it is certain that nothing was done for it yet, or doing it twice is harmless.
	patience    = 5 * time.Second
	mostRetries = 2
)

type flowKey struct{}

// flow is one request on its way.
type flow struct {
	s       *Stage
	term    *term
	stop    func() bool // unhooks it from its term
	ctx     context.Context
	cancel  context.CancelCauseFunc
	began   time.Time
	req     *http.Request // as the client sent it
	in      *capture
	skip    bool // it is not logged
	retries int  // how often it may be sent again although it may have arrived
}

var (
	errNothingLive = errors.New("nothing is live")
	errNotRunning  = errors.New("the program does not run")
	errCut         = errors.New("the release was replaced")
)

// frontServer answers on the stage's own port.
func (s *Stage) frontServer() *http.Server {
	return &http.Server{
		Handler: http.HandlerFunc(s.serveRequest), ReadHeaderTimeout: headerTime, IdleTimeout: idleTime,
		MaxHeaderBytes: maxHeader, ErrorLog: quiet(s.o.Logger),
	}
}

// newProxy makes the way to the programs.
func (s *Stage) newProxy() http.Handler {
	t := &http.Transport{
		DialContext:        (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: -1}).DialContext,
		DisableCompression: true, MaxIdleConnsPerHost: 512, IdleConnTimeout: idleToProgram,
		ExpectContinueTimeout: time.Second, MaxResponseHeaderBytes: 256 << 10,
		ReadBufferSize: 16 << 10, WriteBufferSize: 16 << 10,
	}
	return &httputil.ReverseProxy{
		Rewrite: rewrite, Transport: &carrier{next: t}, ModifyResponse: s.answer, ErrorHandler: s.refuse,
		ErrorLog: quiet(s.o.Logger), BufferPool: &pool{},
	}
}

// pool reuses the buffers that bodies are copied with.
type pool struct{ p sync.Pool }

func (p *pool) Get() []byte {
	if b, ok := p.p.Get().(*[]byte); ok {
		return *b
	}
	return make([]byte, 32<<10)
}

func (p *pool) Put(b []byte) { p.p.Put(&b) }

// rewrite passes a request on as it came, with the usual headers of a proxy.
func rewrite(r *httputil.ProxyRequest) {
	r.Out.URL.Scheme, r.Out.URL.Host = "http", "stage" // the carrier puts the address in
	r.Out.URL.RawQuery = r.In.URL.RawQuery
	r.Out.Host = r.In.Host
	r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
	r.SetXForwarded()
	for _, name := range []string{"X-Forwarded-Host", "X-Forwarded-Proto"} {
		if v := r.In.Header[name]; len(v) > 0 {
			r.Out.Header[name] = v // a web server in front of this one knows better
		}
	}
	// Trailers are known only once the body was read: the same map is needed.
	r.Out.Trailer = r.In.Trailer
}

// serveRequest is a request of a client.
func (s *Stage) serveRequest(w http.ResponseWriter, r *http.Request) {
	s.requests.Add(1)
	if s.inflight.Add(1) > maxRequests {
		s.inflight.Add(-1)
		s.failed.Add(1)
		w.Header().Set("Retry-After", "1")
		writeStatus(w, http.StatusServiceUnavailable, cairn.Errorf(cairn.CodeUnavailable, "%d requests are under way: this one was not taken", maxRequests).
			WithHint("send it again a little later"))
		return
	}
	defer s.inflight.Add(-1)
	if s.leaving.Load() && r.Header.Get("Upgrade") == "" {
		w.Header().Set("Connection", "close")
	}
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Time{}) // that of the request before it on this connection
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	f := &flow{s: s, ctx: ctx, cancel: cancel, began: s.o.Now(), req: r}
	f.in = &capture{ReadCloser: r.Body, rc: rc}
	if (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.ContentLength == 0 && len(r.TransferEncoding) == 0 {
		f.retries = mostRetries
	}
	if !f.use(s.acquire()) {
		s.refuse(w, r, errNothingLive)
		return
	}
	defer func() { f.use(nil) }()
	f.in.limit = maxBody(f.term.log)
	f.skip = f.term.log.Mode == "off" || excluded(r, &f.term.spec, f.term.log.Exclude)
	if f.skip {
		f.in.limit = 0
	}
	out := r.WithContext(context.WithValue(ctx, flowKey{}, f))
	if r.Body != http.NoBody {
		out.Body = f.in
	}
	s.proxy.ServeHTTP(&patient{ResponseWriter: w, rc: rc}, out)
}

// use moves the request to a term, and lets go of the one before.
func (f *flow) use(t *term) bool {
	if f.term != nil {
		f.stop()
		f.term.release()
	}
	f.term = t
	if t == nil {
		return false
	}
	f.stop = context.AfterFunc(t.ctx, func() { f.cancel(errCut) })
	return true
}

// patient gives up on clients that take nothing for a while.
type patient struct {
	http.ResponseWriter
	rc *http.ResponseController
}

func (w *patient) Write(b []byte) (int, error) {
	_ = w.rc.SetWriteDeadline(time.Now().Add(stallTime)) // without deadlines it works as well
	return w.ResponseWriter.Write(b)
}

// Unwrap lets the proxy flush, and take over connections.
func (w *patient) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// carrier brings requests to whatever is live.
type carrier struct{ next http.RoundTripper }

// RoundTrip sends a request, and again where that is safe: nothing of the answer
// came, and either the request never left or it changes nothing. A short answer is
// taken in whole here, so that one that breaks off counts as none.
func (c *carrier) RoundTrip(out *http.Request) (*http.Response, error) {
	f, ok := out.Context().Value(flowKey{}).(*flow)
	if !ok {
		return nil, errNothingLive
	}
	end := time.Now().Add(patience)
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		resp, err := c.once(out, f)
		if err == nil || out.Context().Err() != nil || time.Now().After(end) || !f.again(err) {
			return resp, err
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-out.Context().Done():
			t.Stop()
			return nil, out.Context().Err()
		}
		// What is live may have changed meanwhile.
		if !f.use(f.s.acquire()) {
			return nil, errNothingLive
		}
	}
}

func (c *carrier) once(out *http.Request, f *flow) (*http.Response, error) {
	to := f.term.in.addr.Load()
	if to == nil {
		return nil, errNotRunning
	}
	r := out.WithContext(out.Context())
	u := *out.URL
	u.Host = to.addr
	r.URL = &u
	if out.Body != nil {
		r.Body = io.NopCloser(out.Body) // a try that never left does not end it
	}
	resp, err := c.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if n := resp.ContentLength; n > 0 && n <= f.bufferMost() && out.Method != http.MethodHead && resp.StatusCode != http.StatusSwitchingProtocols {
		b := make([]byte, n)
		_, err := io.ReadFull(resp.Body, b)
		resp.Body.Close()
		if err != nil {
			return nil, fmt.Errorf("the answer broke off: %w", err)
		}
		resp.Body = &whole{b: b}
	}
	return resp, nil
}

// bufferMost is up to which length an answer is taken in before it goes out.
func (f *flow) bufferMost() int64 {
	if f.skip {
		return 0
	}
	return maxBody(f.term.log)
}

// again reports whether a request may be sent once more. One that may have reached
// the program is not sent forever: it may be what the program dies of.
func (f *flow) again(err error) bool {
	var op *net.OpError
	switch {
	case errors.Is(err, errNotRunning):
		return true
	case errors.As(err, &op) && op.Op == "dial" && errors.Is(err, syscall.ECONNREFUSED) && !f.in.touched():
		return true
	}
	f.retries--
	return f.retries >= 0
}

// whole is an answer that was taken in.
type whole struct {
	b   []byte
	off int
}

func (w *whole) Read(p []byte) (int, error) {
	if w.off == len(w.b) {
		return 0, io.EOF
	}
	n := copy(p, w.b[w.off:])
	w.off += n
	return n, nil
}

func (w *whole) Close() error { return nil }

// refuse answers for a program that cannot.
func (s *Stage) refuse(w http.ResponseWriter, r *http.Request, err error) {
	f, _ := r.Context().Value(flowKey{}).(*flow)
	var unlogged *notLogged
	var e *cairn.Error
	code := http.StatusBadGateway
	logs := "cairn logs " + s.file.Name + " shows what it printed; cairn status shows whether it is up again"
	switch {
	case errors.Is(err, errNothingLive):
		code = http.StatusServiceUnavailable
		e = cairn.Errorf(cairn.CodeUnavailable, "nothing is live on stage %s", s.file.Name).
			WithHint("cairn deploy IMAGE --to %s puts something there", s.file.Name)
	case errors.As(err, &unlogged):
		code = http.StatusServiceUnavailable
		if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
			code = http.StatusInsufficientStorage
		}
		e = cairn.AsError(unlogged.err)
		e = cairn.Errorf(e.Code, "the answer was not given, because its record could not be kept: %s", e.Message).WithHint("%s", e.Hint)
	case f != nil && errors.Is(context.Cause(r.Context()), errCut):
		code = http.StatusServiceUnavailable
		e = cairn.Errorf(cairn.CodeUnavailable, "the release that worked on this request was replaced, and its time to finish was over").
			WithHint("send it again; drain in .cairn/stages.yml is how long requests may take then")
	case errors.Is(err, errStalled):
		code = http.StatusRequestTimeout
		e = cairn.Errorf(cairn.CodeInvalid, "the body of the request stopped coming for %s", stallTime)
	case r.Context().Err() != nil:
		return // the client went away: nobody reads an answer
	case errors.Is(err, errNotRunning):
		code = http.StatusServiceUnavailable
		why := ""
		if f != nil && f.term != nil {
			if why = f.term.in.status().Reason; why != "" {
				why = ": " + why
			}
		}
		e = cairn.Errorf(cairn.CodeUnavailable, "the program of stage %s does not run%s", s.file.Name, why).WithHint("%s", logs)
	default:
		e = cairn.Errorf(cairn.CodeUnavailable, "the program of stage %s did not answer this request: %s", s.file.Name, reason(err)).WithHint("%s", logs)
	}
	if code >= 500 {
		s.failed.Add(1)
	}
	s.o.Logger.Log(r.Context(), slog.LevelDebug, "a request was not answered by the program", "path", r.URL.Path, "status", code, "error", err)
	if f != nil && f.term != nil {
		w.Header().Set(headerRelease, f.term.spec.Release)
	}
	if code == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	writeStatus(w, code, e)
}

// excluded reports whether a request is left out of the log.
func excluded(r *http.Request, x *cairn.StageInstance, patterns []string) bool {
	if r.Method == http.MethodOptions || r.Method == http.MethodHead || r.Method == http.MethodTrace {
		return true
	}
	if r.Method == http.MethodGet {
		if x.Health != "" && r.URL.Path == strings.SplitN(x.Health, "?", 2)[0] {
			return true
		}
		for _, p := range unloggedPaths {
			if cairn.PathMatches(p, r.URL.Path) {
				return true
			}
		}
	}
	for _, p := range patterns {
		if cairn.PathMatches(p, r.URL.Path) {
			return true
		}
	}
	return false
}

// unloggedPaths are those that no model answers: GETs of them are not kept.
var unloggedPaths = []string{
	"/health", "/healthz", "/health/*", "/livez", "/ready", "/readyz", "/ping", "/metrics",
	"/docs", "/docs/*", "/redoc", "/openapi.json", "/favicon.ico", "/robots.txt", "/static/*", "/assets/*",
}

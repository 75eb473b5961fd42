package endpoint

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cairn-ml/cairn"
)

// Headers of the original.
const (
	headerDeployment = "azureml-model-deployment"          // names a deployment; answers say which it was
	headerModelError = "ms-azureml-model-error-statuscode" // what the model's own server answered
	headerReason     = "ms-azureml-model-error-reason"     // why
	headerClientID   = "x-ms-client-request-id"            // of the caller, given back
	maxBody          = 32 << 20                            // of a request that is mirrored, and of any
	maxMirrored      = 16                                  // copies under way at once
	mirrorTime       = time.Minute                         // for a copy
	headerTime       = 15 * time.Second                    // for a caller to send its header
	idleTime         = 2 * time.Minute                     // between two requests of a connection
)

// front answers for one endpoint. What it goes by is replaced as a whole.
type front struct {
	routes   atomic.Pointer[routes]
	keys     keys
	random   func(n int) int
	now      func() time.Time
	log      *slog.Logger
	proxy    *httputil.ReverseProxy
	client   *http.Client // for copies
	mirrored chan struct{}
}

// routes are an endpoint as requests see it.
type routes struct {
	endpoint cairn.Endpoint
	to       map[string]*way
}

// way is a deployment with the turns of its requests.
type way struct {
	cairn.EndpointDeployment
	host  string
	turns chan struct{}
}

func newFront(k keys, random func(int) int, now func() time.Time, log *slog.Logger) *front {
	t := &http.Transport{
		DialContext:        (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: -1}).DialContext,
		DisableCompression: true, MaxIdleConnsPerHost: 256, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 256 << 10,
	}
	f := &front{keys: k, random: random, now: now, log: log, client: &http.Client{Transport: t}, mirrored: make(chan struct{}, maxMirrored)}
	f.proxy = &httputil.ReverseProxy{
		Rewrite: rewrite, Transport: t, ModifyResponse: answered, ErrorHandler: f.failed,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return f
}

// set replaces what the front goes by. Turns of a deployment that stays as it was are kept,
// so that a change of weights lets nobody in twice.
func (f *front) set(e cairn.Endpoint) {
	next := &routes{endpoint: e, to: map[string]*way{}}
	old := f.routes.Load()
	for _, d := range e.Deployments {
		w := &way{EndpointDeployment: d, host: "127.0.0.1:" + strconv.Itoa(d.Port)}
		if old != nil && old.to[d.Name] != nil && cap(old.to[d.Name].turns) == d.Spec.Instances*d.Spec.Concurrent {
			w.turns = old.to[d.Name].turns
		} else {
			w.turns = make(chan struct{}, max(1, d.Spec.Instances*d.Spec.Concurrent))
		}
		next.to[d.Name] = w
	}
	f.routes.Store(next)
}

type wayKey struct{}

// ServeHTTP is a request of a caller.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rt := f.routes.Load()
	e := &rt.endpoint
	if id := r.Header.Get(headerClientID); id != "" {
		w.Header().Set(headerClientID, id)
	}
	if r.URL.Path == "/" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		fmt.Fprintln(w, "Healthy") // as the original: says nothing of deployments
		return
	}
	shown, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || !f.keys.admits(e, strings.TrimSpace(shown), f.now()) {
		w.Header().Set("WWW-Authenticate", "Bearer")
		refuse(w, http.StatusUnauthorized, "key_auth_access_denied", "the key or token is missing, wrong or expired: az ml online-endpoint get-credentials --name "+e.Name)
		return
	}
	name := r.Header.Get(headerDeployment)
	if name == "" {
		name = pick(e.Traffic, f.random(hundred))
	}
	to := rt.to[name]
	switch {
	case to == nil && name == "":
		refuse(w, http.StatusNotFound, "no_traffic", "the endpoint has no deployment with traffic: az ml online-endpoint update --name "+e.Name+" --traffic \"NAME=100\"")
		return
	case to == nil:
		refuse(w, http.StatusNotFound, "no_deployment", fmt.Sprintf("the endpoint has no deployment %q", name))
		return
	}
	if r.ContentLength > maxBody {
		refuse(w, http.StatusRequestEntityTooLarge, "too_large", fmt.Sprintf("the request has %d bytes; at most %d are taken", r.ContentLength, maxBody))
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	ctx := r.Context()
	if !to.enter(ctx) {
		if ctx.Err() == nil {
			w.Header().Set("Retry-After", "1")
			refuse(w, http.StatusTooManyRequests, "too_many_requests", fmt.Sprintf("%d requests are worked on by %s, and none ended within %s: more instances, or request_settings of the deployment",
				cap(to.turns), to.Name, to.Spec.Wait.Duration()))
		}
		return
	}
	defer func() { <-to.turns }()
	ctx, cancel := context.WithTimeout(ctx, to.Spec.Timeout.Duration())
	defer cancel()
	if m := f.mirror(rt, r); m != nil {
		defer m()
	}
	w.Header().Set(headerDeployment, to.Name)
	f.proxy.ServeHTTP(w, r.WithContext(context.WithValue(ctx, wayKey{}, to)))
}

// enter takes a turn, or gives up after the time that a request may wait.
func (w *way) enter(ctx context.Context) bool {
	select {
	case w.turns <- struct{}{}:
		return true
	default:
	}
	t := time.NewTimer(w.Spec.Wait.Duration())
	defer t.Stop()
	select {
	case w.turns <- struct{}{}:
		return true
	case <-t.C:
	case <-ctx.Done():
	}
	return false
}

func rewrite(r *httputil.ProxyRequest) {
	to, ok := r.In.Context().Value(wayKey{}).(*way)
	if !ok {
		return
	}
	aim(r.Out, to)
	r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
	r.SetXForwarded()
	// The key is between the caller and the endpoint: code of a model has no use for it,
	// and the log of predictions must not keep it.
	r.Out.Header.Del("Authorization")
}

// aim puts the address of a deployment into a request.
func aim(r *http.Request, to *way) {
	r.URL.Scheme, r.URL.Host = "http", to.host
	if p := to.Spec.Scoring; p != "" && r.URL.Path == "/score" {
		r.URL.Path, r.URL.RawPath = p, ""
	}
}

// answered turns what a model's server answers into what an endpoint does: whatever is no
// success is the model's error, 424, with its own status beside it.
func answered(resp *http.Response) error {
	if resp.StatusCode < 400 {
		return nil
	}
	resp.Header.Set(headerModelError, strconv.Itoa(resp.StatusCode))
	resp.Header.Set(headerReason, http.StatusText(resp.StatusCode))
	resp.StatusCode, resp.Status = http.StatusFailedDependency, ""
	return nil
}

// failed answers for a deployment that cannot.
func (f *front) failed(w http.ResponseWriter, r *http.Request, err error) {
	to, _ := r.Context().Value(wayKey{}).(*way)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		refuse(w, http.StatusRequestEntityTooLarge, "too_large", fmt.Sprintf("at most %d bytes are taken", maxBody))
	case errors.Is(r.Context().Err(), context.DeadlineExceeded) && to != nil:
		refuse(w, http.StatusRequestTimeout, "timeout", fmt.Sprintf("%s did not answer within %s: request_settings.request_timeout_ms", to.Name, to.Spec.Timeout.Duration()))
	case r.Context().Err() != nil:
	default:
		f.log.Warn("a deployment of an endpoint does not answer", "error", err)
		refuse(w, http.StatusServiceUnavailable, "unavailable", "the deployment does not answer; az ml online-deployment get-logs shows what it printed")
	}
}

// mirror sends a copy of a request, where it is its turn, once the original has its
// answer. The body is taken in for it.
func (f *front) mirror(rt *routes, r *http.Request) func() {
	name := pick(rt.endpoint.Mirror, f.random(hundred))
	to := rt.to[name]
	if to == nil {
		return nil
	}
	var body bytes.Buffer
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.TeeReader(r.Body, &body), r.Body}
	out, err := http.NewRequest(r.Method, r.URL.String(), http.NoBody) // there is none yet
	if err != nil {
		return nil
	}
	out.Header = r.Header.Clone()
	out.Header.Del("Authorization")
	aim(out, to)
	return func() {
		select {
		case f.mirrored <- struct{}{}:
		default:
			return // copies are for looking at: the callers come first
		}
		go func() {
			defer func() { <-f.mirrored }()
			ctx, cancel := context.WithTimeout(context.Background(), mirrorTime)
			defer cancel()
			out.Body, out.ContentLength = io.NopCloser(&body), int64(body.Len())
			resp, err := f.client.Do(out.WithContext(ctx))
			if err != nil {
				f.log.Debug("a mirrored request failed", "deployment", to.Name, "error", err)
				return
			}
			_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxBody))
			resp.Body.Close()
		}()
	}
}

// refuse answers in the original's shape.
func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]string{"code": code, "message": message}})
}

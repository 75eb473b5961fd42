package git

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/cairn-ml/cairn"
)

// HandlerOptions plug the HTTP side together.
type HandlerOptions struct {
	Refs RefStore
	// Principal names who asks, from the request's context.
	Principal func(ctx context.Context) string
	// Allow decides whether who asks may read (or write) repo. Its error's code
	// becomes the status: CodeUnauthenticated makes git ask for a password.
	Allow func(ctx context.Context, repo string, write bool) error
	// Create is asked before a first push makes a repository; nil refuses.
	Create func(ctx context.Context, repo string) error
	// OnPush is called for each ref that moved, before the move is recorded: after
	// a crash it is called again with the same ID.
	OnPush func(ctx context.Context, p Push) error
	// Elsewhere tells of repositories that only mirror another one: their moves are
	// nobody's pushes. Nil: there are none.
	Elsewhere func(ctx context.Context, repo string) (bool, error)
	// Message is shown to who pushed, line by line behind "remote: "; may be nil.
	Message func(ctx context.Context, pushes []Push) string
	// MaxBytes bounds what one request may send, unpacked; 0: 4 GiB.
	MaxBytes int64
}

// Server answers git clients below the path it is mounted at (with
// http.StripPrefix): /owner/name[.git]/info/refs and so on.
type Server struct {
	host  *Host
	o     HandlerOptions
	mu    sync.Mutex
	locks map[string]*sync.Mutex
	// noting is held while a file of pushers is changed.
	noting sync.Mutex
}

// Server makes the HTTP side of a host.
func (h *Host) Server(o HandlerOptions) *Server {
	if o.MaxBytes <= 0 {
		o.MaxBytes = 4 << 30
	}
	return &Server{host: h, o: o, locks: map[string]*sync.Mutex{}}
}

func (s *Server) lock(repo string) *sync.Mutex {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.locks[repo] == nil {
		s.locks[repo] = &sync.Mutex{}
	}
	return s.locks[repo]
}

// protocolHeader is what a client may ask for in Git-Protocol.
var protocolHeader = regexp.MustCompile(`^[a-z0-9=:.-]+$`)

// ServeHTTP implements the smart protocol.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	repo, what, ok := route(r.URL.Path)
	if !ok {
		http.NotFound(w, r)
		return
	}
	service := what
	if what == "info/refs" {
		service = r.URL.Query().Get("service")
	}
	switch {
	case service != "git-upload-pack" && service != "git-receive-pack":
		http.Error(w, "this server speaks git's smart protocol only", http.StatusForbidden)
		return
	case what == "info/refs" && r.Method != http.MethodGet, what != "info/refs" && r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodGet+", "+http.MethodPost)
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	case what != "info/refs" && r.Header.Get("Content-Type") != "application/x-"+service+"-request":
		http.Error(w, "unexpected content type", http.StatusUnsupportedMediaType)
		return
	}
	write := service == "git-receive-pack"
	if err := s.admit(r.Context(), repo, write); err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Cache-Control", "no-cache, max-age=0, must-revalidate")
	var err error
	switch {
	case what == "info/refs":
		err = s.advertise(w, r, repo, service)
	case write:
		err = s.receive(w, r, repo)
	default:
		err = s.upload(w, r, repo)
	}
	if err != nil {
		s.host.g.log.Warn("git over HTTP", "repo", repo, "service", service, "err", err)
	}
}

// route takes /owner/name[.git]/what apart.
func route(p string) (repo, what string, ok bool) {
	p = strings.TrimPrefix(p, "/")
	for _, what := range []string{"info/refs", "git-upload-pack", "git-receive-pack"} {
		if name, ok := strings.CutSuffix(p, "/"+what); ok {
			name = strings.TrimSuffix(name, ".git")
			return name, what, CheckRepo(name) == nil
		}
	}
	return "", "", false
}

// admit checks rights first, so that who may not look cannot tell what is there.
func (s *Server) admit(ctx context.Context, repo string, write bool) error {
	if s.o.Allow != nil {
		if err := s.o.Allow(ctx, repo, write); err != nil {
			return err
		}
	}
	if s.host.Exists(repo) {
		return nil
	}
	if !write || s.o.Create == nil {
		_, err := s.host.existing(repo)
		return err
	}
	if err := s.o.Create(ctx, repo); err != nil {
		return err
	}
	return s.host.Create(ctx, repo)
}

func (s *Server) advertise(w http.ResponseWriter, r *http.Request, repo, service string) error {
	dir, err := s.host.existing(repo)
	if err != nil {
		fail(w, err)
		return err
	}
	out, err := s.host.g.run(r.Context(), s.service(r, dir, service, "--advertise-refs"))
	if err != nil {
		fail(w, err)
		return err
	}
	w.Header().Set("Content-Type", "application/x-"+service+"-advertisement")
	if service == "git-receive-pack" || !strings.Contains(r.Header.Get("Git-Protocol"), "version=2") {
		head := "# service=" + service + "\n"
		fmt.Fprintf(w, "%04x%s0000", len(head)+4, head)
	}
	_, err = w.Write(out)
	return err
}

// service is the call that answers one request.
func (s *Server) service(r *http.Request, dir, service string, more ...string) call {
	args := append([]string{strings.TrimPrefix(service, "git-"), "--stateless-rpc"}, more...)
	c := hosted(dir, append(args, dir)...)
	c.args = append([]string{"-c", fmt.Sprintf("receive.maxInputSize=%d", s.o.MaxBytes)}, c.args...)
	if service == "git-receive-pack" {
		// Clients see the refs of pull requests and cannot move them.
		c.args = append([]string{"-c", "receive.hideRefs=refs/pull"}, c.args...)
	}
	// These find the repository by the argument; GIT_DIR would be in their way.
	c.env = nil
	if p := r.Header.Get("Git-Protocol"); len(p) <= 100 && protocolHeader.MatchString(p) {
		c.env = append(c.env, "GIT_PROTOCOL="+p)
	}
	return c
}

// body is what the client sends, unpacked and bounded.
func (s *Server) body(w http.ResponseWriter, r *http.Request) (io.Reader, error) {
	var in io.Reader = http.MaxBytesReader(w, r.Body, s.o.MaxBytes)
	switch r.Header.Get("Content-Encoding") {
	case "", "identity":
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, cairn.Errorf(cairn.CodeInvalid, "the request is not gzip: %w", err)
		}
		in = &limited{r: z, left: s.o.MaxBytes}
	default:
		return nil, cairn.Errorf(cairn.CodeInvalid, "unknown content encoding")
	}
	return in, nil
}

func (s *Server) upload(w http.ResponseWriter, r *http.Request, repo string) error {
	dir, err := s.host.existing(repo)
	if err != nil {
		fail(w, err)
		return err
	}
	in, err := s.body(w, r)
	if err != nil {
		fail(w, err)
		return err
	}
	w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
	c := s.service(r, dir, "git-upload-pack")
	c.stdin, c.out = in, &flushing{w}
	_, err = s.host.g.run(r.Context(), c)
	return err
}

// receive takes a push. The answer is held back until the hook has seen it: when
// git push returns, what the push started exists.
func (s *Server) receive(w http.ResponseWriter, r *http.Request, repo string) error {
	dir, err := s.host.existing(repo)
	if err != nil {
		fail(w, err)
		return err
	}
	in, err := s.body(w, r)
	if err != nil {
		fail(w, err)
		return err
	}
	by := ""
	if s.o.Principal != nil {
		by = s.o.Principal(r.Context())
	}
	moves, in, err := commands(in)
	if err == nil {
		err = s.notePushers(dir, moves, by)
	}
	if err != nil {
		fail(w, err)
		return err
	}
	c := s.service(r, dir, "git-receive-pack")
	c.stdin = in
	out, err := s.host.g.run(r.Context(), c)
	if err != nil && len(out) == 0 {
		fail(w, err)
		return err
	}
	// The client may be gone; the refs moved all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), time.Minute)
	defer cancel()
	if herr := s.host.settleHead(ctx, repo); err == nil {
		err = herr
	}
	pushes, serr := s.seen(ctx, repo)
	text := ""
	if serr != nil {
		err = serr
		e := cairn.AsError(serr)
		text = "Cairn has the commits, but what follows from them failed: " + e.Message
		if e.Hint != "" {
			text += "\n" + e.Hint
		}
	} else if s.o.Message != nil && len(pushes) > 0 {
		text = s.o.Message(ctx, pushes)
	}
	w.Header().Set("Content-Type", "application/x-git-receive-pack-result")
	if _, werr := w.Write(withMessage(out, text)); err == nil {
		err = werr
	}
	return err
}

// withMessage puts text in front of the end of a multiplexed answer, where the
// client shows it as the remote's. Answers without bands stay as they are.
func withMessage(out []byte, text string) []byte {
	body, ok := bytes.CutSuffix(out, []byte("0000"))
	banded := len(out) > 4 && out[4] >= 1 && out[4] <= 3
	if text == "" || !ok || !banded {
		return out
	}
	body = bytes.Clone(body)
	for l := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		if len(l) > 900 {
			l = l[:900]
		}
		body = fmt.Appendf(body, "%04x\x02%s\n", len(l)+6, l)
	}
	return append(body, "0000"...)
}

// fail answers an error of ours before anything else was written.
func fail(w http.ResponseWriter, err error) {
	e := cairn.AsError(err)
	status := http.StatusInternalServerError
	switch e.Code {
	case cairn.CodeInvalid:
		status = http.StatusBadRequest
	case cairn.CodeUnauthenticated:
		status = http.StatusUnauthorized
		w.Header().Set("WWW-Authenticate", `Basic realm="Cairn: any name, a token as password"`)
	case cairn.CodeForbidden:
		status = http.StatusForbidden
	case cairn.CodeNotFound:
		status = http.StatusNotFound
	case cairn.CodeConflict:
		status = http.StatusConflict
	case cairn.CodeTooLarge:
		status = http.StatusRequestEntityTooLarge
	case cairn.CodeUnavailable:
		status = http.StatusServiceUnavailable
	}
	text := e.Message
	if e.Code == cairn.CodeInternal {
		text = "internal error"
	} else if e.Hint != "" {
		text += "\n" + e.Hint
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8") // git shows it then
	w.WriteHeader(status)
	fmt.Fprintln(w, text)
}

// flushing hands each piece on at once, so that progress is seen.
type flushing struct{ w http.ResponseWriter }

func (f *flushing) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	if fl, ok := f.w.(http.Flusher); ok {
		fl.Flush()
	}
	return n, err
}

// limited ends with an error where io.LimitReader would pretend an end.
type limited struct {
	r    io.Reader
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, cairn.Errorf(cairn.CodeTooLarge, "the request is larger than allowed")
	}
	if int64(len(p)) > l.left {
		p = p[:l.left]
	}
	n, err := l.r.Read(p)
	l.left -= int64(n)
	return n, err
}

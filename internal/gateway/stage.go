package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/gateway/predlog"
	"github.com/cairn-ml/cairn/internal/proc"
)

// Options is what the process of a stage is given by the program it is part of.
type Options struct {
	Dir     string // $CAIRN_HOME/stages/ID
	Version string
	Now     func() time.Time
	Logger  *slog.Logger
	// StopGrace is how long a program may take to end after it was asked to; 0: 10 s.
	StopGrace time.Duration
	// Inherited is the listening socket where this process took the place of an older
	// one; nil: it listens itself.
	Inherited *os.File
	// Exec puts another program in the place of this one, with the listening socket;
	// path "" means the same file as now. nil: it cannot be done.
	Exec func(path string, listener *os.File) error
	// Ready is called once it answers; nil: nothing is done.
	Ready func()
}

func (o *Options) grace() time.Duration {
	if o.StopGrace > 0 {
		return o.StopGrace
	}
	return 10 * time.Second
}

// Stage is the process of one stage.
type Stage struct {
	o      Options
	l      layout
	file   *cairn.StageFile
	prober *prober
	proxy  http.Handler

	live     atomic.Pointer[term]
	requests atomic.Int64
	failed   atomic.Int64
	inflight atomic.Int64
	stopped  chan struct{} // somebody asked for the end
	stopOnce sync.Once
	restart  chan string // somebody asked for another program in the place of this one
	leaving  atomic.Bool // connections of clients end with their next answer

	mu        sync.Mutex // also: one writer of state.json
	warm      *instance
	warmUntil time.Time
	coming    *deployment
	past      []cairn.DeploymentID
	stopping  bool

	logMu  sync.Mutex
	log    *predlog.Writer
	logErr error
	logTry time.Time
}

// pastKept bounds the deployments that are remembered as having been live.
const pastKept = 200

// Run is the main function of `cairn _stage DIR`. It returns when it was told to
// stop, or when ctx ends (SIGTERM): then the requests under way are finished and
// the programs ended. Killed instead, it leaves the programs to the next one.
func Run(ctx context.Context, o Options) error {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return err
	}
	s := &Stage{o: o, l: layout(dir), prober: newProber(), stopped: make(chan struct{}), restart: make(chan string, 1)}
	if s.file, err = s.l.readStage(); err != nil {
		return err
	}
	lock, err := takeLock(s.l.lock())
	if err != nil {
		return err
	}
	defer lock.Close()
	s.proxy = s.newProxy()
	ln, err := s.listen(ctx)
	if err != nil {
		return err
	}
	defer ln.Close()
	control, err := s.listenControl()
	if err != nil {
		return err
	}
	defer os.Remove(s.file.Socket)
	defer control.Close()
	if _, err := s.openLogNow(); err != nil {
		s.o.Logger.Error("the prediction log cannot be opened; it is tried again with each request", "error", err)
	}
	if err := s.takeUp(); err != nil {
		return err
	}
	if err := writeJSON(s.l.pid(), proc.Self()); err != nil {
		return err
	}
	return s.serve(ctx, ln, control)
}

// listen takes the stage's address. The process before this one may just be
// letting it go.
func (s *Stage) listen(ctx context.Context) (net.Listener, error) {
	host, _, err := net.SplitHostPort(s.file.Listen)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s: listen is %q, not host:port", s.l.stage(), s.file.Listen)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s: listen is %q; a stage listens on an address of this machine alone", s.l.stage(), s.file.Listen).
			WithHint("put a web server with TLS in front of it to let others in")
	}
	if s.o.Inherited != nil {
		defer s.o.Inherited.Close()
		ln, err := net.FileListener(s.o.Inherited)
		if err == nil && ln.Addr().String() == s.file.Listen {
			return ln, nil
		}
		s.o.Logger.Warn("the listening socket was not taken over", "error", err)
		if err == nil {
			ln.Close()
		}
	}
	for try := 0; ; try++ {
		ln, err := net.Listen("tcp", s.file.Listen)
		if err == nil {
			return ln, nil
		}
		if try == 40 || ctx.Err() != nil {
			return nil, cairn.Errorf(cairn.CodeConflict, "the stage cannot listen on %s: %w", s.file.Listen, err).
				WithHint("another program has the port: end it (ss -ltnp shows it)")
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// serve answers until the end.
func (s *Stage) serve(ctx context.Context, ln, control net.Listener) error {
	front := s.frontServer()
	back := &http.Server{Handler: s.controlHandler(), ReadHeaderTimeout: headerTime, ErrorLog: quiet(s.o.Logger)}
	failed := make(chan error, 2)
	go func() { failed <- front.Serve(ln) }()
	go func() { failed <- back.Serve(control) }()
	resting, awake := context.WithCancel(ctx)
	defer awake()
	go s.rest(resting)
	if s.o.Ready != nil {
		s.o.Ready()
	}
	s.o.Logger.Info("ready", "stage", s.file.Name, "listen", s.file.Listen, "pid", os.Getpid())
	var err error
	forGood := false
	select {
	case path := <-s.restart:
		err = s.replace(path, ln, front)
		back.Close()
		return err
	case <-ctx.Done():
	case <-s.stopped:
		forGood = true
	case err = <-failed:
	}
	s.shutDown(front, forGood)
	back.Close()
	return err
}

// shutDown finishes what is under way and ends the programs. forGood forgets them:
// the next process of the stage starts none.
func (s *Stage) shutDown(front *http.Server, forGood bool) {
	s.mu.Lock()
	s.stopping = true
	coming := s.coming
	s.mu.Unlock()
	if coming != nil {
		coming.cancel()
		<-coming.done
	}
	drain := defaultDrain
	if t := s.live.Load(); t != nil {
		drain = t.drain()
	}
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_ = front.Shutdown(ctx) // those that are not done by then are cut below
	}()
	s.mu.Lock()
	t, warm := s.live.Load(), s.warm
	s.warm = nil
	s.mu.Unlock()
	if t != nil {
		t.finish(ctx)
	}
	<-closed
	front.Close()
	var ends sync.WaitGroup
	for _, in := range []*instance{warm, t.instance()} {
		if in != nil {
			ends.Go(func() {
				in.draining.Wait()
				in.keep.Store(false)
				in.cancel()
				<-in.done
				in.mu.Lock()
				in.prog = nil
				in.mu.Unlock()
			})
		}
	}
	ends.Wait()
	s.mu.Lock()
	if forGood {
		s.live.Store(nil)
	}
	s.mu.Unlock()
	s.saveOrLog()
	if w := s.currentLog(); w != nil {
		if err := w.Close(); err != nil {
			s.o.Logger.Error("the prediction log was not closed in order", "error", err)
		}
	}
}

// takeUp reads state.json, takes over the programs that still run, and ends those
// that it does not name.
func (s *Stage) takeUp() error {
	st, err := s.l.readState()
	if err != nil {
		if cairn.CodeOf(err) == cairn.CodeUnsupported {
			return err
		}
		s.o.Logger.Error("the state of the stage cannot be read: nothing is live until the next deployment", "error", err)
		st = &state{Schema: stateSchema}
	}
	var keep []string
	for _, r := range []*resident{st.Live, st.Warm} {
		if r != nil && r.Process != nil && r.Process.Alive() {
			keep = append(keep, r.Process.Mark)
		}
	}
	if c := st.Coming; c != nil && len(c.Exec.Stop) > 0 {
		p := &program{spec: &c.Exec, log: s.l.log(c.Deployment)}
		p.runStop(context.Background())
	}
	killAll(func() []proc.Proc { return strays(s.l.markBase(), keep) })
	s.past = st.Past
	if r := st.Warm; r != nil && r.Process != nil && r.Process.Alive() && s.o.Now().Before(st.WarmUntil) {
		s.warm = s.takeOver(r)
		s.warmUntil = st.WarmUntil
		go s.warm.supervise(s.warm.prog, r.Health != "")
		s.coolLater(s.warm, st.WarmUntil.Sub(s.o.Now()))
	} else if r != nil && r.Process != nil && r.Process.Alive() {
		p := adopt(&r.Instance, r.Process, s.l.log(r.Instance.Deployment), s.o.grace())
		go p.stop(context.Background())
	}
	if r := st.Live; r != nil {
		in := s.takeOver(r)
		in.keepRunning()
		s.live.Store(newTerm(in, r.Instance))
		go in.supervise(in.prog, r.Health != "")
	}
	s.applyKeep()
	return nil
}

// takeOver makes an instance of what state.json says.
func (s *Stage) takeOver(r *resident) *instance {
	in := s.newInstance(r.Instance)
	in.health, in.restarts, in.since = r.Health, r.Restarts, r.Since
	if r.Process != nil && r.Process.Alive() {
		in.prog = adopt(&in.spec, r.Process, s.l.log(r.Instance.Deployment), s.o.grace())
		go in.mind(in.prog)
		if r.Health != "" {
			// Requests come at once: it answered before, and did not stop meanwhile.
			in.up(in.prog, in.prog.Port, r.Health)
		}
		s.o.Logger.Info("a program is taken over", "deployment", r.Instance.Deployment, "pid", r.Process.PID)
	}
	return in
}

// save writes state.json. The caller holds mu.
func (s *Stage) save(live *term, warm *instance) error {
	st := &state{Schema: stateSchema, Past: s.past, WarmUntil: s.warmUntil}
	if live != nil {
		st.Live = live.in.resident()
		st.Live.Instance = live.spec
	}
	if warm != nil {
		st.Warm = warm.resident()
	}
	if c := s.coming; c != nil && (live == nil || c.spec.Deployment != live.spec.Deployment) {
		st.Coming = &c.spec
	}
	return writeJSON(s.l.state(), st)
}

// saveOrLog is for what goes on anyway: at worst the next process of the stage
// starts a program again instead of taking it over.
func (s *Stage) saveOrLog() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.save(s.live.Load(), s.warm); err != nil {
		s.o.Logger.Error("the state of the stage was not saved", "error", err)
	}
}

// status is what the process says of itself.
func (s *Stage) status() *cairn.StageStatus {
	st := &cairn.StageStatus{
		Protocol: 1, PID: os.Getpid(), PIDStart: proc.Start(os.Getpid()), Version: s.o.Version, Listen: s.file.Listen,
		Requests: s.requests.Load(), Failed: s.failed.Load(), LogBytes: predlog.Size(s.l.predictions()),
	}
	if w := s.currentLog(); w != nil {
		st.Segment = w.Segment()
		st.LogLost = w.Lost()
	}
	s.mu.Lock()
	live, warm, coming := s.live.Load(), s.warm, s.coming
	s.mu.Unlock()
	if live != nil {
		st.Live = live.in.status()
		st.Live.Deployment = live.spec.Deployment
	}
	if warm != nil {
		st.Warm = warm.status()
	}
	if coming != nil {
		if in := coming.instance.Load(); in != nil {
			st.Coming = in.status()
		}
	}
	return st
}

// openLogNow opens the prediction log; after a failure it is tried again, not more
// often than once a second.
func (s *Stage) openLogNow() (*predlog.Writer, error) {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	if s.log != nil || s.logErr != nil && time.Since(s.logTry) < time.Second {
		return s.log, s.logErr
	}
	s.logTry = time.Now()
	w, err := predlog.Open(predlog.Options{Dir: s.l.predictions(), Stage: s.file.ID, Now: s.o.Now, Logger: s.o.Logger, Keep: keepOf(s.file.Log)})
	s.log, s.logErr = w, err
	return w, err
}

func (s *Stage) currentLog() *predlog.Writer {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	return s.log
}

func keepOf(l cairn.PredictionLog) predlog.Keep {
	return predlog.Keep{Size: l.KeepSize, For: l.KeepFor.Duration()}
}

// applyKeep bounds the log as the live deployment says.
func (s *Stage) applyKeep() {
	if w, t := s.currentLog(), s.live.Load(); w != nil && t != nil {
		w.SetKeep(keepOf(t.log))
	}
}

func digestOf(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return "" // no value of ours fails
	}
	return fmt.Sprintf("%x", sha256.Sum256(b))
}

// wasLive reports whether a deployment was live before. The caller holds mu.
func (s *Stage) wasLive(d cairn.DeploymentID) bool { return slices.Contains(s.past, d) }

// stop asks for the end.
func (s *Stage) stop() { s.stopOnce.Do(func() { close(s.stopped) }) }

var errStopping = cairn.Errorf(cairn.CodeUnavailable, "the stage is being stopped")

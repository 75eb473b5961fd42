package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api"
	"github.com/cairn-ml/cairn/internal/api/actions"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/api/github"
	"github.com/cairn-ml/cairn/internal/api/mlflow"
	"github.com/cairn-ml/cairn/internal/asset"
	"github.com/cairn-ml/cairn/internal/auth"
	"github.com/cairn-ml/cairn/internal/cache"
	"github.com/cairn-ml/cairn/internal/cas"
	"github.com/cairn-ml/cairn/internal/deploy"
	"github.com/cairn-ml/cairn/internal/endpoint"
	"github.com/cairn-ml/cairn/internal/follow"
	"github.com/cairn-ml/cairn/internal/git"
	"github.com/cairn-ml/cairn/internal/oci"
	"github.com/cairn-ml/cairn/internal/oci/registry"
	"github.com/cairn-ml/cairn/internal/run"
	"github.com/cairn-ml/cairn/internal/runner/host"
	"github.com/cairn-ml/cairn/internal/runner/python"
	"github.com/cairn-ml/cairn/internal/store"
	"github.com/cairn-ml/cairn/internal/trace"
	"github.com/cairn-ml/cairn/internal/trace/diff"
	"github.com/cairn-ml/cairn/internal/trace/feedback"
	"github.com/cairn-ml/cairn/internal/track"
	"github.com/cairn-ml/cairn/internal/web"
)

// Workspace is the one workspace of a home, for now.
const Workspace = "default"

// Server owns a home.
type Server struct {
	o       Options
	exe     string // this program
	config  Config
	log     *slog.Logger
	started time.Time
	local   cairn.Principal

	store       *store.Store
	blobs       *cas.Store
	git         *git.Git
	host        *git.Host
	backend     *host.Backend
	engine      *run.Engine
	people      *auth.Service
	assets      *asset.Service
	track       *track.Service
	tracer      *trace.Tracer
	differ      *diff.Gatherer
	reports     *feedback.Service
	images      *oci.Service
	deploys     *deploy.Service
	endpoints   *endpoint.Service
	oci         *registry.Registry
	caches      *cache.Service
	results     *actions.Service
	pushes      *git.Server
	follows     *follow.Service
	tools       python.Tools
	notes       pushNotes
	submits     keyLocks
	clock       clock
	starts      starts
	jobTime     *jobClock
	computeTime *computeClock
	tasks       taskFollower
	fetches     keyLocks // of actions, by repository
	quiet       quiet

	url       string
	http      *http.Server
	listeners []net.Listener
	unlock    func()
	lock      os.FileInfo // of the lock file, which nobody else can have meanwhile
	logFile   io.Closer

	requests atomic.Int64 // under way
	last     atomic.Int64 // when the last one ended, in Unix nanoseconds

	stopEngine context.CancelFunc
	working    sync.WaitGroup
	leaving    chan struct{}
	leaveOnce  sync.Once
	closeOnce  sync.Once
	closeErr   error
}

// Start takes the home and answers on its socket and address. The caller ends
// it with Close; jobs go on.
func Start(ctx context.Context, o Options) (_ *Server, err error) {
	s := &Server{o: o, started: time.Now(), leaving: make(chan struct{}), clock: clock{look: make(chan struct{}, 1)}}
	if err := client.MakeHome(o.Home); err != nil {
		return nil, err
	}
	if s.config, err = LoadConfig(filepath.Join(o.Home, "config.yaml")); err != nil {
		return nil, err
	}
	unlock, ok, err := client.TryLockFile(lockPath(o.Home))
	if err != nil {
		return nil, client.HomeError(o.Home, err)
	}
	if !ok {
		return nil, errOwned
	}
	s.unlock = unlock
	if s.lock, err = os.Stat(lockPath(o.Home)); err != nil {
		unlock()
		return nil, client.HomeError(o.Home, cairn.Errorf(cairn.CodeUnavailable, "the home of Cairn went away: %w", err))
	}
	defer func() {
		if err != nil {
			err = errors.Join(client.HomeError(o.Home, err), s.Close())
		}
	}()
	if err := s.openLog(); err != nil {
		return nil, err
	}
	if err := s.openRooms(ctx); err != nil {
		return nil, err
	}
	if err := s.listen(ctx); err != nil {
		return nil, err
	}
	if err := s.wire(ctx); err != nil {
		return nil, err
	}
	s.serve()
	s.log.Info("ready", "url", s.url, "pid", os.Getpid(), "version", o.Version, "took", time.Since(s.started).Round(time.Millisecond))
	return s, nil
}

// errOwned says that another process owns the home.
var errOwned = cairn.Errorf(cairn.CodeConflict, "another Cairn server owns this home")

// URL is the address that code dials.
func (s *Server) URL() string { return s.url }

// Done is closed when the owner was asked to leave, or leaves by itself.
func (s *Server) Done() <-chan struct{} { return s.leaving }

// logLimit is the size from which on the log file is put aside at start.
const logLimit = 16 << 20

func (s *Server) openLog() error {
	path := filepath.Join(s.o.Home, "server.log")
	if fi, err := os.Stat(path); err == nil && fi.Size() > logLimit {
		if err := os.Rename(path, path+".old"); err != nil {
			return cairn.Errorf(cairn.CodeUnavailable, "cannot put the log aside: %w", err)
		}
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return cairn.Errorf(cairn.CodeUnavailable, "cannot write the log: %w", err)
	}
	s.logFile = f
	s.log = slog.New(slog.NewTextHandler(f, nil))
	return nil
}

// openRooms opens what keeps things: blobs, rows, repositories, the key.
func (s *Server) openRooms(ctx context.Context) error {
	home := s.o.Home
	key, err := auth.OpenKey(filepath.Join(home, "key"))
	if err != nil {
		return err
	}
	if s.store, err = store.Open(ctx, store.Options{Dir: home, Log: s.log}); err != nil {
		return err
	}
	if s.blobs, err = cas.Open(filepath.Join(home, "blobs"), cas.Options{Log: s.log}); err != nil {
		return err
	}
	s.git = git.New(git.Options{Env: s.o.Env, Log: s.log})
	if s.host, err = s.git.OpenHost(filepath.Join(home, "repositories")); err != nil {
		return err
	}
	s.people = auth.New(s.store, key, nil)
	name := "local"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	s.local, err = s.people.Local(ctx, name)
	return err
}

// wire puts the rooms together and starts what runs beside requests.
func (s *Server) wire(ctx context.Context) error {
	home := s.o.Home
	exe := s.o.Exe
	var err error
	if exe == "" {
		if exe, err = os.Executable(); err != nil {
			return err
		}
	}
	s.exe = exe
	s.tools = python.Tools{Home: home, UserHome: lookup(s.o.Env, "HOME"), Environ: s.o.Env, Exe: exe}
	if s.backend, err = host.New(host.Options{
		Home: home, Command: []string{exe, "_job"}, Environ: s.o.Env, Labels: s.config.labels(), Count: s.config.Slots,
		Keep: s.config.KeepWorkspaces, Keeping: s.config.KeepFailed.keeping(), Sweep: s.sweepContainers, Logger: s.log,
	}); err != nil {
		return err
	}
	s.assets = asset.New(asset.Options{Store: s.store, Trees: s.blobs, Workspace: Workspace, Log: s.log, JobInfo: s.jobInfo,
		Retention: s.retention})
	s.track = track.New(track.Options{
		Store: s.store, Blobs: s.blobs, Models: &models{s.assets}, Jobs: &trackJobs{s}, Principal: auth.From, Log: s.log,
	})
	if err := s.track.Start(ctx); err != nil {
		return err
	}
	if err := s.openResults(); err != nil {
		return err
	}
	s.openImages()
	if err := s.openRegistry(); err != nil {
		return err
	}
	if err := s.openDeploys(exe); err != nil {
		return err
	}
	s.openEndpoints()
	s.openLineage()
	s.computeTime = newComputeClock(s)
	s.engine = run.New(run.Options{
		Store: s.store, Backend: &originals{s.backend, s.config.Actions.Original}, Resolver: &resolver{s}, Gates: newGates(s), Permissions: s.config.defaultPermissions(), Log: s.log,
		Results: &taskResults{s}, Scores: s.store, Places: s.places, OnUse: s.computeTime.used,
	})
	s.jobTime = &jobClock{s: s, look: make(chan struct{}, 1)}
	s.openFollows()
	s.pushes = s.host.Server(git.HandlerOptions{
		Refs: s.store, Principal: func(ctx context.Context) string { return auth.Actor(ctx).Name },
		Allow: s.allowGit, Create: s.createRepository, OnPush: s.onPush, Message: s.message, Elsewhere: s.isFollowed,
	})
	s.http = &http.Server{
		Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ConnContext: s.guard().ConnContext, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	return nil
}

func (s *Server) guard() *auth.Guard {
	return &auth.Guard{Service: s.people, Local: s.local, Hosts: s.hosts(),
		Fail: failRequest}
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	tokens := &idTokens{auth.NewIssuer(s.store, s.people.Key(), s.issuerURL, nil), s}
	mux.Handle(api.Prefix+"/", api.New(api.Options{
		Version: s.o.Version, Workspace: Workspace, Rows: s.store, Control: s, Logs: s, Assets: s.assets, Caches: s.caches, Blobs: s.blobs,
		Tracer: s.tracer, Tracking: s.track, Images: s.images, Actions: s, People: s.people, System: s, Deploys: s.deploys, DeployRows: s.store, Pending: s, Leaving: s.leaving, Explain: store.Explain, Log: s.log,
		Predictions: s.reports, Differ: s.differ, StageLogs: &stageLogs{s}, Pulls: s, Submissions: s, EnvironmentMaps: s, AzureNames: s, Endpoints: s.endpoints, Computes: s, Schedules: s.jobTime, Follows: s.follows, IDTokens: tokens,
	}))
	mux.Handle("/.well-known/", api.WellKnown(tokens))
	ml := mlflow.New(mlflow.Options{Track: s.track, Principal: auth.From, Log: s.log})
	for _, p := range mlflow.Patterns() {
		mux.Handle(p, ml)
	}
	mux.Handle(registry.Prefix, s.oci)
	for _, p := range actions.Patterns() {
		mux.Handle(p, s.results)
	}
	mux.Handle("/git/", http.StripPrefix("/git", s.pushes))
	gh := github.New(github.Options{Rows: s.store, Owner: githubOwner{s}, Code: s.host, Logs: s, Kept: s.kept(), URL: func() string { return s.url }, Log: s.log})
	mux.Handle(github.Prefix+"/", gh)
	mux.Handle(github.GraphQL, gh)
	mux.HandleFunc("GET /health", api.Health)
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, mlflow.Version) // the MLflow client asks for the version that it talks to
	})
	mux.Handle("/", web.New(web.Options{Rows: s.store, Assets: s.assets, Logs: s, Served: &servedPages{s}, Workspace: Workspace, Version: s.o.Version,
		URL: func() string { return s.url }, Home: s.o.Home, Allowed: func(ctx context.Context) error {
			return auth.Check(ctx, auth.Need{Role: cairn.RoleReader})
		}}))
	return s.count(s.withHooks(s.guard().Wrap(mux)))
}

// count keeps track of requests, for leaving when idle, and survives panics.
func (s *Server) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		defer func() {
			s.requests.Add(-1)
			s.last.Store(time.Now().UnixNano())
			if p := recover(); p != nil {
				if p != http.ErrAbortHandler {
					s.log.Error("a handler panicked", "path", r.URL.Path, "panic", p)
				}
				panic(http.ErrAbortHandler)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// serve starts the engine and the listeners.
func (s *Server) serve() {
	ctx, cancel := context.WithCancel(context.Background())
	s.stopEngine = cancel
	s.last.Store(time.Now().UnixNano())
	s.background(func() {
		if err := s.engine.Run(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("the engine ended", "error", err)
		}
	})
	s.background(func() {
		if err := s.deploys.Run(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("deployments ended", "error", err)
		}
	})
	s.background(func() {
		if err := s.endpoints.Run(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("endpoints ended", "error", err)
		}
	})
	s.background(func() {
		if err := s.follows.Run(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("following repositories ended", "error", err)
		}
	})
	s.background(func() {
		if err := s.pushes.Reconcile(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("looking for pushes that were cut short", "error", err)
		}
	})
	s.background(func() { s.takeEvents(ctx) })
	s.background(func() { s.keepTasks(ctx) })
	s.background(func() { s.keepTime(ctx) })
	s.background(func() { s.jobTime.keepJobTime(ctx) })
	s.background(func() { s.computeTime.keepComputes(ctx) })
	s.background(func() { s.jobTime.takeMoves(ctx) })
	s.background(func() { s.cleanUploads(ctx) })
	s.background(func() { s.sweepForever(ctx) })
	for _, l := range s.listeners {
		s.background(func() {
			if err := s.http.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
				s.log.Error("a listener ended", "address", l.Addr(), "error", err)
			}
		})
	}
	if s.o.Detached {
		s.background(func() { s.leaveWhenIdle(ctx) })
	}
	s.background(func() { s.leaveWithHome(ctx) })
	s.background(func() { s.rest(ctx) })
}

func (s *Server) background(fn func()) {
	s.working.Add(1)
	go func() {
		defer s.working.Done()
		fn()
	}()
}

func lockPath(home string) string { return filepath.Join(home, "owner.lock") }

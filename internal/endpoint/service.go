package endpoint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/cairn-ml/cairn"
)

// Store keeps endpoints; *store.Store satisfies it.
type Store interface {
	Endpoints(ctx context.Context, workspace string) ([]cairn.Endpoint, error)
	PutEndpoint(ctx context.Context, e cairn.Endpoint, ch cairn.Change) error
	DeleteEndpoint(ctx context.Context, workspace, name string, ch cairn.Change) error
}

// Stages runs deployments.
type Stages interface {
	// Put puts an image on a stage and answers when it is live, or why it is not.
	Put(ctx context.Context, r StageRequest, actor cairn.Principal) (*Live, error)
	// Stop ends what runs on a stage; one on which nothing runs is no error.
	Stop(ctx context.Context, repository, stage string, actor cairn.Principal) error
}

// StageRequest is a deployment for the room of stages.
type StageRequest struct {
	Repository, Service string
	Image               cairn.Digest
	Config              cairn.StageConfig
	Comment             string
}

// Live is what is live on a stage.
type Live struct {
	Repository string
	Deployment cairn.DeploymentID
	Port       int
}

// Options plug a Service together.
type Options struct {
	Store     Store
	Stages    Stages
	Default   func(name string) cairn.StageConfig // what stages have unless told otherwise
	Workspace string
	Secret    []byte          // what keys are made from
	Random    func(n int) int // below n
	FirstPort int             // where ports begin; 0: 7080
	Taken     func(context.Context) (map[int]bool, error)
	Log       *slog.Logger
	Now       func() time.Time
}

// Service is safe for concurrent use. Requests are answered while Run runs.
type Service struct {
	o Options

	mu     sync.Mutex // of changes: one at a time
	fronts map[string]*listening
	run    context.Context // nil: not running
	// fresh are listeners of endpoints that are being made: nobody takes their port in
	// between.
	fresh map[string]net.Listener
}

type listening struct {
	front *front
	http  *http.Server
	port  int
}

// New makes a Service.
func New(o Options) *Service {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.FirstPort == 0 {
		o.FirstPort = 7080
	}
	return &Service{o: o, fronts: map[string]*listening{}, fresh: map[string]net.Listener{}}
}

// Run answers requests of all endpoints until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	all, err := s.o.Store.Endpoints(ctx, s.o.Workspace)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.run = ctx
	for i := range all {
		if err := s.show(&all[i]); err != nil {
			s.o.Log.Error("an endpoint has no port", "endpoint", all[i].Name, "error", err)
		}
	}
	s.mu.Unlock()
	<-ctx.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.run = nil
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	for name, l := range s.fronts {
		if l.http.Shutdown(stop) != nil {
			l.http.Close()
		}
		delete(s.fronts, name)
	}
	return nil
}

// Active reports how many endpoints are answered for: an owner with one stays.
func (s *Service) Active() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.fronts)
}

// show lets requests go by a row; the caller holds mu.
func (s *Service) show(e *cairn.Endpoint) error {
	l := s.fronts[e.Name]
	if l == nil {
		if s.run == nil {
			return nil
		}
		ln := s.fresh[e.Name]
		if delete(s.fresh, e.Name); ln == nil {
			var err error
			if ln, err = net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(e.Port)); err != nil {
				return cairn.Errorf(cairn.CodeUnavailable, "the port of endpoint %s cannot be had: %w", e.Name, err)
			}
		}
		l = &listening{front: newFront(keys{s.o.Secret}, s.o.Random, s.o.Now, s.o.Log), port: e.Port}
		l.front.set(*e)
		l.http = &http.Server{Handler: l.front, ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: 64 << 10,
			ErrorLog: slog.NewLogLogger(s.o.Log.Handler(), slog.LevelDebug)}
		s.fronts[e.Name] = l
		go func() {
			if err := l.http.Serve(ln); err != nil && !errors.Is(err, http.ErrServerClosed) {
				s.o.Log.Error("an endpoint ended", "endpoint", e.Name, "error", err)
			}
		}()
	}
	l.front.set(*e)
	return nil
}

// Names of the original (azure-ai-ml 1.35.2, EndpointSchema): 3 to 32 letters, digits and -.
var nameRE = regexp.MustCompile(`^[A-Za-z](?:[-A-Za-z0-9]{1,30}[A-Za-z0-9])$`)

func checkName(what, name string) error {
	if nameRE.MatchString(name) {
		return nil
	}
	return cairn.Errorf(cairn.CodeInvalid, "%q is no name of %s: 3 to 32 letters, digits and -, a letter first and no - at the end", clip(name), what)
}

func clip(s string) string { return s[:min(len(s), 60)] }

// List are the endpoints, by name.
func (s *Service) List(ctx context.Context) ([]cairn.Endpoint, error) {
	return s.o.Store.Endpoints(ctx, s.o.Workspace)
}

// Get is one endpoint.
func (s *Service) Get(ctx context.Context, name string) (*cairn.Endpoint, error) {
	all, err := s.List(ctx)
	if err != nil {
		return nil, err
	}
	var known []string
	for i := range all {
		if all[i].Name == name {
			return &all[i], nil
		}
		known = append(known, all[i].Name)
	}
	e := cairn.Errorf(cairn.CodeNotFound, "there is no endpoint %s", clip(name))
	if near := cairn.Nearest(name, known); near != "" {
		return nil, e.WithHint("did you mean %s?", near)
	}
	return nil, e.WithHint("endpoints: %s", orNone(known))
}

// Create makes an endpoint; one that is there gets what is said anew, and keeps its
// deployments, its keys and its port.
func (s *Service) Create(ctx context.Context, e cairn.Endpoint, actor cairn.Principal) (*cairn.Endpoint, error) {
	if err := checkName("an endpoint", e.Name); err != nil {
		return nil, err
	}
	if e.Auth == "" {
		e.Auth = cairn.EndpointKey
	}
	if !slices.Contains([]string{cairn.EndpointKey, cairn.EndpointToken, cairn.EndpointAADAuth}, e.Auth) {
		return nil, cairn.Errorf(cairn.CodeInvalid, "auth_mode %q is none of key, aml_token and aad_token", clip(e.Auth))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old, err := s.Get(ctx, e.Name)
	now := s.o.Now().UTC()
	switch {
	case err == nil:
		e.Port, e.URL, e.Deployments, e.Generations, e.By, e.CreatedAt = old.Port, old.URL, old.Deployments, old.Generations, old.By, old.CreatedAt
		if e.Traffic == nil {
			e.Traffic = old.Traffic
		}
		if e.Mirror == nil {
			e.Mirror = old.Mirror
		}
	case cairn.CodeOf(err) == cairn.CodeNotFound:
		e.By, e.CreatedAt, e.Deployments, e.Generations = actor.Name, now, nil, [2]int{}
		ln, err := s.listen(ctx)
		if err != nil {
			return nil, err
		}
		s.fresh[e.Name] = ln
		defer func() {
			if l := s.fresh[e.Name]; l != nil { // it was not made, or nobody answers yet
				l.Close()
				delete(s.fresh, e.Name)
			}
		}()
		e.Port = ln.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // of a TCP listener
		e.URL = "http://127.0.0.1:" + strconv.Itoa(e.Port)
	default:
		return nil, err
	}
	return s.put(ctx, e, actor)
}

// put checks and writes a row and lets requests go by it; the caller holds mu.
func (s *Service) put(ctx context.Context, e cairn.Endpoint, actor cairn.Principal, links ...cairn.Link) (*cairn.Endpoint, error) {
	e.Workspace, e.ChangedAt = s.o.Workspace, s.o.Now().UTC()
	e.Traffic, e.Mirror = nonZero(e.Traffic), nonZero(e.Mirror)
	if e.Traffic == nil {
		e.Traffic = map[string]int{}
	}
	slices.SortFunc(e.Deployments, func(a, b cairn.EndpointDeployment) int { return cmpText(a.Name, b.Name) })
	if err := check(&e); err != nil {
		return nil, err
	}
	ch := change(&e, actor)
	ch.Links = links
	if err := s.o.Store.PutEndpoint(ctx, e, ch); err != nil {
		return nil, err
	}
	return &e, s.show(&e)
}

func cmpText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func change(e *cairn.Endpoint, actor cairn.Principal) cairn.Change {
	b, err := json.Marshal(e)
	if err != nil {
		b = nil // plain fields always encode
	}
	return cairn.Change{By: actor.Name, Events: []cairn.Event{{Kind: cairn.EvRecorded, Subject: cairn.NewRef(cairn.KindEndpoint, e.Name), Data: b}}}
}

// listen takes the first port that neither a stage nor an endpoint has, nor anybody
// listens on.
func (s *Service) listen(ctx context.Context) (net.Listener, error) {
	taken := map[int]bool{}
	if s.o.Taken != nil {
		var err error
		if taken, err = s.o.Taken(ctx); err != nil {
			return nil, err
		}
	}
	all, err := s.List(ctx)
	if err != nil {
		return nil, err
	}
	for i := range all {
		taken[all[i].Port] = true
	}
	for p := s.o.FirstPort; p <= 65535; p++ {
		if taken[p] {
			continue
		}
		if l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(p)); err == nil {
			return l, nil
		}
	}
	return nil, cairn.Errorf(cairn.CodeUnavailable, "no port from %d on is free for an endpoint", s.o.FirstPort)
}

// Update is what may be changed of an endpoint; what is nil stays.
type Update struct {
	Traffic, Mirror map[string]int
	Tags            map[string]string
	Description     *string
	// Merge keeps the weights of deployments that Traffic does not name.
	Merge bool
}

// Update changes an endpoint.
func (s *Service) Update(ctx context.Context, name string, u Update, actor cairn.Principal) (*cairn.Endpoint, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	if u.Traffic != nil {
		if !u.Merge || e.Traffic == nil {
			e.Traffic = map[string]int{}
		}
		for k, v := range u.Traffic {
			e.Traffic[k] = v
		}
	}
	if u.Mirror != nil {
		e.Mirror = u.Mirror
	}
	if u.Tags != nil {
		e.Tags = u.Tags
	}
	if u.Description != nil {
		e.Description = *u.Description
	}
	return s.put(ctx, *e, actor)
}

// Delete ends an endpoint with its deployments.
func (s *Service) Delete(ctx context.Context, name string, actor cairn.Principal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.Get(ctx, name)
	if err != nil {
		return err
	}
	if l := s.fronts[name]; l != nil {
		l.http.Close()
		delete(s.fronts, name)
	}
	for _, d := range e.Deployments {
		if err := s.o.Stages.Stop(ctx, d.Repository, d.Stage, actor); err != nil {
			return err
		}
	}
	return s.o.Store.DeleteEndpoint(ctx, s.o.Workspace, name, change(e, actor))
}

// Credentials are what callers show.
func (s *Service) Credentials(ctx context.Context, name string) (*cairn.EndpointCredentials, error) {
	e, err := s.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	k := keys{s.o.Secret}
	if e.Auth == cairn.EndpointKey {
		return &cairn.EndpointCredentials{Primary: k.key(e, 0), Secondary: k.key(e, 1)}, nil
	}
	now := s.o.Now().UTC().Truncate(time.Second)
	until := now.Add(tokenTime)
	return &cairn.EndpointCredentials{Token: k.token(e, until), Expires: until, Refresh: now.Add(refreshTime)}, nil
}

// Regenerate makes a key anew: the one before is refused from then on. which is primary
// or secondary.
func (s *Service) Regenerate(ctx context.Context, name, which string, actor cairn.Principal) (*cairn.EndpointCredentials, error) {
	i := slices.Index([]string{"primary", "secondary"}, which)
	if i < 0 {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q is neither the primary nor the secondary key", clip(which))
	}
	s.mu.Lock()
	e, err := s.Get(ctx, name)
	if err == nil && e.Auth != cairn.EndpointKey {
		err = cairn.Errorf(cairn.CodeInvalid, "endpoint %s has no keys: its auth_mode is %s", name, e.Auth)
	}
	if err == nil {
		e.Generations[i]++
		_, err = s.put(ctx, *e, actor)
	}
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return s.Credentials(ctx, name)
}

// Deploy is a deployment that is asked for.
type Deploy struct {
	Endpoint, Name string
	Repository     string // "": that of who asks
	Image          cairn.Digest
	Model          cairn.Ref
	Spec           cairn.EndpointSpec
	AllTraffic     bool
}

// Bounds and defaults of the original (azure-ai-ml 1.35.2, request_settings and probes).
const (
	defaultTimeout = 5 * time.Second
	maxTimeout     = 180 * time.Second
	defaultWait    = 500 * time.Millisecond
	defaultStart   = 10 * time.Minute // readiness: 30 looks every 10 s, after what is installed
	maxInstances   = 1000
)

func fill(x *cairn.EndpointSpec) error {
	ms := func(d time.Duration) cairn.Milliseconds { return cairn.Milliseconds(d / time.Millisecond) }
	if x.Instances == 0 {
		x.Instances = 1
	}
	if x.Concurrent == 0 {
		x.Concurrent = 1
	}
	if x.Timeout == 0 {
		x.Timeout = ms(defaultTimeout)
	}
	if x.Wait == 0 {
		x.Wait = ms(defaultWait)
	}
	if x.Start == 0 {
		x.Start = ms(defaultStart)
	}
	switch {
	case x.Instances < 0 || x.Instances > maxInstances || x.Concurrent < 0 || x.Concurrent > maxInstances:
		return cairn.Errorf(cairn.CodeInvalid, "instance_count and max_concurrent_requests_per_instance are 1 to %d", maxInstances)
	case x.Timeout < 1 || x.Timeout.Duration() > maxTimeout:
		return cairn.Errorf(cairn.CodeInvalid, "request_timeout_ms is %d: it is 1 to %d", x.Timeout, maxTimeout.Milliseconds())
	case x.Wait < 0 || x.Wait.Duration() > maxTimeout:
		return cairn.Errorf(cairn.CodeInvalid, "max_queue_wait_ms is %d: it is 0 to %d", x.Wait, maxTimeout.Milliseconds())
	}
	return nil
}

// Deploy puts a deployment behind an endpoint, or a new image in the place of one, and
// answers when it is ready. Requests go on to what was there until then.
func (s *Service) Deploy(ctx context.Context, r Deploy, actor cairn.Principal) (*cairn.EndpointDeployment, error) {
	if err := checkName("a deployment", r.Name); err != nil {
		return nil, err
	}
	e, err := s.Get(ctx, r.Endpoint)
	if err != nil {
		return nil, err
	}
	if err := fill(&r.Spec); err != nil {
		return nil, err
	}
	stage := e.Name + "." + r.Name
	c := s.o.Default(stage)
	c.Service, c.Variables, c.Port, c.Health, c.Start = e.Name, r.Spec.Variables, r.Spec.Port, r.Spec.Health, r.Spec.Start
	repository := r.Repository
	if old := e.Find(r.Name); old != nil && repository == "" {
		repository = old.Repository
	}
	live, err := s.o.Stages.Put(ctx, StageRequest{Repository: repository, Service: e.Name, Image: r.Image, Config: c,
		Comment: fmt.Sprintf("deployment %s of endpoint %s", r.Name, e.Name)}, actor)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, err = s.Get(ctx, r.Endpoint); err != nil { // deleted meanwhile
		return nil, errors.Join(err, s.o.Stages.Stop(ctx, live.Repository, stage, actor))
	}
	d := cairn.EndpointDeployment{Name: r.Name, Repository: live.Repository, Stage: stage, Deployment: live.Deployment, Port: live.Port,
		Image: r.Image, Model: r.Model, Spec: r.Spec, By: actor.Name, At: s.o.Now().UTC()}
	if old := e.Find(r.Name); old != nil {
		*old = d
	} else {
		e.Deployments = append(e.Deployments, d)
	}
	if r.AllTraffic {
		e.Traffic = map[string]int{r.Name: hundred}
		delete(e.Mirror, r.Name)
	}
	var links []cairn.Link
	if r.Model != "" { // also where its bytes are too few to be found in the image
		links = append(links, cairn.Link{From: d.Deployment.Ref(), Relation: cairn.RelUsed, To: r.Model, Note: "of endpoint " + e.Name})
	}
	_, err = s.put(ctx, *e, actor, links...)
	return &d, err
}

// Remove takes a deployment from behind its endpoint. One with traffic stays.
func (s *Service) Remove(ctx context.Context, endpoint, name string, actor cairn.Principal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.Get(ctx, endpoint)
	if err != nil {
		return err
	}
	d := e.Find(name)
	if d == nil {
		return cairn.Errorf(cairn.CodeNotFound, "endpoint %s has no deployment %s", endpoint, clip(name)).WithHint("it has %s", orNone(names(e)))
	}
	if n := e.Traffic[name]; n > 0 {
		return cairn.Errorf(cairn.CodeConflict, "deployment %s gets %d of a hundred requests: it cannot be deleted", name, n).
			WithHint("az ml online-endpoint update --name %s --traffic \"%s=0\" first", endpoint, name)
	}
	gone := *d
	delete(e.Mirror, name)
	e.Deployments = slices.DeleteFunc(e.Deployments, func(x cairn.EndpointDeployment) bool { return x.Name == name })
	if _, err := s.put(ctx, *e, actor); err != nil {
		return err
	}
	return s.o.Stages.Stop(ctx, gone.Repository, gone.Stage, actor)
}

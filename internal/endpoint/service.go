package endpoint

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
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
	// Repository is the one whose stage is meant where asked is named, or none: in a job
	// its own.
	Repository(ctx context.Context, asked string, actor cairn.Principal) (string, error)
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

	mu     sync.Mutex             // of changes: one at a time
	turns  map[string]*sync.Mutex // of deployments, by stage
	fronts map[string]*listening
	run    context.Context // nil: not running
	// fresh are listeners of endpoints that are being made: nobody takes their port in
	// between.
	fresh map[string]net.Listener
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
	return &Service{o: o, fronts: map[string]*listening{}, fresh: map[string]net.Listener{}, turns: map[string]*sync.Mutex{}}
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
		e.Port, e.URL, e.Deployments, e.Coming, e.Generations, e.By, e.CreatedAt = old.Port, old.URL, old.Deployments, old.Coming, old.Generations, old.By, old.CreatedAt
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
	e, err := s.Get(ctx, name)
	if l := s.fronts[name]; l != nil && err == nil {
		l.http.Close()
		delete(s.fronts, name)
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	// Without the lock, since what is coming up is waited for. The row goes last: whoever is
	// interrupted here can ask again.
	left := slices.Clone(e.Coming) // what was cut short may have come up since
	for _, d := range e.Deployments {
		left = append(left, cairn.EndpointStage{Repository: d.Repository, Stage: d.Stage})
	}
	for _, st := range left {
		if err := s.o.Stages.Stop(ctx, st.Repository, st.Stage, actor); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.o.Store.DeleteEndpoint(ctx, s.o.Workspace, name, change(e, actor))
}

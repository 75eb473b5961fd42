package endpoint

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cairn-ml/cairn"
)

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

// stageName is where a deployment runs; no name of an endpoint holds a point.
func stageName(endpoint, deployment string) string { return endpoint + "." + deployment }

// turn is held while something is put on a stage.
func (s *Service) turn(stage string) *sync.Mutex {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.turns[stage] == nil {
		s.turns[stage] = &sync.Mutex{}
	}
	return s.turns[stage]
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
	stage := stageName(e.Name, r.Name)
	// Of two for the same name the row has to tell of the one that is live: one at a time.
	turn := s.turn(stage)
	turn.Lock()
	defer turn.Unlock()
	c := s.o.Default(stage)
	c.Service, c.Variables, c.Port, c.Health, c.Start = e.Name, r.Spec.Variables, r.Spec.Port, r.Spec.Health, r.Spec.Start
	repository := r.Repository
	if old := e.Find(r.Name); old != nil && repository == "" {
		repository = old.Repository
	}
	if repository, err = s.o.Stages.Repository(ctx, repository, actor); err != nil {
		return nil, err
	}
	if err := s.expect(ctx, e.Name, cairn.EndpointStage{Repository: repository, Stage: stage}, actor); err != nil {
		return nil, err
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
	e.Coming = slices.DeleteFunc(e.Coming, func(c cairn.EndpointStage) bool { return c.Stage == stage })
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

// expect writes down that something is put on a stage. It is there until that is live: what
// did not come up, or was cut short, is taken down with the endpoint.
func (s *Service) expect(ctx context.Context, endpoint string, st cairn.EndpointStage, actor cairn.Principal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.Get(ctx, endpoint)
	if err != nil || slices.Contains(e.Coming, st) {
		return err
	}
	e.Coming = append(e.Coming, st)
	_, err = s.put(ctx, *e, actor)
	return err
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

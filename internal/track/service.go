package track

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"log/slog"
	"time"

	"github.com/cairn-ml/cairn"
)

// Options are what a Service stands on. Store and Blobs are required.
type Options struct {
	Store  Store
	Blobs  Blobs
	Models Models
	// Jobs may be nil: then runs made by jobs carry no git tags.
	Jobs Jobs
	// Principal tells who acts; nil means nobody is known.
	Principal func(context.Context) (cairn.Principal, bool)
	// ArtifactURI is what a root of the artifact store is shown behind; default
	// "mlflow-artifacts:/".
	ArtifactURI string
	Now         func() time.Time
	Rand        io.Reader // of ids and run names; default crypto/rand
	Log         *slog.Logger
}

// Service is the tracking room. Its methods are safe for concurrent use.
type Service struct {
	store  Store
	blobs  Blobs
	models Models
	jobs   Jobs
	who    func(context.Context) (cairn.Principal, bool)
	uri    string
	now    func() time.Time
	rand   io.Reader
	log    *slog.Logger
}

// New prepares a service. Call Start before the first request.
func New(o Options) *Service {
	s := &Service{store: o.Store, blobs: o.Blobs, models: o.Models, jobs: o.Jobs, who: o.Principal,
		uri: o.ArtifactURI, now: o.Now, rand: o.Rand, log: o.Log}
	if s.who == nil {
		s.who = func(context.Context) (cairn.Principal, bool) { return cairn.Principal{}, false }
	}
	if s.uri == "" {
		s.uri = "mlflow-artifacts:/"
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.rand == nil {
		s.rand = rand.Reader
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

// DefaultExperiment is the id of the experiment that is always there.
const DefaultExperiment = "0"

// Start finishes metric writes that a crash cut in two and makes sure that the
// default experiment is there.
func (s *Service) Start(ctx context.Context) error {
	if err := s.store.RecoverMetrics(ctx); err != nil {
		return err
	}
	_, err := s.store.Experiment(ctx, DefaultExperiment)
	if cairn.CodeOf(err) != cairn.CodeNotFound {
		return err
	}
	now := s.now().UTC()
	_, err = s.store.CreateExperiment(ctx, cairn.Experiment{ID: DefaultExperiment, Name: "Default",
		Root: DefaultExperiment, By: "cairn", CreatedAt: now, UpdatedAt: now}, cairn.Change{By: "cairn"})
	return err
}

// URI shows a path of the artifact store as clients name it.
func (s *Service) URI(path string) string { return s.uri + path }

func (s *Service) actor(ctx context.Context) cairn.Principal {
	p, _ := s.who(ctx)
	return p
}

// change is the Change of one row: who did it and one event in the stream of
// the run whose job acts.
func (s *Service) change(ctx context.Context, kind string, subject cairn.Ref) cairn.Change {
	p := s.actor(ctx)
	return cairn.Change{By: p.Name, Events: []cairn.Event{{Run: p.Run, Kind: kind, Subject: subject}}}
}

// id returns n random bytes in hex.
func (s *Service) id(n int) (string, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(s.rand, b); err != nil {
		return "", cairn.Errorf(cairn.CodeInternal, "no randomness: %w", err)
	}
	return hex.EncodeToString(b), nil
}

package endpoint

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/cairn-ml/cairn"
)

type listening struct {
	front *front
	http  *http.Server
	port  int
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

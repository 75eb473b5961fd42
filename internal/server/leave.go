package server

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/cairn-ml/cairn/internal/api/client"
)

// ours reports whether the home at the path is still the one that was locked:
// somebody may remove it, and the next command makes another one there.
func (s *Server) ours() bool {
	now, err := os.Stat(lockPath(s.o.Home))
	return err == nil && os.SameFile(now, s.lock)
}

// leaveWithHome ends an owner whose home was removed.
func (s *Server) leaveWithHome(ctx context.Context) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if !s.ours() {
			s.log.Error("leaving: the home was removed", "home", s.o.Home)
			s.leave()
			return
		}
	}
}

// leaveWhenIdle ends an owner that a command started.
func (s *Server) leaveWhenIdle(ctx context.Context) {
	idle := s.o.Idle
	if idle <= 0 {
		idle = client.IdleExit
	}
	t := time.NewTicker(min(idle/4, time.Second) + time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if s.requests.Load() > 0 || time.Since(time.Unix(0, s.last.Load())) < idle {
			continue
		}
		if n, err := s.engine.Active(ctx); err != nil || n > 0 {
			s.last.Store(time.Now().UnixNano()) // idle counts from the end of the last run
			continue
		}
		if n, err := s.deploys.Active(ctx); err != nil || n > 0 {
			s.last.Store(time.Now().UnixNano()) // and of what is live
			continue
		}
		if n, err := s.follows.Active(ctx); err != nil || n > 0 {
			s.last.Store(time.Now().UnixNano()) // and of what is followed
			continue
		}
		if s.endpoints.Active() > 0 {
			s.last.Store(time.Now().UnixNano())
			continue
		}
		s.log.Info("leaving: idle", "after", idle)
		s.leave()
		return
	}
}

// leave asks whoever started the server to close it, and cuts streams.
func (s *Server) leave() { s.leaveOnce.Do(func() { close(s.leaving) }) }

// Close ends everything but the jobs.
func (s *Server) Close() error {
	s.closeOnce.Do(func() { s.closeErr = s.close() })
	return s.closeErr
}

func (s *Server) close() error {
	s.leave()
	var errs []error
	if s.http != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		if s.http.Shutdown(ctx) != nil {
			errs = append(errs, s.http.Close())
		}
		cancel()
	}
	for _, l := range s.listeners {
		l.Close() // closed by Shutdown already, unless it never served
	}
	if s.stopEngine != nil {
		s.stopEngine()
	}
	s.working.Wait()
	if s.backend != nil {
		errs = append(errs, s.backend.Close())
	}
	if s.store != nil {
		if s.ours() {
			errs = append(errs, s.recordLeft())
		}
		errs = append(errs, s.store.Close())
	}
	if len(s.listeners) > 0 && s.ours() {
		os.Remove(client.SocketPath(s.o.Home))
	}
	if s.log != nil {
		s.log.Info("left", "pid", os.Getpid())
	}
	if s.logFile != nil {
		errs = append(errs, s.logFile.Close())
	}
	if s.unlock != nil {
		s.unlock()
	}
	return errors.Join(errs...)
}

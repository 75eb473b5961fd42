package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/cairn-ml/cairn"
)

const (
	// leaveTime is how long answers tell their clients to connect anew, before the
	// connections that are left are closed: they hardly ever are in use then.
	leaveTime  = 300 * time.Millisecond
	settleTime = 20 * time.Millisecond
	// replaceTime is how long requests may take then. New ones wait meanwhile.
	replaceTime = 2 * time.Second
)

// handleRestart puts a newer Cairn in the place of this process. The body may name
// its file: {"program": "/usr/local/bin/cairn"}.
func (s *Stage) handleRestart(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Program string `json:"program"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&body); err != nil && !errors.Is(err, io.EOF) {
		writeError(w, cairn.Errorf(cairn.CodeInvalid, "the request cannot be read: %w", err))
		return
	}
	if body.Program != "" && !filepath.IsAbs(body.Program) {
		writeError(w, cairn.Errorf(cairn.CodeInvalid, "program is %q, not an absolute path", clip(body.Program, 200)))
		return
	}
	s.mu.Lock()
	coming, stopping := s.coming, s.stopping
	if coming == nil && !stopping && s.o.Exec != nil {
		s.stopping = true // no deployment begins any more
	}
	s.mu.Unlock()
	switch {
	case s.o.Exec == nil:
		writeError(w, cairn.Errorf(cairn.CodeUnsupported, "this process cannot be replaced while it runs"))
	case stopping:
		writeError(w, errStopping)
	case coming != nil:
		writeError(w, cairn.Errorf(cairn.CodeConflict, "deployment %d is under way on this stage", coming.spec.Deployment).
			WithHint("wait until it is live or has failed"))
	default:
		writeAnswer(w, struct {
			Restarting bool `json:"restarting"`
		}{true})
		s.restart <- body.Program
	}
}

// replace hands the listening socket to another program in this process. New
// connections wait in the socket; the programs of the stage go on, and are taken
// over as after a kill.
func (s *Stage) replace(path string, ln net.Listener, front *http.Server) error {
	s.leaving.Store(true)
	time.Sleep(leaveTime)
	tcp, ok := ln.(*net.TCPListener)
	if !ok {
		return cairn.Errorf(cairn.CodeInternal, "the listening socket is a %T", ln)
	}
	file, err := tcp.File()
	if err != nil {
		return err
	}
	defer file.Close()
	// A connection that was taken just now needs a moment to be known as one.
	ln.Close()
	time.Sleep(settleTime)
	ctx, cancel := context.WithTimeout(context.Background(), replaceTime)
	defer cancel()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_ = front.Shutdown(ctx) // those that are not done by then are cut
	}()
	if t := s.live.Load(); t != nil {
		t.finish(ctx)
	}
	<-closed
	front.Close()
	s.saveOrLog()
	if w := s.currentLog(); w != nil {
		if err := w.Close(); err != nil {
			s.o.Logger.Error("the prediction log was not closed in order", "error", err)
		}
	}
	// It comes back only where it failed: then this process ends, and whoever watches
	// it starts another one.
	return s.o.Exec(path, file)
}

package gateway

import (
	"encoding/json"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/cairn-ml/cairn"
)

// maxInstance bounds a deployment that is sent: a smoke request may hold a picture.
const maxInstance = 32 << 20

// listenControl makes the control socket. It is made under another name and gets
// its mode before anybody can find it; the name may be left from a process that was
// killed, which the lock says is gone.
func (s *Stage) listenControl() (net.Listener, error) {
	tmp := s.file.Socket + ".new"
	if err := os.Remove(tmp); err != nil && !os.IsNotExist(err) {
		return nil, diskError(err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: tmp, Net: "unix"})
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeUnavailable, "the control socket %s cannot be made: %w", s.file.Socket, err)
	}
	l.SetUnlinkOnClose(false)
	err = os.Chmod(tmp, 0o600)
	if err == nil {
		err = os.Rename(tmp, s.file.Socket)
	}
	if err != nil {
		l.Close()
		os.Remove(tmp)
		return nil, diskError(err)
	}
	return l, nil
}

// controlHandler is what the server (or whoever owns the stage's folder) tells the
// process of the stage.
func (s *Stage) controlHandler() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("POST /v1/deploy", s.handleDeploy)
	m.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) { writeAnswer(w, s.status()) })
	m.HandleFunc("POST /v1/stop", func(w http.ResponseWriter, _ *http.Request) {
		writeAnswer(w, struct {
			Stopping bool `json:"stopping"`
		}{true})
		s.stop()
	})
	m.HandleFunc("POST /v1/restart", s.handleRestart)
	return m
}

// handleDeploy answers with one line for each event, as it happens. A client that
// goes away does not stop the deployment: it asks again.
func (s *Stage) handleDeploy(w http.ResponseWriter, r *http.Request) {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxInstance))
	var x cairn.StageInstance
	if err := d.Decode(&x); err != nil {
		writeError(w, cairn.Errorf(cairn.CodeInvalid, "the instance cannot be read: %w", err))
		return
	}
	dep, err := s.deploy(x)
	if err != nil {
		writeError(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	e := json.NewEncoder(w)
	rc := http.NewResponseController(w)
	_ = dep.follow(r.Context(), func(ev cairn.StageEvent) error { // ends only with its client
		if err := e.Encode(ev); err != nil {
			return err
		}
		return rc.Flush()
	})
}

func writeAnswer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client went away
}

// writeError answers with an error as all of Cairn's interfaces do.
func writeError(w http.ResponseWriter, err error) {
	e := cairn.AsError(err)
	code := http.StatusInternalServerError
	switch e.Code {
	case cairn.CodeInvalid:
		code = http.StatusBadRequest
	case cairn.CodeNotFound:
		code = http.StatusNotFound
	case cairn.CodeConflict:
		code = http.StatusConflict
	case cairn.CodeTooLarge:
		code = http.StatusRequestEntityTooLarge
	case cairn.CodeUnavailable:
		code = http.StatusServiceUnavailable
	case cairn.CodeFailed:
		code = http.StatusUnprocessableEntity
	}
	writeStatus(w, code, e)
}

func writeStatus(w http.ResponseWriter, code int, e *cairn.Error) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(e) // the status is sent: nowhere to tell
}

// quiet takes what net/http says about connections that went wrong: it is about
// clients, not about us.
func quiet(l *slog.Logger) *log.Logger {
	return log.New(quietWriter{l}, "", 0)
}

type quietWriter struct{ l *slog.Logger }

func (q quietWriter) Write(p []byte) (int, error) {
	q.l.Debug("http", "message", strings.TrimSpace(string(p)))
	return len(p), nil
}

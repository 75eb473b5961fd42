package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
)

// How often a stream that has nothing to say shows that it lives, and how often
// a log is looked at while its step runs.
const (
	aliveEvery = 15 * time.Second
	logPoll    = 40 * time.Millisecond
)

func (a *API) streamRoutes() {
	a.raw(op{method: "GET", path: "/runs/{id}/events", id: "run-events", summary: "Events of a run as lines of JSON; follow=true until it is completed", need: readers},
		func(w http.ResponseWriter, r *http.Request) error {
			id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
			if err != nil {
				return cairn.Errorf(cairn.CodeInvalid, "%q is not the number of a run", r.PathValue("id"))
			}
			if _, err := a.o.Rows.Run(r.Context(), cairn.RunID(id)); err != nil {
				return err
			}
			return a.events(w, r, cairn.RunID(id))
		})
	a.raw(op{method: "GET", path: "/events", id: "events", summary: "Events that belong to no run, as lines of JSON", need: readers, trusted: true},
		func(w http.ResponseWriter, r *http.Request) error { return a.events(w, r, 0) })
	a.raw(op{method: "GET", path: "/jobs/{id}/steps/{step}/log", id: "step-log", summary: "Log of a step from an offset on; follow=true until the step is completed", need: readers}, a.log)
}

// line is what ends or keeps up a stream of events.
type line struct {
	Alive bool `json:"alive,omitempty"`
	End   bool `json:"end,omitempty"`
}

const eventsPage = 500

func (a *API) events(w http.ResponseWriter, r *http.Request, run cairn.RunID) error {
	after, err := intQuery(r, "after")
	if err != nil {
		return err
	}
	follow := r.URL.Query().Get("follow") == "true"
	signal, stop := a.o.Rows.Watch()
	defer stop()
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	rc := http.NewResponseController(w)
	enc := json.NewEncoder(&patientWriter{rc, w})
	enc.SetEscapeHTML(false)
	alive := time.NewTicker(aliveEvery)
	defer alive.Stop()
	for {
		// The run is read before its events: when it is completed, they are all there.
		done := !follow
		if run != 0 && follow {
			row, err := a.o.Rows.Run(r.Context(), run)
			if err != nil {
				return a.cut(r.Context(), err)
			}
			done = row.Status == cairn.StatusCompleted
		}
		es, err := a.o.Rows.Events(r.Context(), run, after, eventsPage)
		if err != nil {
			return a.cut(r.Context(), err)
		}
		for i := range es {
			after = es[i].Seq
			if err := enc.Encode(&es[i]); err != nil {
				return nil // the client went away
			}
		}
		if len(es) == eventsPage {
			continue
		}
		if done {
			_ = enc.Encode(line{End: true}) // as above
			return nil
		}
		if err := rc.Flush(); err != nil {
			return nil
		}
		select {
		case <-signal:
		case <-alive.C:
			if enc.Encode(line{Alive: true}) != nil {
				return nil
			}
		case <-a.o.Leaving:
			panic(http.ErrAbortHandler) // no end: the client takes it up with the next owner
		case <-r.Context().Done():
			return nil
		}
	}
}

// whileHere gives a context that ends with ctx, or when the owner begins to leave.
func (a *API) whileHere(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-a.o.Leaving:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// cut ends a stream that has begun because of an error that is not the client's.
func (a *API) cut(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		a.note(ctx, err)
	}
	panic(http.ErrAbortHandler)
}

func (a *API) log(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	offset, err := intQuery(r, "offset")
	if err != nil {
		return err
	}
	id, err1 := strconv.ParseInt(r.PathValue("id"), 10, 64)
	step, err2 := strconv.Atoi(r.PathValue("step"))
	if err := errors.Join(err1, err2); err != nil || step < 1 {
		return cairn.Errorf(cairn.CodeInvalid, "%q of %q is not a step of a job", r.PathValue("step"), r.PathValue("id"))
	}
	job, err := a.o.Rows.Job(ctx, cairn.JobID(id))
	if err != nil {
		return err
	}
	follow := r.URL.Query().Get("follow") == "true"
	signal, stop := a.o.Rows.Watch()
	defer stop()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Trailer", client.LogEnd)
	rc := http.NewResponseController(w)
	out := &patientWriter{rc, w}
	if err := rc.Flush(); err != nil {
		return nil
	}
	poll := time.NewTicker(logPoll)
	defer poll.Stop()
	fresh := true // rows have changed since ended was asked
	ended := false
	for {
		if fresh {
			if ended, err = a.stepEnded(ctx, cairn.JobID(id), step); err != nil {
				return a.cut(ctx, err)
			}
			fresh = false
		}
		n, err := a.copyLog(ctx, out, job, step, offset)
		offset += n
		if err != nil {
			return a.cut(ctx, err)
		}
		if n > 0 {
			if err := rc.Flush(); err != nil {
				return nil
			}
			continue
		}
		if ended || !follow {
			w.Header().Set(client.LogEnd, strconv.FormatInt(offset, 10))
			return nil
		}
		select {
		case <-signal:
			fresh = true
		case <-poll.C:
		case <-a.o.Leaving:
			panic(http.ErrAbortHandler)
		case <-ctx.Done():
			return nil
		}
	}
}

// copyLog sends what there is of a log from an offset on.
func (a *API) copyLog(ctx context.Context, w io.Writer, job cairn.Job, step int, offset int64) (int64, error) {
	f, err := a.o.Logs.StepLog(ctx, job, step, offset)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return 0, nil
	} else if err != nil {
		return 0, err
	}
	defer f.Close()
	return io.Copy(w, f)
}

// stepEnded reports whether a step's log grows no more.
func (a *API) stepEnded(ctx context.Context, id cairn.JobID, step int) (bool, error) {
	j, err := a.o.Rows.Job(ctx, id)
	if err != nil || j.Status == cairn.StatusCompleted {
		return true, err
	}
	steps, err := a.o.Rows.Steps(ctx, id)
	for _, s := range steps {
		if s.Number == step {
			return s.Status == cairn.StatusCompleted, err
		}
	}
	return false, err
}

func intQuery(r *http.Request, name string) (int64, error) {
	s := r.URL.Query().Get(name)
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0, cairn.Errorf(cairn.CodeInvalid, "%s is %q, not a number", name, s)
	}
	return n, nil
}

// readJSON reads a bounded body strictly.
func readJSON(w http.ResponseWriter, r *http.Request, limit int64, into any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, limit))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return cairn.Errorf(cairn.CodeTooLarge, "the request has more than %d bytes", limit)
		}
		return cairn.Errorf(cairn.CodeInvalid, "the request is not valid JSON: %w", err)
	}
	return nil
}

package run

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/cairn-ml/cairn"
)

// The kinds of effects that the engine carries out.
const (
	effectStart   = "job.start"
	effectCancel  = "job.cancel"
	effectKill    = "job.kill"
	effectCleanup = "job.cleanup"
)

// startTries is how often a start is tried before the job fails.
const startTries = 6

func cancelKind(force bool) string {
	if force {
		return effectKill
	}
	return effectCancel
}

// jobEffect is the payload of the engine's effects.
type jobEffect struct {
	Run   cairn.RunID `json:"run"`
	Job   cairn.JobID `json:"job"`
	Path  string      `json:"path"`
	Epoch int64       `json:"epoch"`
}

// effect notes down an effect on a job; its id makes it happen once per lease.
func (a *active) effect(j *cairn.Job, kind string) {
	payload, err := json.Marshal(jobEffect{Run: j.Run, Job: j.ID, Path: j.Path, Epoch: j.Epoch})
	if err != nil {
		return // four plain fields always encode
	}
	a.changes.Effects = append(a.changes.Effects, cairn.Effect{
		ID: kind + "/" + strconv.FormatInt(int64(j.ID), 10) + "/" + strconv.FormatInt(j.Epoch, 10), Kind: kind, Payload: payload,
	})
}

// effectResult is what became of an effect.
type effectResult struct {
	effect   cairn.Effect
	job      jobEffect
	pid      int
	pidStart int64
	stale    bool // a start whose lease is over: nothing was done
	gate     *cairn.GateCheck
	found    *cairn.TaskResult
	tracking string
	err      error
}

// effectQueue runs the effects of one job one after the other, so that a cancel
// never overtakes its start.
type effectQueue struct {
	todo []func()
}

// dispatch hands an effect to its queue, unless it is there already.
func (e *Engine) dispatch(ctx context.Context, f cairn.Effect, s *start) {
	var j jobEffect
	key := f.ID
	switch f.Kind {
	case effectStart, effectCancel, effectKill, effectCleanup:
		if err := json.Unmarshal(f.Payload, &j); err != nil {
			e.complain(ctx, "an effect is damaged", err, "effect", f.ID)
			return
		}
		key = strconv.FormatInt(int64(j.Job), 10)
	case effectGate, effectReuse:
		if err := json.Unmarshal(f.Payload, &j); err != nil {
			e.complain(ctx, "an effect is damaged", err, "effect", f.ID)
			return
		}
	default:
		if e.o.Effects[f.Kind] == nil {
			return // somebody else's
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.working[f.ID] {
		return
	}
	e.working[f.ID] = true
	work := func() {
		r := e.carryOut(ctx, f, j, s)
		e.mu.Lock()
		e.results = append(e.results, r)
		e.mu.Unlock()
		e.ask(looks{})
	}
	if q := e.queues[key]; q != nil {
		q.todo = append(q.todo, work)
		return
	}
	q := &effectQueue{todo: []func(){work}}
	e.queues[key] = q
	e.wg.Add(1)
	go e.drain(key, q)
}

func (e *Engine) drain(key string, q *effectQueue) {
	defer e.wg.Done()
	for {
		e.mu.Lock()
		if len(q.todo) == 0 {
			delete(e.queues, key)
			e.mu.Unlock()
			return
		}
		work := q.todo[0]
		q.todo = q.todo[1:]
		e.mu.Unlock()
		work()
	}
}

// carryOut does one effect. It may have been done before: each is idempotent.
func (e *Engine) carryOut(ctx context.Context, f cairn.Effect, j jobEffect, s *start) (r effectResult) {
	r = effectResult{effect: f, job: j}
	defer func() {
		if p := recover(); p != nil {
			r.err = cairn.Errorf(cairn.CodeInternal, "a defect while carrying out %s: %v", f.ID, p)
		}
	}()
	if r.err = ctx.Err(); r.err != nil {
		return r
	}
	if handle := e.o.Effects[f.Kind]; handle != nil {
		r.err = handle(ctx, f)
		return r
	}
	switch f.Kind {
	case effectStart:
		r.pid, r.pidStart, r.tracking, r.stale, r.err = e.startJob(ctx, j, s)
		return r
	case effectReuse:
		r.found, r.err = e.findReuse(ctx, f)
		return r
	case effectGate:
		r.gate, r.stale, r.err = e.checkGate(ctx, f)
		return r
	}
	row, err := e.o.Store.Job(ctx, j.Job)
	if err != nil {
		r.err = err
		return r
	}
	row.Epoch = j.Epoch
	switch f.Kind {
	case effectCleanup:
		r.err = e.o.Backend.Cleanup(ctx, row)
	default:
		if row.Status == cairn.StatusRunning {
			r.err = e.o.Backend.Cancel(ctx, row, f.Kind == effectKill)
		}
	}
	return r
}

// takeResults brings what effects came to into the rows.
func (e *Engine) takeResults(ctx context.Context) {
	e.mu.Lock()
	results := e.results
	e.results = nil
	e.mu.Unlock()
	for _, r := range results {
		if r.err != nil && ctx.Err() != nil {
			continue // cut short: the next owner does it
		}
		a := e.runs[r.job.Run]
		if r.effect.Kind == effectStart && a != nil {
			e.started(ctx, a, r)
			continue
		}
		if r.effect.Kind == effectGate && a != nil {
			e.gateChecked(ctx, a, r)
			continue
		}
		if r.effect.Kind == effectReuse && a != nil {
			e.reuseFound(ctx, a, r)
			continue
		}
		switch {
		case r.err != nil:
			e.retry(ctx, r)
		case (r.effect.Kind == effectStart || r.effect.Kind == effectGate || r.effect.Kind == effectReuse) && !r.stale:
			// Its run has to be read again first: who runs the job must not be lost. The
			// effect is carried out once more, and finds the supervisor.
			e.forget([]string{r.effect.ID})
			e.later(time.Second, looks{all: true})
		case a != nil:
			a.done = append(a.done, r.effect.ID)
		default:
			if err := e.o.Store.EffectDone(ctx, r.effect.ID); err != nil {
				e.complain(ctx, "marking an effect as done", err, "effect", r.effect.ID)
			}
			e.forget([]string{r.effect.ID})
		}
	}
}

// started records who runs a job, or that nobody could be started.
func (e *Engine) started(ctx context.Context, a *active, r effectResult) {
	row := a.state.Jobs[r.job.Path]
	current := row != nil && row.ID == r.job.Job && row.Epoch == r.job.Epoch && row.Status == cairn.StatusRunning
	switch {
	case r.err == nil && (r.stale || !current):
		a.done = append(a.done, r.effect.ID)
	case r.err == nil:
		a.state.Edit(r.job.Path, func(j *cairn.Job) {
			j.PID, j.PIDStart = r.pid, r.pidStart
			if r.tracking != "" && j.Task != nil {
				t := *j.Task
				t.Tracking = r.tracking
				j.Task = &t
			}
			if j.CancelAt.IsZero() {
				j.Reason = ""
			}
		})
		a.done = append(a.done, r.effect.ID)
	case current && (final(r.err) || r.effect.Tries+1 >= startTries || !row.CancelAt.IsZero()):
		e.complain(ctx, "starting a job", r.err, "job", r.job.Job)
		c, reason := cairn.Failure, "the job could not be started: "+words(r.err)
		if !row.CancelAt.IsZero() {
			c, reason = cairn.Cancelled, row.Reason
		}
		a.state.Edit(r.job.Path, func(j *cairn.Job) { finishJob(j, c, clip(reason, maxReason), e.now()) })
		a.effect(a.state.Jobs[r.job.Path], effectCleanup)
		a.done = append(a.done, r.effect.ID)
	default:
		if current {
			a.state.Edit(r.job.Path, func(j *cairn.Job) { j.Reason = clip("starting it failed, trying again: "+words(r.err), maxReason) })
		}
		e.retry(ctx, r)
	}
}

// final reports whether trying again is no use.
func final(err error) bool {
	switch cairn.CodeOf(err) {
	case cairn.CodeInvalid, cairn.CodeUnsupported, cairn.CodeFailed, cairn.CodeForbidden:
		return true
	}
	return false
}

func words(err error) string {
	ce := cairn.AsError(err)
	if ce.Hint != "" {
		return ce.Error() + " (" + ce.Hint + ")"
	}
	return ce.Error()
}

// retry puts an effect off, longer each time: 100 ms, 200 ms, … 30 s.
func (e *Engine) retry(ctx context.Context, r effectResult) {
	wait := 30 * time.Second
	if r.effect.Tries < 8 {
		wait = 100 * time.Millisecond << r.effect.Tries
	}
	e.complain(ctx, "an effect failed and is tried again", r.err, "effect", r.effect.ID, "tries", r.effect.Tries+1)
	if err := e.o.Store.EffectRetry(ctx, r.effect.ID, e.now().Add(wait), clip(fmt.Sprint(r.err), maxReason)); err != nil {
		e.complain(ctx, "putting an effect off", err, "effect", r.effect.ID)
	}
	e.forget([]string{r.effect.ID})
	e.later(wait, looks{all: true})
}

// forget says that the store knows what became of these effects.
func (e *Engine) forget(ids []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, id := range ids {
		delete(e.working, id)
	}
}

// dueEffects takes up effects that nobody is at: those of an owner that was
// killed, and those put off.
func (e *Engine) dueEffects(ctx context.Context) {
	const limit = 512
	effects, err := e.o.Store.Effects(ctx, limit)
	if err != nil {
		e.complain(ctx, "reading effects", err)
		return
	}
	for _, f := range effects {
		e.dispatch(ctx, f, nil)
	}
}

func prepared(starts []start, id string) *start {
	if i := slices.IndexFunc(starts, func(s start) bool { return s.effect == id }); i >= 0 {
		return &starts[i]
	}
	return nil
}

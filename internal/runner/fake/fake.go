// Package fake is a backend in memory: it runs no process, and jobs end as a
// script says. It outlives the engine that uses it, as supervisors do, so that
// tests can kill the engine at any point and start another one.
package fake

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/cairn-ml/cairn"
)

// Outcome is how a job ends.
type Outcome struct {
	Conclusion cairn.Conclusion // "" means success
	Reason     string
	Outputs    map[string]string
	Steps      int  // steps reported on the way; 0: one
	Hold       bool // run until Finish, Kill or Cancel is called
	Deaf       bool // does not end when it is cancelled, save by force
	Die        bool // the supervisor vanishes in the middle of its last step
	// StartErr is what Start answers instead of starting.
	StartErr error
}

// Options configure a Backend.
type Options struct {
	Slots []cairn.Slot // nil: one of 4 for ubuntu-latest and self-hosted
	// Script decides how a job ends; nil: success.
	Script func(cairn.JobSpec) Outcome
	Now    func() time.Time // nil: time.Now
}

// Backend satisfies the engine's interface of that name.
type Backend struct {
	o       Options
	changed chan struct{}

	mu    sync.Mutex
	jobs  map[key]*job
	order []cairn.JobSpec
	pid   int
	lost  map[string]error
}

type key struct {
	job   cairn.JobID
	epoch int64
}

type job struct {
	spec    cairn.JobSpec
	secrets cairn.JobSecrets
	pid     int
	alive   bool
	outcome Outcome
	reports []cairn.Report
	starts  int
	cleaned int
	cancels int
}

// New makes a backend.
func New(o Options) *Backend {
	if o.Slots == nil {
		o.Slots = []cairn.Slot{{Name: "fake", Labels: []string{"ubuntu-latest", "self-hosted"}, Count: 4}}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Script == nil {
		o.Script = func(cairn.JobSpec) Outcome { return Outcome{} }
	}
	return &Backend{o: o, changed: make(chan struct{}, 1), jobs: map[key]*job{}, pid: 1000}
}

func (b *Backend) signal() {
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

// Start begins a job, once per lease.
func (b *Backend) Start(_ context.Context, spec cairn.JobSpec, secrets cairn.JobSecrets) (pid int, pidStart int64, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := key{spec.Job, spec.Epoch}
	if j := b.jobs[k]; j != nil {
		j.starts++
		return j.pid, int64(j.pid), nil
	}
	out := b.o.Script(spec)
	if out.StartErr != nil {
		return 0, 0, out.StartErr
	}
	b.pid++
	j := &job{spec: spec, secrets: secrets, pid: b.pid, alive: true, outcome: out, starts: 1}
	b.jobs[k] = j
	b.order = append(b.order, spec)
	b.report(j, cairn.Report{Kind: cairn.ReportStarted})
	steps := max(1, out.Steps)
	for n := 1; n <= steps; n++ {
		b.step(j, n, cairn.StatusRunning, "")
		switch {
		case n < steps:
			b.step(j, n, cairn.StatusCompleted, cairn.Success)
		case out.Die:
			j.alive = false
		case !out.Hold:
			b.finish(j, out)
		}
	}
	b.signal()
	return j.pid, int64(j.pid), nil
}

func (b *Backend) report(j *job, r cairn.Report) {
	r.At, r.Epoch = b.o.Now().UTC(), j.spec.Epoch
	j.reports = append(j.reports, r)
}

func (b *Backend) step(j *job, n int, s cairn.Status, c cairn.Conclusion) {
	row := &cairn.StepRow{Job: j.spec.Job, Number: n, Name: fmt.Sprintf("step %d", n), Status: s, Outcome: c, Conclusion: c, StartedAt: b.o.Now().UTC()}
	if s == cairn.StatusCompleted {
		row.FinishedAt = b.o.Now().UTC()
	}
	b.report(j, cairn.Report{Kind: cairn.ReportStep, Step: row})
}

func (b *Backend) finish(j *job, out Outcome) {
	if !j.alive {
		return
	}
	if out.Conclusion == "" {
		out.Conclusion = cairn.Success
	}
	b.step(j, max(1, j.outcome.Steps), cairn.StatusCompleted, out.Conclusion)
	b.report(j, cairn.Report{
		Kind: cairn.ReportFinished, Conclusion: out.Conclusion, Reason: out.Reason, Outputs: out.Outputs,
	})
	j.alive = false
}

// Reports answers what the job reported; offsets count reports.
func (b *Backend) Reports(_ context.Context, row cairn.Job, from int64) ([]cairn.Report, int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	j := b.jobs[key{row.ID, row.Epoch}]
	if j == nil || from >= int64(len(j.reports)) {
		return nil, from, nil
	}
	return append([]cairn.Report(nil), j.reports[from:]...), int64(len(j.reports)), nil
}

// Alive reports whether the job is held or about to end.
func (b *Backend) Alive(row cairn.Job) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	j := b.jobs[key{row.ID, row.Epoch}]
	return j != nil && j.alive && j.pid == row.PID
}

// Cancel ends a held job, unless it is deaf.
func (b *Backend) Cancel(_ context.Context, row cairn.Job, force bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	j := b.jobs[key{row.ID, row.Epoch}]
	if j == nil {
		return nil
	}
	j.cancels++
	if !j.outcome.Deaf || force {
		b.finish(j, Outcome{Conclusion: cairn.Cancelled})
	}
	b.signal()
	return nil
}

// Cleanup is counted.
func (b *Backend) Cleanup(_ context.Context, row cairn.Job) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if j := b.jobs[key{row.ID, row.Epoch}]; j != nil {
		j.cleaned++
	}
	return nil
}

// Changed signals reports and ends.
func (b *Backend) Changed() <-chan struct{} { return b.changed }

// Resumable says that everything can be gone on with, save what Lose says.
func (b *Backend) Resumable(row cairn.Job) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lost[row.Path]
}

// Lose makes the workspaces of the jobs at a path be gone.
func (b *Backend) Lose(path string, why error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lost == nil {
		b.lost = map[string]error{}
	}
	b.lost[path] = why
}

// Slots lists what the options say.
func (b *Backend) Slots() []cairn.Slot {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]cairn.Slot(nil), b.o.Slots...)
}

// SetSlots changes what is served.
func (b *Backend) SetSlots(slots []cairn.Slot) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.o.Slots = slots
}

// Finish ends a held job, found by its path in the newest attempt. It reports
// whether there was one.
func (b *Backend) Finish(path string, out Outcome) bool {
	return b.with(path, func(j *job) { b.finish(j, out) })
}

// Kill makes the supervisor of a held job vanish.
func (b *Backend) Kill(path string) bool {
	return b.with(path, func(j *job) { j.alive = false })
}

func (b *Backend) with(path string, do func(*job)) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := len(b.order) - 1; i >= 0; i-- {
		j := b.jobs[key{b.order[i].Job, b.order[i].Epoch}]
		if j.spec.Path == path && j.alive {
			do(j)
			b.signal()
			return true
		}
	}
	return false
}

// Started lists the specs of all jobs that ran, in order.
func (b *Backend) Started() []cairn.JobSpec {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]cairn.JobSpec(nil), b.order...)
}

// Secrets answers what a job was given; nil when it never ran.
func (b *Backend) Secrets(id cairn.JobID) *cairn.JobSecrets {
	b.mu.Lock()
	defer b.mu.Unlock()
	for k, j := range b.jobs {
		if k.job == id {
			s := j.secrets
			return &s
		}
	}
	return nil
}

// Alives counts supervisors that run.
func (b *Backend) Alives() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, j := range b.jobs {
		if j.alive {
			n++
		}
	}
	return n
}

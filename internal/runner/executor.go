package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
)

// Job is one job to execute, with everything it needs from outside.
type Job struct {
	Spec     *cairn.JobSpec
	Secrets  cairn.JobSecrets
	Machine  Machine
	Reporter Reporter
	Registry Registry
	Server   Server
	// Containers starts what the job says of containers. nil: there is no engine.
	Containers Containers
	Now        func() time.Time
	Logger     *slog.Logger
	// Ignored reports whether git ignores a path of the repository: only for
	// hints. nil: not known.
	Ignored func(path string) bool
	// Hold is asked before each step of an interactive job. nil: go on.
	Hold func(ctx context.Context, p HoldPoint) (HoldAnswer, error)
	// Cancel, once closed, ends the job in order: the running step is stopped unless
	// its condition still holds, and steps with always() or cancelled() run.
	Cancel <-chan struct{}
	// CancelGrace bounds what runs after a cancel; 0 means five minutes.
	CancelGrace time.Duration
	// Leave is given what a failed job leaves for one that goes on in its workspace,
	// which Left then is for that one; see Spec.Resume. nil: nothing is kept.
	Leave func(state []byte)
	Left  []byte
	// MaxLog bounds the log of one step; 0 means DefaultMaxLog.
	MaxLog int64
}

// HoldPoint is where an interactive job waits.
type HoldPoint struct {
	Step cairn.StepRow
	Env  map[string]string // the environment that the step would get
	Dir  string            // where it would run
}

// HoldAnswer says how an interactive job goes on.
type HoldAnswer string

// The answers to a hold.
const (
	HoldGo       HoldAnswer = "go"       // run the step
	HoldSkip     HoldAnswer = "skip"     // skip this step alone
	HoldContinue HoldAnswer = "continue" // run the step and hold no more
	HoldAbort    HoldAnswer = "abort"    // cancel the job
)

const (
	defaultCancelGrace = 5 * time.Minute
	defaultJobTimeout  = 360 // minutes
	maxJobTimeout      = 366 * 24 * 60
)

var (
	errCancelled = errors.New("the job was cancelled")
	errJobTime   = errors.New("the job timed out")
	errStepTime  = errors.New("the step timed out")
	errGrace     = errors.New("the time that is left to a cancelled job is over")
)

// executor is the state of one job.
type executor struct {
	Job
	ctx      context.Context // ends when nothing may run any more
	stop     context.CancelCauseFunc
	masks    *Masks
	contexts map[string]expr.Value // those that do not change
	github   expr.Value
	environ  map[string]string // of the machine, with what every step is told
	reserved map[string]string // GITHUB_* and RUNNER_* that keep their values
	jobEnv   map[string]string
	calls    map[*cairn.Step]*call // of the steps with uses
	top      *scope                // of the job's steps
	posts    []*post
	used     usedActions
	prepared *StepContext // of the registry's hooks; nil without them
	deployed string       // where the job put something; see noteDeployed
	matchers matcherSet   // problem matchers added so far
	beside   background   // steps in the background
	number   int          // of the last row
	wanted   JobContainers
	started  *StartedContainers // nil without them
	stopping bool               // Containers was asked to start something
	hold     bool
	ledger   ledger // see resume.go

	reports sync.Mutex
	pending []cairn.Report // not given to the reporter yet
	failed  error          // the reporter does not take any more

	mu     sync.Mutex
	warned map[string]bool // deprecated commands that a warning was given for
	// subjects are what steps said they made.
	subjects []cairn.Subject
	status   cairn.Conclusion // of the job so far
	reason   string
	running  map[*running]struct{} // the steps that run now
}

// stepResult is what the `steps` context shows of one step with an id.
type stepResult struct {
	id      string
	row     *cairn.StepRow
	outputs map[string]string // as they are; those of the row are masked
}

// running is a step that runs now, for the moment in which the job is cancelled.
type running struct {
	condition string
	scope     *scope
	env       *expr.Env
	stop      context.CancelCauseFunc
}

// Execute runs the job to its end and returns the last reports, the very last
// of which is the job's end: they are not given to the reporter yet, so that
// the caller can add what only it knows (Killed). When ctx ends, everything
// stops at once.
func Execute(ctx context.Context, j Job) []cairn.Report {
	if m := j.Spec.CancelTimeoutMinutes; m > 0 {
		j.CancelGrace = time.Duration(min(m, maxJobTimeout) * float64(time.Minute))
	}
	if j.CancelGrace == 0 {
		j.CancelGrace = defaultCancelGrace
	}
	if j.MaxLog == 0 {
		j.MaxLog = DefaultMaxLog
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	x := &executor{
		Job: j, ctx: ctx, stop: stop, masks: NewMasks(),
		calls: map[*cairn.Step]*call{}, running: map[*running]struct{}{},
		status: cairn.Success, hold: j.Spec.Interactive && j.Hold != nil,
	}
	x.top = &scope{x: x, set: newVariables()}
	x.pend(cairn.Report{Kind: cairn.ReportStarted})
	done := make(chan struct{})
	defer close(done)
	go x.watch(done)

	if x.setUp() && x.startContainers() {
		for i := range j.Spec.Steps {
			if s := &j.Spec.Steps[i]; i >= x.ledger.first && x.calls[s].has(stagePre) {
				x.pre(s, x.calls[s], i)
			}
		}
		x.takeSteps()
		for i := x.ledger.first; i < len(j.Spec.Steps); i++ {
			x.step(&j.Spec.Steps[i])
		}
		x.rest()
		for i := len(x.posts) - 1; i >= 0; i-- {
			x.post(x.posts[i])
		}
		x.complete()
		x.leave()
	}
	x.stopContainers()
	return x.finish()
}

// watch turns a cancel, the job's timeout and the end of ctx into the state that
// the steps see.
func (x *executor) watch(done <-chan struct{}) {
	minutes := x.Spec.TimeoutMinutes
	switch {
	case !(minutes > 0):
		minutes = defaultJobTimeout
	case minutes > maxJobTimeout:
		minutes = maxJobTimeout // more than a Duration may hold
	}
	timeout := time.NewTimer(time.Duration(minutes * float64(time.Minute)))
	defer timeout.Stop()
	select {
	case <-done:
		return
	case <-x.ctx.Done():
		// When it ended because reports cannot be kept, the job has failed already.
		if errors.Is(context.Cause(x.ctx), context.Canceled) {
			x.cancel(cairn.Cancelled, "ended by force", errCancelled)
		}
		return
	case <-x.Cancel:
		x.cancel(cairn.Cancelled, "cancelled", errCancelled)
	case <-timeout.C:
		x.cancel(cairn.TimedOut, fmt.Sprintf("timed out after %s", minutesText(minutes)), errJobTime)
	}
	grace := time.NewTimer(x.CancelGrace)
	defer grace.Stop()
	select {
	case <-done:
	case <-x.ctx.Done():
	case <-grace.C:
		x.stop(errGrace)
	}
}

// cancel sets the job's status and stops each running step unless its condition
// holds in a cancelled job too.
func (x *executor) cancel(c cairn.Conclusion, reason string, cause error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.status, x.reason = c, reason
	for r := range x.running {
		if x.ctx.Err() == nil {
			if ok, err := expr.Condition(r.condition, r.envWith(c)); err == nil && ok {
				continue
			}
		}
		r.stop(cause)
	}
}

// envWith is the environment of the step's condition under another job status.
func (r *running) envWith(c cairn.Conclusion) *expr.Env {
	return &expr.Env{Contexts: r.env.Contexts, Functions: r.scope.functions(func() cairn.Conclusion { return c }, nil)}
}

func (x *executor) jobStatus() cairn.Conclusion {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.status
}

// fail marks the job as failed, unless it is cancelled already.
func (x *executor) fail(reason string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.status == cairn.Success {
		x.status, x.reason = cairn.Failure, reason
	}
}

// pend adds a report to those that go out with the next flush.
func (x *executor) pend(r cairn.Report) {
	x.reports.Lock()
	defer x.reports.Unlock()
	r.At, r.Epoch = x.Now().UTC(), x.Spec.Epoch
	x.pending = append(x.pending, r)
}

func (x *executor) pendStep(row *cairn.StepRow) {
	c := *row
	x.pend(cairn.Report{Kind: cairn.ReportStep, Step: &c})
}

// flush makes all pending reports durable. A job whose reports cannot be kept
// must not go on: nobody would know what it did.
func (x *executor) flush() {
	x.reports.Lock()
	defer x.reports.Unlock()
	if len(x.pending) == 0 || x.failed != nil {
		return
	}
	if err := x.Reporter.Report(x.pending...); err != nil {
		x.failed = err
		x.fail("the reports of the job cannot be written: " + err.Error())
		x.stop(err)
		x.Logger.Error("reports cannot be written", "job", x.Spec.Job, "err", err)
		return
	}
	x.pending = nil
}

// finish evaluates what the job gives back and makes the last report.
func (x *executor) finish() []cairn.Report {
	// The watch may not have come to it yet.
	if errors.Is(context.Cause(x.ctx), context.Canceled) && x.jobStatus() == cairn.Success {
		x.cancel(cairn.Cancelled, "ended by force", errCancelled)
	}
	r := cairn.Report{Kind: cairn.ReportFinished}
	env := x.env(nil, "")
	r.Outputs = x.jobOutputs(env)
	if u := x.Spec.EnvironmentURL; !u.IsZero() {
		if s, err := expr.EvalString(u, env); err == nil {
			r.EnvironmentURL = x.masks.String(s)
		}
	} else {
		r.EnvironmentURL = x.deployed
	}
	x.mu.Lock()
	r.Conclusion, r.Reason = x.status, x.masks.String(x.reason)
	x.mu.Unlock()
	x.pend(r)
	return x.pending
}

// noteDeployed keeps where a step that put something on a stage says it is live:
// cairn deploy gives the outputs url and deployment. That is the URL of the job's
// environment, unless the workflow names one.
func (x *executor) noteDeployed(outputs map[string]string) {
	u := outputs["url"]
	if outputs["deployment"] != "" && (strings.HasPrefix(u, "http://") || strings.HasPrefix(u, "https://")) && len(u) <= 2000 {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.deployed = u
	}
}

// jobOutputs evaluates the declared outputs. One that would show a secret is
// left out, as on GitHub.
func (x *executor) jobOutputs(env *expr.Env) map[string]string {
	if len(x.Spec.Outputs) == 0 || len(x.contexts) == 0 {
		return nil
	}
	out := map[string]string{}
	total := 0
	for _, o := range x.Spec.Outputs {
		v, err := expr.EvalString(o.Value, env)
		if err != nil {
			x.fail(fmt.Sprintf("output %q: %v", o.Name, err))
			continue
		}
		if x.masks.String(v) != v {
			x.Logger.Warn("output left out: it may hold a secret", "job", x.Spec.Job, "output", o.Name)
			continue
		}
		if total += len(v); total > maxEnvFile {
			x.fail(fmt.Sprintf("the outputs of the job hold more than %s", sizeText(maxEnvFile)))
			break
		}
		out[o.Name] = v
	}
	return out
}

func (x *executor) newRow(id, name, uses string) *cairn.StepRow {
	x.number++
	return &cairn.StepRow{
		Job: x.Spec.Job, Number: x.number, ID: id, Name: x.masks.String(name), Uses: uses,
		Status: cairn.StatusRunning, StartedAt: x.Now().UTC(),
	}
}

func (x *executor) openLog(row *cairn.StepRow) (*stepLog, error) {
	f, err := x.Reporter.Log(row.Number)
	if err != nil {
		return nil, fmt.Errorf("the step's log cannot be opened: %w", err)
	}
	return newStepLog(f, x.masks, x.Now, x.MaxLog), nil
}

// conclude completes a row from the error that ended its step.
func (x *executor) conclude(row *cairn.StepRow, err error) {
	row.Status = cairn.StatusCompleted
	row.FinishedAt = x.Now().UTC()
	row.Outcome = cairn.Success
	if err != nil {
		row.Outcome, row.Reason = cairn.Failure, x.masks.String(err.Error())
		switch {
		case errors.Is(err, errStepTime):
			row.Outcome = cairn.TimedOut
		case errors.Is(err, errCancelled), errors.Is(err, errJobTime), errors.Is(err, errGrace):
			row.Outcome = cairn.Cancelled
		}
	}
	row.Conclusion = row.Outcome
}

// logError shows an error with its hint.
func logError(log *stepLog, err error) {
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range several.Unwrap() {
			logError(log, e)
		}
		return
	}
	for line := range strings.Lines(strings.TrimRight(err.Error(), "\n")) {
		log.line("##[error]%s", strings.TrimRight(line, "\n"))
	}
	var e *cairn.Error
	if errors.As(err, &e) && e.Hint != "" {
		log.line("Hint: %s", e.Hint)
	}
}

func (x *executor) annotation(severity, message string) cairn.Annotation {
	return cairn.Annotation{Severity: severity, Message: x.masks.String(message)}
}

func minutesText(m float64) string {
	if m == 1 {
		return "1 minute"
	}
	if m < 1 {
		return time.Duration(m * float64(time.Minute)).String()
	}
	return fmt.Sprintf("%g minutes", m)
}

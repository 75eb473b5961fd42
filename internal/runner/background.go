package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Steps in the background run beside the ones after them. What they leave
// (variables, outputs, their result) counts from the moment on in which somebody
// waited for them, so that what a step sees does not depend on who was faster. The
// rules are those of actions/runner (BackgroundStepCoordinator.cs).

// maxBeside is how many steps of a job run in the background at once; others wait
// for their turn.
const maxBeside = 10

// background is the steps of a job that were started beside others.
type background struct {
	slots chan struct{}
	steps []*besideStep
}

// besideStep is one of them. Its step belongs to its goroutine until done.
type besideStep struct {
	st   *step
	done chan struct{}
	stop context.CancelCauseFunc
	// ended says that a cancel step asked for its end, taken that it was waited for.
	ended, taken bool
}

// errEnded is the cause of a step that a cancel step ended.
var errEnded = errors.New("ended by a cancel step")

// startBeside starts a step and goes on.
func (x *executor) startBeside(s *cairn.Step) {
	b := &besideStep{done: make(chan struct{})}
	sc := &scope{x: x, set: x.top.set.fork(), results: slices.Clip(x.top.results), aside: b}
	st := x.newStep(sc, s, x.calls[s], stageMain)
	b.st = st
	st.row = x.newRow(s.ID, "", s.Uses)
	st.action = actionID(s, x.number)
	env, err, ok := st.enter()
	if !ok {
		x.top.results = append(x.top.results, sc.results[len(x.top.results):]...)
		return
	}
	x.pendStep(st.row)
	x.flush()
	if x.beside.slots == nil {
		x.beside.slots = make(chan struct{}, maxBeside)
	}
	x.beside.steps = append(x.beside.steps, b)
	ctx, stop := context.WithCancelCause(x.ctx)
	b.stop = stop
	go func() {
		defer close(b.done)
		defer stop(nil)
		x.beside.slots <- struct{}{}
		defer func() { <-x.beside.slots }()
		st.perform(ctx, env, err)
		x.flush()
	}()
}

// control does a step that steers others. One that waits needs the job to be well,
// like any step without a condition; one that cancels runs in any case, since what
// it ends would otherwise keep the job from its end.
func (x *executor) control(s *cairn.Step) {
	targets := x.targets(s)
	st := x.newStep(x.top, s, nil, stageMain)
	if s.Control == cairn.ControlCancel {
		st.cond = "always()"
	}
	st.row = x.newRow(s.ID, "", "")
	st.action = actionID(s, x.number)
	env, err, ok := st.enter()
	if !ok {
		return
	}
	x.pendStep(st.row)
	x.flush()
	log, logErr := x.openLog(st.row)
	if logErr != nil {
		st.end(env, logErr)
		return
	}
	st.log = log
	if err == nil {
		err = st.steer(targets)
	}
	st.end(env, err)
}

// controlName is the name of a control step that has none.
func controlName(s *cairn.Step) string {
	switch s.Control {
	case cairn.ControlWaitAll:
		return "Wait for all background steps"
	case cairn.ControlCancel:
		return "Cancel background step " + strings.Join(s.Targets, ", ")
	case cairn.ControlParallel:
		return "Wait for parallel steps"
	default:
		return "Wait for " + strings.Join(s.Targets, ", ")
	}
}

// targets are the steps that a control step is about, as far as they were started.
func (x *executor) targets(s *cairn.Step) []*besideStep {
	is := func(b *besideStep) bool {
		return slices.ContainsFunc(s.Targets, func(id string) bool { return strings.EqualFold(id, b.st.spec.ID) })
	}
	switch s.Control {
	case cairn.ControlWaitAll:
		is = func(b *besideStep) bool { return !b.taken }
	case cairn.ControlParallel:
		is = func(b *besideStep) bool {
			for i := range x.Spec.Steps {
				if &x.Spec.Steps[i] == s {
					members := x.Spec.Steps[max(i-s.Members, 0):i]
					for k := range members {
						if b.st.spec == &members[k] {
							return true
						}
					}
				}
			}
			return false
		}
	}
	var out []*besideStep
	for _, b := range x.beside.steps {
		if is(b) {
			out = append(out, b)
		}
	}
	return out
}

// steer carries out a control step.
func (st *step) steer(targets []*besideStep) error {
	x := st.x
	var names []string
	for _, b := range targets {
		names = append(names, b.st.row.Name)
	}
	list := strings.Join(names, ", ")
	cancel := st.spec.Control == cairn.ControlCancel
	switch {
	case len(targets) == 0 && st.spec.Control == cairn.ControlWaitAll:
		st.log.line("No background steps remaining to wait for.")
		return nil
	case len(targets) == 0:
		st.log.line("%s: no such step is in the background", strings.Join(st.spec.Targets, ", "))
		return nil
	case cancel:
		st.log.line("Cancelling background step(s): %s", list)
		for _, b := range targets {
			b.ended = true
			b.stop(errEnded)
		}
	default:
		st.log.line("Waiting for background step(s) to complete: %s", list)
	}
	var failed []string
	for _, b := range targets {
		x.take(b)
		st.log.line("  %s: %s", b.st.row.Name, b.st.row.Conclusion)
		if b.bad() && !cancel {
			failed = append(failed, b.st.row.Name)
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("failed in the background: %s", strings.Join(failed, ", "))
	}
	return nil
}

// take waits for a step and lets count what it left.
func (x *executor) take(b *besideStep) {
	<-b.done
	if b.taken {
		return
	}
	b.taken = true
	x.top.set.join(b.st.scope.set)
	if id := b.st.spec.ID; id != "" {
		x.top.results = append(x.top.results, stepResult{id: id, row: b.st.row, outputs: b.st.outputs})
	}
}

// bad reports whether a step that ended makes the one that waits for it fail. One
// that was ended on purpose does not.
func (b *besideStep) bad() bool {
	return b.st.row.Conclusion.Bad() && !(b.ended && b.st.row.Outcome == cairn.Cancelled)
}

// rest waits for what is still in the background when the last step is over.
func (x *executor) rest() {
	for _, b := range x.beside.steps {
		waited := b.taken
		x.take(b)
		if !waited && b.bad() {
			x.fail(fmt.Sprintf("step %q failed: %s", b.st.row.Name, b.st.row.Reason))
		}
	}
}

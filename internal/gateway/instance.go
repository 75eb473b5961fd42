package gateway

import (
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cairn-ml/cairn"
)

const (
	backoffFirst = 100 * time.Millisecond
	backoffMost  = 30 * time.Second
	// steady is how long a program has to be healthy until its failures are forgotten.
	steady    = time.Minute
	watchTick = 200 * time.Millisecond
	logTick   = time.Second
	askTick   = 10 * time.Second // how it is, while it is live or warm
)

// target is where an instance answers now.
type target struct {
	addr string
	port int
}

// instance is a release that runs or shall run: live, warm or coming.
type instance struct {
	s *Stage

	addr     atomic.Pointer[target] // nil: it does not answer now
	keep     atomic.Bool            // started again when it ends: it is live
	wake     chan struct{}          // keep was set
	draining sync.WaitGroup         // terms that still finish what they began
	ctx      context.Context
	cancel   context.CancelFunc // ends it and its program
	done     chan struct{}      // it has ended

	mu       sync.Mutex
	spec     cairn.StageInstance
	prog     *program
	health   string
	restarts int
	reason   string
	since    time.Time
}

func (s *Stage) newInstance(x cairn.StageInstance) *instance {
	in := &instance{s: s, spec: x, wake: make(chan struct{}, 1), done: make(chan struct{})}
	in.ctx, in.cancel = context.WithCancel(context.Background())
	return in
}

// copySpec is what the instance is now; a rollback gives it a new deployment.
func (in *instance) copySpec() cairn.StageInstance {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.spec
}

// start runs the program; tell is called with what people should know.
func (in *instance) start(tell func(string)) (*program, error) {
	x := in.copySpec()
	mark := in.s.l.markBase() + strconv.FormatInt(int64(x.Deployment), 10) + "." + strings.ToLower(rand.Text()[:8])
	prog, notes, err := startProgram(&x, in.s.l.log(x.Deployment), mark, in.s.o.grace())
	for _, n := range notes {
		tell(n)
	}
	if err != nil {
		return nil, err
	}
	in.mu.Lock()
	in.prog = prog
	in.mu.Unlock()
	go in.mind(prog)
	return prog, nil
}

// mind watches the memory and the log of a program until it ends.
func (in *instance) mind(prog *program) {
	memory := in.copySpec().Memory
	look, logs := time.NewTicker(logTick), time.NewTicker(logTick)
	defer look.Stop()
	defer logs.Stop()
	if memory > 0 && !prog.held {
		look.Reset(watchTick)
	} else {
		look.Stop()
	}
	for {
		select {
		case <-prog.exited:
			return
		case <-look.C:
			prog.watch(memory)
		case <-logs.C:
			if err := rotateLog(prog.log); err != nil {
				in.s.o.Logger.Warn("a log was not put aside in order", "log", prog.log, "error", err)
			}
		}
	}
}

// up says that the program answers.
func (in *instance) up(prog *program, port int, health string) {
	in.mu.Lock()
	in.health, in.reason = health, ""
	prog.Port = port
	in.mu.Unlock()
	in.addr.Store(&target{addr: "127.0.0.1:" + strconv.Itoa(port), port: port})
}

// down says that it does not, and why.
func (in *instance) down(why string) {
	in.addr.Store(nil)
	in.setReason(why)
}

func (in *instance) setReason(why string) {
	in.mu.Lock()
	in.reason = why
	in.mu.Unlock()
}

// supervise keeps the instance running until its context ends. prog is its program,
// nil where there is none yet; ready says that it was found healthy.
func (in *instance) supervise(prog *program, ready bool) {
	defer close(in.done)
	fails := 0
	for {
		if prog == nil {
			if prog = in.again(&fails); prog == nil {
				return
			}
			ready = false
		}
		if !ready {
			x := in.copySpec()
			port, health, err := in.s.prober.await(in.ctx, &x, prog, func(n string) { in.s.o.Logger.Info(n) })
			if err != nil {
				in.down(cairn.AsError(err).Message)
				prog.stop(context.Background())
				fails++
				prog = nil
				continue
			}
			in.up(prog, port, health)
			in.s.saveOrLog()
		}
		since := time.Now()
		in.attend(prog)
		if in.ctx.Err() != nil {
			in.addr.Store(nil)
			prog.stop(context.Background())
			return
		}
		in.down(prog.ended)
		prog.clear()
		fails = failures(fails, time.Since(since))
		prog = nil
		in.mu.Lock()
		in.prog = nil
		in.mu.Unlock()
	}
}

// again starts the program once more, after a while that grows with each failure.
// It returns nil when the instance is to end.
func (in *instance) again(fails *int) *program {
	for {
		for !in.keep.Load() {
			select {
			case <-in.wake:
			case <-in.ctx.Done():
				return nil
			}
		}
		wait := backoff(*fails)
		if *fails > 0 {
			in.mu.Lock()
			why := in.reason
			in.reason = fmt.Sprintf("%s; failed %d times in a row, started again after %s", why, *fails, wait)
			in.mu.Unlock()
			in.s.o.Logger.Warn("the program ended", "reason", why, "failures", *fails, "again_in", wait)
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-in.ctx.Done():
			t.Stop()
			return nil
		}
		prog, err := in.start(func(n string) { in.s.o.Logger.Info(n) })
		if err != nil {
			in.down(cairn.AsError(err).Message)
			*fails++
			continue
		}
		in.mu.Lock()
		in.restarts++
		in.mu.Unlock()
		in.s.saveOrLog()
		return prog
	}
}

// failures counts one more, after a program was up for a while. A pause grows only
// while it is more than a third of the time that the program ran: one that is killed now
// and then comes back as fast as the first time.
func failures(before int, up time.Duration) int {
	switch {
	case up >= steady:
		return 1
	case before == 0 || up < 3*backoff(before):
		return before + 1
	}
	return before
}

func backoff(fails int) time.Duration {
	if fails == 0 {
		return 0
	}
	d := backoffFirst
	for i := 1; i < fails && d < backoffMost; i++ {
		d *= 2
	}
	return min(d, backoffMost)
}

// attend waits until the program or the instance ends, and asks now and then how
// the program is. One that does not answer is shown, not ended: it may be at work.
func (in *instance) attend(prog *program) {
	ask := time.NewTicker(askTick)
	defer ask.Stop()
	asked := make(chan string, 1)
	asking := false
	for {
		select {
		case <-prog.exited:
			return
		case <-in.ctx.Done():
			return
		case <-ask.C:
			if asking {
				continue
			}
			asking = true
			go func() {
				in.mu.Lock()
				named, found, port := in.spec.Health, in.health, prog.Port
				in.mu.Unlock()
				_, why := in.s.prober.once(in.ctx, port, named, found)
				asked <- why
			}()
		case why := <-asked:
			asking = false
			in.setReason(why)
		}
	}
}

// end ends the instance once nothing is under way on it any more.
func (in *instance) end() {
	in.keep.Store(false)
	in.draining.Wait()
	in.cancel()
	<-in.done
}

// keepRunning makes it an instance that is started again when it ends.
func (in *instance) keepRunning() {
	in.keep.Store(true)
	select {
	case in.wake <- struct{}{}:
	default:
	}
}

// resident is the instance as state.json has it.
func (in *instance) resident() *resident {
	in.mu.Lock()
	defer in.mu.Unlock()
	r := &resident{Instance: in.spec, Health: in.health, Restarts: in.restarts, Since: in.since}
	if in.prog != nil {
		p := in.prog.process
		r.Process = &p
	}
	return r
}

// status is how the instance is doing.
func (in *instance) status() *cairn.InstanceStatus {
	in.mu.Lock()
	defer in.mu.Unlock()
	st := &cairn.InstanceStatus{
		Deployment: in.spec.Deployment, Release: in.spec.Release, Health: in.health, Restarts: in.restarts,
		Reason: in.reason, Since: in.since, Healthy: in.addr.Load() != nil && in.reason == "",
	}
	if in.prog != nil && in.prog.Alive() {
		st.PID, st.Port = in.prog.PID, in.prog.Port
		if in.spec.Exec.Mode != "container" { // there it is only the client's
			st.Memory = residentSize(&in.prog.process)
		}
	}
	return st
}

// sameProgram reports whether two instances would run the same program in the same
// way: only their deployments, and how the gateway treats them, may differ.
func sameProgram(a, b cairn.StageInstance) bool {
	for _, x := range []*cairn.StageInstance{&a, &b} {
		x.Deployment, x.Start, x.Drain, x.Warm, x.Log, x.Smoke = 0, 0, 0, 0, cairn.PredictionLog{}, nil
		x.Exec.Dir = filepath.Clean(x.Exec.Dir)
	}
	return digestOf(a) == digestOf(b)
}

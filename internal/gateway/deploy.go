package gateway

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cairn-ml/cairn"
)

const (
	defaultDrain = 30 * time.Second
	cutTime      = time.Second // for requests that were cut to notice
	portTries    = 3
)

// deployment is one that is under way, or over. Its events are kept, so that who
// asks for it again sees them all.
type deployment struct {
	spec     cairn.StageInstance
	instance atomic.Pointer[instance]
	ctx      context.Context
	cancel   context.CancelFunc
	done     chan struct{}

	mu     sync.Mutex
	events []cairn.StageEvent
	more   chan struct{} // closed and replaced with each event
}

func newDeployment(x cairn.StageInstance) *deployment {
	d := &deployment{spec: x, done: make(chan struct{}), more: make(chan struct{})}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return d
}

func (d *deployment) event(e cairn.StageEvent) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, e)
	close(d.more)
	d.more = make(chan struct{})
}

// follow visits all events, those to come too, until the end.
func (d *deployment) follow(ctx context.Context, visit func(cairn.StageEvent) error) error {
	for i := 0; ; {
		d.mu.Lock()
		es, more := d.events[i:], d.more
		d.mu.Unlock()
		for _, e := range es {
			if err := visit(e); err != nil {
				return err
			}
			if e.Kind == cairn.StageEvLive || e.Kind == cairn.StageEvFailed {
				return nil
			}
		}
		i += len(es)
		select {
		case <-more:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// deploy begins a deployment, or finds the one that is under way or live already.
func (s *Stage) deploy(x cairn.StageInstance) (*deployment, error) {
	if x.Exec.Dir == "" {
		x.Exec.Dir = string(s.l)
	}
	if err := checkInstance(&x); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return nil, errStopping
	}
	if t := s.live.Load(); t != nil && t.spec.Deployment == x.Deployment {
		d := newDeployment(x)
		close(d.done)
		st := t.in.status()
		d.event(cairn.StageEvent{At: s.o.Now(), Kind: cairn.StageEvLive, Text: fmt.Sprintf("deployment %d is live already", x.Deployment), Port: st.Port, Health: st.Health})
		return d, nil
	}
	if c := s.coming; c != nil {
		if c.spec.Deployment == x.Deployment {
			return c, nil
		}
		return nil, cairn.Errorf(cairn.CodeConflict, "deployment %d is under way on this stage", c.spec.Deployment).
			WithHint("wait until it is live or has failed")
	}
	if s.wasLive(x.Deployment) {
		return nil, cairn.Errorf(cairn.CodeConflict, "deployment %d was live before and was replaced", x.Deployment).
			WithHint("cairn rollback makes a new deployment of its release")
	}
	d := newDeployment(x)
	s.coming = d
	go s.carryOut(d)
	return d, nil
}

// carryOut brings a deployment to its end.
func (s *Stage) carryOut(d *deployment) {
	defer close(d.done)
	defer d.cancel()
	in, err := s.bringUp(d)
	e := cairn.StageEvent{Kind: cairn.StageEvFailed}
	if err == nil {
		err = s.switchTo(in, d.spec)
	} else if in != nil {
		in.mu.Lock()
		prog := in.prog
		in.mu.Unlock()
		prog.stop(context.Background())
		in.cancel()
		e.Log = tail(prog.log, prog.from)
	}
	s.mu.Lock()
	s.coming = nil
	s.mu.Unlock()
	if err == nil {
		st := in.status()
		s.o.Logger.Info("live", "deployment", d.spec.Deployment, "release", d.spec.Release, "port", st.Port)
		d.event(cairn.StageEvent{At: s.o.Now(), Kind: cairn.StageEvLive, Text: fmt.Sprintf("deployment %d of release %s is live", d.spec.Deployment, d.spec.Release), Port: st.Port, Health: st.Health})
		return
	}
	e.At, e.Error = s.o.Now(), cairn.AsError(err)
	e.Text = e.Error.Message
	if len(d.spec.Exec.Stop) > 0 {
		s.saveOrLog() // that it comes no more
	}
	s.o.Logger.Warn("a deployment failed", "deployment", d.spec.Deployment, "error", err)
	d.event(e)
}

func (s *Stage) tell(d *deployment, kind, format string, args ...any) {
	d.event(cairn.StageEvent{At: s.o.Now(), Kind: kind, Text: fmt.Sprintf(format, args...)})
}

// bringUp gives an instance that is healthy and was smoked. With an error the
// instance, if there is one, has a program that failed.
func (s *Stage) bringUp(d *deployment) (*instance, error) {
	if in := s.fromWarm(d); in != nil {
		return in, nil
	}
	in := s.newInstance(d.spec)
	in.since = s.o.Now()
	d.instance.Store(in)
	if len(d.spec.Exec.Stop) > 0 {
		// What signals do not reach must be known before it runs.
		s.mu.Lock()
		err := s.save(s.live.Load(), s.warm)
		s.mu.Unlock()
		if err != nil {
			return nil, err
		}
	}
	note := func(text string) { s.tell(d, cairn.StageEvNote, "%s", text) }
	for try := 1; ; try++ {
		prog, err := in.start(note)
		if err != nil {
			return nil, err
		}
		s.tell(d, cairn.StageEvStarted, "the program runs: pid %d, port %d", prog.PID, prog.Port)
		port, health, err := s.prober.await(d.ctx, &d.spec, prog, note)
		if err != nil {
			if try < portTries && portTaken(prog) {
				note(fmt.Sprintf("port %d was taken by somebody else meanwhile: another one is tried", prog.Port))
				prog.kill()
				continue
			}
			return in, err
		}
		in.up(prog, port, health)
		d.event(cairn.StageEvent{At: s.o.Now(), Kind: cairn.StageEvHealthy, Text: healthText(health), Port: port, Health: health})
		break
	}
	if d.spec.Smoke != nil {
		if err := smoke(d.ctx, in.addr.Load().port, d.spec.Smoke); err != nil {
			return in, err
		}
		s.tell(d, cairn.StageEvSmoked, "%s %s was answered as expected", d.spec.Smoke.Method, d.spec.Smoke.Path)
	}
	select {
	case <-in.prog.exited:
		return in, cairn.Errorf(cairn.CodeFailed, "the program did not stay up: %s", in.prog.ended)
	default:
	}
	go in.supervise(in.prog, true)
	return in, nil
}

func healthText(health string) string {
	if health == healthOfPort {
		return "its port takes connections; it has none of the usual health paths"
	}
	return health + " answers"
}

// portTaken reports whether a program ended because it did not get its port.
func portTaken(p *program) bool {
	select {
	case <-p.exited:
	default:
		return false
	}
	text := strings.ToLower(strings.Join(tail(p.log, p.from), "\n"))
	return strings.Contains(text, "address already in use") || strings.Contains(text, "eaddrinuse")
}

// fromWarm gives the warm instance where it runs the same program as is asked for
// and still answers: it was smoked when it became live, so that going back takes
// one request.
func (s *Stage) fromWarm(d *deployment) *instance {
	s.mu.Lock()
	in := s.warm
	if in == nil || !sameProgram(in.copySpec(), d.spec) || in.addr.Load() == nil {
		s.mu.Unlock()
		return nil
	}
	d.instance.Store(in) // from here on its time does not run out
	s.mu.Unlock()
	t := in.addr.Load()
	if t == nil {
		return nil
	}
	in.mu.Lock()
	found := in.health
	in.mu.Unlock()
	health, why := s.prober.once(d.ctx, t.port, d.spec.Health, found)
	if health == "" {
		s.tell(d, cairn.StageEvNote, "release %s is kept warm, but is not healthy (%s): it is started anew", d.spec.Release, why)
		return nil
	}
	d.event(cairn.StageEvent{At: s.o.Now(), Kind: cairn.StageEvHealthy, Text: "release " + d.spec.Release + " was kept warm and is healthy", Port: t.port, Health: health})
	return in
}

// switchTo makes an instance live. What it says is on the disk before the first
// request goes there.
func (s *Stage) switchTo(in *instance, x cairn.StageInstance) error {
	in.mu.Lock()
	was := in.spec
	in.spec = x
	in.since = s.o.Now()
	in.mu.Unlock()
	if was.Deployment != x.Deployment {
		// The same program under a new number: its log has both names. Without the
		// second one, only its earlier lines are not found under the new number.
		_ = os.Link(s.l.log(was.Deployment), s.l.log(x.Deployment))
	}
	s.mu.Lock()
	old, cold := s.live.Load(), s.warm
	if s.stopping {
		s.mu.Unlock()
		return s.unswitch(in, was, errStopping)
	}
	var warm *instance
	until := time.Time{}
	if old != nil && x.Warm > 0 {
		warm, until = old.in, s.o.Now().Add(x.Warm.Duration())
	}
	past, wasUntil := s.past, s.warmUntil
	if old != nil {
		s.past = append(past[max(0, len(past)-pastKept):len(past):len(past)], old.spec.Deployment)
	}
	s.warmUntil = until
	t := newTerm(in, x)
	if err := s.save(t, warm); err != nil {
		s.past, s.warmUntil = past, wasUntil
		s.mu.Unlock()
		return s.unswitch(in, was, err)
	}
	in.keepRunning()
	s.warm = warm
	s.live.Store(t)
	s.mu.Unlock()

	s.applyKeep()
	used := []cairn.DeploymentID{x.Deployment}
	if old != nil {
		old.in.keep.Store(false)
		old.in.draining.Add(1)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), old.drain())
			defer cancel()
			old.finish(ctx)
			old.in.draining.Done()
			if warm == nil {
				old.in.end()
			}
		}()
		used = append(used, old.spec.Deployment)
	}
	if warm != nil {
		s.coolLater(warm, x.Warm.Duration())
	}
	if cold != nil && cold != in {
		go cold.end()
	}
	s.l.dropLogs(used...)
	return nil
}

// unswitch gives a warm instance back what it was.
func (s *Stage) unswitch(in *instance, was cairn.StageInstance, err error) error {
	in.mu.Lock()
	in.spec = was
	in.mu.Unlock()
	s.mu.Lock()
	isWarm := s.warm == in
	s.mu.Unlock()
	if !isWarm {
		in.end()
	}
	return err
}

// coolSlack is how much too early a timer may be.
const coolSlack = time.Second

// coolLater ends a warm instance after a while, unless it became live again. One
// that a deployment goes back to just now, or whose time is not over (the clock was
// set back), is looked at again.
func (s *Stage) coolLater(in *instance, after time.Duration) {
	time.AfterFunc(after, func() {
		s.mu.Lock()
		if s.warm != in || s.stopping {
			s.mu.Unlock()
			return
		}
		left := s.warmUntil.Sub(s.o.Now())
		wanted := s.coming != nil && s.coming.instance.Load() == in
		if wanted || left > coolSlack {
			s.mu.Unlock()
			s.coolLater(in, max(left, coolSlack))
			return
		}
		s.warm, s.warmUntil = nil, time.Time{}
		s.mu.Unlock()
		s.saveOrLog()
		in.end()
	})
}

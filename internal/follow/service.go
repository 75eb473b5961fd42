package follow

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/cairn-ml/cairn"
)

// Service follows repositories.
type Service struct {
	o    Options
	log  *slog.Logger
	now  func() time.Time
	host *api
	// cursor is up to where runs were looked at; the one goroutine that writes
	// statuses owns it.
	cursor int64

	poke  chan struct{} // something may be due
	looks chan struct{} // bounds looks at the same time
	hooks chan struct{} // bounds deliveries at the same time

	mu    sync.Mutex
	locks map[string]*sync.Mutex
	live  map[string]*state
}

// state is what is known of a followed repository while the server runs.
type state struct {
	busy      bool
	cancel    context.CancelCauseFunc // ends the look under way; nil: there is none
	asked     bool                    // a look is wanted at once
	checkedAt time.Time
	nextAt    time.Time
	refs      int
	failures  int
	err       *cairn.Error
	// pulls says why pull requests could not be asked for; not before pullsAfter.
	pulls      string
	pullsAfter time.Time
	// head is the default branch, asked for at headAt.
	head   string
	headAt time.Time
	moves  []cairn.FollowMove // newest first
}

const (
	maxLooks   = 4
	maxHooks   = 8
	maxMoves   = 20 // kept to be shown
	maxBackOff = time.Hour
	// addPatience is how long whoever added a repository has to look at it.
	addPatience = 5 * time.Second
	// settle is how soon after its start a server looks at everything.
	settle = time.Second
)

// New makes a Service; Run starts it.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{
		o: o, log: o.Log, now: o.Now, host: newAPI(o.HTTP),
		poke: make(chan struct{}, 1), looks: make(chan struct{}, maxLooks), hooks: make(chan struct{}, maxHooks),
		locks: map[string]*sync.Mutex{}, live: map[string]*state{},
	}
}

// Run looks at what is due and writes statuses until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	var working sync.WaitGroup
	defer working.Wait()
	working.Go(func() { s.writeStatuses(ctx) })
	timer := time.NewTimer(settle)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.poke:
		case <-timer.C:
		}
		follows, err := s.o.Store.Follows(ctx)
		if err != nil {
			s.log.Error("reading what is followed", "error", err)
			timer.Reset(10 * time.Second)
			continue
		}
		wait := time.Hour
		for _, f := range follows {
			due, in := s.due(&f)
			if !due {
				wait = min(wait, in)
				continue
			}
			working.Go(func() {
				select {
				case s.looks <- struct{}{}:
				case <-ctx.Done():
					return
				}
				defer func() { <-s.looks }()
				if _, err := s.look(ctx, f.Repository); err != nil && ctx.Err() == nil {
					s.log.Warn("a followed repository could not be looked at", "repository", f.Repository, "error", err, "hint", cairn.AsError(err).Hint)
				}
			})
		}
		timer.Reset(wait)
	}
}

// due reports whether a look is due now, and marks it as begun; else in how long
// one may be.
func (s *Service) due(f *cairn.Follow) (bool, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.state(f.Repository)
	if f.Paused || st.busy {
		return false, time.Hour // whoever ends the look, or the pause, pokes
	}
	switch in := st.nextAt.Sub(s.now()); {
	case st.asked, st.nextAt.IsZero() && st.checkedAt.IsZero() && st.failures == 0:
	case st.nextAt.IsZero():
		return false, time.Hour
	case in > 0:
		return false, in
	}
	st.busy, st.asked = true, false
	return true, 0
}

// state is the entry of a repository; the caller holds mu.
func (s *Service) state(repo string) *state {
	if s.live[repo] == nil {
		s.live[repo] = &state{}
	}
	return s.live[repo]
}

// ask wants a look at a repository as soon as may be.
func (s *Service) ask(repo string) {
	s.mu.Lock()
	s.state(repo).asked = true
	s.mu.Unlock()
	s.wake()
}

func (s *Service) wake() {
	select {
	case s.poke <- struct{}{}:
	default:
	}
}

// lock keeps looks at one repository, and changes of how it is followed, apart.
func (s *Service) lock(repo string) func() {
	s.mu.Lock()
	l := s.locks[repo]
	if l == nil {
		l = &sync.Mutex{}
		s.locks[repo] = l
	}
	s.mu.Unlock()
	l.Lock()
	return l.Unlock
}

// interrupt ends a look under way: a change of how a repository is followed does
// not wait for a long fetch. What was not taken in is seen by the next one.
func (s *Service) interrupt(repo string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.state(repo); st.cancel != nil {
		st.cancel(cairn.Errorf(cairn.CodeConflict, "how %s is followed was changed meanwhile", repo).WithHint("try again"))
	}
}

// ended notes how a look ended, and when the next one is.
func (s *Service) ended(f *cairn.Follow, got *cairn.FollowSync, err error, open bool) {
	s.mu.Lock()
	st := s.state(f.Repository)
	st.busy, st.cancel = false, nil
	now := s.now()
	every := f.Every
	if err != nil {
		st.failures++
		st.err = cairn.AsError(err)
		every = backOff(max(every, time.Minute), st.failures)
	} else {
		st.failures, st.err, st.refs, st.checkedAt = 0, nil, got.Refs, now.UTC()
		if open { // more deliveries than one look takes
			st.asked = true
		}
	}
	for _, m := range got.Moves {
		st.moves = append([]cairn.FollowMove{m}, st.moves...)
	}
	st.moves = st.moves[:min(len(st.moves), maxMoves)]
	st.nextAt = time.Time{}
	if every > 0 {
		st.nextAt = now.Add(s.jitter(every)).UTC()
	}
	s.mu.Unlock()
	s.wake()
}

// backOff is how long to wait after failures in a row.
func backOff(every time.Duration, failures int) time.Duration {
	wait := every << min(failures-1, 10)
	return min(max(wait, every), max(maxBackOff, every))
}

// jitter spreads looks, so that many servers do not ask one host at once.
func (s *Service) jitter(d time.Duration) time.Duration {
	b := make([]byte, 1)
	if _, err := s.o.Random.Read(b); err != nil {
		return d
	}
	return d + d*time.Duration(int(b[0])-128)/1280 // a tenth at most
}

// Active counts what is followed and not paused: a server that a command started
// stays for it.
func (s *Service) Active(ctx context.Context) (int, error) {
	fs, err := s.o.Store.Follows(ctx)
	n := 0
	for _, f := range fs {
		if !f.Paused {
			n++
		}
	}
	return n, err
}

// List tells of everything that is followed.
func (s *Service) List(ctx context.Context) ([]cairn.FollowInfo, error) {
	fs, err := s.o.Store.Follows(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]cairn.FollowInfo, len(fs))
	for i := range fs {
		out[i] = s.info(fs[i])
	}
	return out, nil
}

// Show tells of one repository that is followed, with what happened last.
func (s *Service) Show(ctx context.Context, repo string) (*cairn.FollowInfo, error) {
	f, err := s.find(ctx, repo)
	if err != nil {
		return nil, err
	}
	out := s.info(f)
	s.mu.Lock()
	out.Moves = slices.Clone(s.state(f.Repository).moves)
	s.mu.Unlock()
	if out.Deliveries, err = s.o.Store.Deliveries(ctx, f.Repository, maxMoves); err != nil {
		return nil, err
	}
	out.Waiting, err = s.o.Store.WaitingHostStatuses(ctx, f.Repository, maxMoves)
	return &out, err
}

func (s *Service) info(f cairn.Follow) cairn.FollowInfo {
	out := cairn.FollowInfo{Follow: f}
	if f.Hook != "" {
		out.HookURL = s.hookURL(f.Hook)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.state(f.Repository)
	out.CheckedAt, out.NextAt, out.Refs, out.Failures, out.PullTrouble = st.checkedAt, st.nextAt, st.refs, st.failures, st.pulls
	if f.Paused {
		out.NextAt = time.Time{}
	}
	if st.err != nil {
		out.Error, out.Hint = st.err.Message, st.err.Hint
	}
	return out
}

// find reads how a repository is followed, and names the nearest one otherwise.
func (s *Service) find(ctx context.Context, repo string) (cairn.Follow, error) {
	f, err := s.o.Store.Follow(ctx, repo)
	if cairn.CodeOf(err) != cairn.CodeNotFound {
		return f, err
	}
	fs, lerr := s.o.Store.Follows(ctx)
	if lerr != nil {
		return f, lerr
	}
	names := map[string]bool{}
	for _, x := range fs {
		names[x.Repository] = true
	}
	all := slices.Sorted(maps.Keys(names))
	switch near := cairn.Nearest(repo, all); {
	case near != "":
		return f, cairn.AsError(err).WithHint("did you mean %s?", near)
	case len(all) == 0:
		return f, cairn.AsError(err).WithHint("cairn repo add URL follows one")
	}
	return f, cairn.AsError(err).WithHint("cairn repo list shows what is")
}

// Following reports whether a repository is followed: then nobody pushes to it
// here.
func (s *Service) Following(ctx context.Context, repo string) (url string, err error) {
	f, err := s.o.Store.Follow(ctx, repo)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return "", nil
	}
	return f.URL, err
}

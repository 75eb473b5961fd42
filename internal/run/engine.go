package run

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/expr"
)

// Options configure an Engine.
type Options struct {
	Store    Store
	Backend  Backend
	Resolver Resolver
	Gates    Gates   // nil: an environment with a condition takes nothing
	Results  Results // nil: nothing is taken from earlier jobs
	Scores   Scores  // nil: trials are only judged by whether they succeed
	Places   Places  // nil: there are none
	// OnUse is told how many instances of each place are in use, whenever that changes: from
	// the loop, so that it must not wait. nil: nobody.
	OnUse func(map[string]int)
	// Permissions are those of jobs of which nobody says anything; nil: Cairn's.
	Permissions cairn.Permissions
	Log         *slog.Logger     // nil: silent
	Now         func() time.Time // nil: time.Now
	// Effects handles effects of other rooms by kind; the engine does its own.
	Effects map[string]func(context.Context, cairn.Effect) error
	// Poll is how often it looks although nobody signalled; 0: 2 seconds.
	Poll time.Duration
}

// Engine drives every active run of one home. Submit, Cancel, Rerun and Approve
// only write rows, from any goroutine; Run is the one loop that decides.
type Engine struct {
	o    Options
	log  *slog.Logger
	now  func() time.Time
	poke chan struct{}

	wg      sync.WaitGroup // effects under way
	mu      sync.Mutex
	asked   looks
	results []effectResult
	queues  map[string]*effectQueue // by job, or by effect
	working map[string]bool         // effects that are queued, running, or done but not yet marked so

	// Owned by the loop.
	runs  map[cairn.RunID]*active
	ids   []cairn.JobID // reserved
	gen   int           // grows with every change that other runs may care about
	slots []cairn.Slot
	known map[string]cairn.Place
	used  map[string]int // of places, as it was told last
}

// active is one run that is not completed.
type active struct {
	// sweeps of the plan by path, once looked for; readings of the series of their trials.
	sweeps   map[string]*cairn.Sweep
	readings map[string]*reading

	id       cairn.RunID
	version  int64
	plan     *cairn.Plan
	state    *State
	contexts map[string]expr.Value
	wake     time.Time
	gen      int      // what was last decided on
	done     []string // effects to be marked with the next batch
	changes  cairn.Change
	steps    []cairn.StepRow
	unread   map[string]int // how often a job's reports could not be read
}

// New makes an engine; Run starts it.
func New(o Options) *Engine {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Poll <= 0 {
		o.Poll = 2 * time.Second
	}
	return &Engine{
		o: o, log: o.Log, now: o.Now, poke: make(chan struct{}, 1),
		queues: map[string]*effectQueue{}, working: map[string]bool{}, runs: map[cairn.RunID]*active{},
	}
}

// Active counts runs that are not completed: a detached owner stays for them.
func (e *Engine) Active(ctx context.Context) (int, error) {
	m, err := e.o.Store.ActiveRuns(ctx)
	return len(m), err
}

// Wake makes the loop look at everything at once, for a caller that knows
// something new: a runner that came, a variable that changed.
func (e *Engine) Wake() { e.ask(looks{all: true}) }

func (e *Engine) ask(l looks) {
	e.mu.Lock()
	e.asked.merge(l)
	e.mu.Unlock()
	select {
	case e.poke <- struct{}{}:
	default:
	}
}

// reconcile brings one run as far as it can go, in one transaction.
func (e *Engine) reconcile(ctx context.Context, a *active, look looks) error {
	now := e.now()
	if look.all || look.reports {
		if err := e.ingest(ctx, a, look.all); err != nil {
			return err
		}
	}
	e.pollScores(ctx, a, now)
	changed := len(a.state.dirty.jobs) > 0
	due := !a.wake.IsZero() && !now.Before(a.wake)
	var starts []start
	if changed || due || a.gen != e.gen {
		var err error
		if starts, err = e.decide(ctx, a, now); err != nil {
			return err
		}
	}
	flush := len(a.done) > 0 && (look.all || len(a.done) >= 32 || a.state.Run.Status == cairn.StatusCompleted)
	b := a.batch()
	if b.Empty() && len(a.changes.Effects) == 0 && !flush {
		return nil
	}
	b.Done = a.done
	if a.changes.By == "" {
		a.changes.By = a.state.Run.Actor
	}
	if err := e.o.Store.ApplyRun(ctx, b, a.changes); err != nil {
		return err
	}
	e.forget(b.Done)
	effects := a.changes.Effects
	a.version++
	a.done, a.steps, a.changes = nil, nil, cairn.Change{}
	a.state.dirty = dirty{}
	if changed || len(effects) > 0 || len(b.Jobs) > 0 {
		e.gen++
	}
	for _, f := range effects {
		e.dispatch(ctx, f, prepared(starts, f.ID))
	}
	return nil
}

// decide asks Decide's machine what follows, folds it into the rows and writes
// down the effects and links.
func (e *Engine) decide(ctx context.Context, a *active, now time.Time) ([]start, error) {
	f := Facts{
		Now: now, Run: a.state.Run, Attempt: a.state.Attempt, Jobs: a.state.Jobs, Contexts: a.contexts,
		Rules: a.state.Rules, Approvals: a.state.Approvals, Permissions: e.o.Permissions, Pools: e.pools(), Places: e.places(), Groups: e.groups(a),
	}
	d := newDecider(a.plan, stateOf(slices.Collect(maps.Values(a.state.Expansions)), &f), &f)
	d.decide()
	a.wake = time.Time{}
	for _, act := range d.out {
		a.state.Fold(act, now)
	}
	if err := e.number(ctx, a); err != nil {
		return nil, err
	}
	var starts []start
	for _, act := range d.out {
		switch act := act.(type) {
		case Wake:
			a.wake = act.At
		case Start:
			s, err := e.starting(a, d, act.Path)
			if err != nil {
				return nil, err
			}
			starts = append(starts, s)
		case AskGate:
			if err := a.askGate(act); err != nil {
				return nil, err
			}
		case AskReuse:
			if err := a.askReuse(act.Path); err != nil {
				return nil, err
			}
		case Cancel:
			if j := a.state.Jobs[act.Path]; !j.Call {
				a.effect(j, cancelKind(act.Force))
			}
		case Finish:
			if j := a.state.Jobs[act.Path]; j.Epoch > 0 {
				a.effect(j, effectCleanup)
			}
		case CancelOther:
			if err := e.cancelOther(ctx, act); err != nil {
				return nil, err
			}
		}
	}
	return starts, nil
}

// number gives ids to new jobs.
func (e *Engine) number(ctx context.Context, a *active) error {
	for _, path := range a.state.dirty.jobs {
		j := a.state.Jobs[path]
		if j.ID != 0 {
			continue
		}
		if len(e.ids) == 0 {
			const block = 64
			first, err := e.o.Store.Reserve(ctx, "job", block)
			if err != nil {
				return err
			}
			for i := range int64(block) {
				e.ids = append(e.ids, cairn.JobID(first+i))
			}
		}
		id := e.ids[0]
		e.ids = e.ids[1:]
		a.state.Edit(path, func(j *cairn.Job) { j.ID = id })
	}
	return nil
}

// batch collects the rows that changed.
func (a *active) batch() cairn.RunBatch {
	st := a.state
	b := cairn.RunBatch{ID: a.id, Version: a.version, Steps: a.steps}
	if st.dirty.run {
		run := st.Run
		b.Run = &run
	}
	if st.dirty.attempt {
		b.Attempts = []cairn.Attempt{st.Attempt}
	}
	for _, node := range st.dirty.expansions {
		b.Expansions = append(b.Expansions, cairn.Expanded{Run: a.id, Attempt: st.Attempt.Number, Expansion: st.Expansions[node]})
	}
	for _, path := range st.dirty.jobs {
		b.Jobs = append(b.Jobs, *st.Jobs[path])
	}
	for _, key := range st.dirty.approvals {
		b.Approvals = append(b.Approvals, st.Approvals[key])
	}
	for _, key := range st.dirty.rules {
		b.Environments = append(b.Environments, st.Rules[key])
	}
	return b
}

func (e *Engine) complain(ctx context.Context, what string, err error, args ...any) {
	if ctx.Err() == nil {
		e.log.Error(what, append(args, "error", err)...)
	}
}

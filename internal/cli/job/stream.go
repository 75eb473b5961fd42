package job

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/live"
	"github.com/cairn-ml/cairn/internal/cli/run"
	"github.com/cairn-ml/cairn/internal/cli/term"
)

// names finds what runs of jobs' files are called, each once.
type names struct {
	ctx  context.Context
	find func(context.Context, string) (string, error)
	mu   sync.Mutex
	by   map[cairn.RunID]string
}

func newNames(ctx context.Context, cl *kit.Client) *names {
	return &names{ctx: ctx, by: map[cairn.RunID]string{}, find: func(ctx context.Context, name string) (string, error) {
		n, err := cl.FindJob(ctx, name)
		if err != nil {
			return "", err
		}
		return n.Name, nil
	}}
}

// of is the name of the run whose outputs a job took; "" where it cannot be known.
func (n *names) of(j *live.Job) string {
	if n == nil || j.Task == nil || j.Task.FromRun == 0 {
		return ""
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	name, known := n.by[j.Task.FromRun]
	if !known {
		// A name that cannot be found is shown as the run's number.
		name, _ = n.find(n.ctx, strconv.FormatInt(int64(j.Task.FromRun), 10))
		n.by[j.Task.FromRun] = name
	}
	return name
}

// streamer follows a job to its end.
type streamer struct {
	k     *kit.Kit
	cl    *kit.Client
	name  string
	only  string // the path of one node below it; "": all
	mine  bool   // started by this command: an interrupt cancels it
	quiet bool
}

// follow shows the job until it is completed and says how it ended by its exit code.
func (s *streamer) follow(ctx context.Context, r cairn.Run) error {
	plan, err := s.cl.Plan(ctx, r.ID)
	if err != nil {
		return err
	}
	reading, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	g, logs := newGraph(plan), newTails(reading, s.cl)
	p := s.printer(g, logs, newNames(reading, s.cl))
	m := live.New(r)
	p.Start(m)
	between := func(context.Context) error {
		if !s.quiet {
			logs.look(m)
		}
		if s.only != "" && partOver(m, s.only) {
			return errPart
		}
		return nil
	}
	err = live.Follow(ctx, p, m, s.cl.RunEvents(ctx, r.ID, 0), between)
	if errors.Is(err, errPart) {
		p.End(m)
		return partEnd(m, s.only)
	}
	interrupted := err != nil && ctx.Err() != nil
	if interrupted {
		if !s.mine {
			p.Say(fmt.Sprintf("left; %s goes on (cairn job cancel %s ends it)", s.name, s.name))
			return kit.Exit(kit.ExitInterrupted)
		}
		err = s.cancel(context.WithoutCancel(ctx), p, m, between)
	}
	if err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	p.End(m)
	if !s.quiet {
		s.explain(ctx, m)
	}
	switch {
	case interrupted:
		return kit.Exit(kit.ExitInterrupted)
	case m.Run.Conclusion == cairn.Success:
		return nil
	}
	return kit.Exit(kit.ExitFailed)
}

// errPart ends the view of one node when that has ended.
var errPart = errors.New("the node has ended")

func partOver(m *live.Model, node string) bool {
	some := false
	for _, j := range m.Jobs() {
		if !j.Call && within(node, j.Path) {
			if some = true; j.Status != cairn.StatusCompleted {
				return false
			}
		}
	}
	return some
}

func partEnd(m *live.Model, node string) error {
	for _, j := range m.Jobs() {
		if within(node, j.Path) && j.Conclusion != cairn.Success && j.Conclusion != cairn.Skipped {
			return kit.Exit(kit.ExitFailed)
		}
	}
	return nil
}

func (s *streamer) printer(g *graph, logs *tails, names *names) live.Printer {
	t := s.k.Term
	if t.Live() && !s.quiet && s.only == "" {
		return &drawing{t: t, now: s.k.Now, scr: live.Screen{Term: t}, g: g, names: names, logs: logs}
	}
	leaves := 0
	g.walk(func(v *vertex) {
		if v.leaf() {
			leaves++
			if v.node.Sweep != nil || v.node.Strategy != nil || v.loop {
				leaves++
			}
		}
	})
	l := &listing{t: t, now: s.k.Now, names: names, quiet: s.quiet, only: s.only, alone: leaves == 1, logs: logs, told: map[cairn.JobID]string{}}
	logs.line = l.line
	return l
}

// cancel ends the job that this command started and follows it to its end.
func (s *streamer) cancel(ctx context.Context, p live.Printer, m *live.Model, between func(context.Context) error) error {
	p.Say(fmt.Sprintf("interrupted: cancelling %s (Ctrl-C again ends everything at once)", s.name))
	s.k.OnInsist(func(ctx context.Context) {
		// The command leaves in any case; a failure shows in cairn job show.
		_ = s.cl.Cancel(ctx, m.Run.ID, true)
	})
	if err := s.cl.Cancel(ctx, m.Run.ID, false); err != nil && cairn.CodeOf(err) != cairn.CodeConflict {
		return err
	}
	return live.Follow(ctx, p, m, s.cl.RunEvents(ctx, m.Run.ID, m.Seq), between)
}

// maxFailures is how many failing steps are shown at the end.
const maxFailures = 5

// explain shows why a job failed and what to type next.
func (s *streamer) explain(ctx context.Context, m *live.Model) {
	t, st := s.k.Term, s.k.Term.ErrStyle()
	fails := m.Failures()
	for _, f := range fails[:min(len(fails), maxFailures)] {
		shown := *f.Job
		shown.Name = shown.Path
		run.ShowFailure(ctx, s.cl, t, live.Failure{Job: &shown, Step: f.Step})
	}
	if len(fails) > maxFailures {
		fmt.Fprintf(t.Err, "\n… and %s\n", term.Count(int64(len(fails)-maxFailures), "more failure"))
	}
	next := ""
	switch {
	case len(fails) > 0 && len(m.Jobs()) > 1:
		next = fmt.Sprintf("cairn job show %s --graph\n      cairn run logs %d --failed", s.name, m.Run.ID)
	case len(fails) > 0:
		next = fmt.Sprintf("cairn run logs %d --failed", m.Run.ID)
	case m.Run.Conclusion == cairn.Success && hasOutputs(m):
		next = fmt.Sprintf("cairn job download %s --all", s.name)
	case m.Run.Conclusion == cairn.Success:
		next = fmt.Sprintf("cairn job show %s", s.name)
	}
	if next != "" {
		fmt.Fprintf(t.Err, "%s%s %s\n", strings.Repeat("\n", min(1, len(fails))), st.Cyan("next:"), next)
	}
}

func hasOutputs(m *live.Model) bool {
	return m.Run.Submitted != nil && len(m.Run.Submitted.Outputs) > 0
}

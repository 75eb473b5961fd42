package job

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/live"
	"github.com/cairn-ml/cairn/internal/cli/run"
	"github.com/cairn-ml/cairn/internal/cli/term"
)

// drawing shows a job's graph over and over on a terminal that a person watches.
type drawing struct {
	t     *term.Term
	now   func() time.Time
	scr   live.Screen
	g     *graph
	names *names
	logs  *tails
}

func (d *drawing) Start(m *live.Model) { d.draw(m, false) }

// News waits for the next tick: a graph of a thousand nodes has many thousand of them.
func (d *drawing) News(*live.Model, cairn.Event, *live.Change) {}
func (d *drawing) Tick(m *live.Model)                          { d.draw(m, false) }
func (d *drawing) Say(text string)                             { d.scr.Say(text) }

func (d *drawing) End(m *live.Model) {
	d.draw(m, true)
	fmt.Fprintf(d.t.Err, "\n%s\n", live.Summary(d.t, d.t.ErrStyle(), m.Run, d.now()))
}

func (d *drawing) draw(m *live.Model, final bool) {
	d.g.fill(m.Jobs())
	p := painter{t: d.t, s: d.t.ErrStyle(), now: d.now(), over: m.Run.Status == cairn.StatusCompleted, name: d.names.of, last: d.logs.last}
	lines := p.lines(d.g)
	if height := d.scr.Height() - 1; !final && len(lines) > height {
		lines = p.fit(d.g, lines, height)
	}
	d.scr.Draw(lines)
}

// fit leaves lines out of a graph that is higher than the window: what is running,
// failed or waits stays in sight before what is done.
func (p painter) fit(g *graph, lines []string, height int) []string {
	var order []*vertex
	g.walk(func(v *vertex) { order = append(order, v) })
	keep := make([]bool, len(lines))
	left := height - 1
	for _, want := range []func(tally, bool) bool{
		func(t tally, _ bool) bool { return t.running > 0 || t.failed > 0 },
		func(t tally, missing bool) bool { return t.waiting > 0 || missing },
		func(tally, bool) bool { return true },
	} {
		for i, v := range order {
			if t, missing := v.count(); left > 0 && !keep[i] && want(t, missing) {
				keep[i] = true
				left--
			}
		}
	}
	var out []string
	for i, l := range lines {
		if keep[i] {
			out = append(out, l)
		}
	}
	return append(out, p.s.Dim(fmt.Sprintf("… and %s", term.Count(int64(len(lines)-len(out)), "more node"))))
}

// listing appends a line whenever a node moves on, and what the jobs say between: for
// files, pipes and CI systems.
type listing struct {
	t     *term.Term
	now   func() time.Time
	names *names
	quiet bool   // only what is said to it
	only  string // the path of the one node whose lines are written; "": all
	alone bool   // one job: its lines need no name before them
	logs  *tails

	mu    sync.Mutex // lines of logs come from goroutines
	ended []*live.Job
	told  map[cairn.JobID]string
}

func (l *listing) Start(*live.Model) {}

func (l *listing) News(m *live.Model, _ cairn.Event, c *live.Change) {
	switch {
	case l.quiet:
	case c.Job != nil && !c.Job.Call && c.Job.Status == cairn.StatusCompleted:
		// Its last steps are told in the same transaction, after it.
		l.ended = append(l.ended, c.Job)
	case c.Job != nil && !c.Job.Call && c.Job.Status != cairn.StatusBlocked && c.Job.Status != cairn.StatusQueued:
		l.settle(m)
		l.tell(c.Job)
	case c.Run != nil && c.Run.CancelBy != "" && c.Run.Status != cairn.StatusCompleted:
		l.Say(fmt.Sprintf("cancelled by %s: jobs are ending", term.Clean(c.Run.CancelBy)))
	}
}

// Tick tells the end of jobs whose logs are written out.
func (l *listing) Tick(*live.Model) {
	l.ended = slices.DeleteFunc(l.ended, func(j *live.Job) bool {
		if l.logs.busy(j.ID) {
			return false
		}
		l.tell(j)
		return true
	})
}

// settle gives the logs of jobs that ended a moment to come out, so that they and their
// ends stand before what begins after them.
func (l *listing) settle(m *live.Model) {
	for range 30 {
		if l.Tick(m); len(l.ended) == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// tell writes a line of where a job stands, once.
func (l *listing) tell(j *live.Job) {
	p := painter{t: l.t, s: l.t.ErrStyle(), now: l.now(), name: l.names.of}
	shown := *j
	if j.Status == cairn.StatusRunning {
		shown.StartedAt = time.Time{} // it begins now
	}
	sign, text := p.job(&shown, &vertex{path: j.Node, node: &cairn.Node{ID: j.Path, Kind: cairn.NodeJob}}, nil)
	key := string(j.Status) + string(j.Conclusion) + j.Reason
	if l.told[j.ID] == key || !within(l.only, j.Path) {
		return
	}
	l.told[j.ID] = key
	l.Say(fmt.Sprintf("%s %s  %s", sign, term.Clean(j.Path), text))
}

func (l *listing) Say(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintln(l.t.Err, text)
}

func (l *listing) End(m *live.Model) {
	l.logs.wait()
	l.Tick(m)
	for _, j := range l.ended {
		l.tell(j)
	}
	if !l.quiet {
		l.Say(live.Summary(l.t, l.t.ErrStyle(), m.Run, l.now()))
	}
}

// within reports whether a job's path is that of a node, or lies below it.
func within(node, path string) bool {
	rest, ok := strings.CutPrefix(path, node)
	return ok && (node == "" || rest == "" || rest[0] == '/' || rest[0] == '[')
}

// line writes a line of a job's log.
func (l *listing) line(j *live.Job, text string) {
	if !within(l.only, j.Path) {
		return
	}
	s := l.t.ErrStyle()
	text = run.CommandLine(s, text)
	if !l.alone {
		text = s.Dim("["+term.Clean(j.Path)+"]") + " " + text
	}
	l.Say(text)
}

package job

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/clitest"
	"github.com/cairn-ml/cairn/internal/cli/live"
	"github.com/cairn-ml/cairn/internal/cli/term"
)

var update = flag.Bool("update", false, "write golden files")

func at(sec float64) time.Time {
	return time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(sec * float64(time.Second)))
}

// aPlan has two steps in a row, a pipeline inside, a sweep, a loop and what follows.
func aPlan() *cairn.Plan {
	task := func(id string, needs ...string) cairn.Node {
		return cairn.Node{ID: id, Kind: cairn.NodeJob, Needs: needs, Task: &cairn.Task{Kind: cairn.TaskCommand}}
	}
	tune := task("tune", "split")
	tune.Sweep = &cairn.Sweep{Goal: "maximize", Metric: "accuracy", MaxTrials: 50}
	return &cairn.Plan{Schema: 1, Name: "digits", Nodes: []cairn.Node{
		task("prep"), task("split", "prep"),
		{ID: "fit", Kind: cairn.NodeCall, Needs: []string{"split"}, Body: []cairn.Node{task("train"), task("score", "train")}},
		tune,
		{ID: "refine", Kind: cairn.NodeLoop, Needs: []string{"fit"}, Body: []cairn.Node{task("step")}, Loop: &cairn.Loop{Max: 5}},
		task("register", "fit", "tune", "refine"),
	}}
}

func aRun() cairn.Run {
	return cairn.Run{ID: 42, Workflow: "digits", Attempt: 1, Status: cairn.StatusRunning, StartedAt: at(0), Actor: "ana",
		Submitted: &cairn.Submitted{Name: "green_ant_4k2m9x1pqz", Type: "pipeline", Experiment: "digits"}}
}

// tape writes events as the owner would.
type tape struct{ events []cairn.Event }

func (t *tape) add(kind string, row any) {
	b, err := json.Marshal(row)
	if err != nil {
		panic(err)
	}
	t.events = append(t.events, cairn.Event{Seq: int64(len(t.events) + 1), Run: 42, At: at(0), Kind: kind, Data: b})
}

func (t *tape) job(id cairn.JobID, path string, st cairn.Status, c cairn.Conclusion, start, end float64, change func(*cairn.Job)) {
	node := path
	for {
		i, j := strings.IndexByte(node, '['), strings.IndexByte(node, ']')
		if i < 0 {
			break
		}
		node = node[:i] + node[j+1:]
	}
	j := cairn.Job{ID: id, Run: 42, Attempt: 1, Path: path, Node: node, Name: path, Status: st, Conclusion: c, Task: &cairn.JobTask{}}
	if start >= 0 {
		j.StartedAt = at(start)
	}
	if end >= 0 {
		j.FinishedAt = at(end)
	}
	if change != nil {
		change(&j)
	}
	t.add(cairn.EvJobChanged, j)
}

func (t *tape) step(id cairn.JobID, n int, name string, st cairn.Status, c cairn.Conclusion, start, end float64, exit int) {
	s := cairn.StepRow{Job: id, Number: n, Name: name, Uses: "cairn/task/run", Status: st, Conclusion: c, StartedAt: at(start)}
	if st == cairn.StatusCompleted {
		s.FinishedAt, s.ExitCode = at(end), &exit
	}
	t.add(cairn.EvStepChanged, s)
}

func (t *tape) seq() iter.Seq2[cairn.Event, error] {
	return func(yield func(cairn.Event, error) bool) {
		for _, e := range t.events {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func aTape() *tape {
	const blocked, running, done = cairn.StatusBlocked, cairn.StatusRunning, cairn.StatusCompleted
	t := &tape{}
	t.add(cairn.EvRunCreated, aRun())
	t.job(1, "prep", blocked, "", -1, -1, nil)
	t.job(2, "split", blocked, "", -1, -1, nil)
	t.job(7, "register", blocked, "", -1, -1, nil)
	t.job(1, "prep", done, cairn.Success, -1, 0.1, func(j *cairn.Job) { j.Task.From, j.Task.FromRun = 3, 41 })
	t.job(2, "split", running, "", 0.2, -1, nil)
	t.step(2, 1, "Prepare environment", running, "", 0.2, 0, 0)
	t.job(2, "split", done, cairn.Success, 0.2, 1.3, nil)
	t.step(2, 1, "Prepare environment", done, cairn.Success, 0.2, 1, 0)
	t.job(3, "fit/train", running, "", 1.3, -1, nil)
	t.job(4, "fit/score", blocked, "", -1, -1, nil)
	for i := range 4 {
		last := 0.9 + float64(i%3)/100
		score := []cairn.Score{{Step: 0, Value: 0.5, Points: 1, Best: 0.5}, {Step: 1, Value: last, Points: 2, Best: last}}
		if i < 3 {
			t.job(cairn.JobID(10+i), fmt.Sprintf("tune[%d]", i+1), done, cairn.Success, 1.4, 2.4, func(j *cairn.Job) { j.Task.Scores = score })
		} else {
			t.job(cairn.JobID(10+i), fmt.Sprintf("tune[%d]", i+1), running, "", 1.5, -1, nil)
		}
	}
	t.job(3, "fit/train", done, cairn.Success, 1.3, 3, nil)
	t.job(4, "fit/score", done, cairn.Success, 3, 3.5, nil)
	t.job(20, "refine[1]/step", done, cairn.Success, 3.5, 4, nil)
	t.job(21, "refine[2]/step", running, "", 4, -1, nil)
	t.step(21, 3, "Run", running, "", 4, 0, 0)
	t.job(21, "refine[2]/step", done, cairn.Failure, 4, 5, nil)
	t.step(21, 3, "Run", done, cairn.Failure, 4, 5, 2)
	t.job(13, "tune[4]", done, cairn.Cancelled, 1.5, 5, nil)
	t.job(7, "register", done, cairn.Skipped, -1, -1, func(j *cairn.Job) { j.Reason = "needs refine, which failed" })
	r := aRun()
	r.Status, r.Conclusion, r.FinishedAt = done, cairn.Failure, at(5.1)
	t.add(cairn.EvRunChanged, r)
	return t
}

func knownNames() *names {
	return &names{ctx: context.Background(), by: map[cairn.RunID]string{}, find: func(_ context.Context, asked string) (string, error) {
		return "calm_fox_" + asked, nil
	}}
}

func TestGraph(t *testing.T) {
	t.Parallel()
	tm, _ := term.Test()
	m, g := live.New(aRun()), newGraph(aPlan())
	p := painter{t: tm, s: tm.ErrStyle(), now: at(4.5), name: knownNames().of, last: func(j cairn.JobID) string {
		return map[cairn.JobID]string{3: "epoch 3: loss 0.21", 21: "round 2"}[j]
	}}
	var out strings.Builder
	show := func(what string) {
		g.fill(m.Jobs())
		fmt.Fprintf(&out, "== %s\n%s\n", what, strings.Join(p.lines(g), "\n"))
	}
	show("before anything is known")
	for _, ev := range aTape().events {
		c, err := m.Apply(ev)
		if err != nil {
			t.Fatal(err)
		}
		p.over = m.Run.Status == cairn.StatusCompleted
		if c != nil {
			show(fmt.Sprintf("after event %d", ev.Seq))
		}
	}
	clitest.Golden(t, *update, "graph.txt", out.String())
}

// A graph that is higher than the window shows what goes on.
func TestGraphFits(t *testing.T) {
	t.Parallel()
	tm, _ := term.Test()
	m, g := live.New(aRun()), newGraph(aPlan())
	for _, ev := range aTape().events[:12] {
		if _, err := m.Apply(ev); err != nil {
			t.Fatal(err)
		}
	}
	g.fill(m.Jobs())
	p := painter{t: tm, s: tm.ErrStyle(), now: at(2)}
	lines := p.fit(g, p.lines(g), 5)
	if len(lines) != 5 || !strings.Contains(lines[1], "train") || !strings.HasSuffix(lines[4], "5 more nodes") {
		t.Errorf("%q", lines)
	}
}

// On something that is no terminal lines come as things happen, the log of a job before
// the line of its end.
func TestListing(t *testing.T) {
	t.Parallel()
	tm, b := term.Test()
	logs := &tails{ctx: t.Context(), by: map[cairn.JobID]*tail{}, free: make(chan struct{}, 1),
		read: func(_ context.Context, job cairn.JobID, step int, line func(string) error) error {
			if job == 2 || job == 21 {
				return line(fmt.Sprintf("line of job %d, step %d", job, step))
			}
			return nil
		}}
	l := &listing{t: tm, now: func() time.Time { return at(4.5) }, names: knownNames(), logs: logs, told: map[cairn.JobID]string{}}
	logs.line = l.line
	m := live.New(aRun())
	for _, ev := range aTape().events {
		c, err := m.Apply(ev)
		if err != nil {
			t.Fatal(err)
		}
		if c != nil {
			l.News(m, ev, c)
		}
		logs.look(m)
		logs.wait()
		if c != nil && c.Step != nil {
			l.Tick(m)
		}
	}
	l.End(m)
	clitest.Golden(t, *update, "listing.txt", b.Err.String())
	if b.Out.Len() > 0 {
		t.Error("standard output is for data")
	}
}

func BenchmarkGraph(b *testing.B) {
	p := &cairn.Plan{}
	var jobs []cairn.Job
	for i := range 1000 {
		n := cairn.Node{ID: fmt.Sprintf("n%d", i), Kind: cairn.NodeJob}
		for k := max(0, i-3); k < i; k++ {
			n.Needs = append(n.Needs, fmt.Sprintf("n%d", k))
		}
		p.Nodes = append(p.Nodes, n)
		j := cairn.Job{ID: cairn.JobID(i + 1), Attempt: 1, Path: n.ID, Node: n.ID, Status: cairn.StatusBlocked}
		if i < 500 {
			j.Status, j.Conclusion = cairn.StatusCompleted, cairn.Success
		}
		jobs = append(jobs, j)
	}
	tm, _ := term.Test()
	m, g := live.New(aRun()), newGraph(p)
	m.Load(jobs)
	for b.Loop() {
		g.fill(m.Jobs())
		_ = painter{t: tm, s: tm.ErrStyle(), now: at(1)}.lines(g)
	}
}

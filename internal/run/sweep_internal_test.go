package run

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
)

// series answers points as a store does; err instead, where it is set.
type series struct {
	points []cairn.Metric
	err    error
	asked  int
}

func (s *series) MetricHistory(_ context.Context, _, _ string, after *cairn.Metric, limit int) (out []cairn.Metric, err error) {
	if s.asked++; s.err != nil {
		return nil, s.err
	}
	for _, p := range s.points {
		if (after == nil || p.Timestamp > after.Timestamp) && len(out) < limit {
			out = append(out, p)
		}
	}
	return out, nil
}

func (s *series) log(at int64, v float64) {
	s.points = append(s.points, cairn.Metric{Timestamp: at, Step: at, Value: v})
}

// bed is a run with one sweep of one trial, and no clock but its own.
type bed struct {
	engine *Engine
	active *active
	now    time.Time
	log    *strings.Builder
}

const trialPath = "search[1]"

func newBed(s Scores) *bed {
	n := cairn.Node{ID: "search", Kind: cairn.NodeJob, Task: &cairn.Task{Kind: cairn.TaskCommand}, Sweep: &cairn.Sweep{Algorithm: "random", Goal: "maximize", Metric: "accuracy",
		MaxTrials: 1, Timeout: 60, Space: []cairn.Range{{Name: "x", Type: "randint", Upper: 9}}, Stop: &cairn.EarlyStop{Type: "bandit", Interval: 1}}}
	b := &bed{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), log: &strings.Builder{}}
	b.engine = New(Options{Scores: s, Log: slog.New(slog.NewTextHandler(b.log, nil))})
	snap := &cairn.RunSnapshot{
		Run: cairn.Run{ID: 7, Actor: "ana", Attempt: 1, Status: cairn.StatusRunning}, Attempt: cairn.Attempt{Run: 7, Number: 1, Status: cairn.StatusRunning},
		Jobs: []cairn.Job{
			{Run: 7, Attempt: 1, Path: "search", Node: "search", Call: true, Status: cairn.StatusRunning, StartedAt: b.now},
			{Run: 7, Attempt: 1, Path: trialPath, Node: "search", Status: cairn.StatusRunning, StartedAt: b.now, QueuedAt: b.now, TimeoutMinutes: 360, Task: &cairn.JobTask{Tracking: "t"}},
		},
	}
	b.active = &active{id: 7, plan: &cairn.Plan{Schema: 1, Nodes: []cairn.Node{n}}, state: NewState(snap)}
	b.active.state.Expansions["search"] = cairn.Expansion{Node: "search", Instances: []cairn.Instance{{Key: "1", Trial: []byte(`{"x":3}`)}}}
	return b
}

// look lets time go by and takes in what was logged.
func (b *bed) look(after time.Duration) *cairn.Job {
	b.now = b.now.Add(after)
	b.engine.pollScores(context.Background(), b.active, b.now)
	return b.active.state.Jobs[trialPath]
}

// decide says what follows, and does it.
func (b *bed) decide() *cairn.Job {
	a := b.active
	xs := []cairn.Expansion{a.state.Expansions["search"]}
	for _, act := range Decide(a.plan, xs, Facts{Now: b.now, Run: a.state.Run, Attempt: a.state.Attempt, Jobs: a.state.Jobs}) {
		a.state.Fold(act, b.now)
	}
	return a.state.Jobs["search"]
}

func (b *bed) end() {
	b.active.state.Edit(trialPath, func(j *cairn.Job) { finishJob(j, cairn.Success, "", b.now) })
}

// TestScoresOfLongSeries: the best of 100,000 points is found, and none is counted twice
// or left out, in whatever pieces they are read.
func TestScoresOfLongSeries(t *testing.T) {
	t.Parallel()
	const n = 100_000
	s := &series{}
	b := newBed(s)
	for i := range n {
		v := 0.5
		if i == 77_777 {
			v = 0.9
		}
		s.log(int64(i), v)
		if i%33_333 == 0 {
			b.look(time.Second)
		}
	}
	got := b.look(time.Second).Task.Scores
	if last := got[len(got)-1]; last.Points != n || last.Best != 0.9 || len(got) > 320 {
		t.Fatalf("%d are kept; %+v", len(got), last)
	}
	b.end()
	if j := b.look(0); !j.Task.Scored || j.Task.Scores[len(j.Task.Scores)-1].Points != n || len(b.active.readings) > 0 {
		t.Errorf("after its end: %d points", j.Task.Scores[len(j.Task.Scores)-1].Points)
	}
	if row := b.decide(); row.Status != cairn.StatusCompleted || !strings.Contains(row.Reason, "accuracy = 0.9") {
		t.Errorf("%s: %s", row.Status, row.Reason)
	}
}

// TestScoresWrittenLate: what was logged under an earlier time than what was read counts
// once the trial has ended.
func TestScoresWrittenLate(t *testing.T) {
	t.Parallel()
	s := &series{}
	b := newBed(s)
	s.log(5, 0.5)
	b.look(time.Second)
	s.points = append([]cairn.Metric{{Timestamp: 2, Step: 2, Value: 0.7}}, s.points...)
	b.look(time.Second)
	b.end()
	if got := b.look(0).Task.Scores; len(got) != 2 || got[1].Best != 0.7 || got[1].Points != 2 {
		t.Errorf("%+v", got)
	}
}

// TestScoresUnread: what an ended trial logged is tried some times, then it has no score.
func TestScoresUnread(t *testing.T) {
	t.Parallel()
	s := &series{}
	b := newBed(s)
	s.log(1, 0.5)
	b.look(time.Second)
	s.err = errors.New("the disk is gone")
	for range 2 * scoreTries {
		b.look(time.Second) // running: that it fails now counts for nothing
	}
	b.end()
	s.asked = 0
	for range 50 {
		b.look(0)
	}
	if s.asked != 1 {
		t.Errorf("tried %d times at once", s.asked)
	}
	for range scoreTries - 2 {
		b.look(time.Second)
	}
	if j := b.look(0); j.Task.Scored || b.decide().Status == cairn.StatusCompleted {
		t.Fatalf("it was given up after %d tries", s.asked)
	}
	j := b.look(time.Second)
	if !j.Task.Scored || s.asked != scoreTries || j.Reason != "no score: the disk is gone" || !strings.Contains(b.log.String(), "a trial has no score") {
		t.Errorf("%d tries: %v %q\n%s", s.asked, j.Task.Scored, j.Reason, b.log)
	}
	// What was read while it ran is still known.
	if row := b.decide(); row.Conclusion != cairn.Success || !strings.Contains(row.Reason, "accuracy = 0.5") {
		t.Errorf("%s: %s", row.Conclusion, row.Reason)
	}
}

// TestScoresNeverRead: a sweep of which nothing could be read says why it has no best.
func TestScoresNeverRead(t *testing.T) {
	t.Parallel()
	b := newBed(&series{err: errors.New("the disk is gone")})
	b.end()
	for range scoreTries {
		b.look(time.Second)
	}
	if row := b.decide(); row.Conclusion != cairn.Failure || !strings.HasSuffix(row.Reason, "; search[1]: no score: the disk is gone") {
		t.Errorf("%s: %s", row.Conclusion, row.Reason)
	}
}

// TestSweepEndsUnread: a sweep that is cancelled waits for no score, one whose time is over
// for one try.
func TestSweepEndsUnread(t *testing.T) {
	t.Parallel()
	s := &series{err: errors.New("the disk is gone")}
	b := newBed(s)
	b.end()
	b.look(time.Second)
	b.active.state.Run.CancelBy = "ana"
	if row := b.decide(); row.Conclusion != cairn.Cancelled {
		t.Errorf("cancelled: %s %s: %s", row.Status, row.Conclusion, row.Reason)
	}

	b = newBed(s)
	b.end()
	b.look(time.Second)
	b.now = b.now.Add(time.Minute)
	if row := b.decide(); row.Status == cairn.StatusCompleted || row.CancelAt.IsZero() || !strings.HasPrefix(row.Reason, "limits.timeout") {
		t.Fatalf("its time is over: %s: %s", row.Status, row.Reason)
	}
	s.asked = 0
	b.look(0)
	if row := b.decide(); s.asked != 1 || row.Conclusion != cairn.Failure {
		t.Errorf("its time is over, %d tries: %s %s: %s", s.asked, row.Status, row.Conclusion, row.Reason)
	}
}

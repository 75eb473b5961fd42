package live

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
	"github.com/cairn-ml/cairn/internal/cli/term"
)

var update = flag.Bool("update", false, "write golden files")

func at(sec float64) time.Time {
	return time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(sec * float64(time.Second)))
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

func (t *tape) seq() iter.Seq2[cairn.Event, error] {
	return func(yield func(cairn.Event, error) bool) {
		for _, e := range t.events {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func aRun() cairn.Run {
	return cairn.Run{
		ID: 42, Workflow: "mlops", Attempt: 1, Event: "workflow_dispatch", Status: cairn.StatusRunning, Ref: "refs/heads/main", Dirty: true,
		Commit:    cairn.Commit{SHA: "3f2a91c0000000000000000000000000000000ab", Subject: "Train on all classes", Author: "Ana Lee"},
		StartedAt: at(0),
	}
}

// failing is a run whose second job fails in a step; a third is skipped.
func failing() *tape {
	t := &tape{}
	r := aRun()
	t.add(cairn.EvRunCreated, r)
	t.add(cairn.EvAttempt, cairn.Attempt{Run: 42, Number: 1})
	job := func(id cairn.JobID, name string, st cairn.Status, c cairn.Conclusion, start, end float64, reason string) {
		j := cairn.Job{ID: id, Run: 42, Attempt: 1, Path: name, Node: name, Name: name, Status: st, Conclusion: c, Reason: reason}
		if start >= 0 {
			j.StartedAt = at(start)
		}
		if end >= 0 {
			j.FinishedAt = at(end)
		}
		kind := cairn.EvJobChanged
		if st == cairn.StatusBlocked {
			kind = cairn.EvJobCreated
		}
		t.add(kind, j)
	}
	step := func(id cairn.JobID, n int, name string, st cairn.Status, c cairn.Conclusion, start, end float64, exit int) {
		s := cairn.StepRow{Job: id, Number: n, Name: name, Status: st, Conclusion: c, StartedAt: at(start)}
		if st == cairn.StatusCompleted {
			s.FinishedAt = at(end)
			s.ExitCode = &exit
		}
		t.add(cairn.EvStepChanged, s)
	}
	job(1, "data-preparing", cairn.StatusBlocked, "", -1, -1, "")
	job(2, "ai-training", cairn.StatusBlocked, "", -1, -1, "")
	job(3, "deploy", cairn.StatusBlocked, "", -1, -1, "")
	job(1, "data-preparing", cairn.StatusRunning, "", 0, -1, "")
	step(1, 1, "Set up job", cairn.StatusCompleted, cairn.Success, 0, 0.2, 0)
	step(1, 2, "Prepare", cairn.StatusRunning, "", 0.2, 0, 0)
	job(1, "data-preparing", cairn.StatusCompleted, cairn.Success, 0, 2.6, "")
	step(1, 2, "Prepare", cairn.StatusCompleted, cairn.Success, 0.2, 2.5, 0) // of the same transaction
	job(2, "ai-training", cairn.StatusWaiting, "", -1, -1, "no runner has the label gpu")
	job(2, "ai-training", cairn.StatusRunning, "", 3, -1, "")
	step(2, 1, "Set up job", cairn.StatusCompleted, cairn.Success, 3, 3.1, 0)
	step(2, 2, "Train\x1b[2J", cairn.StatusRunning, "", 3.1, 0, 0)
	step(2, 2, "Train\x1b[2J", cairn.StatusCompleted, cairn.Failure, 3.1, 70, 2)
	step(2, 3, "Upload", cairn.StatusCompleted, cairn.Skipped, 70, 70, 0)
	job(2, "ai-training", cairn.StatusCompleted, cairn.Failure, 3, 70.5, "")
	job(3, "deploy", cairn.StatusCompleted, cairn.Skipped, -1, -1, "needs ai-training, which failed")
	r.Status, r.Conclusion, r.FinishedAt = cairn.StatusCompleted, cairn.Failure, at(71)
	t.add(cairn.EvRunChanged, r)
	return t
}

func TestPlain(t *testing.T) {
	t.Parallel()
	tm, b := term.Test()
	p, err := NewPrinter(tm, Auto, func() time.Time { return at(5) })
	if err != nil {
		t.Fatal(err)
	}
	m := New(aRun())
	p.Start(m)
	if err := Follow(context.Background(), p, m, failing().seq(), nil); err != nil {
		t.Fatal(err)
	}
	p.End(m)
	clitest.Golden(t, *update, "plain.txt", b.Err.String())
	if f := m.Failures(); len(f) != 1 || f[0].Job.Name != "ai-training" || f[0].Step == nil || f[0].Step.Number != 2 {
		t.Errorf("failures: %+v", f)
	}
	if b.Out.Len() > 0 {
		t.Error("standard output is for data")
	}
}

// Frames after each event: what a terminal would show.
func TestFrames(t *testing.T) {
	t.Parallel()
	tm, _ := term.Test()
	m := New(aRun())
	var out strings.Builder
	for _, ev := range failing().events {
		c, err := m.Apply(ev)
		if err != nil {
			t.Fatal(err)
		}
		if c != nil {
			fmt.Fprintf(&out, "== after event %d\n%s\n", ev.Seq, strings.Join(Frame(tm, tm.ErrStyle(), m, at(4), 0), "\n"))
		}
	}
	clitest.Golden(t, *update, "frames.txt", out.String())
}

func TestTTYDrawsOver(t *testing.T) {
	t.Parallel()
	tm, b := term.Test()
	tm.ErrTTY = true
	tm.SetWidth(40)
	p, err := NewPrinter(tm, Auto, func() time.Time { return at(4) })
	if err != nil {
		t.Fatal(err)
	}
	m := New(aRun())
	p.Start(m)
	if err := Follow(context.Background(), p, m, failing().seq(), nil); err != nil {
		t.Fatal(err)
	}
	p.Say("a word")
	p.End(m)
	screen := replay(b.Err.String())
	for _, l := range screen {
		if term.VisibleWidth(l) > 40 && !strings.Contains(l, "run 42  1m11s") {
			t.Errorf("wider than the window: %q", l)
		}
	}
	// Everything drawn before was erased by what was said; the last frame stays.
	clitest.Golden(t, *update, "tty.txt", strings.Join(screen, "\n")+"\n")
}

// replay is a terminal that knows the sequences that the printer writes.
func replay(s string) []string {
	var lines []string
	cur := 0
	put := func(text string) {
		for len(lines) <= cur {
			lines = append(lines, "")
		}
		lines[cur] += text
	}
	for len(s) > 0 {
		var n int
		if _, err := fmt.Sscanf(s, "\x1b[%dA", &n); err == nil {
			cur -= n
			s = s[strings.IndexByte(s, 'A')+1:]
			continue
		}
		if rest, ok := strings.CutPrefix(s, "\r\x1b[J"); ok {
			lines, s = lines[:cur], rest
			continue
		}
		if s[0] == '\n' {
			put("")
			cur++
			s = s[1:]
			continue
		}
		end := strings.IndexAny(s, "\n\x1b\r")
		if end <= 0 {
			end = max(1, len(s))
		}
		put(s[:end])
		s = s[end:]
	}
	return lines
}

func TestJSONAndQuiet(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]int{JSON: 15, Quiet: 0} {
		tm, b := term.Test()
		p, err := NewPrinter(tm, mode, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		m := New(aRun())
		p.Start(m)
		if err := Follow(context.Background(), p, m, failing().seq(), nil); err != nil {
			t.Fatal(err)
		}
		p.End(m)
		lines := strings.Count(b.Err.String(), "\n")
		if mode == Quiet && lines != 0 || mode == JSON && lines < want {
			t.Errorf("%s: %d lines", mode, lines)
		}
		for _, l := range strings.Split(strings.TrimSpace(b.Err.String()), "\n") {
			if mode == JSON && !json.Valid([]byte(l)) {
				t.Errorf("not JSON: %s", l)
			}
		}
	}
	tm, _ := term.Test()
	if _, err := NewPrinter(tm, "plian", time.Now); cairn.AsError(err).Hint != "did you mean plain?" {
		t.Error(err)
	}
}

// Events that were seen already change nothing: a stream that is taken up again
// may repeat them.
func TestApplyTwice(t *testing.T) {
	t.Parallel()
	tp := failing()
	once, twice := New(aRun()), New(aRun())
	for _, ev := range tp.events {
		if _, err := once.Apply(ev); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := twice.Apply(ev); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := twice.Apply(tp.events[3]); err != nil {
		t.Fatal(err)
	}
	tm, _ := term.Test()
	a := strings.Join(Frame(tm, tm.ErrStyle(), once, at(80), 0), "\n")
	b := strings.Join(Frame(tm, tm.ErrStyle(), twice, at(80), 0), "\n")
	if a != b {
		t.Errorf("%s\n%s", a, b)
	}
	if c, err := twice.Apply(cairn.Event{Seq: 999, Kind: cairn.EvJobChanged, Data: []byte("{")}); c != nil || err == nil {
		t.Error("a damaged event passed")
	}
}

func TestLaterAttempt(t *testing.T) {
	t.Parallel()
	tp := failing()
	tp.add(cairn.EvAttempt, cairn.Attempt{Run: 42, Number: 2, Kept: map[string]cairn.JobID{"data-preparing": 1}})
	tp.add(cairn.EvJobCreated, cairn.Job{ID: 9, Run: 42, Attempt: 2, Path: "ai-training", Name: "ai-training", Status: cairn.StatusRunning, StartedAt: at(90)})
	m := New(aRun())
	for _, ev := range tp.events {
		if _, err := m.Apply(ev); err != nil {
			t.Fatal(err)
		}
	}
	tm, _ := term.Test()
	clitest.Golden(t, *update, "attempt2.txt", strings.Join(Frame(tm, tm.ErrStyle(), m, at(92), 0), "\n")+"\n")
	if len(m.Failures()) != 0 {
		t.Error("failures of attempt 1 are not this attempt's")
	}
}

func TestManyJobsFitTheWindow(t *testing.T) {
	t.Parallel()
	m := New(aRun())
	for i := range 200 {
		st := cairn.StatusBlocked
		if i%50 == 3 {
			st = cairn.StatusRunning
		}
		m.Load([]cairn.Job{{ID: cairn.JobID(i + 1), Attempt: 1, Name: fmt.Sprintf("leg %d", i), Status: st}})
	}
	tm, _ := term.Test()
	lines := Frame(tm, tm.ErrStyle(), m, at(1), 10)
	if len(lines) > 10 || !strings.Contains(lines[len(lines)-1], "more jobs") {
		t.Errorf("%d lines: %q", len(lines), lines)
	}
}

func BenchmarkFrame(b *testing.B) {
	m := New(aRun())
	for i := range 100 {
		m.Load([]cairn.Job{{ID: cairn.JobID(i + 1), Attempt: 1, Name: fmt.Sprintf("leg %d", i), Status: cairn.StatusRunning}})
	}
	tm, _ := term.Test()
	for b.Loop() {
		Frame(tm, tm.ErrStyle(), m, at(1), 40)
	}
}

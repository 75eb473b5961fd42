package live

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/term"
)

// Printer shows a model. Its methods are called from one goroutine.
type Printer interface {
	// Start shows what runs, before the first event.
	Start(m *Model)
	// News shows one change and the event that made it.
	News(m *Model, ev cairn.Event, c *Change)
	// Tick lets durations grow.
	Tick(m *Model)
	// Say writes a line of talk without disturbing the view.
	Say(text string)
	// End shows the last state and stops drawing.
	End(m *Model)
}

// The ways to show progress, for --progress.
const (
	Auto  = "auto"
	TTY   = "tty"
	Plain = "plain"
	JSON  = "json"
	Quiet = "quiet"
)

// Modes lists the values of --progress.
func Modes() []string { return []string{Auto, TTY, Plain, JSON, Quiet} }

// NewPrinter makes the printer of a mode; auto is tty on a terminal that a
// person watches, plain elsewhere.
func NewPrinter(t *term.Term, mode string, now func() time.Time) (Printer, error) {
	switch mode {
	case Auto, "":
		if t.Live() {
			return &ttyPrinter{t: t, now: now, scr: Screen{Term: t}}, nil
		}
		return &plainPrinter{view: view{t, t.ErrStyle()}, now: now}, nil
	case TTY:
		return &ttyPrinter{t: t, now: now, scr: Screen{Term: t}}, nil
	case Plain:
		return &plainPrinter{view: view{t, t.ErrStyle()}, now: now}, nil
	case JSON:
		return jsonPrinter{t.Err}, nil
	case Quiet:
		return quietPrinter{t.Err}, nil
	}
	e := cairn.Errorf(cairn.CodeInvalid, "--progress does not take %q", mode)
	if n := cairn.Nearest(mode, Modes()); n != "" {
		return nil, e.WithHint("did you mean %s?", n)
	}
	return nil, e.WithHint("one of: %s", strings.Join(Modes(), ", "))
}

// plainPrinter appends lines and never moves the cursor.
//
// The last steps of a job are told in the same transaction as its end, after
// it. So lines of jobs wait for the next tick, and steps go before them, save
// before the start of their own job.
type plainPrinter struct {
	view
	now   func() time.Time
	queue []jobLine
}

type jobLine struct {
	job   *Job
	start bool
	text  string // "" for a job that ended: told when it is written, with its last steps known
}

func (p *plainPrinter) line(format string, args ...any) { fmt.Fprintf(p.t.Err, format+"\n", args...) }

// flush writes the first n lines that wait.
func (p *plainPrinter) flush(n int) {
	for _, l := range p.queue[:n] {
		if l.text == "" {
			l.text = p.job(l.job, p.now())
		}
		p.line("%s", l.text)
	}
	p.queue = p.queue[n:]
}

// flushTo writes what waits up to the start of a job.
func (p *plainPrinter) flushTo(job cairn.JobID) {
	for i, l := range p.queue {
		if l.job.ID == job && l.start {
			p.flush(i + 1)
			return
		}
	}
}

func (p *plainPrinter) Start(m *Model) { p.line("%s", Header(p.t, p.s, m.Run)) }

func (p *plainPrinter) News(m *Model, _ cairn.Event, c *Change) {
	switch {
	case c.Job != nil && c.Job.Status != cairn.StatusBlocked && c.Job.Status != cairn.StatusQueued:
		l := jobLine{job: c.Job, start: c.Job.Status == cairn.StatusRunning}
		if c.Job.Status != cairn.StatusCompleted {
			l.text = p.job(c.Job, p.now())
		}
		p.queue = append(p.queue, l)
	case c.Step != nil && c.Step.Status == cairn.StatusCompleted && c.Step.Conclusion != cairn.Skipped:
		p.flushTo(c.Of.ID)
		p.line("    %s  %s", p.step(*c.Step, p.now()), p.s.Dim("("+jobName(c.Of)+")"))
	case c.Run != nil && c.Run.CancelBy != "" && c.Run.Status != cairn.StatusCompleted:
		p.line("cancelled by %s: jobs are ending", term.Clean(c.Run.CancelBy))
	}
}

func (p *plainPrinter) Tick(*Model) { p.flush(len(p.queue)) }

func (p *plainPrinter) Say(text string) {
	p.flush(len(p.queue))
	p.line("%s", text)
}

func (p *plainPrinter) End(m *Model) {
	p.flush(len(p.queue))
	p.line("%s", Summary(p.t, p.s, m.Run, p.now()))
}

// jsonPrinter writes each event as it came: one line, the API's own encoding.
type jsonPrinter struct{ w io.Writer }

func (jsonPrinter) Start(*Model) {}
func (p jsonPrinter) News(_ *Model, ev cairn.Event, _ *Change) {
	// Standard error has nobody to tell that it cannot be written.
	_ = json.NewEncoder(p.w).Encode(ev)
}
func (jsonPrinter) Tick(*Model) {}
func (p jsonPrinter) Say(text string) {
	_ = json.NewEncoder(p.w).Encode(map[string]string{"kind": "message", "message": text})
}
func (jsonPrinter) End(*Model) {}

// quietPrinter says only what was said to it.
type quietPrinter struct{ w io.Writer }

func (quietPrinter) Start(*Model)                      {}
func (quietPrinter) News(*Model, cairn.Event, *Change) {}
func (quietPrinter) Tick(*Model)                       {}
func (p quietPrinter) Say(text string)                 { fmt.Fprintln(p.w, text) }
func (quietPrinter) End(*Model)                        {}

// ttyPrinter draws the frame over the one before.
type ttyPrinter struct {
	t   *term.Term
	now func() time.Time
	scr Screen
}

func (p *ttyPrinter) Start(m *Model)                          { p.draw(m, false) }
func (p *ttyPrinter) News(m *Model, _ cairn.Event, _ *Change) { p.draw(m, false) }
func (p *ttyPrinter) Tick(m *Model)                           { p.draw(m, false) }
func (p *ttyPrinter) Say(text string)                         { p.scr.Say(text) }

func (p *ttyPrinter) End(m *Model) {
	p.draw(m, true)
	fmt.Fprintf(p.t.Err, "\n%s\n", Summary(p.t, p.t.ErrStyle(), m.Run, p.now()))
}

func (p *ttyPrinter) draw(m *Model, final bool) {
	height := 0
	if !final {
		height = p.scr.Height() - 1
	}
	p.scr.Draw(Frame(p.t, p.t.ErrStyle(), m, p.now(), height))
}

// Package process is what machines share: how the output of a process is carried,
// and how a process is asked to end.
package process

import (
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// Grace is how long a step that is cancelled gets before the next signal.
type Grace struct {
	Interrupt time.Duration `json:"interrupt"` // after SIGINT
	Terminate time.Duration `json:"terminate"` // after SIGTERM, before SIGKILL
	Cancel    time.Duration `json:"cancel"`    // for all that runs after a cancel
}

// Target is a running process with all that came from it.
type Target interface {
	Interrupt()
	Terminate()
	Kill()
	// Look notes what came from it so far: some of it may leave it.
	Look()
}

// End asks a process to stop, then kills its tree: SIGINT, SIGTERM, SIGKILL. It
// returns early when exited is closed; force, once closed, spares the waiting.
func End(t Target, g Grace, exited, force <-chan struct{}) {
	t.Look()
	wait := func(d time.Duration) bool {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-exited:
			return true
		case <-force:
		case <-timer.C:
		}
		t.Look()
		return false
	}
	forced := false
	select {
	case <-force:
		forced = true
	default:
	}
	if !forced {
		t.Interrupt()
		if !wait(g.Interrupt) {
			t.Terminate()
			wait(g.Terminate)
		}
	}
	t.Look()
	t.Kill()
}

// drainTime is how long output is waited for after a process has ended while
// something that it started still holds its output open.
const drainTime = 50 * time.Millisecond

// Pipe carries the output of a process.
type Pipe struct {
	W *os.File // for the process

	r    *os.File
	to   io.Writer
	done chan struct{}
}

// NewPipe makes a pipe whose output goes to a writer; nil drops it.
func NewPipe(to io.Writer) (*Pipe, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	if to == nil {
		to = io.Discard
	}
	return &Pipe{W: w, r: r, to: to, done: make(chan struct{})}, nil
}

// Start carries output from now on: the process has its end of the pipe.
func (p *Pipe) Start() {
	p.W.Close()
	go p.copy()
}

// Close is for a pipe that was never started.
func (p *Pipe) Close() {
	p.W.Close()
	p.r.Close()
}

func (p *Pipe) copy() {
	defer close(p.done)
	buf := make([]byte, 32<<10)
	for {
		n, err := p.r.Read(buf)
		if n > 0 {
			_, _ = p.to.Write(buf[:n])
		}
		if err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				p.r.Close()
			}
			return
		}
	}
}

// Drain waits for the last output. A process that goes on in the background
// (a server that later steps use) keeps its pipe: closing it would kill it.
func (p *Pipe) Drain() {
	select {
	case <-p.done:
		return
	default:
	}
	_ = p.r.SetReadDeadline(time.Now().Add(drainTime))
	<-p.done
	if p.r.SetReadDeadline(time.Time{}) != nil {
		return // closed: all was read
	}
	go func() {
		_, _ = io.Copy(io.Discard, p.r)
		p.r.Close()
	}()
}

// Pipes are the two outputs of a process, which may be one.
type Pipes struct{ Stdout, Stderr *Pipe }

// NewPipes makes the pipes for two writers. Where both are the same there is one
// pipe, so that the order of lines is kept.
func NewPipes(stdout, stderr io.Writer) (Pipes, error) {
	out, err := NewPipe(stdout)
	if err != nil {
		return Pipes{}, err
	}
	ps := Pipes{out, out}
	if stderr != stdout {
		if ps.Stderr, err = NewPipe(stderr); err != nil {
			out.Close()
			return Pipes{}, err
		}
	}
	return ps, nil
}

func (ps Pipes) each(f func(*Pipe)) {
	f(ps.Stdout)
	if ps.Stderr != ps.Stdout {
		f(ps.Stderr)
	}
}

// Start starts both.
func (ps Pipes) Start() { ps.each((*Pipe).Start) }

// Close closes both, where they were never started.
func (ps Pipes) Close() { ps.each((*Pipe).Close) }

// Drain waits for the last output of both.
func (ps Pipes) Drain() { ps.each((*Pipe).Drain) }

// EnvList is an environment as the operating system takes it, sorted. What it
// cannot take is left out.
func EnvList(env map[string]string) []string {
	out := make([]string, 0, len(env))
	for k, v := range env {
		if k != "" && !strings.ContainsRune(k, 0) && !strings.ContainsRune(v, 0) {
			out = append(out, k+"="+v)
		}
	}
	slices.Sort(out)
	return out
}

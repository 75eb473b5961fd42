package host

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cairn-ml/cairn/internal/proc"
)

// To start a process costs more than most jobs' own work. So a supervisor whose job
// is over stays for a moment and takes the next one of the same owner: one job at a
// time, each with its own folder, lock, mark and log. The line between the two is a
// socket; when either side is gone, the other one hears the end of it. A supervisor
// that has a job goes on without an owner, and leaves after the job.

const (
	// lineVariable tells a supervisor that its file 3 is the line to its owner.
	lineVariable = "CAIRN_JOB_LINE"
	lineFile     = 3
	// defaultIdle is how long a supervisor without a job stays.
	defaultIdle = 5 * time.Second
	// maxServed is how many jobs one supervisor does: what a job leaves in its memory
	// does not pile up.
	maxServed = 100
)

// The words of a supervisor.
const (
	wordOK   = "ok"   // the job is mine; nothing of it has run yet
	wordBusy = "busy" // another supervisor has it
	wordIdle = "idle" // the job is over, its result is on the disk
)

// assignment is the line before the handover of a job.
type assignment struct {
	Dir  string `json:"dir"`
	Size int    `json:"size"`
}

// worker is a supervisor that this owner started.
type worker struct {
	line *os.File
	in   *bufio.Reader
	end  chan struct{} // closed when the process was waited for
	kill func()

	id proc.Identity // once it has had a job

	mu   sync.Mutex    // held while a job is handed over, and while it is signalled
	job  layout        // "": none
	done chan struct{} // closed when that job is over
	idle *time.Timer
	// served counts its jobs.
	served int
}

// assign hands a job over. It answers who has the job: this worker or, where another
// one was faster, that one. An error of kind errGone means that nothing of the job has
// run and that the worker is of no use.
func (w *worker) assign(ctx context.Context, l layout, h []byte) (id *identity, mine bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	deadline := time.Now().Add(startTime)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	_ = w.line.SetDeadline(deadline)
	defer func() { _ = w.line.SetDeadline(time.Time{}) }()
	head, err := json.Marshal(assignment{Dir: string(l), Size: len(h)})
	if err != nil {
		return nil, false, err
	}
	_, err = w.line.Write(append(append(head, '\n'), h...))
	answer := ""
	if err == nil {
		answer, err = w.in.ReadString('\n')
	}
	switch answer = strings.TrimSpace(answer); {
	case err != nil:
		// It died, or does not answer: nothing has run. Make sure that nothing will.
		w.kill()
		return nil, false, errGone
	case answer == wordOK || answer == wordBusy:
		id, err := awaitIdentity(l, deadline)
		if err != nil {
			return nil, false, err
		}
		if mine = answer == wordOK; mine {
			if w.served == 0 {
				w.id = id.Identity
			}
			w.job, w.done = l, make(chan struct{})
			w.served++
		}
		return id, mine, nil
	default:
		return nil, false, startFailed(answer)
	}
}

var errGone = errors.New("the supervisor is gone")

// attend waits for the end of the worker's job. It reports whether the worker can
// take another one.
func (w *worker) attend() bool {
	answer, err := w.in.ReadString('\n')
	if err != nil {
		<-w.end // its end counts only when the process is gone
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.job = ""
	close(w.done)
	return err == nil && strings.TrimSpace(answer) == wordIdle && w.served < maxServed
}

// has reports whether the worker's job is l, and what is closed at that job's end.
func (w *worker) has(l layout) (done <-chan struct{}, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.done, w.job == l
}

// workers are the supervisors that this owner started.
type workers struct {
	mu    sync.Mutex
	byPID map[int]*worker
	free  []*worker
	shut  bool
	idle  time.Duration
}

// find is the worker that has this identity.
func (ws *workers) find(id proc.Identity) *worker {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if w := ws.byPID[id.PID]; w != nil && w.id.Start == id.Start {
		return w
	}
	return nil
}

// take is a worker without a job; nil: there is none.
func (ws *workers) take() *worker {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for len(ws.free) > 0 {
		w := ws.free[len(ws.free)-1]
		ws.free = ws.free[:len(ws.free)-1]
		if w.idle.Stop() {
			return w
		}
	}
	return nil
}

// busy notes a worker that has a job.
func (ws *workers) busy(w *worker) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.byPID == nil {
		ws.byPID = map[int]*worker{}
	}
	ws.byPID[w.id.PID] = w
}

// rest keeps a worker for the next job, for a while.
func (ws *workers) rest(w *worker) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.shut {
		w.line.Close()
		return
	}
	w.idle = time.AfterFunc(ws.idle, func() { ws.dismiss(w) })
	ws.free = append(ws.free, w)
}

// dismiss lets a worker go: without a job it ends at once.
func (ws *workers) dismiss(w *worker) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for i, f := range ws.free {
		if f == w {
			ws.free = append(ws.free[:i:i], ws.free[i+1:]...)
		}
	}
	w.line.Close()
}

// gone forgets a worker whose process ended.
func (ws *workers) gone(w *worker) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.byPID[w.id.PID] == w {
		delete(ws.byPID, w.id.PID)
	}
}

// close lets all go that have no job. The others leave after theirs.
func (ws *workers) close() {
	ws.mu.Lock()
	free := ws.free
	ws.free, ws.shut = nil, true
	ws.mu.Unlock()
	for _, w := range free {
		w.idle.Stop()
		w.line.Close()
	}
}

// owner is the supervisor's side of the line. Its zero value has no line: there is
// one job, and nobody to answer.
type owner struct {
	line *os.File
	in   *bufio.Reader
}

// callOwner takes up the line that the process was started with. It must be called
// before any step is: no step shall have the line.
func callOwner() owner {
	if os.Getenv(lineVariable) == "" {
		return owner{}
	}
	os.Unsetenv(lineVariable)
	syscall.CloseOnExec(lineFile)
	f := os.NewFile(lineFile, "line")
	return owner{f, bufio.NewReader(f)}
}

// tell answers the owner. A dead one is no error.
func (o owner) tell(format string, args ...any) {
	if o.line != nil {
		_, _ = fmt.Fprintf(o.line, format+"\n", args...)
	}
}

// next waits for another job; false means that there is none.
func (o owner) next() (l layout, h io.Reader, ok bool) {
	if o.line == nil {
		return "", nil, false
	}
	head, err := o.in.ReadBytes('\n')
	if err != nil {
		return "", nil, false
	}
	var a assignment
	if json.Unmarshal(head, &a) != nil || a.Dir == "" || a.Size < 0 || a.Size > maxHandover {
		return "", nil, false
	}
	return layout(a.Dir), io.LimitReader(o.in, int64(a.Size)), true
}

// moveTo lets the process be in the folder of its job, and print into its log.
func moveTo(l layout) error {
	out, err := os.OpenFile(l.output(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	for _, fd := range []int{1, 2} {
		if err := dup2(int(out.Fd()), fd); err != nil {
			return err
		}
	}
	return os.Chdir(string(l))
}

package host

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/proc"
	"github.com/cairn-ml/cairn/internal/runner/process"
)

// Options configure a Backend.
type Options struct {
	Home string // $CAIRN_HOME
	// Command starts a supervisor; the job's folder is added. Default: this
	// program with "_job".
	Command []string
	// Environ is the owner's environment; what jobs may inherit is taken out of it.
	Environ []string
	// Name is recorded as the runner of jobs; default: the host's name.
	Name string
	// Labels are served by this host; default: DefaultLabels.
	Labels []string
	// Count is how many jobs run at once; default: the number of processors, but
	// at least two.
	Count int
	// Keep leaves workspaces after their jobs.
	Keep bool
	// Keeping bounds the workspaces of failed jobs that stay, so that they can be gone
	// on with; the zero value keeps none.
	Keeping Keeping
	Grace   Grace
	Now     func() time.Time // nil: time.Now
	// Idle is how long a supervisor without a job stays for the next one; default: 5 s.
	Idle time.Duration
	// Sweep removes what a job has left at a container engine. nil: nothing does.
	Sweep  func(ctx context.Context, job string) error
	Logger *slog.Logger
}

// Grace is how long a step that is cancelled gets before the next signal.
type Grace = process.Grace

// DefaultGrace are GitHub's times.
func DefaultGrace() Grace {
	return Grace{Interrupt: 7500 * time.Millisecond, Terminate: 2500 * time.Millisecond, Cancel: 5 * time.Minute}
}

// DefaultLabels are the labels that mean this host: GitHub's own Linux ones, so
// that usual workflows run as they are, and what self-hosted runners are called.
func DefaultLabels() []string {
	labels := []string{"ubuntu-latest", "ubuntu-24.04", "ubuntu-22.04", "ubuntu-20.04", "self-hosted"}
	switch runtime.GOOS {
	case "darwin":
		labels = append(labels, "macos", "macos-latest", "macos-15", "macos-14", "macos-13")
	default:
		labels = append(labels, runtime.GOOS)
	}
	switch runtime.GOARCH {
	case "amd64":
		labels = append(labels, "x64")
	case "arm64":
		labels = append(labels, "arm64", "ubuntu-24.04-arm", "ubuntu-22.04-arm")
	}
	return labels
}

// Backend runs jobs on this host. Its methods may be called concurrently.
type Backend struct {
	o       Options
	changed chan struct{}
	watch   *watcher
	workers workers

	mu    sync.Mutex
	known map[layout]*supervised

	sweeping sync.Mutex
	marking  sync.Mutex // held while the mark of a kept workspace is written or taken
	tidy     *time.Ticker
	closed   chan struct{}
	closing  sync.Once
}

// supervised is what the backend remembers of a supervisor; all of it can be
// found out again from the job's folder.
type supervised struct {
	start sync.Mutex // held while the job is being started
	exit  bool       // somebody waits for its end
	clean bool       // its folders go once it has ended
	sweep sync.Once  // it ended without a result: what it left is killed
}

// New opens a backend.
func New(o Options) (*Backend, error) {
	if o.Home == "" {
		return nil, cairn.Errorf(cairn.CodeInternal, "the host backend needs a home")
	}
	if len(o.Command) == 0 {
		exe, err := os.Executable()
		if err != nil {
			return nil, err
		}
		o.Command = []string{exe, "_job"}
	}
	if o.Name == "" {
		o.Name, _ = os.Hostname()
	}
	if o.Labels == nil {
		o.Labels = DefaultLabels()
	}
	if o.Count == 0 {
		o.Count = max(runtime.NumCPU(), 2)
	}
	if o.Grace == (Grace{}) {
		o.Grace = DefaultGrace()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(filepath.Join(o.Home, "jobs"), 0o700); err != nil {
		return nil, diskError(err)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Idle == 0 {
		o.Idle = defaultIdle
	}
	b := &Backend{
		o: o, changed: make(chan struct{}, 1), known: map[layout]*supervised{},
		tidy: time.NewTicker(time.Hour), closed: make(chan struct{}), workers: workers{idle: o.Idle},
	}
	w, err := newWatcher(b.signal)
	if err != nil {
		return nil, err
	}
	b.watch = w
	go b.tidyUp()
	go b.sweepLost()
	return b, nil
}

// tidyUp sweeps kept workspaces now and then: their age counts too.
func (b *Backend) tidyUp() {
	defer b.tidy.Stop()
	for {
		b.sweepKept()
		select {
		case <-b.tidy.C:
		case <-b.closed:
			return
		}
	}
}

// Close stops watching. Jobs go on.
func (b *Backend) Close() error {
	b.closing.Do(func() { close(b.closed) })
	b.workers.close()
	return b.watch.close()
}

// Changed receives when some job may have new reports or some supervisor ended.
func (b *Backend) Changed() <-chan struct{} { return b.changed }

// Slots lists what can run here.
func (b *Backend) Slots() []cairn.Slot {
	return []cairn.Slot{{Name: b.o.Name, Labels: b.o.Labels, Count: b.o.Count}}
}

func (b *Backend) signal() {
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

func (b *Backend) supervised(l layout) *supervised {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.known[l]
	if s == nil {
		s = &supervised{}
		b.known[l] = s
	}
	return s
}

// Start hands a job to a supervisor. One that was started before for the same
// job and epoch is adopted, whether it lives or has ended: nothing runs twice.
func (b *Backend) Start(ctx context.Context, spec cairn.JobSpec, secrets cairn.JobSecrets) (pid int, pidStart int64, err error) {
	l := jobLayout(b.o.Home, spec.Job, spec.Epoch)
	s := b.supervised(l)
	s.start.Lock()
	defer s.start.Unlock()
	id, err := l.readIdentity()
	if err != nil {
		return 0, 0, err
	}
	if id == nil {
		if id, err = b.launch(ctx, l, spec, secrets); err != nil {
			return 0, 0, err
		}
	}
	b.follow(l, s, id)
	return id.PID, id.Start, nil
}

// launch writes the job's folder and starts its supervisor.
func (b *Backend) launch(ctx context.Context, l layout, spec cairn.JobSpec, secrets cairn.JobSecrets) (*identity, error) {
	if err := os.MkdirAll(filepath.Join(string(l), "logs"), 0o700); err != nil {
		return nil, diskError(err)
	}
	text, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	if err := writeFile(l.spec(), text); err != nil {
		return nil, diskError(err)
	}
	if spec.Resume != nil {
		b.marking.Lock()
		err := l.takeKept(spec.Resume)
		b.marking.Unlock()
		if err != nil {
			return nil, err
		}
	}
	b.watch.add(l)
	userHome, _ := os.UserHomeDir()
	h, err := json.Marshal(handover{
		Secrets: secrets, Home: b.o.Home, UserHome: userHome, Keep: b.o.Keep, KeepFailed: b.o.Keep || b.o.Keeping.Count > 0, Grace: b.o.Grace,
	})
	if err != nil {
		return nil, err
	}
	return b.handOver(ctx, l, h)
}

// follow makes sure that somebody hears of the supervisor's reports and end.
func (b *Backend) follow(l layout, s *supervised, id *identity) {
	b.mu.Lock()
	first := !s.exit
	s.exit = true
	b.mu.Unlock()
	if !first {
		return
	}
	b.watch.add(l)
	go func() {
		b.awaitEnd(l, id)
		b.sweep(l, s, id)
		b.signal()
		go b.sweepContainers(l)
		if l.isKept() {
			b.sweepKept()
		}
		b.mu.Lock()
		clean := s.clean
		b.mu.Unlock()
		if clean {
			// Mostly there is nothing left: the supervisor removes its folders itself.
			if err := b.remove(l); err != nil {
				b.o.Logger.Warn("folders of a job are left", "job", filepath.Base(string(l)), "err", err)
			}
		}
	}()
}

// Alive reports whether the supervisor is running, by pid and start time. What a
// dead one left behind is killed before the answer.
func (b *Backend) Alive(job cairn.Job) bool {
	l := jobLayout(b.o.Home, job.ID, job.Epoch)
	s := b.supervised(l)
	id, err := l.readIdentity()
	if err != nil || id == nil {
		return false
	}
	if b.supervises(l, id) {
		b.follow(l, s, id)
		return true
	}
	b.sweep(l, s, id)
	return false
}

// Cancel asks the supervisor to end the job: in order, or by force.
func (b *Backend) Cancel(_ context.Context, job cairn.Job, force bool) error {
	l := jobLayout(b.o.Home, job.ID, job.Epoch)
	// A start that is under way comes first: its supervisor has to hear of this.
	s := b.supervised(l)
	s.start.Lock()
	defer s.start.Unlock()
	id, err := l.readIdentity()
	if err != nil || id == nil {
		return err
	}
	how := "cancel\n"
	if force {
		how = "force\n"
	}
	// The signal is what the supervisor hears; the file says what it means, and
	// stays for one that has not come to listen yet.
	if err := writeFile(l.cancel(), []byte(how)); err != nil && !force {
		return diskError(err)
	}
	return b.terminate(l, id)
}

// terminate makes a supervisor look at its cancel file. One that has ended is no
// error.
func (b *Backend) terminate(l layout, id *identity) error {
	if w := b.workers.find(id.Identity); w != nil {
		// Until the signal is out, the worker takes no other job.
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.job != l {
			return nil
		}
	}
	// One of an earlier owner may have another job by now, which is not meant.
	if l.finished() || !id.Alive() {
		return nil
	}
	err := proc.Signal(id.PID, id.Start, syscall.SIGTERM)
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

// diskError names the usual reason for which a job cannot be started.
func diskError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &cairn.Error{Code: cairn.CodeUnavailable, Err: err, Message: "no space left on the disk that holds CAIRN_HOME",
			Hint: "free some space; the job is tried again"}
	}
	return err
}

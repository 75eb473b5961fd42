package host

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/cairn-ml/cairn/internal/runner"
)

// ContainerJob is what the containers of a job are told of it.
type ContainerJob struct {
	Machine  runner.Machine // of the job itself
	Home     string         // $CAIRN_HOME
	Job      string         // names the job and its lease within the home
	Dir      string         // a folder of the job for the lines to its containers
	UserHome string
	// Untrusted says that the job gets images as anybody would.
	Untrusted bool
	URL       string // of the owner
	Token     string // of the job
	// Made notes that something is about to be made at an engine, Gone that nothing is
	// left there.
	Made  func() error
	Gone  func()
	Grace Grace
	Force <-chan struct{}
}

func (s *supervisor) containerJob(m *machine, token string, force <-chan struct{}) ContainerJob {
	return ContainerJob{
		Machine: m, Home: s.h.Home, Job: filepath.Base(string(s.l)), Dir: s.l.file("lines"), UserHome: s.h.UserHome,
		Untrusted: s.spec.Untrusted, URL: s.spec.BaseEnv["CAIRN_URL"], Token: token, Grace: s.h.Grace, Force: force,
		Made: func() error { return writeFile(s.l.containers(), nil) },
		Gone: func() { _ = os.Remove(s.l.containers()) },
	}
}

// stopContainersTime bounds the removal of what is left when the job is over.
const stopContainersTime = time.Minute

// stopContainers removes what is left at the engine: a job without services may have
// had actions that are images.
func (s *supervisor) stopContainers(ctx context.Context, m *machine) {
	if m.containers == nil || !s.l.hasContainers() {
		return
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), stopContainersTime)
	defer stop()
	if err := m.containers.Stop(ctx, io.Discard); err != nil {
		s.Logger.Warn("containers of the job are left", "err", err)
	}
}

func (l layout) hasContainers() bool {
	_, err := os.Stat(l.containers())
	return err == nil
}

// sweepTries are the times to wait before an engine is asked again.
func sweepTries() []time.Duration {
	return []time.Duration{0, time.Second, 10 * time.Second, time.Minute}
}

// sweepContainers removes what a supervisor that has ended left at a container
// engine. Where none answers, the next owner tries again.
func (b *Backend) sweepContainers(l layout) {
	if b.o.Sweep == nil || !l.hasContainers() {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() {
		select {
		case <-b.closed:
			stop()
		case <-ctx.Done():
		}
	}()
	job := filepath.Base(string(l))
	var err error
	for _, d := range sweepTries() {
		select {
		case <-b.closed:
			return
		case <-time.After(d):
		}
		if err = b.o.Sweep(ctx, job); err == nil {
			if err = os.Remove(l.containers()); err == nil || errors.Is(err, fs.ErrNotExist) {
				b.o.Logger.Info("removed the containers of a supervisor that died", "job", job)
				return
			}
		}
	}
	b.o.Logger.Warn("containers of a job are left", "job", job, "err", err)
}

// sweepLost looks for jobs that ended while no owner ran.
func (b *Backend) sweepLost() {
	if b.o.Sweep == nil {
		return
	}
	found, err := filepath.Glob(filepath.Join(b.o.Home, "jobs", "*", "containers"))
	if err != nil {
		return
	}
	for _, path := range found {
		l := layout(filepath.Dir(path))
		if id, err := l.readIdentity(); err == nil && (id == nil || !id.Alive()) {
			go b.sweepContainers(l)
		}
	}
}

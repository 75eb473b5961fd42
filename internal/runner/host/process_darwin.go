package host

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// markVariable is in the environment of every process of a job.
const markVariable = "CAIRN_JOB_MARK"

// signalProcess sends a signal to this process, as far as start times tell.
func signalProcess(pid int, start int64, sig syscall.Signal) error {
	if !processAlive(pid, start) {
		return syscall.ESRCH
	}
	return syscall.Kill(pid, sig)
}

func processAlive(pid int, start int64) bool {
	return pid > 0 && start > 0 && processStart(pid) == start
}

func waitExit(pid int, start int64) {
	for processAlive(pid, start) {
		time.Sleep(100 * time.Millisecond)
	}
}

// tree is a process group here: without /proc, what leaves it is not found.
type tree struct{ root int }

func newTree(root int) *tree { return &tree{root} }

func (t *tree) grow() {}

func (t *tree) signal(sig syscall.Signal) { _ = syscall.Kill(-t.root, sig) }

func becomeReaper() error { return nil }

func killRest(*identity) int { return 0 }

func killOrphans(*identity) int { return 0 }

func reapOrphans() bool { return false }

func allocate(f *os.File, size int64) error { return f.Truncate(size) }

// watcher looks at a clock where the kernel cannot be asked in a portable way.
type watcher struct{ stop chan struct{} }

func newWatcher(signal func()) (*watcher, error) {
	w := &watcher{stop: make(chan struct{})}
	go func() {
		t := time.NewTicker(50 * time.Millisecond)
		defer t.Stop()
		for {
			select {
			case <-w.stop:
				return
			case <-t.C:
				signal()
			}
		}
	}()
	return w, nil
}

func (w *watcher) add(layout)    {}
func (w *watcher) remove(layout) {}

func (w *watcher) close() error {
	close(w.stop)
	return nil
}

// processStart is when a process started, in microseconds; 0 when there is none.
func processStart(pid int) int64 {
	p, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil || int(p.Proc.P_pid) != pid || p.Proc.P_stat == 5 { // 5: zombie
		return 0
	}
	return p.Proc.P_starttime.Sec*1e6 + int64(p.Proc.P_starttime.Usec)
}

// bootID is not needed: start times are those of the calendar.
func bootID() string { return "" }

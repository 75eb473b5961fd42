package host

import (
	"errors"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// watcher hears of every write to the event files of the jobs it was told of:
// the kernel says so within microseconds, and supervisors need not know who
// listens.
type watcher struct {
	file   *os.File
	signal func()
	mu     sync.Mutex
	watch  map[layout]int
}

func newWatcher(signal func()) (*watcher, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("inotify_init1", err)
	}
	w := &watcher{file: os.NewFile(uintptr(fd), "inotify"), signal: signal, watch: map[layout]int{}}
	go w.run()
	return w, nil
}

func (w *watcher) run() {
	buf := make([]byte, 64<<10)
	for {
		n, err := w.file.Read(buf)
		if n > 0 {
			w.signal()
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// add begins to watch a job's folder. Without a watch (too many of them) the
// owner's own slow look finds the reports.
func (w *watcher) add(l layout) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.watch[l]; ok {
		return
	}
	conn, err := w.file.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Control(func(fd uintptr) {
		if wd, err := unix.InotifyAddWatch(int(fd), string(l), unix.IN_MODIFY|unix.IN_MOVED_TO); err == nil {
			w.watch[l] = wd
		}
	})
}

func (w *watcher) remove(l layout) {
	w.mu.Lock()
	defer w.mu.Unlock()
	wd, ok := w.watch[l]
	if !ok {
		return
	}
	delete(w.watch, l)
	conn, err := w.file.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Control(func(fd uintptr) { _, _ = unix.InotifyRmWatch(int(fd), uint32(wd)) })
}

func (w *watcher) close() error { return w.file.Close() }

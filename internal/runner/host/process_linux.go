package host

import (
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/cairn-ml/cairn/internal/proc"
	"golang.org/x/sys/unix"
)

// markVariable is in the environment of every process of a job.
const markVariable = "CAIRN_JOB_MARK"

// becomeReaper makes this process the parent of what its descendants leave.
func becomeReaper() error {
	return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
}

// reapOrphans takes the exit codes of adopted children. It must not be called
// while somebody waits for a child of this process.
func reapOrphans() (children bool) {
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return false // no children at all
		case pid == 0:
			return true
		}
	}
}

// killRest ends every process that came from this one or carries the mark, and
// returns how many there were.
func killRest(id *identity) int {
	killed := map[int]int64{}
	for range 100 {
		if !reapOrphans() {
			// Whatever comes from this process and lives has a living parent up to it, since
			// orphans become its children: without a child there is nobody. So most jobs need
			// no look at all processes of the machine.
			return len(killed)
		}
		ps := proc.All()
		rest := append(proc.Descendants(ps, os.Getpid()), marked(ps, id)...)
		if len(rest) == 0 {
			return len(killed)
		}
		kill(rest, killed)
		time.Sleep(time.Millisecond)
	}
	return len(killed)
}

// killOrphans ends every process of a supervisor that is dead: what carries the
// job's mark and what is in its session.
func killOrphans(id *identity) int {
	killed := map[int]int64{}
	for range 100 {
		rest := marked(proc.All(), id)
		if len(rest) == 0 {
			break
		}
		kill(rest, killed)
		time.Sleep(time.Millisecond)
	}
	return len(killed)
}

func kill(ps []proc.Proc, killed map[int]int64) {
	for _, p := range ps {
		if proc.Signal(p.PID, p.Start, syscall.SIGKILL) == nil {
			killed[p.PID] = p.Start
		}
	}
}

// marked finds the processes of a job by mark or session. Only those that began
// after the supervisor are looked at.
func marked(ps []proc.Proc, id *identity) []proc.Proc {
	self := os.Getpid()
	// While a process is left in a session, the kernel gives its number to no other
	// one: a stranger with that number means that the session is the stranger's.
	session := id.PID
	for _, p := range ps {
		if p.PID == id.PID && p.Start != id.Start {
			session = -1
		}
	}
	var out []proc.Proc
	for _, p := range ps {
		if p.Start < id.Start || p.PID == self || p.PID == id.PID && p.Start == id.Start {
			continue
		}
		if p.Session == session || proc.Carries(p.PID, markVariable, id.Mark) {
			out = append(out, p)
		}
	}
	return out
}

// allocate reserves room on the disk.
func allocate(f *os.File, size int64) error { return unix.Fallocate(int(f.Fd()), 0, 0, size) }

// dup2 makes to another number of from.
func dup2(from, to int) error { return unix.Dup3(from, to, 0) }

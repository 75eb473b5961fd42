package proc

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// zombie is the state of a process that has ended and is only waited for.
const zombie = 5

// Start is when a process that runs started, in microseconds; 0 when there is none.
func Start(pid int) int64 {
	p, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil || int(p.Proc.P_pid) != pid || p.Proc.P_stat == zombie {
		return 0
	}
	return p.Proc.P_starttime.Sec*1e6 + int64(p.Proc.P_starttime.Usec)
}

// Began is Start: what ended at once is not asked about later.
func Began(pid int) int64 { return Start(pid) }

// BootID is not needed: start times are those of the calendar.
func BootID() string { return "" }

// Signal sends a signal to this process, as far as start times tell; ESRCH when it
// has ended.
func Signal(pid int, start int64, sig syscall.Signal) error {
	if !Alive(pid, start) {
		return syscall.ESRCH
	}
	return syscall.Kill(pid, sig)
}

// WaitExit returns when the process has ended, whoever its parent is.
func WaitExit(pid int, start int64) {
	for Alive(pid, start) {
		time.Sleep(50 * time.Millisecond)
	}
}

// Wait returns after limit at most: whoever calls it asks [Identity.Alive] again.
func (id Identity) Wait(limit time.Duration) { time.Sleep(min(limit, 100*time.Millisecond)) }

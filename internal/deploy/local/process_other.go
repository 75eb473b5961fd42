//go:build !linux

package local

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

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

// signalProcess sends a signal to this process, as far as start times tell.
func signalProcess(id identity, sig syscall.Signal) error {
	if !id.alive() {
		return syscall.ESRCH
	}
	return syscall.Kill(id.PID, sig)
}

func waitExit(_ identity, limit time.Duration) { time.Sleep(min(limit, 100*time.Millisecond)) }

// killMarked finds nothing: environments of others cannot be read here.
func killMarked(string) int { return 0 }

func holder(int) string { return "" }

// syncTree waits until a tree is on the disk.
func syncTree(string) error { return unix.Sync() }

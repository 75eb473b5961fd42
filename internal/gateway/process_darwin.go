package gateway

import (
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// proc is a process that was found. Without /proc only the program itself is.
type proc struct {
	pid   int
	start int64
}

// processStart is when a process started, in microseconds; 0 when there is none.
func processStart(pid int) int64 {
	p, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil || int(p.Proc.P_pid) != pid || p.Proc.P_stat == 5 { // 5: zombie
		return 0
	}
	return p.Proc.P_starttime.Sec*1e6 + int64(p.Proc.P_starttime.Usec)
}

// processBegan is processStart: what ended at once is not asked about later.
func processBegan(pid int) int64 { return processStart(pid) }

func processAlive(pid int, start int64) bool {
	return pid > 0 && start > 0 && processStart(pid) == start
}

// bootID is not needed: start times are those of the calendar.
func bootID() string { return "" }

// signalProcess sends a signal to this process, as far as start times tell.
func signalProcess(pid int, start int64, sig syscall.Signal) error {
	if !processAlive(pid, start) {
		return syscall.ESRCH
	}
	return syscall.Kill(pid, sig)
}

func waitExit(pid int, start int64) {
	for processAlive(pid, start) {
		time.Sleep(50 * time.Millisecond)
	}
}

func members(p *process) []proc {
	if !processAlive(p.PID, p.Start) {
		return nil
	}
	return []proc{{p.PID, p.Start}}
}

func strays(string, []string) []proc { return nil }

// killAll ends processes and the groups that they lead.
func killAll(find func() []proc) {
	for range 200 {
		ps := find()
		if len(ps) == 0 {
			return
		}
		for _, p := range ps {
			_ = syscall.Kill(-p.pid, syscall.SIGKILL)
			_ = signalProcess(p.pid, p.start, syscall.SIGKILL)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// Memory and listening ports of other processes are not looked at here.
func residentSize(*process) int64 { return 0 }
func sharedSize(*process) int64   { return 0 }

func listeners(*process) ([]netip.AddrPort, bool) { return nil, false }

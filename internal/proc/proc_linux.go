package proc

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Read reads one process, also one that ended and nobody waited for yet; ok is
// false when there is none.
func Read(pid int) (p Proc, ok bool) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return Proc{}, false
	}
	return parse(pid, b)
}

// parse reads /proc/PID/stat.
func parse(pid int, b []byte) (p Proc, ok bool) {
	// The name stands in parentheses and may hold anything.
	end := bytes.LastIndexByte(b, ')')
	if end < 0 {
		return Proc{}, false
	}
	f := bytes.Fields(b[end+1:])
	if len(f) < 20 {
		return Proc{}, false
	}
	num := func(i int) int64 { n, _ := strconv.ParseInt(string(f[i]), 10, 64); return n }
	return Proc{PID: pid, State: f[0][0], Parent: int(num(1)), Session: int(num(3)), Start: num(19)}, true
}

// All lists the processes that run; those that have ended are left out.
func All() []Proc {
	d, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	var out []Proc
	for _, n := range names {
		pid, err := strconv.Atoi(n)
		if err != nil {
			continue
		}
		if p, ok := Read(pid); ok && !p.Dead() {
			out = append(out, p)
		}
	}
	return out
}

// Start is when a process that runs started, in clock ticks since the machine did;
// 0 when there is none.
func Start(pid int) int64 {
	p, ok := Read(pid)
	if !ok || p.Dead() {
		return 0
	}
	return p.Start
}

// Began is when a process started, also where it ended and nobody waited for it
// yet; 0 when there is none.
func Began(pid int) int64 {
	p, _ := Read(pid)
	return p.Start
}

// BootID names the run of the machine, between two starts; "" where that cannot be
// known.
func BootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(b))
}

// Signal sends a signal to exactly this process; ESRCH when it has ended.
func Signal(pid int, start int64, sig syscall.Signal) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		if !errors.Is(err, unix.ENOSYS) {
			return err
		}
		if !Alive(pid, start) {
			return syscall.ESRCH
		}
		return syscall.Kill(pid, sig)
	}
	defer unix.Close(fd)
	// The descriptor holds whatever has the pid now, so this is asked after it.
	if !Alive(pid, start) {
		return syscall.ESRCH
	}
	return unix.PidfdSendSignal(fd, sig, nil, 0)
}

// WaitExit returns when the process has ended, whoever its parent is.
func WaitExit(pid int, start int64) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		for !errors.Is(err, unix.ESRCH) && Alive(pid, start) {
			time.Sleep(pollTime)
		}
		return
	}
	defer unix.Close(fd)
	for Alive(pid, start) {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// pollTime is how often a kernel without descriptors of processes is asked.
const pollTime = 50 * time.Millisecond

// Wait returns when the process has ended or after limit, and now and then before:
// whoever calls it asks [Identity.Alive] again.
func (id Identity) Wait(limit time.Duration) {
	fd, err := unix.PidfdOpen(id.PID, 0)
	if err != nil {
		if !errors.Is(err, unix.ESRCH) {
			time.Sleep(min(limit, 2*pollTime))
		}
		return
	}
	defer unix.Close(fd)
	if id.Alive() {
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(limit.Milliseconds())+1)
		if !id.Alive() {
			return
		}
		time.Sleep(time.Millisecond) // its parent has to take note of the end
	}
}

// Carries reports whether a process was started with a variable of that value. It
// is false where its environment cannot be read.
func Carries(pid int, variable, value string) bool {
	return CarriesFunc(pid, variable, func(v string) bool { return v == value })
}

// CarriesFunc is [Carries] for a value that is asked about. An environment may name
// a variable twice: one that fits is enough.
func CarriesFunc(pid int, variable string, is func(value string) bool) bool {
	env, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return false
	}
	name := []byte(variable + "=")
	for kv := range bytes.SplitSeq(env, []byte{0}) {
		if v, ok := bytes.CutPrefix(kv, name); ok && is(string(v)) {
			return true
		}
	}
	return false
}

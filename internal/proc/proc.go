// Package proc knows the processes of this machine. A process is named by its pid
// and the time it started: a pid alone may be that of another one by now.
//
// Where there is no /proc, only what the kernel says of a single process is known:
// whether it runs, and since when. [All] and [CarriesFunc] are there on Linux alone.
package proc

import (
	"os"
	"syscall"
)

// Proc is a process that was found.
type Proc struct {
	PID, Parent, Session int
	State                byte  // as /proc has it: 'R', 'S', 'Z', …
	Start                int64 // see [Start]
}

// Dead reports whether the process has ended and is only waited for.
func (p Proc) Dead() bool { return p.State == 'Z' || p.State == 'X' }

// Alive reports whether a process runs that started at that time.
func Alive(pid int, start int64) bool {
	return pid > 0 && start > 0 && Start(pid) == start
}

// Descendants are the processes among ps that came from root, itself left out.
func Descendants(ps []Proc, root int) []Proc {
	children := map[int][]Proc{}
	for _, p := range ps {
		children[p.Parent] = append(children[p.Parent], p)
	}
	var out []Proc
	// A list is not made in one moment: with a pid used again meanwhile it may have
	// a circle.
	seen := map[int]bool{root: true}
	for queue := []int{root}; len(queue) > 0; queue = queue[1:] {
		for _, k := range children[queue[0]] {
			if !seen[k.PID] {
				seen[k.PID] = true
				out = append(out, k)
				queue = append(queue, k.PID)
			}
		}
	}
	return out
}

// Identity names a process in a file, for those that come later.
type Identity struct {
	PID   int   `json:"pid"`
	Start int64 `json:"start"`
	// Boot names the run of the machine in which PID and Start mean something; ""
	// where that cannot be known.
	Boot string `json:"boot,omitempty"`
}

// Self is the identity of this process.
func Self() Identity {
	return Identity{PID: os.Getpid(), Start: Start(os.Getpid()), Boot: BootID()}
}

// ThisBoot reports whether the machine was not started again since.
func (id Identity) ThisBoot() bool { return id.Boot == "" || id.Boot == BootID() }

// Alive reports whether the process runs.
func (id Identity) Alive() bool { return id.ThisBoot() && Alive(id.PID, id.Start) }

// Signal sends a signal to exactly this process; ESRCH when it has ended.
func (id Identity) Signal(sig syscall.Signal) error {
	if !id.ThisBoot() {
		return syscall.ESRCH
	}
	return Signal(id.PID, id.Start, sig)
}

package proc

import "syscall"

// Tree is a process with all that came from it, also what left since. Where there
// is no /proc it is the process's group.
type Tree struct {
	root int
	seen map[int]int64 // pid to start time
}

// NewTree begins with what there is now.
func NewTree(root int) *Tree {
	t := &Tree{root: root, seen: map[int]int64{}}
	t.Look()
	return t
}

// Group signals the process group that root leads.
func (t *Tree) Group(sig syscall.Signal) { _ = syscall.Kill(-t.root, sig) }

// Signal signals everything that came from root; not root itself.
func (t *Tree) Signal(sig syscall.Signal) {
	for pid, start := range t.seen {
		_ = Signal(pid, start, sig)
	}
}

// Interrupt asks the group to stop, as Ctrl-C does.
func (t *Tree) Interrupt() { t.Group(syscall.SIGINT) }

// Terminate asks everything to stop.
func (t *Tree) Terminate() {
	t.Group(syscall.SIGTERM)
	t.Signal(syscall.SIGTERM)
}

// Kill ends everything.
func (t *Tree) Kill() {
	t.Signal(syscall.SIGKILL)
	t.Group(syscall.SIGKILL)
}

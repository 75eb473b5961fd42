package host

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// markVariable is in the environment of every process of a job.
const markVariable = "CAIRN_JOB_MARK"

// proc is what /proc/PID/stat says of a process.
type proc struct {
	pid, parent, session int
	state                byte
	start                int64 // clock ticks since boot
}

// readProc reads one process; ok is false when there is none.
func readProc(pid int) (p proc, ok bool) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return proc{}, false
	}
	// The name stands in parentheses and may hold anything.
	end := bytes.LastIndexByte(b, ')')
	if end < 0 {
		return proc{}, false
	}
	f := bytes.Fields(b[end+1:])
	if len(f) < 20 {
		return proc{}, false
	}
	num := func(i int) int64 { n, _ := strconv.ParseInt(string(f[i]), 10, 64); return n }
	return proc{pid: pid, state: f[0][0], parent: int(num(1)), session: int(num(3)), start: num(19)}, true
}

// allProcs lists the processes that run, zombies left out.
func allProcs() []proc {
	d, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	var out []proc
	for _, n := range names {
		pid, err := strconv.Atoi(n)
		if err != nil {
			continue
		}
		if p, ok := readProc(pid); ok && p.state != 'Z' && p.state != 'X' {
			out = append(out, p)
		}
	}
	return out
}

// processStart is when a process started; 0 when there is none.
func processStart(pid int) int64 {
	p, ok := readProc(pid)
	if !ok || p.state == 'Z' || p.state == 'X' {
		return 0
	}
	return p.start
}

func processAlive(pid int, start int64) bool {
	return pid > 0 && start > 0 && processStart(pid) == start
}

// signalProcess sends a signal to exactly this process.
func signalProcess(pid int, start int64, sig syscall.Signal) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		if errors.Is(err, unix.ENOSYS) {
			return signalByPID(pid, start, sig)
		}
		return err
	}
	defer unix.Close(fd)
	if !processAlive(pid, start) {
		return syscall.ESRCH
	}
	return unix.PidfdSendSignal(fd, sig, nil, 0)
}

func signalByPID(pid int, start int64, sig syscall.Signal) error {
	if !processAlive(pid, start) {
		return syscall.ESRCH
	}
	return syscall.Kill(pid, sig)
}

// waitExit returns when the process has ended.
func waitExit(pid int, start int64) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		for !errors.Is(err, unix.ESRCH) && processAlive(pid, start) {
			time.Sleep(200 * time.Millisecond)
		}
		return
	}
	defer unix.Close(fd)
	for processAlive(pid, start) {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// tree is a process with all that came from it, also what left since.
type tree struct {
	root int
	seen map[int]int64 // pid to start time
}

func newTree(root int) *tree {
	t := &tree{root: root, seen: map[int]int64{}}
	t.grow()
	return t
}

// grow adds the descendants that are there now.
func (t *tree) grow() {
	for _, p := range descendants(allProcs(), t.root) {
		t.seen[p.pid] = p.start
	}
}

func (t *tree) signal(sig syscall.Signal) {
	for pid, start := range t.seen {
		_ = signalProcess(pid, start, sig)
	}
}

// descendants of a process among ps, itself not included.
func descendants(ps []proc, root int) []proc {
	children := map[int][]proc{}
	for _, p := range ps {
		children[p.parent] = append(children[p.parent], p)
	}
	var out []proc
	queue := []int{root}
	for len(queue) > 0 {
		kids := children[queue[0]]
		queue = queue[1:]
		for _, k := range kids {
			out = append(out, k)
			queue = append(queue, k.pid)
		}
	}
	return out
}

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
		alone := !reapOrphans()
		var rest []proc
		ps := allProcs()
		if !alone {
			rest = descendants(ps, os.Getpid())
		}
		rest = append(rest, marked(ps, id)...)
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
		rest := marked(allProcs(), id)
		if len(rest) == 0 {
			break
		}
		kill(rest, killed)
		time.Sleep(time.Millisecond)
	}
	return len(killed)
}

func kill(ps []proc, killed map[int]int64) {
	for _, p := range ps {
		if signalProcess(p.pid, p.start, syscall.SIGKILL) == nil {
			killed[p.pid] = p.start
		}
	}
}

// marked finds the processes of a job by mark or session. Only those that began
// after the supervisor are looked at.
func marked(ps []proc, id *identity) []proc {
	mark := []byte(markVariable + "=" + id.Mark)
	self := os.Getpid()
	// While a process is left in a session, the kernel gives its number to no other
	// one: a stranger with that number means that the session is the stranger's.
	session := id.PID
	for _, p := range ps {
		if p.pid == id.PID && p.start != id.Start {
			session = -1
		}
	}
	var out []proc
	for _, p := range ps {
		if p.start < id.Start || p.pid == self || p.pid == id.PID && p.start == id.Start {
			continue
		}
		if p.session == session || carries(p.pid, mark) {
			out = append(out, p)
		}
	}
	return out
}

func carries(pid int, mark []byte) bool {
	env, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return false
	}
	for kv := range bytes.SplitSeq(env, []byte{0}) {
		if bytes.Equal(kv, mark) {
			return true
		}
	}
	return false
}

// bootID names the run of the machine, between two starts.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(b))
}

// allocate reserves room on the disk.
func allocate(f *os.File, size int64) error { return unix.Fallocate(int(f.Fd()), 0, 0, size) }

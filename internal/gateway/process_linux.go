package gateway

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"io/fs"
	"iter"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// proc is what /proc/PID/stat says of a process.
type proc struct {
	pid, parent, session int
	state                byte
	start                int64 // clock ticks since boot
}

func (p *proc) dead() bool { return p.state == 'Z' || p.state == 'X' }

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

// processBegan is when a process started, also where it ended and nobody waited
// for it yet.
func processBegan(pid int) int64 {
	p, _ := readProc(pid)
	return p.start
}

// processStart is when a process that runs started; 0 when there is none.
func processStart(pid int) int64 {
	p, ok := readProc(pid)
	if !ok || p.dead() {
		return 0
	}
	return p.start
}

func processAlive(pid int, start int64) bool {
	return pid > 0 && start > 0 && processStart(pid) == start
}

// bootID names the run of the machine, between two starts.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(b))
}

// signalProcess sends a signal to exactly this process.
func signalProcess(pid int, start int64, sig syscall.Signal) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		if errors.Is(err, unix.ENOSYS) && processAlive(pid, start) {
			return syscall.Kill(pid, sig)
		}
		return err
	}
	defer unix.Close(fd)
	if !processAlive(pid, start) {
		return syscall.ESRCH
	}
	return unix.PidfdSendSignal(fd, sig, nil, 0)
}

// waitExit returns when the process has ended, whoever its parent is.
func waitExit(pid int, start int64) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		for !errors.Is(err, unix.ESRCH) && processAlive(pid, start) {
			time.Sleep(50 * time.Millisecond)
		}
		return
	}
	defer unix.Close(fd)
	for processAlive(pid, start) {
		if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// pids lists the numbers of all processes.
func pids() []int {
	d, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	var out []int
	for _, n := range names {
		if pid, err := strconv.Atoi(n); err == nil {
			out = append(out, pid)
		}
	}
	return out
}

// members are all processes of a program: what came from it, what is in its
// session, and what carries its mark.
func members(p *process) []proc {
	var all []proc
	children := map[int][]int{}
	for _, pid := range pids() {
		q, ok := readProc(pid)
		if !ok || q.dead() || q.start < p.Start {
			continue
		}
		all = append(all, q)
		children[q.parent] = append(children[q.parent], q.pid)
	}
	tree := map[int]bool{}
	session := p.PID
	for _, q := range all {
		// While a process is left in a session the kernel gives its number to no other
		// one: a stranger with that number means that the session is the stranger's.
		if q.pid == p.PID && q.start != p.Start {
			session = -1
		}
	}
	if session > 0 {
		for queue := []int{p.PID}; len(queue) > 0; queue = queue[1:] {
			if !tree[queue[0]] {
				tree[queue[0]] = true
				queue = append(queue, children[queue[0]]...)
			}
		}
	}
	mark := markVariable + "=" + p.Mark
	self := os.Getpid()
	return slices.DeleteFunc(all, func(q proc) bool {
		return q.pid == self || !tree[q.pid] && q.session != session && !carries(q.pid, func(kv string) bool { return kv == mark })
	})
}

// strays are the processes whose mark begins with base and is none of keep.
func strays(base string, keep []string) []proc {
	prefix := markVariable + "=" + base
	self := os.Getpid()
	var out []proc
	for _, pid := range pids() {
		q, ok := readProc(pid)
		if !ok || q.dead() || pid == self {
			continue
		}
		if carries(pid, func(kv string) bool {
			mark, ok := strings.CutPrefix(kv, prefix)
			return ok && !slices.Contains(keep, base+mark)
		}) {
			out = append(out, q)
		}
	}
	return out
}

func carries(pid int, is func(string) bool) bool {
	env, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return false
	}
	for kv := range bytes.SplitSeq(env, []byte{0}) {
		if is(string(kv)) {
			return true
		}
	}
	return false
}

// killAll ends processes until find finds none any more.
func killAll(find func() []proc) {
	for range 200 {
		ps := find()
		if len(ps) == 0 {
			return
		}
		for _, p := range ps {
			_ = signalProcess(p.pid, p.start, syscall.SIGKILL)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// family is a program's process with its descendants, found without looking at
// all processes of the machine where the kernel tells the children of each.
func family(p *process) []int {
	out := []int{p.PID}
	for i := 0; i < len(out) && len(out) < 10_000; i++ {
		dir := "/proc/" + strconv.Itoa(out[i]) + "/task/"
		tasks, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, t := range tasks {
			b, err := os.ReadFile(dir + t.Name() + "/children")
			if i == 0 && errors.Is(err, fs.ErrNotExist) && processAlive(p.PID, p.Start) {
				return slices.AppendSeq(out[:1], descendants(p.PID))
			}
			for f := range bytes.FieldsSeq(b) {
				if n, err := strconv.Atoi(string(f)); err == nil {
					out = append(out, n)
				}
			}
		}
	}
	return out
}

// descendants of a process, itself left out.
func descendants(root int) iter.Seq[int] {
	children := map[int][]int{}
	for _, pid := range pids() {
		if q, ok := readProc(pid); ok && !q.dead() {
			children[q.parent] = append(children[q.parent], pid)
		}
	}
	return func(yield func(int) bool) {
		for queue := children[root]; len(queue) > 0; queue = queue[1:] {
			if !yield(queue[0]) {
				return
			}
			queue = append(queue, children[queue[0]]...)
		}
	}
}

// residentSize is the memory of a program with its descendants, in bytes. What they
// share is counted for each of them, so that it may be too much.
func residentSize(p *process) int64 {
	var pages int64
	for _, pid := range family(p) {
		b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
		if f := bytes.Fields(b); len(f) > 1 {
			n, _ := strconv.ParseInt(string(f[1]), 10, 64)
			pages += n
		}
	}
	return pages * int64(os.Getpagesize())
}

// sharedSize is residentSize with each shared page counted once; it costs more.
func sharedSize(p *process) int64 {
	var total int64
	for _, pid := range family(p) {
		b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/smaps_rollup")
		if err != nil {
			return residentSize(p)
		}
		for line := range bytes.Lines(b) {
			if f := bytes.Fields(line); len(f) > 1 && string(f[0]) == "Pss:" {
				n, _ := strconv.ParseInt(string(f[1]), 10, 64)
				total += n << 10
			}
		}
	}
	return total
}

// listeners are the addresses that a program and its descendants listen on; known
// is false where that cannot be seen.
func listeners(p *process) (out []netip.AddrPort, known bool) {
	inodes := map[string]bool{}
	for _, pid := range family(p) {
		dir := "/proc/" + strconv.Itoa(pid) + "/fd"
		es, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		known = true
		for _, e := range es {
			to, _ := os.Readlink(dir + "/" + e.Name())
			if in, ok := strings.CutPrefix(to, "socket:["); ok {
				inodes[strings.TrimSuffix(in, "]")] = true
			}
		}
	}
	for _, name := range []string{"tcp", "tcp6"} {
		f, err := os.Open("/proc/" + strconv.Itoa(p.PID) + "/net/" + name)
		if err != nil {
			continue
		}
		for s := bufio.NewScanner(f); s.Scan(); {
			// sl local remote st … inode
			c := strings.Fields(s.Text())
			if len(c) < 10 || c[3] != "0A" || !inodes[c[9]] {
				continue
			}
			if a, ok := parseAddr(c[1]); ok && !slices.Contains(out, a) {
				out = append(out, a)
			}
		}
		f.Close()
	}
	return out, known
}

// parseAddr reads an address as /proc/net/tcp writes it: words of the machine's
// byte order in hex, a colon, the port.
func parseAddr(s string) (netip.AddrPort, bool) {
	host, port, ok := strings.Cut(s, ":")
	b, err := hex.DecodeString(host)
	n, err2 := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil || err2 != nil || len(b) != 4 && len(b) != 16 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(b); i += 4 {
		slices.Reverse(b[i : i+4])
	}
	a, _ := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(a.Unmap(), uint16(n)), true
}

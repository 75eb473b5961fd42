package gateway

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/cairn-ml/cairn/internal/proc"
)

// members are all processes of a program: what came from it, what is in its
// session, and what carries its mark.
func members(p *process) []proc.Proc {
	all := slices.DeleteFunc(proc.All(), func(q proc.Proc) bool { return q.Start < p.Start })
	// While a process is left in a session the kernel gives its number to no other
	// one: a stranger with that number means that the session is the stranger's.
	stranger := slices.ContainsFunc(all, func(q proc.Proc) bool { return q.PID == p.PID && q.Start != p.Start })
	session, tree := -1, map[int]bool{}
	if !stranger {
		session, tree[p.PID] = p.PID, true
		for _, q := range proc.Descendants(all, p.PID) {
			tree[q.PID] = true
		}
	}
	self := os.Getpid()
	return slices.DeleteFunc(all, func(q proc.Proc) bool {
		return q.PID == self || !tree[q.PID] && q.Session != session && !proc.Carries(q.PID, markVariable, p.Mark)
	})
}

// strays are the processes whose mark begins with base and is none of keep.
func strays(base string, keep []string) []proc.Proc {
	self := os.Getpid()
	return slices.DeleteFunc(proc.All(), func(q proc.Proc) bool {
		return q.PID == self || !proc.CarriesFunc(q.PID, markVariable, func(mark string) bool {
			return strings.HasPrefix(mark, base) && !slices.Contains(keep, mark)
		})
	})
}

// killAll ends processes until find finds none any more.
func killAll(find func() []proc.Proc) {
	for range 200 {
		ps := find()
		if len(ps) == 0 {
			return
		}
		for _, p := range ps {
			_ = proc.Signal(p.PID, p.Start, syscall.SIGKILL)
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
			if i == 0 && errors.Is(err, fs.ErrNotExist) && proc.Alive(p.PID, p.Start) {
				out = out[:1]
				for _, q := range proc.Descendants(proc.All(), p.PID) {
					out = append(out, q.PID)
				}
				return out
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

package local

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/cairn-ml/cairn/internal/deploy/local/enter"
	"golang.org/x/sys/unix"
)

// processStart is when a process started, in clock ticks since the machine did; 0
// when there is none.
func processStart(pid int) int64 { return enter.ProcessStart(pid) }

// bootID names the run of the machine, between two starts.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(b))
}

// signalProcess sends a signal to exactly this process.
func signalProcess(id identity, sig syscall.Signal) error {
	fd, err := unix.PidfdOpen(id.PID, 0)
	if err != nil {
		if errors.Is(err, unix.ENOSYS) && id.alive() {
			return syscall.Kill(id.PID, sig)
		}
		return err
	}
	defer unix.Close(fd)
	if !id.alive() {
		return syscall.ESRCH
	}
	return unix.PidfdSendSignal(fd, sig, nil, 0)
}

// waitExit returns when the process has ended, or after limit.
func waitExit(id identity, limit time.Duration) {
	fd, err := unix.PidfdOpen(id.PID, 0)
	if err != nil {
		if !errors.Is(err, unix.ESRCH) {
			time.Sleep(min(limit, 100*time.Millisecond))
		}
		return
	}
	defer unix.Close(fd)
	if id.alive() {
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(limit.Milliseconds())+1)
		if !id.alive() {
			return
		}
		time.Sleep(time.Millisecond) // its parent has to take note of the end
	}
}

// killMarked ends every process that carries a mark and returns how many.
func killMarked(mark string) int {
	want := []byte(markVariable + "=" + mark)
	killed := map[identity]bool{}
	for range 100 {
		found := false
		for _, pid := range pids() {
			id := identity{PID: pid, Start: processStart(pid)}
			if id.Start == 0 || pid == os.Getpid() || !carries(pid, want) {
				continue
			}
			found = true
			if signalProcess(id, syscall.SIGKILL) == nil {
				killed[id] = true
			}
		}
		if !found {
			break
		}
		time.Sleep(2 * time.Millisecond)
	}
	return len(killed)
}

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

// holder says which program listens on a port: "nginx, pid 12"; "" when that
// cannot be found out.
func holder(port int) string {
	inodes := map[string]bool{}
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(file)
		if err != nil {
			continue
		}
		s := bufio.NewScanner(f)
		for s.Scan() {
			p := strings.Fields(s.Text())
			if len(p) > 9 && p[3] == "0A" && strings.HasSuffix(p[1], fmt.Sprintf(":%04X", port)) { // 0A: listening
				inodes["socket:["+p[9]+"]"] = true
			}
		}
		f.Close()
	}
	if len(inodes) == 0 {
		return ""
	}
	for _, pid := range pids() {
		dir := "/proc/" + strconv.Itoa(pid) + "/fd"
		d, err := os.Open(dir)
		if err != nil {
			continue
		}
		names, _ := d.Readdirnames(-1)
		d.Close()
		for _, n := range names {
			if to, err := os.Readlink(filepath.Join(dir, n)); err == nil && inodes[to] {
				name, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
				return fmt.Sprintf("%s, pid %d", strings.TrimSpace(string(name)), pid)
			}
		}
	}
	return ""
}

// syncTree waits until a tree is on the disk.
func syncTree(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(d.Fd())), d.Close())
}

package local

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/cairn-ml/cairn/internal/proc"
	"golang.org/x/sys/unix"
)

// killMarked ends every process that carries a mark and returns how many.
func killMarked(mark string) int {
	killed := map[proc.Identity]bool{}
	for range 100 {
		found := false
		for _, p := range proc.All() {
			if p.PID == os.Getpid() || !proc.Carries(p.PID, markVariable, mark) {
				continue
			}
			found = true
			if id := (proc.Identity{PID: p.PID, Start: p.Start}); id.Signal(syscall.SIGKILL) == nil {
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
	for _, p := range proc.All() {
		dir := "/proc/" + strconv.Itoa(p.PID) + "/fd"
		d, err := os.Open(dir)
		if err != nil {
			continue
		}
		names, _ := d.Readdirnames(-1)
		d.Close()
		for _, n := range names {
			if to, err := os.Readlink(filepath.Join(dir, n)); err == nil && inodes[to] {
				name, _ := os.ReadFile("/proc/" + strconv.Itoa(p.PID) + "/comm")
				return fmt.Sprintf("%s, pid %d", strings.TrimSpace(string(name)), p.PID)
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

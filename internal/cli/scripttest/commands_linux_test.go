package scripttest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// cmdSmall mounts a small file system, which is unmounted after the script: small
// DIR SIZE.
func cmdSmall(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: small DIR SIZE")
	}
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o755))
	ts.Check(unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+args[1]))
	ts.Defer(func() {
		stop := exec.Command(filepath.Join(os.Getenv(binVar), "cairn"), "serve", "--stop")
		stop.Env = environ(ts)
		if out, err := stop.CombinedOutput(); err != nil {
			ts.Logf("stopping the server: %v\n%s", err, out)
		}
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			ts.Logf("unmounting %s: %v", dir, err)
		}
	})
}

// canMount says whether this process may mount file systems.
func canMount() bool {
	dir, err := os.MkdirTemp("", "cairn-mount-")
	if err != nil {
		return false
	}
	defer os.Remove(dir)
	if unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k") != nil {
		return false
	}
	return unix.Unmount(dir, unix.MNT_DETACH) == nil
}

// cmdFill leaves no room in the file system of a folder: fill DIR.
func cmdFill(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: fill DIR")
	}
	f, err := os.Create(filepath.Join(ts.MkAbs(args[0]), "fill"))
	ts.Check(err)
	defer f.Close()
	for _, size := range []int{64 << 10, 4 << 10, 1} {
		b := make([]byte, size)
		for {
			if _, err := f.Write(b); err != nil {
				break
			}
		}
	}
}

// left lists the processes whose command line or environment names a folder.
func left(dir string) []string {
	var out []string
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		for _, file := range []string{"cmdline", "environ"} {
			b, err := os.ReadFile(filepath.Join("/proc", e.Name(), file))
			if err == nil && bytes.Contains(b, []byte(dir+"/")) {
				line, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
				out = append(out, fmt.Sprintf("%d %s", pid, strings.ReplaceAll(string(line), "\x00", " ")))
				break
			}
		}
	}
	return out
}

// cmdTidy waits until no process of a job is left, and none of its working files:
// tidy. A supervisor ends a moment after its last report.
func cmdTidy(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: tidy")
	}
	home := ts.Getenv("CAIRN_HOME")
	var rest []string
	for range 1000 {
		rest = left(filepath.Join(home, "jobs"))
		for _, pattern := range []string{"jobs/*/work", "jobs/*/temp", "jobs/*/files", "blobs/tmp/*", "*.tmp", "repositories/*/*/index-*"} {
			found, err := filepath.Glob(filepath.Join(home, pattern))
			ts.Check(err)
			for _, f := range found {
				// The workspace of a failed job stays on purpose, and has a mark.
				_, err := os.Stat(filepath.Join(home, "kept", filepath.Base(filepath.Dir(f))))
				if err != nil || filepath.Base(f) == "files" {
					rest = append(rest, f)
				}
			}
		}
		if len(rest) == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("left over:\n%s", strings.Join(rest, "\n"))
}

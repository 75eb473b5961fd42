package server

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// portHolder finds who listens on a TCP port, among the processes that this
// user may look into.
func portHolder(port string) (pid int, name string) {
	n, err := strconv.Atoi(port)
	if err != nil {
		return 0, ""
	}
	suffix := fmt.Sprintf(":%04X", n)
	sockets := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		b, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		for _, line := range strings.Split(string(b), "\n") {
			f := strings.Fields(line)
			if len(f) > 9 && f[3] == "0A" && strings.HasSuffix(f[1], suffix) { // 0A: listening
				sockets["socket:["+f[9]+"]"] = true
			}
		}
	}
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err != nil || !sockets[to] {
			continue
		}
		parts := strings.Split(fd, "/")
		pid, _ := strconv.Atoi(parts[2])
		comm, _ := os.ReadFile("/proc/" + parts[2] + "/comm")
		return pid, string(comm)
	}
	return 0, ""
}

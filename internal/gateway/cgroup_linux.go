package gateway

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// groupRoot is where control groups are mounted.
const groupRoot = "/sys/fs/cgroup"

// limits are the control groups of one program, and what they hold it to.
type limits struct {
	dirs        []string
	memory, cpu bool
}

// makeLimits makes control groups below those of this process, as far as it may.
// Version 1 has one tree for each controller, version 2 one for all.
func makeLimits(name string, memory int64, cpu float64) limits {
	var l limits
	if memory <= 0 && cpu <= 0 {
		return l
	}
	own, _ := os.ReadFile("/proc/self/cgroup")
	for line := range strings.Lines(string(own)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		for _, c := range strings.Split(f[1], ",") {
			switch {
			case c == "memory" && memory > 0:
				l.add(groupDir("memory", f[2]), name, &l.memory, "memory.limit_in_bytes", strconv.FormatInt(memory, 10))
			case c == "cpu" && cpu > 0:
				l.add(groupDir("cpu", f[2]), name, &l.cpu, "cpu.cfs_quota_us", strconv.FormatInt(int64(cpu*100_000), 10))
			}
		}
		if f[0] == "0" {
			l.unified(groupDir("", f[2]), name, memory, cpu)
		}
	}
	return l
}

// groupDir is the folder of a group. Inside of a container the path of the group
// may be that of the machine outside; then it is the mount's own root.
func groupDir(controller, path string) string {
	dir := filepath.Join(groupRoot, controller, path)
	if _, err := os.Stat(filepath.Join(dir, "cgroup.procs")); err != nil {
		return filepath.Join(groupRoot, controller)
	}
	return dir
}

func (l *limits) unified(dir, name string, memory int64, cpu float64) {
	have, _ := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	for _, c := range strings.Fields(string(have)) {
		if c == "memory" && memory > 0 && !l.memory || c == "cpu" && cpu > 0 && !l.cpu {
			// Refused where the group has processes of its own and is not delegated.
			_ = os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+c), 0)
		}
	}
	if memory > 0 && !l.memory {
		l.add(dir, name, &l.memory, "memory.max", strconv.FormatInt(memory, 10))
	}
	if cpu > 0 && !l.cpu {
		l.add(dir, name, &l.cpu, "cpu.max", strconv.FormatInt(int64(cpu*100_000), 10)+" 100000")
	}
}

// add makes one group with one limit; done is set when it holds.
func (l *limits) add(parent, name string, done *bool, file, value string) {
	dir := filepath.Join(parent, name)
	if err := os.Mkdir(dir, 0o755); err != nil && !os.IsExist(err) {
		return
	}
	// Opened for writing only where it is there: a plain folder is no group.
	f, err := os.OpenFile(filepath.Join(dir, file), os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString(value)
		if e := f.Close(); err == nil {
			err = e
		}
	}
	if err != nil {
		removeGroup(dir)
		return
	}
	*done = true
	for _, d := range l.dirs {
		if d == dir {
			return
		}
	}
	l.dirs = append(l.dirs, dir)
}

// enter puts a process into the groups.
func (l *limits) enter(pid int) error {
	for _, d := range l.dirs {
		if err := os.WriteFile(filepath.Join(d, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0); err != nil {
			return err
		}
	}
	return nil
}

// outOfMemory reports whether the kernel ended a process of the groups.
func outOfMemory(dirs []string) bool {
	for _, d := range dirs {
		for _, name := range []string{"memory.oom_control", "memory.events"} {
			b, _ := os.ReadFile(filepath.Join(d, name))
			for line := range bytes.Lines(b) {
				if f := bytes.Fields(line); len(f) == 2 && string(f[0]) == "oom_kill" && string(f[1]) != "0" {
					return true
				}
			}
		}
	}
	return false
}

func removeGroups(dirs []string) {
	for _, d := range dirs {
		removeGroup(d)
	}
}

// removeGroup removes a group without processes; one with processes stays.
func removeGroup(dir string) {
	if strings.HasPrefix(dir, groupRoot+"/") {
		os.Remove(dir)
	}
}

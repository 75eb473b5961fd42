package server

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/runner/python"
)

// The results of checks.
const (
	checkOK      = "ok"
	checkWarning = "warning"
	checkFailed  = "failed"
	checkSkipped = "skipped"
)

// Doctor looks at the machine and at the home's own rows.
func (s *Server) Doctor(ctx context.Context) []client.Check {
	out := []client.Check{{Name: "server", Status: checkOK, Detail: fmt.Sprintf("%s, pid %d", s.url, os.Getpid())}}
	out = append(out, machineChecks(ctx, s.o.Home, s.tools)...)
	out = append(out, s.schemaCheck(ctx), s.staleCheck(ctx))
	return out
}

// MachineDoctor looks at the machine where no owner can be reached.
func MachineDoctor(ctx context.Context, home string, env []string, exe string) []client.Check {
	out := []client.Check{{Name: "server", Status: checkSkipped, Detail: "none runs for this home", Fix: "cairn serve"}}
	out = append(out, machineChecks(ctx, home, python.Tools{Home: home, UserHome: lookup(env, "HOME"), Environ: env, Exe: exe})...)
	return append(out, portCheck())
}

func machineChecks(ctx context.Context, home string, tools python.Tools) []client.Check {
	out := []client.Check{homeCheck(home), diskCheck(home), toolCheck(ctx, "git", true, "install git: it takes the code in", "--version")}
	out = append(out, pythonChecks(ctx, tools)...)
	out = append(out, toolCheck(ctx, "bash", true, "install bash: run steps use it", "--version"),
		toolCheck(ctx, "uv", false, "Cairn fetches its own through pip when a job first needs it", "--version"), clockCheck())
	return out
}

func homeCheck(home string) client.Check {
	c := client.Check{Name: "home", Status: checkOK, Detail: home}
	fail := func(err error) client.Check {
		c.Status, c.Detail, c.Fix = checkFailed, err.Error(), "set CAIRN_HOME to a folder that can be written"
		return c
	}
	if err := os.MkdirAll(home, 0o700); err != nil {
		return fail(err)
	}
	f, err := os.CreateTemp(home, ".doctor-*")
	if err != nil {
		return fail(err)
	}
	defer os.Remove(f.Name())
	if err := f.Close(); err != nil {
		return fail(err)
	}
	if fi, err := os.Stat(home); err == nil && fi.Mode().Perm()&0o077 != 0 {
		c.Status, c.Detail = checkWarning, fmt.Sprintf("%s is open to others (mode %o)", home, fi.Mode().Perm())
		c.Fix = "chmod 700 " + home
	}
	return c
}

// diskLow is the free space from which on a disk is called low.
const diskLow = 2 << 30

func diskCheck(home string) client.Check {
	free, ok := freeDisk(home)
	if !ok {
		return client.Check{Name: "disk", Status: checkSkipped, Detail: "free space is not known on " + runtime.GOOS}
	}
	c := client.Check{Name: "disk", Status: checkOK, Detail: fmt.Sprintf("%.1f GB free", float64(free)/1e9)}
	if free < diskLow {
		c.Status, c.Fix = checkWarning, "free some space, or move the home: CAIRN_HOME"
	}
	return c
}

func toolCheck(ctx context.Context, name string, needed bool, fix string, args ...string) client.Check {
	c := client.Check{Name: name, Status: checkOK}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	b, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		c.Status, c.Detail, c.Fix = checkSkipped, "not found", fix
		if needed {
			c.Status = checkFailed
		}
		return c
	}
	c.Detail, _, _ = strings.Cut(strings.TrimSpace(string(b)), "\n")
	return c
}

func pythonChecks(ctx context.Context, tools python.Tools) []client.Check {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	c := client.Check{Name: "python", Status: checkOK}
	found, err := tools.Interpreters(ctx)
	if err != nil || len(found) == 0 {
		c.Status, c.Detail = checkWarning, "no Python 3 was found"
		c.Fix = "install python3, or let setup-python fetch one where it can"
		return []client.Check{c}
	}
	var all []string
	for _, i := range found {
		all = append(all, fmt.Sprintf("%v (%s)", i.Version, i.Path))
	}
	c.Detail = strings.Join(all[:min(len(all), 8)], ", ")
	if n := len(all) - 8; n > 0 {
		c.Detail += fmt.Sprintf(" and %d more", n)
	}
	v := client.Check{Name: "venv", Status: checkOK, Detail: "python3 -m venv works"}
	if err := exec.CommandContext(ctx, found[0].Path, "-c", "import venv, ensurepip").Run(); err != nil {
		v.Status, v.Detail = checkWarning, found[0].Path+" lacks venv or ensurepip"
		v.Fix = "install the package that brings it (Debian, Ubuntu: python3-venv)"
	}
	return []client.Check{c, v}
}

func clockCheck() client.Check {
	now := time.Now()
	c := client.Check{Name: "clock", Status: checkOK, Detail: now.UTC().Format(time.RFC3339)}
	if now.Year() < 2025 {
		c.Status, c.Fix = checkFailed, "set the clock: certificates and tokens will be refused"
	}
	return c
}

func portCheck() client.Check {
	c := client.Check{Name: "port", Status: checkOK, Detail: DefaultListen + " is free"}
	l, err := net.Listen("tcp", DefaultListen)
	if err != nil {
		_, port, _ := net.SplitHostPort(DefaultListen)
		c.Status, c.Detail, c.Fix = checkWarning, DefaultListen+" is taken"+holder(port), "cairn serve --listen 127.0.0.1:PORT"
		return c
	}
	l.Close()
	return c
}

func (s *Server) schemaCheck(ctx context.Context) client.Check {
	c := client.Check{Name: "database", Status: checkOK}
	v, err := s.store.Schema(ctx)
	if err != nil {
		c.Status, c.Detail, c.Fix = checkFailed, err.Error(), "restore a copy from "+filepath.Join(s.o.Home, "backups")
		return c
	}
	c.Detail = fmt.Sprintf("schema %d", v)
	return c
}

// staleCheck looks for jobs that rows call running and that no supervisor runs.
func (s *Server) staleCheck(ctx context.Context) client.Check {
	c := client.Check{Name: "jobs", Status: checkOK}
	st, err := s.Status(ctx)
	if err != nil {
		c.Status, c.Detail = checkFailed, err.Error()
		return c
	}
	var stale []string
	for _, r := range st.ActiveRuns {
		jobs, err := s.store.Jobs(ctx, r.ID, r.Attempt, false)
		if err != nil {
			c.Status, c.Detail = checkFailed, err.Error()
			return c
		}
		for _, j := range jobs {
			if j.Status == cairn.StatusRunning && j.PID != 0 && !s.backend.Alive(j) {
				stale = append(stale, fmt.Sprint(j.ID))
			}
		}
	}
	c.Detail = fmt.Sprintf("%d of %d slots busy, %d waiting", st.Busy, st.Slots, len(st.Waiting))
	if len(stale) > 0 {
		c.Status, c.Detail = checkWarning, "running by their rows, without a supervisor: job "+strings.Join(stale, ", ")
		c.Fix = "they are ended at the next look of the engine; see " + st.Log
	}
	if n := leftFolders(filepath.Join(s.o.Home, "jobs")); n > 1000 {
		c.Detail += fmt.Sprintf("; %d folders of jobs are kept", n)
	}
	return c
}

func leftFolders(dir string) int {
	es, err := os.ReadDir(dir)
	if err != nil {
		return 0
	}
	n := 0
	for _, e := range es {
		if e.Type()&fs.ModeDir != 0 {
			n++
		}
	}
	return n
}

// Command bench measures what Cairn adds to the work itself: per job and per
// step beside a plain bash loop, start time, idle memory, size and, with -cold,
// a build with empty caches. It drives the built binary as a user would.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	cairn := flag.String("cairn", "bin/cairn", "the binary to measure")
	cold := flag.Bool("cold", false, "also build with an empty build cache")
	repeat := flag.Int("repeat", 3, "how often each workflow runs; the median counts")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *cairn, *cold, *repeat); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// scenario is one workflow and the bash that does the same work without Cairn.
type scenario struct {
	name     string
	units    int
	unit     string
	workflow string
	bash     string
}

func scenarios() []scenario {
	var steps, chain strings.Builder
	for i := range 100 {
		fmt.Fprintf(&steps, "      - run: 'true'\n")
		if i >= 20 {
			continue
		}
		fmt.Fprintf(&chain, "  j%d:\n    runs-on: ubuntu-latest\n", i)
		if i > 0 {
			fmt.Fprintf(&chain, "    needs: j%d\n", i-1)
		}
		fmt.Fprintf(&chain, "    steps:\n      - run: 'true'\n")
	}
	legs := make([]string, 50)
	for i := range legs {
		legs[i] = strconv.Itoa(i)
	}
	const head = "on: workflow_dispatch\njobs:\n"
	return []scenario{
		{"50 one-step jobs", 50, "job", head + "  m:\n    runs-on: ubuntu-latest\n    strategy: {matrix: {i: [" + strings.Join(legs, ", ") +
			"]}}\n    steps:\n      - run: 'true'\n", "for i in $(seq 50); do bash -e -c true; done"},
		{"100 steps", 100, "step", head + "  s:\n    runs-on: ubuntu-latest\n    steps:\n" + steps.String(),
			"for i in $(seq 100); do bash -e -c true; done"},
		{"chain of 20 jobs", 20, "job", head + chain.String(), "for i in $(seq 20); do bash -e -c true; done"},
	}
}

func run(ctx context.Context, cairn string, cold bool, repeat int) error {
	cairn, err := filepath.Abs(cairn)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "cairn-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	env := append(os.Environ(), "CAIRN_HOME="+filepath.Join(dir, "home"), "CI=1")
	command := func(name string, args ...string) *exec.Cmd {
		c := exec.CommandContext(ctx, name, args...)
		c.Dir, c.Env = filepath.Join(dir, "repo"), env
		return c
	}
	if err := os.MkdirAll(filepath.Join(dir, "repo/.github/workflows"), 0o755); err != nil {
		return err
	}
	for i, s := range scenarios() {
		f := filepath.Join(dir, "repo/.github/workflows", fmt.Sprintf("w%d.yml", i))
		if err := os.WriteFile(f, []byte(s.workflow), 0o644); err != nil {
			return err
		}
	}
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"add", "-A"},
		{"-c", "user.name=Bench", "-c", "user.email=bench@example.com", "commit", "-q", "-m", "bench"}} {
		if out, err := command("git", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("git %v: %w\n%s", args, err, out)
		}
	}
	defer func() {
		stop := exec.Command(cairn, "serve", "--stop")
		stop.Env = env
		stop.Run()
	}()

	fmt.Printf("%-28s %12s %12s %14s\n", "measured", "cairn", "bash loop", "added")
	for i, s := range scenarios() {
		ours, err := median(repeat, func() error {
			out, err := command(cairn, "run", "--workflow", fmt.Sprintf("w%d.yml", i), "--progress", "quiet").CombinedOutput()
			if err != nil {
				return fmt.Errorf("%s: %w\n%s", s.name, err, out)
			}
			return nil
		})
		if err != nil {
			return err
		}
		base, err := median(repeat, func() error { return command("bash", "-c", s.bash).Run() })
		if err != nil {
			return err
		}
		fmt.Printf("%-28s %12s %12s %9.1f ms/%s\n", s.name, ours.Round(time.Millisecond), base.Round(time.Millisecond),
			float64((ours-base).Microseconds())/1000/float64(s.units), s.unit)
	}
	start, err := median(20, func() error { return command(cairn, "version").Run() })
	if err != nil {
		return err
	}
	fmt.Printf("%-28s %12s\n", "start (cairn version)", start.Round(100*time.Microsecond))
	if rss, err := ownerMemory(filepath.Join(dir, "home")); err == nil {
		fmt.Printf("%-28s %9.1f MB\n", "owner, resident after runs", rss)
	} else {
		fmt.Printf("%-28s %12s (%v)\n", "owner, resident after runs", "-", err)
	}
	info, err := os.Stat(cairn)
	if err != nil {
		return err
	}
	fmt.Printf("%-28s %9.1f MB\n", "binary", float64(info.Size())/1e6)
	if act, err := exec.LookPath("act"); err == nil {
		peer(command, act)
	}
	if cold {
		return coldBuild(ctx, dir)
	}
	return nil
}

func median(n int, f func() error) (time.Duration, error) {
	var ds []time.Duration
	for range n {
		t := time.Now()
		if err := f(); err != nil {
			return 0, err
		}
		ds = append(ds, time.Since(t))
	}
	slices.Sort(ds)
	return ds[len(ds)/2], nil
}

// ownerMemory reads the resident size of the process that holds the home.
func ownerMemory(home string) (float64, error) {
	pids, err := filepath.Glob("/proc/[0-9]*/status")
	if err != nil || len(pids) == 0 {
		return 0, errors.New("no /proc here")
	}
	for _, p := range pids {
		environ, _ := os.ReadFile(filepath.Join(filepath.Dir(p), "environ"))
		cmdline, _ := os.ReadFile(filepath.Join(filepath.Dir(p), "cmdline"))
		if !strings.Contains(string(environ), "CAIRN_HOME="+home) || !strings.Contains(string(cmdline), "\x00serve") {
			continue
		}
		status, err := os.ReadFile(p)
		if err != nil {
			return 0, err
		}
		for line := range strings.Lines(string(status)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "VmRSS:" {
				kb, err := strconv.ParseFloat(f[1], 64)
				return kb / 1000, err
			}
		}
	}
	return 0, errors.New("no owner found")
}

// peer runs the same workflows with act in host mode where it is installed.
func peer(command func(string, ...string) *exec.Cmd, act string) {
	for i, s := range scenarios() {
		d, err := median(1, func() error {
			return command(act, "workflow_dispatch", "-P", "ubuntu-latest=-self-hosted", "-W", fmt.Sprintf(".github/workflows/w%d.yml", i)).Run()
		})
		if err != nil {
			fmt.Printf("%-28s %12s (%v)\n", "act: "+s.name, "-", err)
			continue
		}
		fmt.Printf("%-28s %12s\n", "act: "+s.name, d.Round(time.Millisecond))
	}
}

func coldBuild(ctx context.Context, dir string) error {
	c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", filepath.Join(dir, "cold"), "./cmd/cairn")
	c.Env = append(os.Environ(), "GOCACHE="+filepath.Join(dir, "gocache"))
	t := time.Now()
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("cold build: %w\n%s", err, out)
	}
	fmt.Printf("%-28s %12s\n", "build, empty build cache", time.Since(t).Round(100*time.Millisecond))
	return nil
}

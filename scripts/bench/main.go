// Command bench measures what Cairn adds to the work itself: per job and per
// step beside a plain bash loop, images beside docker, the way from a push to a
// live API, the gateway beside the bare program, start time, memory, size and,
// with -cold, a build with empty caches. It drives the built binary as a user would.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == serveWord {
		serve()
		return
	}
	cairn := flag.String("cairn", "bin/cairn", "the binary to measure")
	cold := flag.Bool("cold", false, "also build with an empty build cache")
	repeat := flag.Int("repeat", 3, "how often each thing is done; the median counts")
	act := flag.Bool("act", false, "build nektos/act from its Go module and measure it too")
	only := flag.String("only", "", "jobs, pipelines, delivery or gateway: only these figures")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *cairn, *cold, *act, *repeat, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench is a scratch folder with a home and repositories, and what is measured there.
type bench struct {
	ctx    context.Context
	cairn  string // the binary
	dir    string
	env    []string
	repeat int
	act    bool // build act for the comparison
}

func (b *bench) home() string { return filepath.Join(b.dir, "home") }

// command is one in a folder of the scratch folder.
func (b *bench) command(in, name string, args ...string) *exec.Cmd {
	c := exec.CommandContext(b.ctx, name, args...)
	c.Dir, c.Env = filepath.Join(b.dir, in), b.env
	return c
}

// run runs a command; what it printed is part of the error.
func (b *bench) run(in, name string, args ...string) (string, error) {
	var out, errs strings.Builder
	c := b.command(in, name, args...)
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s%s", filepath.Base(name), strings.Join(args, " "), err, out.String(), errs.String())
	}
	return strings.TrimSpace(out.String()), nil
}

// files writes files into a folder of the scratch folder.
func (b *bench) files(in string, files map[string]string) error {
	for name, text := range files {
		path := filepath.Join(b.dir, in, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) commit(in, message string) error {
	if _, err := b.run(in, "git", "add", "-A"); err != nil {
		return err
	}
	_, err := b.run(in, "git", "-c", "user.name=Bench", "-c", "user.email=bench@example.com", "-c", "commit.gpgsign=false", "commit", "-q", "-m", message)
	return err
}

// row prints a line of the table: what was measured, here and by a peer, and what
// the difference comes to.
func row(name, ours, peer, note string) {
	fmt.Println(strings.TrimRight(fmt.Sprintf("%-34s %12s %14s   %s", name, ours, peer, note), " "))
}

// missing prints why something could not be measured.
func missing(name string, err error) {
	line, _, _ := strings.Cut(err.Error(), "\n")
	row(name, "-", "", "("+line+")")
}

func ms(d time.Duration) string {
	if d < 10*time.Millisecond {
		return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000)
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}

func run(ctx context.Context, cairn string, cold, act bool, repeat int, only string) (err error) {
	cairn, err = filepath.Abs(cairn)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "cairn-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{ctx: ctx, cairn: cairn, dir: dir, repeat: repeat, act: act}
	// Jobs call cairn too, and a server, token or tracking address of the caller's
	// has no part in this.
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, "CAIRN_") && !strings.HasPrefix(name, "MLFLOW_") && !strings.HasPrefix(name, "GIT_") && name != "PATH" {
			b.env = append(b.env, kv)
		}
	}
	b.env = append(b.env, "PATH="+filepath.Dir(cairn)+":"+os.Getenv("PATH"), "CAIRN_HOME="+b.home(), "CI=1", "GIT_TERMINAL_PROMPT=0")
	port, err := freePorts(16)
	if err != nil {
		return err
	}
	config := fmt.Sprintf("listen: 127.0.0.1:%d\nstage_port: %d\n", port, port+1)
	if runtime.GOOS == "linux" {
		config += "serving: root\n" // the same with and without a Docker daemon
	}
	if err := b.files("home", map[string]string{"config.yaml": config}); err != nil {
		return err
	}
	defer b.stop()

	row("measured", "cairn", "peer", "")
	parts := []struct {
		name string
		do   func() error
	}{{"jobs", b.jobs}, {"pipelines", b.pipelines}, {"delivery", b.delivery}, {"gateway", b.gateway}, {"azure", b.azure}}
	for _, p := range parts {
		if only != "" && only != p.name {
			continue
		}
		if err := p.do(); err != nil {
			return err
		}
	}
	b.memory()
	start, err := median(20, func() error { return b.command(".", cairn, "version").Run() })
	if err != nil {
		return err
	}
	row("start (cairn version)", ms(start), "", "")
	info, err := os.Stat(cairn)
	if err != nil {
		return err
	}
	row("binary", fmt.Sprintf("%.1f MB", float64(info.Size())/1e6), "", "")
	if cold {
		return b.coldBuild()
	}
	return nil
}

// stop ends the stages and the server, whatever happened.
func (b *bench) stop() {
	b.ctx = context.WithoutCancel(b.ctx)
	list, _ := b.run(".", b.cairn, "status", "--jq", `.stages[]? | .stage.name + ":" + .stage.repository`)
	for line := range strings.Lines(list) {
		if stage, repo, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			_, _ = b.run(".", b.cairn, "stop", stage, "--repo", repo)
		}
	}
	_, _ = b.run(".", b.cairn, "serve", "--stop")
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
	return middle(ds), nil
}

func middle(ds []time.Duration) time.Duration {
	slices.Sort(ds)
	return ds[len(ds)/2]
}

// freePorts finds a row of ports that nobody listens on.
func freePorts(n int) (int, error) {
	for range 50 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return 0, err
		}
		first := l.Addr().(*net.TCPAddr).Port
		l.Close()
		free := first+n < 65000
		for p := first; free && p < first+n; p++ {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", p))
			if free = err == nil; free {
				l.Close()
			}
		}
		if free {
			return first, nil
		}
	}
	return 0, errors.New("no free ports")
}

func (b *bench) coldBuild() error {
	c := exec.CommandContext(b.ctx, "go", "build", "-trimpath", "-o", filepath.Join(b.dir, "cold"), "./cmd/cairn")
	c.Env = append(os.Environ(), "GOCACHE="+filepath.Join(b.dir, "gocache"))
	t := time.Now()
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("cold build: %w\n%s", err, out)
	}
	row("build, empty build cache", fmt.Sprintf("%.1f s", time.Since(t).Seconds()), "", "")
	return nil
}

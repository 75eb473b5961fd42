package task

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
	"golang.org/x/sync/errgroup"
)

// member is one process of a command that is spread over several.
type member struct {
	mark   string
	env    map[string]string
	serves bool // it works for the others, and ends with them
}

// runSpread runs a command as several processes of this machine, each told who it is. The
// first that fails ends the others.
func runSpread(ctx context.Context, c *runner.StepContext, text string, env map[string]string, log *taskLog) (int, error) {
	s := c.Spec.Task.Task.Spread
	members, err := membersOf(s, env)
	if err != nil {
		return 0, err
	}
	c.Logf("%d processes on this machine (%s)", len(members), s.Kind)
	if mpi, ok := findProgram(c, "mpirun", env["PATH"]); ok && s.Kind == "mpi" {
		p, err := shell(c, text, env, "command")
		if err != nil {
			return 0, err
		}
		p.Args = append([]string{mpi, "--allow-run-as-root", "--oversubscribe", "-n", strconv.Itoa(len(members))}, p.Args...)
		p.Stdout, p.Stderr = log, log
		return c.Exec(ctx, p)
	}
	if s.Kind == "mpi" && len(members) > 1 {
		c.Warn("there is no mpirun on this machine: the %d processes know their ranks, and calls between them (MPI_Send, allreduce) do not work", len(members))
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	// Parameter servers never end by themselves: they do with the last worker.
	var working atomic.Int64
	for _, m := range members {
		if !m.serves {
			working.Add(1)
		}
	}
	var g errgroup.Group
	codes := make([]int, len(members))
	first := make(chan int, len(members))
	for i, m := range members {
		g.Go(func() error {
			p, err := shell(c, text, m.env, "command"+strconv.Itoa(i))
			if err != nil {
				return err
			}
			out := &prefixed{to: log, mark: m.mark}
			p.Stdout, p.Stderr = out, out
			code, err := c.Exec(ctx, p)
			out.flush()
			if err != nil {
				if ctx.Err() != nil {
					return nil // another one failed, or the job was cancelled
				}
				return err
			}
			if codes[i] = code; code != 0 {
				first <- code
				stop()
			}
			if !m.serves && working.Add(-1) == 0 {
				stop()
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return 0, err
	}
	select {
	case code := <-first:
		return code, nil
	default:
		return 0, nil
	}
}

// membersOf gives each process its variables, under the names that its framework reads.
func membersOf(s *cairn.Spread, env map[string]string) ([]member, error) {
	var out []member
	add := func(mark string, vars map[string]string) {
		e := maps.Clone(env)
		if e == nil {
			e = map[string]string{}
		}
		maps.Copy(e, vars)
		out = append(out, member{mark: mark, env: e, serves: strings.HasPrefix(mark, "ps ")})
	}
	switch s.Kind {
	case "pytorch":
		ports, err := freePorts(1)
		if err != nil {
			return nil, err
		}
		world := s.Nodes * s.Processes
		for rank := range world {
			add(strconv.Itoa(rank), map[string]string{
				"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": strconv.Itoa(ports[0]), "WORLD_SIZE": strconv.Itoa(world), "RANK": strconv.Itoa(rank),
				"LOCAL_RANK": strconv.Itoa(rank % s.Processes), "NODE_RANK": strconv.Itoa(rank / s.Processes), "LOCAL_WORLD_SIZE": strconv.Itoa(s.Processes),
			})
		}
	case "mpi":
		world := s.Nodes * s.Processes
		for rank := range world {
			add(strconv.Itoa(rank), map[string]string{
				"OMPI_COMM_WORLD_SIZE": strconv.Itoa(world), "OMPI_COMM_WORLD_RANK": strconv.Itoa(rank), "OMPI_COMM_WORLD_LOCAL_SIZE": strconv.Itoa(s.Processes),
				"OMPI_COMM_WORLD_LOCAL_RANK": strconv.Itoa(rank % s.Processes), "OMPI_COMM_WORLD_NODE_RANK": strconv.Itoa(rank / s.Processes),
				"OMPI_UNIVERSE_SIZE": strconv.Itoa(world),
			})
		}
	case "tensorflow":
		if s.Workers+s.Servers == 0 {
			return nil, cairn.Errorf(cairn.CodeInvalid, "the distribution has no worker")
		}
		ports, err := freePorts(s.Workers + s.Servers)
		if err != nil {
			return nil, err
		}
		cluster := map[string][]string{}
		for i := range s.Workers {
			cluster["worker"] = append(cluster["worker"], "127.0.0.1:"+strconv.Itoa(ports[i]))
		}
		for i := range s.Servers {
			cluster["ps"] = append(cluster["ps"], "127.0.0.1:"+strconv.Itoa(ports[s.Workers+i]))
		}
		task := func(kind string, n int) error {
			b, err := json.Marshal(map[string]any{"cluster": cluster, "task": map[string]any{"type": kind, "index": n}})
			if err == nil {
				add(fmt.Sprintf("%s %d", kind, n), map[string]string{"TF_CONFIG": string(b)})
			}
			return err
		}
		for i := range s.Workers {
			if err := task("worker", i); err != nil {
				return nil, err
			}
		}
		for i := range s.Servers {
			if err := task("ps", i); err != nil {
				return nil, err
			}
		}
	default:
		return nil, cairn.Errorf(cairn.CodeUnsupported, "the distribution %s is not run here", s.Kind)
	}
	return out, nil
}

// freePorts finds ports of this machine that nobody listens on. Somebody may take one
// before it is used; then the command says so.
func freePorts(n int) ([]int, error) {
	var out []int
	var held []net.Listener
	defer func() {
		for _, l := range held {
			l.Close()
		}
	}()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, cairn.Errorf(cairn.CodeFailed, "no port is free: %w", err)
		}
		held = append(held, l)
		out = append(out, l.Addr().(*net.TCPAddr).Port)
	}
	return out, nil
}

// findProgram finds a program where the command runs.
func findProgram(c *runner.StepContext, name, path string) (string, bool) {
	if c.InContainer && c.LookPath != nil {
		full, err := c.LookPath(name)
		return full, err == nil
	}
	return lookPath(name, path)
}

// lookPath finds a program in a list of folders.
func lookPath(name, path string) (string, bool) {
	for _, dir := range filepath.SplitList(path) {
		full := filepath.Join(dir, name)
		if fi, err := os.Stat(full); err == nil && !fi.IsDir() && fi.Mode()&0o111 != 0 {
			return full, true
		}
	}
	return "", false
}

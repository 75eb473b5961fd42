package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli"
	"github.com/cairn-ml/cairn/internal/cli/status"
	"github.com/cairn-ml/cairn/internal/deploy/local/enter"
	"github.com/cairn-ml/cairn/internal/git"
	"github.com/cairn-ml/cairn/internal/runner"
	"github.com/cairn-ml/cairn/internal/runner/action"
	"github.com/cairn-ml/cairn/internal/runner/azureml"
	"github.com/cairn-ml/cairn/internal/runner/docker/inside"
	"github.com/cairn-ml/cairn/internal/runner/environment"
	"github.com/cairn-ml/cairn/internal/runner/host"
	"github.com/cairn-ml/cairn/internal/runner/python"
	"github.com/cairn-ml/cairn/internal/runner/task"
	"github.com/cairn-ml/cairn/internal/runner/task/pylib"
)

// Process is what Main gets from the operating system.
type Process struct {
	Args           []string // with the program's name
	Env            []string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// Main is the program: it dispatches to the supervisor, the pip of jobs or the
// command line, and returns the exit code.
func Main(ctx context.Context, p Process) int {
	if len(p.Args) > 2 {
		switch p.Args[1] {
		case "_job":
			return supervise(ctx, p)
		case "_stage":
			return stageMain(ctx, p)
		case "_contained":
			return inside.Main(p.Args[2:], p.Stderr)
		case "_enter":
			return enter.Main(ctx, p.Args[2:], p.Env, p.Stderr)
		case "_register-model":
			return registerModelMain(ctx, p)
		case "_yaml":
			return pylib.YAMLMain(p.Args[2:], p.Stdout, p.Stderr)
		case "_pip":
			return python.PipMain(ctx, p.Args[2:], p.Env, python.Stdio{In: p.Stdin, Out: p.Stdout, Err: p.Stderr})
		}
	}
	env := func(name string) string { return lookup(p.Env, name) }
	var args []string
	if len(p.Args) > 0 && filepath.Base(p.Args[0]) == "az" {
		p.Args = append([]string{"cairn", "az"}, p.Args[1:]...) // a link of that name
	}
	if len(p.Args) > 1 {
		args = p.Args[1:]
	}
	return cli.Main(ctx, cli.Options{
		Args: args, Stdin: p.Stdin, Stdout: p.Stdout, Stderr: p.Stderr, Env: env, Version: Version(),
		Connect: func(ctx context.Context) (*client.Client, error) { return connect(ctx, p.Env, true) },
		ConnectAs: func(ctx context.Context, token string) (*client.Client, error) {
			return connectAs(ctx, p.Env, token, lookup(p.Env, "CAIRN_TOKEN"), true)
		},
		Peek:  func(ctx context.Context) (*client.Client, error) { return connect(ctx, p.Env, false) },
		Serve: func(ctx context.Context, o cli.ServeOptions) error { return serve(ctx, p, o) },
		Away:  func(ctx context.Context) []status.Away { return stagesAway(ctx, env) },
		Doctor: func(ctx context.Context) []client.Check {
			home, err := Home(env)
			if err != nil {
				return []client.Check{{Name: "home", Status: checkFailed, Detail: err.Error()}}
			}
			exe, _ := os.Executable() // only where pip of a job would be called from
			return MachineDoctor(ctx, home, p.Env, exe)
		},
		Image: imageTools(p.Env), Needs: environmentNeeds, Curated: environment.Curated, SDK: azureml.Write, InstallSDK: azureml.Install, SDKWheels: sdkWheels,
	})
}

func sdkWheels(dir, version string) ([]string, error) {
	made, err := azureml.Wheels(dir, version)
	var paths []string
	for _, m := range made {
		paths = append(paths, m.Wheel)
	}
	return paths, err
}

// Version is that of the module, or of the commit it was built from.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return "0.0.0-" + s.Value[:min(len(s.Value), 12)]
		}
	}
	return "0.0.0"
}

// connect reaches the owner: under an address where the environment gives one
// (in a job it always does), else on the socket of the home.
func connect(ctx context.Context, env []string, start bool) (*client.Client, error) {
	return connectAs(ctx, env, lookup(env, "CAIRN_TOKEN"), "", start)
}

// connectAs does so with a token of its own, in a job whose token is another.
func connectAs(ctx context.Context, env []string, token, job string, start bool) (*client.Client, error) {
	o := client.Options{URL: lookup(env, "CAIRN_URL"), Token: token, Job: job, AutoStart: start, Env: env}
	if o.URL == "" {
		home, err := Home(func(name string) string { return lookup(env, name) })
		if err != nil {
			return nil, err
		}
		o.Home = home
	}
	if !start {
		o.Patience = time.Nanosecond
	}
	return client.Connect(ctx, o)
}

// supervise is `cairn _job FOLDER`.
func supervise(ctx context.Context, p Process) int {
	dir := p.Args[2]
	home := filepath.Dir(filepath.Dir(dir))
	exe, err := os.Executable()
	if err != nil {
		fmt.Fprintln(p.Stderr, "cairn:", err)
		return 1
	}
	// The modes of a check-out come into images and artifacts: they shall not depend
	// on who started the server. The home lets only its owner in.
	syscall.Umask(0o022)
	g := git.New(git.Options{Env: p.Env})
	tools := python.Tools{Home: home, UserHome: lookup(p.Env, "HOME"), Environ: p.Env, Exe: exe}
	return host.SupervisorMain(ctx, dir, p.Stdin, host.Deps{
		Registry: task.New(action.New(action.Deps{
			Checkout: func(ctx context.Context, code cairn.CodeRef, dir string, o action.CheckoutOptions) (cairn.Commit, error) {
				return g.Checkout(ctx, code, dir, git.CheckoutOptions(o))
			},
			Other: git.Sibling,
			Tools: tools,
			Build: buildInJob(tools),
		}), task.Deps{Environments: &environment.Host{Tools: tools, Dir: environmentsDir(home), Layers: imageLayers{tools}}}),
		NewServer: func(url, token string) runner.Server {
			c, err := client.New(client.Options{URL: url, Token: token})
			if err != nil || url == "" {
				return nil
			}
			return c
		},
		Containers: jobContainers(p.Env, exe),
		Ended:      func(ctx context.Context) { wake(ctx, home, exe, p.Env) },
	})
}

// wakeLooks is how often a supervisor looks for an owner before it starts one:
// the one that leaves in good order says last whether one is needed.
const wakeLooks = 10

// wake makes sure that an owner takes in the end of a job: where none runs, one
// is started, so that the jobs after it begin.
func wake(ctx context.Context, home, exe string, env []string) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for try := range wakeLooks {
		if !readRecorded(home).needed() {
			return
		}
		o := client.Options{Home: home, AutoStart: try == wakeLooks-1, Exec: exe, Env: env, Patience: 10 * time.Second}
		if c, err := client.Connect(ctx, o); err == nil {
			c.Close()
			return
		}
		time.Sleep(30 * time.Millisecond)
	}
}

// serve is `cairn serve`.
func serve(ctx context.Context, p Process, o cli.ServeOptions) error {
	home, err := Home(func(name string) string { return lookup(p.Env, name) })
	if err != nil {
		return err
	}
	opts := Options{
		Home: home, Version: Version(), Listen: o.Listen, Exposed: o.Exposed, Detached: o.Detached, Idle: o.Idle, Env: p.Env,
	}
	if o.Detached {
		return detached(ctx, p, opts)
	}
	s, err := takeOver(ctx, opts)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.Stderr, "Cairn answers at %s (home %s). Ctrl-C ends it; jobs go on.\n", s.URL(), home)
	return waitAndClose(ctx, s)
}

// detached tells its starter on standard output how it went, and then runs
// without one.
func detached(ctx context.Context, p Process, o Options) error {
	s, err := Start(ctx, o)
	ready := client.Ready{Ready: err == nil}
	if errors.Is(err, errOwned) {
		ready.Busy = true
	} else if err != nil {
		ready.Error = cairn.AsError(err)
	}
	if werr := json.NewEncoder(p.Stdout).Encode(ready); werr != nil && err == nil {
		// Nobody waits any more: whoever started this one ended. It serves anyway.
		werr = nil
	}
	if f, ok := p.Stdout.(*os.File); ok {
		f.Close() // the starter's pipe: nothing else is written there
	}
	if ready.Busy {
		return nil
	}
	if err != nil {
		return err
	}
	return waitAndClose(ctx, s)
}

func waitAndClose(ctx context.Context, s *Server) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()
	select {
	case <-ctx.Done():
	case <-s.Done():
	}
	if !s.ours() {
		return errors.Join(cairn.Errorf(cairn.CodeUnavailable, "the home %s was removed: this server ended", s.o.Home), s.Close())
	}
	return s.Close()
}

// takeOverPatience is how long an owner that leaves may take.
const takeOverPatience = 20 * time.Second

// takeOver starts an owner, after asking one that a command started to leave.
// Commands that find none meanwhile wait: they start one under the same lock.
func takeOver(ctx context.Context, o Options) (*Server, error) {
	if err := client.MakeHome(o.Home); err != nil {
		return nil, err
	}
	unlock, err := client.LockFile(ctx, filepath.Join(o.Home, "start.lock"))
	if err != nil {
		return nil, client.HomeError(o.Home, err)
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(ctx, takeOverPatience)
	defer cancel()
	asked := false
	for {
		s, err := Start(context.WithoutCancel(ctx), o)
		if !errors.Is(err, errOwned) {
			return s, err
		}
		if !asked {
			if asked, err = askToLeave(ctx, o.Home); err != nil {
				return nil, err
			}
		}
		select {
		case <-ctx.Done():
			return nil, cairn.Errorf(cairn.CodeUnavailable, "the server that owns %s does not leave: %w", o.Home, ctx.Err()).
				WithHint("cairn status shows it; cairn serve --stop ends it")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// askToLeave asks a self-started owner to hand over; another one stays.
func askToLeave(ctx context.Context, home string) (bool, error) {
	c, err := client.Connect(ctx, client.Options{Home: home, Patience: time.Nanosecond})
	if err != nil {
		return false, nil // it starts, or leaves already: looked at again
	}
	defer c.Close()
	st, err := c.Status(ctx)
	if err != nil {
		return false, nil
	}
	if !st.SelfStarted {
		return false, cairn.Errorf(cairn.CodeConflict, "a server runs for this home already: %s, pid %d", st.URL, st.PID).
			WithHint("cairn serve --stop ends it")
	}
	return true, c.Handover(ctx)
}

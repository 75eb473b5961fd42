// Package cli is the command line of Cairn: one folder per command, all of them
// handed the same [kit.Kit]. It talks to the owner of a home only through
// api/client; what needs no owner (lint, plan, completion) starts none.
package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/image"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/serve"
	"github.com/cairn-ml/cairn/internal/cli/status"
	"github.com/cairn-ml/cairn/internal/cli/term"
)

// Options are all that the command line gets from its process.
type Options struct {
	Args           []string // without the program's name
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Env            func(string) string // nil: looks into Environ
	Environ        []string            // nil: the process's
	Dir            string              // "": the process's
	Version        string
	Now            func() time.Time // nil: time.Now

	// Connect reaches the owner and starts one where none runs; Peek only reaches
	// one that runs (status, serve --stop, completion).
	Connect func(context.Context) (*client.Client, error)
	Peek    func(context.Context) (*client.Client, error)
	// ConnectAs reaches the owner with a token of its own.
	ConnectAs func(ctx context.Context, token string) (*client.Client, error)
	// Serve owns the home until ctx ends or somebody asks it to leave.
	Serve func(context.Context, ServeOptions) error
	// Doctor looks at the machine where no owner can be reached.
	Doctor func(context.Context) []client.Check
	// Away lists the stages that go on where no server runs.
	Away func(context.Context) []status.Away
	// Image builds images on this machine.
	Image image.Tools
	// Needs and Curated read environments, see az.Tools.
	Needs   func(cairn.TaskEnvironment) (python string, requirements, notes []string, err error)
	Curated func(name string) (cairn.TaskEnvironment, bool)
	// SDK writes the package that stands in for azureml into a folder.
	SDK func(dir string) error
	// InstallSDK does so below a folder, once for each content, and says where.
	InstallSDK func(dir string) (string, error)
	// SDKWheels writes wheels of it into a folder, and says which.
	SDKWheels func(dir, version string) ([]string, error)
}

// ServeOptions are the flags of cairn serve.
type ServeOptions = serve.Request

// Main runs one command line and returns the exit code. The first interrupt
// ends the command's context, and the command says what that means; at the second
// it leaves, after what Kit.OnInsist asked for.
func Main(ctx context.Context, o Options) int {
	if o.Environ == nil {
		o.Environ = os.Environ()
	}
	if o.Env == nil {
		o.Env = lookup(o.Environ)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Dir == "" {
		dir, err := os.Getwd()
		if err != nil {
			fmt.Fprintf(o.Stderr, "error: the current folder cannot be read: %v\n", err)
			return kit.ExitFailed
		}
		o.Dir = dir
	}
	k := &kit.Kit{
		Term: term.New(o.Stdin, o.Stdout, o.Stderr, o.Env), Env: o.Env, Environ: o.Environ, Dir: o.Dir,
		Version: o.Version, Now: o.Now, Dial: o.Connect, Peek: o.Peek,
	}
	for _, a := range o.Args {
		// Seen here too, so that an error before the flags are read is JSON as well.
		if a == "--" {
			break
		}
		if a == "--json" || strings.HasPrefix(a, "--json=") || a == "--jq" || strings.HasPrefix(a, "--jq=") {
			k.WantJSON()
		}
	}
	root := newRoot(k, o)
	root.SetArgs(o.Args)
	if o.Args == nil {
		root.SetArgs([]string{})
	}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	interrupts := make(chan os.Signal, 2)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(interrupts)
	done := make(chan error, 1)
	go func() { done <- root.ExecuteContext(ctx) }()
	var interrupted time.Time
	for {
		select {
		case err := <-done:
			k.ShowError(err)
			return kit.ExitCode(err)
		case <-interrupts:
			if !interrupted.IsZero() && o.Now().Sub(interrupted) < oneInterrupt {
				continue
			}
			if !interrupted.IsZero() {
				insist, stop := context.WithTimeout(context.WithoutCancel(ctx), insistFor)
				k.Insist(insist)
				stop()
				k.ShowError(cairn.Errorf(cairn.CodeCanceled, "left at once"))
				return kit.ExitInterrupted
			}
			interrupted = o.Now()
			cancel()
		}
	}
}

// oneInterrupt is how long further signals belong to the first: timeout(1) and
// others send theirs to the process and then to its group.
const oneInterrupt = 200 * time.Millisecond

// insistFor bounds what a second interrupt may still do.
const insistFor = 3 * time.Second

// lookup finds variables in an environment; the last of several wins, as it
// does for programs that are started with it.
func lookup(environ []string) func(string) string {
	vars := make(map[string]string, len(environ))
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		vars[name] = value
	}
	return func(name string) string { return vars[name] }
}

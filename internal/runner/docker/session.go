package docker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
	"github.com/cairn-ml/cairn/internal/runner/process"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// Options are what a Session is told of its job.
type Options struct {
	// Getenv gives what names the engine, see Connect.
	Getenv func(string) string
	// Host is the machine of the job itself: its folders are mounted.
	Host runner.Machine
	// Dir is a folder of the job for the lines to its containers.
	Dir string
	// Owner labels what is made.
	Owner Owner
	// Exe is this program, a static one for Linux: it is what runs in the job's
	// container.
	Exe string
	// Node is a node program that may be lent to containers; "" is none.
	Node string
	// URL is the owner's address as the job is told it, Socket where it listens for
	// jobs, Token what the job shows there.
	URL, Socket, Token string
	// Made is called before the first thing is made at an engine: whoever cleans up
	// after a supervisor that was killed has to know. Gone is called when nothing is
	// left.
	Made func() error
	Gone func()
	// Held says what Cairn's registry holds. nil: nothing.
	Held  Held
	Grace process.Grace
	// Force, once closed, ends processes without grace.
	Force <-chan struct{}
	// UserHome is the home of the user, for what docker login has kept.
	UserHome string
	// Anonymous leaves that out: images are asked for as anybody would.
	Anonymous bool
	Logger    *slog.Logger
}

// Session runs the containers of one job. Its methods may be called concurrently.
type Session struct {
	o        Options
	listenOn func(address string) (net.Listener, error)

	mu      sync.Mutex // of what follows
	engine  *Engine
	network string // name; "" until there is one
	gateway string
	bridge  *bridge
	to      rewriter // addresses that containers reach
	job     *machine
	served  []service
	volumes []string // named ones that were made
	marked  bool
	podman  bool
	hosts   []string // NAME:ADDRESS of services, where the engine may not resolve names
	foreign bool     // the engine's root is not the user that runs this
}

var _ runner.Containers = (*Session)(nil)

// service is a container that runs beside the steps.
type service struct {
	id, container, image string
}

// New makes a session. Nothing is done yet.
func New(o Options) *Session {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Session{
		o: o, to: rewriter{from: hostPort(o.URL)},
		listenOn: func(a string) (net.Listener, error) { return net.Listen("tcp", a) },
	}
}

// connect reaches the engine, once.
func (s *Session) connect(ctx context.Context) (*Engine, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.engine != nil {
		return s.engine, nil
	}
	e, err := Connect(ctx, s.o.Getenv)
	if err != nil {
		return nil, err
	}
	info, err := e.Info(ctx, client.InfoOptions{})
	if err != nil {
		return nil, failed("the engine does not say what it is", err)
	}
	if info.Info.OSType != "linux" {
		return nil, cairn.Errorf(cairn.CodeUnsupported, "the engine at %s runs %s containers; jobs need Linux ones", e.Address, info.Info.OSType)
	}
	rootless := false
	for _, opt := range info.Info.SecurityOptions {
		rootless = rootless || strings.Contains(opt, "rootless")
	}
	if v, err := e.ServerVersion(ctx, client.ServerVersionOptions{}); err == nil {
		for _, c := range v.Components {
			s.podman = s.podman || strings.Contains(c.Name, "Podman")
		}
	}
	s.foreign = os.Getuid() != 0 && !rootless
	s.engine = e
	return e, nil
}

// mark makes sure that what is about to be made is found again.
func (s *Session) mark() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.marked || s.o.Made == nil {
		return nil
	}
	if err := s.o.Made(); err != nil {
		return fmt.Errorf("the job cannot note that it has containers: %w", err)
	}
	s.marked = true
	return nil
}

func (s *Session) puller(e *Engine) *puller {
	config := s.o.Getenv("DOCKER_CONFIG")
	if config == "" && s.o.UserHome != "" {
		config = filepath.Join(s.o.UserHome, ".docker")
	}
	if s.o.Anonymous {
		config = ""
	}
	return &puller{engine: e, held: s.o.Held, token: s.o.Token, config: config, sleep: sleep}
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// Start starts the services of a job and the container its steps run in.
func (s *Session) Start(ctx context.Context, j runner.JobContainers, log io.Writer) (*runner.StartedContainers, error) {
	group(log, "Checking the container engine")
	e, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(log, "Engine: %s, API version %s\n", e.Address, e.Version)
	endGroup(log)
	group(log, "Create local container network")
	if err := s.connectNetwork(ctx, e, log); err != nil {
		return nil, err
	}
	endGroup(log)
	out := &runner.StartedContainers{Network: s.network}
	for i := range j.Services {
		if err := s.startService(ctx, e, &j.Services[i], log); err != nil {
			return nil, err
		}
	}
	if j.Container != nil {
		m, err := s.startJob(ctx, e, j.Container, log)
		if err != nil {
			return nil, err
		}
		out.Machine, out.Container = m, m.container
	}
	if len(s.served) == 0 {
		return out, nil
	}
	group(log, "Waiting for all services to be ready")
	for _, svc := range s.served {
		started, err := s.ready(ctx, e, svc, log)
		if err != nil {
			return nil, err
		}
		out.Services = append(out.Services, *started)
	}
	endGroup(log)
	return out, nil
}

func group(log io.Writer, title string) { fmt.Fprintf(log, "##[group]%s\n", title) }
func endGroup(log io.Writer)            { fmt.Fprintln(log, "##[endgroup]") }

// connectNetwork makes the job's network, once, and listens for it.
func (s *Session) connectNetwork(ctx context.Context, e *Engine, log io.Writer) error {
	if err := s.mark(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.network != "" {
		return nil
	}
	name := "github_network_" + strings.ToLower(rand.Text())
	if _, err := e.NetworkCreate(ctx, name, client.NetworkCreateOptions{Driver: "bridge", Labels: s.o.Owner.labels()}); err != nil {
		return failed("the network of the job cannot be made", err)
	}
	s.network = name
	if log != nil {
		fmt.Fprintln(log, name)
	}
	n, err := e.NetworkInspect(ctx, name, client.NetworkInspectOptions{})
	if err != nil {
		return failed("the network of the job cannot be looked at", err)
	}
	s.gateway = gatewayOf(n.Network.Network)
	s.listen(log)
	return nil
}

func gatewayOf(n network.Network) string {
	for _, c := range n.IPAM.Config {
		if c.Gateway.IsValid() && c.Gateway.Is4() {
			return c.Gateway.String()
		}
	}
	for _, c := range n.IPAM.Config {
		// Some engines leave the gateway out: it is the first address.
		if c.Subnet.IsValid() && c.Subnet.Addr().Is4() {
			return c.Subnet.Masked().Addr().Next().String()
		}
	}
	return ""
}

// listen opens the way to the owner.
func (s *Session) listen(log io.Writer) {
	if s.o.Socket == "" || s.to.from == "" {
		return
	}
	s.bridge = newBridge(s.o.Socket)
	if _, err := netip.ParseAddr(s.gateway); err == nil {
		if l, err := s.listenOn(net.JoinHostPort(s.gateway, "0")); err == nil {
			s.bridge.serve(l)
			s.to.to = l.Addr().String()
			return
		}
	}
	if log != nil {
		fmt.Fprintf(log, "The gateway %s of the network is not on this machine: services and actions in containers do not reach Cairn\n", s.gateway)
	}
}

// Stop shows what the services printed and removes all that was made.
func (s *Session) Stop(ctx context.Context, log io.Writer) error {
	s.mu.Lock()
	e, job, served := s.engine, s.job, s.served
	s.job, s.served = nil, nil
	if s.bridge != nil {
		s.bridge.close()
	}
	s.mu.Unlock()
	if e == nil {
		return nil
	}
	defer e.Close()
	var errs []error
	if job != nil {
		job.leave(ctx)
	}
	for _, svc := range served {
		group(log, fmt.Sprintf("Service %s (%s)", svc.id, svc.image))
		if err := showLogs(ctx, e, svc.container, log); err != nil {
			fmt.Fprintf(log, "its log cannot be read: %v\n", err)
		}
		endGroup(log)
	}
	fmt.Fprintf(log, "Removing the containers and the network %s\n", s.network)
	errs = append(errs, remove(ctx, e, s.o.Owner))
	if err := errors.Join(errs...); err != nil {
		return failed("not all of the job's containers could be removed", err)
	}
	if s.o.Gone != nil {
		s.o.Gone()
	}
	return nil
}

package docker

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

const (
	maxServiceLog   = 4 << 20 // bytes shown of what one service printed
	serviceLogLines = "20000"
	healthLook      = 100 * time.Millisecond // between two looks, at first
	maxHealthLook   = 2 * time.Second
)

// create makes a container of the job.
func (s *Session) create(ctx context.Context, e *Engine, c *creation, role string) (string, error) {
	labels := s.o.Owner.labels()
	maps.Copy(labels, c.config.Labels)
	c.config.Labels = labels
	c.host.NetworkMode = container.NetworkMode(s.network)
	// Output that nobody reads must not fill the disk.
	c.host.LogConfig = container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "10m", "max-file": "2"}}
	s.mu.Lock()
	c.host.ExtraHosts = append(c.host.ExtraHosts, s.hosts...)
	s.mu.Unlock()
	if enforcing() {
		// What is mounted has no label of containers, and giving it one would change
		// the user's files.
		c.host.SecurityOpt = append(c.host.SecurityOpt, "label=disable")
	}
	if err := s.makeVolumes(ctx, e, c); err != nil {
		return "", err
	}
	made, err := e.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config: &c.config, HostConfig: &c.host,
		NetworkingConfig: &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{s.network: &c.endpoint}},
	})
	if err != nil {
		return "", failed("the container of "+role+" cannot be made", err)
	}
	return made.ID, nil
}

// enforcing reports whether SELinux decides on this machine.
func enforcing() bool {
	b, err := os.ReadFile("/sys/fs/selinux/enforce")
	return err == nil && bytes.HasPrefix(b, []byte("1"))
}

// makeVolumes makes the named volumes that are not there, so that they go with the
// job. One that somebody made stays.
func (s *Session) makeVolumes(ctx context.Context, e *Engine, c *creation) error {
	for _, b := range c.host.Binds {
		name, _, _ := strings.Cut(b, ":")
		if strings.HasPrefix(name, "/") {
			continue
		}
		_, err := e.VolumeInspect(ctx, name, client.VolumeInspectOptions{})
		if cerrdefs.IsNotFound(err) {
			_, err = e.VolumeCreate(ctx, client.VolumeCreateOptions{Name: name, Labels: s.o.Owner.labels()})
		}
		if err != nil {
			return failed("the volume "+name+" cannot be made", err)
		}
	}
	return nil
}

func (s *Session) startService(ctx context.Context, e *Engine, spec *runner.ContainerSpec, log io.Writer) error {
	group(log, "Starting "+spec.ID+" service container")
	c, err := describe(*spec, s.o.Host.Dirs().Workspace)
	if err != nil {
		return cairn.Errorf(cairn.CodeOf(err), "service %s: %w", spec.ID, err).WithHint("%s", cairn.AsError(err).Hint)
	}
	img, err := s.puller(e).fetch(ctx, spec.Image, spec.Username, spec.Password, log)
	if err != nil {
		return err
	}
	c.config.Image = img.ID
	c.endpoint.Aliases = append(c.endpoint.Aliases, spec.ID)
	id, err := s.create(ctx, e, c, "service "+spec.ID)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.served = append(s.served, service{id: spec.ID, container: id, image: spec.Image})
	s.mu.Unlock()
	if _, err := e.ContainerStart(ctx, id, client.ContainerStartOptions{}); err != nil {
		return failed("the service "+spec.ID+" cannot be started", err)
	}
	s.noteHost(ctx, e, spec.ID, id)
	fmt.Fprintln(log, id)
	endGroup(log)
	return nil
}

// noteHost keeps the address of a service for the containers after it. Docker
// resolves names itself; Podman does where a plug-in is installed.
func (s *Session) noteHost(ctx context.Context, e *Engine, name, id string) {
	if !s.podman {
		return
	}
	r, err := e.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil || r.Container.NetworkSettings == nil {
		return
	}
	if n := r.Container.NetworkSettings.Networks[s.network]; n != nil && n.IPAddress.IsValid() {
		s.mu.Lock()
		s.hosts = append(s.hosts, name+":"+n.IPAddress.String())
		s.mu.Unlock()
	}
}

// ready waits until a service is healthy, and says where it is reached.
func (s *Session) ready(ctx context.Context, e *Engine, svc service, log io.Writer) (*runner.StartedService, error) {
	look, own := healthLook, &ownCheck{began: time.Now()}
	for {
		r, err := e.ContainerInspect(ctx, svc.container, client.ContainerInspectOptions{})
		if err != nil {
			return nil, failed("the service "+svc.id+" cannot be looked at", err)
		}
		c := r.Container
		state := c.State
		switch {
		case state == nil || !state.Running && state.Status != container.StateCreated && state.Status != container.StateRestarting:
			_ = showLogs(ctx, e, svc.container, log)
			code := 0
			if state != nil {
				code = state.ExitCode
			}
			return nil, cairn.Errorf(cairn.CodeFailed, "Failed to initialize container %s: the service %s ended with exit code %d", svc.image, svc.id, code).
				WithHint("what it printed is above; many images need variables in env")
		case state.Health == nil || state.Health.Status == container.NoHealthcheck:
			return startedService(svc, &c), nil
		case state.Health.Status == container.Healthy:
			fmt.Fprintf(log, "%s service is healthy.\n", svc.id)
			return startedService(svc, &c), nil
		case own.due(&c) && own.passes(ctx, e, svc.container, c.Config.Healthcheck):
			fmt.Fprintf(log, "%s service is healthy: Cairn ran its check, since the engine does not.\n", svc.id)
			return startedService(svc, &c), nil
		case state.Health.Status == container.Unhealthy || own.failed:
			fmt.Fprintf(log, "%s service is unhealthy.\n", svc.id)
			if own.failed {
				fmt.Fprintf(log, "The last check said: %.2000s\n", strings.TrimSpace(own.said))
			} else if n := len(state.Health.Log); n > 0 {
				fmt.Fprintf(log, "The last check said: %.2000s\n", strings.TrimSpace(state.Health.Log[n-1].Output))
			}
			_ = showLogs(ctx, e, svc.container, log)
			return nil, cairn.Errorf(cairn.CodeFailed, "Failed to initialize container %s: One or more containers failed to start.", svc.image).
				WithHint("its health check failed: see --health-cmd in options, or the HEALTHCHECK of the image")
		}
		sleep(ctx, look)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		look = min(look*3/2, maxHealthLook)
	}
}

func startedService(svc service, c *container.InspectResponse) *runner.StartedService {
	out := &runner.StartedService{ID: svc.id, Container: svc.container, Ports: map[string]string{}}
	if c.NetworkSettings == nil {
		return out
	}
	for p, bs := range c.NetworkSettings.Ports {
		for _, b := range bs {
			// As GitHub: by number, and for others than TCP with the protocol too.
			key := p.Port()
			if p.Proto() != network.TCP {
				key = p.String()
			}
			out.Ports[key] = b.HostPort
		}
	}
	return out
}

// showLogs writes what a container printed, its end where it is long.
func showLogs(ctx context.Context, e *Engine, id string, log io.Writer) error {
	r, err := e.ContainerLogs(ctx, id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Tail: serviceLogLines})
	if err != nil {
		return err
	}
	defer r.Close()
	w := &limited{w: log, left: maxServiceLog}
	_, err = stdcopy.StdCopy(w, w, r)
	if w.left < 0 {
		fmt.Fprintf(log, "\n… cut after %d MiB\n", maxServiceLog>>20)
		return nil
	}
	if err != nil && !w.wrote {
		// With a terminal the engine sends the bytes as they are.
		raw, rerr := e.ContainerLogs(ctx, id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Tail: serviceLogLines})
		if rerr != nil {
			return err
		}
		defer raw.Close()
		_, err = io.Copy(log, io.LimitReader(raw, maxServiceLog))
	}
	return err
}

// limited drops what is beyond its limit.
type limited struct {
	w     io.Writer
	left  int64
	wrote bool
}

func (l *limited) Write(p []byte) (int, error) {
	l.wrote = true
	if l.left >= 0 {
		n := min(int64(len(p)), l.left)
		if _, err := l.w.Write(p[:n]); err != nil {
			return 0, err
		}
		if l.left -= int64(len(p)); l.left < 0 {
			return 0, io.ErrShortWrite
		}
	}
	return len(p), nil
}

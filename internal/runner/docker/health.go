package docker

import (
	"context"
	"strings"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

const (
	defaultInterval = 30 * time.Second // as the engines have it
	defaultTimeout  = 30 * time.Second
	defaultRetries  = 3
	lateCheck       = 3 * time.Second // beyond the interval
)

// ownCheck runs the health check of a service where the engine does not: Podman
// leaves that to systemd, which may not be there.
type ownCheck struct {
	began    time.Time
	last     time.Time
	failures int
	failed   bool // so often that the service is given up
	said     string
}

// due reports whether the engine should have run a check by now and has not.
func (o *ownCheck) due(c *container.InspectResponse) bool {
	if c.Config == nil || c.Config.Healthcheck == nil || len(c.Config.Healthcheck.Test) < 2 || len(c.State.Health.Log) > 0 || o.failed {
		return false
	}
	h := c.Config.Healthcheck
	now := time.Now()
	return now.Sub(o.began) > orDefault(h.Interval, defaultInterval)+lateCheck && now.Sub(o.last) > orDefault(h.Interval, defaultInterval)
}

func orDefault(d, other time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return other
}

// passes runs the check once.
func (o *ownCheck) passes(ctx context.Context, e *Engine, id string, h *container.HealthConfig) bool {
	o.last = time.Now()
	cmd := h.Test[1:]
	if h.Test[0] == "CMD-SHELL" {
		cmd = []string{"/bin/sh", "-c", h.Test[1]}
	}
	ctx, stop := context.WithTimeout(ctx, orDefault(h.Timeout, defaultTimeout))
	defer stop()
	ok, said := probe(ctx, e, id, cmd)
	o.said = said
	if ok {
		return true
	}
	retries := h.Retries
	if retries <= 0 {
		retries = defaultRetries
	}
	if time.Since(o.began) > h.StartPeriod {
		o.failures++
	}
	o.failed = o.failures >= retries
	return false
}

func probe(ctx context.Context, e *Engine, id string, cmd []string) (ok bool, said string) {
	x, err := e.ExecCreate(ctx, id, client.ExecCreateOptions{Cmd: cmd, AttachStdout: true, AttachStderr: true})
	if err != nil {
		return false, err.Error()
	}
	at, err := e.ExecAttach(ctx, x.ID, client.ExecAttachOptions{})
	if err != nil {
		return false, err.Error()
	}
	defer at.Close()
	unblock := context.AfterFunc(ctx, at.Close)
	defer unblock()
	var out strings.Builder
	w := &limited{w: &out, left: 4 << 10}
	_, _ = stdcopy.StdCopy(w, w, at.Reader)
	r, err := e.ExecInspect(ctx, x.ID, client.ExecInspectOptions{})
	return err == nil && !r.Running && r.ExitCode == 0, out.String()
}

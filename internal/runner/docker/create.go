package docker

import (
	"fmt"
	"net/netip"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
	"github.com/cairn-ml/cairn/internal/runner/process"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
)

const (
	maxPorts   = 1000 // of one container
	maxVolumes = 200
)

// describe turns what the workflow says of a container into what the engine takes.
func describe(s runner.ContainerSpec, workspace string) (*creation, error) {
	c := &creation{}
	c.config.Image = s.Image
	c.config.Env = process.EnvList(s.Env)
	for _, p := range s.Ports {
		if err := addPort(c, p); err != nil {
			return nil, cairn.Errorf(cairn.CodeInvalid, "ports: %w", err)
		}
	}
	if len(s.Volumes) > maxVolumes {
		return nil, cairn.Errorf(cairn.CodeInvalid, "volumes has %d entries; at most %d are allowed", len(s.Volumes), maxVolumes)
	}
	for _, v := range s.Volumes {
		if err := addVolume(c, v); err != nil {
			return nil, cairn.Errorf(cairn.CodeInvalid, "volumes: %w", err)
		}
	}
	if err := applyOptions(c, s.Options); err != nil {
		return nil, err
	}
	if s.Entrypoint != "" {
		words, err := splitWords(s.Entrypoint)
		if err != nil {
			return nil, cairn.Errorf(cairn.CodeInvalid, "entrypoint: %w", err)
		}
		// The first word is the program, as --entrypoint has it; the rest comes before
		// the command.
		c.config.Entrypoint = words
	}
	if s.Command != "" {
		words, err := splitWords(s.Command)
		if err != nil {
			return nil, cairn.Errorf(cairn.CodeInvalid, "command: %w", err)
		}
		c.config.Cmd = words
	}
	// A path that begins with a dot is one of the workspace.
	for i, b := range c.host.Binds {
		if strings.HasPrefix(b, ".") {
			from, rest, _ := strings.Cut(b, ":")
			if !filepath.IsLocal(from) {
				return nil, cairn.Errorf(cairn.CodeInvalid, "volumes: %q leaves the workspace", b)
			}
			c.host.Binds[i] = filepath.Join(workspace, from) + ":" + rest
		}
	}
	return c, nil
}

func expose(c *creation, p network.Port) {
	if c.config.ExposedPorts == nil {
		c.config.ExposedPorts = network.PortSet{}
	}
	c.config.ExposedPorts[p] = struct{}{}
}

// addPort is one entry of ports: CONTAINER, HOST:CONTAINER or IP:HOST:CONTAINER, each
// with ranges and /udp. Without a port of the host the engine picks a free one. An
// address that is not given is this machine's loopback: other machines have no
// business with the services of a job.
func addPort(c *creation, text string) error {
	bad := func() error {
		return cairn.Errorf(cairn.CodeInvalid, "%q is no port", text).WithHint("write 6379, 6379:6379, 8000-8010:8000-8010 or 6379/tcp")
	}
	ip := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	rest, host := text, ""
	if i := strings.LastIndexByte(text, ':'); i >= 0 {
		host, rest = text[:i], text[i+1:]
		if j := strings.LastIndexByte(host, ':'); j >= 0 {
			a, err := netip.ParseAddr(strings.Trim(host[:j], "[]"))
			if err != nil {
				return bad()
			}
			ip, host = a, host[j+1:]
		}
	}
	inside, err := network.ParsePortRange(rest)
	if err != nil || inside.Start() == 0 {
		return bad()
	}
	count := int(inside.End()) - int(inside.Start()) + 1
	var outside network.PortRange
	if host != "" {
		if outside, err = network.ParsePortRange(host); err != nil {
			return bad()
		}
		if n := int(outside.End()) - int(outside.Start()) + 1; n != count && count != 1 {
			return cairn.Errorf(cairn.CodeInvalid, "%q names ranges of %d and %d ports", text, n, count)
		}
	}
	if c.host.PortBindings == nil {
		c.host.PortBindings = network.PortMap{}
	}
	if len(c.host.PortBindings)+count > maxPorts {
		return cairn.Errorf(cairn.CodeInvalid, "more than %d ports", maxPorts)
	}
	i := 0
	for p := range inside.All() {
		b := network.PortBinding{HostIP: ip}
		switch {
		case host == "" || outside.Start() == 0:
		case count == 1 && outside.End() != outside.Start():
			b.HostPort = fmt.Sprintf("%d-%d", outside.Start(), outside.End())
		default:
			b.HostPort = fmt.Sprint(int(outside.Start()) + i)
		}
		expose(c, p)
		c.host.PortBindings[p] = append(c.host.PortBindings[p], b)
		i++
	}
	return nil
}

// volumeName is what the engine takes as the name of a volume.
var volumeName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$`)

// addVolume is one entry of volumes: TARGET, SOURCE:TARGET or SOURCE:TARGET:ro, with
// a name or a path of the host as the source.
func addVolume(c *creation, text string) error {
	bad := func(why string) error {
		return cairn.Errorf(cairn.CodeInvalid, "%q is no volume: %s", text, why).
			WithHint("write /host/path:/container/path, NAME:/container/path, or /container/path, and :ro behind it to read only")
	}
	parts := strings.Split(text, ":")
	switch len(parts) {
	case 1:
		if !path.IsAbs(text) {
			return bad("the path in the container has to be absolute")
		}
		if c.config.Volumes == nil {
			c.config.Volumes = map[string]struct{}{}
		}
		c.config.Volumes[text] = struct{}{}
		return nil
	case 2, 3:
	default:
		return bad("it has too many parts")
	}
	source, target := parts[0], parts[1]
	if !path.IsAbs(target) {
		return bad("the path in the container has to be absolute")
	}
	if len(parts) == 3 {
		for _, m := range strings.Split(parts[2], ",") {
			switch m {
			case "ro", "rw", "z", "Z", "nocopy", "rshared", "rslave", "rprivate", "shared", "slave", "private", "cached", "delegated", "consistent":
			default:
				return bad(fmt.Sprintf("%q is no mode", m))
			}
		}
	}
	if !strings.HasPrefix(source, ".") && !path.IsAbs(source) {
		if !volumeName.MatchString(source) {
			return bad("the source is neither a path nor a name")
		}
	}
	c.host.Binds = append(c.host.Binds, text)
	return nil
}

// bind mounts a folder or file of this host.
func (c *creation) bind(from, to string, readOnly bool) {
	c.host.Mounts = append(c.host.Mounts, mount.Mount{Type: mount.TypeBind, Source: from, Target: to, ReadOnly: readOnly})
}

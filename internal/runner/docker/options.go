package docker

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/docker/go-units"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
)

// creation is what a container is made of.
type creation struct {
	config   container.Config
	host     container.HostConfig
	endpoint network.EndpointSettings
}

// option is one flag of `docker create` that options: may have.
type option struct {
	name  string // with its dashes
	short string // "-e"
	bare  bool   // takes no value unless it is given with =
	set   func(c *creation, v string) error
}

const maxOptions = 16 << 10 // bytes of options:

// applyOptions carries out the options: of a container.
func applyOptions(c *creation, text string) error {
	if len(text) > maxOptions {
		return cairn.Errorf(cairn.CodeTooLarge, "options has %d bytes; at most %d are allowed", len(text), maxOptions)
	}
	words, err := splitWords(text)
	if err != nil {
		return cairn.Errorf(cairn.CodeInvalid, "options: %w", err)
	}
	all := options()
	for i := 0; i < len(words); i++ {
		name, value, given := strings.Cut(words[i], "=")
		o, rest := find(all, name)
		if o == nil {
			return unknownOption(all, words[i])
		}
		if rest != "" { // -eNAME=value, -p80:80
			value, given = strings.TrimPrefix(words[i][2:], "="), true
		}
		if !given {
			switch {
			case o.bare:
				value = "true"
			case i+1 < len(words):
				i++
				value = words[i]
			default:
				return cairn.Errorf(cairn.CodeInvalid, "options: %s needs a value", o.name)
			}
		}
		if err := o.set(c, value); err != nil {
			e := cairn.Errorf(cairn.CodeOf(err), "options: %s %s: %w", o.name, value, err)
			return e.WithHint("%s", cairn.AsError(err).Hint)
		}
	}
	return nil
}

// find returns the option of a name; rest is what hangs on a short one.
func find(all []option, name string) (o *option, rest string) {
	for i := range all {
		switch {
		case name == all[i].name || name == all[i].short:
			return &all[i], ""
		case all[i].short != "" && strings.HasPrefix(name, all[i].short) && !strings.HasPrefix(name, "--"):
			return &all[i], name[2:]
		}
	}
	return nil, ""
}

func unknownOption(all []option, word string) error {
	name, _, _ := strings.Cut(word, "=")
	if !strings.HasPrefix(name, "-") {
		return cairn.Errorf(cairn.CodeInvalid, "options: %q is no option", word).WithHint("options begin with a dash; a value with spaces needs quotes")
	}
	names := make([]string, len(all))
	for i, o := range all {
		names[i] = o.name
	}
	e := cairn.Errorf(cairn.CodeUnsupported, "options: %s is not supported", name)
	if near := cairn.Nearest(name, names); near != "" {
		return e.WithHint("did you mean %s? Supported are %s", near, strings.Join(names, ", "))
	}
	return e.WithHint("supported are %s", strings.Join(names, ", "))
}

func refuse(hint string) func(*creation, string) error {
	return func(*creation, string) error {
		return cairn.Errorf(cairn.CodeUnsupported, "it is refused").WithHint("%s", hint)
	}
}

// options lists what options: may have.
func options() []option {
	return slices.Concat(processOptions(), resourceOptions(), healthOptions(), networkOptions(), securityOptions())
}

func processOptions() []option {
	return []option{
		{name: "--env", short: "-e", set: func(c *creation, v string) error {
			if !strings.Contains(v, "=") {
				return cairn.Errorf(cairn.CodeInvalid, "a value is missing").WithHint("write NAME=value, or use env: of the container")
			}
			c.config.Env = append(c.config.Env, v)
			return nil
		}},
		{name: "--user", short: "-u", set: func(c *creation, v string) error { c.config.User = v; return nil }},
		{name: "--workdir", short: "-w", set: func(c *creation, v string) error { c.config.WorkingDir = v; return nil }},
		{name: "--entrypoint", set: func(c *creation, v string) error { c.config.Entrypoint = []string{v}; return nil }},
		{name: "--hostname", short: "-h", set: func(c *creation, v string) error { c.config.Hostname = v; return nil }},
		{name: "--label", short: "-l", set: func(c *creation, v string) error {
			name, value, _ := strings.Cut(v, "=")
			if strings.HasPrefix(name, labelPrefix) {
				return cairn.Errorf(cairn.CodeInvalid, "labels %s* are Cairn's own", labelPrefix)
			}
			if c.config.Labels == nil {
				c.config.Labels = map[string]string{}
			}
			c.config.Labels[name] = value
			return nil
		}},
		{name: "--volume", short: "-v", set: func(c *creation, v string) error { return addVolume(c, v) }},
		{name: "--tmpfs", set: func(c *creation, v string) error {
			path, opts, _ := strings.Cut(v, ":")
			if c.host.Tmpfs == nil {
				c.host.Tmpfs = map[string]string{}
			}
			c.host.Tmpfs[path] = opts
			return nil
		}},
		{name: "--read-only", bare: true, set: boolean(func(c *creation, v bool) { c.host.ReadonlyRootfs = v })},
		{name: "--init", bare: true, set: boolean(func(c *creation, v bool) { c.host.Init = &v })},
		{name: "--tty", short: "-t", bare: true, set: boolean(func(c *creation, v bool) { c.config.Tty = v })},
		{name: "--interactive", short: "-i", bare: true, set: boolean(func(c *creation, v bool) { c.config.OpenStdin = v })},
		{name: "--stop-signal", set: func(c *creation, v string) error { c.config.StopSignal = v; return nil }},
		{name: "--stop-timeout", set: func(c *creation, v string) error {
			n, err := strconv.Atoi(v)
			c.config.StopTimeout = &n
			return badNumber(err)
		}},
		{name: "--restart", set: func(c *creation, v string) error {
			name, count, _ := strings.Cut(v, ":")
			n := 0
			if count != "" {
				var err error
				if n, err = strconv.Atoi(count); err != nil {
					return badNumber(err)
				}
			}
			c.host.RestartPolicy = container.RestartPolicy{Name: container.RestartPolicyMode(name), MaximumRetryCount: n}
			return nil
		}},
		{name: "--name", set: refuse("a service is reached by its id, and --network-alias adds a name")},
		{name: "--rm", bare: true, set: func(*creation, string) error { return nil }}, // they all go with the job
		{name: "--pull", set: func(*creation, string) error { return nil }},           // images are always looked for anew
	}
}

func resourceOptions() []option {
	size := func(set func(c *creation, n int64)) func(*creation, string) error {
		return func(c *creation, v string) error {
			n, err := units.RAMInBytes(v)
			if err != nil {
				return cairn.Errorf(cairn.CodeInvalid, "%q is no size", v).WithHint("512m, 2g")
			}
			set(c, n)
			return nil
		}
	}
	number := func(set func(c *creation, n int64)) func(*creation, string) error {
		return func(c *creation, v string) error {
			n, err := strconv.ParseInt(v, 10, 64)
			set(c, n)
			return badNumber(err)
		}
	}
	return []option{
		{name: "--cpus", set: func(c *creation, v string) error {
			f, err := strconv.ParseFloat(v, 64)
			if err != nil || !(f > 0) || f > 1e6 {
				return cairn.Errorf(cairn.CodeInvalid, "%q is no number of processors", v).WithHint("1, 1.5")
			}
			c.host.NanoCPUs = int64(f * 1e9)
			return nil
		}},
		{name: "--cpu-shares", short: "-c", set: number(func(c *creation, n int64) { c.host.CPUShares = n })},
		{name: "--cpu-period", set: number(func(c *creation, n int64) { c.host.CPUPeriod = n })},
		{name: "--cpu-quota", set: number(func(c *creation, n int64) { c.host.CPUQuota = n })},
		{name: "--cpuset-cpus", set: func(c *creation, v string) error { c.host.CpusetCpus = v; return nil }},
		{name: "--memory", short: "-m", set: size(func(c *creation, n int64) { c.host.Memory = n })},
		{name: "--memory-reservation", set: size(func(c *creation, n int64) { c.host.MemoryReservation = n })},
		{name: "--memory-swap", set: func(c *creation, v string) error {
			if v == "-1" {
				c.host.MemorySwap = -1
				return nil
			}
			return size(func(c *creation, n int64) { c.host.MemorySwap = n })(c, v)
		}},
		{name: "--shm-size", set: size(func(c *creation, n int64) { c.host.ShmSize = n })},
		{name: "--pids-limit", set: number(func(c *creation, n int64) { c.host.PidsLimit = &n })},
		{name: "--oom-kill-disable", bare: true, set: boolean(func(c *creation, v bool) { c.host.OomKillDisable = &v })},
		{name: "--ulimit", set: func(c *creation, v string) error {
			u, err := units.ParseUlimit(v)
			if err != nil {
				return cairn.Errorf(cairn.CodeInvalid, "%w", err).WithHint("nofile=1024:2048")
			}
			c.host.Ulimits = append(c.host.Ulimits, u)
			return nil
		}},
		{name: "--gpus", set: setGPUs},
		{name: "--device", set: func(c *creation, v string) error {
			parts := strings.Split(v, ":")
			d := container.DeviceMapping{PathOnHost: parts[0], PathInContainer: parts[0], CgroupPermissions: "rwm"}
			if len(parts) > 1 {
				d.PathInContainer = parts[1]
			}
			if len(parts) > 2 {
				d.CgroupPermissions = parts[2]
			}
			c.host.Devices = append(c.host.Devices, d)
			return nil
		}},
	}
}

// setGPUs is --gpus: all, a number, or device=….
func setGPUs(c *creation, v string) error {
	r := container.DeviceRequest{Capabilities: [][]string{{"gpu"}}}
	switch v = strings.Trim(v, `"'`); {
	case v == "all":
		r.Count = -1
	case strings.HasPrefix(v, "device="):
		r.DeviceIDs = strings.Split(strings.TrimPrefix(v, "device="), ",")
	default:
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			return cairn.Errorf(cairn.CodeInvalid, "%q names no GPUs", v).WithHint("all, a number, or device=0,2")
		}
		r.Count = n
	}
	c.host.DeviceRequests = append(c.host.DeviceRequests, r)
	return nil
}

func healthOptions() []option {
	health := func(c *creation) *container.HealthConfig {
		if c.config.Healthcheck == nil {
			c.config.Healthcheck = &container.HealthConfig{}
		}
		return c.config.Healthcheck
	}
	duration := func(set func(h *container.HealthConfig, d time.Duration)) func(*creation, string) error {
		return func(c *creation, v string) error {
			d, err := time.ParseDuration(v)
			if err != nil || d < 0 {
				return cairn.Errorf(cairn.CodeInvalid, "%q is no duration", v).WithHint("10s, 1m30s")
			}
			set(health(c), d)
			return nil
		}
	}
	return []option{
		{name: "--health-cmd", set: func(c *creation, v string) error { health(c).Test = []string{"CMD-SHELL", v}; return nil }},
		{name: "--health-interval", set: duration(func(h *container.HealthConfig, d time.Duration) { h.Interval = d })},
		{name: "--health-timeout", set: duration(func(h *container.HealthConfig, d time.Duration) { h.Timeout = d })},
		{name: "--health-start-period", set: duration(func(h *container.HealthConfig, d time.Duration) { h.StartPeriod = d })},
		{name: "--health-start-interval", set: duration(func(h *container.HealthConfig, d time.Duration) { h.StartInterval = d })},
		{name: "--health-retries", set: func(c *creation, v string) error {
			n, err := strconv.Atoi(v)
			health(c).Retries = n
			return badNumber(err)
		}},
		{name: "--no-healthcheck", bare: true, set: func(c *creation, _ string) error { health(c).Test = []string{"NONE"}; return nil }},
	}
}

func networkOptions() []option {
	return []option{
		{name: "--publish", short: "-p", set: func(c *creation, v string) error { return addPort(c, v) }},
		{name: "--expose", set: func(c *creation, v string) error {
			p, err := network.ParsePort(v)
			if err != nil {
				return cairn.Errorf(cairn.CodeInvalid, "%q is no port", v)
			}
			expose(c, p)
			return nil
		}},
		{name: "--add-host", set: func(c *creation, v string) error {
			if !strings.ContainsAny(v, ":=") {
				return cairn.Errorf(cairn.CodeInvalid, "%q is no NAME:ADDRESS", v)
			}
			c.host.ExtraHosts = append(c.host.ExtraHosts, strings.Replace(v, "=", ":", 1))
			return nil
		}},
		{name: "--dns", set: func(c *creation, v string) error {
			a, err := netip.ParseAddr(v)
			if err != nil {
				return cairn.Errorf(cairn.CodeInvalid, "%q is no address", v)
			}
			c.host.DNS = append(c.host.DNS, a)
			return nil
		}},
		{name: "--dns-search", set: func(c *creation, v string) error { c.host.DNSSearch = append(c.host.DNSSearch, v); return nil }},
		{name: "--network-alias", set: func(c *creation, v string) error {
			c.endpoint.Aliases = append(c.endpoint.Aliases, v)
			return nil
		}},
		{name: "--network", set: refuse("the containers of a job share a network of their own, as on GitHub")},
		{name: "--net", set: refuse("the containers of a job share a network of their own, as on GitHub")},
	}
}

func securityOptions() []option {
	return []option{
		{name: "--privileged", bare: true, set: boolean(func(c *creation, v bool) { c.host.Privileged = v })},
		{name: "--cap-add", set: func(c *creation, v string) error { c.host.CapAdd = append(c.host.CapAdd, v); return nil }},
		{name: "--cap-drop", set: func(c *creation, v string) error { c.host.CapDrop = append(c.host.CapDrop, v); return nil }},
		{name: "--security-opt", set: func(c *creation, v string) error { c.host.SecurityOpt = append(c.host.SecurityOpt, v); return nil }},
		{name: "--group-add", set: func(c *creation, v string) error { c.host.GroupAdd = append(c.host.GroupAdd, v); return nil }},
		{name: "--ipc", set: func(c *creation, v string) error { c.host.IpcMode = container.IpcMode(v); return nil }},
		{name: "--sysctl", set: func(c *creation, v string) error {
			name, value, ok := strings.Cut(v, "=")
			if !ok {
				return cairn.Errorf(cairn.CodeInvalid, "%q is no NAME=value", v)
			}
			if c.host.Sysctls == nil {
				c.host.Sysctls = map[string]string{}
			}
			c.host.Sysctls[name] = value
			return nil
		}},
		{name: "--runtime", set: func(c *creation, v string) error { c.host.Runtime = v; return nil }},
	}
}

func boolean(set func(c *creation, v bool)) func(*creation, string) error {
	return func(c *creation, v string) error {
		b, err := strconv.ParseBool(v)
		if err != nil {
			return cairn.Errorf(cairn.CodeInvalid, "%q is neither true nor false", v)
		}
		set(c, b)
		return nil
	}
}

func badNumber(err error) error {
	if err != nil {
		return cairn.Errorf(cairn.CodeInvalid, "it is no whole number")
	}
	return nil
}

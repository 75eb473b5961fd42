package docker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/moby/moby/client"
)

// pingTime bounds how long an engine may take to answer at first.
const pingTime = 5 * time.Second

// Engine is a container engine that answered.
type Engine struct {
	*client.Client
	// Address is where it answers: unix:///var/run/docker.sock.
	Address string
	// Version is that of the interface which both sides speak.
	Version string
}

// candidate is a place where an engine may answer, and what named it.
type candidate struct{ address, why string }

// candidates lists where an engine may answer. Where one is named, only that one.
func candidates(getenv func(string) string) []candidate {
	if h := getenv("DOCKER_HOST"); h != "" {
		return []candidate{{h, "DOCKER_HOST"}}
	}
	if c, ok := contextAddress(getenv); ok {
		return []candidate{c}
	}
	out := []candidate{{"unix:///var/run/docker.sock", "Docker"}}
	if dir := getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		out = append(out, candidate{"unix://" + dir + "/docker.sock", "Docker without root"},
			candidate{"unix://" + dir + "/podman/podman.sock", "Podman"})
	}
	return append(out, candidate{"unix:///run/podman/podman.sock", "Podman as root"})
}

// contextAddress is the address of the current context of the docker command.
func contextAddress(getenv func(string) string) (candidate, bool) {
	dir := getenv("DOCKER_CONFIG")
	if dir == "" {
		home := getenv("HOME")
		if home == "" {
			return candidate{}, false
		}
		dir = filepath.Join(home, ".docker")
	}
	name := getenv("DOCKER_CONTEXT")
	if name == "" {
		var config struct{ CurrentContext string }
		b, err := os.ReadFile(filepath.Join(dir, "config.json"))
		if err != nil || json.Unmarshal(b, &config) != nil {
			return candidate{}, false
		}
		name = config.CurrentContext
	}
	if name == "" || name == "default" {
		return candidate{}, false
	}
	id := sha256.Sum256([]byte(name))
	var meta struct {
		Endpoints map[string]struct{ Host string }
	}
	b, err := os.ReadFile(filepath.Join(dir, "contexts", "meta", hex.EncodeToString(id[:]), "meta.json"))
	if err != nil || json.Unmarshal(b, &meta) != nil || meta.Endpoints["docker"].Host == "" {
		return candidate{}, false
	}
	return candidate{meta.Endpoints["docker"].Host, "the docker context " + name}, true
}

// Connect finds an engine that answers. getenv gives what names one: DOCKER_HOST,
// DOCKER_CONTEXT, DOCKER_CONFIG, HOME, XDG_RUNTIME_DIR.
func Connect(ctx context.Context, getenv func(string) string) (*Engine, error) {
	var tried []string
	var last error
	for _, c := range candidates(getenv) {
		if err := here(c); err != nil {
			return nil, err
		}
		if path, ok := strings.CutPrefix(c.address, "unix://"); ok {
			if _, err := os.Stat(path); err != nil {
				tried = append(tried, path+" (not there)")
				continue
			}
		}
		e, err := open(ctx, c.address)
		if err == nil {
			return e, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		last = err
		tried = append(tried, strings.TrimPrefix(c.address, "unix://")+" ("+firstLine(err)+")")
	}
	e := cairn.Errorf(cairn.CodeUnavailable, "no container engine answers: looked at %s", strings.Join(tried, ", "))
	e.Err = last
	return nil, e.WithHint("start Docker or Podman (systemctl --user start podman.socket), or name its socket in DOCKER_HOST")
}

// here refuses engines on other machines: the folders of a job are mounted from
// this one.
func here(c candidate) error {
	u, err := url.Parse(c.address)
	if err != nil {
		return cairn.Errorf(cairn.CodeInvalid, "%s: %q is no address of an engine", c.why, c.address)
	}
	switch host := u.Hostname(); {
	case u.Scheme == "unix" && strings.HasPrefix(u.Path, "/"):
		return nil
	case u.Scheme == "tcp" && (host == "127.0.0.1" || host == "localhost" || host == "::1"):
		return nil
	}
	return cairn.Errorf(cairn.CodeUnsupported, "%s names the engine %s, which is not on this machine", c.why, u.Redacted()).
		WithHint("the folders of a job are mounted into its containers: use an engine of this machine, unix:///…")
}

// open connects to an engine and agrees on a version with it.
func open(ctx context.Context, address string) (*Engine, error) {
	c, err := client.New(client.WithHost(address), client.WithUserAgent("cairn"))
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithTimeout(ctx, pingTime)
	defer stop()
	if _, err := c.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true}); err != nil {
		c.Close()
		return nil, err
	}
	return &Engine{Client: c, Address: address, Version: c.ClientVersion()}, nil
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

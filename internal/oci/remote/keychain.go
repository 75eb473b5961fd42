package remote

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/google/go-containerregistry/pkg/authn"
)

// maxDockerConfig bounds what is read of docker's configuration.
const maxDockerConfig = 4 << 20

// keychain finds credentials where docker login leaves them, in an environment that
// need not be this process's.
type keychain struct {
	env map[string]string
	// own is a password that is valid in Cairn alone: nobody else gets it.
	own string
}

type dockerAuth struct {
	Auth          string `json:"auth"`
	Username      string `json:"username"`
	Password      string `json:"password"`
	IdentityToken string `json:"identitytoken"`
	RegistryToken string `json:"registrytoken"`
}

type dockerConfig struct {
	Auths       map[string]dockerAuth `json:"auths"`
	CredsStore  string                `json:"credsStore"`
	CredHelpers map[string]string     `json:"credHelpers"`
}

// paths are where credentials may be: docker's, then podman's.
func (k *keychain) paths() []string {
	var out []string
	add := func(base string, parts ...string) {
		if base != "" {
			out = append(out, filepath.Join(append([]string{base}, parts...)...))
		}
	}
	if dir := k.env["DOCKER_CONFIG"]; dir != "" {
		add(dir, "config.json")
	} else {
		add(k.env["HOME"], ".docker", "config.json")
	}
	add(k.env["REGISTRY_AUTH_FILE"])
	add(k.env["XDG_RUNTIME_DIR"], "containers", "auth.json")
	if dir := k.env["XDG_CONFIG_HOME"]; dir != "" {
		add(dir, "containers", "auth.json")
	} else {
		add(k.env["HOME"], ".config", "containers", "auth.json")
	}
	return out
}

// Resolve finds the credentials of a registry; see authn.Keychain.
func (k *keychain) Resolve(target authn.Resource) (authn.Authenticator, error) {
	return k.ResolveContext(context.Background(), target)
}

// ResolveContext is Resolve that ends with its context.
func (k *keychain) ResolveContext(ctx context.Context, target authn.Resource) (authn.Authenticator, error) {
	a, err := k.find(ctx, target.RegistryStr(), target.String())
	if err != nil || a == nil || k.isOwn(a) {
		return authn.Anonymous, err
	}
	return authn.FromConfig(authn.AuthConfig{Username: a.Username, Password: a.Password, IdentityToken: a.IdentityToken, RegistryToken: a.RegistryToken}), nil
}

func (k *keychain) isOwn(a *dockerAuth) bool {
	return k.own != "" && (a.Password == k.own || a.IdentityToken == k.own || a.RegistryToken == k.own)
}

// find gives the credentials for a registry, nil for none.
func (k *keychain) find(ctx context.Context, host, repository string) (*dockerAuth, error) {
	for _, path := range k.paths() {
		c, err := readDockerConfig(path)
		if err != nil {
			return nil, err
		}
		if c == nil {
			continue
		}
		if a, err := c.find(ctx, host, repository, k.env); a != nil || err != nil {
			return a, err
		}
	}
	return nil, nil
}

func readDockerConfig(path string) (*dockerConfig, error) {
	fi, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && (fi.IsDir() || fi.Size() > maxDockerConfig) {
		err = errors.New("it is too large, or a folder")
	}
	var b []byte
	if err == nil {
		b, err = os.ReadFile(path)
	}
	c := &dockerConfig{}
	if err == nil && len(bytes.TrimSpace(b)) > 0 && json.Unmarshal(b, c) != nil {
		// What the decoder says of it may repeat a password.
		err = errors.New("it is not JSON of the right form")
	}
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "the credentials of docker cannot be read from %s: %w", path, err).
			WithHint("docker login writes the file anew")
	}
	return c, nil
}

// hub are the names that docker's own registry goes by in its configuration.
var hub = regexp.MustCompile(`^(https://)?(index\.|registry-1\.)?docker\.io(/v[12]/?)?$`)

// match reports whether an entry's name means a registry.
func match(entry, host string) bool {
	if hub.MatchString(host) {
		return hub.MatchString(entry)
	}
	entry = strings.TrimPrefix(strings.TrimPrefix(entry, "https://"), "http://")
	entry, _, _ = strings.Cut(entry, "/")
	return strings.EqualFold(entry, host)
}

func (c *dockerConfig) find(ctx context.Context, host, repository string, env map[string]string) (*dockerAuth, error) {
	for entry, helper := range c.CredHelpers {
		if match(entry, host) {
			return askHelper(ctx, helper, entry, env)
		}
	}
	var best string
	var found *dockerAuth
	for entry, a := range c.Auths {
		// podman keeps credentials of single repositories, too: the longest counts.
		whole := match(entry, host) && !strings.Contains(strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(entry, "https://"), "http://"), "/"), "/") ||
			hub.MatchString(entry) && hub.MatchString(host) || match(entry, host) && (strings.HasSuffix(entry, "/v1/") || strings.HasSuffix(entry, "/v2/"))
		part := strings.HasPrefix(repository+"/", strings.TrimSuffix(entry, "/")+"/")
		if !whole && !part || found != nil && len(entry) <= len(best) {
			continue
		}
		best, found = entry, &a
	}
	if found != nil {
		a := *found
		if a.Auth != "" {
			b, err := base64.StdEncoding.DecodeString(a.Auth)
			user, password, ok := strings.Cut(string(b), ":")
			if err != nil || !ok {
				return nil, cairn.Errorf(cairn.CodeInvalid, "the credentials of %s cannot be read", host).WithHint("log in again: docker login %s", host)
			}
			a.Username, a.Password = user, strings.Trim(password, "\x00")
		}
		if a.Password != "" || a.IdentityToken != "" || a.RegistryToken != "" {
			return &a, nil
		}
	}
	if c.CredsStore == "" {
		return nil, nil
	}
	if hub.MatchString(host) {
		host = "https://index.docker.io/v1/"
	}
	return askHelper(ctx, c.CredsStore, host, env)
}

var helperName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// helperTime bounds how long a helper may think; it may ask a person.
const helperTime = 30 * time.Second

// askHelper runs a credential helper of docker. One that is not there, or has
// nothing, is as no credentials.
func askHelper(ctx context.Context, helper, server string, env map[string]string) (*dockerAuth, error) {
	if !helperName.MatchString(helper) {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not the name of a credential helper", clip(helper))
	}
	path := ""
	for _, dir := range filepath.SplitList(env["PATH"]) {
		p := filepath.Join(dir, "docker-credential-"+helper)
		if fi, err := os.Stat(p); err == nil && fi.Mode()&0o111 != 0 && filepath.IsAbs(p) {
			path = p
			break
		}
	}
	if path == "" {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, helperTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "get")
	cmd.Stdin = strings.NewReader(server)
	cmd.WaitDelay = time.Second
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	out, err := cmd.Output()
	if err != nil || len(out) > maxDockerConfig {
		return nil, ctx.Err()
	}
	var a struct{ Username, Secret string }
	if json.Unmarshal(out, &a) != nil || a.Secret == "" {
		return nil, nil
	}
	if a.Username == "<token>" {
		return &dockerAuth{IdentityToken: a.Secret}, nil
	}
	return &dockerAuth{Username: a.Username, Password: a.Secret}, nil
}

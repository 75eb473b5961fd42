package action

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

// login is docker/login-action, and azure/docker-login: it keeps credentials in
// the docker configuration of the job's own HOME.
type login struct{ azure bool }

const (
	stateLogins = "logins"
	hub         = "docker.io"
	hubKey      = "https://index.docker.io/v1/" // what docker calls it in its configuration
)

// credential is one login of a step.
type credential struct {
	Registry string `yaml:"registry"`
	Username string `yaml:"username"`
	Password string `yaml:"password"`
	Scope    string `yaml:"scope"`
	ECR      string `yaml:"ecr"`
}

// Run does the step.
func (a *login) Run(_ context.Context, c *runner.StepContext) error {
	list, err := a.wanted(c)
	if err != nil {
		return err
	}
	var done []string
	for _, l := range list {
		c.Mask(l.Password)
		key, err := logIn(c, l)
		if err != nil {
			return err
		}
		if key != "" {
			done = append(done, key)
		}
	}
	out, err := boolInput(c, "logout", true)
	if err != nil {
		return err
	}
	if out && !a.azure {
		c.SaveState(stateLogins, strings.Join(done, "\n"))
	}
	return nil
}

// wanted reads the inputs: one login, or a list of them.
func (a *login) wanted(c *runner.StepContext) ([]credential, error) {
	if a.azure {
		return []credential{{Registry: c.Input("login-server"), Username: c.Input("username"), Password: c.Input("password")}}, nil
	}
	text := c.Input("registry-auth")
	if text == "" {
		return []credential{{Registry: c.Input("registry"), Username: c.Input("username"), Password: c.Input("password"), Scope: c.Input("scope"), ECR: c.Input("ecr")}}, nil
	}
	if c.Input("registry")+c.Input("username")+c.Input("password")+c.Input("scope") != "" {
		return nil, cairn.Errorf(cairn.CodeInvalid, "input 'registry-auth' does not go together with registry, username, password and scope")
	}
	var out []credential
	if err := yaml.Unmarshal([]byte(text), &out); err != nil {
		// The text holds passwords: nothing of it is shown.
		return nil, cairn.Errorf(cairn.CodeInvalid, "input 'registry-auth' is no list of registries").WithHint("each entry has registry, username and password")
	}
	return out, nil
}

var ecrHost = lazily(`(?i)^(?:\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?|public\.ecr\.aws)$`)

// logIn keeps one credential and returns its key in the configuration; "" when
// there was nothing to keep.
func logIn(c *runner.StepContext, l credential) (string, error) {
	host, err := registryHost(l.Registry)
	if err != nil {
		return "", err
	}
	own := slices.Contains(ownHosts(c.Env), host)
	switch {
	case own && l.Password == "":
		l.Username, l.Password = "job", c.Env["CAIRN_TOKEN"]
	case strings.EqualFold(l.ECR, "true"), ecrHost().MatchString(host) && !strings.EqualFold(l.ECR, "false") && strings.HasPrefix(l.Username, "AKIA"):
		c.Warn("%s: AWS is not asked for a password here: images stay in Cairn under their full name. Give username AWS and the password of `aws ecr get-login-password` to push there.", host)
		return "", nil
	case own:
	case l.Password == "":
		c.Warn("No password is given for %s: images stay in Cairn under their full name. To push there, set the secret that the workflow uses.", host)
		return "", nil
	case l.Password == c.Env["CAIRN_TOKEN"]:
		// It would tell a stranger a token of this server, and let nobody in there.
		c.Warn("The job's token is no password for %s outside of GitHub: images stay in Cairn under their full name. To push there, give a token of that registry as a secret.", host)
		return "", nil
	case l.Username == "":
		return "", cairn.Errorf(cairn.CodeInvalid, "Username required").WithHint("give the input username for %s", host)
	}
	if l.Password == "" {
		return "", cairn.Errorf(cairn.CodeInvalid, "Password required").WithHint("give the input password for %s", host)
	}
	if strings.ContainsAny(l.Username, ":\n\r") || strings.ContainsAny(l.Password, "\n\r") {
		return "", cairn.Errorf(cairn.CodeInvalid, "the user name or password for %s holds a colon or line break", host)
	}
	key := host
	if host == hub {
		key = hubKey
	}
	auth := base64.StdEncoding.EncodeToString([]byte(l.Username + ":" + l.Password))
	c.Mask(auth)
	err = changeAuths(c, func(auths map[string]json.RawMessage) {
		b, _ := json.Marshal(map[string]string{"auth": auth}) // a map of text always encodes
		auths[key] = b
	})
	if err != nil {
		return "", err
	}
	c.Logf("Credentials of %s for %s are kept for this job", l.Username, host)
	return key, nil
}

// registryHost is the host of a registry, as it is written in references.
func registryHost(s string) (string, error) {
	s = strings.TrimSpace(s)
	if u, err := url.Parse(s); err == nil && (u.Scheme == "https" || u.Scheme == "http") {
		s = u.Host
	}
	s, _, _ = strings.Cut(s, "/")
	s = strings.ToLower(s)
	switch s {
	case "", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com", "hub.docker.com":
		return hub, nil
	}
	if strings.ContainsAny(s, " \t\r\n@?#\"\\") {
		return "", cairn.Errorf(cairn.CodeInvalid, "%q is no registry", s).WithHint("for example ghcr.io")
	}
	return s, nil
}

// ownHosts are the names that Cairn's own registry has for a job.
func ownHosts(env map[string]string) []string {
	var out []string
	add := func(hostport string) {
		if hostport == "" {
			return
		}
		out = append(out, strings.ToLower(hostport))
		if host, port, err := net.SplitHostPort(hostport); err == nil && (host == "127.0.0.1" || host == "localhost" || host == "::1") {
			out = append(out, "127.0.0.1:"+port, "localhost:"+port)
		}
	}
	add(env["CAIRN_REGISTRY"])
	if u, err := url.Parse(env["CAIRN_URL"]); err == nil {
		add(u.Host)
	}
	return out
}

// changeAuths rewrites the credentials of the docker configuration. The file is
// replaced as a whole and only its owner can read it.
func changeAuths(c *runner.StepContext, change func(auths map[string]json.RawMessage)) error {
	dir := c.Env["DOCKER_CONFIG"]
	if dir == "" {
		dir = filepath.Join(c.Dirs.Home, ".docker")
	}
	path := filepath.Join(dir, "config.json")
	config, auths := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	b, err := readJobFile(c, path)
	if err == nil {
		err = json.Unmarshal(b, &config)
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if raw := config["auths"]; err == nil && len(raw) > 0 {
		err = json.Unmarshal(raw, &auths)
	}
	if err != nil {
		return cairn.Errorf(cairn.CodeFailed, "the docker configuration %s cannot be read: %w", path, err)
	}
	before := maps.Clone(auths)
	change(auths)
	if maps.EqualFunc(before, auths, func(a, b json.RawMessage) bool { return string(a) == string(b) }) {
		return nil
	}
	if config["auths"], err = json.Marshal(auths); err != nil {
		return err
	}
	if b, err = json.MarshalIndent(config, "", "\t"); err != nil {
		return err
	}
	if err := makeFolder(c, dir, 0o700); err != nil {
		return err
	}
	at, done, err := writable(c, dir)
	if err != nil {
		return err
	}
	defer done()
	err = replaceFile(filepath.Join(at, filepath.Base(path)), append(b, '\n'), 0o600)
	if err != nil {
		return cairn.Errorf(cairn.CodeFailed, "cannot write %s: %w", path, err)
	}
	return nil
}

// Post takes the credentials away again.
func (a *login) Post(_ context.Context, c *runner.StepContext) error {
	return logOut(c, lines(c.State[stateLogins]))
}

func logOut(c *runner.StepContext, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	err := changeAuths(c, func(auths map[string]json.RawMessage) {
		for _, k := range keys {
			delete(auths, k)
		}
	})
	if err != nil {
		return err
	}
	for _, k := range keys {
		c.Logf("Logged out of %s", strings.Replace(k, hubKey, hub, 1))
	}
	return nil
}

package server

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/deploy/local"
	"github.com/cairn-ml/cairn/internal/runner/host"
	"go.yaml.in/yaml/v3"
)

// DefaultListen is where an owner answers unless told otherwise.
const DefaultListen = "127.0.0.1:7077"

// Config is what $CAIRN_HOME/config.yaml says. Every field may be left out.
type Config struct {
	// Listen is host:port.
	Listen string `yaml:"listen"`
	// Hosts are further names under which this server may be addressed.
	Hosts []string `yaml:"hosts"`
	// URL is where people and other machines reach this server, behind a proxy: in
	// commit statuses and for webhooks.
	URL string `yaml:"url"`
	// Slots is how many jobs run at once.
	Slots int `yaml:"slots"`
	// Labels is the table of runner labels: "host" runs jobs with the label on
	// this machine, "none" does not.
	Labels map[string]string `yaml:"labels"`
	// KeepWorkspaces leaves the folders of jobs after they ended.
	KeepWorkspaces bool `yaml:"keep_workspaces"`
	// KeepFailed bounds what stays of jobs that failed.
	KeepFailed KeepFailed `yaml:"keep_failed"`
	// StagePort is where the ports of stages begin; 0: 7080.
	StagePort int `yaml:"stage_port"`
	// Serving says how services run: auto, container, root or host.
	Serving string `yaml:"serving"`
	// Actions says where actions come from that are not built in.
	Actions ActionsConfig `yaml:"actions"`
	// Artifacts and Caches say how long, and how much, is kept of what jobs leave.
	Artifacts ArtifactConfig `yaml:"artifacts"`
	Caches    CacheConfig    `yaml:"caches"`
	// MaxUpload bounds one artifact or cache that a client of GitHub's services
	// uploads, packed and unpacked; 0: 64 GiB.
	MaxUpload Bytes `yaml:"max_upload"`
	// OIDC is the issuer of identity tokens.
	OIDC struct {
		// Issuer is the name of this server for those who check tokens, where that is
		// not its address: https://ci.example.com.
		Issuer string `yaml:"issuer"`
	} `yaml:"oidc"`
	// Permissions are those of jobs of which no workflow says anything: restricted
	// (contents and packages to read), read (all), write (all); else what Cairn's own
	// work needs.
	Permissions string `yaml:"permissions"`
	// Azure says whose jobs keep a real az.
	Azure AzureConfig `yaml:"azure"`
	// Untrusted are patterns of branches whose code gets no secrets and a token that
	// only reads, beside that of forks.
	Untrusted []string `yaml:"untrusted"`
	// Forks says what happens to code of forks: ask (the default) waits for somebody
	// who may write, run starts it.
	Forks string `yaml:"forks"`
}

// LoadConfig reads a configuration file; one that is not there is empty.
func LoadConfig(path string) (Config, error) {
	var c Config
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, cairn.Errorf(cairn.CodeUnavailable, "cannot read the configuration: %w", err)
	}
	defer f.Close()
	d := yaml.NewDecoder(f)
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil && !strings.Contains(err.Error(), "EOF") {
		return c, configError(path, err)
	}
	return c, c.check(path)
}

// settings are the keys of the configuration.
var settings = [...]string{"listen", "hosts", "url", "slots", "labels", "keep_workspaces", "keep_failed", "serving", "stage_port", "actions", "artifacts", "caches", "max_upload", "oidc", "permissions", "untrusted", "forks"}

// configError says in words what the reader of YAML does not like.
func configError(path string, err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	var several *yaml.TypeError
	if errors.As(err, &several) && len(several.Errors) > 0 {
		text = several.Errors[0]
	}
	hint := "it may hold " + strings.Join(settings[:], ", ")
	if m := regexp.MustCompile(`^line (\d+): field (.+) not found in type `).FindStringSubmatch(text); m != nil {
		text = "line " + m[1] + ": there is no setting " + strconv.Quote(m[2])
		if near := cairn.Nearest(m[2], settings[:]); near != "" {
			hint = "did you mean " + near + "? " + hint
		}
	}
	return cairn.Errorf(cairn.CodeInvalid, "%s: %s", path, text).WithHint("%s", hint)
}

func (c *Config) check(path string) error {
	for label, where := range c.Labels {
		if where != "host" && where != "none" {
			return cairn.Errorf(cairn.CodeInvalid, "%s: label %s is mapped to %q", path, label, where).
				WithHint("host runs its jobs on this machine; none does not")
		}
	}
	if c.Serving != "" && !slices.Contains(local.Servings, c.Serving) {
		hint := "it may be " + strings.Join(local.Servings, ", ")
		if near := cairn.Nearest(c.Serving, local.Servings); near != "" {
			hint = "did you mean " + near + "? " + hint
		}
		return cairn.Errorf(cairn.CodeInvalid, "%s: serving is %q", path, c.Serving).WithHint("%s", hint)
	}
	if err := c.Actions.check(path); err != nil {
		return err
	}
	if err := c.KeepFailed.check(path); err != nil {
		return err
	}
	if c.Slots < 0 || c.Slots > 1024 {
		return cairn.Errorf(cairn.CodeInvalid, "%s: slots is %d; it may be 1 to 1024", path, c.Slots)
	}
	if c.StagePort != 0 && (c.StagePort < 1024 || c.StagePort > 65000) {
		return cairn.Errorf(cairn.CodeInvalid, "%s: stage_port is %d; it may be 1024 to 65000", path, c.StagePort)
	}
	if err := c.checkAccess(path); err != nil {
		return err
	}
	if err := c.checkResults(path); err != nil {
		return err
	}
	if u, err := url.Parse(c.URL); c.URL != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "") {
		return cairn.Errorf(cairn.CodeInvalid, "%s: url is %q", path, c.URL).WithHint("write it like https://cairn.example.com")
	}
	if c.Listen != "" {
		return checkListen(c.Listen)
	}
	return nil
}

func checkListen(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if n, perr := strconv.Atoi(port); err != nil || perr != nil || n < 0 || n > 65535 {
		return cairn.Errorf(cairn.CodeInvalid, "%q is not an address to listen on", addr).WithHint("write host:port, such as 127.0.0.1:7077")
	}
	return nil
}

// loopback reports whether an address is only reached from this machine.
func loopback(addr string) bool {
	h, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	if h == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(h)
	return err == nil && a.IsLoopback()
}

// labels applies the table to the labels that mean this host by default.
func (c *Config) labels() []string {
	var out []string
	for _, l := range host.DefaultLabels() {
		if c.Labels[l] != "none" {
			out = append(out, l)
		}
	}
	for l, where := range c.Labels {
		if where == "host" && !(cairn.Slot{Labels: out}).Serves([]string{l}) {
			out = append(out, l)
		}
	}
	return out
}

// Home finds the folder of a home in an environment.
func Home(env func(string) string) (string, error) {
	dir := env("CAIRN_HOME")
	if dir == "" {
		if data := env("XDG_DATA_HOME"); filepath.IsAbs(data) {
			dir = filepath.Join(data, "cairn")
		} else if home := env("HOME"); home != "" {
			dir = filepath.Join(home, ".local", "share", "cairn")
		} else {
			return "", cairn.Errorf(cairn.CodeInvalid, "neither CAIRN_HOME nor HOME is set").
				WithHint("set CAIRN_HOME to the folder in which Cairn may keep everything")
		}
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", cairn.Errorf(cairn.CodeInvalid, "CAIRN_HOME cannot be used: %w", err)
	}
	return dir, nil
}

// Options are how an owner is started.
type Options struct {
	Home    string
	Version string
	// Listen overrides the configuration's address. Exposed allows one beyond
	// loopback without TLS.
	Listen  string
	Exposed bool
	// Detached says that a command starts this owner: where the port is taken it
	// uses the next free one, and it leaves after Idle without client and run.
	Detached bool
	Idle     time.Duration
	// Env is the environment that git, tools and jobs inherit from.
	Env []string
	// Exe is the cairn program, which supervisors are started from; empty: this one.
	Exe string
	// Now is the clock of schedules; nil: time.Now.
	Now func() time.Time
	// Log takes lines for people at the terminal; the log file is in the home.
	Stderr *os.File
}

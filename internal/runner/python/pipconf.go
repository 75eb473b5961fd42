package python

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
)

// PipConfig is pip's configuration as pip itself would see it: files, then
// PIP_* variables, for the command install.
type PipConfig struct {
	values map[string]string // option name with dashes → value; lists as lines
	Files  []string          // that were read
}

// LoadPipConfig reads what pip reads, in pip's order: global, user, then the
// file that PIP_CONFIG_FILE names; in each the section of the command beats
// [global], and PIP_* variables beat all.
func LoadPipConfig(getenv func(string) string, userHome string) PipConfig {
	c := PipConfig{values: map[string]string{}}
	sections := map[string]map[string]string{"global": {}, "install": {}}
	own := getenv("PIP_CONFIG_FILE")
	var files []string
	if own != os.DevNull {
		files = pipFiles(getenv, userHome)
		if own != "" {
			files = append(files, own)
		}
	}
	for _, path := range files {
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		readINI(io.LimitReader(f, 1<<20), sections)
		f.Close()
		c.Files = append(c.Files, path)
	}
	for _, s := range []string{"global", "install"} {
		for k, v := range sections[s] {
			c.values[k] = v
		}
	}
	for _, k := range pipOptionNames() {
		if v := getenv("PIP_" + strings.ToUpper(strings.ReplaceAll(k, "-", "_"))); v != "" {
			c.values[k] = v
		}
	}
	return c
}

// pipFiles are the places of pip's configuration, widest first.
func pipFiles(getenv func(string) string, userHome string) []string {
	files := []string{"/etc/pip.conf"}
	dirs := getenv("XDG_CONFIG_DIRS")
	if dirs == "" {
		dirs = "/etc/xdg"
	}
	if runtime.GOOS == "darwin" {
		files = append(files, "/Library/Application Support/pip/pip.conf")
	} else {
		for _, d := range filepath.SplitList(dirs) {
			files = append([]string{filepath.Join(d, "pip", "pip.conf")}, files...)
		}
	}
	if userHome == "" {
		return files
	}
	files = append(files, filepath.Join(userHome, ".pip", "pip.conf"))
	conf := getenv("XDG_CONFIG_HOME")
	if conf == "" {
		conf = filepath.Join(userHome, ".config")
	}
	if runtime.GOOS == "darwin" {
		if dir := filepath.Join(userHome, "Library", "Application Support", "pip"); isDir(dir) {
			conf = filepath.Dir(dir)
		}
	}
	return append(files, filepath.Join(conf, "pip", "pip.conf"))
}

func isDir(p string) bool {
	fi, err := os.Stat(p)
	return err == nil && fi.IsDir()
}

// readINI reads the dialect of Python's RawConfigParser that pip uses: sections,
// key = value or key: value, indented lines carry a value on, # and ; begin
// comments at the start of a line.
func readINI(r io.Reader, sections map[string]map[string]string) {
	var cur map[string]string
	key := ""
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		line := strings.TrimRight(sc.Text(), " \t\r")
		text := strings.TrimSpace(line)
		switch {
		case text == "" || text[0] == '#' || text[0] == ';':
		case line[0] == ' ' || line[0] == '\t':
			if cur != nil && key != "" {
				cur[key] += "\n" + text
			}
		case text[0] == '[' && text[len(text)-1] == ']':
			cur, key = sections[strings.TrimSpace(text[1:len(text)-1])], ""
		default:
			i := strings.IndexAny(text, "=:")
			if cur == nil || i < 0 {
				key = ""
				continue
			}
			key = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(text[:i])), "_", "-")
			cur[key] = strings.TrimSpace(text[i+1:])
		}
	}
}

// What each of pip's options means for a plain install done by uv.
const (
	pipIgnored    = ""       // says how pip looks or behaves, not what is installed
	pipTranslated = "env"    // UVEnv carries it
	pipOnly       = "pip"    // changes what is installed in a way only pip knows
	pipIfTrue     = "truthy" // pipOnly when it is switched on
)

// pipOptions lists the options that a configuration may hold.
var pipOptions = map[string]string{
	"index-url": pipTranslated, "extra-index-url": pipTranslated, "find-links": pipTranslated, "no-index": pipTranslated,
	"trusted-host": pipTranslated, "cert": pipTranslated, "client-cert": pipTranslated, "proxy": pipTranslated,
	"timeout": pipTranslated, "default-timeout": pipTranslated, "retries": pipTranslated, "constraint": pipTranslated,
	"no-binary": pipTranslated, "only-binary": pipTranslated, "pre": pipTranslated, "no-build-isolation": pipTranslated,
	"no-cache-dir": pipTranslated, "no-deps": pipIfTrue, "keyring-provider": pipTranslated,
	"target": pipOnly, "prefix": pipOnly, "root": pipOnly, "src": pipOnly, "requirement": pipOnly, "editable": pipOnly,
	"platform": pipOnly, "python-version": pipOnly, "implementation": pipOnly, "abi": pipOnly, "report": pipOnly,
	"global-option": pipOnly, "config-settings": pipOnly, "user": pipIfTrue, "require-hashes": pipIfTrue,
	"prefer-binary": pipIfTrue, "force-reinstall": pipIfTrue, "ignore-installed": pipIfTrue, "upgrade": pipIfTrue, "dry-run": pipIfTrue,
	"upgrade-strategy": pipIgnored, "compile": pipIgnored, "no-compile": pipIgnored, "cache-dir": pipIgnored,
	"disable-pip-version-check": pipIgnored, "no-input": pipIgnored, "progress-bar": pipIgnored, "quiet": pipIgnored,
	"verbose": pipIgnored, "no-color": pipIgnored, "root-user-action": pipIgnored, "no-warn-script-location": pipIgnored,
	"break-system-packages": pipIgnored, "require-virtualenv": pipIgnored, "log": pipIgnored, "exists-action": pipIgnored,
	"no-python-version-warning": pipIgnored, "use-pep517": pipIgnored, "debug": pipIgnored, "no-warn-conflicts": pipIgnored,
}

func pipOptionNames() []string {
	names := make([]string, 0, len(pipOptions))
	for k := range pipOptions {
		names = append(names, k)
	}
	sort.Strings(names)
	return names
}

// OnlyPip names an option of the configuration that only pip can honour, or "".
// An option that is not known here is one: guessing could change what is installed.
func (c PipConfig) OnlyPip() string {
	names := make([]string, 0, len(c.values))
	for k := range c.values {
		names = append(names, k)
	}
	sort.Strings(names)
	for _, k := range names {
		kind, known := pipOptions[k]
		switch {
		case strings.HasPrefix(k, "use-"), kind == pipIgnored && known, kind == pipTranslated:
		case kind == pipIfTrue && !truthy(c.values[k]):
		default:
			return k
		}
	}
	return ""
}

func truthy(s string) bool {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "1", "y", "yes", "t", "true", "on":
		return true
	}
	return false
}

// list splits a value that may hold several words or lines.
func (c PipConfig) list(key string) []string { return strings.Fields(c.values[key]) }

// UVEnv gives the configuration in the words of uv's environment. A variable
// that the user has set for uv already is left alone.
func (c PipConfig) UVEnv(getenv func(string) string) map[string]string {
	out := map[string]string{}
	set := func(value string, names ...string) {
		if value == "" {
			return
		}
		for _, n := range names { // any of them set by the user: theirs
			if getenv(n) != "" {
				return
			}
		}
		out[names[0]] = value
	}
	set(strings.Join(c.list("index-url"), " "), "UV_DEFAULT_INDEX", "UV_INDEX_URL")
	set(strings.Join(c.list("extra-index-url"), " "), "UV_INDEX", "UV_EXTRA_INDEX_URL")
	if out["UV_INDEX"] != "" {
		// pip takes the best version of all indexes, uv the first index that has the name.
		set("unsafe-best-match", "UV_INDEX_STRATEGY")
	}
	set(strings.Join(c.list("find-links"), ","), "UV_FIND_LINKS")
	if truthy(c.values["no-index"]) {
		set("1", "UV_NO_INDEX")
	}
	set(strings.Join(c.list("trusted-host"), " "), "UV_INSECURE_HOST")
	set(c.values["cert"], "SSL_CERT_FILE")
	set(c.values["client-cert"], "SSL_CLIENT_CERT")
	if p := c.values["proxy"]; p != "" {
		if !strings.Contains(p, "://") {
			p = "http://" + p
		}
		set(p, "HTTPS_PROXY", "https_proxy", "ALL_PROXY")
		set(p, "HTTP_PROXY", "http_proxy", "ALL_PROXY")
	}
	if t := c.values["timeout"]; t != "" {
		set(wholeNumber(t), "UV_HTTP_TIMEOUT", "UV_REQUEST_TIMEOUT")
	} else {
		set(wholeNumber(c.values["default-timeout"]), "UV_HTTP_TIMEOUT", "UV_REQUEST_TIMEOUT")
	}
	set(wholeNumber(c.values["retries"]), "UV_HTTP_RETRIES")
	set(strings.Join(c.list("constraint"), " "), "UV_CONSTRAINT")
	if truthy(c.values["pre"]) {
		set("allow", "UV_PRERELEASE")
	}
	if v, ok := c.values["no-build-isolation"]; ok && (truthy(v) || v == "0" || strings.EqualFold(v, "false")) {
		set("1", "UV_NO_BUILD_ISOLATION") // pip reads this one upside down: both switch isolation off
	}
	if truthy(c.values["no-cache-dir"]) {
		set("1", "UV_NO_CACHE")
	}
	if c.values["keyring-provider"] == "subprocess" {
		set("subprocess", "UV_KEYRING_PROVIDER")
	}
	return out
}

// UVArgs are the parts of the configuration that uv takes as arguments only.
func (c PipConfig) UVArgs() []string {
	var args []string
	for _, k := range []string{"no-binary", "only-binary"} {
		for _, v := range strings.FieldsFunc(c.values[k], func(r rune) bool { return r == ',' || r == ' ' || r == '\n' }) {
			args = append(args, "--"+k, v)
		}
	}
	return args
}

// wholeNumber keeps the digits before a point: uv takes whole seconds.
func wholeNumber(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), ".")
	for _, r := range s {
		if r < '0' || r > '9' {
			return ""
		}
	}
	return s
}

// Secrets lists the passwords and tokens inside the configuration's URLs, which
// logs must not show.
func (c PipConfig) Secrets() []string {
	var out []string
	for _, k := range []string{"index-url", "extra-index-url", "find-links", "proxy"} {
		for _, u := range c.list(k) {
			_, rest, ok := strings.Cut(u, "://")
			if !ok {
				continue
			}
			host, _, _ := strings.Cut(rest, "/")
			i := strings.LastIndexByte(host, '@')
			if i < 0 {
				continue
			}
			user, pass, has := strings.Cut(host[:i], ":")
			if has && pass != "" {
				out = append(out, pass)
			} else if len(user) >= 16 { // a lone token
				out = append(out, user)
			}
		}
	}
	return out
}

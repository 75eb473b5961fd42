package host

import (
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// inherited picks what jobs get of the owner's environment: where programs are,
// the locale, proxies and certificates, and how package tools are configured.
// Nothing else: the owner's environment is its own.
func inherited(environ []string) []string {
	var out []string
	for _, kv := range environ {
		name, _, ok := strings.Cut(kv, "=")
		if ok && inherits(name) {
			out = append(out, kv)
		}
	}
	return out
}

func inherits(name string) bool {
	switch name {
	case "PATH", "LANG", "LANGUAGE", "TZ", "USER", "LOGNAME", "SHELL",
		"http_proxy", "https_proxy", "no_proxy", "all_proxy", "ftp_proxy",
		"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "FTP_PROXY",
		"SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS",
		"NETRC", "PYENV_ROOT", "CONDA_EXE", "CONDA_PKGS_DIRS", "RUNNER_TOOL_CACHE", "AGENT_TOOLSDIRECTORY",
		"JAVA_HOME", "GOROOT", "GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GOMODCACHE", "GOCACHE",
		"RUSTUP_HOME", "CARGO_HOME", "NVM_DIR", "DOCKER_HOST", "DOCKER_CONFIG", "XDG_RUNTIME_DIR",
		"LD_LIBRARY_PATH", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS":
		return true
	}
	for _, p := range []string{"LC_", "PIP_", "UV_", "NPM_CONFIG_", "npm_config_", "CUDA_", "NVIDIA_", "HF_HUB_", "HF_ENDPOINT"} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

// credentials finds the secrets in what is inherited: they must not show in logs.
func credentials(environ []string) []string {
	var out []string
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		upper := strings.ToUpper(name)
		if strings.Contains(upper, "PASSWORD") || strings.Contains(upper, "TOKEN") || strings.Contains(upper, "SECRET") || strings.Contains(upper, "_AUTH") {
			out = append(out, value)
		}
		for _, word := range strings.Fields(value) {
			// UV_INDEX holds name=URL pairs.
			if i := strings.Index(word, "://"); i > 0 {
				if j := strings.LastIndexByte(word[:i], '='); j >= 0 {
					word = word[j+1:]
				}
			}
			if u, err := url.Parse(word); err == nil && u.User != nil {
				if pw, ok := u.User.Password(); ok {
					out = append(out, pw)
				}
			}
		}
	}
	return out
}

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// jobEnviron is the environment that every process of a job begins with.
func jobEnviron(l layout, inherited []string, h handover, mark string) map[string]string {
	env := map[string]string{}
	for _, kv := range inherited {
		if name, value, ok := strings.Cut(kv, "="); ok && inherits(name) {
			env[name] = value
		}
	}
	if env["PATH"] == "" {
		env["PATH"] = defaultPath
	}
	env["PATH"] = l.file("bin") + string(os.PathListSeparator) + env["PATH"]
	env["HOME"] = l.base().file("home")
	env["TMPDIR"] = l.base().file("tmp")
	env[markVariable] = mark
	if env["LANG"] == "" && env["LC_ALL"] == "" {
		env["LANG"] = "C.UTF-8"
	}
	// Package caches are shared: their tools lock them.
	setDefault(env, "PIP_CACHE_DIR", filepath.Join(h.Home, "cache", "pip"))
	setDefault(env, "UV_CACHE_DIR", filepath.Join(h.Home, "cache", "uv"))
	setDefault(env, "PIP_DISABLE_PIP_VERSION_CHECK", "1")
	// The last fence before this computer's own Pythons: see python.OfferDefault.
	setDefault(env, "PIP_REQUIRE_VIRTUALENV", "1")
	setDefault(env, "PYTHONUNBUFFERED", "1") // so that logs can be followed
	// Version managers look for their files in HOME, which is not the user's.
	for name, dir := range map[string]string{"PYENV_ROOT": ".pyenv", "RUSTUP_HOME": ".rustup", "CARGO_HOME": ".cargo"} {
		if p := filepath.Join(h.UserHome, dir); h.UserHome != "" && isDir(p) {
			setDefault(env, name, p)
		}
	}
	return env
}

func setDefault(env map[string]string, name, value string) {
	if env[name] == "" {
		env[name] = value
	}
}

func isDir(p string) bool {
	fi, err := os.Stat(p)
	return err == nil && fi.IsDir()
}

// linkConfig shows the user's configuration of package tools (index, proxy,
// credentials) in the job's own HOME.
func linkConfig(l layout, userHome string) error {
	if userHome == "" {
		return nil
	}
	for _, name := range configFiles() {
		from := filepath.Join(userHome, name)
		if fi, err := os.Stat(from); err != nil || !fi.Mode().IsRegular() {
			continue
		}
		to := filepath.Join(l.file("home"), name)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		// In a workspace that is gone on with it stands already.
		if err := os.Symlink(from, to); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

func configFiles() []string {
	return slices.Clip([]string{".config/pip/pip.conf", ".pip/pip.conf", ".config/uv/uv.toml", ".netrc", ".condarc", ".npmrc"})
}

// sudoShim stands first on PATH where steps must not become root.
const sudoShim = `#!/bin/sh
echo "::error::sudo is refused: steps run on this computer as you. Install what is needed beforehand, or run the job with --allow-sudo"
exit 1
`

package follow

import (
	"net"
	"net/url"
	"strings"

	"github.com/cairn-ml/cairn"
)

// hostKinds are what --status may say.
var hostKinds = []string{cairn.HostGitHub, cairn.HostGitea, cairn.HostGitLab}

// hostOf tells by its name what answers at a host; "" where that is not known.
func hostOf(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	switch host {
	case "github.com", "ssh.github.com", "www.github.com":
		return cairn.HostGitHub
	case "gitlab.com", "altssh.gitlab.com":
		return cairn.HostGitLab
	case "codeberg.org", "gitea.com":
		return cairn.HostGitea
	}
	if strings.HasSuffix(host, ".ghe.com") {
		return cairn.HostGitHub
	}
	return ""
}

// apiOf is the base of a host's interface.
func apiOf(kind string, p Place) string {
	base, name := "", p.Host
	if h, _, err := net.SplitHostPort(name); err == nil && p.Scheme != "https" && p.Scheme != "http" {
		name = h // the port is that of ssh
	}
	switch scheme := p.Scheme; {
	case p.Host == "" || kind == "":
		return ""
	case scheme == "http":
		base = "http://" + name
	default:
		base = "https://" + name
	}
	switch kind {
	case cairn.HostGitHub:
		switch bare := strings.TrimPrefix(strings.TrimPrefix(name, "ssh."), "www."); {
		case bare == "github.com":
			return "https://api.github.com"
		case strings.HasSuffix(bare, ".ghe.com"):
			return "https://api." + bare
		}
		return base + "/api/v3"
	case cairn.HostGitea:
		return base + "/api/v1"
	case cairn.HostGitLab:
		return base + "/api/v4"
	}
	return ""
}

// userOf is the name that git sends with a token.
func userOf(kind string) string {
	if kind == cairn.HostGitLab {
		return "oauth2"
	}
	return "x-access-token"
}

// pullPattern are the refs of a host's pull requests.
const pullPattern = "refs/pull/*/head"

// asksPulls reports whether looks at the refs also see pull requests: who they
// are from is asked of the host's interface, which needs a token.
func asksPulls(f *cairn.Follow) bool {
	return f.HasToken && f.API != "" && (f.Host == cairn.HostGitHub || f.Host == cairn.HostGitea)
}

// repoPath is a repository's path in the interface of GitHub and Gitea.
func repoPath(project string) string {
	parts := strings.Split(project, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return "/repos/" + strings.Join(parts, "/")
}

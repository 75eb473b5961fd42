package git

import (
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// RemoteURL is the address of a remote, taken apart.
type RemoteURL struct {
	URL    string // as git is given it
	Scheme string // http, https, ssh, git, file
	Host   string // with its port; "" of what lies on this machine
	Path   string // owner/name on a host, the absolute path of a folder
	Name   string // owner/name that it gets here
}

// remoteSchemes are the ways to reach a remote; helpers of git that are named by
// a scheme (ext::) could start programs.
var remoteSchemes = [...]string{"https", "http", "ssh", "git", "file"}

// ParseRemote takes the address of a remote apart and refuses what git would not
// take for one, and credentials in it: addresses are shown and kept in clear.
func ParseRemote(text string) (RemoteURL, error) {
	bad := func(format string, args ...any) (RemoteURL, error) {
		return RemoteURL{}, cairn.Errorf(cairn.CodeInvalid, format, args...).
			WithHint("write it like https://github.com/owner/name, ssh://git@host/path, git@host:path, file:///path or /path")
	}
	if text == "" || len(text) > 2000 || strings.HasPrefix(text, "-") || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return bad("%q is not the address of a git repository", clip(withoutPassword(text)))
	}
	if filepath.IsAbs(text) {
		clean := filepath.Clean(text)
		return RemoteURL{URL: clean, Scheme: "file", Path: clean, Name: RepoName(clean, clean)}, nil
	}
	if !strings.Contains(text, "://") {
		host, p, ok := strings.Cut(text, ":")
		if !ok || strings.Contains(host, "/") || strings.HasPrefix(p, ":") || p == "" || strings.Trim(host, "@") == "" {
			return bad("%q is not the address of a git repository", clip(text))
		}
		user, name, ok := strings.Cut(host, "@")
		if !ok {
			name = user
		}
		if name == "" || strings.HasPrefix(name, "-") || strings.HasPrefix(user, "-") || strings.Contains(user, ":") {
			return bad("%q is not the address of a git repository", clip(text))
		}
		return RemoteURL{URL: text, Scheme: "ssh", Host: name, Path: repoPath(p), Name: RepoName(text, "")}, nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return bad("the address of the repository cannot be read") // its text may hold a password
	}
	scheme := strings.ToLower(u.Scheme)
	if !slices.Contains(remoteSchemes[:], scheme) {
		e := cairn.Errorf(cairn.CodeInvalid, "%q is not a way to reach a git repository", clip(u.Scheme))
		return RemoteURL{}, e.WithHint("one of %s", strings.Join(remoteSchemes[:], ", "))
	}
	if _, secret := u.User.Password(); secret || u.User != nil && scheme != "ssh" {
		return RemoteURL{}, cairn.Errorf(cairn.CodeInvalid, "the address holds a user name or a password: %s", withoutPassword(text)).
			WithHint("leave them out, and give the token with --token-stdin or --token-file: it is kept encrypted")
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return bad("%q is a page, not a git repository", clip(text))
	}
	r := RemoteURL{Scheme: scheme, Host: strings.ToLower(u.Host), Path: repoPath(u.Path)}
	u.Scheme, u.Host = r.Scheme, r.Host
	r.URL = strings.TrimRight(u.String(), "/")
	switch {
	case scheme == "file" && (r.Host != "" && r.Host != "localhost" || !filepath.IsAbs(u.Path)):
		return bad("%q is not a folder on this machine", clip(text))
	case scheme == "file":
		r.Host, r.Path = "", filepath.Clean(u.Path)
		r.Name = RepoName(r.Path, r.Path)
		return r, nil
	case u.Hostname() == "" || strings.HasPrefix(u.Hostname(), "-") || u.User != nil && strings.HasPrefix(u.User.Username(), "-"):
		return bad("%q names no host", clip(text))
	case r.Path == "":
		return bad("%q names a host, and no repository there", clip(text))
	}
	r.Name = RepoName(r.URL, "")
	return r, nil
}

func repoPath(p string) string { return strings.TrimSuffix(strings.Trim(p, "/"), ".git") }

// Plain reports whether what is sent there can be read on the way.
func (r RemoteURL) Plain() bool {
	if r.Scheme != "http" {
		return false
	}
	host := (&url.URL{Host: r.Host}).Hostname()
	a, err := netip.ParseAddr(host)
	return host != "localhost" && (err != nil || !a.IsLoopback())
}

// base is the address of the host alone, which credentials are kept to.
func (r RemoteURL) base() string { return r.Scheme + "://" + r.Host }

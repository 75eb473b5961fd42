package git

import (
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/cairn-ml/cairn"
)

// zeroID stands for "no object" in moves of refs.
const zeroID = "0000000000000000000000000000000000000000"

var idPattern = regexp.MustCompile(`^[0-9a-f]{40}$`)

func isID(s string) bool { return idPattern.MatchString(s) }

var repoPattern = regexp.MustCompile(`^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$`)

// maxName bounds the two parts of a name.
const maxName = 100

// CheckRepo refuses what is not the name of a repository: owner/name.
func CheckRepo(name string) error {
	ok := repoPattern.MatchString(name)
	for part := range strings.SplitSeq(name, "/") {
		if len(part) > maxName || strings.Trim(part, ".") == "" || strings.HasPrefix(part, "-") ||
			strings.HasSuffix(part, ".git") || strings.HasSuffix(part, ".lock") {
			ok = false
		}
	}
	if !ok {
		return cairn.Errorf(cairn.CodeInvalid, "%q is not the name of a repository", clip(name)).
			WithHint("it is owner/name, of letters, digits, - _ and .")
	}
	return nil
}

// CheckRef refuses what git would not take as the full name of a ref.
func CheckRef(ref string) error {
	bad := !strings.HasPrefix(ref, "refs/") || len(ref) > 255 || strings.HasSuffix(ref, ".") || strings.HasSuffix(ref, "/") ||
		strings.Contains(ref, "..") || strings.Contains(ref, "@{") || strings.Contains(ref, "//") || strings.ContainsAny(ref, " ~^:?*[\\\x7f")
	for _, r := range ref {
		bad = bad || r < ' '
	}
	for part := range strings.SplitSeq(ref, "/") {
		bad = bad || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock")
	}
	if bad {
		return cairn.Errorf(cairn.CodeInvalid, "%q is not the name of a branch or tag", clip(ref))
	}
	return nil
}

// checkRev refuses revisions that could be read as an option or span lines.
func checkRev(rev string) error {
	if rev == "" || len(rev) > 255 || strings.HasPrefix(rev, "-") || strings.ContainsAny(rev, "\x00\n\r") {
		return cairn.Errorf(cairn.CodeInvalid, "%q is not a branch, tag or commit", clip(rev))
	}
	return nil
}

// checkPath refuses paths that leave the repository, and cleans the rest.
func checkPath(p string) (string, error) {
	clean := strings.TrimPrefix(path.Clean("/"+p), "/")
	if strings.HasPrefix(p, "/") || strings.ContainsRune(p, 0) || len(p) > 4096 || strings.HasPrefix(path.Clean(p), "../") || path.Clean(p) == ".." {
		return "", cairn.Errorf(cairn.CodeInvalid, "%q is not a path inside the repository", clip(p)).
			WithHint("write it relative to the top of the repository, with slashes")
	}
	return clean, nil
}

var notInName = regexp.MustCompile(`[^A-Za-z0-9_.-]+`)

// RepoName gives the owner/name of a repository: the last two parts of origin's
// URL, else local/ and the name of the folder.
func RepoName(origin, root string) string {
	p, remote := originPath(origin)
	if origin != "" && !remote {
		root = p // clones of one local repository are the same repository
	}
	parts := strings.FieldsFunc(p, func(r rune) bool { return r == '/' })
	if remote && len(parts) >= 2 {
		return word(parts[len(parts)-2]) + "/" + word(parts[len(parts)-1])
	}
	if remote && len(parts) == 1 {
		return "local/" + word(parts[0])
	}
	base := filepath.Base(strings.TrimSuffix(root, "/.git"))
	return "local/" + word(base)
}

// word makes one part of a name of anything.
func word(s string) string {
	s = strings.TrimSuffix(s, ".git")
	s = strings.Trim(notInName.ReplaceAllString(s, "-"), "-.")
	s = strings.TrimSuffix(strings.TrimSuffix(s, ".lock"), ".git")
	if len(s) > 100 {
		s = s[:100]
	}
	if s == "" {
		return "repository"
	}
	return s
}

// originPath tells the path of a remote's URL, and whether it names a host:
// https://host/p, ssh://host/p and host:p do, /p and file:///p do not.
func originPath(origin string) (p string, remote bool) {
	if u, err := url.Parse(origin); err == nil && u.Scheme != "" && strings.Contains(origin, "://") {
		return u.Path, u.Scheme != "file"
	}
	host, p, ok := strings.Cut(origin, ":")
	if ok && !strings.Contains(host, "/") {
		return p, true
	}
	return origin, false
}

// WebURL is where people look at a repository, from its remote's URL: the same on
// every machine that cloned it. "" where the remote names no host.
func WebURL(origin string) string {
	host, p, scheme := "", "", "https"
	if u, err := url.Parse(origin); err == nil && strings.Contains(origin, "://") {
		switch u.Scheme {
		case "http", "https":
			host, scheme = u.Host, u.Scheme
		case "ssh", "git", "git+ssh", "ssh+git":
			host = u.Hostname() // the port is that of ssh
		}
		p = u.Path
	} else if before, after, ok := strings.Cut(origin, ":"); ok && !strings.Contains(before, "/") {
		host, p = before[strings.LastIndex(before, "@")+1:], after
	}
	p = strings.TrimSuffix(strings.Trim(p, "/"), ".git")
	if host == "" || p == "" {
		return ""
	}
	return (&url.URL{Scheme: scheme, Host: host, Path: "/" + p}).String()
}

// withoutPassword removes credentials from a URL.
func withoutPassword(origin string) string {
	if u, err := url.Parse(origin); err == nil && u.User != nil && strings.Contains(origin, "://") {
		u.User = nil
		return u.String()
	}
	return origin
}

func clip(s string) string {
	if len(s) > 100 {
		return s[:100] + "…"
	}
	return s
}

package server

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/git"
)

// ActionsConfig says where actions come from that are not built in.
type ActionsConfig struct {
	// Mirrors are asked in this order: "github", a folder that holds owner/repo git
	// repositories, or the address of a git host, in which {owner} and {repo} stand
	// for the names. Not given: github. Repositories that are hosted here come first.
	Mirrors []string `yaml:"mirrors"`
	// Original are names (owner/repo) of built-in actions that are fetched instead.
	Original []string `yaml:"original"`
}

const githubAddress = "https://github.com/{owner}/{repo}"

// check refuses what could not be asked.
func (c *ActionsConfig) check(path string) error {
	for _, m := range c.Mirrors {
		if _, err := parseMirror(m); err != nil {
			e := cairn.AsError(err)
			return cairn.Errorf(cairn.CodeInvalid, "%s: actions.mirrors: %s", path, e.Message).WithHint("%s", e.Hint)
		}
	}
	for _, o := range c.Original {
		if u, err := cairn.ParseActionUses(o + "@v1"); err != nil || u.Repository == "" {
			return cairn.Errorf(cairn.CodeInvalid, "%s: actions.original: %q is not the name of an action", path, o).WithHint("write owner/repo, such as actions/checkout")
		}
	}
	return nil
}

// mirror is one place where repositories of actions may be.
type mirror struct {
	name     string // as configured
	dir      string // a folder; "" for a host
	template string
	hosted   bool // repositories of this Cairn
}

const mirrorHint = "write github, /a/folder with owner/repo repositories, or https://git.example.com/{owner}/{repo}"

func parseMirror(text string) (mirror, error) {
	m := mirror{name: text}
	switch {
	case text == "github":
		m.template = githubAddress
	case filepath.IsAbs(text):
		m.dir = filepath.Clean(text)
	default:
		m.template = text
		if !strings.Contains(text, "{repo}") {
			m.template = strings.TrimRight(text, "/") + "/{owner}/{repo}"
		}
		if _, err := git.ParseRemote(m.url("owner", "repo")); err != nil || !strings.ContainsAny(text, ":") {
			return m, cairn.Errorf(cairn.CodeInvalid, "%q is neither a folder nor the address of a git host", text).WithHint(mirrorHint)
		}
	}
	return m, nil
}

func (m *mirror) url(owner, repo string) string {
	return strings.NewReplacer("{owner}", owner, "{repo}", repo).Replace(m.template)
}

// remote is where the mirror has a repository; false: it has none.
func (m *mirror) remote(repository string) (cairn.Remote, bool) {
	owner, repo, _ := strings.Cut(repository, "/")
	if m.dir == "" {
		return cairn.Remote{URL: m.url(owner, repo)}, true
	}
	at, ok := folderFold(m.dir, owner)
	if !ok {
		return cairn.Remote{}, false
	}
	for _, name := range []string{repo + ".git", repo} {
		if p, ok := folderFold(at, name); ok {
			if _, err := os.Stat(filepath.Join(p, ".git")); err == nil {
				return folderRemote(p), true
			}
			if _, err := os.Stat(filepath.Join(p, "HEAD")); err == nil {
				return folderRemote(p), true
			}
		}
	}
	return cairn.Remote{}, false
}

// folderRemote names a folder so that git takes any path for it.
func folderRemote(p string) cairn.Remote {
	return cairn.Remote{URL: (&url.URL{Scheme: "file", Path: p}).String()}
}

// folderFold finds a folder by a name of which upper and lower case do not count, as
// for names at GitHub.
func folderFold(dir, name string) (string, bool) {
	if fi, err := os.Stat(filepath.Join(dir, name)); err == nil && fi.IsDir() {
		return filepath.Join(dir, name), true
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", false
	}
	for _, e := range entries {
		if strings.EqualFold(e.Name(), name) {
			p := filepath.Join(dir, e.Name())
			fi, err := os.Stat(p)
			return p, err == nil && fi.IsDir()
		}
	}
	return "", false
}

// mirrors are the places to ask, in order.
func (s *Server) mirrors() []mirror {
	out := []mirror{{name: "hosted", hosted: true}}
	names := s.config.Actions.Mirrors
	if names == nil {
		names = []string{"github"}
	}
	for _, n := range names {
		if m, err := parseMirror(n); err == nil { // looked at when the configuration was read
			out = append(out, m)
		}
	}
	return out
}

const (
	// askPatience bounds how long one place may take to say what a ref means.
	askPatience = 20 * time.Second
	// quietTime is for how long a place that did not answer is not asked again where
	// there is an answer from before.
	quietTime = 30 * time.Second
)

// quiet remembers which hosts did not answer, and what was said of them.
type quiet struct {
	mu   sync.Mutex
	said map[string]silence
}

type silence struct {
	until time.Time
	err   error
}

// of is why a host is not asked now; nil: it is.
func (q *quiet) of(name string, now time.Time) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if s := q.said[name]; now.Before(s.until) {
		return s.err
	}
	return nil
}

func (q *quiet) set(name string, until time.Time, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.said == nil {
		q.said = map[string]silence{}
	}
	q.said[name] = silence{until, err}
}

func tooSlow(name string) error {
	return cairn.Errorf(cairn.CodeUnavailable, "%s did not answer within %s", name, askPatience)
}

// found is what a place says of a ref.
type found struct {
	at     mirror
	remote cairn.Remote
	full   string // the ref's full name there
	commit string
	source string
}

// ask asks one place which commit a ref means.
func (s *Server) ask(ctx context.Context, m mirror, u cairn.ActionUses, a asking) (*found, error) {
	if m.hosted {
		if !s.host.Exists(u.Repository) || a.untrusted && !strings.EqualFold(u.Repository, a.repository) {
			return nil, cairn.Errorf(cairn.CodeNotFound, "%s is not hosted here", u.Repository)
		}
		commit, err := s.host.HostedCommit(ctx, u.Repository, u.Ref)
		return &found{at: m, commit: commit, source: "hosted"}, err
	}
	if fi, err := os.Stat(m.dir); m.dir != "" && (err != nil || !fi.IsDir()) {
		return nil, cairn.Errorf(cairn.CodeUnavailable, "the folder %s is not there", m.dir)
	}
	r, ok := m.remote(u.Repository)
	if !ok {
		return nil, cairn.Errorf(cairn.CodeNotFound, "there is no %s in %s", u.Repository, m.dir)
	}
	source := r.URL
	if m.dir != "" {
		source = filepath.Join(m.dir, u.Repository)
	}
	r.Anonymous = a.untrusted && m.dir == ""
	if shaPattern.MatchString(u.Ref) {
		if a.untrusted {
			return s.publicCommit(ctx, m, r, u, source)
		}
		return &found{at: m, remote: r, commit: strings.ToLower(u.Ref), source: source}, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, askPatience, tooSlow(m.name))
	defer cancel()
	full, commit, err := s.host.RemoteCommit(ctx, r, u.Ref)
	return &found{at: m, remote: r, full: full, commit: commit, source: source}, err
}

// publicCommit is a commit of a repository that everybody may read: untrusted code is
// not given what was fetched for others.
func (s *Server) publicCommit(ctx context.Context, m mirror, r cairn.Remote, u cairn.ActionUses, source string) (*found, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, askPatience, tooSlow(m.name))
	defer cancel()
	if _, _, err := s.host.RemoteCommit(ctx, r, "HEAD"); err != nil && cairn.CodeOf(err) != cairn.CodeNotFound || err != nil && !strings.HasPrefix(cairn.AsError(err).Message, "there is no branch") {
		return nil, err
	}
	return &found{at: m, remote: r, commit: strings.ToLower(u.Ref), source: source}, nil
}

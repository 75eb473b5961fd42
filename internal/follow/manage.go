package follow

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

const (
	minEvery     = 5 * time.Second
	maxEvery     = 24 * time.Hour
	defaultEvery = time.Minute
	// hookEvery is for repositories with a webhook: the look is a safety net then.
	hookEvery  = 10 * time.Minute
	maxPattern = 50
	maxToken   = 8 << 10
)

// Change says how a repository shall be followed; nil fields change nothing.
type Change struct {
	Every    *time.Duration
	Branches *[]string
	Token    *string // "" removes it
	User     *string
	SSHKey   *string
	// Status is what the interface of the host is spoken to as: github, gitea,
	// gitlab, or none for no statuses.
	Status *string
	Paused *bool
	// Hook: on, off or new (another address and secret).
	Hook string
}

// Added is a repository that is followed from now on.
type Added struct {
	Follow cairn.FollowInfo `json:"follow"`
	Hook   *cairn.NewHook   `json:"hook,omitempty"`
}

// Add begins to follow a repository. It asks the other end for its refs first, so
// that a wrong address is told at once.
func (s *Service) Add(ctx context.Context, url, name string, c Change, latest bool) (*Added, error) {
	p, err := s.place(ctx, url)
	if err != nil {
		return nil, err
	}
	if name == "" {
		name = p.Name
	}
	if _, err := s.o.Mirror.Dir(name); err != nil {
		return nil, err
	}
	defer s.lock(name)()
	if _, err := s.o.Store.Follow(ctx, name); err == nil {
		return nil, cairn.Errorf(cairn.CodeConflict, "%s is followed already", name).
			WithHint("cairn repo show %s; another repository of the same name needs --name", name)
	} else if cairn.CodeOf(err) != cairn.CodeNotFound {
		return nil, err
	}
	f := cairn.Follow{
		Repository: name, URL: p.URL, Host: hostOf(p.Host), Project: p.Path, Every: defaultEvery, Fresh: true, RunLatest: latest,
		By: s.o.Actor(ctx), CreatedAt: s.now().UTC(),
	}
	if c.Hook == "on" {
		f.Every = hookEvery
	}
	var seals cairn.FollowSeals
	hook, err := s.change(ctx, &f, &seals, p, c)
	if err != nil {
		return nil, err
	}
	if err := s.free(ctx, name, p.URL); err != nil {
		return nil, err
	}
	refs, err := s.o.Mirror.RemoteRefs(ctx, s.remoteOf(&f, deref(c.Token)), "HEAD")
	if err != nil {
		return nil, err
	}
	if err := s.o.Mirror.Create(ctx, name); err != nil {
		return nil, err
	}
	if err := s.o.Repositories.Keep(ctx, name, p.URL, branchOf(refs.Head)); err != nil {
		return nil, err
	}
	if err := s.o.Store.AddFollow(ctx, f, seals, s.recorded(ctx, "repository.followed", f)); err != nil {
		return nil, err
	}
	f.Version = 1
	s.mu.Lock()
	// Whoever adds one looks at it first; if not, the server does soon.
	s.live[name] = &state{nextAt: s.now().Add(addPatience)}
	s.mu.Unlock()
	s.wake()
	return &Added{Follow: s.info(f), Hook: hook}, nil
}

// place takes an address apart; folders are for the machine's own user alone.
func (s *Service) place(ctx context.Context, url string) (Place, error) {
	p, err := s.o.Parse(url)
	if err == nil && p.Host == "" && !s.o.Local(ctx) {
		err = cairn.Errorf(cairn.CodeForbidden, "a folder can only be named by a program of the server's own user, on its socket").
			WithHint("name a repository on a host")
	}
	return p, err
}

// free refuses a name that belongs to what people push to here.
func (s *Service) free(ctx context.Context, name, url string) error {
	if !s.o.Mirror.Exists(name) {
		return nil
	}
	refs, err := s.o.Mirror.RefsBelow(ctx, name, "refs/heads", "refs/tags")
	if err != nil || len(refs) == 0 {
		return err
	}
	origin, err := s.o.Repositories.Origin(ctx, name)
	if err != nil || origin == url {
		return err
	}
	return cairn.Errorf(cairn.CodeConflict, "%s is a repository here already, with branches of its own", name).
		WithHint("give the one that is followed another name: --name owner/name")
}

// Set changes how a repository is followed.
func (s *Service) Set(ctx context.Context, repo string, c Change) (*Added, error) {
	f, err := s.find(ctx, repo)
	if err != nil {
		return nil, err
	}
	s.interrupt(f.Repository)
	defer s.lock(f.Repository)()
	if f, err = s.o.Store.Follow(ctx, f.Repository); err != nil {
		return nil, err
	}
	p, err := s.o.Parse(f.URL)
	if err != nil {
		return nil, err
	}
	var seals cairn.FollowSeals
	hook, err := s.change(ctx, &f, &seals, p, c)
	if err != nil {
		return nil, err
	}
	if f, err = s.o.Store.PutFollow(ctx, f, seals, s.recorded(ctx, "repository.follow-changed", f)); err != nil {
		return nil, err
	}
	if !f.Statuses {
		if err := s.o.Store.DropHostStatuses(ctx, f.Repository, cairn.Change{By: s.o.Actor(ctx)}); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	st := s.state(f.Repository)
	st.failures, st.err, st.asked = 0, nil, !f.Paused
	st.pulls, st.pullsAfter = "", time.Time{}
	s.mu.Unlock()
	s.wake()
	return &Added{Follow: s.info(f), Hook: hook}, nil
}

// Remove ends following a repository. What was fetched and run stays, and it can
// be pushed to from now on.
func (s *Service) Remove(ctx context.Context, repo string) error {
	f, err := s.find(ctx, repo)
	if err != nil {
		return err
	}
	s.interrupt(f.Repository)
	defer s.lock(f.Repository)()
	// What is not taken in yet is not taken in as somebody's push either.
	refs, err := s.o.Mirror.RefsBelow(ctx, f.Repository, "refs/heads", "refs/tags")
	if err == nil {
		err = s.o.Store.NoteRefs(ctx, f.Repository, refs, cairn.Change{By: s.o.Actor(ctx)})
	}
	if err != nil && cairn.CodeOf(err) != cairn.CodeNotFound {
		return err
	}
	if err := s.o.Store.DropFollow(ctx, f.Repository, s.recorded(ctx, "repository.unfollowed", f)); err != nil {
		return err
	}
	s.mu.Lock()
	delete(s.live, f.Repository)
	s.mu.Unlock()
	return nil
}

// change applies c to f and checks the outcome.
func (s *Service) change(_ context.Context, f *cairn.Follow, seals *cairn.FollowSeals, p Place, c Change) (*cairn.NewHook, error) {
	if c.Branches != nil {
		list := slices.Compact(slices.Sorted(slices.Values(*c.Branches)))
		if len(list) > maxPattern {
			return nil, cairn.Errorf(cairn.CodeInvalid, "%d patterns of branches; at most %d", len(list), maxPattern)
		}
		for _, b := range list {
			if err := checkPattern(b); err != nil {
				return nil, err
			}
		}
		if !slices.Equal(f.Branches, list) {
			f.Branches, f.Fresh = list, true // branches that come in by it have a history, too
		}
	}
	if err := setAccess(f, p, c); err != nil {
		return nil, err
	}
	if c.Token != nil {
		if err := s.setToken(f, seals, p, strings.TrimSpace(*c.Token)); err != nil {
			return nil, err
		}
	}
	if err := setStatus(f, p, c); err != nil {
		return nil, err
	}
	if c.Paused != nil {
		f.Paused = *c.Paused
	}
	hook, err := s.setHook(f, seals, c.Hook)
	if err != nil {
		return nil, err
	}
	if c.Every != nil {
		f.Every = *c.Every
	}
	switch {
	case f.Every == 0 && f.Hook == "":
		return nil, cairn.Errorf(cairn.CodeInvalid, "without looks at its refs and without a webhook, nothing of %s would be seen", f.Repository).
			WithHint("give --every 60s, or --webhook")
	case f.Every != 0 && (f.Every < minEvery || f.Every > maxEvery):
		return nil, cairn.Errorf(cairn.CodeInvalid, "its refs cannot be looked at every %s", f.Every).
			WithHint("%s to %s; 0 leaves it to the webhook", minEvery, maxEvery)
	}
	return hook, nil
}

func setAccess(f *cairn.Follow, p Place, c Change) error {
	if c.SSHKey != nil {
		switch {
		case *c.SSHKey != "" && p.Scheme != "ssh":
			return cairn.Errorf(cairn.CodeInvalid, "%s is not reached by ssh: an ssh key is of no use", f.URL).WithHint("give a token, or an address like git@host:owner/name")
		case *c.SSHKey != "" && (!filepath.IsAbs(*c.SSHKey) || strings.ContainsAny(*c.SSHKey, "\n\x00")):
			return cairn.Errorf(cairn.CodeInvalid, "the ssh key %q is not an absolute path", clip(*c.SSHKey, 100))
		}
		f.SSHKey = *c.SSHKey
	}
	if c.User != nil {
		if len(*c.User) > 100 || strings.ContainsFunc(*c.User, func(r rune) bool { return r <= ' ' || r == ':' }) {
			return cairn.Errorf(cairn.CodeInvalid, "%q cannot be a user name", clip(*c.User, 100))
		}
		f.User = *c.User
	}
	return nil
}

func (s *Service) setToken(f *cairn.Follow, seals *cairn.FollowSeals, p Place, token string) error {
	switch {
	case token == "":
		f.HasToken, seals.Token = false, []byte{}
		return nil
	case p.Host == "":
		return cairn.Errorf(cairn.CodeInvalid, "%s lies on this machine: a token is of no use", f.URL)
	case p.Plain:
		return cairn.Errorf(cairn.CodeForbidden, "%s is not encrypted: the token could be read on the way", f.URL).WithHint("use https://")
	case len(token) > maxToken || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return cairn.Errorf(cairn.CodeInvalid, "this is not a token: it holds blanks or lines, or is longer than %d bytes", maxToken)
	}
	b, err := s.o.Keys.Seal(scopeOf(f.Repository), tokenName, token)
	f.HasToken, seals.Token, f.StatusTrouble = true, b, ""
	return err
}

// setStatus says what the host is, and whether statuses are written there.
func setStatus(f *cairn.Follow, p Place, c Change) error {
	switch {
	case c.Status == nil:
		// With a token it is written back wherever it is known how.
		if c.Token != nil {
			f.Statuses = f.HasToken && f.Host != ""
		}
	case *c.Status == "none":
		f.Statuses = false
	case !slices.Contains(hostKinds, *c.Status):
		e := cairn.Errorf(cairn.CodeInvalid, "%q is not a host whose statuses Cairn can write", clip(*c.Status, 50))
		return e.WithHint("one of %s, none", strings.Join(hostKinds, ", "))
	case p.Host == "":
		return cairn.Errorf(cairn.CodeInvalid, "%s lies on this machine: there is nowhere to write statuses to", f.URL).WithHint("--status none")
	case !f.HasToken:
		return cairn.Errorf(cairn.CodeInvalid, "statuses need a token that may write them").WithHint("give one with --token-stdin or --token-file FILE")
	default:
		f.Host, f.Statuses, f.StatusTrouble = *c.Status, true, ""
	}
	f.API = apiOf(f.Host, p)
	return nil
}

func (s *Service) setHook(f *cairn.Follow, seals *cairn.FollowSeals, what string) (*cairn.NewHook, error) {
	switch what {
	case "":
		return nil, nil
	case "off":
		f.Hook, seals.Hook = "", []byte{}
		return nil, nil
	case "on":
		if f.Hook != "" {
			return nil, cairn.Errorf(cairn.CodeConflict, "%s has a webhook already", f.Repository).
				WithHint("its secret was shown once; another one: cairn repo webhook %s --new", f.Repository)
		}
	case "new":
	default:
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not what can be done to a webhook", clip(what, 50)).WithHint("on, off or new")
	}
	b := make([]byte, 16+32)
	if _, err := io.ReadFull(s.o.Random, b); err != nil {
		return nil, err
	}
	secret := hex.EncodeToString(b[16:])
	seal, err := s.o.Keys.Seal(scopeOf(f.Repository), hookName, secret)
	if err != nil {
		return nil, err
	}
	f.Hook, seals.Hook = hex.EncodeToString(b[:16]), seal
	return &cairn.NewHook{URL: s.hookURL(f.Hook), Secret: secret}, nil
}

// The names under which secrets are sealed.
const (
	tokenName = "TOKEN"
	hookName  = "HOOK"
)

// scopeOf is a scope that no workflow's secrets are looked for in.
func scopeOf(repo string) cairn.Scope { return cairn.Scope("follow:" + repo) }

func (s *Service) open(repo, name string, seal []byte) (string, error) {
	if len(seal) == 0 {
		return "", nil
	}
	return s.o.Keys.Open(cairn.Secret{Scope: scopeOf(repo), Name: name, Sealed: seal})
}

// remote is how git reaches a followed repository.
func (s *Service) remote(ctx context.Context, f *cairn.Follow) (cairn.Remote, error) {
	token := ""
	if f.HasToken {
		seals, err := s.o.Store.FollowSeals(ctx, f.Repository)
		if err != nil {
			return cairn.Remote{}, err
		}
		if token, err = s.open(f.Repository, tokenName, seals.Token); err != nil {
			return cairn.Remote{}, err
		}
	}
	return s.remoteOf(f, token), nil
}

func (s *Service) remoteOf(f *cairn.Follow, token string) cairn.Remote {
	user := f.User
	if user == "" {
		user = userOf(f.Host)
	}
	return cairn.Remote{URL: f.URL, User: user, Token: strings.TrimSpace(token), SSHKey: f.SSHKey}
}

// recorded is the change that goes with a row of this room.
func (s *Service) recorded(ctx context.Context, what string, f cairn.Follow) cairn.Change {
	data, err := json.Marshal(map[string]any{"what": what, "row": f})
	if err != nil {
		data = nil // a plain struct always encodes
	}
	return cairn.Change{By: s.o.Actor(ctx), Events: []cairn.Event{{Kind: cairn.EvRecorded, Subject: cairn.NewRef("follow", f.Repository), Data: data}}}
}

func branchOf(head string) string { return strings.TrimPrefix(head, "refs/heads/") }

func deref(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

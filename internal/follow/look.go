package follow

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

// deliveriesAtOnce is how many deliveries one look takes in.
const deliveriesAtOnce = 100

// Sync looks at a followed repository now, and takes in what is new.
func (s *Service) Sync(ctx context.Context, repo string) (*cairn.FollowSync, error) {
	f, err := s.find(ctx, repo)
	if err != nil {
		return nil, err
	}
	if f.Paused {
		return nil, cairn.Errorf(cairn.CodeConflict, "following %s is paused", f.Repository).
			WithHint("cairn repo resume %s goes on", f.Repository)
	}
	return s.look(ctx, f.Repository)
}

// look is one look at a followed repository: its refs, and what its webhook
// brought.
func (s *Service) look(ctx context.Context, repo string) (*cairn.FollowSync, error) {
	defer s.lock(repo)()
	f, err := s.o.Store.Follow(ctx, repo)
	if cairn.CodeOf(err) == cairn.CodeNotFound || err == nil && f.Paused {
		s.mu.Lock()
		s.state(repo).busy = false
		s.mu.Unlock()
		return &cairn.FollowSync{Repository: repo, Moves: []cairn.FollowMove{}}, nil
	} else if err != nil {
		s.ended(&cairn.Follow{Repository: repo}, &cairn.FollowSync{}, err, false)
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.mu.Lock()
	s.state(repo).cancel = cancel
	s.mu.Unlock()
	l := &looking{s: s, f: &f, got: &cairn.FollowSync{Repository: repo, Moves: []cairn.FollowMove{}}}
	if err = l.run(ctx); err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	s.ended(&f, l.got, err, l.open)
	return l.got, err
}

// looking is one look under way.
type looking struct {
	s      *Service
	f      *cairn.Follow
	remote cairn.Remote
	head   string // the default branch, in full
	got    *cairn.FollowSync
	beside []string
	open   bool // deliveries are left
}

func (l *looking) run(ctx context.Context) (err error) {
	if l.remote, err = l.s.remote(ctx, l.f); err != nil {
		return err
	}
	var more []string
	if l.f.Fresh || l.s.headIsOld(l.f.Repository) {
		more = append(more, "HEAD")
	}
	if asksPulls(l.f) {
		more = append(more, "HEAD", pullPattern)
	}
	there, err := l.s.o.Mirror.RemoteRefs(ctx, l.remote, more...)
	if err != nil {
		return err
	}
	l.head = l.s.headOf(l.f.Repository, there, len(more) > 0)
	if err := l.mirror(ctx, there); err != nil {
		return err
	}
	if err := l.deliveries(ctx); err != nil {
		return err
	}
	if err := l.moves(ctx); err != nil {
		return err
	}
	if asksPulls(l.f) {
		if err := l.pulls(ctx, there.Refs); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if l.f.Fresh {
		_, err = l.s.edit(ctx, l.f.Repository, "repository.follow-begun", func(f *cairn.Follow) { f.Fresh, f.RunLatest = false, false })
	}
	return err
}

// headAge is how often the default branch is asked for: the remote sends all that
// it has for that.
const headAge = time.Hour

// headIsOld reports whether the default branch is to be asked for again.
func (s *Service) headIsOld(repo string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now().Sub(s.state(repo).headAt) >= headAge
}

// headOf is the default branch, as the remote says or said. Once it is gone it is
// asked for with the next look.
func (s *Service) headOf(repo string, there *cairn.RemoteRefs, asked bool) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.state(repo)
	if asked {
		st.head, st.headAt = there.Head, s.now()
	} else if st.head != "" && there.Refs[st.head] == "" {
		st.headAt = time.Time{}
	}
	return st.head
}

// mirror brings the refs that are followed, and drops those that are gone.
func (l *looking) mirror(ctx context.Context, there *cairn.RemoteRefs) error {
	m := l.s.o.Mirror
	if err := m.Create(ctx, l.f.Repository); err != nil {
		return err
	}
	here, err := m.RefsBelow(ctx, l.f.Repository, "refs/heads", "refs/tags")
	if err != nil {
		return err
	}
	var fetch, gone []string
	for ref, sha := range there.Refs {
		if !follows(l.f.Branches, ref) {
			continue
		}
		l.got.Refs++
		if here[ref] != sha {
			fetch = append(fetch, ref)
		}
	}
	for ref := range here {
		if there.Refs[ref] == "" || !follows(l.f.Branches, ref) {
			gone = append(gone, ref)
		}
	}
	slices.Sort(fetch)
	// First what is gone: a branch "a" is in the way of "a/b".
	if err := m.DeleteRefs(ctx, l.f.Repository, gone...); err != nil {
		return err
	}
	if err := m.FetchRemote(ctx, l.f.Repository, l.remote, fetch...); err != nil {
		return err
	}
	if there.Head == "" || there.Refs[l.head] == "" {
		return nil // it has no commits yet, or does not say
	}
	if err := m.SetHead(ctx, l.f.Repository, l.head); err != nil {
		return err
	}
	return l.s.o.Repositories.Keep(ctx, l.f.Repository, l.f.URL, branchOf(l.head))
}

// moves takes in each ref that is not where it was recorded.
func (l *looking) moves(ctx context.Context) error {
	here, err := l.s.o.Mirror.RefsBelow(ctx, l.f.Repository, "refs/heads", "refs/tags")
	if err != nil {
		return err
	}
	recorded, err := l.s.o.Store.RecordedRefs(ctx, l.f.Repository)
	if err != nil {
		return err
	}
	all := moved(recorded, here)
	note := map[string]string{}
	var start []move
	for _, m := range all {
		switch {
		case l.f.Fresh && m.fresh && !(l.f.RunLatest && m.ref == l.head), !follows(l.f.Branches, m.ref):
			note[m.ref] = m.new
		default:
			start = append(start, m)
			l.beside = append(l.beside, m.ref)
		}
	}
	if len(note) > 0 {
		if err := l.s.o.Store.NoteRefs(ctx, l.f.Repository, note, cairn.Change{By: l.f.By}); err != nil {
			return err
		}
		l.got.Noted += len(note)
	}
	for i := range start {
		if err := l.take(ctx, &start[i], nil, ""); err != nil {
			return err
		}
	}
	return nil
}

// take takes in one move and records it then. payload is what the webhook said of
// it; by is who pushed, "" for whoever made the commit.
func (l *looking) take(ctx context.Context, m *move, payload []byte, by string) error {
	seen := cairn.SeenRef{Repository: l.f.Repository, Ref: m.ref, SHA: m.new}
	_, ahead, err := l.s.o.Store.SeenRef(ctx, seen.Repository, seen.Ref, seen.SHA)
	if err != nil {
		return err
	}
	known := ""
	if ahead { // the webhook told of it before the ref was seen here
		known = "push"
	}
	if by, err = l.push(ctx, m, m.id(l.f.Repository), known, payload, by); err != nil {
		return err
	}
	return l.s.o.Store.SetFollowedRef(ctx, seen, m.version, cairn.Change{By: by})
}

// push hands a move on and says who it is from.
func (l *looking) push(ctx context.Context, m *move, id, known string, payload []byte, by string) (string, error) {
	if known == "push" && m.old != zero {
		return l.f.By, nil
	}
	if by == "" && m.new != zero {
		c, err := l.s.o.Mirror.Commit(ctx, l.f.Repository, m.new)
		if err == nil {
			by = c.Author
		} else if !notThere(err) {
			return "", err
		}
	}
	by = person(by)
	beside := l.beside
	if !slices.Contains(beside, m.ref) {
		beside = []string{m.ref}
	}
	runs, notes, err := l.s.o.Start.Push(ctx, Push{
		ID: id, Repo: l.f.Repository, Ref: m.ref, Old: m.old, New: m.new, By: by, Beside: beside, Known: known, Payload: payload,
	})
	l.say(cairn.FollowMove{Event: "push", Ref: m.ref, Old: m.old, New: m.new, By: by, Runs: runs}, notes)
	return by, err
}

func (l *looking) say(m cairn.FollowMove, notes []string) {
	m.At = l.s.now().UTC()
	if m.By == nobody {
		m.By = ""
	}
	m.Note = clip(strings.Join(notes, "; "), 500)
	l.got.Moves = append(l.got.Moves, m)
	l.s.log.Info("a followed repository", "repository", l.f.Repository, "event", m.Event, "ref", m.Ref, "old", m.Old, "new", m.New,
		"runs", m.Runs, "notes", notes)
}

// notThere reports whether an error says that a commit is no commit, or not here.
func notThere(err error) bool {
	c := cairn.CodeOf(err)
	return c == cairn.CodeNotFound || c == cairn.CodeInvalid
}

// nobody is who an event is from where nobody says.
const nobody = "unknown"

// person makes a name that can be shown of what somebody at the other end is
// called. It is nobody's name here: it gives no rights.
func person(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '/' || r == '\u2028' || r == '\u2029' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(name, ""))
	if name = clip(strings.TrimSpace(name), 100); name == "" {
		return nobody
	}
	return name
}

package follow_test

import (
	"context"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/git"
)

// mirror is a remote and the repository here, in memory.
type mirror struct {
	mu     sync.Mutex
	head   string
	there  map[string]string
	here   map[string]string
	object map[string]cairn.Commit // here
	made   map[string]cairn.Commit // anywhere
	gone   map[string]bool         // commits that the remote gives out no more
	err    error
	tokens []string
}

func newMirror() *mirror {
	return &mirror{head: "refs/heads/main", there: map[string]string{}, here: map[string]string{}, object: map[string]cairn.Commit{},
		made: map[string]cairn.Commit{}, gone: map[string]bool{}}
}

// push moves a ref at the other end to a commit that is called so.
func (m *mirror) push(ref, name string, parents ...string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	id := sha(name)
	m.made[id] = cairn.Commit{SHA: id, Author: "Ana", Parents: parents}
	m.there[ref] = id
	return id
}

func (m *mirror) drop(ref string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.there, ref)
}

func (m *mirror) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

func (m *mirror) Create(context.Context, string) error { return nil }
func (m *mirror) Exists(string) bool                   { return true }
func (m *mirror) Dir(repo string) (string, error)      { return "/" + repo, git.CheckRepo(repo) }
func (m *mirror) SetHead(context.Context, string, string) error {
	return nil
}

func (m *mirror) RemoteRefs(_ context.Context, r cairn.Remote, more ...string) (*cairn.RemoteRefs, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tokens = append(m.tokens, r.Token)
	if m.err != nil {
		return nil, m.err
	}
	refs := maps.Clone(m.there)
	maps.DeleteFunc(refs, func(ref, _ string) bool {
		if strings.HasPrefix(ref, "refs/heads/") || strings.HasPrefix(ref, "refs/tags/") {
			return false
		}
		for _, p := range more {
			if ok, _ := path.Match(p, ref); ok {
				return false
			}
		}
		return true
	})
	head := ""
	if slices.Contains(more, "HEAD") {
		head = m.head
	}
	return &cairn.RemoteRefs{Head: head, Refs: refs}, nil
}

func (m *mirror) FetchRemote(_ context.Context, _ string, _ cairn.Remote, refs ...string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, ref := range refs {
		id := m.there[ref]
		if id == "" {
			return cairn.Errorf(cairn.CodeConflict, "there is no %s", ref)
		}
		m.here[ref], m.object[id] = id, m.made[id]
		m.history(id)
	}
	return nil
}

// history comes along with a commit.
func (m *mirror) history(id string) {
	for _, p := range m.made[id].Parents {
		if _, known := m.object[p]; !known {
			m.object[p] = m.made[p]
			m.history(p)
		}
	}
}

func (m *mirror) FetchCommit(_ context.Context, _ string, _ cairn.Remote, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.made[id]
	if !ok || m.gone[id] {
		return cairn.Errorf(cairn.CodeConflict, "not our ref %s", id)
	}
	m.object[id] = c
	return nil
}

func (m *mirror) RefsBelow(_ context.Context, _ string, prefixes ...string) (map[string]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[string]string{}
	for ref, id := range m.here {
		for _, p := range prefixes {
			if strings.HasPrefix(ref, p+"/") {
				out[ref] = id
			}
		}
	}
	return out, nil
}

func (m *mirror) DeleteRefs(_ context.Context, _ string, refs ...string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, ref := range refs {
		delete(m.here, ref)
	}
	return nil
}

func (m *mirror) Commit(_ context.Context, _, rev string) (cairn.Commit, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if id := m.here[rev]; id != "" {
		rev = id
	}
	c, ok := m.object[rev]
	if !ok {
		return c, cairn.Errorf(cairn.CodeNotFound, "there is no commit %s", rev)
	}
	return c, nil
}

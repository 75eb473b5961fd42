package git

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Push is one ref that a client moved.
type Push struct {
	// ID names this very move; it is the same when the hook is called again.
	ID   string `json:"id"`
	Repo string `json:"repo"`
	Ref  string `json:"ref"`
	// Old and New are 40 zeros for a ref that is made or deleted.
	Old string `json:"old"`
	New string `json:"new"`
	By  string `json:"by"`
	// Beside are all refs that moved at the same time.
	Beside []string `json:"-"`
}

// Created reports whether the ref is new.
func (p Push) Created() bool { return p.Old == zeroID }

// Deleted reports whether the ref is gone.
func (p Push) Deleted() bool { return p.New == zeroID }

// RefStore keeps where refs were when their pushes were last seen.
type RefStore interface {
	RecordedRefs(ctx context.Context, repo string) (map[string]cairn.RecordedRef, error)
	// SetRef records a move if the ref is still at version (0: not recorded).
	SetRef(ctx context.Context, repo, ref, sha string, version int64, ch cairn.Change) error
}

// Reconcile finds pushes that were taken but not seen, because the process ended
// between the two: call it at start.
func (s *Server) Reconcile(ctx context.Context) error {
	repos, err := s.host.Repos(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, repo := range repos {
		if s.o.Elsewhere != nil {
			elsewhere, err := s.o.Elsewhere(ctx, repo)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", repo, err))
			}
			if err != nil || elsewhere {
				continue
			}
		}
		if _, err := s.seen(ctx, repo); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", repo, err))
		}
	}
	return errors.Join(errs...)
}

// seen compares the refs of a repository with the recorded ones, calls the hook
// for each that moved, and records it then: a crash between the two calls the
// hook again, with the same ID. A ref whose hook fails is tried again with the
// next push, and keeps no other one from being seen.
func (s *Server) seen(ctx context.Context, repo string) ([]Push, error) {
	lock := s.lock(repo)
	lock.Lock()
	defer lock.Unlock()
	moved, versions, err := s.moved(ctx, repo)
	if err != nil {
		return nil, err
	}
	var done []Push
	var first error
	var beside []string
	for _, p := range moved {
		beside = append(beside, p.Ref)
	}
	for _, p := range moved {
		p.Beside = beside
		if err := s.record(ctx, p, versions[p.Ref]); err == nil {
			done = append(done, p)
		} else if first == nil {
			first = err
		}
	}
	return done, first
}

func (s *Server) record(ctx context.Context, p Push, version int64) error {
	if s.o.OnPush != nil {
		if err := s.o.OnPush(ctx, p); err != nil {
			return err
		}
	}
	data, err := json.Marshal(p)
	if err != nil {
		return err
	}
	ch := cairn.Change{By: p.By, Events: []cairn.Event{{Kind: cairn.EvRecorded, Subject: cairn.NewRef("ref", p.Repo+":"+p.Ref), Data: data}}}
	return s.o.Refs.SetRef(ctx, p.Repo, p.Ref, p.New, version, ch)
}

// moved lists the refs that are not where they were recorded, branches first.
func (s *Server) moved(ctx context.Context, repo string) ([]Push, map[string]int64, error) {
	refs, err := s.host.Refs(ctx, repo)
	if err != nil {
		return nil, nil, err
	}
	recorded, err := s.o.Refs.RecordedRefs(ctx, repo)
	if err != nil {
		return nil, nil, err
	}
	by, err := s.pushers(repo)
	if err != nil {
		return nil, nil, err
	}
	versions := map[string]int64{}
	var out []Push
	add := func(ref, old, now string) {
		versions[ref] = recorded[ref].Version
		out = append(out, Push{ID: pushID(repo, ref, old, now, recorded[ref].Version), Repo: repo, Ref: ref, Old: old, New: now, By: by(ref, now)})
	}
	for ref, id := range refs {
		old := recorded[ref].SHA
		if old == "" {
			old = zeroID
		}
		if old != id {
			add(ref, old, id)
		}
	}
	for ref, r := range recorded {
		if _, there := refs[ref]; !there && r.SHA != zeroID {
			add(ref, r.SHA, zeroID)
		}
	}
	slices.SortFunc(out, func(a, b Push) int { return strings.Compare(a.Ref, b.Ref) })
	return out, versions, nil
}

func pushID(repo, ref, old, now string, version int64) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%s\n%s\n%d", repo, ref, old, now, version))
	return hex.EncodeToString(sum[:16])
}

// settleHead points HEAD at a branch that exists, so that a clone checks
// something out: the first push of "master" makes that the default.
func (h *Host) settleHead(ctx context.Context, repo string) error {
	dir, err := h.existing(repo)
	if err != nil {
		return err
	}
	head, err := os.ReadFile(filepath.Join(dir, "HEAD"))
	if err != nil {
		return fileError(err)
	}
	refs, err := h.Refs(ctx, repo)
	if err != nil {
		return err
	}
	if refs[strings.TrimPrefix(strings.TrimSpace(string(head)), "ref: ")] != "" {
		return nil
	}
	var branches []string
	for ref := range refs {
		if strings.HasPrefix(ref, "refs/heads/") {
			branches = append(branches, ref)
		}
	}
	if len(branches) == 0 {
		return nil
	}
	slices.Sort(branches)
	to := branches[0]
	for _, usual := range []string{"refs/heads/master", "refs/heads/main"} {
		if refs[usual] != "" {
			to = usual
		}
	}
	return fileError(writeFile(filepath.Join(dir, "HEAD"), "ref: "+to+"\n"))
}

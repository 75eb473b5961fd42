package store

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"maps"
	"slices"

	"github.com/cairn-ml/cairn"
)

// Follows lists the repositories that are followed.
func (s *Store) Follows(ctx context.Context) ([]cairn.Follow, error) {
	return rowBodies[cairn.Follow](ctx, s.reads, `SELECT body FROM follows ORDER BY repository`)
}

// Follow is how a repository is followed.
func (s *Store) Follow(ctx context.Context, repository string) (cairn.Follow, error) {
	f, err := rowBody[cairn.Follow](ctx, s.reads, `SELECT body FROM follows WHERE repository = ?`, repository)
	return f, notFound(err, "%s is not followed", repository)
}

// FollowByHook finds a followed repository by the path of its webhook.
func (s *Store) FollowByHook(ctx context.Context, hook string) (cairn.Follow, error) {
	f, err := rowBody[cairn.Follow](ctx, s.reads, `SELECT body FROM follows WHERE hook = ? AND hook <> ''`, hook)
	return f, notFound(err, "there is no such webhook")
}

// FollowSeals reads the sealed secrets of a followed repository.
func (s *Store) FollowSeals(ctx context.Context, repository string) (cairn.FollowSeals, error) {
	var token, hook string
	err := s.reads.QueryRowContext(ctx, `SELECT token_seal, hook_seal FROM follows WHERE repository = ?`, repository).Scan(&token, &hook)
	if err != nil {
		return cairn.FollowSeals{}, notFound(err, "%s is not followed", repository)
	}
	var x cairn.FollowSeals
	t, err := base64.StdEncoding.DecodeString(token)
	if err == nil {
		x.Token = t
		x.Hook, err = base64.StdEncoding.DecodeString(hook)
	}
	return x, err
}

// AddFollow begins to follow a repository. Where its refs were is forgotten: they
// are another's from now on.
func (s *Store) AddFollow(ctx context.Context, f cairn.Follow, seals cairn.FollowSeals, ch cairn.Change) error {
	f.Version = 1
	text, err := toJSON(f)
	if err != nil {
		return err
	}
	return s.write(ctx, func(tx *Tx) error {
		var n int
		if err := tx.Row(`SELECT COUNT(*) FROM follows WHERE repository = ?`, f.Repository).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			return cairn.Errorf(cairn.CodeConflict, "%s is followed already", f.Repository).
				WithHint("cairn repo show %s; cairn repo set changes it", f.Repository)
		}
		if _, err := tx.Exec(`INSERT INTO follows (repository, hook, token_seal, hook_seal, version, body) VALUES (?, ?, ?, ?, 1, ?)`,
			f.Repository, f.Hook, base64.StdEncoding.EncodeToString(seals.Token), base64.StdEncoding.EncodeToString(seals.Hook), text); err != nil {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM git_refs WHERE repo = ?`, f.Repository); err != nil {
			return err
		}
		// The first one begins to look at runs; the others are looked at already.
		if err := tx.Row(`SELECT COUNT(*) FROM follows`).Scan(&n); err != nil {
			return err
		}
		if n == 1 {
			if _, err := tx.Exec(`INSERT INTO meta (key, value) SELECT ?, COALESCE(MAX(id), 0) FROM events WHERE 1 = 1
				ON CONFLICT (key) DO UPDATE SET value = excluded.value`, runCursor); err != nil {
				return err
			}
		}
		return tx.Change(ch)
	})
}

// PutFollow changes how a repository is followed, if it is still at f.Version.
func (s *Store) PutFollow(ctx context.Context, f cairn.Follow, seals cairn.FollowSeals, ch cairn.Change) (cairn.Follow, error) {
	old := f.Version
	f.Version++
	text, err := toJSON(f)
	if err != nil {
		return f, err
	}
	err = s.write(ctx, func(tx *Tx) error {
		n, err := tx.Exec(`UPDATE follows SET hook = ?, version = ?, body = ? WHERE repository = ? AND version = ?`,
			f.Hook, f.Version, text, f.Repository, old)
		if err == nil && n == 0 {
			err = cairn.Errorf(cairn.CodeConflict, "%s was changed by somebody else meanwhile", f.Repository).WithHint("try again")
		}
		if err != nil {
			return err
		}
		for column, seal := range map[string][]byte{"token_seal": seals.Token, "hook_seal": seals.Hook} {
			if seal == nil {
				continue
			}
			if _, err := tx.Exec(`UPDATE follows SET `+column+` = ? WHERE repository = ?`, base64.StdEncoding.EncodeToString(seal), f.Repository); err != nil {
				return err
			}
		}
		return tx.Change(ch)
	})
	return f, err
}

// DropFollow ends following a repository, and forgets what only that needed.
func (s *Store) DropFollow(ctx context.Context, repository string, ch cairn.Change) error {
	return s.write(ctx, func(tx *Tx) error {
		n, err := tx.Exec(`DELETE FROM follows WHERE repository = ?`, repository)
		if err != nil {
			return err
		}
		if n == 0 {
			return cairn.Errorf(cairn.CodeNotFound, "%s is not followed", repository)
		}
		for _, table := range []string{"follow_seen", "follow_deliveries", "follow_statuses"} {
			if _, err := tx.Exec(`DELETE FROM `+table+` WHERE repository = ?`, repository); err != nil {
				return err
			}
		}
		return tx.Change(ch)
	})
}

// SetFollowedRef records that a ref of a followed repository is at seen.SHA, if it
// is still at version (0: not recorded), and that this commit was seen there.
// Zeros for the commit say that the ref is gone.
func (s *Store) SetFollowedRef(ctx context.Context, seen cairn.SeenRef, version int64, ch cairn.Change) error {
	return s.write(ctx, func(tx *Tx) error {
		n, err := tx.Exec(`INSERT INTO git_refs (repo, ref, sha, version) VALUES (?, ?, ?, 1)
			ON CONFLICT (repo, ref) DO UPDATE SET sha = excluded.sha, version = git_refs.version + 1 WHERE git_refs.version = ?`,
			seen.Repository, seen.Ref, seen.SHA, version)
		if err != nil {
			return err
		}
		if n == 0 {
			return cairn.Errorf(cairn.CodeConflict, "%s of %s was recorded by somebody else meanwhile", seen.Ref, seen.Repository)
		}
		seen.Ahead = false
		if err := putSeen(tx, seen); err != nil {
			return err
		}
		return tx.Change(ch)
	})
}

// AddSeenRef records that a commit was on a ref, which may be elsewhere by now.
func (s *Store) AddSeenRef(ctx context.Context, seen cairn.SeenRef, ch cairn.Change) error {
	return s.write(ctx, func(tx *Tx) error {
		if err := putSeen(tx, seen); err != nil {
			return err
		}
		return tx.Change(ch)
	})
}

// NoteRefs records refs that start nothing, such as those that were there first:
// so many in one transaction that other writers do not wait.
func (s *Store) NoteRefs(ctx context.Context, repository string, refs map[string]string, ch cairn.Change) error {
	names := slices.Sorted(maps.Keys(refs))
	for {
		part := names[:min(len(names), indexChunk)]
		names = names[len(part):]
		if err := s.write(ctx, func(tx *Tx) error {
			for _, ref := range part {
				if err := noteRef(tx, repository, ref, refs[ref]); err != nil {
					return err
				}
			}
			if len(names) > 0 {
				return nil
			}
			return tx.Change(ch)
		}); err != nil || len(names) == 0 {
			return err
		}
	}
}

func noteRef(tx *Tx, repository, ref, sha string) error {
	if _, err := tx.Exec(`INSERT INTO git_refs (repo, ref, sha, version) VALUES (?, ?, ?, 1)
		ON CONFLICT (repo, ref) DO UPDATE SET sha = excluded.sha, version = git_refs.version + 1`, repository, ref, sha); err != nil {
		return err
	}
	_, err := tx.Exec(`UPDATE follow_seen SET ahead = 0 WHERE repository = ? AND ref = ? AND sha = ?`, repository, ref, sha)
	return err
}

// putSeen also drops what was seen so long ago that no delivery is sent again.
func putSeen(tx *Tx, seen cairn.SeenRef) error {
	now := tx.now()
	if _, err := tx.Exec(`DELETE FROM follow_seen WHERE repository = ? AND at < ?`, seen.Repository, Micros(now.Add(-deliveryMemory))); err != nil {
		return err
	}
	ahead := 0
	if seen.Ahead {
		ahead = 1
	}
	_, err := tx.Exec(`INSERT INTO follow_seen (repository, ref, sha, ahead, at) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (repository, ref, sha) DO UPDATE SET ahead = excluded.ahead, at = excluded.at`,
		seen.Repository, seen.Ref, seen.SHA, ahead, Micros(now))
	return err
}

// SeenRef tells whether a commit was seen on a ref, and whether ahead of it.
func (s *Store) SeenRef(ctx context.Context, repository, ref, sha string) (seen, ahead bool, err error) {
	err = s.reads.QueryRowContext(ctx, `SELECT ahead FROM follow_seen WHERE repository = ? AND ref = ? AND sha = ?`, repository, ref, sha).Scan(&ahead)
	if errors.Is(err, sql.ErrNoRows) {
		return false, false, nil
	}
	return err == nil, ahead, err
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/cairn-ml/cairn"
)

// ActionVersion reads an action's repository at a commit.
func (s *Store) ActionVersion(ctx context.Context, repository, commit string) (cairn.ActionVersion, error) {
	v, err := body[cairn.ActionVersion](ctx, poolReader{s.reads}, `SELECT body FROM action_versions WHERE repository = ? AND sha = ?`,
		strings.ToLower(repository), commit)
	return v, notFound(err, "the action %s@%s is not kept here", repository, commit)
}

// ActionVersions lists what is kept, by name; after is the last one of the page before.
func (s *Store) ActionVersions(ctx context.Context, after cairn.ActionVersion, limit int) ([]cairn.ActionVersion, error) {
	return bodies[cairn.ActionVersion](ctx, poolReader{s.reads}, `SELECT body FROM action_versions
		WHERE (repository, sha) > (?, ?) ORDER BY repository, sha LIMIT ?`, strings.ToLower(after.Repository), after.Commit, pageSize(limit))
}

// ActionRef reads what a ref meant when it was asked for last.
func (s *Store) ActionRef(ctx context.Context, repository, ref string) (cairn.ActionPin, error) {
	p, err := body[cairn.ActionPin](ctx, poolReader{s.reads}, `SELECT body FROM action_refs WHERE repository = ? AND ref = ?`,
		strings.ToLower(repository), ref)
	return p, notFound(err, "%s of %s was never asked for", ref, repository)
}

// ActionRefs lists the refs that mean a commit of an action's repository.
func (s *Store) ActionRefs(ctx context.Context, repository, commit string) ([]cairn.ActionPin, error) {
	return bodies[cairn.ActionPin](ctx, poolReader{s.reads}, `SELECT body FROM action_refs WHERE repository = ? AND sha = ? ORDER BY ref`,
		strings.ToLower(repository), commit)
}

// RunAction answers which commit a ref means to a run, and since which attempt; ""
// where it was not asked for yet.
func (s *Store) RunAction(ctx context.Context, run cairn.RunID, repository, ref string) (commit string, attempt int, err error) {
	err = s.reads.QueryRowContext(ctx, `SELECT sha, attempt FROM action_pins WHERE run = ? AND repository = ? AND ref = ?`,
		run, strings.ToLower(repository), ref).Scan(&commit, &attempt)
	if errors.Is(err, sql.ErrNoRows) {
		return "", 0, nil
	}
	return commit, attempt, err
}

// PutAction writes what was found of an action: its version (where it has a tree),
// what its ref means now, and what it means to a run.
func (s *Store) PutAction(ctx context.Context, v cairn.ActionVersion, ref *cairn.ActionPin, run cairn.RunID, attempt int, ch cairn.Change) error {
	repository := strings.ToLower(v.Repository)
	return s.write(ctx, func(tx *Tx) error {
		if v.Tree != "" {
			text, err := toJSON(v)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(`INSERT INTO action_versions (repository, sha, tree, fetched, body) VALUES (?, ?, ?, ?, ?)
				ON CONFLICT (repository, sha) DO NOTHING`, repository, v.Commit, string(v.Tree), Micros(v.FetchedAt), text); err != nil {
				return err
			}
		}
		if ref != nil {
			text, err := toJSON(ref)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(`INSERT INTO action_refs (repository, ref, sha, body) VALUES (?, ?, ?, ?)
				ON CONFLICT (repository, ref) DO UPDATE SET sha = excluded.sha, body = excluded.body`, repository, ref.Ref, ref.Commit, text); err != nil {
				return err
			}
		}
		if run != 0 {
			if _, err := tx.Exec(`INSERT INTO action_pins (run, repository, ref, attempt, sha) VALUES (?, ?, ?, ?, ?)
				ON CONFLICT (run, repository, ref) DO UPDATE SET attempt = excluded.attempt, sha = excluded.sha`,
				run, repository, v.Ref, attempt, v.Commit); err != nil {
				return err
			}
		}
		return tx.Change(ch)
	})
}

// DeleteAction forgets an action's repository at a commit and what refs meant it.
// Its bytes are given back when nothing else needs them.
func (s *Store) DeleteAction(ctx context.Context, v cairn.ActionVersion, ch cairn.Change) error {
	repository := strings.ToLower(v.Repository)
	return s.write(ctx, func(tx *Tx) error {
		for _, q := range []string{`DELETE FROM action_versions WHERE repository = ? AND sha = ?`, `DELETE FROM action_refs WHERE repository = ? AND sha = ?`} {
			if _, err := tx.Exec(q, repository, v.Commit); err != nil {
				return err
			}
		}
		if err := tx.free(v.Tree, true); err != nil {
			return err
		}
		return tx.Change(ch)
	})
}

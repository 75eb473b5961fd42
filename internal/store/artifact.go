package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/cairn-ml/cairn"
)

// CreateArtifact adds an artifact; see asset.Store.
func (s *Store) CreateArtifact(ctx context.Context, a cairn.Artifact, overwrite bool, change func(cairn.Artifact) cairn.Change) (cairn.Artifact, error) {
	err := s.write(ctx, func(tx *Tx) error {
		old, err := body[cairn.Artifact](ctx, txReader{tx}, `SELECT body FROM artifacts WHERE run = ? AND attempt = ? AND name = ?`, a.Run, a.Attempt, a.Name)
		switch {
		case errors.Is(err, sql.ErrNoRows):
		case err != nil:
			return err
		case old.Gone != "":
			// Its bytes were given free when it went.
		case old.Job == a.Job && old.Digest == a.Digest && old.Archive == a.Archive:
			a = old
			return nil
		case !overwrite:
			return cairn.Errorf(cairn.CodeConflict, "this attempt has an artifact %q already: %s of job %d", a.Name, old.Digest, old.Job).
				WithHint("choose another name (a matrix needs one for each instance), or set overwrite: true")
		default:
			if err := freeArtifact(tx, old); err != nil {
				return err
			}
		}
		if a.ID, err = tx.Next("artifact", 1); err != nil {
			return err
		}
		text, err := toJSON(a)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO artifacts (id, run, attempt, name, job, digest, expires, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (run, attempt, name) DO UPDATE SET id = excluded.id, job = excluded.job, digest = excluded.digest,
				expires = excluded.expires, gone = '', body = excluded.body`,
			a.ID, a.Run, a.Attempt, a.Name, a.Job, string(a.Digest), Micros(a.ExpiresAt), text); err != nil {
			return err
		}
		return tx.Change(change(a))
	})
	return a, err
}

// Artifacts lists a run's artifacts, newest attempt first, those that are gone too.
func (s *Store) Artifacts(ctx context.Context, run cairn.RunID) ([]cairn.Artifact, error) {
	return bodies[cairn.Artifact](ctx, poolReader{s.reads}, `SELECT body FROM artifacts WHERE run = ? ORDER BY attempt DESC, name`, run)
}

// ArtifactByID reads an artifact by its number.
func (s *Store) ArtifactByID(ctx context.Context, id int64) (cairn.Artifact, error) {
	a, err := body[cairn.Artifact](ctx, poolReader{s.reads}, `SELECT body FROM artifacts WHERE id = ?`, id)
	return a, notFound(err, "there is no artifact with the number %d", id)
}

// RepositoryArtifacts lists the artifacts of a repository's runs that are not gone,
// newest first, at most limit, below the number before (0: from the newest).
func (s *Store) RepositoryArtifacts(ctx context.Context, repository string, before int64, limit int) ([]cairn.Artifact, error) {
	return bodies[cairn.Artifact](ctx, poolReader{s.reads}, `SELECT a.body FROM artifacts a JOIN runs r ON r.id = a.run
		WHERE r.repository = ? AND a.gone = '' AND (? = 0 OR a.id < ?) ORDER BY a.id DESC LIMIT ?`, repository, before, before, pageSize(limit))
}

// ArtifactsExpired lists artifacts whose time is over and that are not gone yet.
func (s *Store) ArtifactsExpired(ctx context.Context, now time.Time, limit int) ([]cairn.Artifact, error) {
	return bodies[cairn.Artifact](ctx, poolReader{s.reads}, `SELECT body FROM artifacts WHERE gone = '' AND expires <> 0 AND expires <= ?
		ORDER BY expires, id LIMIT ?`, Micros(now), limit)
}

// EndArtifact notes that an artifact's bytes are not kept any more and why. One
// that is gone already stays as it is, and ok is false.
func (s *Store) EndArtifact(ctx context.Context, id int64, why string, at time.Time, change func(cairn.Artifact) cairn.Change) (ok bool, err error) {
	err = s.write(ctx, func(tx *Tx) error {
		a, err := body[cairn.Artifact](ctx, txReader{tx}, `SELECT body FROM artifacts WHERE id = ?`, id)
		if err != nil {
			return notFound(err, "there is no artifact with the number %d", id)
		}
		if a.Gone != "" {
			return nil
		}
		if err := freeArtifact(tx, a); err != nil {
			return err
		}
		a.Gone, a.GoneAt, ok = why, at.UTC(), true
		text, err := toJSON(a)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`UPDATE artifacts SET gone = ?, body = ? WHERE id = ?`, why, text, id); err != nil {
			return err
		}
		return tx.Change(change(a))
	})
	return ok && err == nil, err
}

func freeArtifact(tx *Tx, a cairn.Artifact) error {
	tree, archive := a.Roots()
	if err := tx.free(tree, true); err != nil {
		return err
	}
	return tx.free(archive, false)
}

// free notes bytes down that no row of their own names any more.
func (tx *Tx) free(d cairn.Digest, tree bool) error {
	if d == "" {
		return nil
	}
	_, err := tx.Exec(`INSERT INTO freed (digest, tree, at) VALUES (?, ?, ?)
		ON CONFLICT (digest) DO UPDATE SET tree = max(tree, excluded.tree), at = excluded.at`, string(d), flag(tree), Micros(tx.now()))
	return err
}

// Freed lists bytes whose row went, the longest gone first.
func (s *Store) Freed(ctx context.Context, limit int) ([]cairn.Freed, error) {
	rows, err := s.reads.QueryContext(ctx, `SELECT digest, tree, at FROM freed ORDER BY at, digest LIMIT ?`, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []cairn.Freed
	for rows.Next() {
		var f cairn.Freed
		var at int64
		if err := rows.Scan(&f.Digest, &f.Tree, &at); err != nil {
			return nil, err
		}
		f.At = FromMicros(at)
		out = append(out, f)
	}
	return out, rows.Err()
}

// FreedDone forgets freed bytes that were looked at, unless they were freed again
// meanwhile.
func (s *Store) FreedDone(ctx context.Context, fs []cairn.Freed) error {
	return s.write(ctx, func(tx *Tx) error {
		for _, f := range fs {
			if _, err := tx.Exec(`DELETE FROM freed WHERE digest = ? AND at = ?`, string(f.Digest), Micros(f.At)); err != nil {
				return err
			}
		}
		return nil
	})
}

package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

// reader is what queries need: the pool of reads, or a transaction.
type assetReader interface {
	query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

type poolReader struct{ db *sql.DB }

func (p poolReader) query(ctx context.Context, q string, args ...any) (*sql.Rows, error) {
	return p.db.QueryContext(ctx, q, args...)
}

type txReader struct{ tx *Tx }

func (t txReader) query(_ context.Context, q string, args ...any) (*sql.Rows, error) {
	return t.tx.Query(q, args...)
}

// bodies reads a query whose only column is a noun as JSON.
func bodies[T any](ctx context.Context, r assetReader, q string, args ...any) ([]T, error) {
	rows, err := r.query(ctx, q, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		var b string
		var v T
		if err := rows.Scan(&b); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(b), &v); err != nil {
			return nil, cairn.Errorf(cairn.CodeInternal, "a stored row is damaged: %w", err)
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// body is the first of bodies, sql.ErrNoRows without one.
func body[T any](ctx context.Context, r assetReader, q string, args ...any) (T, error) {
	all, err := bodies[T](ctx, r, q, args...)
	if err != nil || len(all) == 0 {
		var none T
		if err == nil {
			err = sql.ErrNoRows
		}
		return none, err
	}
	return all[0], nil
}

func toJSON(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

const versionByName = `SELECT body FROM asset_versions WHERE workspace = ? AND kind = ? AND name = ? AND version = ?`

const latestByName = `SELECT body FROM asset_versions
	WHERE workspace = ? AND kind = ? AND name = ? AND archived = 0 AND deleted = 0 ORDER BY seq DESC LIMIT 1`

// CreateAssetVersion adds a version; see asset.Store.
func (s *Store) CreateAssetVersion(ctx context.Context, v cairn.AssetVersion, reuse bool,
	change func(v cairn.AssetVersion, created bool) cairn.Change) (_ cairn.AssetVersion, created bool, err error) {
	err = s.write(ctx, func(tx *Tx) error {
		if _, _, err := putAsset(tx, cairn.Asset{Workspace: v.Workspace, Kind: v.Kind, Name: v.Name, By: v.By, CreatedAt: v.CreatedAt, UpdatedAt: v.CreatedAt}); err != nil {
			return err
		}
		there, err := sameVersion(ctx, tx, v, reuse)
		if err == nil {
			v = there
			return tx.Change(change(v, false))
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		created = true
		if err := insertVersion(tx, &v); err != nil {
			return err
		}
		return tx.Change(change(v, true))
	})
	if err != nil {
		return cairn.AssetVersion{}, false, err
	}
	return v, created, nil
}

// sameVersion finds the version that a request means if it is there already.
func sameVersion(ctx context.Context, tx *Tx, v cairn.AssetVersion, reuse bool) (cairn.AssetVersion, error) {
	r := txReader{tx}
	if v.Version != "" {
		old, err := body[cairn.AssetVersion](ctx, r, versionByName, v.Workspace, v.Kind, v.Name, v.Version)
		switch {
		case err != nil:
			return old, err
		case old.Deleted:
			return old, cairn.Errorf(cairn.CodeConflict, "%s was deleted; a version is never used again", old.Ref()).
				WithHint("leave the version out to get the next free number")
		case old.Digest != v.Digest || old.Type != v.Type:
			return old, cairn.Errorf(cairn.CodeConflict, "%s exists and is %s; the new content is %s", old.Ref(), old.Digest, v.Digest).
				WithHint("a version never changes: leave it out to get the next free number")
		}
		return old, nil
	}
	if v.Job != 0 {
		old, err := body[cairn.AssetVersion](ctx, r, `SELECT body FROM asset_versions WHERE workspace = ? AND kind = ? AND name = ?
			AND run = ? AND job = ? AND digest = ? AND source_run = ? AND deleted = 0 ORDER BY seq DESC LIMIT 1`,
			v.Workspace, v.Kind, v.Name, v.Run, v.Job, string(v.Digest), v.SourceRun)
		if err == nil && old.Type == v.Type && old.SourceURI == v.SourceURI {
			return old, nil
		}
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return old, err
		}
	}
	if !reuse {
		return cairn.AssetVersion{}, sql.ErrNoRows
	}
	return body[cairn.AssetVersion](ctx, r, `SELECT body FROM asset_versions WHERE workspace = ? AND kind = ? AND name = ?
		AND digest = ? AND archived = 0 AND deleted = 0 ORDER BY seq DESC LIMIT 1`, v.Workspace, v.Kind, v.Name, string(v.Digest))
}

// insertVersion gives v its version and sequence number and writes it.
func insertVersion(tx *Tx, v *cairn.AssetVersion) error {
	var number int64
	if err := tx.Row(`UPDATE assets SET seq = seq + 1, deleted = 0 WHERE workspace = ? AND kind = ? AND name = ? RETURNING seq, number`,
		v.Workspace, v.Kind, v.Name).Scan(&v.Seq, &number); err != nil {
		return err
	}
	if v.Version == "" {
		v.Version = strconv.FormatInt(number+1, 10)
	}
	if n, err := strconv.ParseInt(v.Version, 10, 62); err == nil && n > number {
		if _, err := tx.Exec(`UPDATE assets SET number = ? WHERE workspace = ? AND kind = ? AND name = ?`, n, v.Workspace, v.Kind, v.Name); err != nil {
			return err
		}
	}
	id, err := tx.Next("asset_version", 1)
	if err != nil {
		return err
	}
	text, err := toJSON(v)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO asset_versions (id, workspace, kind, name, version, seq, digest, run, attempt, job, source_run, archived, deleted, body)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, id, v.Workspace, v.Kind, v.Name, v.Version, v.Seq, string(v.Digest),
		v.Run, v.Attempt, v.Job, v.SourceRun, flag(v.Archived), flag(v.Deleted), text)
	return err
}

// AssetVersion reads one version, archived and deleted ones too.
func (s *Store) AssetVersion(ctx context.Context, workspace string, kind cairn.AssetKind, name, version string) (cairn.AssetVersion, error) {
	v, err := body[cairn.AssetVersion](ctx, poolReader{s.reads}, versionByName, workspace, kind, name, version)
	return v, notFound(err, "there is no %s", cairn.AssetRef(kind, name, version))
}

// LatestAssetVersion is the live version with the largest Seq.
func (s *Store) LatestAssetVersion(ctx context.Context, workspace string, kind cairn.AssetKind, name string) (cairn.AssetVersion, error) {
	v, err := body[cairn.AssetVersion](ctx, poolReader{s.reads}, latestByName, workspace, kind, name)
	return v, notFound(err, "there is no version of %s/%s", kind, name)
}

// AssetVersions lists versions, newest first.
func (s *Store) AssetVersions(ctx context.Context, workspace string, f cairn.AssetFilter) (vs []cairn.AssetVersion, next int64, err error) {
	w := where{conds: []string{"workspace = ?"}, args: []any{workspace}}
	w.add(f.Kind != "", "kind = ?", string(f.Kind))
	w.add(f.Name != "", "name = ?", f.Name)
	w.add(f.Digest != "", "digest = ?", string(f.Digest))
	w.add(f.Run != 0, "run = ?", f.Run)
	w.add(f.Job != 0, "job = ?", f.Job)
	w.add(!f.Archived, "archived = ?", 0)
	w.add(!f.Deleted, "deleted = ?", 0)
	w.add(f.After > 0, "id < ?", f.After)
	limit := pageSize(f.Limit)
	rows, err := s.reads.QueryContext(ctx, `SELECT id, body FROM asset_versions WHERE `+w.text()+` ORDER BY id DESC LIMIT ?`, append(w.args, limit)...)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		var v cairn.AssetVersion
		if err := rows.Scan(&next, &text); err != nil {
			return nil, 0, err
		}
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			return nil, 0, cairn.Errorf(cairn.CodeInternal, "a stored row is damaged: %w", err)
		}
		vs = append(vs, v)
	}
	if len(vs) < limit {
		next = 0
	}
	return vs, next, rows.Err()
}

// UpdateAssetVersion changes what may change of a version. Its identity (name,
// version, digest, maker) stays whatever mutate does.
func (s *Store) UpdateAssetVersion(ctx context.Context, workspace string, kind cairn.AssetKind, name, version string,
	mutate func(*cairn.AssetVersion) error, change func(cairn.AssetVersion) cairn.Change) (cairn.AssetVersion, error) {
	var v cairn.AssetVersion
	err := s.write(ctx, func(tx *Tx) error {
		old, err := body[cairn.AssetVersion](ctx, txReader{tx}, versionByName, workspace, kind, name, version)
		if err != nil {
			return notFound(err, "there is no %s", cairn.AssetRef(kind, name, version))
		}
		v = old
		if err := mutate(&v); err != nil {
			return err
		}
		v.Workspace, v.Kind, v.Name, v.Version, v.Seq = old.Workspace, old.Kind, old.Name, old.Version, old.Seq
		v.Digest, v.Type, v.Job, v.Run, v.Attempt, v.CreatedAt = old.Digest, old.Type, old.Job, old.Run, old.Attempt, old.CreatedAt
		if err := saveVersion(tx, v); err != nil {
			return err
		}
		return tx.Change(change(v))
	})
	return v, err
}

func saveVersion(tx *Tx, v cairn.AssetVersion) error {
	text, err := toJSON(v)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`UPDATE asset_versions SET archived = ?, deleted = ?, source_run = ?, body = ?
		WHERE workspace = ? AND kind = ? AND name = ? AND version = ?`,
		flag(v.Archived), flag(v.Deleted), v.SourceRun, text, v.Workspace, v.Kind, v.Name, v.Version)
	return err
}

// where collects conditions of a query.
type where struct {
	conds []string
	args  []any
}

func (w *where) add(use bool, cond string, arg any) {
	if use {
		w.conds, w.args = append(w.conds, cond), append(w.args, arg)
	}
}

func (w *where) text() string { return strings.Join(w.conds, " AND ") }

func pageSize(limit int) int {
	if limit <= 0 {
		return 1000
	}
	return min(limit, 10_000)
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

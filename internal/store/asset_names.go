package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"github.com/cairn-ml/cairn"
)

const assetByName = `SELECT body FROM assets WHERE workspace = ? AND kind = ? AND name = ? AND deleted = 0`

// putAsset makes the row of a name. One that was deleted comes back empty; its
// counters go on.
func putAsset(tx *Tx, a cairn.Asset) (_ cairn.Asset, created bool, err error) {
	old, err := body[cairn.Asset](tx.ctx, txReader{tx}, assetByName, a.Workspace, a.Kind, a.Name)
	if err == nil {
		return old, false, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return a, false, err
	}
	a.Latest, a.Versions = nil, 0
	text, err := toJSON(a)
	if err != nil {
		return a, false, err
	}
	_, err = tx.Exec(`INSERT INTO assets (workspace, kind, name, archived, body) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (workspace, kind, name) DO UPDATE SET deleted = 0, archived = excluded.archived, body = excluded.body`,
		a.Workspace, a.Kind, a.Name, flag(a.Archived), text)
	return a, true, err
}

// PutAsset makes a name; see asset.Store.
func (s *Store) PutAsset(ctx context.Context, a cairn.Asset, ch cairn.Change) (_ cairn.Asset, created bool, err error) {
	err = s.write(ctx, func(tx *Tx) error {
		if a, created, err = putAsset(tx, a); err != nil || !created {
			return err
		}
		return tx.Change(ch)
	})
	return a, created, err
}

// Asset reads a name with its latest version.
func (s *Store) Asset(ctx context.Context, workspace string, kind cairn.AssetKind, name string) (cairn.Asset, error) {
	a, err := body[cairn.Asset](ctx, poolReader{s.reads}, assetByName, workspace, kind, name)
	if err != nil {
		return a, notFound(err, "there is no %s %q", kind, name)
	}
	as := []cairn.Asset{a}
	err = s.fillAssets(ctx, workspace, kind, name, as)
	return as[0], err
}

// Assets lists names by kind and name. A page goes on at an offset.
func (s *Store) Assets(ctx context.Context, workspace string, f cairn.AssetFilter) (as []cairn.Asset, next int64, err error) {
	w := where{conds: []string{"workspace = ?", "deleted = 0"}, args: []any{workspace}}
	w.add(f.Kind != "", "kind = ?", string(f.Kind))
	w.add(f.Name != "", "name = ?", f.Name)
	w.add(!f.Archived, "archived = ?", 0)
	limit := pageSize(f.Limit)
	as, err = bodies[cairn.Asset](ctx, poolReader{s.reads}, `SELECT body FROM assets WHERE `+w.text()+` ORDER BY kind, name LIMIT ? OFFSET ?`,
		append(w.args, limit, f.After)...)
	if err != nil {
		return nil, 0, err
	}
	if len(as) == limit {
		next = f.After + int64(limit)
	}
	return as, next, s.fillAssets(ctx, workspace, f.Kind, f.Name, as)
}

// fillAssets adds the latest version and the number of versions.
func (s *Store) fillAssets(ctx context.Context, workspace string, kind cairn.AssetKind, name string, as []cairn.Asset) error {
	if len(as) == 0 {
		return nil
	}
	w := where{conds: []string{"workspace = ?", "deleted = 0"}, args: []any{workspace}}
	w.add(kind != "", "kind = ?", string(kind))
	w.add(name != "", "name = ?", name)
	rows, err := s.reads.QueryContext(ctx, `SELECT v.kind, v.name, n.many, CASE WHEN v.seq = n.newest THEN v.body END
		FROM asset_versions v JOIN (
			SELECT workspace, kind, name, COUNT(*) AS many, MAX(seq) AS any_seq, MAX(CASE WHEN archived = 0 THEN seq END) AS newest
			FROM asset_versions WHERE `+w.text()+` GROUP BY workspace, kind, name) n
		ON v.workspace = n.workspace AND v.kind = n.kind AND v.name = n.name AND v.seq = COALESCE(n.newest, n.any_seq)`, w.args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	at := map[[2]string]*cairn.Asset{}
	for i := range as {
		at[[2]string{string(as[i].Kind), as[i].Name}] = &as[i]
	}
	for rows.Next() {
		var kind, name string
		var many int64
		var text *string
		if err := rows.Scan(&kind, &name, &many, &text); err != nil {
			return err
		}
		a := at[[2]string{kind, name}]
		if a == nil {
			continue // on another page
		}
		a.Versions = many
		if text == nil {
			continue // all archived
		}
		a.Latest = &cairn.AssetVersion{}
		if err := json.Unmarshal([]byte(*text), a.Latest); err != nil {
			return cairn.Errorf(cairn.CodeInternal, "a stored row is damaged: %w", err)
		}
	}
	return rows.Err()
}

// UpdateAsset changes what may change of a name.
func (s *Store) UpdateAsset(ctx context.Context, workspace string, kind cairn.AssetKind, name string,
	mutate func(*cairn.Asset) error, change func(cairn.Asset) cairn.Change) (cairn.Asset, error) {
	var a cairn.Asset
	err := s.write(ctx, func(tx *Tx) error {
		var err error
		if a, err = body[cairn.Asset](ctx, txReader{tx}, assetByName, workspace, kind, name); err != nil {
			return notFound(err, "there is no %s %q", kind, name)
		}
		if err := mutate(&a); err != nil {
			return err
		}
		a.Workspace, a.Kind, a.Name, a.Latest, a.Versions = workspace, kind, name, nil, 0
		text, err := toJSON(a)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`UPDATE assets SET archived = ?, body = ? WHERE workspace = ? AND kind = ? AND name = ?`,
			flag(a.Archived), text, workspace, kind, name); err != nil {
			return err
		}
		return tx.Change(change(a))
	})
	if err != nil {
		return a, err
	}
	as := []cairn.Asset{a}
	err = s.fillAssets(ctx, workspace, kind, name, as)
	return as[0], err
}

// DeleteAsset removes a name with its labels. Its versions stay as deleted ones,
// so that what used them can still be told.
func (s *Store) DeleteAsset(ctx context.Context, workspace string, kind cairn.AssetKind, name string, ch cairn.Change) error {
	return s.write(ctx, func(tx *Tx) error {
		n, err := tx.Exec(`UPDATE assets SET deleted = 1 WHERE workspace = ? AND kind = ? AND name = ? AND deleted = 0`, workspace, kind, name)
		if err != nil {
			return err
		}
		if n == 0 {
			return cairn.Errorf(cairn.CodeNotFound, "there is no %s %q", kind, name)
		}
		vs, err := bodies[cairn.AssetVersion](ctx, txReader{tx}, `SELECT body FROM asset_versions
			WHERE workspace = ? AND kind = ? AND name = ? AND deleted = 0`, workspace, kind, name)
		if err != nil {
			return err
		}
		for _, v := range vs {
			v.Deleted = true
			if err := saveVersion(tx, v); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(`DELETE FROM asset_labels WHERE workspace = ? AND kind = ? AND name = ?`, workspace, kind, name); err != nil {
			return err
		}
		return tx.Change(ch)
	})
}

// SetAssetLabel moves a label to a version that exists.
func (s *Store) SetAssetLabel(ctx context.Context, l cairn.Label, run cairn.RunID, attempt int, ch cairn.Change) error {
	return s.write(ctx, func(tx *Tx) error {
		v, err := body[cairn.AssetVersion](ctx, txReader{tx}, versionByName, l.Workspace, l.Kind, l.Name, l.Version)
		if err != nil || v.Deleted {
			if v.Deleted {
				err = sql.ErrNoRows
			}
			return notFound(err, "there is no %s", cairn.AssetRef(l.Kind, l.Name, l.Version))
		}
		text, err := toJSON(l)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO asset_labels (workspace, kind, name, label, version, run, attempt, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (workspace, kind, name, label) DO UPDATE SET version = excluded.version, run = excluded.run, attempt = excluded.attempt, body = excluded.body`,
			l.Workspace, l.Kind, l.Name, l.Label, l.Version, run, attempt, text); err != nil {
			return err
		}
		return tx.Change(ch)
	})
}

// DeleteAssetLabel removes a label.
func (s *Store) DeleteAssetLabel(ctx context.Context, workspace string, kind cairn.AssetKind, name, label string, ch cairn.Change) error {
	return s.write(ctx, func(tx *Tx) error {
		n, err := tx.Exec(`DELETE FROM asset_labels WHERE workspace = ? AND kind = ? AND name = ? AND label = ?`, workspace, kind, name, label)
		if err != nil {
			return err
		}
		if n == 0 {
			return cairn.Errorf(cairn.CodeNotFound, "%s/%s has no label %q", kind, name, label)
		}
		return tx.Change(ch)
	})
}

// AssetLabels lists the labels of a name.
func (s *Store) AssetLabels(ctx context.Context, workspace string, kind cairn.AssetKind, name string) ([]cairn.Label, error) {
	return bodies[cairn.Label](ctx, poolReader{s.reads}, `SELECT body FROM asset_labels
		WHERE workspace = ? AND kind = ? AND name = ? ORDER BY label`, workspace, kind, name)
}

package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"github.com/cairn-ml/cairn"
)

// PinAsset reads what is known, lets choose decide and writes the answer down,
// all in one transaction; see asset.Store.
func (s *Store) PinAsset(ctx context.Context, ask cairn.PinAsk, choose func(cairn.PinFacts) (cairn.AssetVersion, error),
	change func(cairn.AssetVersion) cairn.Change) (cairn.AssetVersion, error) {
	var v cairn.AssetVersion
	err := s.write(ctx, func(tx *Tx) error {
		facts, err := pinFacts(ctx, tx, ask)
		if err != nil {
			return err
		}
		if v, err = choose(facts); err != nil {
			return err
		}
		id, err := tx.Next("asset_pin", 1)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO asset_pins (id, run, attempt, job, asked, path, workspace, kind, name, version, digest)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (run, attempt, job, asked) DO UPDATE SET version = excluded.version, digest = excluded.digest`,
			id, ask.Run, ask.Attempt, ask.Job, ask.Asked, ask.Path, v.Workspace, v.Kind, v.Name, v.Version, string(v.Digest)); err != nil {
			return err
		}
		return tx.Change(change(v))
	})
	return v, err
}

func pinFacts(ctx context.Context, tx *Tx, ask cairn.PinAsk) (f cairn.PinFacts, err error) {
	r := txReader{tx}
	if f.Made, err = bodies[cairn.AssetVersion](ctx, r, `SELECT body FROM asset_versions WHERE workspace = ? AND kind = ? AND name = ?
		AND run = ? AND archived = 0 AND deleted = 0 ORDER BY seq`, ask.Workspace, ask.Kind, ask.Name, ask.Run); err != nil {
		return f, err
	}
	if f.Pins, err = earlierPins(ctx, r, ask); err != nil {
		return f, err
	}
	version := ask.Version
	if version == "" && ask.Label != "latest" {
		err := tx.Row(`SELECT version, run, attempt FROM asset_labels WHERE workspace = ? AND kind = ? AND name = ? AND label = ?`,
			ask.Workspace, ask.Kind, ask.Name, ask.Label).Scan(&version, &f.LabelRun, &f.LabelAttempt)
		if errors.Is(err, sql.ErrNoRows) {
			return f, nil
		}
		if err != nil {
			return f, err
		}
	}
	var now cairn.AssetVersion
	if version != "" {
		now, err = body[cairn.AssetVersion](ctx, r, versionByName, ask.Workspace, ask.Kind, ask.Name, version)
	} else {
		now, err = body[cairn.AssetVersion](ctx, r, latestByName, ask.Workspace, ask.Kind, ask.Name)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return f, nil
	}
	if err != nil {
		return f, err
	}
	f.Now = &now
	return f, nil
}

func earlierPins(ctx context.Context, r assetReader, ask cairn.PinAsk) ([]cairn.PinnedVersion, error) {
	rows, err := r.query(ctx, `SELECT p.attempt, p.job, p.path, p.digest, v.body FROM asset_pins p JOIN asset_versions v
		ON v.workspace = p.workspace AND v.kind = p.kind AND v.name = p.name AND v.version = p.version
		WHERE p.run = ? AND p.asked = ? ORDER BY p.attempt, p.id`, ask.Run, ask.Asked)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []cairn.PinnedVersion
	for rows.Next() {
		p := cairn.PinnedVersion{Pin: cairn.Pin{Run: ask.Run, Asked: ask.Asked}}
		var text string
		if err := rows.Scan(&p.Pin.Attempt, &p.Pin.Job, &p.Path, &p.Pin.Digest, &text); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(text), &p.Asset); err != nil {
			return nil, cairn.Errorf(cairn.CodeInternal, "a stored row is damaged: %w", err)
		}
		p.Pin.Version = p.Asset.Ref()
		out = append(out, p)
	}
	return out, rows.Err()
}

// Pins lists what labels and versions meant to the jobs of a run.
func (s *Store) Pins(ctx context.Context, run cairn.RunID) ([]cairn.Pin, error) {
	rows, err := s.reads.QueryContext(ctx, `SELECT attempt, job, asked, kind, name, version, digest FROM asset_pins
		WHERE run = ? ORDER BY attempt, id`, run)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []cairn.Pin
	for rows.Next() {
		p := cairn.Pin{Run: run}
		var kind cairn.AssetKind
		var name, version string
		if err := rows.Scan(&p.Attempt, &p.Job, &p.Asked, &kind, &name, &version, &p.Digest); err != nil {
			return nil, err
		}
		p.Version = cairn.AssetRef(kind, name, version)
		out = append(out, p)
	}
	return out, rows.Err()
}

// AddLinks writes links and events that belong to no row.
func (s *Store) AddLinks(ctx context.Context, ch cairn.Change) error {
	return s.write(ctx, func(tx *Tx) error { return tx.Change(ch) })
}

package store

import (
	"context"
	"database/sql"
	"strings"

	"github.com/cairn-ml/cairn"
)

// EnvironmentMaps lists what environments are mapped to, by name.
func (s *Store) EnvironmentMaps(ctx context.Context, workspace string) ([]cairn.EnvironmentMap, error) {
	return rowBodies[cairn.EnvironmentMap](ctx, s.reads, `SELECT body FROM environment_maps WHERE workspace = ? ORDER BY name`, workspace)
}

// PutEnvironmentMap adds or replaces one.
func (s *Store) PutEnvironmentMap(ctx context.Context, workspace string, m cairn.EnvironmentMap, ch cairn.Change) error {
	body, err := toJSON(m)
	if err != nil {
		return err
	}
	return s.write(ctx, func(tx *Tx) error {
		if _, err := tx.Exec(`INSERT INTO environment_maps (workspace, name, body) VALUES (?, ?, ?)
			ON CONFLICT (workspace, name) DO UPDATE SET body = excluded.body`, workspace, strings.ToLower(m.Name), body); err != nil {
			return err
		}
		return tx.Change(ch)
	})
}

// DeleteEnvironmentMap removes one.
func (s *Store) DeleteEnvironmentMap(ctx context.Context, workspace, name string, ch cairn.Change) error {
	return s.write(ctx, func(tx *Tx) error {
		n, err := tx.Exec(`DELETE FROM environment_maps WHERE workspace = ? AND name = ?`, workspace, strings.ToLower(name))
		if err != nil {
			return err
		}
		if n == 0 {
			return notFound(sql.ErrNoRows, "environment %s is not mapped", name)
		}
		return tx.Change(ch)
	})
}

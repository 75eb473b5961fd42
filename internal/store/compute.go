package store

import (
	"context"
	"database/sql"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Computes lists the computes, by name.
func (s *Store) Computes(ctx context.Context, workspace string) ([]cairn.Compute, error) {
	return rowBodies[cairn.Compute](ctx, s.reads, `SELECT body FROM computes WHERE workspace = ? ORDER BY name`, workspace)
}

// PutCompute adds or replaces one.
func (s *Store) PutCompute(ctx context.Context, workspace string, c cairn.Compute, ch cairn.Change) error {
	body, err := toJSON(c)
	if err != nil {
		return err
	}
	return s.write(ctx, func(tx *Tx) error {
		if _, err := tx.Exec(`INSERT INTO computes (workspace, name, body) VALUES (?, ?, ?)
			ON CONFLICT (workspace, name) DO UPDATE SET body = excluded.body`, workspace, strings.ToLower(c.Name), body); err != nil {
			return err
		}
		return tx.Change(ch)
	})
}

// DeleteCompute removes one.
func (s *Store) DeleteCompute(ctx context.Context, workspace, name string, ch cairn.Change) error {
	return s.write(ctx, func(tx *Tx) error {
		n, err := tx.Exec(`DELETE FROM computes WHERE workspace = ? AND name = ?`, workspace, strings.ToLower(name))
		if err != nil {
			return err
		}
		if n == 0 {
			return notFound(sql.ErrNoRows, "there is no compute %s", name)
		}
		return tx.Change(ch)
	})
}

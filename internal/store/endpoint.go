package store

import (
	"context"
	"database/sql"

	"github.com/cairn-ml/cairn"
)

// Endpoints lists the endpoints, by name.
func (s *Store) Endpoints(ctx context.Context, workspace string) ([]cairn.Endpoint, error) {
	return rowBodies[cairn.Endpoint](ctx, s.reads, `SELECT body FROM endpoints WHERE workspace = ? ORDER BY name`, workspace)
}

// PutEndpoint adds or replaces one. Its port stays what it was first.
func (s *Store) PutEndpoint(ctx context.Context, e cairn.Endpoint, ch cairn.Change) error {
	body, err := toJSON(e)
	if err != nil {
		return err
	}
	return s.write(ctx, func(tx *Tx) error {
		if _, err := tx.Exec(`INSERT INTO endpoints (workspace, name, port, body) VALUES (?, ?, ?, ?)
			ON CONFLICT (workspace, name) DO UPDATE SET body = excluded.body`, e.Workspace, e.Name, e.Port, body); err != nil {
			return err
		}
		return tx.Change(ch)
	})
}

// DeleteEndpoint removes one.
func (s *Store) DeleteEndpoint(ctx context.Context, workspace, name string, ch cairn.Change) error {
	return s.write(ctx, func(tx *Tx) error {
		n, err := tx.Exec(`DELETE FROM endpoints WHERE workspace = ? AND name = ?`, workspace, name)
		if err != nil {
			return err
		}
		if n == 0 {
			return notFound(sql.ErrNoRows, "there is no endpoint %s", name)
		}
		return tx.Change(ch)
	})
}

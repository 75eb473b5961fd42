package store

import (
	"context"
	"database/sql"
	"strings"

	"github.com/cairn-ml/cairn"
)

// AzureNames lists what names of workspaces lead to, by name.
func (s *Store) AzureNames(ctx context.Context, workspace string) ([]cairn.AzureName, error) {
	return rowBodies[cairn.AzureName](ctx, s.reads, `SELECT body FROM azure_names WHERE workspace = ? ORDER BY name`, workspace)
}

// PutAzureName adds or replaces one.
func (s *Store) PutAzureName(ctx context.Context, workspace string, m cairn.AzureName, ch cairn.Change) error {
	body, err := toJSON(m)
	if err != nil {
		return err
	}
	return s.write(ctx, func(tx *Tx) error {
		if _, err := tx.Exec(`INSERT INTO azure_names (workspace, name, body) VALUES (?, ?, ?)
			ON CONFLICT (workspace, name) DO UPDATE SET body = excluded.body`, workspace, strings.ToLower(m.Name), body); err != nil {
			return err
		}
		return tx.Change(ch)
	})
}

// DeleteAzureName removes one.
func (s *Store) DeleteAzureName(ctx context.Context, workspace, name string, ch cairn.Change) error {
	return s.write(ctx, func(tx *Tx) error {
		n, err := tx.Exec(`DELETE FROM azure_names WHERE workspace = ? AND name = ?`, workspace, strings.ToLower(name))
		if err != nil {
			return err
		}
		if n == 0 {
			return notFound(sql.ErrNoRows, "nothing is said of %s", name)
		}
		return tx.Change(ch)
	})
}

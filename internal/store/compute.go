package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
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

// ChangeCompute changes one in a single transaction, so that what a person and the clock do
// at once never undo each other. change answers false where there is nothing to do.
func (s *Store) ChangeCompute(ctx context.Context, workspace, name string, change func(c *cairn.Compute) (cairn.Change, bool, error)) (c cairn.Compute, err error) {
	err = s.write(ctx, func(tx *Tx) error {
		var body string
		switch err := tx.Row(`SELECT body FROM computes WHERE workspace = ? AND name = ?`, workspace, strings.ToLower(name)).Scan(&body); {
		case errors.Is(err, sql.ErrNoRows):
			return notFound(err, "there is no compute %s", name)
		case err != nil:
			return err
		}
		c = cairn.Compute{}
		if err := json.Unmarshal([]byte(body), &c); err != nil {
			return err
		}
		ch, changed, err := change(&c)
		if err != nil || !changed {
			return err
		}
		text, err := toJSON(c)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`UPDATE computes SET body = ? WHERE workspace = ? AND name = ?`, text, workspace, strings.ToLower(name)); err != nil {
			return err
		}
		return tx.Change(ch)
	})
	return c, err
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

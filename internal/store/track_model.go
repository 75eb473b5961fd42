package store

import (
	"context"

	"github.com/cairn-ml/cairn"
)

// trackWorkspace is the one that there is until workspaces are many.
const trackWorkspace = "default"

// RegisteredModel reads what is said of a model's name as a whole.
func (s *Store) RegisteredModel(ctx context.Context, name string) (*cairn.RegisteredModel, error) {
	return scanTrack[cairn.RegisteredModel](s.reads.QueryRowContext(ctx,
		`SELECT body FROM ml_models WHERE workspace = ? AND name = ?`, trackWorkspace, name),
		"Registered Model with name=%s not found", name)
}

// RegisteredModels lists all rows, deleted ones included, by name.
func (s *Store) RegisteredModels(ctx context.Context) ([]cairn.RegisteredModel, error) {
	return queryTrack[cairn.RegisteredModel](ctx, s, `SELECT body FROM ml_models WHERE workspace = ? ORDER BY name`, trackWorkspace)
}

// SaveRegisteredModel reads, changes and writes the row of a name in a
// transaction; where there is none, change gets an empty one and exists=false.
func (s *Store) SaveRegisteredModel(ctx context.Context, name string, change func(m *cairn.RegisteredModel, exists bool) error, ch cairn.Change) (*cairn.RegisteredModel, error) {
	var m *cairn.RegisteredModel
	err := s.write(ctx, func(tx *Tx) (err error) {
		m, err = scanTrack[cairn.RegisteredModel](tx.Row(`SELECT body FROM ml_models WHERE workspace = ? AND name = ?`, trackWorkspace, name), "")
		exists := err == nil
		if cairn.CodeOf(err) == cairn.CodeNotFound {
			m, err = &cairn.RegisteredModel{Workspace: trackWorkspace, Name: name}, nil
		}
		if err != nil {
			return err
		}
		if err := change(m, exists); err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO ml_models (workspace, name, body) VALUES (?, ?, ?)
			ON CONFLICT (workspace, name) DO UPDATE SET body = excluded.body`, trackWorkspace, name, trackBody(m)); err != nil {
			return err
		}
		return tx.Change(trackChange(ch, m))
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strconv"

	"github.com/cairn-ml/cairn"
)

// CreateExperiment adds an experiment. Where its ID is "" the next number is
// taken, and its Root is that number unless it has one.
func (s *Store) CreateExperiment(ctx context.Context, e cairn.Experiment, ch cairn.Change) (*cairn.Experiment, error) {
	err := s.write(ctx, func(tx *Tx) error {
		if e.ID == "" {
			id, err := tx.Next("experiment", 1)
			if err != nil {
				return err
			}
			e.ID = strconv.FormatInt(id, 10)
		}
		if e.Root == "" {
			e.Root = e.ID
		}
		id, err := experimentKey(e.ID)
		if err != nil {
			return err
		}
		var taken int64
		switch err := tx.Row(`SELECT deleted FROM ml_experiments WHERE name = ?`, e.Name).Scan(&taken); {
		case err == nil && taken != 0:
			return cairn.Errorf(cairn.CodeConflict, "Experiment '%s' already exists in deleted state. "+
				"You can restore the experiment, or permanently delete the experiment to create a new one.", e.Name)
		case err == nil:
			return cairn.Errorf(cairn.CodeConflict, "Experiment '%s' already exists.", e.Name)
		case !errors.Is(err, sql.ErrNoRows):
			return err
		}
		if _, err := tx.Exec(`INSERT INTO ml_experiments (id, name, deleted, body) VALUES (?, ?, 0, ?)`,
			id, e.Name, trackBody(e)); err != nil {
			return err
		}
		return tx.Change(trackChange(ch, e))
	})
	return &e, err
}

// Experiment reads one by its id.
func (s *Store) Experiment(ctx context.Context, id string) (*cairn.Experiment, error) {
	n, err := experimentKey(id)
	if err != nil {
		return nil, err
	}
	return scanTrack[cairn.Experiment](s.reads.QueryRowContext(ctx, `SELECT body FROM ml_experiments WHERE id = ?`, n),
		"No Experiment with id=%s exists", id)
}

// ExperimentByName reads one, deleted or not.
func (s *Store) ExperimentByName(ctx context.Context, name string) (*cairn.Experiment, error) {
	return scanTrack[cairn.Experiment](s.reads.QueryRowContext(ctx, `SELECT body FROM ml_experiments WHERE name = ?`, name),
		"Could not find experiment with name '%s'", name)
}

// Experiments lists all, deleted ones included, by id.
func (s *Store) Experiments(ctx context.Context) ([]cairn.Experiment, error) {
	return queryTrack[cairn.Experiment](ctx, s, `SELECT body FROM ml_experiments ORDER BY id`)
}

// SaveExperiment reads, changes and writes one in a transaction. Where that
// deletes or restores it, its runs follow.
func (s *Store) SaveExperiment(ctx context.Context, id string, change func(*cairn.Experiment) error, ch cairn.Change) (*cairn.Experiment, error) {
	n, err := experimentKey(id)
	if err != nil {
		return nil, err
	}
	var e *cairn.Experiment
	err = s.write(ctx, func(tx *Tx) error {
		if e, err = scanTrack[cairn.Experiment](tx.Row(`SELECT body FROM ml_experiments WHERE id = ?`, n),
			"No Experiment with id=%s exists", id); err != nil {
			return err
		}
		was := *e
		if err := change(e); err != nil {
			return err
		}
		if e.Name != was.Name {
			var other int64
			err := tx.Row(`SELECT id FROM ml_experiments WHERE name = ?`, e.Name).Scan(&other)
			if err == nil {
				return cairn.Errorf(cairn.CodeConflict, "Experiment '%s' already exists.", e.Name)
			} else if !errors.Is(err, sql.ErrNoRows) {
				return err
			}
		}
		if e.Deleted != was.Deleted {
			if _, err := tx.Exec(`UPDATE ml_runs SET deleted = ?, updated = ? WHERE experiment = ?`,
				trackFlag(e.Deleted), Micros(tx.now()), n); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(`UPDATE ml_experiments SET name = ?, deleted = ?, body = ? WHERE id = ?`,
			e.Name, trackFlag(e.Deleted), trackBody(e), n); err != nil {
			return err
		}
		return tx.Change(trackChange(ch, e))
	})
	if err != nil {
		return nil, err
	}
	return e, nil
}

func experimentKey(id string) (int64, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil || n < 0 {
		return 0, cairn.Errorf(cairn.CodeNotFound, "No Experiment with id=%s exists", id)
	}
	return n, nil
}

// trackBody is a noun as its JSON column has it. Nouns always marshal.
func trackBody(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// trackChange puts the row after the change into those events that carry none.
func trackChange(ch cairn.Change, row any) cairn.Change {
	events := make([]cairn.Event, len(ch.Events))
	for i, e := range ch.Events {
		if e.Data == nil {
			e.Data = json.RawMessage(trackBody(row))
		}
		events[i] = e
	}
	ch.Events = events
	return ch
}

func trackFlag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

type trackRow interface{ Scan(dest ...any) error }

// scanTrack reads a row of one JSON column; a missing one is named by format.
func scanTrack[T any](row trackRow, format string, args ...any) (*T, error) {
	var text string
	if err := row.Scan(&text); err != nil {
		return nil, notFound(err, format, args...)
	}
	v := new(T)
	if err := json.Unmarshal([]byte(text), v); err != nil {
		return nil, cairn.Errorf(cairn.CodeInternal, "a stored row cannot be read: %w", err)
	}
	return v, nil
}

func queryTrack[T any](ctx context.Context, s *Store, query string, args ...any) ([]T, error) {
	rows, err := s.reads.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scanTrack[T](rows, "row")
		if err != nil {
			return nil, err
		}
		out = append(out, *v)
	}
	return out, rows.Err()
}

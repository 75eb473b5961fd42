package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/cairn-ml/cairn"
)

// eventsKept is how long events stay that were taken in. It is as long as the keys
// of runs are known, so that none is taken in again.
const eventsKept = 30 * 24 * time.Hour

// putTriggers notes events that may start runs, in the transaction of what caused
// them. One that is there already stays as it is.
func (tx *Tx) putTriggers(es []cairn.TriggerEvent) error {
	for i := range es {
		e := es[i]
		if e.At.IsZero() {
			e.At = tx.now().UTC()
		}
		body, err := json.Marshal(&e)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO trigger_events (key, repository, event, at, tries, after, done, body)
			VALUES (?, ?, ?, ?, 0, 0, 0, ?) ON CONFLICT (key) DO NOTHING`,
			e.Key, e.Repository, e.Event, Micros(e.At), string(body)); err != nil {
			return err
		}
		tx.signal = true
	}
	return nil
}

// PutTriggers notes events that nothing else is written with.
func (s *Store) PutTriggers(ctx context.Context, es []cairn.TriggerEvent, ch cairn.Change) error {
	return s.write(ctx, func(tx *Tx) error {
		if err := tx.putTriggers(es); err != nil {
			return err
		}
		return tx.Change(ch)
	})
}

// PendingTriggers are events that nobody has taken in whole, oldest first.
func (s *Store) PendingTriggers(ctx context.Context, limit int) ([]cairn.TriggerEvent, error) {
	return rowBodies[cairn.TriggerEvent](ctx, s.reads,
		`SELECT body FROM trigger_events WHERE done = 0 AND after <= ? ORDER BY at, key LIMIT ?`, Micros(s.now()), limit)
}

// TriggerDone records what became of an event. Those taken in long ago go.
func (s *Store) TriggerDone(ctx context.Context, key string, outcome cairn.Trigger) error {
	b, err := json.Marshal(outcome)
	if err != nil {
		return err
	}
	return s.write(ctx, func(tx *Tx) error {
		now := tx.now()
		if _, err := tx.Exec(`DELETE FROM trigger_events WHERE done > 0 AND done < ?`, Micros(now.Add(-eventsKept))); err != nil {
			return err
		}
		_, err := tx.Exec(`UPDATE trigger_events SET done = ?, outcome = ? WHERE key = ?`, Micros(now), string(b), key)
		return err
	})
}

// TriggerRetry puts an event off, longer with each try, and tells how often it was
// tried.
func (s *Store) TriggerRetry(ctx context.Context, key string, pause, most time.Duration) (tries int, err error) {
	err = s.write(ctx, func(tx *Tx) error {
		if err := tx.Row(`UPDATE trigger_events SET tries = tries + 1 WHERE key = ? RETURNING tries`, key).Scan(&tries); err != nil {
			return notFound(err, "there is no event %s", key)
		}
		after := min(pause<<min(tries-1, 12), most)
		_, err := tx.Exec(`UPDATE trigger_events SET after = ? WHERE key = ?`, Micros(tx.now().Add(after)), key)
		return err
	})
	return tries, err
}

// Trigger tells what became of an event; nil while it is not taken in.
func (s *Store) Trigger(ctx context.Context, key string) (*cairn.Trigger, error) {
	var outcome *string
	err := s.reads.QueryRowContext(ctx, `SELECT outcome FROM trigger_events WHERE key = ?`, key).Scan(&outcome)
	if err != nil {
		return nil, notFound(err, "there is no event %s", key)
	}
	if outcome == nil {
		return nil, nil
	}
	t := new(cairn.Trigger)
	return t, json.Unmarshal([]byte(*outcome), t)
}

// RunMove is one event about a run as a whole.
type RunMove struct {
	ID   int64 // orders all events of the home
	Kind string
	Run  cairn.Run
}

// RunMoves reads the events that made or changed runs behind a position, at most
// limit, and answers the position that they are read up to.
func (s *Store) RunMoves(ctx context.Context, after int64, limit int) (moves []RunMove, next int64, err error) {
	err = s.readTx(ctx, func(q querier) error {
		if err := q.QueryRowContext(ctx, `SELECT COALESCE(MAX(id), 0) FROM events`).Scan(&next); err != nil || next <= after {
			next = max(next, after)
			return err
		}
		rows, err := q.QueryContext(ctx, `SELECT id, kind, data FROM events WHERE id > ? AND id <= ? AND kind IN (?, ?) ORDER BY id LIMIT ?`,
			after, next, cairn.EvRunCreated, cairn.EvRunChanged, limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var m RunMove
			var data sql.RawBytes
			if err := rows.Scan(&m.ID, &m.Kind, &data); err != nil {
				return err
			}
			if err := json.Unmarshal(data, &m.Run); err != nil {
				return err
			}
			moves = append(moves, m)
		}
		if len(moves) == limit {
			next = moves[limit-1].ID
		}
		return rows.Err()
	})
	return moves, next, err
}

// LastEvent is the position of the newest event of the home.
func (s *Store) LastEvent(ctx context.Context) (id int64, err error) {
	err = s.reads.QueryRowContext(ctx, `SELECT COALESCE(MAX(id), 0) FROM events`).Scan(&id)
	return id, err
}

// Cursor is how far a reader is; ok is false for one that never wrote.
func (s *Store) Cursor(ctx context.Context, name string) (position int64, ok bool, err error) {
	err = s.reads.QueryRowContext(ctx, `SELECT position FROM cursors WHERE name = ?`, name).Scan(&position)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	return position, err == nil, err
}

// MoveCursor records how far a reader is, with the events that it raised.
func (s *Store) MoveCursor(ctx context.Context, name string, position int64, raised []cairn.TriggerEvent) error {
	return s.write(ctx, func(tx *Tx) error {
		if err := tx.putTriggers(raised); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO cursors (name, position) VALUES (?, ?)
			ON CONFLICT (name) DO UPDATE SET position = excluded.position`, name, position)
		return err
	})
}

// Schedules are the times up to which the schedules of a repository were looked at.
func (s *Store) Schedules(ctx context.Context, repository string) (map[cairn.Schedule]time.Time, error) {
	rows, err := s.reads.QueryContext(ctx, `SELECT path, cron, zone, last FROM schedules WHERE repository = ?`, repository)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[cairn.Schedule]time.Time{}
	for rows.Next() {
		x := cairn.Schedule{Repository: repository}
		var last int64
		if err := rows.Scan(&x.Path, &x.Cron, &x.Zone, &last); err != nil {
			return nil, err
		}
		out[x] = FromMicros(last)
	}
	return out, rows.Err()
}

// PutSchedules records up to when schedules were looked at, with the events that
// were due, and drops those that are gone.
func (s *Store) PutSchedules(ctx context.Context, looked map[cairn.Schedule]time.Time, gone []cairn.Schedule, due []cairn.TriggerEvent) error {
	return s.write(ctx, func(tx *Tx) error {
		for x, last := range looked {
			if _, err := tx.Exec(`INSERT INTO schedules (repository, path, cron, zone, last) VALUES (?, ?, ?, ?, ?)
				ON CONFLICT (repository, path, cron, zone) DO UPDATE SET last = excluded.last`,
				x.Repository, x.Path, x.Cron, x.Zone, Micros(last)); err != nil {
				return err
			}
		}
		for _, x := range gone {
			if _, err := tx.Exec(`DELETE FROM schedules WHERE repository = ? AND path = ? AND cron = ? AND zone = ?`,
				x.Repository, x.Path, x.Cron, x.Zone); err != nil {
				return err
			}
		}
		return tx.putTriggers(due)
	})
}

package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/cairn-ml/cairn"
)

// Change writes the events, links and effects that belong to a mutation. Event
// sequence numbers are assigned here, per run and without gaps.
func (tx *Tx) Change(ch cairn.Change) error {
	now := tx.now().UTC()
	for _, e := range ch.Events {
		if e.At.IsZero() {
			e.At = now
		}
		if e.By == "" {
			e.By = ch.By
		}
		// events.id orders all events of the home; seq those of one run.
		if _, err := tx.Exec(`INSERT INTO events (id, run, seq, at, by_name, kind, subject, data)
			VALUES ((SELECT COALESCE(MAX(id), 0) + 1 FROM events), ?,
			        (SELECT COALESCE(MAX(seq), 0) + 1 FROM events WHERE run = ?), ?, ?, ?, ?, ?)`,
			e.Run, e.Run, Micros(e.At), e.By, e.Kind, string(e.Subject), nullJSON(e.Data)); err != nil {
			return err
		}
		tx.signal = true
	}
	for _, l := range ch.Links {
		if l.At.IsZero() {
			l.At = now
		}
		if l.By == "" {
			l.By = ch.By
		}
		if _, err := tx.Exec(`INSERT INTO links (from_ref, relation, to_ref, at, by_name, note)
			VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (from_ref, relation, to_ref) DO NOTHING`,
			string(l.From), string(l.Relation), string(l.To), Micros(l.At), l.By, l.Note); err != nil {
			return err
		}
	}
	for _, e := range ch.Effects {
		if _, err := tx.Exec(`INSERT INTO outbox (id, kind, payload, tries, after, created)
			VALUES (?, ?, ?, 0, ?, ?) ON CONFLICT (id) DO NOTHING`,
			e.ID, e.Kind, nullJSON(e.Payload), Micros(e.After), Micros(now)); err != nil {
			return err
		}
		tx.signal = true
	}
	return nil
}

// Next takes the next n values of a counter (a row per name, from 1) and
// returns the first of them.
func (tx *Tx) Next(name string, n int64) (int64, error) {
	var last int64
	err := tx.Row(`INSERT INTO counters (name, value) VALUES (?, ?)
		ON CONFLICT (name) DO UPDATE SET value = counters.value + excluded.value RETURNING value`, name, n).Scan(&last)
	return last - n + 1, err
}

// Reserve takes n values of a counter in a transaction of its own: for callers
// that need the ids before they can say what to write. Gaps are harmless.
func (s *Store) Reserve(ctx context.Context, counter string, n int) (first int64, err error) {
	err = s.write(ctx, func(tx *Tx) error {
		first, err = tx.Next(counter, int64(n))
		return err
	})
	return first, err
}

// Events returns a run's events with a sequence number above after, in order,
// at most limit (0: 1000). Run 0 asks for the events that belong to no run.
func (s *Store) Events(ctx context.Context, run cairn.RunID, after int64, limit int) ([]cairn.Event, error) {
	if limit <= 0 {
		limit = 1000
	}
	rows, err := s.reads.QueryContext(ctx, `SELECT seq, at, by_name, kind, subject, data FROM events
		WHERE run = ? AND seq > ? ORDER BY seq LIMIT ?`, run, after, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []cairn.Event
	for rows.Next() {
		e := cairn.Event{Run: run}
		var at int64
		var data *string
		if err := rows.Scan(&e.Seq, &at, &e.By, &e.Kind, &e.Subject, &data); err != nil {
			return nil, err
		}
		e.At = FromMicros(at)
		if data != nil {
			e.Data = json.RawMessage(*data)
		}
		out = append(out, e)
	}
	return out, rows.Err()
}

// Effects returns effects that are due, oldest first.
func (s *Store) Effects(ctx context.Context, limit int) ([]cairn.Effect, error) {
	rows, err := s.reads.QueryContext(ctx, `SELECT id, kind, payload, tries, after FROM outbox
		WHERE done = 0 AND after <= ? ORDER BY created, id LIMIT ?`, Micros(s.now()), limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []cairn.Effect
	for rows.Next() {
		var e cairn.Effect
		var payload *string
		var after int64
		if err := rows.Scan(&e.ID, &e.Kind, &payload, &e.Tries, &after); err != nil {
			return nil, err
		}
		if payload != nil {
			e.Payload = json.RawMessage(*payload)
		}
		e.After = FromMicros(after)
		out = append(out, e)
	}
	return out, rows.Err()
}

// EffectDone marks an effect as carried out. Its row stays, so that the same id
// written again is not carried out again.
func (s *Store) EffectDone(ctx context.Context, id string) error {
	return s.write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(`UPDATE outbox SET done = 1, payload = NULL WHERE id = ?`, id)
		return err
	})
}

// EffectRetry puts an effect off until after and counts the try.
func (s *Store) EffectRetry(ctx context.Context, id string, after time.Time, reason string) error {
	return s.write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(`UPDATE outbox SET tries = tries + 1, after = ?, reason = ? WHERE id = ?`,
			Micros(after), reason, id)
		return err
	})
}

func nullJSON(b json.RawMessage) any {
	if len(b) == 0 {
		return nil
	}
	return string(b)
}

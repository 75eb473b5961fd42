package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/cairn-ml/cairn"
)

// deliveryMemory is how long it is remembered which deliveries came.
const deliveryMemory = 30 * 24 * time.Hour

// maxOpenDeliveries bounds what waits for one repository.
const maxOpenDeliveries = 1000

// AddDelivery keeps what a webhook brought. fresh is false for one that is known:
// by its id, or by its content, which alone is signed. The same content may come
// again where again says so, then under the same event.
func (s *Store) AddDelivery(ctx context.Context, d cairn.Delivery, again bool, ch cairn.Change) (fresh bool, err error) {
	err = s.write(ctx, func(tx *Tx) error {
		fresh = false
		if _, err := tx.Exec(`DELETE FROM follow_deliveries WHERE repository = ? AND done > 0 AND at < ?`,
			d.Repository, Micros(tx.now().Add(-deliveryMemory))); err != nil {
			return err
		}
		var n int
		if err := tx.Row(`SELECT COUNT(*) FROM follow_deliveries WHERE repository = ? AND
			(delivery = ? OR digest = ? AND (? = 0 OR event <> ?))`, d.Repository, d.ID, string(d.Digest), again, d.Event).Scan(&n); err != nil || n > 0 {
			return err
		}
		if err := tx.Row(`SELECT COUNT(*) FROM follow_deliveries WHERE repository = ? AND done = 0`, d.Repository).Scan(&n); err != nil {
			return err
		}
		if n >= maxOpenDeliveries {
			return cairn.Errorf(cairn.CodeUnavailable, "%d deliveries of %s wait already", n, d.Repository)
		}
		seq, err := tx.Next("delivery", 1)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO follow_deliveries (seq, repository, delivery, event, digest, payload, at, done, note) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			seq, d.Repository, d.ID, d.Event, string(d.Digest), nullJSON(d.Payload), Micros(d.At), Micros(d.DoneAt), d.Note); err != nil {
			return err
		}
		fresh = true
		return tx.Change(ch)
	})
	return fresh && err == nil, err
}

// OpenDeliveries are those that are not done, oldest first, with their payloads.
func (s *Store) OpenDeliveries(ctx context.Context, repository string, limit int) ([]cairn.Delivery, error) {
	return s.deliveries(ctx, `SELECT seq, repository, delivery, event, digest, payload, at, done, note FROM follow_deliveries
		WHERE repository = ? AND done = 0 ORDER BY seq LIMIT ?`, repository, limit)
}

// Deliveries are the last ones of a repository, newest first, without payloads.
func (s *Store) Deliveries(ctx context.Context, repository string, limit int) ([]cairn.Delivery, error) {
	return s.deliveries(ctx, `SELECT seq, repository, delivery, event, digest, NULL, at, done, note FROM follow_deliveries
		WHERE repository = ? ORDER BY seq DESC LIMIT ?`, repository, limit)
}

func (s *Store) deliveries(ctx context.Context, query string, args ...any) ([]cairn.Delivery, error) {
	rows, err := s.reads.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []cairn.Delivery
	for rows.Next() {
		var d cairn.Delivery
		var at, done int64
		var payload *string
		if err := rows.Scan(&d.Seq, &d.Repository, &d.ID, &d.Event, &d.Digest, &payload, &at, &done, &d.Note); err != nil {
			return nil, err
		}
		d.At, d.DoneAt = FromMicros(at), FromMicros(done)
		if payload != nil {
			d.Payload = json.RawMessage(*payload)
		}
		out = append(out, d)
	}
	return out, rows.Err()
}

// DeliveryDone says what became of a delivery. Its payload goes.
func (s *Store) DeliveryDone(ctx context.Context, seq int64, note string, ch cairn.Change) error {
	return s.write(ctx, func(tx *Tx) error {
		if _, err := tx.Exec(`UPDATE follow_deliveries SET done = ?, note = ?, payload = NULL WHERE seq = ? AND done = 0`,
			Micros(tx.now()), note, seq); err != nil {
			return err
		}
		return tx.Change(ch)
	})
}

// runCursor is the row of meta that says up to which event runs were looked at
// for statuses.
const runCursor = "follow.cursor"

// ChangedRuns are the runs that were made or changed since an event (0: since
// statuses were last put down), each as it was then, oldest first. It says where
// to go on, and whether there is more.
func (s *Store) ChangedRuns(ctx context.Context, after int64, limit int) (runs []cairn.Run, cursor int64, more bool, err error) {
	if cursor = after; cursor == 0 {
		err = s.reads.QueryRowContext(ctx, `SELECT CAST(value AS BIGINT) FROM meta WHERE key = ?`, runCursor).Scan(&cursor)
		if errors.Is(err, sql.ErrNoRows) {
			return nil, 0, false, nil
		} else if err != nil {
			return nil, 0, false, err
		}
	}
	rows, err := s.reads.QueryContext(ctx, `SELECT id, kind, data FROM events WHERE id > ? ORDER BY id LIMIT ?`, cursor, limit)
	if err != nil {
		return nil, 0, false, err
	}
	defer rows.Close()
	read := 0
	for ; rows.Next(); read++ {
		var kind string
		var data *string
		if err := rows.Scan(&cursor, &kind, &data); err != nil {
			return nil, 0, false, err
		}
		if data == nil || kind != cairn.EvRunCreated && kind != cairn.EvRunChanged {
			continue
		}
		var run cairn.Run
		if err := json.Unmarshal([]byte(*data), &run); err != nil {
			return nil, 0, false, err
		}
		runs = append(runs, run)
	}
	return runs, cursor, read == limit, rows.Err()
}

// PutHostStatuses puts down what is to be written to commits, and up to where runs
// were looked at for it. One of an older run than is there changes nothing, nor
// does one that says the same.
func (s *Store) PutHostStatuses(ctx context.Context, list []cairn.HostStatus, cursor int64, ch cairn.Change) error {
	return s.write(ctx, func(tx *Tx) error {
		for _, x := range list {
			old, err := hostStatus(tx, x)
			if err != nil {
				return err
			}
			if old.Run > x.Run || old.Run == x.Run && old.State == x.State && old.Description == x.Description {
				continue
			}
			// A host that asked for patience still does.
			x.Version, x.Tries, x.After, x.Reason = old.Version+1, 0, old.After, ""
			text, err := toJSON(x)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(`INSERT INTO follow_statuses (repository, sha, context, run, version, due, after, body) VALUES (?, ?, ?, ?, ?, 1, ?, ?)
				ON CONFLICT (repository, sha, context) DO UPDATE SET run = excluded.run, version = excluded.version, due = 1, after = excluded.after, body = excluded.body`,
				x.Repository, x.SHA, x.Context, x.Run, x.Version, Micros(x.After), text); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(`UPDATE meta SET value = ? WHERE key = ? AND CAST(value AS BIGINT) < ?`, cursor, runCursor, cursor); err != nil {
			return err
		}
		return tx.Change(ch)
	})
}

func hostStatus(tx *Tx, x cairn.HostStatus) (cairn.HostStatus, error) {
	var old cairn.HostStatus
	var raw string
	var after int64
	err := tx.Row(`SELECT body, after FROM follow_statuses WHERE repository = ? AND sha = ? AND context = ?`, x.Repository, x.SHA, x.Context).Scan(&raw, &after)
	if errors.Is(err, sql.ErrNoRows) {
		return old, nil
	} else if err != nil {
		return old, err
	}
	err = json.Unmarshal([]byte(raw), &old)
	old.After = FromMicros(after)
	return old, err
}

// DueHostStatuses are those to be written by now, and when the next one is due;
// the zero time says that none waits.
func (s *Store) DueHostStatuses(ctx context.Context, limit int) ([]cairn.HostStatus, time.Time, error) {
	due, err := rowBodies[cairn.HostStatus](ctx, s.reads, `SELECT body FROM follow_statuses WHERE due = 1 AND after <= ? ORDER BY after, run LIMIT ?`,
		Micros(s.now()), limit)
	if err != nil {
		return nil, time.Time{}, err
	}
	var next *int64
	err = s.reads.QueryRowContext(ctx, `SELECT MIN(after) FROM follow_statuses WHERE due = 1 AND after > ?`, Micros(s.now())).Scan(&next)
	if err != nil || next == nil {
		return due, time.Time{}, err
	}
	return due, FromMicros(*next), nil
}

// WaitingHostStatuses are those of a repository that are not written yet.
func (s *Store) WaitingHostStatuses(ctx context.Context, repository string, limit int) ([]cairn.HostStatus, error) {
	return rowBodies[cairn.HostStatus](ctx, s.reads, `SELECT body FROM follow_statuses WHERE due = 1 AND repository = ? ORDER BY run DESC LIMIT ?`,
		repository, limit)
}

// HostStatusDone says that a status was written, or that it never will be; one
// that changed meanwhile stays due.
func (s *Store) HostStatusDone(ctx context.Context, x cairn.HostStatus, ch cairn.Change) error {
	return s.changeStatus(ctx, x, 0, ch)
}

// HostStatusRetry puts a status off until x.After.
func (s *Store) HostStatusRetry(ctx context.Context, x cairn.HostStatus, ch cairn.Change) error {
	return s.changeStatus(ctx, x, 1, ch)
}

func (s *Store) changeStatus(ctx context.Context, x cairn.HostStatus, due int, ch cairn.Change) error {
	text, err := toJSON(x)
	if err != nil {
		return err
	}
	return s.write(ctx, func(tx *Tx) error {
		if _, err := tx.Exec(`UPDATE follow_statuses SET due = ?, after = ?, body = ? WHERE repository = ? AND sha = ? AND context = ? AND version = ?`,
			due, Micros(x.After), text, x.Repository, x.SHA, x.Context, x.Version); err != nil {
			return err
		}
		return tx.Change(ch)
	})
}

// PutOffHostStatuses puts all waiting statuses of a repository off: its host asks
// for patience.
func (s *Store) PutOffHostStatuses(ctx context.Context, repository string, until time.Time, ch cairn.Change) error {
	return s.write(ctx, func(tx *Tx) error {
		if _, err := tx.Exec(`UPDATE follow_statuses SET after = ? WHERE due = 1 AND repository = ? AND after < ?`, Micros(until), repository, Micros(until)); err != nil {
			return err
		}
		return tx.Change(ch)
	})
}

// DropHostStatuses forgets what is not written yet.
func (s *Store) DropHostStatuses(ctx context.Context, repository string, ch cairn.Change) error {
	return s.write(ctx, func(tx *Tx) error {
		if _, err := tx.Exec(`UPDATE follow_statuses SET due = 0 WHERE due = 1 AND repository = ?`, repository); err != nil {
			return err
		}
		return tx.Change(ch)
	})
}

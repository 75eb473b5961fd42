package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/cairn-ml/cairn"
)

// LogMetrics adds points to an active run. Two databases are written, in an
// order that a crash between them cannot harm:
//
//  1. metrics.db, one transaction: the points, and a pending row.
//  2. cairn.db, one transaction: the latest point of each key, where it is newer
//     than the one that is there.
//
// The caller is answered after both. A crash after 1 leaves the pending row, and
// RecoverMetrics does 2 from the points at the next start: nothing is lost. A
// client that sends the request again adds nothing: a point's identity is all of
// it, and the latest is a maximum, so each part may be done any number of times
// in any order. The pending row is deleted with a later write to metrics.db.
func (s *Store) LogMetrics(ctx context.Context, run string, points []cairn.Metric) error {
	info, err := s.MLRunInfo(ctx, run)
	if err != nil {
		return err
	}
	if info.Deleted {
		return cairn.Errorf(cairn.CodeInvalid, "The run %s must be in the 'active' state. Current state is deleted.", run)
	}
	if len(points) == 0 {
		return nil
	}
	if lease := cairn.LeaseOf(ctx); lease.Job != 0 {
		if err := s.CheckLease(ctx, lease); err != nil {
			return err
		}
	}
	pending, err := s.metrics.append(ctx, run, points)
	if err != nil {
		return err
	}
	latest := map[string]cairn.Metric{}
	for _, p := range points {
		if old, ok := latest[p.Key]; !ok || p.Newer(old) {
			latest[p.Key] = p
		}
	}
	// The points are durable: neither a caller that leaves now nor the end of its
	// job must cut this short.
	rest := cairn.WithLease(context.WithoutCancel(ctx), cairn.Lease{})
	if err := s.saveLatest(rest, run, latest, points); err != nil {
		return err
	}
	s.metrics.settle(pending)
	return nil
}

const ifNewer = ` SET step = excluded.step, timestamp = excluded.timestamp, value = excluded.value, is_nan = excluded.is_nan
	WHERE (excluded.step, excluded.timestamp, excluded.value) > (%[1]s.step, %[1]s.timestamp, %[1]s.value)`

func (s *Store) saveLatest(ctx context.Context, run string, latest map[string]cairn.Metric, points []cairn.Metric) error {
	return s.write(ctx, func(tx *Tx) error {
		for _, p := range latest {
			if _, err := tx.Exec(`INSERT INTO ml_latest (run, key, step, timestamp, value, is_nan) VALUES (?, ?, ?, ?, ?, ?)
				ON CONFLICT (run, key) DO UPDATE`+fmt.Sprintf(ifNewer, "ml_latest"),
				run, p.Key, p.Step, p.Timestamp, p.Value, trackFlag(p.NaN)); err != nil {
				return err
			}
		}
		for _, p := range points {
			if p.Model == "" {
				continue
			}
			if _, err := tx.Exec(`INSERT INTO ml_logged_metrics (model, run, key, dataset, digest, step, timestamp, value, is_nan)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
				ON CONFLICT (model, run, key, dataset, digest) DO UPDATE`+fmt.Sprintf(ifNewer, "ml_logged_metrics"),
				p.Model, run, p.Key, p.Dataset, p.DatasetDigest, p.Step, p.Timestamp, p.Value, trackFlag(p.NaN)); err != nil {
				return err
			}
		}
		return nil
	})
}

// RecoverMetrics brings the latest points of runs up to date whose metrics were
// being written when the process ended.
func (s *Store) RecoverMetrics(ctx context.Context) error {
	type left struct {
		id   int64
		run  string
		text string
	}
	rows, err := s.metrics.reads.QueryContext(ctx, `SELECT id, run, body FROM pending ORDER BY id`)
	if err != nil {
		return err
	}
	defer rows.Close()
	var all []left
	runs := map[string][]cairn.Metric{}
	for rows.Next() {
		var l left
		if err := rows.Scan(&l.id, &l.run, &l.text); err != nil {
			return err
		}
		all = append(all, l)
		var ps []cairn.Metric
		if l.text != "" {
			if err := json.Unmarshal([]byte(l.text), &ps); err != nil {
				return err
			}
		}
		runs[l.run] = append(runs[l.run], ps...)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for run, ofModels := range runs {
		latest, err := s.metrics.latest(ctx, run)
		if err != nil {
			return err
		}
		if err := s.saveLatest(ctx, run, latest, ofModels); err != nil {
			return err
		}
	}
	return s.metrics.writer.do(ctx, func(tx *Tx) error {
		ids := make([]int64, len(all))
		for i, l := range all {
			ids[i] = l.id
		}
		return deletePending(tx, ids)
	})
}

// latest computes the latest point of each metric of a run from all points.
func (m *metricsDB) latest(ctx context.Context, run string) (map[string]cairn.Metric, error) {
	rows, err := m.reads.QueryContext(ctx, `SELECT s.key, p.timestamp, p.step, p.value, p.is_nan
		FROM series s JOIN points p ON p.series = s.id WHERE s.run = ?`, run)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]cairn.Metric{}
	for rows.Next() {
		var p cairn.Metric
		if err := rows.Scan(&p.Key, &p.Timestamp, &p.Step, &p.Value, &p.NaN); err != nil {
			return nil, err
		}
		if old, ok := out[p.Key]; !ok || p.Newer(old) {
			out[p.Key] = p
		}
	}
	return out, rows.Err()
}

// MetricHistory returns points of one metric by time, step and value; those
// after one where that is given.
func (s *Store) MetricHistory(ctx context.Context, run, key string, after *cairn.Metric, limit int) ([]cairn.Metric, error) {
	query := `SELECT p.timestamp, p.step, p.value, p.is_nan FROM series s JOIN points p ON p.series = s.id
		WHERE s.run = ? AND s.key = ?`
	args := []any{run, key}
	if after != nil {
		query += ` AND (p.timestamp, p.step, p.value, p.is_nan) > (?, ?, ?, ?)`
		args = append(args, after.Timestamp, after.Step, after.Value, trackFlag(after.NaN))
	}
	rows, err := s.metrics.reads.QueryContext(ctx, query+` ORDER BY p.timestamp, p.step, p.value, p.is_nan LIMIT ?`, append(args, limit)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []cairn.Metric
	for rows.Next() {
		p := cairn.Metric{Key: key}
		if err := rows.Scan(&p.Timestamp, &p.Step, &p.Value, &p.NaN); err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, rows.Err()
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cairn-ml/cairn"
)

// metricsDB keeps metric points apart from everything that has links: they are
// many, and losing the split between the two files loses nothing (never ATTACH:
// commits across WAL files are not atomic).
type metricsDB struct {
	reads  *sql.DB
	writer *writer

	mu      sync.Mutex
	nextID  int64               // of pending
	settled map[int64]struct{}  // pending rows whose work is done, not yet deleted
	series  map[seriesKey]int64 // known ids, at most seriesCached
}

type seriesKey struct{ run, key string }

const seriesCached = 100_000

func openMetrics(ctx context.Context, path string, now time.Time) (*metricsDB, error) {
	wdb, err := openSQLite(path, 1)
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, wdb, path, "migrations/metrics", now); err != nil {
		wdb.Close()
		return nil, err
	}
	m := &metricsDB{settled: map[int64]struct{}{}, series: map[seriesKey]int64{}}
	if m.writer, err = newWriter(ctx, wdb, func() {}); err != nil {
		wdb.Close()
		return nil, err
	}
	if m.reads, err = openSQLite(path, 4); err != nil {
		m.writer.close()
		return nil, err
	}
	if err := m.reads.QueryRowContext(ctx, `SELECT COALESCE(MAX(id), 0) FROM pending`).Scan(&m.nextID); err != nil {
		m.close()
		return nil, err
	}
	return m, nil
}

func (m *metricsDB) close() error { return errors.Join(m.writer.close(), m.reads.Close()) }

// append writes points of a run and a pending row that says that their latest
// ones have yet to reach the other database. It returns when both are durable.
func (m *metricsDB) append(ctx context.Context, run string, points []cairn.Metric) (pending int64, err error) {
	var ofModels []cairn.Metric
	for _, p := range points {
		if p.Model != "" {
			ofModels = append(ofModels, p)
		}
	}
	text := ``
	if len(ofModels) > 0 {
		text = trackBody(ofModels)
	}
	m.mu.Lock()
	m.nextID++
	pending = m.nextID
	m.mu.Unlock()
	var settled []int64
	made := map[seriesKey]int64{}
	err = m.writer.do(ctx, func(tx *Tx) error {
		m.mu.Lock()
		settled = slices.Collect(maps.Keys(m.settled))
		m.mu.Unlock()
		if err := deletePending(tx, settled); err != nil {
			return err
		}
		if err := m.insert(tx, made, run, points); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO pending (id, run, body) VALUES (?, ?, ?)`, pending, run, text)
		return err
	})
	if err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range settled {
		delete(m.settled, id)
	}
	if len(m.series)+len(made) > seriesCached {
		clear(m.series)
	}
	maps.Copy(m.series, made)
	return pending, nil
}

// insertGroup is how many points one statement writes: parsing a statement costs
// more than a row.
const insertGroup = 100

func (m *metricsDB) insert(tx *Tx, made map[seriesKey]int64, run string, points []cairn.Metric) error {
	for group := range slices.Chunk(points, insertGroup) {
		args := make([]any, 0, 5*len(group))
		for _, p := range group {
			id, err := m.seriesID(tx, made, seriesKey{run, p.Key})
			if err != nil {
				return err
			}
			args = append(args, id, p.Timestamp, p.Step, p.Value, trackFlag(p.NaN))
		}
		if _, err := tx.Exec(`INSERT INTO points (series, timestamp, step, value, is_nan) VALUES (?, ?, ?, ?, ?)`+
			strings.Repeat(`, (?, ?, ?, ?, ?)`, len(group)-1)+` ON CONFLICT DO NOTHING`, args...); err != nil {
			return err
		}
	}
	return nil
}

// seriesID finds or makes the id of a series. What it makes is only cached by
// the caller, after the commit.
func (m *metricsDB) seriesID(tx *Tx, made map[seriesKey]int64, k seriesKey) (int64, error) {
	m.mu.Lock()
	id, ok := m.series[k]
	m.mu.Unlock()
	if !ok {
		id, ok = made[k]
	}
	if ok {
		return id, nil
	}
	err := tx.Row(`SELECT id FROM series WHERE run = ? AND key = ?`, k.run, k.key).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		err = tx.Row(`INSERT INTO series (id, run, key) VALUES ((SELECT COALESCE(MAX(id), 0) + 1 FROM series), ?, ?)
			RETURNING id`, k.run, k.key).Scan(&id)
	}
	if err == nil {
		made[k] = id
	}
	return id, err
}

// deleteGroup bounds the variables of one statement.
const deleteGroup = 500

func deletePending(tx *Tx, ids []int64) error {
	for group := range slices.Chunk(ids, deleteGroup) {
		args := make([]any, len(group))
		for i, id := range group {
			args[i] = id
		}
		if _, err := tx.Exec(`DELETE FROM pending WHERE id IN (?`+strings.Repeat(`, ?`, len(args)-1)+`)`, args...); err != nil {
			return err
		}
	}
	return nil
}

// settle notes that a pending row's work is done. The row goes with the next
// write: until then it costs a start some work done twice, which adds nothing.
func (m *metricsDB) settle(pending int64) {
	m.mu.Lock()
	m.settled[pending] = struct{}{}
	m.mu.Unlock()
}

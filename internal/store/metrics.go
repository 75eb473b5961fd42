package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// metricsDB keeps metric points apart from everything that has links: they are
// many, and losing the split between the two files loses nothing (never ATTACH:
// commits across WAL files are not atomic).
type metricsDB struct {
	reads  *sql.DB
	writer *writer
}

func openMetrics(ctx context.Context, path string, now time.Time) (*metricsDB, error) {
	wdb, err := openSQLite(path, 1)
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, wdb, path, "migrations/metrics", now); err != nil {
		wdb.Close()
		return nil, err
	}
	m := &metricsDB{}
	if m.writer, err = newWriter(ctx, wdb, func() {}); err != nil {
		wdb.Close()
		return nil, err
	}
	if m.reads, err = openSQLite(path, 4); err != nil {
		m.writer.close()
		return nil, err
	}
	return m, nil
}

func (m *metricsDB) close() error { return errors.Join(m.writer.close(), m.reads.Close()) }

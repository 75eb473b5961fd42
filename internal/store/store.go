package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/cairn-ml/cairn"
	_ "modernc.org/sqlite" // registers the pure Go driver with database/sql
)

// Options configure a store.
type Options struct {
	// Dir holds cairn.db, metrics.db and backups/.
	Dir string
	Log *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Store is every row of one home. Its methods are safe for concurrent use.
type Store struct {
	log     *slog.Logger
	now     func() time.Time
	reads   *sql.DB
	writer  *writer
	metrics *metricsDB

	mu       sync.Mutex
	watchers map[chan struct{}]struct{}
}

// Open opens or creates the databases under o.Dir and migrates them forward,
// after a backup where there is something to lose. The caller owns the home
// (its lock file); two processes must not open the same directory.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, cairn.Errorf(cairn.CodeUnavailable, "cannot make the database folder: %w", err)
	}
	s := &Store{log: o.Log, now: o.Now, watchers: map[chan struct{}]struct{}{}}
	path := filepath.Join(o.Dir, "cairn.db")
	if err := refuseLost(path, filepath.Join(o.Dir, "metrics.db")); err != nil {
		return nil, err
	}
	wdb, err := openSQLite(path, 1)
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, wdb, path, "migrations/sqlite", s.now()); err != nil {
		wdb.Close()
		return nil, err
	}
	if s.writer, err = newWriter(ctx, wdb, s.committed); err != nil {
		wdb.Close()
		return nil, err
	}
	if s.reads, err = openSQLite(path, max(4, runtime.NumCPU())); err != nil {
		s.writer.close()
		return nil, err
	}
	if s.metrics, err = openMetrics(ctx, filepath.Join(o.Dir, "metrics.db"), s.now()); err != nil {
		s.writer.close()
		s.reads.Close()
		return nil, err
	}
	return s, nil
}

// refuseLost keeps a home that lost its rows from passing for a new one. The
// metrics are made only after the rows are: where they are, the rows have been.
func refuseLost(rows, metrics string) error {
	if size(metrics) <= 0 || size(rows) > 0 || size(rows+"-wal") > 0 {
		return nil
	}
	what := "is missing"
	if size(rows) == 0 {
		what = "is empty"
	}
	return cairn.Errorf(cairn.CodeConflict, "%s %s, though this home has been used: its runs and versions are not there", rows, what).
		WithHint("put a copy back (earlier ones may be in %s), or use another CAIRN_HOME to start anew", filepath.Join(filepath.Dir(rows), "backups"))
}

// size is that of a file, -1 without one.
func size(path string) int64 {
	fi, err := os.Stat(path)
	if err != nil {
		return -1
	}
	return fi.Size()
}

// Close waits for writes under way and closes the databases.
func (s *Store) Close() error {
	return errors.Join(s.writer.close(), s.reads.Close(), s.metrics.close())
}

// connIdle is how long a connection is kept that nobody uses.
const connIdle = 10 * time.Second

// openSQLite opens one database file with a pool of at most n connections.
func openSQLite(path string, n int) (*sql.DB, error) {
	q := url.Values{"_pragma": {
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)",
		"cache_size(-8000)", "temp_store(MEMORY)",
	}}
	// SQLite would make it readable by all, where the umask says no more; what it
	// writes beside it has the same mode.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = errors.Join(f.Chmod(0o600), f.Close())
	}
	if err != nil {
		return nil, openError(path, err)
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return nil, openError(path, err)
	}
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	db.SetConnMaxIdleTime(connIdle) // each has a cache of pages
	if err := db.Ping(); err != nil {
		db.Close()
		return nil, openError(path, err)
	}
	return db, nil
}

func openError(path string, err error) error {
	if damaged(err) {
		return cairn.Errorf(cairn.CodeUnavailable, "%s is damaged: %w", path, err).
			WithHint("put it back from a copy of the home, or from its folder backups; a new one is made where there is none")
	}
	if noSpace(err) {
		return cairn.Errorf(cairn.CodeUnavailable, "cannot open %s: the disk is full, or it fails: %w", path, err).
			WithHint("free some space on the disk that holds CAIRN_HOME and try again")
	}
	return cairn.Errorf(cairn.CodeUnavailable, "cannot open %s: %w", path, err).
		WithHint("check free space and permissions of the folder; cairn doctor tells more")
}

// Watch returns a channel that receives after commits that wrote events or
// effects. Signals coalesce: a receiver reads what is new by sequence number.
// stop releases the channel.
func (s *Store) Watch() (signal <-chan struct{}, stop func()) {
	ch := make(chan struct{}, 1)
	s.mu.Lock()
	s.watchers[ch] = struct{}{}
	s.mu.Unlock()
	return ch, func() {
		s.mu.Lock()
		delete(s.watchers, ch)
		s.mu.Unlock()
	}
}

func (s *Store) committed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ch := range s.watchers {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

// write runs fn in a transaction of its own (a savepoint of a group commit) and
// returns when that is durable. fn must only use tx and may be cut short by ctx.
// What a job writes is refused unless its lease holds in that very transaction.
func (s *Store) write(ctx context.Context, fn func(tx *Tx) error) error {
	lease := cairn.LeaseOf(ctx)
	return s.writer.do(ctx, func(tx *Tx) error {
		tx.now = s.now
		if lease.Job != 0 {
			if err := leaseHolds(tx.Row(leaseQuery, lease.Job), lease); err != nil {
				return err
			}
		}
		return fn(tx)
	})
}

// Micros is how times are kept: microseconds since 1970 UTC; the zero time is 0.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// FromMicros is the reverse of Micros.
func FromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// notFound turns sql.ErrNoRows into an error that names what is missing.
func notFound(err error, format string, args ...any) error {
	if errors.Is(err, sql.ErrNoRows) {
		return cairn.Errorf(cairn.CodeNotFound, "%s", fmt.Sprintf(format, args...))
	}
	return err
}

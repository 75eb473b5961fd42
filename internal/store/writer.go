package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cairn-ml/cairn"
)

// groupLimit bounds how many callers share one commit.
const groupLimit = 128

// writer is the one goroutine that writes: callers that arrive while a commit
// is under way share the next one, each behind a savepoint of its own.
type writer struct {
	db        *sql.DB
	conn      *sql.Conn
	committed func()
	requests  chan *request
	quit      chan struct{}
	done      chan struct{}
	once      sync.Once
}

type request struct {
	ctx   context.Context
	fn    func(*Tx) error
	reply chan error
	err   error
}

func newWriter(ctx context.Context, db *sql.DB, committed func()) (*writer, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	w := &writer{
		db: db, conn: conn, committed: committed,
		requests: make(chan *request, groupLimit), quit: make(chan struct{}), done: make(chan struct{}),
	}
	go w.loop()
	return w, nil
}

func (w *writer) do(ctx context.Context, fn func(*Tx) error) error {
	r := &request{ctx: ctx, fn: fn, reply: make(chan error, 1)}
	select {
	case w.requests <- r:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.quit:
		return errClosed
	}
	select {
	case err := <-r.reply:
		return err
	case <-w.done:
		select {
		case err := <-r.reply:
			return err
		default:
			return errClosed
		}
	}
}

var errClosed = &cairn.Error{Code: cairn.CodeUnavailable, Message: "the store is closed"}

func (w *writer) close() error {
	w.once.Do(func() { close(w.quit) })
	<-w.done
	return errors.Join(w.conn.Close(), w.db.Close())
}

func (w *writer) loop() {
	defer close(w.done)
	for {
		select {
		case r := <-w.requests:
			w.commit(w.gather(r))
		case <-w.quit:
			for {
				select {
				case r := <-w.requests:
					w.commit(w.gather(r))
				default:
					return
				}
			}
		}
	}
}

func (w *writer) gather(first *request) []*request {
	group := []*request{first}
	for len(group) < groupLimit {
		select {
		case r := <-w.requests:
			group = append(group, r)
		default:
			return group
		}
	}
	return group
}

// commit runs the group in one transaction. The commit itself is not cut short
// by any caller's context: an answer is only given when it is known.
func (w *writer) commit(group []*request) {
	bg := context.Background()
	fail := func(err error) {
		for _, r := range group {
			r.reply <- err
		}
	}
	if _, err := w.conn.ExecContext(bg, "BEGIN IMMEDIATE"); err != nil {
		fail(writeError(err))
		return
	}
	signal := false
	for _, r := range group {
		var gone error
		if r.err, gone = w.one(r, &signal); gone != nil {
			// SQLite has rolled back all of it (a full disk does that): what would follow
			// here would be a transaction of its own, and those before would be lost.
			w.conn.ExecContext(bg, "ROLLBACK")
			fail(writeError(gone))
			return
		}
	}
	if _, err := w.conn.ExecContext(bg, "COMMIT"); err != nil {
		w.conn.ExecContext(bg, "ROLLBACK")
		fail(writeError(err))
		return
	}
	if signal {
		w.committed()
	}
	for _, r := range group {
		r.reply <- r.err
	}
}

// one runs one caller's part. gone says that the transaction of the whole group
// is not there any more, and why.
func (w *writer) one(r *request, signal *bool) (err, gone error) {
	if err := r.ctx.Err(); err != nil {
		return err, nil
	}
	bg := context.Background()
	if _, err := w.conn.ExecContext(bg, "SAVEPOINT caller"); err != nil {
		return nil, err
	}
	tx := &Tx{conn: w.conn, ctx: bg}
	func() {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic in a transaction: %v", p)
			}
		}()
		err = r.fn(tx)
	}()
	end := "RELEASE caller"
	if err != nil {
		end = "ROLLBACK TO caller; RELEASE caller"
	}
	if _, e := w.conn.ExecContext(bg, end); e != nil {
		if err == nil {
			err = e
		}
		return nil, err
	}
	if err == nil && tx.signal {
		*signal = true
	}
	return writeError(err), nil
}

// writeError gives driver errors a meaning where there is one.
func writeError(err error) error {
	var ce *cairn.Error
	if err == nil || errors.As(err, &ce) {
		return err
	}
	var coder interface{ Code() int }
	if errors.As(err, &coder) {
		switch coder.Code() & 0xff {
		case sqliteFull:
			return cairn.Errorf(cairn.CodeUnavailable, "the disk is full; nothing was written: %w", err).
				WithHint("free some space on the disk that holds CAIRN_HOME and try again")
		case sqliteConstraint:
			return cairn.Errorf(cairn.CodeConflict, "it is there already: %w", err)
		case sqliteIOErr:
			return cairn.Errorf(cairn.CodeUnavailable, "the database could not be written: %w", err)
		}
	}
	return Explain(err)
}

// Result codes of SQLite (https://sqlite.org/rescode.html).
const (
	sqliteIOErr      = 10
	sqliteCorrupt    = 11
	sqliteFull       = 13
	sqliteConstraint = 19
	sqliteNotADB     = 26

	sqliteIOErrWrite   = sqliteIOErr | 3<<8
	sqliteIOErrShmSize = sqliteIOErr | 19<<8
)

// Tx is one caller's part of a group commit.
type Tx struct {
	conn   *sql.Conn
	ctx    context.Context
	now    func() time.Time
	signal bool
}

// Exec runs a statement and returns the number of rows it touched.
func (tx *Tx) Exec(query string, args ...any) (int64, error) {
	res, err := tx.conn.ExecContext(tx.ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// Query runs a query; the caller closes the rows before the next statement.
func (tx *Tx) Query(query string, args ...any) (*sql.Rows, error) {
	return tx.conn.QueryContext(tx.ctx, query, args...)
}

// Row runs a query for one row.
func (tx *Tx) Row(query string, args ...any) *sql.Row {
	return tx.conn.QueryRowContext(tx.ctx, query, args...)
}

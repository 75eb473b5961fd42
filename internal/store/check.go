package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Damage is something wrong with a database file.
type Damage struct {
	File     string // cairn.db or metrics.db
	Problems []string
}

// checkLimit bounds what is told of one database.
const checkLimit = "20"

// Check reads both databases whole and says what is damaged. That something is,
// is not an error.
func (s *Store) Check(ctx context.Context) ([]Damage, error) {
	var out []Damage
	for _, x := range []struct {
		file string
		db   *sql.DB
	}{{"cairn.db", s.reads}, {"metrics.db", s.metrics.reads}} {
		problems, err := checkDB(ctx, x.db)
		if err != nil {
			return nil, err
		}
		if len(problems) > 0 {
			out = append(out, Damage{x.file, problems})
		}
	}
	return out, nil
}

func checkDB(ctx context.Context, db *sql.DB) ([]string, error) {
	rows, err := db.QueryContext(ctx, "PRAGMA integrity_check("+checkLimit+")")
	if damaged(err) {
		return []string{err.Error()}, nil
	} else if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		if text != "ok" {
			out = append(out, strings.ReplaceAll(text, "\n", "; "))
		}
	}
	if err := rows.Err(); damaged(err) {
		return append(out, err.Error()), nil
	} else if err != nil {
		return nil, err
	}
	return out, nil
}

// damaged reports whether an error of the driver says that a file is not what it
// was when it was written.
func damaged(err error) bool {
	var coder interface{ Code() int }
	if !errors.As(err, &coder) {
		return false
	}
	code := coder.Code() & 0xff
	return code == sqliteCorrupt || code == sqliteNotADB
}

// noSpace reports whether SQLite could not make a file larger.
func noSpace(err error) bool {
	var coder interface{ Code() int }
	if !errors.As(err, &coder) {
		return false
	}
	switch coder.Code() {
	case sqliteFull, sqliteIOErrWrite, sqliteIOErrShmSize:
		return true
	}
	return false
}

// Explain gives an error of the driver a meaning where there is one; others stay
// as they are.
func Explain(err error) error {
	var ce *cairn.Error
	if errors.As(err, &ce) || !damaged(err) {
		return err
	}
	return cairn.Errorf(cairn.CodeUnavailable, "the database is damaged: %w", err).
		WithHint("cairn fsck lists what is hit; stop the server and put back cairn.db from a copy of the home, or from its folder backups")
}

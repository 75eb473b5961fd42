package store

import (
	"context"
	"database/sql"
	"strings"

	"github.com/cairn-ml/cairn"
)

// linksChunk is how many refs one query asks for.
const linksChunk = 400

// LinksFrom returns the links that start at any of refs, ordered by time.
func (s *Store) LinksFrom(ctx context.Context, refs ...cairn.Ref) ([]cairn.Link, error) {
	return s.links(ctx, "from_ref", refs)
}

// LinksTo returns the links that end at any of refs, ordered by time.
func (s *Store) LinksTo(ctx context.Context, refs ...cairn.Ref) ([]cairn.Link, error) {
	return s.links(ctx, "to_ref", refs)
}

func (s *Store) links(ctx context.Context, column string, refs []cairn.Ref) ([]cairn.Link, error) {
	var out []cairn.Link
	for len(refs) > 0 {
		part := refs[:min(len(refs), linksChunk)]
		refs = refs[len(part):]
		args := make([]any, len(part))
		for i, r := range part {
			args[i] = string(r)
		}
		rows, err := s.reads.QueryContext(ctx, `SELECT from_ref, relation, to_ref, at, by_name, note FROM links
			WHERE `+column+` IN (?`+strings.Repeat(", ?", len(part)-1)+`) ORDER BY at, relation, from_ref, to_ref`, args...)
		if err != nil {
			return nil, err
		}
		if out, err = scanLinks(rows, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func scanLinks(rows *sql.Rows, out []cairn.Link) ([]cairn.Link, error) {
	defer rows.Close()
	for rows.Next() {
		var l cairn.Link
		var at int64
		if err := rows.Scan(&l.From, &l.Relation, &l.To, &at, &l.By, &l.Note); err != nil {
			return nil, err
		}
		l.At = FromMicros(at)
		out = append(out, l)
	}
	return out, rows.Err()
}

// RefsWithPrefix returns refs that links mention and that begin with prefix, at
// most limit: commits by the first digits of their SHA.
func (s *Store) RefsWithPrefix(ctx context.Context, prefix string, limit int) ([]cairn.Ref, error) {
	// A range instead of LIKE: it uses the indexes, and % means nothing in it.
	end := prefix + "\U0010ffff"
	rows, err := s.reads.QueryContext(ctx, `SELECT to_ref FROM links WHERE to_ref >= ? AND to_ref < ?
		UNION SELECT from_ref FROM links WHERE from_ref >= ? AND from_ref < ? ORDER BY 1 LIMIT ?`,
		prefix, end, prefix, end, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []cairn.Ref
	for rows.Next() {
		var r cairn.Ref
		if err := rows.Scan(&r); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// AllLinks visits every link: for checks of the whole home.
func (s *Store) AllLinks(ctx context.Context, visit func(cairn.Link) error) error {
	rows, err := s.reads.QueryContext(ctx, `SELECT from_ref, relation, to_ref, at, by_name, note FROM links`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var l cairn.Link
		var at int64
		if err := rows.Scan(&l.From, &l.Relation, &l.To, &at, &l.By, &l.Note); err != nil {
			return err
		}
		l.At = FromMicros(at)
		if err := visit(l); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Schema is the number of the newest migration that the database has.
func (s *Store) Schema(ctx context.Context) (int64, error) {
	var v int64
	err := s.reads.QueryRowContext(ctx, `SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version`).Scan(&v)
	return v, err
}

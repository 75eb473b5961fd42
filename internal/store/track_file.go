package store

import (
	"context"
	"database/sql"
	"errors"
	"path"
	"strings"

	"github.com/cairn-ml/cairn"
)

func splitFile(p string) (dir, name string) {
	i := strings.LastIndexByte(p, '/')
	if i < 0 {
		return "", p
	}
	return p[:i], p[i+1:]
}

// PutMLFile names stored bytes by a path; the folders above come by themselves.
// A later file replaces an earlier one. Path is clean and relative.
func (s *Store) PutMLFile(ctx context.Context, f cairn.MLFile) error {
	return s.write(ctx, func(tx *Tx) error {
		dir, name := splitFile(f.Path)
		var isDir bool
		if err := tx.Row(`SELECT is_dir FROM ml_files WHERE dir = ? AND name = ?`, dir, name).Scan(&isDir); err == nil && isDir {
			return cairn.Errorf(cairn.CodeInvalid, "'%s' is a folder, so no file can have that path", f.Path)
		} else if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO ml_files (dir, name, is_dir, digest, size, by_name, updated) VALUES (?, ?, 0, ?, ?, ?, ?)
			ON CONFLICT (dir, name) DO UPDATE SET digest = excluded.digest, size = excluded.size,
				by_name = excluded.by_name, updated = excluded.updated`,
			dir, name, string(f.Digest), f.Size, f.By, Micros(f.UpdatedAt)); err != nil {
			return err
		}
		for p := dir; p != ""; {
			up, base := splitFile(p)
			var is bool
			switch err := tx.Row(`SELECT is_dir FROM ml_files WHERE dir = ? AND name = ?`, up, base).Scan(&is); {
			case err == nil && is:
				return nil // and so are those above it
			case err == nil:
				return cairn.Errorf(cairn.CodeInvalid, "'%s' is a file, so nothing can be put below it", p)
			case !errors.Is(err, sql.ErrNoRows):
				return err
			}
			if _, err := tx.Exec(`INSERT INTO ml_files (dir, name, is_dir, by_name, updated) VALUES (?, ?, 1, ?, ?)`,
				up, base, f.By, Micros(f.UpdatedAt)); err != nil {
				return err
			}
			p = up
		}
		return nil
	})
}

const fileColumns = `dir, name, is_dir, digest, size, by_name, updated`

func scanMLFile(row trackRow) (*cairn.MLFile, error) {
	var f cairn.MLFile
	var dir, name string
	var updated int64
	if err := row.Scan(&dir, &name, &f.Dir, &f.Digest, &f.Size, &f.By, &updated); err != nil {
		return nil, err
	}
	f.Path, f.UpdatedAt = path.Join(dir, name), FromMicros(updated)
	return &f, nil
}

// MLFile reads the row of a file or folder.
func (s *Store) MLFile(ctx context.Context, p string) (*cairn.MLFile, error) {
	dir, name := splitFile(p)
	f, err := scanMLFile(s.reads.QueryRowContext(ctx, `SELECT `+fileColumns+` FROM ml_files WHERE dir = ? AND name = ?`, dir, name))
	return f, notFound(err, "No such artifact: '%s'", p)
}

// MLFilesIn lists what is directly in a folder, by name.
func (s *Store) MLFilesIn(ctx context.Context, dir string) ([]cairn.MLFile, error) {
	return s.mlFiles(ctx, `SELECT `+fileColumns+` FROM ml_files WHERE dir = ? ORDER BY name`, dir)
}

// MLFilesBelow lists all files at any depth under a folder, at most limit.
func (s *Store) MLFilesBelow(ctx context.Context, dir string, limit int) ([]cairn.MLFile, error) {
	// "0" is the character after "/".
	return s.mlFiles(ctx, `SELECT `+fileColumns+` FROM ml_files
		WHERE (dir = ? OR (dir > ? AND dir < ?)) AND is_dir = 0 ORDER BY dir, name LIMIT ?`, dir, dir+"/", dir+"0", limit)
}

func (s *Store) mlFiles(ctx context.Context, query string, args ...any) ([]cairn.MLFile, error) {
	rows, err := s.reads.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []cairn.MLFile
	for rows.Next() {
		f, err := scanMLFile(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, *f)
	}
	return out, rows.Err()
}

// DeleteMLFiles forgets a file, or a folder with all below it. The bytes stay
// while something else names them.
func (s *Store) DeleteMLFiles(ctx context.Context, p string) error {
	dir, name := splitFile(p)
	return s.write(ctx, func(tx *Tx) error {
		n, err := tx.Exec(`DELETE FROM ml_files WHERE dir = ? AND name = ?`, dir, name)
		if err != nil {
			return err
		}
		if n == 0 {
			return cairn.Errorf(cairn.CodeNotFound, "No such artifact: '%s'", p)
		}
		_, err = tx.Exec(`DELETE FROM ml_files WHERE dir = ? OR (dir > ? AND dir < ?)`, p, p+"/", p+"0")
		return err
	})
}

// MLFilesHolding lists the files that have these bytes.
func (s *Store) MLFilesHolding(ctx context.Context, d cairn.Digest, limit int) ([]cairn.MLFile, error) {
	return s.mlFiles(ctx, `SELECT `+fileColumns+` FROM ml_files WHERE digest = ? AND digest <> '' ORDER BY dir, name LIMIT ?`, string(d), limit)
}

// MLDigests calls fn with every digest that a file of the artifact store names:
// what a collector of the content store must keep.
func (s *Store) MLDigests(ctx context.Context, fn func(cairn.Digest) error) error {
	rows, err := s.reads.QueryContext(ctx, `SELECT DISTINCT digest FROM ml_files WHERE digest <> ''`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var d cairn.Digest
		if err := rows.Scan(&d); err != nil {
			return err
		}
		if err := fn(d); err != nil {
			return err
		}
	}
	return rows.Err()
}

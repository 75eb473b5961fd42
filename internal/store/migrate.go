package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/pressly/goose/v3"
)

//go:embed migrations
var migrations embed.FS

// migrate brings db forward to the newest migration under dir. An existing
// database is copied to backups/ first; one that is newer is refused.
func migrate(ctx context.Context, db *sql.DB, path, dir string, now time.Time) error {
	files, err := fs.Sub(migrations, dir)
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("migrations of %s: %w", path, err)
	}
	cur, want, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("migrations of %s: %w", path, err)
	}
	switch {
	case cur > want:
		return cairn.Errorf(cairn.CodeConflict, "%s was written by a newer Cairn (schema %d; this one knows %d)", path, cur, want).
			WithHint("use the newer cairn binary, or restore a copy from %s", filepath.Join(filepath.Dir(path), "backups"))
	case cur == want:
		return nil
	case cur > 0:
		if err := backup(ctx, db, path, cur, now); err != nil {
			return err
		}
	}
	if _, err := p.Up(ctx); err != nil {
		return cairn.Errorf(cairn.CodeInternal, "migrating %s from schema %d to %d: %w", path, cur, want, err).
			WithHint("the database before the migration is in %s", filepath.Join(filepath.Dir(path), "backups"))
	}
	return nil
}

func backup(ctx context.Context, db *sql.DB, path string, version int64, now time.Time) error {
	dir := filepath.Join(filepath.Dir(path), "backups")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	to := filepath.Join(dir, fmt.Sprintf("%s.schema%d.%s", filepath.Base(path), version, now.UTC().Format("20060102T150405")))
	if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", to); err != nil {
		return cairn.Errorf(cairn.CodeUnavailable, "cannot back up %s before migrating: %w", path, err)
	}
	return nil
}

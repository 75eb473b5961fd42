package store

import (
	"context"

	"github.com/cairn-ml/cairn"
)

// NamedBlobs visits the blobs that rows name by themselves: files of the tracking
// interface, and what repositories of the registry hold, also before a manifest
// names it.
func (s *Store) NamedBlobs(ctx context.Context, visit func(cairn.Digest) bool) error {
	rows, err := s.reads.QueryContext(ctx, `SELECT digest FROM ml_files WHERE digest <> '' UNION SELECT digest FROM image_contents`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var d string
		if err := rows.Scan(&d); err != nil {
			return err
		}
		if !visit(cairn.Digest(d)) {
			return nil
		}
	}
	return rows.Err()
}

// Free notes bytes down that came to nothing: they are removed unless something
// else needs them.
func (s *Store) Free(ctx context.Context, d cairn.Digest) error {
	return s.write(ctx, func(tx *Tx) error { return tx.free(d, false) })
}

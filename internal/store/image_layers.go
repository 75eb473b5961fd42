package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/cairn-ml/cairn"
)

// LayerListing is the blob that lists the files of a layer, "" for a layer that
// was not looked through yet.
func (s *Store) LayerListing(ctx context.Context, layer cairn.Digest) (cairn.Digest, error) {
	var d cairn.Digest
	err := s.reads.QueryRowContext(ctx, `SELECT listing FROM image_layers WHERE layer = ?`, string(layer)).Scan(&d)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return d, err
}

// SetLayerListing keeps which blob lists the files of a layer.
func (s *Store) SetLayerListing(ctx context.Context, layer, listing cairn.Digest) error {
	return s.write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(`INSERT INTO image_layers (layer, listing) VALUES (?, ?) ON CONFLICT (layer) DO UPDATE SET listing = excluded.listing`,
			string(layer), string(listing))
		return err
	})
}

// LayerListings visits all listings of layers.
func (s *Store) LayerListings(ctx context.Context, visit func(layer, listing cairn.Digest) error) error {
	rows, err := s.reads.QueryContext(ctx, `SELECT layer, listing FROM image_layers`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var layer, listing cairn.Digest
		if err := rows.Scan(&layer, &listing); err != nil {
			return err
		}
		if err := visit(layer, listing); err != nil {
			return err
		}
	}
	return rows.Err()
}

// HeldDigests answers which of many digests some folder, version or artifact
// holds: the few that Holding is worth asking about.
func (s *Store) HeldDigests(ctx context.Context, ds []cairn.Digest) ([]cairn.Digest, error) {
	var out []cairn.Digest
	for len(ds) > 0 {
		part := ds[:min(len(ds), linksChunk)]
		ds = ds[len(part):]
		in := `(?` + strings.Repeat(", ?", len(part)-1) + `)`
		var args []any
		for range 3 {
			for _, d := range part {
				args = append(args, string(d))
			}
		}
		found, err := s.texts(ctx, `SELECT child FROM tree_entries WHERE child IN `+in+`
			UNION SELECT digest FROM asset_versions WHERE digest IN `+in+`
			UNION SELECT digest FROM artifacts WHERE digest IN `+in, args...)
		if err != nil {
			return nil, err
		}
		for _, d := range found {
			out = append(out, cairn.Digest(d))
		}
	}
	return out, nil
}

package store

import (
	"context"
	"database/sql"

	"github.com/cairn-ml/cairn"
)

// ImageTag reads where a name points to.
func (s *Store) ImageTag(ctx context.Context, workspace, name, tag string) (cairn.ImageTag, error) {
	t, err := body[cairn.ImageTag](ctx, poolReader{s.reads}, `SELECT body FROM image_tags WHERE workspace = ? AND name = ? AND tag = ?`,
		workspace, name, tag)
	return t, notFound(err, "there is no image %s:%s", name, tag)
}

// ImageTags lists the names that point to an image.
func (s *Store) ImageTags(ctx context.Context, workspace string, d cairn.Digest) ([]cairn.ImageTag, error) {
	return bodies[cairn.ImageTag](ctx, poolReader{s.reads}, `SELECT body FROM image_tags WHERE workspace = ? AND digest = ? ORDER BY name, tag`,
		workspace, string(d))
}

// ImageNameTags lists the tags of a repository behind one of them, in the order
// of bytes, at most limit.
func (s *Store) ImageNameTags(ctx context.Context, workspace, name, after string, limit int) ([]string, error) {
	return s.texts(ctx, `SELECT tag FROM image_tags WHERE workspace = ? AND name = ? AND tag > ? ORDER BY tag LIMIT ?`,
		workspace, name, after, limit)
}

// ImageNames lists the repositories of the registry behind one of them, at most
// limit.
func (s *Store) ImageNames(ctx context.Context, workspace, after string, limit int) ([]string, error) {
	return s.texts(ctx, `SELECT DISTINCT name FROM image_contents WHERE workspace = ? AND name > ? ORDER BY name LIMIT ?`,
		workspace, after, limit)
}

// HasImageName reports whether a repository holds anything.
func (s *Store) HasImageName(ctx context.Context, workspace, name string) (bool, error) {
	found, err := s.texts(ctx, `SELECT name FROM image_contents WHERE workspace = ? AND name = ? LIMIT 1`, workspace, name)
	return len(found) > 0, err
}

func (s *Store) texts(ctx context.Context, query string, args ...any) ([]string, error) {
	rows, err := s.reads.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var t string
		if err := rows.Scan(&t); err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, rows.Err()
}

// SetImageTags points names to an image that is there.
func (s *Store) SetImageTags(ctx context.Context, workspace string, d cairn.Digest, tags []cairn.ImageTag, ch cairn.Change) error {
	return s.write(ctx, func(tx *Tx) error {
		img, err := body[cairn.Image](ctx, txReader{tx}, imageByDigest, workspace, string(d))
		if err == nil && img.Deleted {
			err = sql.ErrNoRows
		}
		if err != nil {
			return notFound(err, "there is no image %s", d)
		}
		if err := putImageTags(tx, img, tags); err != nil {
			return err
		}
		return tx.Change(ch)
	})
}

// DeleteImageTag removes a name; the image stays.
func (s *Store) DeleteImageTag(ctx context.Context, workspace, name, tag string, ch cairn.Change) error {
	return s.write(ctx, func(tx *Tx) error {
		n, err := tx.Exec(`DELETE FROM image_tags WHERE workspace = ? AND name = ? AND tag = ?`, workspace, name, tag)
		if err != nil {
			return err
		}
		if n == 0 {
			return cairn.Errorf(cairn.CodeNotFound, "there is no image %s:%s", name, tag)
		}
		return tx.Change(ch)
	})
}

// ImageIn reports whether a repository holds a manifest or a blob.
func (s *Store) ImageIn(ctx context.Context, workspace, name string, d cairn.Digest, manifest bool) (bool, error) {
	var n int
	err := s.reads.QueryRowContext(ctx, `SELECT COUNT(*) FROM image_contents WHERE workspace = ? AND name = ? AND manifest = ? AND digest = ?`,
		workspace, name, flag(manifest), string(d)).Scan(&n)
	return n > 0, err
}

// ImageHolders lists the repositories that hold a manifest or a blob.
func (s *Store) ImageHolders(ctx context.Context, workspace string, d cairn.Digest, manifest bool) ([]string, error) {
	return s.texts(ctx, `SELECT name FROM image_contents WHERE workspace = ? AND digest = ? AND manifest = ? ORDER BY name`,
		workspace, string(d), flag(manifest))
}

// AddImageBlob takes a blob into a repository.
func (s *Store) AddImageBlob(ctx context.Context, workspace, name string, d cairn.Digest) error {
	return s.write(ctx, func(tx *Tx) error { return addContent(tx, workspace, name, false, d) })
}

// DropImageContent takes a manifest, with the tags of that repository that point
// to it, or a blob out of a repository. An image that no repository holds any more
// is deleted with change last, which is made for both cases.
func (s *Store) DropImageContent(ctx context.Context, workspace, name string, d cairn.Digest, manifest bool, change func(last bool) cairn.Change) error {
	return s.write(ctx, func(tx *Tx) error {
		n, err := tx.Exec(`DELETE FROM image_contents WHERE workspace = ? AND name = ? AND manifest = ? AND digest = ?`,
			workspace, name, flag(manifest), string(d))
		if err != nil {
			return err
		}
		if n == 0 {
			return cairn.Errorf(cairn.CodeNotFound, "%s does not hold %s", name, d)
		}
		if !manifest {
			return tx.Change(change(false))
		}
		if _, err := tx.Exec(`DELETE FROM image_tags WHERE workspace = ? AND name = ? AND digest = ?`, workspace, name, string(d)); err != nil {
			return err
		}
		var left int
		if err := tx.Row(`SELECT COUNT(*) FROM image_contents WHERE workspace = ? AND digest = ? AND manifest = 1`, workspace, string(d)).Scan(&left); err != nil {
			return err
		}
		if left > 0 {
			return tx.Change(change(false))
		}
		return deleteImage(tx, workspace, d, change(true))
	})
}

// ImageReferrers lists the images of a repository whose subject is d.
func (s *Store) ImageReferrers(ctx context.Context, workspace, name string, d cairn.Digest) ([]cairn.Image, error) {
	return bodies[cairn.Image](ctx, poolReader{s.reads}, `SELECT body FROM images i WHERE workspace = ? AND subject = ? AND deleted = 0
		AND EXISTS (SELECT 1 FROM image_contents c WHERE c.workspace = i.workspace AND c.name = ? AND c.digest = i.digest AND c.manifest = 1)
		ORDER BY seq LIMIT 1000`, workspace, string(d), name)
}

package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

const imageByDigest = `SELECT body FROM images WHERE workspace = ? AND digest = ?`

// PutImage writes an image with the names that shall point to it, and takes its
// blobs into their repositories. One that is there keeps its first maker; what was
// unknown of it (roles of layers, what is packed) is filled in. A deleted one
// comes back.
func (s *Store) PutImage(ctx context.Context, img cairn.Image, tags []cairn.ImageTag, ch cairn.Change) (cairn.Image, error) {
	err := s.write(ctx, func(tx *Tx) error {
		old, err := body[cairn.Image](ctx, txReader{tx}, imageByDigest, img.Workspace, string(img.Digest))
		switch {
		case err == nil && !old.Deleted:
			img = completed(old, img)
		case err == nil: // it is made anew
			img.Seq = old.Seq
		case !errors.Is(err, sql.ErrNoRows):
			return err
		}
		if img.Seq == 0 {
			if img.Seq, err = tx.Next("image:"+img.Workspace, 1); err != nil {
				return err
			}
		}
		if err := saveImage(tx, img); err != nil {
			return err
		}
		for _, c := range img.Manifests {
			if _, err := tx.Exec(`INSERT INTO image_parts (workspace, parent, child) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`,
				img.Workspace, string(img.Digest), string(c)); err != nil {
				return err
			}
		}
		if err := putImageTags(tx, img, tags); err != nil {
			return err
		}
		return tx.Change(ch)
	})
	if err != nil {
		return cairn.Image{}, err
	}
	return s.Image(ctx, img.Workspace, img.Digest)
}

// completed is an image that is known with what is told of it now.
func completed(old, now cairn.Image) cairn.Image {
	if len(old.Packed) == 0 {
		old.Packed = now.Packed
	}
	if old.Base == "" {
		old.Base, old.BaseName = now.Base, now.BaseName
	}
	if len(old.Layers) == len(now.Layers) {
		for i := range old.Layers {
			if old.Layers[i].Role == "" {
				old.Layers[i].Role, old.Layers[i].Note = now.Layers[i].Role, now.Layers[i].Note
			}
		}
	}
	if old.Commit == "" {
		old.Commit, old.Repository, old.Dirty = now.Commit, now.Repository, now.Dirty
	}
	return old
}

func saveImage(tx *Tx, img cairn.Image) error {
	img.Tags = nil
	text, err := toJSON(img)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO images (workspace, digest, seq, config, subject, run, sha, deleted, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (workspace, digest) DO UPDATE SET run = excluded.run, sha = excluded.sha, deleted = excluded.deleted, body = excluded.body`,
		img.Workspace, string(img.Digest), img.Seq, string(img.Config), string(img.Subject), img.Run, img.Commit, flag(img.Deleted), text)
	return err
}

// putImageTags points names to an image, and makes it a part of their
// repositories.
func putImageTags(tx *Tx, img cairn.Image, tags []cairn.ImageTag) error {
	var names []string
	for _, t := range tags {
		if !slices.Contains(names, t.Name) {
			names = append(names, t.Name)
		}
		if t.Tag == "" {
			continue
		}
		text, err := toJSON(t)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO image_tags (workspace, name, tag, digest, body) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (workspace, name, tag) DO UPDATE SET digest = excluded.digest, body = excluded.body`,
			img.Workspace, t.Name, t.Tag, string(img.Digest), text); err != nil {
			return err
		}
	}
	for _, n := range names {
		if err := addContent(tx, img.Workspace, n, true, img.Digest); err != nil {
			return err
		}
		if err := addContent(tx, img.Workspace, n, false, imageBlobs(img)...); err != nil {
			return err
		}
		// The images of an index come into its repository with it.
		for _, c := range img.Manifests {
			part, err := body[cairn.Image](tx.ctx, txReader{tx}, imageByDigest, img.Workspace, string(c))
			if errors.Is(err, sql.ErrNoRows) {
				continue
			}
			if err != nil {
				return err
			}
			if err := putImageTags(tx, part, []cairn.ImageTag{{Name: n}}); err != nil {
				return err
			}
		}
	}
	return nil
}

func imageBlobs(img cairn.Image) []cairn.Digest {
	var ds []cairn.Digest
	if img.Config != "" {
		ds = append(ds, img.Config)
	}
	for _, l := range img.Layers {
		ds = append(ds, l.Digest)
	}
	return ds
}

func addContent(tx *Tx, workspace, name string, manifest bool, ds ...cairn.Digest) error {
	now := Micros(tx.now())
	for _, d := range ds {
		if _, err := tx.Exec(`INSERT INTO image_contents (workspace, name, digest, manifest, added) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT DO NOTHING`, workspace, name, string(d), flag(manifest), now); err != nil {
			return err
		}
	}
	return nil
}

// Image reads one image by the digest of its manifest, a deleted one too.
func (s *Store) Image(ctx context.Context, workspace string, d cairn.Digest) (cairn.Image, error) {
	img, err := body[cairn.Image](ctx, poolReader{s.reads}, imageByDigest, workspace, string(d))
	if err != nil {
		return img, notFound(err, "there is no image %s", d)
	}
	imgs := []cairn.Image{img}
	err = s.fillImages(ctx, workspace, imgs)
	return imgs[0], err
}

// Images lists images, newest first.
func (s *Store) Images(ctx context.Context, workspace string, f cairn.ImageFilter) ([]cairn.Image, error) {
	w := where{conds: []string{"workspace = ?", "deleted = 0"}, args: []any{workspace}}
	if f.Name != "" {
		// The last part of a name counts too; in a pattern nothing of it means more.
		like := "%/" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(f.Name)
		w.conds = append(w.conds, `EXISTS (SELECT 1 FROM image_contents c WHERE c.workspace = images.workspace AND c.digest = images.digest
			AND c.manifest = 1 AND (c.name = ? OR c.name LIKE ? ESCAPE '\'))`)
		w.args = append(w.args, f.Name, like)
	}
	w.add(f.Run != 0, "run = ?", f.Run)
	if f.Commit != "" {
		w.add(true, "sha >= ?", f.Commit)
		w.add(true, "sha < ?", f.Commit+"g") // behind all hex digits
	}
	if f.Digest != "" {
		w.conds = append(w.conds, "(digest = ? OR config = ?)")
		w.args = append(w.args, string(f.Digest), string(f.Digest))
	}
	w.add(f.Before > 0, "seq < ?", f.Before)
	if !f.All {
		w.conds = append(w.conds, `subject = '' AND (NOT EXISTS (SELECT 1 FROM image_parts p
				WHERE p.workspace = images.workspace AND p.child = images.digest)
			OR EXISTS (SELECT 1 FROM image_tags t WHERE t.workspace = images.workspace AND t.digest = images.digest))`)
	}
	limit := f.Limit
	if limit <= 0 {
		limit = 100
	}
	imgs, err := bodies[cairn.Image](ctx, poolReader{s.reads}, `SELECT body FROM images WHERE `+w.text()+` ORDER BY seq DESC LIMIT ?`,
		append(w.args, pageSize(limit))...)
	if err != nil {
		return nil, err
	}
	return imgs, s.fillImages(ctx, workspace, imgs)
}

// ImagesByHex lists live images whose digest, or whose configuration's, starts
// with hex digits: what docker shows as an id.
func (s *Store) ImagesByHex(ctx context.Context, workspace, hex string, limit int) ([]cairn.Image, error) {
	from, to := "sha256:"+hex, "sha256:"+hex+"g"
	imgs, err := bodies[cairn.Image](ctx, poolReader{s.reads}, `SELECT body FROM images WHERE workspace = ? AND deleted = 0
		AND (digest >= ? AND digest < ? OR config >= ? AND config < ?) ORDER BY seq DESC LIMIT ?`,
		workspace, from, to, from, to, pageSize(limit))
	if err != nil {
		return nil, err
	}
	return imgs, s.fillImages(ctx, workspace, imgs)
}

// fillImages adds the names that point to images now.
func (s *Store) fillImages(ctx context.Context, workspace string, imgs []cairn.Image) error {
	at := map[cairn.Digest]*cairn.Image{}
	for i := range imgs {
		at[imgs[i].Digest] = &imgs[i]
	}
	for len(imgs) > 0 {
		part := imgs[:min(len(imgs), linksChunk)]
		imgs = imgs[len(part):]
		args := []any{workspace}
		for i := range part {
			args = append(args, string(part[i].Digest))
		}
		rows, err := s.reads.QueryContext(ctx, `SELECT digest, name || ':' || tag FROM image_tags WHERE workspace = ?
			AND digest IN (?`+strings.Repeat(", ?", len(part)-1)+`) ORDER BY name, tag`, args...)
		if err != nil {
			return err
		}
		for rows.Next() {
			var d cairn.Digest
			var tag string
			if err := rows.Scan(&d, &tag); err != nil {
				rows.Close()
				return err
			}
			at[d].Tags = append(at[d].Tags, tag)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
	}
	return nil
}

// ImageParents are the indexes that name an image and are not deleted.
func (s *Store) ImageParents(ctx context.Context, workspace string, d cairn.Digest) ([]cairn.Digest, error) {
	found, err := s.texts(ctx, `SELECT parent FROM image_parts WHERE workspace = ? AND child = ?`, workspace, string(d))
	out := make([]cairn.Digest, len(found))
	for i, p := range found {
		out[i] = cairn.Digest(p)
	}
	return out, err
}

// DeleteImage takes an image with all its names away; the row stays, marked.
func (s *Store) DeleteImage(ctx context.Context, workspace string, d cairn.Digest, ch cairn.Change) error {
	return s.write(ctx, func(tx *Tx) error { return deleteImage(tx, workspace, d, ch) })
}

func deleteImage(tx *Tx, workspace string, d cairn.Digest, ch cairn.Change) error {
	img, err := body[cairn.Image](tx.ctx, txReader{tx}, imageByDigest, workspace, string(d))
	if err == nil && img.Deleted {
		err = sql.ErrNoRows
	}
	if err != nil {
		return notFound(err, "there is no image %s", d)
	}
	img.Deleted = true
	if err := saveImage(tx, img); err != nil {
		return err
	}
	for _, q := range []string{
		`DELETE FROM image_tags WHERE workspace = ? AND digest = ?`,
		`DELETE FROM image_contents WHERE workspace = ? AND digest = ? AND manifest = 1`,
		`DELETE FROM image_parts WHERE workspace = ? AND parent = ?`,
	} {
		if _, err := tx.Exec(q, workspace, string(d)); err != nil {
			return err
		}
	}
	return tx.Change(ch)
}

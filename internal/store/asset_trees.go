package store

import (
	"context"
	"strings"

	"github.com/cairn-ml/cairn"
)

// indexChunk bounds the rows that one transaction adds to the file index, so
// that other writers do not wait for a large directory.
const indexChunk = 2000

// TreesUnindexed answers which of the trees are not in the file index.
func (s *Store) TreesUnindexed(ctx context.Context, trees []cairn.Digest) ([]cairn.Digest, error) {
	var out []cairn.Digest
	for _, t := range trees {
		var n int
		if err := s.reads.QueryRowContext(ctx, `SELECT COUNT(*) FROM tree_dirs WHERE tree = ?`, string(t)).Scan(&n); err != nil {
			return nil, err
		}
		if n == 0 {
			out = append(out, t)
		}
	}
	return out, nil
}

// IndexTrees adds what directories hold, each behind those that it holds. A
// directory is marked as indexed with its last row: an interruption before that
// is made good by the next call.
func (s *Store) IndexTrees(ctx context.Context, dirs []cairn.TreeDir) error {
	for len(dirs) > 0 {
		// One transaction takes part of a large directory, or many small ones.
		var rows []any
		var whole []cairn.Digest
		for len(dirs) > 0 && len(rows) < 3*indexChunk {
			d := &dirs[0]
			part := d.Entries[:min(len(d.Entries), indexChunk-len(rows)/3)]
			for _, e := range part {
				rows = append(rows, string(e.Digest), string(d.Digest), strings.ToValidUTF8(e.Name, "\uFFFD"))
			}
			if len(part) < len(d.Entries) {
				dirs = append([]cairn.TreeDir{{Digest: d.Digest, Entries: d.Entries[len(part):]}}, dirs[1:]...)
				continue
			}
			whole = append(whole, d.Digest)
			dirs = dirs[1:]
		}
		if err := s.write(ctx, func(tx *Tx) error { return indexRows(tx, rows, whole) }); err != nil {
			return err
		}
	}
	return nil
}

func indexRows(tx *Tx, rows []any, whole []cairn.Digest) error {
	for len(rows) > 0 {
		group := rows[:min(len(rows), 600)]
		rows = rows[len(group):]
		if _, err := tx.Exec(`INSERT INTO tree_entries (child, parent, name) VALUES (?, ?, ?)`+
			strings.Repeat(", (?, ?, ?)", len(group)/3-1)+` ON CONFLICT DO NOTHING`, group...); err != nil {
			return err
		}
	}
	for _, d := range whole {
		if _, err := tx.Exec(`INSERT INTO tree_dirs (tree) VALUES (?) ON CONFLICT DO NOTHING`, string(d)); err != nil {
			return err
		}
	}
	return nil
}

// holdingSteps bounds the directories that Holding climbs through: an empty file
// may lie in very many.
const holdingSteps = 20_000

// Holding lists versions and artifacts that are the digest or hold it, newest
// first.
func (s *Store) Holding(ctx context.Context, workspace string, d cairn.Digest, limit int) ([]cairn.Holder, error) {
	rows, err := s.reads.QueryContext(ctx, `WITH RECURSIVE up (digest, path, depth) AS (
			SELECT ?, '', 0
			UNION ALL
			SELECT e.parent, CASE WHEN up.path = '' THEN e.name ELSE e.name || '/' || up.path END, up.depth + 1
			FROM up JOIN tree_entries e ON e.child = up.digest WHERE up.depth < 128
			LIMIT ?)
		SELECT kind, name || ':' || version, path, id FROM up JOIN asset_versions v ON v.digest = up.digest WHERE v.workspace = ? AND v.deleted = 0
		UNION
		SELECT 'artifact', run || '.' || attempt || '/' || name, path, -run FROM up JOIN artifacts a ON a.digest = up.digest
		ORDER BY 4 DESC, 1, 2, 3 LIMIT ?`, string(d), holdingSteps, workspace, pageSize(limit))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []cairn.Holder
	for rows.Next() {
		var kind, id string
		var h cairn.Holder
		var order int64
		if err := rows.Scan(&kind, &id, &h.Path, &order); err != nil {
			return nil, err
		}
		h.Ref = cairn.NewRef(kind, id)
		out = append(out, h)
	}
	return out, rows.Err()
}

// RecordedRefs are the refs of a hosted repository as their pushes were last seen.
func (s *Store) RecordedRefs(ctx context.Context, repo string) (map[string]cairn.RecordedRef, error) {
	rows, err := s.reads.QueryContext(ctx, `SELECT ref, sha, version FROM git_refs WHERE repo = ?`, repo)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]cairn.RecordedRef{}
	for rows.Next() {
		var ref string
		var r cairn.RecordedRef
		if err := rows.Scan(&ref, &r.SHA, &r.Version); err != nil {
			return nil, err
		}
		out[ref] = r
	}
	return out, rows.Err()
}

// SetRef records a move if the ref is still at version (0: not recorded).
func (s *Store) SetRef(ctx context.Context, repo, ref, sha string, version int64, ch cairn.Change) error {
	return s.write(ctx, func(tx *Tx) error {
		n, err := tx.Exec(`INSERT INTO git_refs (repo, ref, sha, version) VALUES (?, ?, ?, 1)
			ON CONFLICT (repo, ref) DO UPDATE SET sha = excluded.sha, version = git_refs.version + 1 WHERE git_refs.version = ?`,
			repo, ref, sha, version)
		if err != nil {
			return err
		}
		if n == 0 {
			return cairn.Errorf(cairn.CodeConflict, "%s of %s was recorded by someone else meanwhile", ref, repo)
		}
		return tx.Change(ch)
	})
}

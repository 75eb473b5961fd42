package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/cairn-ml/cairn"
)

// CreateCache adds a cache entry; see cache.Store.
func (s *Store) CreateCache(ctx context.Context, e cairn.CacheEntry, change func(cairn.CacheEntry) cairn.Change) (cairn.CacheEntry, error) {
	err := s.write(ctx, func(tx *Tx) error {
		old, err := body[cairn.CacheEntry](ctx, txReader{tx}, `SELECT body FROM caches WHERE repository = ? AND scope = ? AND version = ? AND key = ?`,
			e.Repository, e.Scope, e.Version, e.Key)
		if err == nil {
			if old.Job == e.Job && old.Digest == e.Digest {
				e = old // the same job asks again: its first answer was lost
				return nil
			}
			return cairn.Errorf(cairn.CodeConflict, "there is a cache %q of %s already: it was kept by job %d, and never changes", e.Key, e.Scope, old.Job).
				WithHint("a key names one content: put into it what the content depends on, such as hashFiles('**/lock')")
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if e.ID, err = tx.Next("cache", 1); err != nil {
			return err
		}
		text, err := toJSON(e)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO caches (id, repository, scope, version, key, size, used, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			e.ID, e.Repository, e.Scope, e.Version, e.Key, e.Size, Micros(e.UsedAt), text); err != nil {
			return err
		}
		return tx.Change(change(e))
	})
	return e, err
}

// lastKey sorts behind all that a key can go on with.
const lastKey = "\U0010FFFF"

// FindCache answers the entry of a scope with this key, or the newest whose key
// begins with it when prefix is set.
func (s *Store) FindCache(ctx context.Context, repository, scope, version, key string, prefix bool) (cairn.CacheEntry, error) {
	r := poolReader{s.reads}
	var e cairn.CacheEntry
	var err error
	if prefix {
		e, err = body[cairn.CacheEntry](ctx, r, `SELECT body FROM caches WHERE repository = ? AND scope = ? AND version = ? AND key >= ? AND key < ?
			ORDER BY id DESC LIMIT 1`, repository, scope, version, key, key+lastKey)
	} else {
		e, err = body[cairn.CacheEntry](ctx, r, `SELECT body FROM caches WHERE repository = ? AND scope = ? AND version = ? AND key = ?`, repository, scope, version, key)
	}
	return e, notFound(err, "there is no cache %q", key)
}

// UseCache notes when an entry was last asked for.
func (s *Store) UseCache(ctx context.Context, id int64, at time.Time, ch cairn.Change) error {
	return s.write(ctx, func(tx *Tx) error {
		e, err := body[cairn.CacheEntry](ctx, txReader{tx}, `SELECT body FROM caches WHERE id = ?`, id)
		if err != nil {
			return notFound(err, "there is no cache with the number %d", id)
		}
		e.UsedAt = at.UTC()
		text, err := toJSON(e)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`UPDATE caches SET used = ?, body = ? WHERE id = ?`, Micros(e.UsedAt), text, id); err != nil {
			return err
		}
		return tx.Change(ch)
	})
}

// Caches lists entries, the last used first.
func (s *Store) Caches(ctx context.Context, f cairn.CacheFilter) ([]cairn.CacheEntry, error) {
	return bodies[cairn.CacheEntry](ctx, poolReader{s.reads}, `SELECT body FROM caches
		WHERE (? = '' OR repository = ?) AND (? = '' OR scope = ?) AND (? = 0 OR id = ?)
			AND (? = '' OR key = ? OR (? = 0 AND key >= ? AND key < ?))
		ORDER BY used DESC, id DESC LIMIT ?`, f.Repository, f.Repository, f.Scope, f.Scope, f.ID, f.ID,
		f.Key, f.Key, flag(f.Exact), f.Key, f.Key+lastKey, pageSize(f.Limit))
}

// CacheUse is how much each repository keeps.
func (s *Store) CacheUse(ctx context.Context) (map[string]int64, error) {
	rows, err := s.reads.QueryContext(ctx, `SELECT repository, SUM(size) FROM caches GROUP BY repository`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]int64{}
	for rows.Next() {
		var repo string
		var size int64
		if err := rows.Scan(&repo, &size); err != nil {
			return nil, err
		}
		out[repo] = size
	}
	return out, rows.Err()
}

// OldestCaches lists entries of a repository, the longest unused first.
func (s *Store) OldestCaches(ctx context.Context, repository string, limit int) ([]cairn.CacheEntry, error) {
	return bodies[cairn.CacheEntry](ctx, poolReader{s.reads}, `SELECT body FROM caches WHERE repository = ? ORDER BY used, id LIMIT ?`,
		repository, pageSize(limit))
}

// DeleteCache removes an entry, if it was not used after since (zero: in any case).
func (s *Store) DeleteCache(ctx context.Context, id int64, since time.Time, change func(cairn.CacheEntry) cairn.Change) (ok bool, err error) {
	err = s.write(ctx, func(tx *Tx) error {
		e, err := body[cairn.CacheEntry](ctx, txReader{tx}, `SELECT body FROM caches WHERE id = ?`, id)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil || !since.IsZero() && e.UsedAt.After(since) {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM caches WHERE id = ?`, id); err != nil {
			return err
		}
		if err := tx.free(e.Digest, false); err != nil {
			return err
		}
		ok = true
		return tx.Change(change(e))
	})
	return ok && err == nil, err
}

// CachesAfter lists all entries by number, behind one of them.
func (s *Store) CachesAfter(ctx context.Context, after int64, limit int) ([]cairn.CacheEntry, error) {
	return bodies[cairn.CacheEntry](ctx, poolReader{s.reads}, `SELECT body FROM caches WHERE id > ? ORDER BY id LIMIT ?`, after, limit)
}

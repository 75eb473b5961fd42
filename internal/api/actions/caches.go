package actions

import (
	"context"
	"net/http"
	"strconv"

	"github.com/cairn-ml/cairn"
)

// cacheMeta reads what names a cache entry of the calling job.
func cacheMeta(who cairn.Principal, in fields) (meta, error) {
	m := meta{Kind: kindCache, Run: who.Run, Attempt: who.Attempt, Job: who.Job, Epoch: who.Epoch}
	var err error
	if m.Name, err = in.text("key"); err != nil {
		return m, err
	}
	m.Version, err = in.text("version")
	return m, err
}

// createCache begins an upload, unless the key is taken.
func (s *Service) createCache(ctx context.Context, who cairn.Principal, r *http.Request, in fields) (any, error) {
	m, err := cacheMeta(who, in)
	if err != nil {
		return nil, err
	}
	if err := s.o.Caches.Check(ctx, who, m.Name, m.Version); cairn.CodeOf(err) == cairn.CodeForbidden {
		// The newer clients show this message, the older ones that it is not ok.
		return map[string]any{"ok": false, "signed_upload_url": "", "message": cairn.AsError(err).Message}, nil
	} else if err != nil {
		return nil, err
	}
	id, err := s.uploads.begin(m)
	if err != nil {
		return nil, err
	}
	return map[string]any{"ok": true, "signed_upload_url": s.signed(r, who, "uploads/"+id, true)}, nil
}

// finalizeCache keeps an upload that is whole. Asked again, it answers the same.
func (s *Service) finalizeCache(ctx context.Context, who cairn.Principal, _ *http.Request, in fields) (any, error) {
	m, err := cacheMeta(who, in)
	if err != nil {
		return nil, err
	}
	size, sized, err := in.number("sizebytes")
	if err != nil {
		return nil, err
	}
	u, err := s.uploads.find(m.id())
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return s.savedBefore(ctx, who, m, err)
	} else if err != nil {
		return nil, err
	}
	id, err := u.finish(ctx, func(ctx context.Context) (int64, error) {
		if !sized {
			size = -1
		}
		body, _, err := u.open(size)
		if err != nil {
			return 0, err
		}
		defer body.Close()
		d, _, err := s.o.Blobs.Put(ctx, body, "")
		if err != nil {
			return 0, err
		}
		e, err := s.o.Caches.Save(ctx, who, m.Name, m.Version, d)
		if err != nil {
			if s.o.Free != nil {
				if ferr := s.o.Free(ctx, d); ferr != nil {
					s.o.Log.WarnContext(ctx, "bytes of a refused cache could not be given free", "digest", d, "error", ferr)
				}
			}
			return 0, err
		}
		return e.ID, nil
	})
	if err != nil {
		return nil, err
	}
	s.uploads.end(u)
	return map[string]any{"ok": true, "entry_id": strconv.FormatInt(id, 10)}, nil
}

// savedBefore answers a repeated call whose first answer was lost.
func (s *Service) savedBefore(ctx context.Context, who cairn.Principal, m meta, unknown error) (any, error) {
	es, err := s.o.Caches.List(ctx, cairn.CacheFilter{Key: m.Name, Exact: true})
	if err != nil {
		return nil, err
	}
	for _, e := range es {
		if e.Job == who.Job && e.Version == m.Version {
			return map[string]any{"ok": true, "entry_id": strconv.FormatInt(e.ID, 10)}, nil
		}
	}
	return nil, unknown
}

// findCache answers the entry that the keys mean, and where it is read.
func (s *Service) findCache(ctx context.Context, who cairn.Principal, r *http.Request, in fields) (any, error) {
	m, err := cacheMeta(who, in)
	if err != nil {
		return nil, err
	}
	more, err := in.texts("restorekeys")
	if err != nil {
		return nil, err
	}
	e, err := s.o.Caches.Find(ctx, who, append([]string{m.Name}, more...), m.Version)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return map[string]any{"ok": false, "signed_download_url": "", "matched_key": ""}, nil
	}
	if err != nil {
		return nil, err
	}
	thing := "caches/" + e.Digest.Hex()
	return map[string]any{"ok": true, "signed_download_url": s.signed(r, who, thing, false), "matched_key": e.Key}, nil
}

package cache

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/cairn-ml/cairn"
)

func (s *Service) limits(repository string) Limits {
	l := s.o.Limits(repository)
	if l.Size <= 0 {
		l.Size = DefaultSize
	}
	if l.Age <= 0 {
		l.Age = DefaultAge
	}
	return l
}

// EvictAll removes what nobody asked for in time, and what repositories keep beyond
// their limit. It says how many entries went.
func (s *Service) EvictAll(ctx context.Context) (int, error) {
	use, err := s.o.Store.CacheUse(ctx)
	if err != nil {
		return 0, err
	}
	total := 0
	for repo, size := range use {
		n, err := s.evict(ctx, repo, size)
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// Evict does so for one repository.
func (s *Service) Evict(ctx context.Context, repository string) error {
	use, err := s.o.Store.CacheUse(ctx)
	if err == nil {
		_, err = s.evict(ctx, repository, use[repository])
	}
	return err
}

func (s *Service) evict(ctx context.Context, repository string, size int64) (n int, err error) {
	l := s.limits(repository)
	old := s.o.Now().Add(-l.Age)
	for {
		es, err := s.o.Store.OldestCaches(ctx, repository, 200)
		if err != nil {
			return n, err
		}
		went := 0
		for _, e := range es {
			why := ""
			switch {
			case e.UsedAt.Before(old):
				why = fmt.Sprintf("not asked for since %s", e.UsedAt.Format(time.DateOnly))
			case size > l.Size:
				why = fmt.Sprintf("%s keeps %d bytes and may keep %d", repository, size, l.Size)
			default:
				return n + went, nil
			}
			// One that is asked for at this moment stays, and the next in line goes.
			ok, err := s.o.Store.DeleteCache(ctx, e.ID, e.UsedAt, func(e cairn.CacheEntry) cairn.Change {
				return change("retention", "evicted", e)
			})
			if err != nil {
				return n + went, err
			}
			if ok {
				s.o.Log.InfoContext(ctx, "a cache went", "repository", repository, "key", e.Key, "scope", e.Scope, "size", e.Size, "why", why)
				size -= e.Size
				went++
			}
		}
		n += went
		if went == 0 || len(es) < 200 {
			return n, nil
		}
	}
}

// change is the event of an entry that came or went.
func change(by, what string, e cairn.CacheEntry) cairn.Change {
	data, err := json.Marshal(struct {
		What  string           `json:"what"`
		Cache cairn.CacheEntry `json:"cache"`
	}{what, e})
	if err != nil {
		return cairn.Change{By: by} // plain fields always encode
	}
	return cairn.Change{By: by, Events: []cairn.Event{{Kind: cairn.EvRecorded, Subject: cairn.NewRef("cache", fmt.Sprint(e.ID)), Data: data}}}
}

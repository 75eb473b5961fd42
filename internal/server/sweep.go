package server

import (
	"context"
	"iter"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cas"
	"github.com/cairn-ml/cairn/internal/runner/environment"
)

// sweepEvery is how often is looked for what expired, sweepFirst how long after the
// start: an owner that a command starts may be there for a minute only.
const (
	sweepEvery = time.Hour
	sweepFirst = 20 * time.Second
)

// sweepForever ends artifacts and caches whose time is over, removes uploads that
// nobody went on with and environments that nobody uses, and gives the bytes back.
func (s *Server) sweepForever(ctx context.Context) {
	t := time.NewTimer(sweepFirst)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("sweeping was cut short", "error", err)
		}
		t.Reset(sweepEvery)
	}
}

// sweep does so once.
func (s *Server) sweep(ctx context.Context) error {
	if err := s.results.Clean(); err != nil {
		s.log.Warn("old uploads could not be removed", "error", err)
	}
	if n, err := environment.Clean(ctx, environmentsDir(s.o.Home), time.Now().Add(-environment.KeepUnused)); err != nil {
		s.log.Warn("unused environments could not be removed", "error", err)
	} else if n > 0 {
		s.log.Info("removed environments that no job used for long", "environments", n)
	}
	expired, err := s.assets.Expire(ctx)
	if err != nil {
		return err
	}
	evicted, err := s.caches.EvictAll(ctx)
	if err != nil {
		return err
	}
	if expired+evicted > 0 {
		s.log.Info("swept", "artifacts", expired, "caches", evicted)
	}
	return s.release(ctx, cas.ReleaseGrace)
}

// releaseAtOnce bounds what one sweep gives back; the rest waits for the next.
const releaseAtOnce = 2000

// release removes the bytes of what went longer than grace ago, as far as nothing
// else needs them.
func (s *Server) release(ctx context.Context, grace time.Duration) error {
	all, err := s.store.Freed(ctx, releaseAtOnce)
	if err != nil {
		return err
	}
	var due []cairn.Freed
	var gone []cas.Root
	for _, f := range all {
		if time.Since(f.At) >= grace {
			due = append(due, f)
			gone = append(gone, cas.Root{Digest: f.Digest, Tree: f.Tree, Name: "what went"})
		}
	}
	if len(due) == 0 {
		return nil
	}
	res, err := s.blobs.Release(ctx, gone, s.allRoots(ctx), cas.CollectOptions{Grace: grace})
	if err != nil {
		return err
	}
	if res.Removed > 0 {
		s.log.Info("gave bytes back", "blobs", res.Removed, "bytes", res.RemovedBytes)
	}
	return s.store.FreedDone(ctx, due)
}

// allRoots are those that fsck follows and the blobs that rows name by themselves.
func (s *Server) allRoots(ctx context.Context) iter.Seq2[cas.Root, error] {
	return func(yield func(cas.Root, error) bool) {
		more := true
		for r, err := range s.roots(ctx, &client.FsckReport{}) {
			if more = yield(r, err); !more {
				return
			}
		}
		err := s.store.NamedBlobs(ctx, func(d cairn.Digest) bool {
			// One that is lost is found by fsck; here it holds nothing.
			if there, err := s.blobs.Has(ctx, d); err != nil || !there {
				return err == nil
			}
			more = yield(cas.Root{Digest: d, Name: "a blob that a row names"}, nil)
			return more
		})
		if err == nil {
			err = ctx.Err()
		}
		if err != nil && more {
			yield(cas.Root{}, err)
		}
	}
}

// yieldArtifact names what an artifact stands on.
func yieldArtifact(a *cairn.Artifact, yield func(cas.Root, error) bool) bool {
	tree, archive := a.Roots()
	return (tree == "" || yield(cas.Root{Digest: tree, Tree: true, Name: string(a.Ref())}, nil)) &&
		(archive == "" || yield(cas.Root{Digest: archive, Name: string(a.Ref())}, nil))
}

// cacheRoots lists the blobs of caches; false ends the listing.
func (s *Server) cacheRoots(ctx context.Context, yield func(cas.Root, error) bool) bool {
	after := int64(0)
	for {
		es, err := s.store.CachesAfter(ctx, after, 1000)
		if err != nil {
			return yield(cas.Root{}, err)
		}
		for _, e := range es {
			if !yield(cas.Root{Digest: e.Digest, Name: "cache " + e.Key + " of " + e.Repository}, nil) {
				return false
			}
			after = e.ID
		}
		if len(es) < 1000 {
			return true
		}
	}
}

package cas

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"time"

	"github.com/cairn-ml/cairn"
)

// CollectOptions say what may go.
type CollectOptions struct {
	// Grace protects what was stored, or found stored, more recently: a writer
	// stores blobs first and records what refers to them afterwards. Less than an
	// hour is only safe when nobody writes.
	Grace time.Duration
	// DryRun removes nothing.
	DryRun bool
	// Report is told of each blob that goes; nil: nobody.
	Report func(cairn.Blob)
}

// CollectResult sums up.
type CollectResult struct {
	Kept         int64 `json:"kept"`
	KeptBytes    int64 `json:"kept_bytes"`
	Removed      int64 `json:"removed"`
	RemovedBytes int64 `json:"removed_bytes"`
}

// Collect removes what no root reaches and what is older than the grace. A root
// whose tree cannot be read stops it before anything is removed.
func (s *Store) Collect(ctx context.Context, roots iter.Seq2[Root, error], o CollectOptions) (CollectResult, error) {
	var res CollectResult
	started := s.now()
	live := newFollower(ctx, s)
	for r, err := range roots {
		if err != nil {
			return res, err
		}
		if err := live.root(r); err != nil {
			return res, err
		}
		for _, lost := range live.found {
			return res, cairn.Errorf(cairn.CodeConflict, "%s cannot be followed at %q: %s", r.Name, lost.Holders[0].Path, lost.Detail).
				WithHint("nothing was removed; cairn fsck tells what is missing")
		}
	}
	err := s.each(ctx, func(d cairn.Digest, fi fs.FileInfo) error {
		gone := false
		var err error
		if !live.reached(d) && started.Sub(fi.ModTime()) >= o.Grace {
			gone, err = s.remove(d, started, o)
		}
		if err != nil {
			return err
		}
		if !gone {
			res.Kept++
			res.KeptBytes += fi.Size()
			return nil
		}
		res.Removed++
		res.RemovedBytes += fi.Size()
		if o.Report != nil {
			o.Report(cairn.Blob{Digest: d, Size: fi.Size()})
		}
		return nil
	}, func(string) {})
	return res, err
}

// remove looks at the age again, while no writer can be told that d is there.
func (s *Store) remove(d cairn.Digest, started time.Time, o CollectOptions) (bool, error) {
	s.sweep.Lock()
	defer s.sweep.Unlock()
	fi, err := os.Stat(s.path(d))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, ioError("collect", err)
	}
	if started.Sub(fi.ModTime()) < o.Grace {
		return false, nil
	}
	if o.DryRun {
		return true, nil
	}
	return true, ioError("collect", os.Remove(s.path(d)))
}

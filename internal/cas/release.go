package cas

import (
	"context"
	"iter"
	"time"

	"github.com/cairn-ml/cairn"
)

// Release removes what the given roots reach and no other root does: the bytes of
// something that went, without what is shared with what stays. What was stored, or
// found stored, within the grace stays, as in Collect; so does all where a root
// cannot be read.
func (s *Store) Release(ctx context.Context, gone []Root, roots iter.Seq2[Root, error], o CollectOptions) (CollectResult, error) {
	var res CollectResult
	started := s.now()
	old := newFollower(ctx, s)
	for _, r := range gone {
		if err := old.root(r); err != nil {
			return res, err
		}
	}
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
	done := map[cairn.Digest]bool{}
	for at := range old.seen {
		if done[at.d] || live.reached(at.d) || old.found[at.d] != nil {
			continue
		}
		done[at.d] = true
		if err := ctx.Err(); err != nil {
			return res, err
		}
		size, err := s.Stat(ctx, at.d)
		if cairn.CodeOf(err) == cairn.CodeNotFound {
			continue
		} else if err != nil {
			return res, err
		}
		went, err := s.remove(at.d, started, o)
		if err != nil {
			return res, err
		}
		if !went {
			res.Kept++
			res.KeptBytes += size
			continue
		}
		res.Removed++
		res.RemovedBytes += size
		if o.Report != nil {
			o.Report(cairn.Blob{Digest: at.d, Size: size})
		}
	}
	return res, nil
}

// ReleaseGrace is the least that Release should spare: a download that was promised
// an hour must come to its end.
const ReleaseGrace = 2 * time.Hour

package cas

import (
	"os"
	"sync/atomic"
)

// fanout tracks whether the names in one folder of blobs are on disk. A blob
// that somebody else has just renamed into place can be seen before its name is
// durable; whoever wants to acknowledge it has to make sure first.
type fanout struct {
	pending atomic.Int64 // renames under way
	renamed atomic.Int64 // renames done, one more than that: nothing is known at start
	synced  atomic.Int64 // value of renamed that the last fsync covers
}

// rename does mv and counts it.
func (f *fanout) rename(mv func() error) error {
	f.pending.Add(1)
	defer f.pending.Add(-1)
	if err := mv(); err != nil {
		return err
	}
	f.renamed.Add(1)
	return nil
}

// settle returns when every name that was visible when it was called is on disk.
func (f *fanout) settle(dir string) error {
	at := f.renamed.Load() + 1
	if f.pending.Load() == 0 && f.synced.Load() >= at {
		return nil
	}
	if err := syncDir(dir); err != nil {
		return ioError("write the blob store", err)
	}
	f.covered(at)
	return nil
}

// mark is the value to hand to covered after a sync that starts now.
func (f *fanout) mark() int64 { return f.renamed.Load() + 1 }

func (f *fanout) covered(at int64) {
	for {
		old := f.synced.Load()
		if old >= at || f.synced.CompareAndSwap(old, at) {
			return
		}
	}
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

package cas

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"sync"

	"github.com/cairn-ml/cairn"
	"golang.org/x/sync/errgroup"
)

// Root is one thing that something refers to.
type Root struct {
	Digest cairn.Digest
	Tree   bool   // a directory: everything below it is meant too
	Name   string // for messages: "data/digits:3"
}

// Finding is one thing that Fsck says.
type Finding struct {
	Digest  cairn.Digest `json:"digest"`
	Problem string       `json:"problem"` // corrupt, missing, foreign
	Detail  string       `json:"detail"`
	// Root and Path say what holds it, for what is reached from the roots.
	Root string `json:"root,omitempty"`
	Path string `json:"path,omitempty"`
}

// The problems of findings.
const (
	ProblemCorrupt = "corrupt" // the bytes are not those of the name
	ProblemMissing = "missing" // something refers to it, and it is not there
	ProblemForeign = "foreign" // a file that is no blob lies among the blobs
)

// FsckOptions say what Fsck does beyond hashing every blob.
type FsckOptions struct {
	// Roots are followed, to find what is missing; nil: only blobs are hashed.
	Roots iter.Seq2[Root, error]
	// Quarantine moves damaged blobs out of the way, so that storing the same
	// content again repairs them.
	Quarantine bool
}

// FsckResult sums up.
type FsckResult struct {
	Blobs   int64 `json:"blobs"`
	Bytes   int64 `json:"bytes"`
	Corrupt int64 `json:"corrupt"`
	Missing int64 `json:"missing"`
}

// Fsck hashes every blob and follows every root. report is called for each
// finding, never from two goroutines at once. Findings are not an error.
func (s *Store) Fsck(ctx context.Context, o FsckOptions, report func(Finding)) (FsckResult, error) {
	var res FsckResult
	var mu sync.Mutex
	bad := map[cairn.Digest]bool{}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(s.workers)
	err := s.each(gctx, func(d cairn.Digest, fi fs.FileInfo) error {
		g.Go(func() error {
			err := s.Verify(gctx, d)
			mu.Lock()
			defer mu.Unlock()
			res.Blobs++
			res.Bytes += fi.Size()
			switch cairn.CodeOf(err) {
			case "", cairn.CodeNotFound: // removed meanwhile
				return nil
			}
			if gctx.Err() != nil {
				return gctx.Err()
			}
			bad[d] = true
			res.Corrupt++
			detail := err.Error()
			if o.Quarantine {
				if err := s.quarantine(d); err != nil {
					return err
				}
				detail += "; moved to quarantine"
			}
			report(Finding{Digest: d, Problem: ProblemCorrupt, Detail: detail})
			return nil
		})
		return nil
	}, func(path string) {
		mu.Lock()
		defer mu.Unlock()
		report(Finding{Problem: ProblemForeign, Detail: path})
	})
	if werr := g.Wait(); err == nil {
		err = werr
	}
	if err != nil || o.Roots == nil {
		return res, err
	}
	seen := map[reached]bool{}
	for r, err := range o.Roots {
		if err != nil {
			return res, err
		}
		err := s.follow(ctx, r, seen, func(d cairn.Digest, p string, err error) {
			res.Missing++
			detail := err.Error()
			if bad[d] {
				detail = "damaged: " + detail
			}
			report(Finding{Digest: d, Problem: ProblemMissing, Detail: detail, Root: r.Name, Path: p})
		})
		if err != nil {
			return res, err
		}
	}
	return res, nil
}

// reached is a digest as what it was reached: the bytes of a file may happen to
// be the text of a directory.
type reached struct {
	d    cairn.Digest
	tree bool
}

// follow visits everything below a root once; missing is told what cannot be
// read.
func (s *Store) follow(ctx context.Context, r Root, seen map[reached]bool, missing func(d cairn.Digest, path string, err error)) error {
	var visit func(d cairn.Digest, tree bool, p string, depth int) error
	visit = func(d cairn.Digest, tree bool, p string, depth int) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		at := reached{d, tree}
		if seen[at] || !d.Valid() || depth > MaxTreeDepth {
			return nil
		}
		seen[at] = true
		if !tree {
			if _, err := s.Stat(ctx, d); err != nil {
				missing(d, p, err)
			}
			return nil
		}
		entries, err := s.ReadTree(ctx, d)
		if err != nil {
			missing(d, p, err)
			return nil
		}
		for _, e := range entries {
			if err := visit(e.Digest, e.Mode == cairn.ModeDir, join(p, e.Name), depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	return visit(r.Digest, r.Tree, "", 0)
}

func (s *Store) quarantine(d cairn.Digest) error {
	if err := os.MkdirAll(s.quarantineDir(), 0o700); err != nil {
		return ioError("quarantine "+string(d), err)
	}
	return ioError("quarantine "+string(d), os.Rename(s.path(d), filepath.Join(s.quarantineDir(), d.Hex())))
}

// each visits every stored blob in the order of digests.
func (s *Store) each(ctx context.Context, fn func(d cairn.Digest, fi fs.FileInfo) error, foreign func(path string)) error {
	for i := range 256 {
		dir := s.fanDir(i)
		entries, err := os.ReadDir(dir)
		if err != nil {
			return ioError("read the blob store", err)
		}
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				return err
			}
			d := cairn.Digest("sha256:" + e.Name())
			if !d.Valid() || fanOf(d) != i || !e.Type().IsRegular() {
				foreign(filepath.Join(dir, e.Name()))
				continue
			}
			fi, err := e.Info()
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return ioError("read the blob store", err)
			}
			if err := fn(d, fi); err != nil {
				return err
			}
		}
	}
	return nil
}

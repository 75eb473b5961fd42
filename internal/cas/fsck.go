package cas

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
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
	// Holders are the roots that need it, at most MaxHolders of them; Held counts
	// all. A corrupt blob that nothing needs has none.
	Holders []Holder `json:"holders,omitempty"`
	Held    int      `json:"held,omitempty"`
}

// Holder says where a root has something.
type Holder struct {
	Root string `json:"root"`
	Path string `json:"path,omitempty"` // "": the root itself
}

// MaxHolders bounds what one finding lists.
const MaxHolders = 20

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
// finding, at the end. Findings are not an error.
func (s *Store) Fsck(ctx context.Context, o FsckOptions, report func(Finding)) (FsckResult, error) {
	var res FsckResult
	var foreign []Finding
	f := newFollower(ctx, s)
	if err := s.verifyAll(ctx, o.Quarantine, &res, f.found, func(path string) {
		foreign = append(foreign, Finding{Problem: ProblemForeign, Detail: path})
	}); err != nil {
		return res, err
	}
	if o.Roots != nil {
		for r, err := range o.Roots {
			if err != nil {
				return res, err
			}
			if err := f.root(r); err != nil {
				return res, err
			}
		}
	}
	for _, d := range slices.Sorted(maps.Keys(f.found)) {
		if f.found[d].Problem == ProblemMissing {
			res.Missing++
		}
		report(*f.found[d])
	}
	for _, x := range foreign {
		report(x)
	}
	return res, nil
}

// verifyAll hashes every blob and notes those that are not what they are named.
func (s *Store) verifyAll(ctx context.Context, quarantine bool, res *FsckResult, found map[cairn.Digest]*Finding, foreign func(path string)) error {
	var mu sync.Mutex
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
			res.Corrupt++
			detail := err.Error()
			if quarantine {
				if err := s.quarantine(d); err != nil {
					return err
				}
				detail += "; moved to " + filepath.Join(s.quarantineDir(), d.Hex())
			}
			found[d] = &Finding{Digest: d, Problem: ProblemCorrupt, Detail: detail}
			return nil
		})
		return nil
	}, func(path string) {
		mu.Lock()
		defer mu.Unlock()
		foreign(path)
	})
	if werr := g.Wait(); err == nil {
		err = werr
	}
	return err
}

// reached is a digest as what it was reached: the bytes of a file may happen to
// be the text of a directory.
type reached struct {
	d    cairn.Digest
	tree bool
}

// hit is something bad below a directory.
type hit struct {
	d    cairn.Digest
	path string
}

// maxHits bounds the bad things that are told of one directory.
const maxHits = 10_000

// follower visits what is below roots, each directory once, and notes which of
// them need what is bad.
type follower struct {
	s     *Store
	ctx   context.Context
	found map[cairn.Digest]*Finding
	seen  map[reached][]hit
}

func newFollower(ctx context.Context, s *Store) *follower {
	return &follower{s: s, ctx: ctx, found: map[cairn.Digest]*Finding{}, seen: map[reached][]hit{}}
}

func (f *follower) reached(d cairn.Digest) bool {
	_, file := f.seen[reached{d, false}]
	_, tree := f.seen[reached{d, true}]
	return file || tree
}

// root follows one root.
func (f *follower) root(r Root) error {
	hits, err := f.visit(r.Digest, r.Tree, 0)
	for _, h := range hits {
		x := f.found[h.d]
		if x.Held++; len(x.Holders) < MaxHolders {
			x.Holders = append(x.Holders, Holder{r.Name, h.path})
		}
	}
	return err
}

func (f *follower) visit(d cairn.Digest, tree bool, depth int) ([]hit, error) {
	at := reached{d, tree}
	if known, ok := f.seen[at]; ok || !d.Valid() || depth > MaxTreeDepth {
		return known, nil
	}
	if err := f.ctx.Err(); err != nil {
		return nil, err
	}
	var hits []hit
	entries, err := f.look(d, tree)
	if err != nil {
		if f.found[d] == nil {
			f.found[d] = &Finding{Digest: d, Problem: ProblemMissing, Detail: err.Error()}
		}
		hits = []hit{{d, ""}}
	}
	for _, e := range entries {
		below, err := f.visit(e.Digest, e.Mode == cairn.ModeDir, depth+1)
		if err != nil {
			return nil, err
		}
		for _, h := range below[:min(len(below), maxHits-len(hits))] {
			p := e.Name
			if h.path != "" {
				p = join(p, h.path)
			}
			hits = append(hits, hit{h.d, p})
		}
	}
	f.seen[at] = hits
	return hits, nil
}

// look says whether something is there and whole, and what a directory holds.
func (f *follower) look(d cairn.Digest, tree bool) ([]cairn.TreeEntry, error) {
	if x := f.found[d]; x != nil && x.Problem == ProblemCorrupt {
		return nil, errors.New(x.Detail)
	}
	if tree {
		return f.s.ReadTree(f.ctx, d)
	}
	_, err := f.s.Stat(f.ctx, d)
	return nil, err
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

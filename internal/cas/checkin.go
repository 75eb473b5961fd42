package cas

import (
	"context"
	"crypto/sha256"
	"io"
	"os"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/cairn-ml/cairn"
	"golang.org/x/sync/errgroup"
)

// Result sums up a tree.
type Result struct {
	Root  cairn.Digest `json:"root"`
	Size  int64        `json:"size"`
	Files int64        `json:"files"`
}

// CheckIn stores a directory and returns the root of its tree. It is all there
// and on disk, or nothing new is visible.
func (s *Store) CheckIn(ctx context.Context, dir string, o ScanOptions) (Result, error) {
	root, err := openDir(dir)
	if err != nil {
		return Result{}, err
	}
	defer root.Close()
	top, files, err := walk(ctx, root, o)
	if err != nil {
		return Result{}, err
	}
	b, err := s.newBatch()
	if err != nil {
		return Result{}, err
	}
	defer b.discard()
	blobs, err := b.stageMany(ctx, len(files), func(i int) (io.ReadCloser, error) { return openNode(root, files[i]) })
	if err != nil {
		return Result{}, err
	}
	for i, blob := range blobs {
		files[i].entry.Digest, files[i].entry.Size = blob.Digest, blob.Size
	}
	if err := top.encode(func(_ cairn.Digest, text []byte) error {
		_, err := b.stage(ctx, strings.NewReader(string(text)))
		return err
	}); err != nil {
		return Result{}, err
	}
	if err := b.publish(ctx); err != nil {
		return Result{}, err
	}
	return Result{top.entry.Digest, top.entry.Size, top.entry.Files}, nil
}

// openNode opens a file, and notes whether it may be executed, or gives a
// link's target.
func openNode(root *os.Root, n *node) (io.ReadCloser, error) {
	if n.entry.Mode == cairn.ModeSymlink {
		return io.NopCloser(strings.NewReader(n.link)), nil
	}
	f, err := root.Open(n.path)
	if err != nil {
		return nil, ioError("read "+n.path, err)
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = cairn.Errorf(cairn.CodeConflict, "%s was replaced while it was read", n.path)
	}
	if err != nil {
		f.Close()
		return nil, ioError("read "+n.path, err)
	}
	if fi.Mode()&0o100 != 0 {
		n.entry.Mode = cairn.ModeExec
	}
	return f, nil
}

// Manifest is a directory as it would be stored.
type Manifest struct {
	Result
	Blobs []ManifestFile // files and links, each digest once
	Trees []ManifestTree // directories, each once, inner ones first
}

// ManifestFile is one blob of a manifest and where to read it.
type ManifestFile struct {
	Path   string // below the scanned directory
	Digest cairn.Digest
	Size   int64
	// Link is the target of a symbolic link (IsLink): its text is the blob.
	Link   string
	IsLink bool
}

// ManifestTree is the text of one directory.
type ManifestTree struct {
	Digest cairn.Digest
	Bytes  []byte
}

// Scan hashes a directory without storing it: for clients that then send what
// the owner lacks.
func Scan(ctx context.Context, dir string, o ScanOptions) (*Manifest, error) {
	root, err := openDir(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	top, files, err := walk(ctx, root, o)
	if err != nil {
		return nil, err
	}
	if err := hashAll(ctx, root, files, o.Workers); err != nil {
		return nil, err
	}
	m := &Manifest{}
	seen := map[cairn.Digest]bool{}
	for _, n := range files {
		if seen[n.entry.Digest] {
			continue
		}
		seen[n.entry.Digest] = true
		m.Blobs = append(m.Blobs, ManifestFile{n.path, n.entry.Digest, n.entry.Size, n.link, n.entry.Mode == cairn.ModeSymlink})
	}
	// A file may have the text of a directory; both are kept, as what they are.
	trees := map[cairn.Digest]bool{}
	err = top.encode(func(d cairn.Digest, text []byte) error {
		if !trees[d] {
			trees[d] = true
			m.Trees = append(m.Trees, ManifestTree{d, text})
		}
		return nil
	})
	m.Result = Result{top.entry.Digest, top.entry.Size, top.entry.Files}
	return m, err
}

func hashAll(ctx context.Context, root *os.Root, files []*node, workers int) error {
	if workers <= 0 {
		workers = min(16, 2*runtime.GOMAXPROCS(0))
	}
	g, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range min(workers, len(files)) {
		g.Go(func() error {
			buf := make([]byte, smallBlob)
			for {
				i := int(next.Add(1)) - 1
				if i >= len(files) {
					return nil
				}
				if err := hashNode(ctx, root, files[i], buf); err != nil {
					return err
				}
			}
		})
	}
	return g.Wait()
}

func hashNode(ctx context.Context, root *os.Root, n *node, buf []byte) error {
	r, err := openNode(root, n)
	if err != nil {
		return err
	}
	defer r.Close()
	h := sha256.New()
	// struct{} hides WriterTo, which would not use the buffer.
	size, err := io.CopyBuffer(h, struct{ io.Reader }{&ctxReader{ctx, r}}, buf)
	if err != nil {
		return ioError("read "+n.path, err)
	}
	n.entry.Digest, n.entry.Size = cairn.DigestOf(h.Sum(nil)), size
	return nil
}

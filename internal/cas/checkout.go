package cas

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/cairn-ml/cairn"
	"golang.org/x/sync/errgroup"
)

// CheckOutOptions say how a tree is written out.
type CheckOutOptions struct {
	// Overwrite allows a directory that holds something already: entries of the
	// tree replace what has their name, everything else stays.
	Overwrite bool
	// Verify hashes files that are shared by reflink too. Copied ones always are.
	Verify  bool
	Workers int
}

// Fetch opens a blob: of this store, or from an owner elsewhere.
type Fetch func(ctx context.Context, d cairn.Digest) (io.ReadCloser, error)

// CheckOut writes a tree into dir, which is made when it does not exist. Files
// share their extents with the store where the file system can, else they are
// copies; either may be changed freely.
func (s *Store) CheckOut(ctx context.Context, root cairn.Digest, dir string, o CheckOutOptions) (Result, error) {
	if o.Workers <= 0 {
		o.Workers = s.workers
	}
	return (&checkout{ctx: ctx, o: o, store: s, fetch: func(ctx context.Context, d cairn.Digest) (io.ReadCloser, error) {
		f, _, err := s.open(ctx, d)
		return f, err
	}}).run(root, dir)
}

// CheckOut writes a tree into dir with blobs that fetch gives, verifying all.
func CheckOut(ctx context.Context, fetch Fetch, root cairn.Digest, dir string, o CheckOutOptions) (Result, error) {
	if o.Workers <= 0 {
		o.Workers = min(16, 2*runtime.GOMAXPROCS(0))
	}
	return (&checkout{ctx: ctx, o: o, fetch: fetch}).run(root, dir)
}

type checkout struct {
	ctx   context.Context
	o     CheckOutOptions
	store *Store // nil: no reflinks
	fetch Fetch
	root  *os.Root
	links []linkAt
	g     *errgroup.Group
	sum   Result
}

type linkAt struct {
	path, target string
}

func (c *checkout) run(root cairn.Digest, dir string) (Result, error) {
	made, err := target(dir, c.o.Overwrite)
	if err != nil {
		return Result{}, err
	}
	if c.root, err = os.OpenRoot(dir); err != nil {
		return Result{}, ioError("write to "+dir, err)
	}
	defer c.root.Close()
	c.g, c.ctx = errgroup.WithContext(c.ctx)
	c.g.SetLimit(c.o.Workers)
	c.sum.Root = root
	err = walkTree(c.ctx, c.tree, root, c.entry)
	if werr := c.g.Wait(); werr != nil && (err == nil || errors.Is(err, context.Canceled)) {
		err = werr
	}
	// Links come last, so that no file is ever written through one.
	for i := 0; err == nil && i < len(c.links); i++ {
		err = c.link(c.links[i])
	}
	if err != nil {
		if made {
			os.RemoveAll(dir)
		} else if !c.o.Overwrite {
			empty(c.root)
		}
		return Result{}, ioError("write to "+dir, err)
	}
	return c.sum, nil
}

// target makes dir, or checks that it may be written to.
func target(dir string, overwrite bool) (made bool, err error) {
	names, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return true, ioError("make "+dir, os.MkdirAll(dir, 0o755))
	case err != nil:
		return false, ioError("read "+dir, err)
	case len(names) > 0 && !overwrite:
		return false, cairn.Errorf(cairn.CodeConflict, "%s is not empty: it holds %q", dir, names[0].Name()).
			WithHint("choose an empty folder, or allow overwriting")
	}
	return false, nil
}

// empty removes everything in a directory that was empty before.
func empty(root *os.Root) {
	f, err := root.Open(".")
	if err != nil {
		return
	}
	defer f.Close()
	names, _ := f.Readdirnames(-1)
	for _, n := range names {
		root.RemoveAll(n)
	}
}

func (c *checkout) tree(ctx context.Context, d cairn.Digest) ([]cairn.TreeEntry, error) {
	b, err := c.bytes(ctx, d, MaxTreeBytes)
	if err != nil {
		return nil, err
	}
	return DecodeTree(b)
}

// bytes reads a blob of at most limit bytes and verifies it.
func (c *checkout) bytes(ctx context.Context, d cairn.Digest, limit int64) ([]byte, error) {
	r, err := c.fetch(ctx, d)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, cairn.Errorf(cairn.CodeTooLarge, "%s is larger than %d bytes", d, limit)
	}
	if got := cairn.SumBytes(b); got != d {
		return nil, corrupt(d, got)
	}
	return b, nil
}

func (c *checkout) entry(p string, e cairn.TreeEntry) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	switch e.Mode {
	case cairn.ModeDir:
		return c.mkdir(p)
	case cairn.ModeSymlink:
		b, err := c.bytes(c.ctx, e.Digest, MaxLinkBytes)
		if err != nil {
			return err
		}
		if err := CheckLink(string(b), strings.Count(p, "/")); err != nil {
			return linkError(p, err)
		}
		c.links = append(c.links, linkAt{p, string(b)})
	default:
		c.g.Go(func() error { return c.file(p, e) })
	}
	c.sum.Files++
	c.sum.Size += e.Size
	return nil
}

func (c *checkout) mkdir(p string) error {
	err := c.root.Mkdir(p, 0o755)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	// A link to a folder is not a folder of this tree: it gives way.
	if fi, err := c.root.Lstat(p); err != nil || fi.IsDir() {
		return err
	}
	if err := c.root.Remove(p); err != nil {
		return err
	}
	return c.root.Mkdir(p, 0o755)
}

// clear makes room for an entry when overwriting.
func (c *checkout) clear(p string) error {
	if !c.o.Overwrite {
		return nil
	}
	return c.root.RemoveAll(p)
}

func (c *checkout) link(l linkAt) error {
	if err := c.clear(l.path); err != nil {
		return err
	}
	return c.root.Symlink(filepath.FromSlash(l.target), l.path)
}

func (c *checkout) file(p string, e cairn.TreeEntry) error {
	if err := c.clear(p); err != nil {
		return err
	}
	src, err := c.fetch(c.ctx, e.Digest)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := c.root.OpenFile(p, os.O_CREATE|os.O_EXCL|os.O_RDWR, fs.FileMode(e.Mode))
	if err != nil {
		return err
	}
	err = c.fill(dst, src, e)
	if cerr := dst.Close(); err == nil {
		err = cerr
	}
	return err
}

func (c *checkout) fill(dst *os.File, src io.ReadCloser, e cairn.TreeEntry) error {
	if in, ok := src.(*os.File); ok && c.store != nil && e.Size > 0 && !c.store.noClone.Load() {
		err := clone(dst, in)
		if err == nil {
			return c.cloned(dst, e)
		}
		// Another file system, or one without reflinks: the next file will fare no
		// better, save where only the target differs.
		if notCloneable(err) {
			c.store.noClone.Store(true)
		}
	}
	h := sha256.New()
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	size, err := io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(dst, h)}, struct{ io.Reader }{&ctxReader{c.ctx, src}}, *buf)
	if err != nil {
		return err
	}
	if got := cairn.DigestOf(h.Sum(nil)); got != e.Digest {
		return corrupt(e.Digest, got)
	}
	if size != e.Size {
		return badTree("%q is said to have %d bytes; it has %d", e.Name, e.Size, size)
	}
	return nil
}

func (c *checkout) cloned(dst *os.File, e cairn.TreeEntry) error {
	if !c.o.Verify {
		return nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, dst); err != nil {
		return err
	}
	if got := cairn.DigestOf(h.Sum(nil)); got != e.Digest {
		return corrupt(e.Digest, got)
	}
	return nil
}

package cas

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cairn-ml/cairn"
)

// Options configure a store.
type Options struct {
	Log *slog.Logger
	// Now is the clock that ages are measured by; nil means time.Now.
	Now func() time.Time
	// Workers bounds what is read, hashed and written at once; 0: by processors.
	Workers int
	// VerifyReads makes Get hash what it hands out: a reader that comes to the
	// end of a damaged blob gets an error instead of io.EOF.
	VerifyReads bool
}

// Store is safe for concurrent use. One process owns its directory.
type Store struct {
	dir     string
	log     *slog.Logger
	now     func() time.Time
	workers int
	verify  bool

	session string // random, so that temporary names never meet
	seq     atomic.Int64
	noClone atomic.Bool // the file system has no reflinks: do not ask again
	fanout  [256]fanout
	// sweep keeps Collect from removing a blob between the moment a writer finds
	// it there and the moment its age is renewed.
	sweep sync.RWMutex
}

// touchAfter is how old a blob may be before finding it again renews its age.
const touchAfter = time.Minute

// Open opens or creates the store in dir and removes unfinished writes.
func Open(dir string, o Options) (*Store, error) {
	s := &Store{dir: dir, log: o.Log, now: o.Now, workers: o.Workers, verify: o.VerifyReads}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.workers <= 0 {
		s.workers = min(16, 2*runtime.GOMAXPROCS(0))
	}
	var b [6]byte
	if _, err := rand.Read(b[:]); err != nil {
		return nil, err
	}
	s.session = hex.EncodeToString(b[:])
	if err := s.prepare(); err != nil {
		return nil, ioError("open the blob store", err)
	}
	return s, nil
}

func (s *Store) prepare() error {
	if err := os.MkdirAll(s.tmpDir(), 0o700); err != nil {
		return err
	}
	left, err := os.ReadDir(s.tmpDir())
	if err != nil {
		return err
	}
	for _, e := range left {
		if err := os.RemoveAll(filepath.Join(s.tmpDir(), e.Name())); err != nil {
			return err
		}
	}
	if len(left) > 0 {
		s.log.Info("removed unfinished writes from the blob store", "count", len(left))
	}
	// The last fan-out folder is made last: where it is there, all are.
	if _, err := os.Stat(s.fanDir(255)); err == nil {
		return nil
	}
	for i := range 256 {
		if err := os.MkdirAll(s.fanDir(i), 0o700); err != nil {
			return err
		}
	}
	for _, d := range []string{filepath.Dir(s.fanDir(0)), filepath.Join(s.dir, "blobs"), s.dir} {
		if err := syncDir(d); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) tmpDir() string        { return filepath.Join(s.dir, "tmp") }
func (s *Store) quarantineDir() string { return filepath.Join(s.dir, "quarantine") }
func (s *Store) fanDir(i int) string {
	return filepath.Join(s.dir, "blobs", "sha256", fmt.Sprintf("%02x", i))
}

// path is where a valid digest's bytes lie.
func (s *Store) path(d cairn.Digest) string {
	h := d.Hex()
	return filepath.Join(s.dir, "blobs", "sha256", h[:2], h)
}

func fanOf(d cairn.Digest) int {
	n, _ := strconv.ParseUint(d.Hex()[:2], 16, 8)
	return int(n)
}

// Get opens a blob; the caller closes it.
func (s *Store) Get(ctx context.Context, d cairn.Digest) (io.ReadSeekCloser, int64, error) {
	f, size, err := s.open(ctx, d)
	if err != nil {
		return nil, 0, err
	}
	if s.verify {
		return &verified{File: f, hash: sha256.New(), want: d}, size, nil
	}
	return f, size, nil
}

func (s *Store) open(ctx context.Context, d cairn.Digest) (*os.File, int64, error) {
	if err := check(ctx, d); err != nil {
		return nil, 0, err
	}
	f, err := os.Open(s.path(d))
	if err != nil {
		return nil, 0, blobError(d, err)
	}
	fi, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, blobError(d, err)
	}
	return f, fi.Size(), nil
}

// ReadBlob returns a whole blob of at most limit bytes and verifies it.
func (s *Store) ReadBlob(ctx context.Context, d cairn.Digest, limit int64) ([]byte, error) {
	f, size, err := s.open(ctx, d)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size > limit {
		return nil, cairn.Errorf(cairn.CodeTooLarge, "%s is %d bytes; at most %d are read here", d, size, limit)
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(f, b); err != nil {
		return nil, blobError(d, err)
	}
	if got := cairn.SumBytes(b); got != d {
		return nil, corrupt(d, got)
	}
	return b, nil
}

// Has reports whether a blob is stored.
func (s *Store) Has(ctx context.Context, d cairn.Digest) (bool, error) {
	_, err := s.Stat(ctx, d)
	if cairn.CodeOf(err) == cairn.CodeNotFound {
		return false, nil
	}
	return err == nil, err
}

// Stat returns a blob's size.
func (s *Store) Stat(ctx context.Context, d cairn.Digest) (int64, error) {
	if err := check(ctx, d); err != nil {
		return 0, err
	}
	fi, err := os.Stat(s.path(d))
	if err != nil {
		return 0, blobError(d, err)
	}
	return fi.Size(), nil
}

// Missing returns the digests that are not stored, in the order given, each
// once. Those that are stored count as new from now on, so that Collect leaves
// them to the caller that is about to refer to them.
func (s *Store) Missing(ctx context.Context, ds []cairn.Digest) ([]cairn.Digest, error) {
	seen := make(map[cairn.Digest]bool, len(ds))
	var out []cairn.Digest
	for _, d := range ds {
		if err := check(ctx, d); err != nil {
			return nil, err
		}
		if seen[d] {
			continue
		}
		seen[d] = true
		there, err := s.keep(d, -1)
		if err != nil {
			return nil, err
		}
		if !there {
			out = append(out, d)
		}
	}
	return out, nil
}

// keep reports whether d is stored (with size, unless that is negative) and
// renews its age. It returns only after the name is on disk.
func (s *Store) keep(d cairn.Digest, size int64) (bool, error) {
	s.sweep.RLock()
	defer s.sweep.RUnlock()
	path := s.path(d)
	fi, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, blobError(d, err)
	}
	if size >= 0 && fi.Size() != size {
		return false, nil
	}
	if now := s.now(); now.Sub(fi.ModTime()) > touchAfter {
		if err := os.Chtimes(path, now, now); err != nil {
			return false, blobError(d, err)
		}
	}
	return true, s.fanout[fanOf(d)].settle(s.fanDir(fanOf(d)))
}

// Verify hashes a blob and says whether its bytes are still those of its name.
func (s *Store) Verify(ctx context.Context, d cairn.Digest) error {
	f, _, err := s.open(ctx, d)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, &ctxReader{ctx, f}); err != nil {
		return blobError(d, err)
	}
	if got := cairn.DigestOf(h.Sum(nil)); got != d {
		return corrupt(d, got)
	}
	return nil
}

// verified hashes what is read from start to end; a Seek elsewhere ends that.
type verified struct {
	*os.File
	hash hash.Hash
	want cairn.Digest
}

func (v *verified) Read(p []byte) (int, error) {
	n, err := v.File.Read(p)
	if v.hash == nil {
		return n, err
	}
	v.hash.Write(p[:n])
	if errors.Is(err, io.EOF) {
		if got := cairn.DigestOf(v.hash.Sum(nil)); got != v.want {
			return n, corrupt(v.want, got)
		}
	}
	return n, err
}

func (v *verified) Seek(off int64, whence int) (int64, error) {
	pos, err := v.File.Seek(off, whence)
	v.hash = nil
	if err == nil && pos == 0 {
		v.hash = sha256.New()
	}
	return pos, err
}

// WriteTo is io.Copy over Read: that of os.File would go past the hash.
func (v *verified) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{v})
}

// ctxReader ends long reads when their context does.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *ctxReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

func check(ctx context.Context, d cairn.Digest) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	_, err := cairn.ParseDigest(string(d))
	return err
}

func blobError(d cairn.Digest, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return cairn.Errorf(cairn.CodeNotFound, "%s is not stored here", d)
	}
	return ioError("read "+string(d), err)
}

func corrupt(want, got cairn.Digest) error {
	return cairn.Errorf(cairn.CodeInternal, "%s is damaged on disk: its bytes are %s", want, got).
		WithHint("cairn fsck tells what else is damaged, and what holds it")
}

// ioError gives errors of the file system a meaning. What is a *cairn.Error
// already, or the end of a context, stays as it is.
func ioError(what string, err error) error {
	var ce *cairn.Error
	switch {
	case err == nil, errors.As(err, &ce), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return cairn.Errorf(cairn.CodeUnavailable, "cannot %s: the disk is full: %w", what, err).
			WithHint("free some space and try again; nothing was kept of the unfinished write")
	case errors.Is(err, fs.ErrPermission):
		return cairn.Errorf(cairn.CodeForbidden, "cannot %s: %w", what, err)
	}
	return cairn.Errorf(cairn.CodeUnavailable, "cannot %s: %w", what, err)
}

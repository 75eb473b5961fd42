package layer

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/klauspost/compress/zstd"
)

// Limits bound what one layer may hold; a zero field means the default.
type Limits struct {
	Entries int   // 1,000,000
	Size    int64 // bytes of the archive and of its files: 256 GiB
	// Ratio is how many bytes one compressed byte may become: 1100, which gzip
	// cannot pass and zstd could by far. The first 64 MiB are free.
	Ratio int64
	// Names are the bytes of all names and link targets, which are kept in memory
	// and which a compressed layer gets for nothing: 256 MiB.
	Names int64
}

const (
	maxEntries = 1_000_000
	maxSize    = 256 << 30
	maxRatio   = 1100
	maxNames   = 256 << 20
	freeSize   = 64 << 20
	// maxWindow is how far back zstd may refer; the format's own advice is 8 MiB,
	// --long=27 asks for this.
	maxWindow = 128 << 20
)

func (l Limits) filled() Limits {
	if l.Entries <= 0 {
		l.Entries = maxEntries
	}
	if l.Size <= 0 {
		l.Size = maxSize
	}
	if l.Ratio <= 0 {
		l.Ratio = maxRatio
	}
	if l.Names <= 0 {
		l.Names = maxNames
	}
	return l
}

// Read visits the entries of a layer in their order, within the default limits.
// The media type is checked; how the bytes are compressed is seen from the bytes,
// since tools do not agree with their own types. r is read to its end.
func Read(r io.Reader, mediaType string, visit func(*tar.Header, io.Reader) error) error {
	return ReadLimited(r, mediaType, Limits{}, visit)
}

// ReadLimited is Read with other limits.
func ReadLimited(r io.Reader, mediaType string, l Limits, visit func(*tar.Header, io.Reader) error) error {
	return read(r, mediaType, l, func(h *tar.Header, r io.Reader, _ int64) error { return visit(h, r) })
}

// read also tells where in the uncompressed archive the content begins.
func read(r io.Reader, mediaType string, l Limits, visit func(h *tar.Header, r io.Reader, offset int64) error) error {
	l = l.filled()
	in := &meter{r: r}
	plain, end, err := decompress(in, mediaType)
	if err != nil {
		return err
	}
	defer end()
	out := &bounded{r: plain, in: in, l: l}
	tr := tar.NewReader(out)
	declared, names := int64(0), int64(0)
	for n := 0; ; n++ {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return readError(err)
		}
		if n >= l.Entries {
			return cairn.Errorf(cairn.CodeTooLarge, "the layer has more than %d entries", l.Entries)
		}
		if h.Size < 0 {
			return badLayer("the entry %q has %d bytes", clip(h.Name), h.Size)
		}
		// A sparse file declares bytes that the archive does not hold.
		if declared += h.Size; declared > l.Size || declared < 0 {
			return cairn.Errorf(cairn.CodeTooLarge, "the files of the layer have more than %d bytes", l.Size)
		}
		if names += int64(len(h.Name) + len(h.Linkname)); names > l.Names {
			return cairn.Errorf(cairn.CodeTooLarge, "the names in the layer have more than %d bytes", l.Names)
		}
		if h.Typeflag == tar.TypeCont || h.Typeflag == tar.TypeGNUSparse {
			h.Typeflag = tar.TypeReg
		}
		body := &bounded{r: tr, in: in, l: l}
		if err := visit(h, body, out.n); err != nil {
			return err
		}
	}
	// The rest is padding; reading it shows whether the compressed stream is whole.
	if _, err := io.Copy(io.Discard, out); err != nil {
		return readError(err)
	}
	if _, err := io.Copy(io.Discard, in); err != nil {
		return readError(err)
	}
	return nil
}

// sparse reports whether holes of the file are left out of the archive. The
// reader has turned the old kind into an ordinary file, so it is known by what is
// left of its format.
func sparse(h *tar.Header) bool {
	if h.Format == tar.FormatGNU {
		return true // cannot be told from here; reading it through is only slower
	}
	for k := range h.PAXRecords {
		if strings.HasPrefix(k, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// readError is the error for bytes that are no layer; errors that say more pass.
func readError(err error) error {
	var e *cairn.Error
	if errors.As(err, &e) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return badLayer("it is cut short")
	}
	return badLayer("%w", err)
}

func decompress(in io.Reader, mediaType string) (io.Reader, func(), error) {
	if err := checkType(mediaType); err != nil {
		return nil, nil, err
	}
	br := bufio.NewReaderSize(in, 256<<10)
	magic, err := br.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, readError(err)
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(br)
		if err != nil {
			return nil, nil, readError(err)
		}
		return z, func() { z.Close() }, nil
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}), len(magic) == 4 && magic[0]&0xf0 == 0x50 && bytes.Equal(magic[1:], []byte{0x2a, 0x4d, 0x18}):
		z, err := zstd.NewReader(br, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(maxWindow))
		if err != nil {
			return nil, nil, readError(err)
		}
		return z, z.Close, nil
	}
	return br, func() {}, nil
}

// checkType refuses what is no tar, or is encrypted. "" is taken for a layer.
func checkType(t string) error {
	t, _, _ = strings.Cut(t, ";")
	base, ok := strings.CutSuffix(t, "+gzip")
	if !ok {
		base, _ = strings.CutSuffix(t, "+zstd")
	}
	switch base {
	case "", MediaTypeTar, DockerTypeTar, DockerTypeGzip, DockerTypeZstd,
		"application/vnd.oci.image.layer.nondistributable.v1.tar", "application/vnd.docker.image.rootfs.foreign.diff.tar",
		"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "application/x-tar", "application/octet-stream":
		return nil
	}
	return cairn.Errorf(cairn.CodeUnsupported, "a layer of type %q cannot be unpacked", clip(t)).
		WithHint("plain, gzip and zstd tar layers of OCI and Docker can")
}

// meter counts the bytes as they are stored.
type meter struct {
	r io.Reader
	n int64
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.n += int64(n)
	return n, err
}

// bounded counts the bytes that come out and ends a bomb.
type bounded struct {
	r  io.Reader
	in *meter
	l  Limits
	n  int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.n += int64(n)
	if b.n > b.l.Size {
		return n, cairn.Errorf(cairn.CodeTooLarge, "the layer becomes more than %d bytes", b.l.Size)
	}
	if b.n > freeSize && b.n/b.l.Ratio > b.in.n {
		return n, cairn.Errorf(cairn.CodeTooLarge, "the layer is a bomb: %d bytes of it became %d already", b.in.n, b.n)
	}
	return n, err
}

// open reads a source and checks its digest at the end.
func (s *Source) read(ctx context.Context, l Limits, visit func(h *tar.Header, r io.Reader, offset int64) error) error {
	r, err := s.Open(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	src := WithContext(ctx, r)
	if s.Digest == "" {
		return read(src, s.MediaType, l, visit)
	}
	sum := sha256.New()
	src = io.TeeReader(src, sum)
	err = read(src, s.MediaType, l, visit)
	if err != nil {
		// Bytes that the disk lost are seldom a sound archive: that they are other bytes
		// says more than what is wrong with them.
		if cairn.CodeOf(err) != cairn.CodeInvalid {
			return err
		}
		if _, rerr := io.Copy(io.Discard, src); rerr != nil {
			return err
		}
	}
	if got := cairn.DigestOf(sum.Sum(nil)); got != s.Digest {
		return cairn.Errorf(cairn.CodeFailed, "the layer %s has other bytes: they are %s", s.Digest, got).
			WithHint("the copy is damaged: cairn fsck --repair moves it aside; then fetch or build the image again")
	}
	return err
}

// WithContext is a reader that ends with its context.
func WithContext(ctx context.Context, r io.Reader) io.Reader { return &ctxReader{ctx, r} }

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

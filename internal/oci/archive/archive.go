// Package archive reads and writes images as files: what docker save writes and
// docker load reads, and OCI layouts in a tar.
package archive

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci"
	"github.com/cairn-ml/cairn/internal/oci/layer"
	"github.com/klauspost/compress/zstd"
)

// Limits of an archive, which may come from anywhere.
const (
	maxEntries = 50_000
	maxLinks   = 20
	maxBytes   = 200 << 30
	maxSmall   = oci.MaxManifest
)

// span is where an entry's bytes lie in the file.
type span struct{ at, size int64 }

// Archive is an archive that is open. Its parts are read where they lie.
type Archive struct {
	f         *os.File
	tmp       string // the unpacked archive, where it was compressed
	parts     map[string]span
	links     map[string]string
	manifests int // that were read: indexes could name the same ones without end
}

// Open reads the table of an archive; one that is compressed is unpacked into dir
// first ("": the folder for temporary files).
func Open(ctx context.Context, name, dir string) (*Archive, error) {
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, cairn.Errorf(cairn.CodeNotFound, "there is no file %s", name)
	}
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s cannot be read: %w", name, err)
	}
	a := &Archive{f: f, parts: map[string]span{}, links: map[string]string{}}
	if err := a.unpack(ctx, dir); err != nil {
		a.Close()
		return nil, err
	}
	if err := a.read(ctx); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

// Close lets go of the file.
func (a *Archive) Close() error {
	err := a.f.Close()
	if a.tmp != "" {
		err = errors.Join(err, os.Remove(a.tmp))
	}
	return err
}

// unpack puts the plain tar of a compressed archive in its place.
func (a *Archive) unpack(ctx context.Context, dir string) error {
	head := make([]byte, 4)
	n, err := a.f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return bad("%v", err) // a folder, for one
	}
	var r io.Reader
	switch head = head[:n]; {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(bufio.NewReader(a.f))
		if err != nil {
			return bad("%v", err)
		}
		r = z
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(a.f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(128<<20), zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			return bad("%v", err)
		}
		defer z.Close()
		r = z
	default:
		return nil
	}
	tmp, err := os.CreateTemp(dir, "cairn-image-*")
	if err != nil {
		return cairn.Errorf(cairn.CodeUnavailable, "the archive cannot be unpacked: %w", err)
	}
	old := a.f
	a.f, a.tmp = tmp, tmp.Name()
	got, err := io.Copy(tmp, io.LimitReader(layer.WithContext(ctx, r), maxBytes+1))
	old.Close()
	if err == nil && got > maxBytes {
		return cairn.Errorf(cairn.CodeTooLarge, "the archive holds more than %d bytes", int64(maxBytes))
	}
	var we *fs.PathError
	switch {
	case errors.As(err, &we) && we.Op == "write":
		return cairn.Errorf(cairn.CodeUnavailable, "the archive cannot be unpacked: %w", err).
			WithHint("it is unpacked in %s: free some space there, or set TMPDIR to a folder on another disk", filepath.Dir(a.tmp))
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return bad("%v", err)
	}
	_, err = tmp.Seek(0, io.SeekStart)
	return err
}

func (a *Archive) read(ctx context.Context) error {
	tr := tar.NewReader(a.f)
	for n := 0; ; n++ {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err == nil && n > maxEntries {
			return bad("it has more than %d entries", maxEntries)
		}
		if err != nil {
			return bad("%v", err)
		}
		p := rel(h.Name)
		switch h.Typeflag {
		case tar.TypeReg:
			at, err := a.f.Seek(0, io.SeekCurrent) // the reader takes no more than it needs
			if err != nil {
				return bad("%v", err)
			}
			a.parts[p] = span{at, h.Size}
		case tar.TypeSymlink:
			a.links[p] = rel(path.Join(path.Dir(p), h.Linkname))
		case tar.TypeLink:
			a.links[p] = rel(h.Linkname)
		}
	}
}

// rel is a path inside the archive; nothing is outside of it.
func rel(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

// part finds an entry; docker writes the same layer once and links to it.
func (a *Archive) part(name string) (span, bool) {
	name = rel(name)
	for range maxLinks {
		if s, ok := a.parts[name]; ok {
			return s, true
		}
		to, ok := a.links[name]
		if !ok {
			break
		}
		name = to
	}
	return span{}, false
}

func (a *Archive) open(s span) io.Reader { return io.NewSectionReader(a.f, s.at, s.size) }

// small reads a part whole.
func (a *Archive) small(name string) ([]byte, error) {
	s, ok := a.part(name)
	if !ok {
		return nil, bad("it has no %s", clip(name))
	}
	if s.size > maxSmall {
		return nil, bad("%s has %d bytes", clip(name), s.size)
	}
	return io.ReadAll(a.open(s))
}

// sum hashes a part.
func (a *Archive) sum(ctx context.Context, s span) (cairn.Digest, error) {
	h := sha256.New()
	if _, err := io.Copy(h, layer.WithContext(ctx, a.open(s))); err != nil {
		return "", bad("%v", err)
	}
	return cairn.DigestOf(h.Sum(nil)), nil
}

func bad(format string, args ...any) *cairn.Error {
	return cairn.Errorf(cairn.CodeInvalid, "the file is no archive of an image: "+format, args...).
		WithHint("docker save, skopeo copy … oci-archive:FILE and cairn image save write one")
}

func clip(s string) string {
	if len(s) > 100 {
		return strings.ToValidUTF8(s[:100], "") + "…"
	}
	return s
}

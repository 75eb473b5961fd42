package actions

import (
	"archive/zip"
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"math"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cas"
	"github.com/klauspost/compress/flate"
)

// Bounds of a zip that is taken apart, beside MaxUpload for the bytes of its files.
const (
	maxEntries   = 500_000
	maxDirectory = 64 << 20 // bytes of its list of files
	maxPath      = 4096
	unzipBatch   = 8192 // files that share one durable point
)

func badZip(format string, args ...any) *cairn.Error {
	return cairn.Errorf(cairn.CodeInvalid, "the artifact is not a zip that can be kept: "+format, args...)
}

// unpack stores the files of a zip that is stored, and answers the root of their
// tree. A zip comes from outside: whatever it says is checked.
func (s *Service) unpack(ctx context.Context, archive cairn.Digest) (cairn.Digest, error) {
	f, size, err := s.o.Blobs.Get(ctx, archive)
	if err != nil {
		return "", err
	}
	defer f.Close()
	at, ok := f.(io.ReaderAt)
	if !ok {
		return "", cairn.Errorf(cairn.CodeInternal, "stored bytes cannot be read at a place")
	}
	if err := checkDirectory(at, size); err != nil {
		return "", err
	}
	zr, err := zip.NewReader(at, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return "", badZip("%w", err)
	}
	zr.RegisterDecompressor(zip.Deflate, func(r io.Reader) io.ReadCloser {
		return flate.NewReader(bufio.NewReaderSize(r, 64<<10))
	})
	entries, err := checkEntries(zr.File, size, s.o.MaxUpload)
	if err != nil {
		return "", err
	}
	return s.store(ctx, entries)
}

// checkDirectory bounds the list of files before it is read into memory. The reader
// finds the list by its size, and reads on as long as it finds entries: so the list
// has to stand exactly between its offset and the end record, and is not larger than
// what is looked at here.
func checkDirectory(r io.ReaderAt, size int64) error {
	tail := make([]byte, min(size, 22+math.MaxUint16+20))
	if _, err := r.ReadAt(tail, size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return badZip("%w", err)
	}
	i := strings.LastIndex(string(tail), "PK\x05\x06")
	if i < 0 || len(tail)-i < 22 {
		return badZip("its end is missing (was the upload cut?)")
	}
	le := binary.LittleEndian
	end := tail[i:]
	count, length, offset := uint64(le.Uint16(end[10:])), uint64(le.Uint32(end[12:])), uint64(le.Uint32(end[16:]))
	stop := uint64(size) - uint64(len(tail)) + uint64(i)
	// The reader looks for the longer record in these cases.
	longer := count == math.MaxUint16 || length == math.MaxUint16 || offset == math.MaxUint32
	if longer && i >= 20 && string(tail[i-20:i-16]) == "PK\x06\x07" {
		if le.Uint32(tail[i-16:]) != 0 || le.Uint32(tail[i-4:]) != 1 {
			return badZip("it is one part of several")
		}
		end64 := make([]byte, 56)
		if stop = le.Uint64(tail[i-12:]); stop > uint64(size) {
			return badZip("its end points behind it")
		}
		if _, err := r.ReadAt(end64, int64(stop)); err != nil || string(end64[:4]) != "PK\x06\x06" {
			return badZip("its end is damaged")
		}
		count, length, offset = le.Uint64(end64[32:]), le.Uint64(end64[40:]), le.Uint64(end64[48:])
	}
	switch {
	case count > maxEntries:
		return tooLarge("it lists %d files; at most %d are kept", count, maxEntries)
	case length > maxDirectory:
		return tooLarge("its list of files has more than %d bytes", maxDirectory)
	case offset > stop || stop-offset != length:
		return badZip("its list of files is not where its end says")
	}
	return nil
}

func tooLarge(format string, args ...any) *cairn.Error {
	e := badZip(format, args...)
	e.Code = cairn.CodeTooLarge
	return e
}

// checkEntries looks at all that a zip says of its files before one is read.
func checkEntries(files []*zip.File, size, most int64) ([]*zip.File, error) {
	if len(files) > maxEntries {
		return nil, tooLarge("it lists %d files; at most %d are kept", len(files), maxEntries)
	}
	folder := make(map[string]bool, len(files)) // by name: whether it is one
	total := uint64(0)
	for _, f := range files {
		if err := checkEntry(f, size); err != nil {
			return nil, err
		}
		name := strings.TrimSuffix(f.Name, "/")
		if _, twice := folder[name]; twice {
			return nil, badZip("the name %q stands in it twice", name)
		}
		folder[name] = name != f.Name
		if total += f.UncompressedSize64; total > uint64(most) {
			return nil, tooLarge("its files have more than %d bytes", most)
		}
	}
	above := map[string]bool{}
	for name := range folder {
		for d := path.Dir(name); d != "." && !above[d]; d = path.Dir(d) {
			if is, there := folder[d]; there && !is {
				return nil, badZip("%q is a file, and a folder that holds %q", d, name)
			}
			above[d] = true
		}
	}
	return files, checkOverlap(files)
}

// checkEntry looks at one file.
func checkEntry(f *zip.File, size int64) error {
	if err := checkZipName(f.Name); err != nil {
		return err
	}
	isDir := strings.HasSuffix(f.Name, "/")
	switch {
	case f.Flags&1 != 0:
		return badZip("%q is encrypted", f.Name)
	case f.Method != zip.Store && f.Method != zip.Deflate:
		return badZip("%q is packed with method %d; store and deflate are read", f.Name, f.Method)
	case isDir != f.Mode().IsDir() || !isDir && f.Mode()&fs.ModeType != 0:
		return badZip("%q is neither a file nor a folder (%s)", f.Name, f.Mode().Type()).
			WithHint("upload what a symbolic link points to: the clients of upload-artifact do so by themselves")
	case isDir && f.UncompressedSize64 != 0:
		return badZip("the folder %q has content", f.Name)
	case f.CompressedSize64 > uint64(size):
		return badZip("%q does not lie in it", f.Name)
	case f.UncompressedSize64 > 1032*f.CompressedSize64+64:
		// Deflate makes of a byte at most 1032: more is a lie, or a trap.
		return badZip("%q is said to grow from %d to %d bytes", f.Name, f.CompressedSize64, f.UncompressedSize64)
	}
	return nil
}

// checkOverlap refuses files that share bytes: so a small zip becomes a huge one.
func checkOverlap(files []*zip.File) error {
	type span struct{ from, to int64 }
	spans := make([]span, 0, len(files))
	for _, f := range files {
		from, err := f.DataOffset()
		if err != nil {
			return badZip("%q does not lie in it", f.Name)
		}
		spans = append(spans, span{from, from + int64(f.CompressedSize64)})
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	for i := 1; i < len(spans); i++ {
		if spans[i].from < spans[i-1].to {
			return badZip("files overlap in it")
		}
	}
	return nil
}

// checkZipName refuses names that could lead out of a folder, on this system or on
// that of somebody who downloads them.
func checkZipName(name string) error {
	switch {
	case name == "" || len(name) > maxPath:
		return badZip("it has a name of %d bytes; allowed are 1 to %d", len(name), maxPath)
	case !utf8.ValidString(name):
		return badZip("the name %q is not UTF-8", name)
	case strings.HasPrefix(name, "/"), strings.ContainsAny(name, "\\\x00"),
		len(name) > 1 && name[1] == ':':
		return badZip("the name %q does not stay in its folder", name)
	}
	parts := strings.Split(strings.TrimSuffix(name, "/"), "/")
	if len(parts) > cas.MaxTreeDepth {
		return badZip("%.100q… lies %d folders deep; at most %d are kept", name, len(parts)-1, cas.MaxTreeDepth)
	}
	for _, p := range parts {
		if p == ".." || p == "." || p == "" {
			return badZip("the name %q does not stay in its folder", name)
		}
		if err := cas.CheckName(p); err != nil {
			return badZip("%w", err)
		}
	}
	return nil
}

// store keeps the files of a zip and the folders that hold them.
func (s *Service) store(ctx context.Context, files []*zip.File) (cairn.Digest, error) {
	t := newTree()
	for from := 0; from < len(files); from += unzipBatch {
		batch := files[from:min(from+unzipBatch, len(files))]
		plain := make([]*zip.File, 0, len(batch))
		for _, f := range batch {
			if name, isDir := strings.CutSuffix(f.Name, "/"); isDir {
				t.folder(name)
			} else {
				plain = append(plain, f)
			}
		}
		blobs, err := s.o.Blobs.PutMany(ctx, len(plain), func(i int) (io.ReadCloser, error) { return openEntry(plain[i]) })
		if err != nil {
			return "", err
		}
		for i, f := range plain {
			e := cairn.TreeEntry{Name: path.Base(f.Name), Mode: cairn.ModeFile, Size: blobs[i].Size, Digest: blobs[i].Digest}
			if f.Mode()&0o111 != 0 {
				e.Mode = cairn.ModeExec
			}
			t.file(path.Dir(f.Name), e)
		}
	}
	return t.put(ctx, s.o.Blobs)
}

// openEntry reads one file of a zip, no more than the zip says.
func openEntry(f *zip.File) (io.ReadCloser, error) {
	r, err := f.Open()
	if err != nil {
		return nil, badZip("%q: %w", f.Name, err)
	}
	return &entry{r, f.Name, int64(f.UncompressedSize64)}, nil
}

// entry ends at the size that was announced and gives errors a name.
type entry struct {
	io.ReadCloser
	name string
	left int64
}

func (e *entry) Read(p []byte) (int, error) {
	n, err := e.ReadCloser.Read(p)
	if e.left -= int64(n); e.left < 0 {
		return 0, badZip("%q is longer than it is said to be", e.name)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return n, badZip("%q: %w", e.name, err)
	}
	return n, err
}

package actions

import (
	"context"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math"

	"github.com/cairn-ml/cairn"
)

// zipFile is one file or empty folder of a tree, as it will stand in a zip.
type zipFile struct {
	name   string // folders end in a slash
	mode   uint32
	size   int64
	digest cairn.Digest
	crc    uint32 // known once it is written
	offset int64
}

// zipPlan is a tree as a zip before its bytes are read: files as they are, not
// deflated, since they mostly go over loopback; in the order of their names, with
// one fixed time. So the same tree gives the same zip, and its size is known.
type zipPlan struct{ files []zipFile }

// Sizes of the parts of a zip.
const (
	localSize, centralSize, endSize = 30, 46, 22
	local64Size, central64Size      = 20, 28
	end64Size                       = 56 + 20
)

// maxZipFiles bounds the files of a zip that is made.
const maxZipFiles = 2_000_000

func (s *Service) planZip(ctx context.Context, root cairn.Digest) (*zipPlan, error) {
	z := &zipPlan{}
	err := s.o.Blobs.WalkTree(ctx, root, func(path string, e cairn.TreeEntry) error {
		if e.Mode == cairn.ModeDir && e.Files > 0 {
			return nil
		}
		if len(z.files) >= maxZipFiles {
			return cairn.Errorf(cairn.CodeTooLarge, "the artifact has more than %d files", maxZipFiles)
		}
		f := zipFile{name: path, mode: e.Mode, size: e.Size, digest: e.Digest}
		if e.Mode == cairn.ModeDir {
			f.name, f.size = path+"/", 0
		}
		z.files = append(z.files, f)
		return nil
	})
	return z, err
}

func (f *zipFile) large() bool { return f.size >= math.MaxUint32 }

// central64 says whether the directory's entry needs 64-bit fields.
func (f *zipFile) central64() bool { return f.large() || f.offset >= math.MaxUint32 }

// size is that of the whole zip.
func (z *zipPlan) size() int64 {
	at := int64(0)
	for i := range z.files {
		f := &z.files[i]
		f.offset = at
		at += localSize + int64(len(f.name)) + f.size
		if f.large() {
			at += local64Size
		}
	}
	directory := int64(0)
	for i := range z.files {
		f := &z.files[i]
		directory += centralSize + int64(len(f.name))
		if f.central64() {
			directory += central64Size
		}
	}
	end := int64(endSize)
	if z.end64(at, directory) {
		end += end64Size
	}
	return at + directory + end
}

func (z *zipPlan) end64(at, directory int64) bool {
	return len(z.files) >= math.MaxUint16 || at >= math.MaxUint32 || directory >= math.MaxUint32
}

// Fields of headers: made by Unix for version 4.5, names in UTF-8, 1980-01-01.
const (
	zipVersion   = 45
	zipCreator   = 3<<8 | zipVersion
	zipUTF8      = 1 << 11
	zipDate      = 1<<5 | 1
	unixFile     = 0o100000
	unixLink     = 0o120000
	unixDir      = 0o040000
	zipDirectory = 0x10 // of MS-DOS
)

func (f *zipFile) attributes() uint32 {
	switch f.mode {
	case cairn.ModeDir:
		return (unixDir|0o755)<<16 | zipDirectory
	case cairn.ModeSymlink:
		return (unixLink | 0o777) << 16
	case cairn.ModeExec:
		return (unixFile | 0o755) << 16
	}
	return (unixFile | 0o644) << 16
}

// writeZip writes the zip. Each file is read twice, the second time from memory
// mostly: its checksum stands before its bytes, because the clients take apart
// what comes while it comes.
func (s *Service) writeZip(ctx context.Context, w io.Writer, z *zipPlan) error {
	z.size() // lays out the offsets
	buf := make([]byte, 256<<10)
	for i := range z.files {
		if err := s.writeZipFile(ctx, w, &z.files[i], buf); err != nil {
			return err
		}
	}
	return z.writeDirectory(w)
}

func (s *Service) writeZipFile(ctx context.Context, w io.Writer, f *zipFile, buf []byte) error {
	var r io.ReadSeekCloser
	if f.mode != cairn.ModeDir {
		var size int64
		var err error
		if r, size, err = s.o.Blobs.Get(ctx, f.digest); err != nil {
			return err
		}
		defer r.Close()
		if size != f.size {
			return cairn.Errorf(cairn.CodeInternal, "%s has %d bytes, its folder says %d", f.name, size, f.size)
		}
		sum := crc32.NewIEEE()
		if _, err := io.CopyBuffer(sum, struct{ io.Reader }{r}, buf); err != nil {
			return err
		}
		f.crc = sum.Sum32()
		if _, err := r.Seek(0, io.SeekStart); err != nil {
			return err
		}
	}
	h := make([]byte, 0, localSize+len(f.name)+local64Size)
	h = append(h, "PK\x03\x04"...)
	h = binary.LittleEndian.AppendUint16(h, zipVersion)
	h = f.common(h)
	if f.large() {
		h = binary.LittleEndian.AppendUint16(h, local64Size)
		h = append(h, f.name...)
		h = append(h, 1, 0, 16, 0)
		h = binary.LittleEndian.AppendUint64(h, uint64(f.size))
		h = binary.LittleEndian.AppendUint64(h, uint64(f.size))
	} else {
		h = append(h, 0, 0)
		h = append(h, f.name...)
	}
	if _, err := w.Write(h); err != nil || r == nil {
		return err
	}
	n, err := io.CopyN(w, r, f.size)
	if err == nil && n != f.size {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// common appends the fields that both headers of a file have, up to the length of
// its name.
func (f *zipFile) common(h []byte) []byte {
	size := uint32(math.MaxUint32)
	if !f.large() {
		size = uint32(f.size)
	}
	le := binary.LittleEndian
	h = le.AppendUint16(h, zipUTF8)
	h = le.AppendUint16(h, 0) // stored
	h = le.AppendUint16(h, 0) // midnight
	h = le.AppendUint16(h, zipDate)
	h = le.AppendUint32(h, f.crc)
	h = le.AppendUint32(h, size)
	h = le.AppendUint32(h, size)
	return le.AppendUint16(h, uint16(len(f.name)))
}

// writeDirectory writes what stands behind the files.
func (z *zipPlan) writeDirectory(w io.Writer) error {
	le := binary.LittleEndian
	start, directory := int64(0), int64(0)
	var h []byte
	for i := range z.files {
		f := &z.files[i]
		start = f.offset + localSize + int64(len(f.name)) + f.size
		if f.large() {
			start += local64Size
		}
		h = append(h[:0], "PK\x01\x02"...)
		h = le.AppendUint16(h, zipCreator)
		h = le.AppendUint16(h, zipVersion)
		h = f.common(h)
		extra := uint16(0)
		if f.central64() {
			extra = central64Size
		}
		h = le.AppendUint16(h, extra)
		h = append(h, 0, 0, 0, 0, 0, 0) // no comment, first disk, no text
		h = le.AppendUint32(h, f.attributes())
		h = le.AppendUint32(h, uint32(min(f.offset, math.MaxUint32)))
		h = append(h, f.name...)
		if extra > 0 {
			// Readers take from it only what the header marks; a size that fits there is
			// marked nonetheless by giving all three.
			le.PutUint32(h[20:], math.MaxUint32)
			le.PutUint32(h[24:], math.MaxUint32)
			le.PutUint32(h[42:], math.MaxUint32)
			h = append(h, 1, 0, 24, 0)
			h = le.AppendUint64(h, uint64(f.size))
			h = le.AppendUint64(h, uint64(f.size))
			h = le.AppendUint64(h, uint64(f.offset))
		}
		if _, err := w.Write(h); err != nil {
			return err
		}
		directory += int64(len(h))
	}
	h = h[:0]
	count := uint64(len(z.files))
	if z.end64(start, directory) {
		h = append(h, "PK\x06\x06"...)
		h = le.AppendUint64(h, 44)
		h = le.AppendUint16(h, zipCreator)
		h = le.AppendUint16(h, zipVersion)
		h = append(h, make([]byte, 8)...)
		h = le.AppendUint64(h, count)
		h = le.AppendUint64(h, count)
		h = le.AppendUint64(h, uint64(directory))
		h = le.AppendUint64(h, uint64(start))
		h = append(h, "PK\x06\x07\x00\x00\x00\x00"...)
		h = le.AppendUint64(h, uint64(start+directory))
		h = append(h, 1, 0, 0, 0)
	}
	h = append(h, "PK\x05\x06\x00\x00\x00\x00"...)
	h = le.AppendUint16(h, uint16(min(count, math.MaxUint16)))
	h = le.AppendUint16(h, uint16(min(count, math.MaxUint16)))
	h = le.AppendUint32(h, uint32(min(directory, math.MaxUint32)))
	h = le.AppendUint32(h, uint32(min(start, math.MaxUint32)))
	h = append(h, 0, 0)
	_, err := w.Write(h)
	return err
}

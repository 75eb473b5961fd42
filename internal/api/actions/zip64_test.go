package actions

import (
	"archive/zip"
	"context"
	"errors"
	"io"
	"math"
	"os"
	"testing"

	"github.com/cairn-ml/cairn"
)

// sparse keeps what is written to it without its long runs of zeros.
type sparse struct {
	at   []int64
	segs [][]byte
	n    int64
}

func (s *sparse) Write(p []byte) (int, error) {
	for _, b := range p {
		if b != 0 {
			s.at, s.segs = append(s.at, s.n), append(s.segs, append([]byte(nil), p...))
			break
		}
	}
	s.n += int64(len(p))
	return len(p), nil
}

func (s *sparse) ReadAt(p []byte, off int64) (int, error) {
	n := len(p)
	if left := s.n - off; int64(n) > left {
		n = int(max(left, 0))
	}
	clear(p[:n])
	for i, at := range s.at {
		for j, b := range s.segs[i] {
			if k := at + int64(j) - off; k >= 0 && k < int64(n) {
				p[k] = b
			}
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// zeros are blobs of zeros of the size that their digest stands for.
type zeros struct {
	Blobs
	sizes map[cairn.Digest]int64
}

type zeroBlob struct{ size, at int64 }

func (z *zeroBlob) Read(p []byte) (int, error) {
	if z.at >= z.size {
		return 0, io.EOF
	}
	n := min(int64(len(p)), z.size-z.at)
	clear(p[:n])
	z.at += n
	return int(n), nil
}
func (z *zeroBlob) Seek(off int64, whence int) (int64, error) {
	if whence != io.SeekStart {
		return 0, errors.ErrUnsupported
	}
	z.at = off
	return off, nil
}
func (*zeroBlob) Close() error { return nil }

func (z zeros) Get(_ context.Context, d cairn.Digest) (io.ReadSeekCloser, int64, error) {
	return &zeroBlob{size: z.sizes[d]}, z.sizes[d], nil
}

// TestZip64: files, offsets and numbers of files beyond what the first zips could
// say. Five gigabytes go through it: CAIRN_TEST_CLIENTS=1.
func TestZip64(t *testing.T) {
	if os.Getenv("CAIRN_TEST_CLIENTS") == "" {
		t.Skip("set CAIRN_TEST_CLIENTS=1 to pack five gigabytes")
	}
	b := zeros{sizes: map[cairn.Digest]int64{"big": math.MaxUint32 + 10, "small": 3, "none": 0}}
	s := &Service{o: Options{Blobs: b}}
	z := &zipPlan{files: []zipFile{
		{name: "a", mode: cairn.ModeFile, size: 3, digest: "small"}, {name: "big.bin", mode: cairn.ModeFile, size: math.MaxUint32 + 10, digest: "big"},
		{name: "behind/it", mode: cairn.ModeExec, size: 3, digest: "small"}, {name: "dir/", mode: cairn.ModeDir},
	}}
	var out sparse
	if err := s.writeZip(t.Context(), &out, z); err != nil {
		t.Fatal(err)
	}
	if out.n != z.size() {
		t.Errorf("%d bytes, announced were %d", out.n, z.size())
	}
	r, err := zip.NewReader(&out, out.n)
	if err != nil {
		t.Fatal(err)
	}
	if f := r.File[1]; f.UncompressedSize64 != math.MaxUint32+10 {
		t.Errorf("%+v", f.FileHeader)
	}
	f, err := r.File[2].Open()
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(f); err != nil || len(b) != 3 {
		t.Errorf("%v %v", b, err)
	}
}

// TestZipOfManyFiles: more files than 16 bits count.
func TestZipOfManyFiles(t *testing.T) {
	t.Parallel()
	s := &Service{o: Options{Blobs: zeros{sizes: map[cairn.Digest]int64{"none": 0}}}}
	z := &zipPlan{}
	for i := range 70_000 {
		z.files = append(z.files, zipFile{name: string(rune('a'+i%26)) + "/" + string(rune(0x4e00+i)), mode: cairn.ModeFile, digest: "none"})
	}
	var out writerAt
	if err := s.writeZip(t.Context(), &out, z); err != nil {
		t.Fatal(err)
	}
	if int64(len(out)) != z.size() {
		t.Errorf("%d bytes, announced were %d", len(out), z.size())
	}
	r, err := zip.NewReader(&out, int64(len(out)))
	if err != nil || len(r.File) != 70_000 {
		t.Fatalf("%v", err)
	}
}

type writerAt []byte

func (w *writerAt) Write(p []byte) (int, error) {
	*w = append(*w, p...)
	return len(p), nil
}

func (w *writerAt) ReadAt(p []byte, off int64) (int, error) {
	n := copy(p, (*w)[min(off, int64(len(*w))):])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

package cas_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/cairn-ml/cairn/internal/cas"
)

const smallFiles = 2000

func folder(b *testing.B) string {
	dir := b.TempDir()
	files := map[string]string{}
	for i := range smallFiles {
		files[fmt.Sprintf("class%d/%04d.png", i%10, i)] = fmt.Sprintf("%04d%s", i, bytes.Repeat([]byte("x"), 1500))
	}
	write(b, dir, files)
	return dir
}

// BenchmarkCheckIn stores 2,000 files of 1.5 kB that are new each time.
func BenchmarkCheckIn(b *testing.B) {
	dir := folder(b)
	for b.Loop() {
		b.StopTimer()
		s, _ := open(b, cas.Options{})
		b.StartTimer()
		if _, err := s.CheckIn(b.Context(), dir, cas.ScanOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(smallFiles*float64(b.N)/b.Elapsed().Seconds(), "files/s")
}

// BenchmarkCheckInAgain finds all of them stored.
func BenchmarkCheckInAgain(b *testing.B) {
	dir := folder(b)
	s, _ := open(b, cas.Options{})
	for b.Loop() {
		if _, err := s.CheckIn(b.Context(), dir, cas.ScanOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(smallFiles*float64(b.N)/b.Elapsed().Seconds(), "files/s")
}

func BenchmarkCheckOut(b *testing.B) {
	s, _ := open(b, cas.Options{})
	in, err := s.CheckIn(b.Context(), folder(b), cas.ScanOptions{})
	must(b, err)
	base := b.TempDir()
	for i := 0; b.Loop(); i++ {
		if _, err := s.CheckOut(b.Context(), in.Root, filepath.Join(base, fmt.Sprint(i)), cas.CheckOutOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(smallFiles*float64(b.N)/b.Elapsed().Seconds(), "files/s")
}

// BenchmarkPut64MiB stores one large blob, new each time.
func BenchmarkPut64MiB(b *testing.B) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 4<<20)
	b.SetBytes(int64(len(content)))
	s, _ := open(b, cas.Options{})
	for i := 0; b.Loop(); i++ {
		copy(content, fmt.Sprintf("%016d", i))
		if _, err := s.PutBytes(b.Context(), content); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPutSmall(b *testing.B) {
	s, _ := open(b, cas.Options{})
	for i := 0; b.Loop(); i++ {
		if _, err := s.PutBytes(b.Context(), fmt.Appendf(nil, "small %d", i)); err != nil {
			b.Fatal(err)
		}
	}
}

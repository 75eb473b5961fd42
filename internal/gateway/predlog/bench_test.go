package predlog

import (
	"context"
	"fmt"
	"testing"

	"github.com/cairn-ml/cairn"
)

// BenchmarkAppend is one prediction with 1 KiB of bodies, on the disk when it
// returns, from so many callers at once.
func BenchmarkAppend(b *testing.B) {
	for _, callers := range []int{1, 8, 64} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			w := open(b, b.TempDir())
			b.SetParallelism((callers + 1) / 2)
			b.RunParallel(func(pb *testing.PB) {
				p := sample(1)
				p.Request.Body, p.Response.Body = make([]byte, 900), make([]byte, 124)
				for pb.Next() {
					if _, err := w.Append(context.Background(), p); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkList is the newest 50 of 20,000.
func BenchmarkList(b *testing.B) {
	dir := b.TempDir()
	w := open(b, dir)
	p := sample(1)
	p.Async = true
	p.Request.Body = make([]byte, 900)
	for range 20_000 {
		add(b, w, p)
	}
	w.Close()
	for b.Loop() {
		if n := len(list(b, dir, cairn.PredictionFilter{}, false)); n != 50 {
			b.Fatal(n)
		}
	}
}

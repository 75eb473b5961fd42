package trace_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/store"
)

// BenchmarkWalkLinks follows one chain of ten versions and jobs in a home of
// 100,000 links: what a trace asks of the links.
func BenchmarkWalkLinks(b *testing.B) {
	ctx := context.Background()
	s, err := store.Open(ctx, store.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	const jobs = 25_000
	data := func(i int) cairn.Ref { return cairn.AssetRef(cairn.AssetData, "d", fmt.Sprint(i)) }
	for from := 0; from < jobs; from += 5000 {
		var ch cairn.Change
		for i := from; i < from+5000; i++ {
			j := cairn.JobRef(cairn.JobID(i))
			ch.Links = append(ch.Links,
				cairn.Link{From: j, Relation: cairn.RelPartOf, To: cairn.RunRef(cairn.RunID(i / 4))},
				cairn.Link{From: j, Relation: cairn.RelRan, To: cairn.CommitRef(fmt.Sprintf("%040x", i/100))},
				cairn.Link{From: j, Relation: cairn.RelUsed, To: data(i)},
				cairn.Link{From: j, Relation: cairn.RelMade, To: data(i + 1)})
		}
		if err := s.AddLinks(ctx, ch); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	for n := 0; b.Loop(); n++ {
		at := data(jobs - n%1000)
		for range 10 {
			made, err := s.LinksTo(ctx, at)
			if err != nil {
				b.Fatal(err)
			}
			var job cairn.Ref
			for _, l := range made {
				if l.Relation == cairn.RelMade {
					job = l.From
				}
			}
			used, err := s.LinksFrom(ctx, job)
			if err != nil || len(used) != 4 {
				b.Fatal(err, used)
			}
			at = data(jobs - n%1000 - 1)
		}
	}
}

package server

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
)

func TestKeyLocks(t *testing.T) {
	t.Parallel()
	var k keyLocks
	var inside [3]atomic.Int32
	var wg sync.WaitGroup
	for i := range 300 {
		wg.Go(func() {
			key := i % 3
			unlock, err := k.lock(t.Context(), string(rune('a'+key)))
			if err != nil {
				t.Error(err)
				return
			}
			if inside[key].Add(1) != 1 {
				t.Error("two hold the same lock")
			}
			inside[key].Add(-1)
			unlock()
		})
	}
	wg.Wait()
	if len(k.held) != 0 {
		t.Errorf("%d locks are left", len(k.held))
	}
	unlock, err := k.lock(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.lock(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	unlock()
}

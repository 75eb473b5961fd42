package follow_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/cairn-ml/cairn/internal/follow"
)

// BenchmarkDelivery is what a host waits for: the signature is checked, and the
// event is on the disk.
func BenchmarkDelivery(b *testing.B) {
	r := newRig(b)
	r.m.push("refs/heads/main", "a")
	h := r.addHooked("o/r", follow.Change{})
	n := 0
	for b.Loop() {
		n++
		if w := h.post("ping", fmt.Sprint(n), push("refs/heads/main", sha("a"), sha(fmt.Sprint(n)))); w.Code != http.StatusOK {
			b.Fatal(w.Code, w.Body)
		}
	}
}

// BenchmarkLook is a look at a thousand refs of which none moved, without git.
func BenchmarkLook(b *testing.B) {
	r := newRig(b)
	r.m.push("refs/heads/main", "a")
	for i := range 1000 {
		r.m.push(fmt.Sprintf("refs/heads/b%d", i), "a")
	}
	r.add("https://git.example/o/r", follow.Change{})
	for b.Loop() {
		if got := r.sync("o/r"); len(got.Moves) != 0 {
			b.Fatal(got)
		}
	}
}

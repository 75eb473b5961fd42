package oci_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestLongLabels: megabytes of labels do not come into every row, event and list.
func TestLongLabels(t *testing.T) {
	t.Parallel()
	h := open(t)
	labels := map[string]string{"org.opencontainers.image.revision": sha, "a": strings.Repeat("ä", 100_000)}
	for i := range 1000 {
		labels[fmt.Sprintf("z%04d", i)] = strings.Repeat("x", 1000)
	}
	img := h.push(h.image(labels, map[string]string{"x": "x"}), "api", "v1")
	size := 0
	for k, v := range img.Labels {
		size += len(k) + len(v)
	}
	if size > 70_000 || size < 50_000 || img.Commit != sha || !strings.HasSuffix(img.Labels["a"], "ä…") {
		t.Errorf("%d bytes of labels, %d labels, commit %q", size, len(img.Labels), img.Commit)
	}
}

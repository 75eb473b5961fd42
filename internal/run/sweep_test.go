package run_test

import (
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
)

// TestSweepFault: a search that cannot be carried out fails, and says why.
func TestSweepFault(t *testing.T) {
	t.Parallel()
	x := taskBench(t, nil, scoreOf)
	n := sweepNode(3, 0)
	n.Sweep.Algorithm = "grid"
	got := x.ended(x.submit(planOf(n), submitted("fault")).ID)
	row := jobOf(got, "search")
	if row.Conclusion != cairn.Failure || !strings.Contains(row.Reason, "search_space.x: randint cannot be searched with sampling_algorithm: grid") || len(got.Jobs) != 1 {
		t.Errorf("%s: %s, %d jobs", row.Conclusion, row.Reason, len(got.Jobs))
	}
}

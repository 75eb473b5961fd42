package job

import (
	"fmt"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/live"
	"github.com/cairn-ml/cairn/internal/cli/term"
)

// tally counts jobs by where they stand.
type tally struct {
	total, waiting, running, done, reused, failed, skipped, cancelled int
	start, end                                                        time.Time
	tolerated                                                         int
}

func (t *tally) add(j *live.Job) {
	t.total++
	switch {
	case j.Status == cairn.StatusRunning:
		t.running++
	case j.Status != cairn.StatusCompleted:
		t.waiting++
	case j.Conclusion == cairn.Success && reused(j):
		t.reused++
		t.done++
	case j.Conclusion == cairn.Success:
		t.done++
	case j.Conclusion == cairn.Skipped:
		t.skipped++
	case j.Conclusion == cairn.Cancelled:
		t.cancelled++
	default:
		t.failed++
		if j.Tolerated {
			t.tolerated++
		}
	}
	if !j.StartedAt.IsZero() && (t.start.IsZero() || j.StartedAt.Before(t.start)) {
		t.start = j.StartedAt
	}
	if j.FinishedAt.After(t.end) {
		t.end = j.FinishedAt
	}
}

func (t *tally) took(now time.Time) time.Duration {
	switch {
	case t.start.IsZero():
		return 0
	case t.running > 0 || t.end.IsZero():
		return now.Sub(t.start)
	}
	return t.end.Sub(t.start)
}

func reused(j *live.Job) bool { return j.Task != nil && j.Task.From > 0 }

// count sums up a vertex and what lies below it. missing says that a leaf has no job yet.
func (v *vertex) count() (t tally, missing bool) {
	for _, j := range v.jobs {
		t.add(j)
	}
	if v.leaf() {
		return t, len(v.jobs) == 0
	}
	for _, b := range v.below {
		c, miss := b.count()
		t.join(c)
		missing = missing || miss
	}
	return t, missing
}

func (t *tally) join(o tally) {
	t.total += o.total
	t.waiting += o.waiting
	t.running += o.running
	t.done += o.done
	t.reused += o.reused
	t.failed += o.failed
	t.skipped += o.skipped
	t.cancelled += o.cancelled
	t.tolerated += o.tolerated
	if !o.start.IsZero() && (t.start.IsZero() || o.start.Before(t.start)) {
		t.start = o.start
	}
	if o.end.After(t.end) {
		t.end = o.end
	}
}

// settled reports whether nothing of the vertex is to come.
func (v *vertex) settled() bool {
	t, missing := v.count()
	return t.total > 0 && t.running == 0 && t.waiting == 0 && !(missing && t.failed+t.skipped+t.cancelled == 0)
}

// standing is where something with several jobs stands as a whole.
func (t *tally) standing(v *vertex, over bool) (cairn.Status, cairn.Conclusion, string) {
	settled := over || v.settled()
	switch {
	case t.running > 0 || !settled && t.done+t.failed > 0:
		return cairn.StatusRunning, "", "running"
	case !settled:
		return cairn.StatusBlocked, "", "waiting"
	case t.cancelled > 0 && (v.node.Sweep == nil || t.done == 0): // a sweep stops trials early
		return cairn.StatusCompleted, cairn.Cancelled, "cancelled"
	case t.failed > t.tolerated && (v.node.Sweep == nil || t.done == 0):
		return cairn.StatusCompleted, cairn.Failure, "failed"
	case t.done == 0 && t.failed == 0:
		return cairn.StatusCompleted, cairn.Skipped, "skipped"
	case t.reused == t.done && t.failed == 0:
		return cairn.StatusCompleted, cairn.Success, "reused"
	}
	return cairn.StatusCompleted, cairn.Success, "done"
}

// counts says how many of a sweep's trials, or of the items of a loop, are where.
func (t *tally) counts(sweep *cairn.Sweep) string {
	noun, total := "instance", t.total
	if sweep != nil {
		noun, total = "trial", max(t.total, sweep.MaxTrials)
	}
	ended := t.done + t.failed + t.skipped + t.cancelled
	parts := []string{fmt.Sprintf("%d of %s", ended, term.Count(int64(total), noun))}
	for _, c := range []struct {
		n    int
		word string
	}{{t.running, "running"}, {t.reused, "reused"}, {t.failed, "failed"}, {t.cancelled, "stopped early"}} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.word))
		}
	}
	return strings.Join(parts, ", ")
}

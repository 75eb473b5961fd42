package run

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/sweep"
)

const (
	// scoresEvery is how often running trials are looked at, and how soon a reading that
	// failed is tried again.
	scoresEvery = time.Second
	// scoreTries is how often what a trial logged is tried once it has ended.
	scoreTries = 10
	// scorePage is how many points are in memory at once.
	scorePage = 10_000
	// noScore begins the reason of a trial whose series could not be read.
	noScore = "no score: "
)

// reading is how far the series of one trial was read.
type reading struct {
	kept  []cairn.Score
	after *cairn.Metric // the last point that was taken in
	// whole says that it was begun after the trial had ended: it misses nothing. One of a
	// running trial misses points that were written late under an earlier time.
	whole  bool
	failed int // tries in a row
	at     time.Time
}

// pollScores reads what trials logged: of running ones what is new, now and then; of ended
// ones everything, once.
func (e *Engine) pollScores(ctx context.Context, a *active, now time.Time) {
	if !a.hasSweeps() {
		return
	}
	var paths []string
	for path, j := range a.state.Jobs {
		if a.sweeps[j.Node] == nil || j.Call || j.Task == nil || j.Task.Scored {
			continue
		}
		if j.Status == cairn.StatusCompleted || j.Status == cairn.StatusRunning && j.Task.Tracking != "" && e.o.Scores != nil {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	for _, path := range paths {
		j := a.state.Jobs[path]
		ended := j.Status == cairn.StatusCompleted
		if ended && (j.Task.Tracking == "" || e.o.Scores == nil) {
			a.score(path, nil, true)
			continue
		}
		own := a.state.Jobs[path[:max(strings.LastIndexByte(path, '['), 0)]] // the row of the sweep
		stopping := own != nil && !own.CancelAt.IsZero()
		r := a.readings[path]
		switch {
		case r == nil:
			r = &reading{whole: ended}
		case ended && !r.whole:
			r = &reading{whole: true}
		}
		if soon := now.Sub(r.at) < scoresEvery/2; soon && (!ended || r.failed > 0 && !stopping) {
			continue
		}
		a.readings[path], r.at = r, now
		err := e.read(ctx, r, a.sweeps[j.Node], j.Task.Tracking)
		switch {
		case err == nil:
			r.failed = 0
			a.score(path, r.kept, ended)
		case ctx.Err() != nil:
			return
		default:
			e.complain(ctx, "reading what a trial logged", err, "run", a.id, "job", path)
			if r.failed++; ended && (stopping || r.failed >= scoreTries) {
				e.log.Error("a trial has no score: what it logged could not be read", "run", a.id, "job", path, "tries", r.failed)
				a.state.Edit(path, func(j *cairn.Job) {
					if j.Reason == "" {
						j.Reason = clip(noScore+err.Error(), maxReason)
					}
				})
				a.score(path, nil, true)
			}
		}
		if a.state.Jobs[path].Task.Scored {
			delete(a.readings, path)
		}
	}
}

// read takes in what is new of a series.
func (e *Engine) read(ctx context.Context, r *reading, w *cairn.Sweep, tracking string) error {
	for {
		points, err := e.o.Scores.MetricHistory(ctx, tracking, w.Metric, r.after, scorePage)
		if err != nil {
			return err
		}
		for _, p := range points {
			if !p.NaN {
				r.kept = sweep.Log(w, r.kept, p.Step, p.Value)
			}
		}
		if len(points) > 0 {
			r.after = &points[len(points)-1]
		}
		if len(points) < scorePage {
			return nil
		}
	}
}

// hasSweeps looks once for the sweeps of the plan.
func (a *active) hasSweeps() bool {
	if a.sweeps == nil {
		a.sweeps, a.readings = map[string]*cairn.Sweep{}, map[string]*reading{}
		a.plan.Walk(func(path string, n *cairn.Node) {
			if n.Sweep != nil {
				a.sweeps[path] = n.Sweep
			}
		})
	}
	return len(a.sweeps) > 0
}

// score takes over what is known of a trial's series, where that is news.
func (a *active) score(path string, kept []cairn.Score, last bool) {
	old := a.state.Jobs[path].Task
	if !last && newest(kept) <= newest(old.Scores) {
		return
	}
	a.state.Edit(path, func(j *cairn.Job) {
		t := *j.Task
		if len(kept) > 0 {
			t.Scores = slices.Clone(kept) // the reading goes on with its own
		}
		t.Scored = last
		j.Task = &t
	})
}

// newest is how many points a series has.
func newest(kept []cairn.Score) int {
	if len(kept) == 0 {
		return 0
	}
	return kept[len(kept)-1].Points
}

package store

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/cairn-ml/cairn"
	"pgregory.net/rapid"
)

func trackStore(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mlRun(t testing.TB, s *Store, id string) {
	t.Helper()
	if _, err := s.Experiment(t.Context(), "0"); err != nil {
		if _, err := s.CreateExperiment(t.Context(), cairn.Experiment{ID: "0", Name: "Default"}, cairn.Change{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.CreateMLRun(t.Context(), cairn.MLRun{ID: id, Experiment: "0", Status: cairn.MLRunning}, cairn.Change{}); err != nil {
		t.Fatal(err)
	}
}

// The process ends between the two databases: the points are there, the latest
// ones are not. The next start brings them up to date; nothing is there twice.
func TestMetricsSurviveTheGapBetweenDatabases(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	dir := t.TempDir()
	s := trackStore(t, dir)
	mlRun(t, s, "r")
	if err := s.LogMetrics(ctx, "r", []cairn.Metric{{Key: "a", Value: 1, Step: 1}, {Key: "b", Value: 9, Step: 1}}); err != nil {
		t.Fatal(err)
	}
	points := []cairn.Metric{{Key: "a", Value: 2, Step: 2, Model: "m-1", Dataset: "d"}, {Key: "b", Value: 3, Step: 0}}
	if _, err := s.metrics.append(ctx, "r", points); err != nil { // and no more
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	for range 2 { // a second start has nothing left to do
		s = trackStore(t, dir)
		if err := s.RecoverMetrics(ctx); err != nil {
			t.Fatal(err)
		}
		if err := s.LogMetrics(ctx, "r", points); err != nil { // the client sends it again
			t.Fatal(err)
		}
		r, err := s.MLRun(ctx, "r")
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Metrics) != 2 || r.Metrics[0].Value != 2 || r.Metrics[1].Value != 9 {
			t.Errorf("latest: %+v", r.Metrics)
		}
		h, err := s.MetricHistory(ctx, "r", "a", nil, 10)
		if err != nil || len(h) != 2 {
			t.Errorf("history: %+v %v", h, err)
		}
		var n int
		if err := s.reads.QueryRowContext(ctx, `SELECT COUNT(*) FROM ml_logged_metrics WHERE model = 'm-1' AND value = 2`).Scan(&n); err != nil || n != 1 {
			t.Errorf("metrics of the logged model: %d %v", n, err)
		}
		if err := s.RecoverMetrics(ctx); err != nil {
			t.Fatal(err)
		}
		if err := s.metrics.reads.QueryRowContext(ctx, `SELECT COUNT(*) FROM pending`).Scan(&n); err != nil || n != 0 {
			t.Errorf("%d pending rows are left, %v", n, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Whatever is logged, in whatever order and however often: the history is the
// set of points, the latest is its maximum by step, time and value.
func TestMetricsAreASet(t *testing.T) {
	t.Parallel()
	s := trackStore(t, t.TempDir())
	t.Cleanup(func() { s.Close() })
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		run := fmt.Sprintf("run%d", n)
		mlRun(t, s, run)
		points := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) cairn.Metric {
			return cairn.Metric{Key: "k", Step: rapid.Int64Range(-2, 2).Draw(rt, "step"), Timestamp: rapid.Int64Range(0, 3).Draw(rt, "time"),
				Value: float64(rapid.IntRange(-1, 1).Draw(rt, "value")), NaN: false}
		}), 1, 20).Draw(rt, "points")
		for i := 0; i < len(points); {
			k := min(len(points)-i, rapid.IntRange(1, 4).Draw(rt, "batch"))
			if err := s.LogMetrics(context.Background(), run, points[i:i+k]); err != nil {
				rt.Fatal(err)
			}
			i += k
		}
		want := map[cairn.Metric]bool{}
		latest := points[0]
		for _, p := range points {
			want[p] = true
			if p.Newer(latest) {
				latest = p
			}
		}
		var got []cairn.Metric
		var after *cairn.Metric
		for {
			page, err := s.MetricHistory(context.Background(), run, "k", after, 3)
			if err != nil {
				rt.Fatal(err)
			}
			if got = append(got, page...); len(page) < 3 {
				break
			}
			after = &page[2]
		}
		if len(got) != len(want) || !slices.IsSortedFunc(got, func(a, b cairn.Metric) int { return int(a.Timestamp - b.Timestamp) }) {
			rt.Fatalf("history %v of %v", got, points)
		}
		for _, p := range got {
			if !want[p] {
				rt.Fatalf("%v was never logged", p)
			}
		}
		r, err := s.MLRun(context.Background(), run)
		if err != nil || len(r.Metrics) != 1 || r.Metrics[0] != latest {
			rt.Fatalf("latest %v, want %v (%v)", r.Metrics, latest, err)
		}
	})
}

func TestEventsOfTracking(t *testing.T) {
	t.Parallel()
	s := trackStore(t, t.TempDir())
	t.Cleanup(func() { s.Close() })
	mlRun(t, s, "r")
	ch := cairn.Change{By: "ana", Events: []cairn.Event{{Run: 5, Kind: cairn.EvMLRun, Subject: "mlrun/r"}}}
	if _, err := s.SaveMLRun(t.Context(), "r", func(r *cairn.MLRun) error { r.Status = cairn.MLFinished; return nil }, ch); err != nil {
		t.Fatal(err)
	}
	es, err := s.Events(t.Context(), 5, 0, 0)
	if err != nil || len(es) != 1 || es[0].By != "ana" || len(es[0].Data) == 0 {
		t.Errorf("%+v %v", es, err)
	}
}

func BenchmarkLogMetric(b *testing.B) {
	s := trackStore(b, b.TempDir())
	defer s.Close()
	mlRun(b, s, "r")
	var i int64
	for b.Loop() {
		i++
		if err := s.LogMetrics(b.Context(), "r", []cairn.Metric{{Key: "loss", Value: 1 / float64(i), Step: i, Timestamp: i}}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLogMetricParallel(b *testing.B) {
	s := trackStore(b, b.TempDir())
	defer s.Close()
	mlRun(b, s, "r")
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for i := int64(0); pb.Next(); i++ {
			if err := s.LogMetrics(b.Context(), "r", []cairn.Metric{{Key: "loss", Value: float64(i), Step: i, Timestamp: i}}); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkLogBatch1000(b *testing.B) {
	s := trackStore(b, b.TempDir())
	defer s.Close()
	mlRun(b, s, "r")
	var step int64
	for b.Loop() {
		step++
		points := make([]cairn.Metric, 1000)
		for i := range points {
			points[i] = cairn.Metric{Key: fmt.Sprintf("k%d", i%10), Value: float64(i), Step: step*100 + int64(i/10), Timestamp: step}
		}
		if err := s.LogMetrics(b.Context(), "r", points); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(1000*float64(b.N)/b.Elapsed().Seconds(), "points/s")
}

func BenchmarkGetRun(b *testing.B) {
	s := trackStore(b, b.TempDir())
	defer s.Close()
	mlRun(b, s, "r")
	for i := range int64(20) {
		points := make([]cairn.Metric, 1000)
		for k := range points {
			points[k] = cairn.Metric{Key: fmt.Sprintf("k%d", k%10), Value: float64(k), Step: i*100 + int64(k), Timestamp: i}
		}
		if err := s.LogMetrics(b.Context(), "r", points); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if _, err := s.MLRun(b.Context(), "r"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHistory20k(b *testing.B) {
	s := trackStore(b, b.TempDir())
	defer s.Close()
	mlRun(b, s, "r")
	for i := range 20 {
		points := make([]cairn.Metric, 1000)
		for k := range points {
			n := int64(i*1000 + k)
			points[k] = cairn.Metric{Key: "loss", Value: 1 / float64(n+1), Step: n, Timestamp: n}
		}
		if err := s.LogMetrics(b.Context(), "r", points); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if h, err := s.MetricHistory(b.Context(), "r", "loss", nil, 25000); err != nil || len(h) != 20000 {
			b.Fatal(len(h), err)
		}
	}
}

// BenchmarkSearchByMetric asks for the best 100 of 10,000 runs with 5 params, 5
// metrics and 4 tags each.
func BenchmarkSearchByMetric(b *testing.B) {
	s := trackStore(b, b.TempDir())
	defer s.Close()
	mlRun(b, s, "first")
	err := s.write(b.Context(), func(tx *Tx) error {
		for i := range 10_000 {
			id := fmt.Sprintf("%032x", i)
			if _, err := tx.Exec(`INSERT INTO ml_runs (`+runColumns+`) VALUES (?, 0, 'n', 'u', 'FINISHED', ?, 0, '', 0, 0, 0, '', 0, 0)`, id, i); err != nil {
				return err
			}
			for k := range 5 {
				if _, err := tx.Exec(`INSERT INTO ml_params (run, key, value) VALUES (?, ?, 'v')`, id, fmt.Sprintf("p%d", k)); err != nil {
					return err
				}
				if _, err := tx.Exec(`INSERT INTO ml_latest (run, key, step, timestamp, value) VALUES (?, ?, 0, 0, ?)`, id, fmt.Sprintf("m%d", k), float64(i*7919%10007)); err != nil {
					return err
				}
				if err := setMLTag(tx, id, fmt.Sprintf("t%d", k), "v"); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	for name, q := range map[string]cairn.TrackQuery{
		"newest":       {},
		"order":        {Order: []cairn.TrackOrder{{Subject: cairn.OfMetric, Key: "m0", Desc: true}}},
		"filter+order": {Where: []cairn.TrackCondition{{Subject: cairn.OfMetric, Key: "m1", Op: ">", Number: 9000, Numeric: true}, {Subject: cairn.OfParam, Key: "p0", Op: "=", Text: "v"}}, Order: []cairn.TrackOrder{{Subject: cairn.OfMetric, Key: "m0"}}},
	} {
		q.Experiments, q.Limit = []string{"0"}, 100
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if rs, err := s.SearchMLRuns(b.Context(), q); err != nil || len(rs) != 100 {
					b.Fatal(len(rs), err)
				}
			}
		})
	}
}

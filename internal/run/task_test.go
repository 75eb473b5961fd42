package run_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/run"
	"github.com/cairn-ml/cairn/internal/runner/fake"
)

func TestDataValues(t *testing.T) {
	t.Parallel()
	v := cairn.DataValue{Type: "folder", Digest: cairn.SumBytes([]byte("a")), Ref: "data/x:1"}
	got, ok := cairn.DecodeData(v.Encode())
	if !ok || got != v {
		t.Fatalf("%+v, %v", got, ok)
	}
	for _, bad := range []string{"", "data:", "data:{}", "data:[1]", "x", `data:{"type":"folder"}`} {
		if _, ok := cairn.DecodeData(bad); ok {
			t.Errorf("%q is taken for data", bad)
		}
	}
	list, ok := cairn.DecodeDataList(cairn.EncodeDataList([]string{"a", v.Encode()}))
	if !ok || len(list) != 2 || !strings.HasPrefix(list[1], "data:") {
		t.Fatalf("%v %v", list, ok)
	}
}

// tracked is a resolver that gives tasks a tracking run, and answers their scores.
type tracked struct {
	resolver
	mu     sync.Mutex
	scores func(trial string) []float64
	trials map[string]string // tracking run -> values
}

func (r *tracked) Task(_ context.Context, _ *cairn.Run, j *cairn.Job, t *cairn.TaskRun) (map[string]string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t.Tracking = "track-" + j.Path
	r.trials[t.Tracking] = string(t.Trial)
	return map[string]string{"MLFLOW_RUN_ID": t.Tracking}, nil
}

func (r *tracked) MetricHistory(_ context.Context, id, metric string, after *cairn.Metric, limit int) ([]cairn.Metric, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if metric != "accuracy" {
		return nil, nil
	}
	return page(r.scores(r.trials[id]), after, limit), nil
}

// page are the points that follow one, as the store answers them.
func page(values []float64, after *cairn.Metric, limit int) (out []cairn.Metric) {
	for i, v := range values {
		if at := int64(i + 1); (after == nil || at > after.Timestamp) && len(out) < limit {
			out = append(out, cairn.Metric{Timestamp: at, Step: at, Value: v})
		}
	}
	return out
}

// taskBench is a bench whose tasks may take earlier outputs.
func taskBench(t testing.TB, script func(cairn.JobSpec) fake.Outcome, scores func(string) []float64) *bench {
	t.Helper()
	x := &bench{t: t, store: openStore(t, t.TempDir()), backend: fake.New(fake.Options{Script: script})}
	r := &tracked{scores: scores, trials: map[string]string{}}
	x.engine = run.New(run.Options{Store: x.store, Backend: x.backend, Resolver: r, Results: x.store, Scores: r, Log: logger()})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		x.engine.Run(ctx)
	}()
	x.stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(func() {
		x.stop()
		x.store.Close()
	})
	return x
}

// task is a node that carries one out.
func task(id string, inputs map[string]string, needs ...string) cairn.Node {
	n := cairn.Node{ID: id, Kind: cairn.NodeJob, Needs: needs, Steps: []cairn.Step{{Uses: "cairn/task/run"}},
		Task: &cairn.Task{Kind: cairn.TaskCommand, Command: cairn.Str("do " + id), Reuse: true, Source: true}}
	for name, v := range inputs {
		n.Task.Inputs = append(n.Task.Inputs, cairn.TaskInput{Name: name, Type: "string", Value: cairn.Expr(v)})
	}
	return n
}

func submitted(name string) func(*run.Request) {
	return func(r *run.Request) { r.Submitted = &cairn.Submitted{Name: name, Type: "pipeline"} }
}

func TestReuse(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	ran := map[string]int{}
	x := taskBench(t, func(s cairn.JobSpec) fake.Outcome {
		mu.Lock()
		defer mu.Unlock()
		ran[s.Path]++
		return fake.Outcome{Outputs: map[string]string{"out": "made by " + s.Path}}
	}, nil)
	p := planOf(task("a", map[string]string{"n": "1"}), task("b", map[string]string{"from": "${{ needs.a.outputs.out }}"}, "a"))
	p.Outputs = []cairn.NamedValue{{Name: "all", Value: cairn.Expr("${{ jobs.b.outputs.out }}")}}
	first := x.ended(x.submit(p, submitted("one")).ID)
	if first.Run.Conclusion != cairn.Success || first.Run.Submitted.Outputs["all"] != "made by b" {
		t.Fatalf("first: %+v %v", first.Run.Submitted, first.Run.Reason)
	}
	second := x.ended(x.submit(p, submitted("two")).ID)
	b := jobOf(second, "b")
	if second.Run.Conclusion != cairn.Success || b.Task.From != jobOf(first, "b").ID || b.Outputs["out"] != "made by b" || b.Epoch != 0 {
		t.Fatalf("second: %s, %+v", second.Run.Conclusion, b)
	}
	// Another input of a: both run, since b reads what a made; b made the same before, and
	// takes that.
	p.Nodes[0].Task.Inputs[0].Value = cairn.Str("2")
	third := x.ended(x.submit(p, submitted("three")).ID)
	if jobOf(third, "a").Task.From != 0 || jobOf(third, "b").Task.From == 0 {
		t.Errorf("third: %+v %+v", jobOf(third, "a").Task, jobOf(third, "b").Task)
	}
	p.Nodes[1].Task.Reuse, p.Nodes[1].Task.Source = false, false
	fourth := x.ended(x.submit(p, submitted("four")).ID)
	if jobOf(fourth, "b").Task.From != 0 {
		t.Errorf("fourth took what it may not: %+v", jobOf(fourth, "b").Task)
	}
	mu.Lock()
	defer mu.Unlock()
	if ran["a"] != 2 || ran["b"] != 2 {
		t.Errorf("ran %v", ran)
	}
}

func TestStopOnFailure(t *testing.T) {
	t.Parallel()
	x := taskBench(t, func(s cairn.JobSpec) fake.Outcome {
		switch s.Path {
		case "bad":
			return fake.Outcome{Conclusion: cairn.Failure}
		case "long":
			return fake.Outcome{Hold: true}
		}
		return fake.Outcome{}
	}, nil)
	p := planOf(task("bad", nil), task("long", nil), task("after", nil, "long"))
	p.StopOnFailure = true
	got := x.ended(x.submit(p, submitted("stop")).ID)
	if got.Run.Conclusion != cairn.Failure || jobOf(got, "long").Conclusion != cairn.Cancelled || jobOf(got, "after").Conclusion != cairn.Cancelled {
		t.Errorf("%s: %v", got.Run.Conclusion, got.Jobs)
	}
}

func sweepNode(trials, parallel int) cairn.Node {
	n := task("search", nil)
	n.Sweep = &cairn.Sweep{Algorithm: "random", Seed: 3, Goal: "maximize", Metric: "accuracy", MaxTrials: trials, MaxConcurrent: parallel,
		Space: []cairn.Range{{Name: "x", Type: "randint", Upper: 1000}}}
	return n
}

// scoreOf makes the trial's own value its score.
func scoreOf(trial string) []float64 {
	n, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimPrefix(trial, `{"x":`), "}"), 64)
	return []float64{n / 2, n}
}

func TestSweep(t *testing.T) {
	t.Parallel()
	x := taskBench(t, func(s cairn.JobSpec) fake.Outcome {
		if s.Path == "search[2]" {
			return fake.Outcome{Conclusion: cairn.Failure, Reason: "boom"}
		}
		return fake.Outcome{Outputs: map[string]string{"model": "of " + s.Path}}
	}, scoreOf)
	p := planOf(sweepNode(12, 3), task("use", map[string]string{"m": "${{ needs.search.outputs.model }}"}, "search"))
	got := x.ended(x.submit(p, submitted("sweep")).ID)
	row := jobOf(got, "search")
	if got.Run.Conclusion != cairn.Success || row.Conclusion != cairn.Success {
		t.Fatalf("%s: %s %s", got.Run.Conclusion, row.Conclusion, row.Reason)
	}
	best, bestPath, trials := -1.0, "", 0
	for _, j := range got.Jobs {
		if !strings.HasPrefix(j.Path, "search[") {
			continue
		}
		trials++
		if s := scoreOf(string(j.Task.Trial)); j.Conclusion == cairn.Success && s[1] > best {
			best, bestPath = s[1], j.Path
		}
		if !j.Task.Scored {
			t.Errorf("%s was not scored", j.Path)
		}
	}
	if trials != 12 || row.Outputs["model"] != "of "+bestPath || !jobOf(got, bestPath).Task.Best {
		t.Errorf("%d trials, best %s (%g); the row has %v: %s", trials, bestPath, best, row.Outputs, row.Reason)
	}
	if use := jobOf(got, "use"); use.Conclusion != cairn.Success {
		t.Errorf("use: %s", use.Reason)
	}
	// The same search again takes the outputs of each trial that had any.
	again := x.ended(x.submit(p, submitted("again")).ID)
	if j := jobOf(again, bestPath); j.Task.From == 0 {
		t.Errorf("%s ran again", bestPath)
	}
}

func TestSweepWithoutMetric(t *testing.T) {
	t.Parallel()
	x := taskBench(t, nil, func(string) []float64 { return nil })
	got := x.ended(x.submit(planOf(sweepNode(3, 0)), submitted("none")).ID)
	if row := jobOf(got, "search"); row.Conclusion != cairn.Failure || !strings.Contains(row.Reason, "none logged the metric accuracy") {
		t.Errorf("%s: %s", row.Conclusion, row.Reason)
	}
}

func TestSweepStopsEarly(t *testing.T) {
	t.Parallel()
	x := taskBench(t, func(s cairn.JobSpec) fake.Outcome {
		if s.Path == "search[1]" {
			return fake.Outcome{}
		}
		return fake.Outcome{Hold: true} // until the policy ends it
	}, scoreOf)
	n := sweepNode(4, 4)
	n.Sweep.Stop = &cairn.EarlyStop{Type: "bandit", Slack: 0.0001, Interval: 1}
	n.Sweep.Space = []cairn.Range{{Name: "x", Type: "choice", Values: nil}}
	n.Sweep.Algorithm = "grid"
	for _, v := range []string{"900", "1", "2", "3"} {
		n.Sweep.Space[0].Values = append(n.Sweep.Space[0].Values, []byte(v))
	}
	got := x.ended(x.submit(planOf(n), submitted("early")).ID)
	if got.Run.Conclusion != cairn.Success {
		t.Fatalf("%s: %s", got.Run.Conclusion, jobOf(got, "search").Reason)
	}
	for i := 2; i <= 4; i++ {
		if j := jobOf(got, fmt.Sprintf("search[%d]", i)); j.Conclusion != cairn.Cancelled || !strings.HasPrefix(j.Reason, "bandit: ") {
			t.Errorf("%s: %s %s", j.Path, j.Conclusion, j.Reason)
		}
	}
}

func TestLoop(t *testing.T) {
	t.Parallel()
	x := taskBench(t, func(s cairn.JobSpec) fake.Outcome {
		n, _ := strconv.Atoi(s.Task.Values[0].Text)
		return fake.Outcome{Outputs: map[string]string{"next": strconv.Itoa(n + 1), "again": strconv.FormatBool(n+1 < 4)}}
	}, nil)
	body := task("body", map[string]string{"n": "${{ inputs.n }}"})
	loop := cairn.Node{ID: "body", Kind: cairn.NodeLoop, Body: []cairn.Node{body},
		With: []cairn.NamedValue{{Name: "n", Value: cairn.Str("1")}}, BodyInputs: []cairn.InputDecl{{Name: "n", Type: "string"}},
		Loop:    &cairn.Loop{Condition: "again", Mapping: []cairn.LoopMap{{Output: "next", Inputs: []string{"n"}}}, Max: 10},
		Outputs: []cairn.NamedValue{{Name: "next", Value: cairn.Expr("${{ jobs.body.outputs.next }}")}, {Name: "again", Value: cairn.Expr("${{ jobs.body.outputs.again }}")}}}
	p := planOf(loop, task("after", map[string]string{"n": "${{ needs.body.outputs.next }}"}, "body"))
	got := x.ended(x.submit(p, submitted("loop")).ID)
	if got.Run.Conclusion != cairn.Success {
		t.Fatalf("%s %v", got.Run.Conclusion, got.Jobs)
	}
	if row := jobOf(got, "body"); row.Outputs["next"] != "4" || !strings.HasPrefix(row.Reason, "after 3 rounds") {
		t.Errorf("%v: %s", row.Outputs, row.Reason)
	}
	if j := jobOf(got, "body[3]/body"); j.Conclusion != cairn.Success {
		t.Errorf("third round: %+v", j)
	}
	loop.Loop.Max = 2
	most := x.ended(x.submit(planOf(loop), submitted("most")).ID)
	if row := jobOf(most, "body"); most.Run.Conclusion != cairn.Success || !strings.Contains(row.Reason, "the most that the loop allows") {
		t.Errorf("%s: %s", most.Run.Conclusion, row.Reason)
	}
}

func TestCollect(t *testing.T) {
	t.Parallel()
	x := taskBench(t, func(s cairn.JobSpec) fake.Outcome {
		if s.Path == "sum" {
			return fake.Outcome{Outputs: map[string]string{"got": s.Task.Values[0].Text}}
		}
		return fake.Outcome{Outputs: map[string]string{"out": s.Task.Values[0].Text}}
	}, nil)
	many := task("many", map[string]string{"n": "${{ matrix.item }}"})
	many.Collect = true
	many.Strategy = &cairn.Strategy{Matrix: cairn.Template{Kind: cairn.TemplateMap, Pairs: []cairn.TemplateField{{Key: cairn.Str("item"),
		Value: cairn.Template{Kind: cairn.TemplateSeq, Items: []cairn.Template{cairn.Str("x"), cairn.Str("y")}}}}}}
	got := x.ended(x.submit(planOf(many, task("sum", map[string]string{"all": "${{ needs.many.outputs.out }}"}, "many")), submitted("collect")).ID)
	if j := jobOf(got, "sum"); j.Outputs["got"] != cairn.EncodeDataList([]string{"x", "y"}) {
		t.Errorf("%v %s", j.Outputs, j.Reason)
	}
}

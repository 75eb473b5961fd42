package run_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/run"
	"pgregory.net/rapid"
)

var conditions = []string{
	"", "", "", "", "success()", "always()", "failure()", "cancelled()", "!cancelled()", "always() && true",
	"success() || failure()", "github.ref == 'refs/heads/main'", "false", "nonsense.of.all", "fromJSON('{')",
}

// genNodes draws the nodes of one level.
func genNodes(t *rapid.T, depth int) []cairn.Node {
	n := rapid.IntRange(1, 6-2*depth).Draw(t, "nodes")
	var nodes []cairn.Node
	for i := range n {
		x := node(fmt.Sprintf("n%d", i))
		for k := range i {
			if rapid.IntRange(0, 2).Draw(t, "need") == 0 {
				x.Needs = append(x.Needs, fmt.Sprintf("n%d", k))
			}
		}
		x.If = rapid.SampledFrom(conditions).Draw(t, "if")
		if len(x.Needs) > 0 && rapid.IntRange(0, 3).Draw(t, "asks") == 0 {
			x.If = fmt.Sprintf("always() && needs.%s.result == 'success'", x.Needs[0])
		}
		if rapid.IntRange(0, 4).Draw(t, "tolerant") == 0 {
			x.ContinueOnError = cairn.Template{Kind: cairn.TemplateBool, Bool: true}
		}
		if rapid.IntRange(0, 2).Draw(t, "many") == 0 {
			x.Strategy = genStrategy(t)
		}
		if rapid.IntRange(0, 9).Draw(t, "grouped") == 0 {
			x.Concurrency = genConcurrency(t)
		}
		if rapid.IntRange(0, 15).Draw(t, "broken") == 0 {
			x.RunsOn = cairn.Expr("${{ nothing.here }}")
		}
		if depth < 2 && rapid.IntRange(0, 4).Draw(t, "call") == 0 {
			x.Kind, x.Steps, x.RunsOn, x.ContinueOnError, x.Concurrency = cairn.NodeCall, nil, cairn.Template{}, cairn.Template{}, nil
			if rapid.IntRange(0, 3).Draw(t, "grouped call") == 0 {
				x.Concurrency = genConcurrency(t)
			}
			if rapid.IntRange(0, 3).Draw(t, "grouped body") == 0 {
				x.BodyConcurrency = genConcurrency(t)
			}
			x.Body = genNodes(t, depth+1)
			x.Outputs = []cairn.NamedValue{{Name: "o", Value: cairn.Expr("${{ jobs.n0.outputs.o }}")}}
		}
		nodes = append(nodes, x)
	}
	if rapid.Bool().Draw(t, "reversed") { // needs may point forward in the file
		slices.Reverse(nodes)
	}
	return nodes
}

func genConcurrency(t *rapid.T) *cairn.Concurrency {
	c := &cairn.Concurrency{Group: cairn.Str(rapid.SampledFrom([]string{"g", "G", "h"}).Draw(t, "group"))}
	if rapid.Bool().Draw(t, "max") {
		c.Queue = cairn.QueueMax
	} else {
		c.CancelInProgress = cairn.Template{Kind: cairn.TemplateBool, Bool: rapid.Bool().Draw(t, "oust")}
	}
	return c
}

func genStrategy(t *rapid.T) *cairn.Strategy {
	var items []cairn.Template
	for i := range rapid.IntRange(1, 4).Draw(t, "legs") {
		items = append(items, cairn.Str(fmt.Sprint("v", i)))
	}
	s := &cairn.Strategy{Matrix: cairn.Template{Kind: cairn.TemplateMap, Pairs: []cairn.TemplateField{
		{Key: cairn.Str("v"), Value: cairn.Template{Kind: cairn.TemplateSeq, Items: items}},
	}}}
	if rapid.Bool().Draw(t, "slow") {
		s.MaxParallel = cairn.Template{Kind: cairn.TemplateNumber, Num: float64(rapid.IntRange(1, 3).Draw(t, "parallel"))}
	}
	if rapid.Bool().Draw(t, "patient") {
		s.FailFast = cairn.Template{Kind: cairn.TemplateBool}
	}
	return s
}

// Random plans with random outcomes end; every job ends exactly once, none
// starts twice or before its needs are done; neither slots nor max-parallel are
// overrun (see sim, which checks after every decision).
func TestDecideProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := newSim(t, planOf(genNodes(t, 0)...))
		s.slots = rapid.IntRange(1, 4).Draw(t, "slots")
		ended := map[string]cairn.Conclusion{}
		s.ends = func(path string) end {
			if _, twice := ended[path]; twice {
				t.Fatalf("%s ended twice", path)
			}
			e := end{
				conclusion: rapid.SampledFrom([]cairn.Conclusion{
					cairn.Success, cairn.Success, cairn.Success, cairn.Failure, cairn.TimedOut, cairn.Lost,
				}).Draw(t, "end of "+path),
				outputs: map[string]string{"o": path},
			}
			ended[path] = e.conclusion
			return e
		}
		s.choose = func(busy []string) string { return rapid.SampledFrom(busy).Draw(t, "next") }
		s.shuffle = func(acts []run.Action) []run.Action { return shuffled(t, acts) }
		cancelAt := rapid.IntRange(-10, 10).Draw(t, "cancel at")
		s.onStep = func(n int) {
			if n == cancelAt {
				s.state.Run.CancelBy = "ben"
			}
			if n == cancelAt+3 && rapid.Bool().Draw(t, "again") && s.state.Run.CancelBy != "" {
				s.state.Run.Forced = true
			}
			for path, c := range ended {
				if got := s.state.Jobs[path].Conclusion; got != c && got != cairn.Cancelled {
					t.Fatalf("%s ended with %s and is %s now", path, c, got)
				}
			}
		}
		s.run()
		for path, j := range s.state.Jobs {
			if j.Conclusion == cairn.Skipped && j.Reason == "" {
				t.Fatalf("%s was skipped for no reason", path)
			}
			if s.started[path] && j.Conclusion == cairn.Skipped {
				t.Fatalf("%s ran and was skipped", path)
			}
		}
	})
}

// shuffled changes the order of actions on different jobs; those on one job keep
// theirs, and so do those on no job.
func shuffled(t *rapid.T, acts []run.Action) []run.Action {
	var keys []string
	byKey := map[string][]run.Action{}
	for _, a := range acts {
		k := subject(a)
		if _, ok := byKey[k]; !ok {
			keys = append(keys, k)
		}
		byKey[k] = append(byKey[k], a)
	}
	var out []run.Action
	for _, k := range rapid.Permutation(keys).Draw(t, "order") {
		out = append(out, byKey[k]...)
	}
	return out
}

func subject(a run.Action) string {
	switch a := a.(type) {
	case run.CreateJob:
		return a.Path
	case run.Ready:
		return a.Path
	case run.AskGroup:
		return a.Path
	case run.Enter:
		return a.Path
	case run.Wait:
		return a.Path
	case run.Queue:
		return a.Path
	case run.Start:
		return a.Path
	case run.Cancel:
		return a.Path
	case run.Finish:
		return a.Path
	}
	return ""
}

// After a cancel nothing starts that does not ask for it.
func TestNothingStartsAfterCancel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := planOf(genNodes(t, 0)...)
		s := newSim(t, p)
		at := rapid.IntRange(0, 6).Draw(t, "cancel at")
		var before int
		s.onStep = func(n int) {
			if n == at {
				s.state.Run.CancelBy = "ben"
				before = len(s.started)
			}
		}
		s.run()
		if s.state.Run.CancelBy == "" || len(s.started) == before {
			return
		}
		for path := range s.started {
			asks := false
			p.Walk(func(nodePath string, n *cairn.Node) {
				if nodePath == s.state.Jobs[path].Node {
					asks = strings.Contains(n.If, "always()") || strings.Contains(n.If, "cancelled()")
				}
			})
			if s.state.Jobs[path].StartedAt.Sub(epoch0).Seconds() > float64(at+1) && !asks && strings.Count(path, "/") == 0 {
				t.Fatalf("%s was started after the cancel", path)
			}
		}
	})
}

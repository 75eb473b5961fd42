package job

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/live"
	"github.com/cairn-ml/cairn/internal/cli/term"
)

// vertex is a node of the plan with what the run made of it.
type vertex struct {
	path  string // plan path
	depth int
	needs []string // ids of siblings
	node  *cairn.Node
	below []*vertex
	jobs  []*live.Job // of a leaf, the oldest first
	loop  bool        // it, or what it lies in, goes round
}

// graph is a plan to be drawn: vertices in file order.
type graph struct{ top []*vertex }

func newGraph(p *cairn.Plan) *graph {
	var build func(prefix string, depth int, loop bool, ns []cairn.Node) []*vertex
	build = func(prefix string, depth int, loop bool, ns []cairn.Node) []*vertex {
		var out []*vertex
		for i := range ns {
			n := &ns[i]
			v := &vertex{path: prefix + n.ID, depth: depth, needs: n.Needs, node: n, loop: loop || n.Kind == cairn.NodeLoop}
			v.below = build(v.path+"/", depth+1, v.loop, n.Body)
			out = append(out, v)
		}
		return out
	}
	return &graph{top: build("", 0, false, p.Nodes)}
}

// only keeps one vertex and what lies below it.
func (g *graph) only(path string) {
	g.walk(func(v *vertex) {
		if v.path == path {
			g.top = []*vertex{v}
		}
	})
	if len(g.top) == 1 && g.top[0].depth > 0 {
		by := g.top[0].depth
		g.walk(func(v *vertex) { v.depth -= by })
	}
}

// fill hands each leaf its jobs.
func (g *graph) fill(jobs []*live.Job) {
	by := map[string][]*live.Job{}
	for _, j := range jobs {
		if !j.Call {
			by[j.Node] = append(by[j.Node], j)
		}
	}
	g.walk(func(v *vertex) { v.jobs = by[v.path] })
}

// walk visits vertices in the order of the plan, those above first.
func (g *graph) walk(visit func(*vertex)) {
	var rec func(vs []*vertex)
	rec = func(vs []*vertex) {
		for _, v := range vs {
			visit(v)
			rec(v.below)
		}
	}
	rec(g.top)
}

// leaf reports whether jobs of the run carry the vertex out.
func (v *vertex) leaf() bool { return v.node.Kind == cairn.NodeJob }

// newest is the job that stands for a leaf: of a loop that of the last round.
func (v *vertex) newest() *live.Job {
	if len(v.jobs) == 0 {
		return nil
	}
	return v.jobs[len(v.jobs)-1]
}

// painter draws a graph for one stream.
type painter struct {
	t   *term.Term
	s   term.Style
	now time.Time
	// over says that the run is completed: what has no job never starts.
	over bool
	// name answers the name of the job whose outputs were taken; last is what a job
	// said last. Both may be nil.
	name func(*live.Job) string
	last func(cairn.JobID) string
}

// lines draws the graph: one line for each node.
func (p painter) lines(g *graph) []string {
	width := 0
	g.walk(func(v *vertex) { width = max(width, 2*v.depth+term.VisibleWidth(term.Clean(v.node.ID))) })
	width = min(width, 40)
	var out []string
	var rec func(vs []*vertex)
	rec = func(vs []*vertex) {
		for _, v := range vs {
			name := strings.Repeat("  ", v.depth) + term.Clean(v.node.ID)
			name += strings.Repeat(" ", max(0, width-term.VisibleWidth(name)))
			sign, text := p.state(v, vs)
			out = append(out, strings.TrimRight(sign+" "+name+"  "+text, " "))
			rec(v.below)
		}
	}
	rec(g.top)
	return out
}

// state is the symbol of a vertex, and where it stands in words.
func (p painter) state(v *vertex, siblings []*vertex) (sign, text string) {
	switch {
	case v.leaf() && v.loop && len(v.jobs) > 1:
		sign, text = p.job(v.newest(), v, siblings)
		return sign, text + p.s.Dim(fmt.Sprintf("  round %d", len(v.jobs)))
	case v.leaf() && v.node.Sweep == nil && len(v.jobs) == 1:
		return p.job(v.jobs[0], v, siblings)
	}
	t, _ := v.count()
	if t.total == 0 {
		return p.absent(v, siblings)
	}
	st, c, word := t.standing(v, p.over)
	if st == cairn.StatusBlocked {
		return p.absent(v, siblings)
	}
	sign = p.s.Paint(st, c, p.t.Symbol(st, c))
	text = p.s.Paint(st, c, word)
	if d := t.took(p.now); d > 0 && t.reused < t.done {
		text += " " + term.Duration(d)
	}
	if v.leaf() {
		text += p.s.Dim("  " + t.counts(v.node.Sweep))
		if best := bestOf(v); best != "" {
			text += "  " + best
		}
	}
	return sign, text
}

// bestOf says which trial of a sweep is ahead.
func bestOf(v *vertex) string {
	s := v.node.Sweep
	if s == nil {
		return ""
	}
	var best *live.Job
	score := math.NaN()
	for _, j := range v.jobs {
		if j.Task == nil || len(j.Task.Scores) == 0 {
			continue
		}
		// The best point logged is what counts, as for the choice of the outputs.
		x := slices.MaxFunc(j.Task.Scores, func(a, b cairn.Score) int { return cmp.Compare(a.Points, b.Points) }).Best
		switch {
		case j.Task.Best:
			return fmt.Sprintf("best %s %.4g (trial %s)", term.Clean(s.Metric), x, trialOf(j))
		case best == nil, s.Goal == "minimize" && x < score, s.Goal != "minimize" && x > score:
			best, score = j, x
		}
	}
	if best == nil {
		return ""
	}
	return fmt.Sprintf("best %s %.4g (trial %s)", term.Clean(s.Metric), score, trialOf(best))
}

// trialOf is the key of an instance: what stands in the last brackets of its path.
func trialOf(j *live.Job) string {
	if i := strings.LastIndexByte(j.Path, '['); i >= 0 && strings.HasSuffix(j.Path, "]") {
		return term.Clean(j.Path[i+1 : len(j.Path)-1])
	}
	return term.Clean(j.Path)
}

// absent is a vertex without a job yet.
func (p painter) absent(v *vertex, siblings []*vertex) (sign, text string) {
	if p.over {
		return p.s.Dim("-"), p.s.Dim("not started")
	}
	st := cairn.StatusBlocked
	return p.s.Paint(st, "", p.t.Symbol(st, "")), p.s.Dim(waiting(v, siblings))
}

// waiting says what a vertex waits for.
func waiting(v *vertex, siblings []*vertex) string {
	var open []string
	for _, n := range v.needs {
		for _, s := range siblings {
			if s.node.ID == n && !s.settled() {
				open = append(open, term.Clean(n))
			}
		}
	}
	if len(open) == 0 {
		return "waiting"
	}
	if len(open) > 4 {
		open = append(open[:3], fmt.Sprintf("%d more", len(open)-3))
	}
	return "waiting for " + strings.Join(open, ", ")
}

// job is one job in words.
func (p painter) job(j *live.Job, v *vertex, siblings []*vertex) (sign, text string) {
	st, c := j.Status, j.Conclusion
	sign = p.s.Paint(st, c, p.t.Symbol(st, c))
	dim := func(s string) string {
		if s == "" {
			return ""
		}
		return "  " + p.s.Dim(term.Clean(s))
	}
	took := ""
	if d := span(j.StartedAt, j.FinishedAt, p.now); d > 0 {
		took = " " + term.Duration(d)
	}
	switch {
	case st == cairn.StatusBlocked:
		return p.absent(v, siblings)
	case st == cairn.StatusRunning:
		note := ""
		if p.last != nil {
			note = p.last(j.ID)
		}
		if note == "" {
			note = runningStep(j)
		}
		return sign, p.s.Paint(st, c, "running") + took + dim(note)
	case st != cairn.StatusCompleted:
		return sign, p.s.Paint(st, c, term.Word(st, c)) + dim(j.Reason)
	case c == cairn.Success && reused(j):
		from := fmt.Sprintf("run %d", j.Task.FromRun)
		if p.name != nil {
			if n := p.name(j); n != "" {
				from = n
			}
		}
		return sign, p.s.Paint(st, c, "reused") + " from " + term.Clean(from)
	case c == cairn.Success:
		return sign, p.s.Paint(st, c, "done") + took
	case c == cairn.Failure:
		return sign, p.s.Paint(st, c, "failed") + took + dim(p.why(j))
	}
	return sign, p.s.Paint(st, c, term.Word(st, c)) + took + dim(j.Reason)
}

// why says in a few words what made a job fail.
func (p painter) why(j *live.Job) string {
	for _, s := range j.Steps() {
		if !s.Conclusion.Bad() {
			continue
		}
		note := s.Name
		if s.ExitCode != nil {
			note += fmt.Sprintf(": exit %d", *s.ExitCode)
		} else if s.Reason != "" {
			note += ": " + s.Reason
		}
		return firstLine(note)
	}
	return firstLine(j.Reason)
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return term.Clip(strings.TrimSuffix(s, "; its last lines:"), 80) // those are shown by themselves
}

func runningStep(j *live.Job) string {
	for _, s := range j.Steps() {
		if s.Status == cairn.StatusRunning {
			return s.Name
		}
	}
	return ""
}

func span(start, end, now time.Time) time.Duration {
	switch {
	case start.IsZero():
		return 0
	case end.IsZero():
		return now.Sub(start)
	}
	return end.Sub(start)
}

package workflow

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
)

// question and verdict are what testdata/oracle/oracle.mjs reads and writes.
type question struct {
	Kind string `json:"kind"` // workflow, action
	Src  string `json:"src"`
}

type verdict struct {
	YAML   bool            `json:"yaml"`   // the YAML itself is refused
	Schema bool            `json:"schema"` // the reader refused; the converter did not run
	Crash  string          `json:"crash"`
	Errors []oracleError   `json:"errors"`
	Model  json.RawMessage `json:"model"`
}

type oracleError struct {
	Message                    string
	Line, Col, EndLine, EndCol int
}

func (e oracleError) String() string { return fmt.Sprintf("%d:%d: %s", e.Line, e.Col, e.Message) }

// TestOracle compares with GitHub's own reader and converter, the npm package
// @actions/workflow-parser, on thousands of mutants. It needs node, and a network once:
//
//	(cd internal/workflow/testdata/oracle && npm install) && CAIRN_ORACLE=1 go test -run Oracle ./internal/workflow
func TestOracle(t *testing.T) {
	t.Parallel()
	if os.Getenv("CAIRN_ORACLE") != "1" {
		t.Skip("set CAIRN_ORACLE=1, after npm install in internal/workflow/testdata/oracle")
	}
	explained := map[string]int{}
	for _, c := range []struct {
		kind, dir string
		mutants   int
	}{{"workflow", "", 6000}, {"action", "actions", 1500}} {
		t.Run(c.kind, func(t *testing.T) {
			_, srcs := corpus(t, c.dir)
			questions := make([]question, 0, len(srcs)+c.mutants)
			for _, src := range srcs {
				questions = append(questions, question{c.kind, src})
			}
			places := map[string][]string{"workflow": {workflowPlaces}, "action": {actionPlaces, dockerPlaces, nodePlaces}}
			for _, template := range places[c.kind] {
				questions = append(questions, placeQuestions(c.kind, template)...)
			}
			if c.kind == "workflow" {
				for _, src := range known {
					questions = append(questions, question{c.kind, src})
				}
			}
			m := newMutator(1, srcs)
			for i := range c.mutants {
				questions = append(questions, question{c.kind, m.mutate(srcs[i%len(srcs)])})
			}
			tally := tally{explained: explained}
			for i, v := range askOracle(t, questions) {
				tally.compare(t, questions[i], v)
			}
			t.Logf("%d files: %d accepted by both, models equal; %d accepted here alone; %d refused; %d messages with places equal",
				len(questions), tally.accepted, tally.lenient, tally.refused, tally.problems)
		})
	}
	for _, d := range differences {
		t.Logf("%5d × %s", explained[d.reason], d.reason)
		if explained[d.reason] == 0 {
			t.Errorf("no file shows the difference: %s", d.reason)
		}
	}
}

// tally counts what was compared, and which known difference explains what.
type tally struct {
	accepted, refused, lenient, problems int
	explained                            map[string]int
	shown                                int
}

func (c *tally) compare(t *testing.T, q question, want verdict) {
	var w *Workflow
	var got []cairn.Problem
	if q.Kind == "action" {
		_, got = ParseAction("f.yml", []byte(q.Src))
	} else {
		w, got = Parse("f.yml", []byte(q.Src))
	}
	f := finding{q: q, want: want, got: got}
	for _, d := range differences {
		if d.whole != nil && d.whole(&f) {
			c.explain(d.reason)
			return
		}
	}
	ours, theirs := f.unmatched()
	c.problems += f.matched
	var open []string
	for _, p := range ours {
		if why := explainOurs(&f, p); why != "" {
			c.explain(why)
			continue
		}
		open = append(open, fmt.Sprintf("only ours:   %d:%d: %s %s [%s]", p.Line, p.Column, p.Severity, p.Message, p.Code))
	}
	for _, e := range theirs {
		if why := explainTheirs(&f, e); why != "" {
			c.explain(why)
			continue
		}
		open = append(open, "only theirs: "+e.String())
	}
	if len(open) > 0 {
		if c.shown++; c.shown <= 40 {
			t.Errorf("%s\n--- file\n%s", strings.Join(open, "\n"), numbered(q.Src))
		} else {
			t.Fail()
		}
		return
	}
	switch {
	case cairn.HasErrors(got):
		c.refused++
	case len(want.Errors) > 0:
		c.lenient++
	case q.Kind == "action":
		c.accepted++
	default:
		if diff := modelDiff(w, want.Model); diff != "" {
			if c.shown++; c.shown <= 40 {
				t.Errorf("model: %s\n--- file\n%s", diff, numbered(q.Src))
			}
			t.Fail()
			return
		}
		c.accepted++
	}
}

func (c *tally) explain(reason string) {
	c.explained[reason]++
}

func numbered(src string) string {
	var b strings.Builder
	for i, line := range strings.Split(src, "\n") {
		fmt.Fprintf(&b, "%3d %s\n", i+1, line)
	}
	return b.String()
}

// finding is one file with what both sides say of it.
type finding struct {
	q       question
	want    verdict
	got     []cairn.Problem
	matched int
}

// unmatched pairs the findings of both sides: the same message at the same
// place; for expressions, ours points inside of what the package points at, and
// says more.
func (f *finding) unmatched() (ours []cairn.Problem, theirs []oracleError) {
	left := slices.Clone(f.want.Errors)
	for _, p := range f.got {
		i := slices.IndexFunc(left, func(e oracleError) bool { return samePlace(p, e) && sameMessage(p, e) })
		if i < 0 {
			if p.Severity == cairn.SeverityError {
				ours = append(ours, p)
			}
			continue
		}
		left = slices.Delete(left, i, i+1)
		f.matched++
	}
	return ours, left
}

func inExpression(p cairn.Problem) bool {
	return p.Code == "workflow.expression" || p.Code == "workflow.unknown-context" || p.Code == "workflow.unknown-function"
}

func samePlace(p cairn.Problem, e oracleError) bool {
	if p.Line == e.Line && p.Column == e.Col || p.Line == e.Line && e.Message == "Unexpected value ''" {
		return true // where nothing stands, the package points behind the blanks
	}
	if !inExpression(p) {
		return false
	}
	if e.Line == p.Line+1 || e.Line == p.Line-1 {
		return true // in text without | over several lines the package counts lines of its own
	}
	after := p.Line > e.Line || p.Line == e.Line && p.Column >= e.Col
	before := p.Line < e.EndLine || p.Line == e.EndLine && p.Column <= e.EndCol
	return after && before
}

func sameMessage(p cairn.Problem, e oracleError) bool {
	want := clip(oneLine(e.Message), maxMessage)
	if p.Message == want {
		return true
	}
	// The service says where in the expression, and shows tokens as they are written.
	said, _, located := strings.Cut(p.Message, ". Located at ")
	if !inExpression(p) || !located {
		return false
	}
	token, quoted := strings.CutPrefix(strings.TrimSuffix(said, "''"), "Unexpected symbol: ''")
	return said == want || quoted && want == "Unexpected symbol: '"+strings.ReplaceAll(token, "''", "'")+"'" ||
		want == "Unexpected symbol: 'EOF'" && strings.HasPrefix(said, "Unexpected end of expression") ||
		said == before(want, ". Located at ")
}

func before(s, end string) string {
	s, _, _ = strings.Cut(s, end)
	return s
}

func askOracle(t *testing.T, questions []question) []verdict {
	t.Helper()
	var in, out, problems bytes.Buffer
	enc := json.NewEncoder(&in)
	for _, q := range questions {
		if err := enc.Encode(q); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "node", "oracle.mjs")
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = "testdata/oracle", &in, &out, &problems
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, problems.String())
	}
	verdicts := make([]verdict, 0, len(questions))
	lines := bufio.NewScanner(&out)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var v verdict
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		verdicts = append(verdicts, v)
	}
	if len(verdicts) != len(questions) {
		t.Fatalf("%d answers to %d questions", len(verdicts), len(questions))
	}
	return verdicts
}

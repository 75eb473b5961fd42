package expr

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// oracleExpressions is how many expressions TestOracle makes up.
const oracleExpressions = 100000

// TestOracle compares with GitHub's own evaluator, the npm package
// @actions/expressions. It needs node, and a network once:
//
//	make test-oracle
func TestOracle(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	var questions []question
	for _, c := range evalCases {
		questions = append(questions, question{Expr: c.src})
	}
	g := generator{rand.New(rand.NewPCG(5, 1))}
	for range oracleExpressions {
		questions = append(questions, g.question())
	}
	answers := o.ask(t, questions)
	agreed, values, differ, refused := 0, 0, 0, map[string]int{}
	rules := map[string]int{} // how often each took part in an explanation
	for i, q := range questions {
		got, want := ours(q), answers[i]
		if got.same(want) {
			agreed++
			if want.Error == "" {
				values++
			} else {
				refused[want.Error]++
			}
			continue
		}
		if why := o.explain(t, q, got, want); why != nil {
			differ++
			for _, rule := range why {
				rules[rule]++
			}
			continue
		}
		t.Errorf("%q (set %d)\n got %+v\nwant %+v", q.Expr, q.Set, got, want)
	}
	t.Logf("%d expressions: %d agree (%d values; refused: %v), %d differ and are explained", len(questions), agreed, values, refused, differ)
	for _, why := range slices.Sorted(maps.Keys(rules)) {
		t.Logf("%6d  %s", rules[why], why)
	}
}

// FuzzOracle compares with GitHub's evaluator on what the fuzzer makes up:
//
//	CAIRN_ORACLE=1 go test -run '^$' -fuzz FuzzOracle ./internal/expr
func FuzzOracle(f *testing.F) {
	o := startOracle(f)
	for i, c := range evalCases {
		f.Add(c.src, uint8(i))
	}
	g := generator{rand.New(rand.NewPCG(5, 2))}
	for range 300 {
		q := g.question()
		f.Add(q.Expr, uint8(q.Set))
	}
	for _, src := range []string{"contains('Ä', 'ä')", "'я' == 'Я'", "'ǆ' < 'ǅ'", "startsWith('ıa', 'ıA')", "endsWith('ÿ', 'Ÿ')"} {
		f.Add(src, uint8(0))
	}
	f.Fuzz(func(t *testing.T, src string, set uint8) {
		q := question{Expr: src, Set: int(set) % len(oracleContexts)}
		if strings.ToValidUTF8(src, "\uFFFD") != src {
			return // JSON, which carries the question, has no such text
		}
		got, want := ours(q), o.ask(t, []question{q})[0]
		if !got.same(want) && o.explain(t, q, got, want) == nil {
			t.Fatalf("%q (set %d)\n got %+v\nwant %+v", q.Expr, q.Set, got, want)
		}
	})
}

type question struct {
	Expr string `json:"expr"`
	Set  int    `json:"set"` // which of oracleContexts
	// Service asks for the service's rules where they differ from the package's.
	Service bool `json:"service,omitempty"`
}

type answer struct {
	Kind    string `json:"kind"`
	Value   string `json:"value"`
	Text    string `json:"text"`
	Error   string `json:"error"`
	Message string `json:"message"`
	Empty   bool   `json:"empty"`
	// Used names the service's rules that mattered.
	Used []string `json:"used"`
}

// ours answers as the oracle does.
func ours(q question) answer {
	v, err := Eval(q.Expr, oracleEnv(q.Set))
	var e *Error
	switch {
	case strings.TrimFunc(q.Expr, func(r rune) bool { return strings.ContainsRune(" \t\r\n", r) }) == "" && utf16Len(q.Expr) <= MaxLength:
		return answer{Empty: true} // what no expression means is for the caller to say
	case errors.As(err, &e):
		return answer{Error: e.Kind, Message: e.Standard(q.Expr)}
	}
	return answer{Kind: v.kind.String(), Value: string(v.JSON()), Text: v.ToString()}
}

// oracle is GitHub's evaluator in a process of its own.
type oracle struct {
	in  io.Writer
	out *bufio.Reader
}

func startOracle(t testing.TB) *oracle {
	t.Helper()
	if os.Getenv("CAIRN_ORACLE") != "1" {
		t.Skip("set CAIRN_ORACLE=1, after npm install in internal/expr/testdata/oracle")
	}
	contexts := filepath.Join(t.TempDir(), "contexts.json")
	if err := os.WriteFile(contexts, []byte("["+strings.Join(oracleContexts, ",")+"]"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "oracle.mjs", contexts)
	cmd.Dir, cmd.Stderr = "testdata/oracle", os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // the end of its input ends it
		if err := cmd.Wait(); err != nil {
			t.Errorf("oracle: %v", err)
		}
	})
	return &oracle{in, bufio.NewReaderSize(out, 1<<20)}
}

// ask sends questions while it reads the answers: a pipe holds only so much.
func (o *oracle) ask(t testing.TB, questions []question) []answer {
	t.Helper()
	sent := make(chan error, 1)
	go func() {
		w := bufio.NewWriter(o.in)
		e := json.NewEncoder(w)
		for _, q := range questions {
			if err := e.Encode(q); err != nil {
				sent <- err
				return
			}
		}
		sent <- w.Flush()
	}()
	answers := make([]answer, len(questions))
	for i := range answers {
		line, err := o.out.ReadBytes('\n')
		if err == nil {
			err = json.Unmarshal(line, &answers[i])
		}
		if err != nil {
			t.Fatal(fmt.Errorf("%q: %w", questions[i].Expr, err))
		}
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	return answers
}

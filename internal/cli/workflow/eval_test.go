package workflow

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn/internal/expr"
)

// Each question is answered before the next one is asked.
func TestBatchStreams(t *testing.T) {
	t.Parallel()
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := evaluation{}.batch(inR, outW)
		_ = outW.Close()
		done <- err
	}()
	answers := bufio.NewScanner(outR)
	for _, q := range []string{"1", "'x'", "1 +"} {
		line, err := json.Marshal(map[string]string{"expr": q})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := inW.Write(append(line, '\n')); err != nil {
			t.Fatal(err)
		}
		if !answers.Scan() {
			t.Fatal(answers.Err())
		}
	}
	if err := inW.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// A line that is too long is refused, and the next one is read right.
func TestBatchBounds(t *testing.T) {
	t.Parallel()
	long := `{"expr":"'` + strings.Repeat("x", maxEvalLine) + `'"}`
	var out bytes.Buffer
	err := evaluation{}.batch(strings.NewReader(long+"\n"+`{"expr":"1"}`+"\n"+long), &out)
	if err == nil || !strings.Contains(err.Error(), "2 lines") {
		t.Error(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 3 || !strings.Contains(lines[0], "longer than") || lines[1] != `{"kind":"Number","value":1}` || !strings.Contains(lines[2], "longer than") {
		t.Errorf("%.300q", lines)
	}
	if err := (evaluation{}).batch(io.MultiReader(strings.NewReader("{"), failing{}), io.Discard); err == nil {
		t.Error("a broken stdin went unnoticed")
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("broken") }

func TestStatusOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ contexts, src, want string }{
		{`{}`, "success()", "true"},
		{`{}`, "failure() || cancelled()", "false"},
		{`{"job":{"status":"failure"}}`, "failure() && !success()", "true"},
		{`{"job":{"status":"cancelled"}}`, "cancelled() && !failure() && always()", "true"},
		{`{"needs":{"a":{"result":"success"},"b":{"result":"skipped"}}}`, "success()", "false"},
		{`{"needs":{"a":{"result":"success"},"b":{"result":"skipped"}}}`, "failure()", "false"},
		{`{"needs":{"a":{"result":"success"},"b":{"result":"failure"}}}`, "failure('B') && success('a')", "true"},
		{`{"needs":{}}`, "failure('x')", `failure: "x" is not among the jobs in needs`},
	} {
		contexts, err := parseContexts([]byte(c.contexts))
		if err != nil {
			t.Fatal(err)
		}
		a := evaluation{contexts: contexts}.answer(c.src)
		got := string(a.Value)
		if a.Error != nil {
			got = a.Error.Message
		}
		if got != c.want {
			t.Errorf("%s over %s: %s, want %s", c.src, c.contexts, got, c.want)
		}
	}
}

func TestInside(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]string{
		"${{ a }}": " a ", " ${{a}} ": "a", "a": "a", "'${{ a }}'": "'${{ a }}'", "${{ a }} ${{ b }}": "${{ a }} ${{ b }}", "${{ a": "${{ a", "${{ '}}' }}": " '}}' ",
	} {
		if got := inside(src); got != want {
			t.Errorf("%q: %q, want %q", src, got, want)
		}
	}
}

// Whatever the words of an expression are, the tree has the answer at its root.
func TestExplainAgrees(t *testing.T) {
	t.Parallel()
	contexts := map[string]expr.Value{"a": expr.FromGo(map[string]any{"b": []any{1.0, "x"}}), "k": expr.String("b")}
	for _, src := range []string{"a.b", "(a)[k][0]", "a.b.*", "!a.c && (a.b[1] || a)", "case(k == 'b', a[k], 1)", "format('{0}', k, fromJSON(''))", "fromJSON(k)", "join(a.b)", "1", "toJSON(a) == a.c || fromJSON('')"} {
		plain := evaluation{contexts: contexts}.answer(src)
		tree := evaluation{contexts: contexts, explain: true}.answer(src)
		if string(plain.Value) != string(tree.Value) || (plain.Error == nil) != (tree.Error == nil) || tree.Tree == nil {
			t.Errorf("%s: %+v, with a tree %+v", src, plain, tree)
		}
		if (tree.Error != nil) != (tree.Tree.Error != "") {
			t.Errorf("%s: %+v", src, tree.Tree)
		}
	}
}

package expr

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestOracle compares with GitHub's own evaluator, the npm package
// @actions/expressions. It needs node and a network once:
//
//	(cd internal/expr/testdata/oracle && npm install) && CAIRN_ORACLE=1 go test ./internal/expr
func TestOracle(t *testing.T) {
	t.Parallel()
	if os.Getenv("CAIRN_ORACLE") != "1" {
		t.Skip("set CAIRN_ORACLE=1, after npm install in internal/expr/testdata/oracle")
	}
	var srcs []string
	for _, c := range evalCases {
		srcs = append(srcs, c.src)
	}
	tree, text := anyTree(4), anyTokens()
	for i := range 4000 {
		srcs = append(srcs, tree.Example(i), text.Example(i))
	}
	answers := ask(t, srcs)
	checked := 0
	for i, src := range srcs {
		if service(src) {
			continue
		}
		checked++
		v, err := Eval(src, testEnv())
		got := answer{Value: string(v.JSON()), Text: v.ToString()}
		var e *Error
		if errors.As(err, &e) {
			got = answer{Error: e.Kind}
		}
		want := answers[i]
		message := want.Message
		want.Message = ""
		if want.Error != "" && got.Error != "" && want.Error != got.Error && strings.Contains(src, "\n") {
			continue
		}
		if !lazyKind(want, got) && got != want {
			t.Errorf("%s\n got %+v %v\nwant %+v %s", src, got, err, want, message)
		}
	}
	t.Logf("%d expressions agree", checked)
}

// lazyKind allows the same refusal from another stage: the package lexes the
// whole text first and checks names while it parses; here each happens when it
// is met.
func lazyKind(want, got answer) bool {
	early := func(s string) bool { return s == Lexing || s == Parsing }
	return early(want.Error) && early(got.Error)
}

// service reports whether the package is known to differ from GitHub's service,
// which is what we follow.
func service(src string) bool {
	return strings.Count(src, "''") > 1 || // it unescapes only the first ''
		strings.Contains(src, ",)") || strings.Contains(src, ", )") || // it takes a trailing comma
		strings.Contains(src, "case") || // it evaluates all branches, the service only what it needs
		strings.Contains(src, "boom") || strings.Contains(src, "SUCCESS") ||
		strings.ContainsAny(src, "\x00\xff") || len(src) > MaxLength
}

type answer struct {
	Value   string `json:"value"`
	Text    string `json:"text"`
	Error   string `json:"error"`
	Message string `json:"message"`
}

func ask(t *testing.T, srcs []string) []answer {
	t.Helper()
	contexts := filepath.Join(t.TempDir(), "contexts.json")
	if err := os.WriteFile(contexts, []byte(testContexts), 0o600); err != nil {
		t.Fatal(err)
	}
	var in, out, problems bytes.Buffer
	for _, s := range srcs {
		line, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		in.Write(append(line, '\n'))
	}
	cmd := exec.CommandContext(t.Context(), "node", "oracle.mjs", contexts)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = "testdata/oracle", &in, &out, &problems
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, problems.String())
	}
	var answers []answer
	lines := bufio.NewScanner(&out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var a answer
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			t.Fatal(err)
		}
		answers = append(answers, a)
	}
	if len(answers) != len(srcs) {
		t.Fatalf("%d answers to %d questions", len(answers), len(srcs))
	}
	return answers
}

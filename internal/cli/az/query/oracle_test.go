package query

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// answered is what came of one question.
type answered struct{ JSON, Error, Kind string }

// TestOracle compares results, the order of their keys and errors with jmespath.py.
func TestOracle(t *testing.T) {
	if os.Getenv("CAIRN_TEST_AZ") != "1" {
		t.Skip("set CAIRN_TEST_AZ=1 to compare with jmespath.py; CAIRN_TEST_AZ_SEED=2 asks others")
	}
	t.Parallel()
	python, err := exec.Command("../../../../scripts/python-with.sh", "jmespath", "jmespath==1.0.1").Output()
	if err != nil {
		t.Fatal(err)
	}
	type question struct {
		Expr string `json:"expr"`
		Doc  any    `json:"doc"`
	}
	seed := uint64(7)
	if s := os.Getenv("CAIRN_TEST_AZ_SEED"); s != "" {
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	g := newGenerator(seed)
	var qs []question
	var in bytes.Buffer
	for range 30_000 {
		q := question{g.expression(g.IntN(5)), g.document()}
		b, err := json.Marshal(q)
		if err != nil {
			t.Fatal(err)
		}
		in.Write(append(b, '\n'))
		qs = append(qs, q)
	}
	cmd := exec.Command(strings.TrimSpace(string(python)), "-W", "ignore", "testdata/oracle.py")
	cmd.Stdin, cmd.Stderr = &in, os.Stderr
	said, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(bytes.NewReader(said))
	lines.Buffer(nil, 16<<20)
	kinds, reasons, different := map[string]int{}, map[string]int{}, 0
	for _, q := range qs {
		if !lines.Scan() {
			t.Fatal("the original answered less than it was asked")
		}
		var want answered
		if err := json.Unmarshal(lines.Bytes(), &want); err != nil {
			t.Fatal(err)
		}
		kinds[want.Kind]++
		got := ours(t, q.Expr, q.Doc)
		if got == want {
			continue
		}
		if why := unlike(q.Expr, want, got); why != "" {
			reasons[why]++
			continue
		}
		if different++; different <= 30 {
			doc, _ := json.Marshal(q.Doc)
			t.Errorf("%s of %.1000s\n%+v\nwant\n%+v", q.Expr, doc, got, want)
		}
	}
	t.Logf("%d questions %v, %d different; with a reason %v", len(qs), kinds, different, reasons)
}

// unlike says why an answer may differ; "" where it may not.
func unlike(expr string, want, got answered) string {
	switch {
	case strings.Contains(want.Error+want.JSON, "_Expression object at 0x") && strings.Contains(got.Error, "_Expression"):
		return "an address in memory is shown"
	case strings.Contains(expr, "merge(") && want.Kind != "compile" && strings.HasPrefix(got.Error, "cannot merge"):
		return "merge takes objects alone, not lists of pairs"
	}
	return ""
}

func ours(t *testing.T, expr string, doc any) answered {
	t.Helper()
	v, err := FromAny(doc)
	if err != nil {
		t.Fatal(err)
	}
	x, err := Compile(expr)
	if err != nil {
		return answered{Error: err.Error(), Kind: "compile"}
	}
	if v, err = x.Search(v); err != nil {
		return answered{Error: err.Error(), Kind: "search"}
	}
	var b bytes.Buffer
	if err := compact(&b, v); err != nil {
		return answered{Error: err.Error(), Kind: "search"}
	}
	return answered{JSON: b.String()}
}

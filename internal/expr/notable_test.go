package expr_test

import (
	"strings"
	"testing"

	"github.com/cairn-ml/cairn/internal/expr"
)

func TestNotable(t *testing.T) {
	t.Parallel()
	env := &expr.Env{Contexts: map[string]expr.Value{
		"github": expr.Object(expr.Field{Name: "ref", Value: expr.String("main")}),
		"needs":  expr.Object(expr.Field{Name: "a", Value: expr.Object(expr.Field{Name: "n", Value: expr.Number(3)})}),
	}}
	for src, want := range map[string]string{
		"github.ref == 'main' && github.ref != 'x'":            "github.ref='main'",
		"contains(github.ref, 'ai') || needs.a.n > 2":          "contains(github.ref, 'ai')=true github.ref='main'",
		"!(needs.a.n > 3) && fromJSON('[1]')[0] == 1 && false": "needs.a.n=3 fromJSON('[1]')=[1]",
		"false": "",
	} {
		n, err := expr.Parse(src)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, x := range n.Explain(env).Notable(9) {
			got = append(got, x.Text+"="+x.Shown())
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s: %s, want %s", src, s, want)
		}
	}
}

package workflow

import (
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
)

func TestParseAction(t *testing.T) {
	t.Parallel()
	a, ps := ParseAction("action.yml", []byte(`name: Greet
description: d
inputs:
  who: {description: w, required: true, default: '${{ github.actor }}'}
  n: {default: 3, deprecationMessage: use who}
outputs:
  out: {value: '${{ steps.a.outputs.x }}'}
runs:
  using: composite
  steps:
    - id: a
      run: echo "x=${{ inputs.who }}" >> $GITHUB_OUTPUT
      shell: bash
    - uses: actions/checkout@v4
      if: always() && inputs.n == 3
branding: {icon: x}
`))
	if len(ps) > 0 {
		t.Fatal(Render(ps, nil))
	}
	if a.Name != "Greet" || len(a.Inputs) != 2 || !a.Inputs[0].Required || a.Inputs[0].Default.Text != "${{ github.actor }}" ||
		a.Inputs[1].Deprecated == "" || len(a.Outputs) != 1 || len(a.Runs.Steps) != 2 || a.Runs.Steps[1].If != "always() && inputs.n == 3" {
		t.Errorf("%+v", a)
	}
	a, ps = ParseAction("action.yml", []byte("name: d\ndescription: e\nruns: {using: docker, image: Dockerfile, args: ['${{ inputs.x }}', b], post-entrypoint: /x, post-if: failure()}\n"))
	if len(ps) > 0 || len(a.Runs.Args) != 2 || a.Runs.PostIf.Text != "failure()" {
		t.Errorf("%+v %s", a, Render(ps, nil))
	}
	for _, c := range []struct{ src, want string }{
		{"name: x\n", "Required property is missing: runs"},
		{"runs: {using: composit}\n", "Unexpected value 'composit'"},
		{"runs: {using: node20, pre: x}\n", "Required property is missing: main"},
		{"runs: {using: composite, steps: [{run: echo}]}\n", "Required property is missing: shell"},
		{"runs: {using: composite, steps: [{run: 'echo ${{ secrets.X }}', shell: bash}]}\n", "context 'secrets' is not available here"},
	} {
		if _, ps := ParseAction("action.yml", []byte(c.src)); !cairn.HasErrors(ps) || !strings.Contains(Render(ps, nil), c.want) {
			t.Errorf("%s: %s", c.src, Render(ps, nil))
		}
	}
}

func TestLint(t *testing.T) {
	t.Parallel()
	src := []byte(`on: push
jobs:
  a:
    runs-on: my-own-label
    if: true
    steps:
      - uses: actions/cache@v1
      - uses: actions/checkout@v4
        with: {fetch-deep: 0}
      - run: echo "::set-output name=a::b"
      - run: echo ${{ case(true, 1, 2) }} ${{ github.event.commits[*].id }}
      - run: serve
        background: true
      - uses: $/.github/actions/own
`)
	ps := Lint("w.yml", src)
	text := Render(ps, src)
	if cairn.HasErrors(ps) || !strings.Contains(text, "fetch-deep") || !strings.Contains(text, "set-output") {
		t.Error(text)
	}
	if !strings.Contains(text, "did you mean fetch-depth?") {
		t.Errorf("no hint: %s", text)
	}
	for _, contradiction := range []string{"my-own-label", "case", "[*]", "background", "too old", "$/"} {
		for _, p := range ps {
			if strings.Contains(p.Message, contradiction) {
				t.Error(p.Message)
			}
		}
	}
	if got := Lint("w.yml", []byte("on: push\n")); got != nil {
		t.Error(got)
	}
}

func TestRender(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 300)
	for _, c := range []struct {
		p    cairn.Problem
		want string
	}{
		{cairn.Problem{Position: cairn.Position{File: "a", Line: 2, Column: 2, EndColumn: 4}, Severity: "error", Message: "m", Snippet: "\tab\x1b[31m"}, "a:2:2: error: m\n    2 | \tab�[31m\n      | \t^~\n"},
		{cairn.Problem{Position: cairn.Position{File: "a"}, Severity: "warning", Message: "m", Hint: "h"}, "a: warning: m\n      = h\n"},
		{cairn.Problem{Position: cairn.Position{File: "a", Line: 1, Column: 200, EndColumn: 900}, Severity: "error", Message: "m", Snippet: long},
			"a:1:200: error: m\n    1 | …" + long[:120] + "…\n      | " + strings.Repeat(" ", 40) + "^" + strings.Repeat("~", 80) + "\n"},
	} {
		if got := Render([]cairn.Problem{c.p}, nil); got != c.want {
			t.Errorf("got\n%q\nwant\n%q", got, c.want)
		}
	}
}

package workflow

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// corpus reads the files that mutants are made of, in the order of their names.
func corpus(t testing.TB, dir string) (names []string, srcs []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata/corpus", dir, "*.yml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		names, srcs = append(names, filepath.Base(f)), append(srcs, string(src))
	}
	return names, srcs
}

// mutator changes files as people do by mistake: lines lost, twice, moved, keys
// misspelt or at home elsewhere, values of another kind, broken expressions.
type mutator struct {
	r    *rand.Rand
	keys []string // of the whole corpus
	srcs []string
}

func newMutator(seed uint64, srcs []string) *mutator {
	m := &mutator{r: rand.New(rand.NewPCG(seed, 1)), srcs: srcs}
	seen := map[string]bool{}
	for _, src := range srcs {
		for _, line := range strings.Split(src, "\n") {
			if k := keyLine.FindStringSubmatch(line); k != nil && !seen[k[2]] {
				seen[k[2]] = true
				m.keys = append(m.keys, k[2])
			}
		}
	}
	return m
}

var (
	keyLine    = regexp.MustCompile(`^(\s*(?:- )?)([A-Za-z_][\w-]*):(.*)$`)
	expression = regexp.MustCompile(`\$\{\{.*?\}\}`)
	mutations  = []string{"delete", "twice", "swap", "key", "value", "insert", "expression", "indent", "graft", "letter"}
	mutValues  = []string{
		"", "~", "null", "true", "false", "10", "1.5", "-1", "0", "0x10", "text", "'quoted'", `"double"`, "''", "[]", "{}", "[a, b]", "[1, two]", "{a: b}",
		"[[a], {b: c}]", "${{ github.ref }}", "${{ secrets.X }}", "${{ matrix.x }}", "${{ env.A }}", "${{ unknown.x }}", "${{ 1 }}", "${{ 'literal' }}", "${{ }}",
		"${{ github.ref", "a ${{ github.sha }} b", "${{ fromJSON('[1]') }}", "${{ hashFiles('x') }}", "${{ success() }}", "${{ needs.a.outputs.b }}", "'${{ inputs.x }}'",
		"|\n  block", "read", "write", "inherit", "bash", "ubuntu-latest", "always()", "steps.x.outcome == 'failure'", "./local", "octo/repo@v1",
	}
	mutKeys = []string{
		"on", "jobs", "name", "runs-on", "steps", "uses", "with", "env", "if", "needs", "strategy", "matrix", "run", "shell", "id", "container", "services",
		"outputs", "secrets", "permissions", "concurrency", "environment", "defaults", "timeout-minutes", "continue-on-error", "working-directory", "types",
		"branches", "inputs", "required", "default", "background", "wait", "queue", "timezone", "deployment", "snapshot", "using", "main", "pre", "<<", "runs_on",
	}
	mutNames = []string{"github", "secrets", "env", "matrix", "needs", "steps", "jobs", "runner", "inputs", "vars", "job", "strategy", "foo", "success()", "failure()", "hashFiles('a')", "always", "'text'", "1", "true", "=", "==", "&&", "(", ")", "[", ".", ",", "!", "contains(a)", "format('{0}', github)"}
)

// mutate applies one to three changes. Of the results that are no YAML only one
// in ten is kept: they say little about the language.
func (m *mutator) mutate(src string) string {
	for {
		out := src
		for range 1 + m.r.IntN(3) {
			out = m.one(out)
		}
		// Parsers differ in what a block at the end of a file holds without the last line break.
		out = strings.TrimRight(out, "\n") + "\n"
		if _, err := decode([]byte(out)); out != src && (err == nil || m.r.IntN(10) == 0) {
			return out
		}
	}
}

func (m *mutator) pick(list []string) string { return list[m.r.IntN(len(list))] }

func (m *mutator) one(src string) string {
	lines := strings.Split(src, "\n")
	i := m.r.IntN(len(lines))
	key := keyLine.FindStringSubmatch(lines[i])
	indent := lines[i][:len(lines[i])-len(strings.TrimLeft(lines[i], " "))]
	put := func(line string) {
		lines = append(lines[:i+1], append([]string{line}, lines[i+1:]...)...)
	}
	switch m.pick(mutations) {
	case "delete":
		lines = append(lines[:i], lines[i+1:]...)
	case "twice":
		put(lines[i])
	case "swap":
		if i > 0 {
			lines[i], lines[i-1] = lines[i-1], lines[i]
		}
	case "key":
		if key != nil {
			lines[i] = key[1] + m.anyKey() + ":" + key[3]
		}
	case "value":
		if key != nil {
			lines[i] = key[1] + key[2] + ": " + strings.ReplaceAll(m.pick(mutValues), "\n", "\n"+indent)
		}
	case "insert":
		put(indent + m.anyKey() + ": " + strings.ReplaceAll(m.pick(mutValues), "\n", "\n"+indent))
	case "expression":
		lines[i] = expression.ReplaceAllStringFunc(lines[i], func(e string) string {
			words := strings.Fields(strings.TrimSuffix(strings.TrimPrefix(e, "${{"), "}}"))
			at := m.r.IntN(len(words) + 1)
			if at < len(words) && m.r.IntN(2) == 0 {
				words[at] = m.pick(mutNames)
			} else {
				words = append(words[:at], append([]string{m.pick(mutNames)}, words[at:]...)...)
			}
			return "${{ " + strings.Join(words, " ") + " }}"
		})
	case "indent":
		if m.r.IntN(2) == 0 {
			lines[i] = "  " + lines[i]
		} else {
			lines[i] = strings.TrimPrefix(lines[i], "  ")
		}
	case "graft":
		other := strings.Split(m.pick(m.srcs), "\n")
		put(indent + strings.TrimLeft(other[m.r.IntN(len(other))], " "))
	case "letter":
		if n := len(lines[i]); n > 0 {
			at := m.r.IntN(n)
			lines[i] = lines[i][:at] + lines[i][at+1:]
		}
	}
	return strings.Join(lines, "\n")
}

func (m *mutator) anyKey() string {
	if m.r.IntN(2) == 0 {
		return m.pick(m.keys)
	}
	return m.pick(mutKeys)
}

// The corpus covers the language without an error, and mutants are bounded.
func TestCorpus(t *testing.T) {
	t.Parallel()
	names, srcs := corpus(t, "")
	for i, src := range srcs {
		_, ps := Parse(names[i], []byte(src))
		for _, p := range ps {
			if p.Severity == "error" {
				t.Error(Render(ps, []byte(src)))
				break
			}
		}
	}
	m := newMutator(2, srcs)
	for i := range 500 {
		check(t, []byte(m.mutate(srcs[i%len(srcs)])))
	}
	names, srcs = corpus(t, "actions")
	for i, src := range srcs {
		if _, ps := ParseAction(names[i], []byte(src)); len(ps) > 0 {
			t.Error(Render(ps, []byte(src)))
		}
	}
}

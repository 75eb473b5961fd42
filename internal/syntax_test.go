package internal_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// syntaxTable says of every feature of the workflow language what Cairn does with
// it, and names the tests that show it.
const syntaxTable = "../docs/reference/workflow-syntax.md"

var (
	namedTest = regexp.MustCompile("`([^`]+)`")
	testFunc  = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`)
)

// TestSyntaxTable holds that each row which says yes, partly or refused names a
// test, and that every named test is there: a Go test by its name, a scenario of
// the engine as scenario/NAME, a script against the binary as script/NAME, a
// target as make/NAME.
func TestSyntaxTable(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(syntaxTable)
	if err != nil {
		t.Fatal(err)
	}
	tests := goTests(t)
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	exists := func(name string) bool {
		kind, rest, ok := strings.Cut(name, "/")
		if !ok {
			return tests[name]
		}
		path := map[string]string{"scenario": "run/testdata/scenarios/", "script": "cli/testdata/script/"}[kind] + rest + ".txtar"
		switch kind {
		case "scenario", "script":
			_, err := os.Stat(path)
			return err == nil
		case "make":
			return strings.Contains("\n"+string(makefile), "\n"+rest+":")
		}
		return false
	}
	rows, column := 0, -1
	for i, line := range strings.Split(string(text), "\n") {
		if !strings.HasPrefix(line, "|") {
			column = -1
			continue
		}
		cells := strings.Split(strings.Trim(strings.ReplaceAll(line, `\|`, "\x00"), "|"), "|")
		for k := range cells {
			cells[k] = strings.TrimSpace(strings.ReplaceAll(cells[k], "\x00", "|"))
		}
		switch {
		case column < 0:
			for k, c := range cells {
				if c == "Cairn" {
					column = k
				}
			}
			if column < 0 {
				column = len(cells) // a table of another kind
			}
			continue
		case column >= len(cells)-1 || strings.HasPrefix(cells[0], "---") || strings.HasPrefix(cells[0], ":--"):
			continue
		}
		rows++
		word, _, _ := strings.Cut(cells[column], " ")
		word = strings.Trim(word, ",:;.")
		names := namedTest.FindAllStringSubmatch(cells[len(cells)-1], -1)
		switch word {
		case "yes", "partly", "refused":
			if len(names) == 0 {
				t.Errorf("line %d: %q says %q and names no test", i+1, cells[0], word)
			}
		case "no":
		default:
			t.Errorf("line %d: %q says %q; yes, partly, refused or no are allowed", i+1, cells[0], word)
		}
		for _, n := range names {
			if !exists(n[1]) {
				t.Errorf("line %d: %q names the test %s, which is not there", i+1, cells[0], n[1])
			}
		}
	}
	if rows < 60 {
		t.Errorf("%d rows were found; the table has more features", rows)
	}
}

// goTests are the names of all Go tests of the project.
func goTests(t *testing.T) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, root := range []string{".."} {
		err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && (d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".") && len(d.Name()) > 2) {
				return filepath.SkipDir
			}
			if !strings.HasSuffix(path, "_test.go") {
				return nil
			}
			src, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, m := range testFunc.FindAllStringSubmatch(string(src), -1) {
				out[m[1]] = true
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

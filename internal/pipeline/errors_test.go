package pipeline_test

import (
	"flag"
	"fmt"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/cairn-ml/cairn/internal/pipeline"
)

var update = flag.Bool("update", false, "write golden files")

// TestErrors keeps what is said of mistakes: where each stands, what was found, what is
// allowed, what was meant.
func TestErrors(t *testing.T) {
	t.Parallel()
	const cases, golden = "testdata/errors/cases.txtar", "testdata/errors/errors.txt"
	a, err := txtar.ParseFile(cases)
	if err != nil {
		t.Fatal(err)
	}
	files := pipeline.MapFiles{Files: map[string][]byte{"score.py": nil}}
	for _, f := range a.Files {
		files.Files[f.Name] = f.Data
	}
	var b strings.Builder
	for _, f := range a.Files {
		kind, _, ok := strings.Cut(strings.TrimSuffix(f.Name, path.Ext(f.Name)), "-")
		if !ok {
			continue
		}
		_, problems := pipeline.Load(files, f.Name, pipeline.Options{Kind: pipeline.Kind(kind)})
		if len(problems) == 0 {
			t.Errorf("%s: nothing is wrong with it", f.Name)
		}
		for _, p := range problems {
			if p.Line == 0 || p.Column == 0 || p.Code == "" {
				t.Errorf("%s: %+v does not say where it is", f.Name, p)
			}
			fmt.Fprintf(&b, "%s:%d:%d: %s: %s [%s]\n", p.File, p.Line, p.Column, p.Severity, p.Message, p.Code)
			if p.Hint != "" {
				fmt.Fprintf(&b, "    hint: %s\n", p.Hint)
			}
		}
	}
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || b.String() != string(want) {
		t.Errorf("%s differs (%v); go test ./internal/pipeline -run Errors -update after a look:\n%s", golden, err, b.String())
	}
}

package pipeline_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path"
	"slices"
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
	for _, f := range unwritten() {
		files.Files[f.Name] = f.Data
	}
	var b strings.Builder
	for _, f := range slices.Concat(a.Files, unwritten()) {
		kind, _, ok := strings.Cut(strings.TrimSuffix(f.Name, path.Ext(f.Name)), "-")
		if !ok {
			continue
		}
		_, problems := pipeline.Load(files, f.Name, pipeline.Options{Kind: pipeline.Kind(kind)})
		if len(problems) == 0 {
			fmt.Fprintf(&b, "%s: nothing is wrong\n", f.Name)
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

// unwritten are files that no editor would like.
func unwritten() []txtar.File {
	return []txtar.File{
		{Name: "job-latin1.yml", Data: []byte("command: echo\ndescription: caf\xe9\n")},
		{Name: "job-utf16.yml", Data: []byte("\xff\xfec\x00o\x00")},
		{Name: "job-nul.yml", Data: []byte("command: echo\nenvironment: \x00\n")},
		{Name: "job-escape.yml", Data: []byte("command: \x1b[1m\n")},
		{Name: "job-marked.yml", Data: []byte("\xef\xbb\xbfcomand: echo\nenvironment: azureml:e:1\n")},
		{Name: "job-deep.yml", Data: []byte("command: echo\ntags: " + strings.Repeat("{a: ", 100) + "b" + strings.Repeat("}", 100) + "\n")},
		{Name: "job-large.yml", Data: bytes.Repeat([]byte("# a line\n"), pipeline.MaxFile/8)},
		{Name: "job-bomb.yml", Data: []byte("a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n" +
			"d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n")},
	}
}

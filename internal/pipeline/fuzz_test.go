package pipeline_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/pipeline"
)

// seeds are files as people write them.
func seeds(f *testing.F) {
	for _, dir := range []string{"../../examples/handwriting", "testdata/oracle/examples"} {
		err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".yaml") && !strings.HasSuffix(path, ".yml") {
				return nil
			}
			if b, err := os.ReadFile(path); err == nil {
				f.Add(string(b), "inputs.x=1")
			}
			return nil
		})
		if err != nil {
			f.Fatal(err)
		}
	}
	f.Add("type: command\ncommand: echo ${{inputs.x}} $[[--y ${{inputs.y}}]]\nenvironment: azureml:e@latest\ninputs: {x: 1, y: {type: integer}}\n", "inputs.y=[1")
	f.Add("a: &a [*a]\nb: *a", "a=b")
	f.Add("<<: {type: pipeline}\njobs: {a: {component: ./f.yml}}", "jobs.a.inputs.x={a: b}")
}

// FuzzLoad: whatever a file holds, it is read or refused with words and places.
func FuzzLoad(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, src, set string) {
		lines := 1
		for _, r := range src { // YAML ends lines with these, too
			switch r {
			case '\n', '\r', '\u0085', '\u2028', '\u2029':
				lines++
			}
		}
		files := pipeline.MapFiles{Files: map[string][]byte{"f.yml": []byte(src)}, Paths: map[string]bool{"src": true, "data.csv": false}}
		for _, kind := range []pipeline.Kind{"", "job", "component", pipeline.KindSchedule} {
			doc, problems := pipeline.Load(files, "f.yml", pipeline.Options{Kind: kind, Set: []string{set}})
			for _, p := range problems {
				if p.Message == "" || p.Code == "" || p.Severity == "" {
					t.Fatalf("a problem without words: %+v", p)
				}
				if p.Line < 0 || p.Line > lines+1 {
					t.Fatalf("line %d of %d: %s", p.Line, lines, p.Message)
				}
			}
			if doc == nil && !cairn.HasErrors(problems) {
				t.Fatal("nothing was read, and nothing is wrong")
			}
		}
	})
}

// FuzzBinding: the parts of a text are the text.
func FuzzBinding(f *testing.F) {
	for _, s := range []string{"${{inputs.x}}", "a ${{ parent.jobs.n.outputs.o }} b", "$[[--x ${{inputs.a.b}}]]", "$[[ $[[ ]]", "${{", "]]", "$ {{ }}", "${{ a b }}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		parts, problem := pipeline.ParseBinding(s)
		if problem != "" {
			if len(parts) != 1 || parts[0].Text != s {
				t.Fatalf("%q is refused (%s), and is not one part: %+v", s, problem, parts)
			}
			return
		}
		var b strings.Builder
		var write func(ps []pipeline.Part)
		write = func(ps []pipeline.Part) {
			for _, p := range ps {
				switch {
				case p.Ref != nil:
					if len(p.Ref.Path) == 0 {
						t.Fatalf("%q: a reference to nothing", s)
					}
					b.WriteString(p.Ref.String())
				case p.Optional != nil:
					b.WriteString("$[[")
					write(p.Optional)
					b.WriteString("]]")
				default:
					b.WriteString(p.Text)
				}
			}
		}
		write(parts)
		squeeze := func(s string) string { return strings.Join(strings.Fields(s), "") }
		if squeeze(b.String()) != squeeze(s) {
			t.Fatalf("%q became %q", s, b.String())
		}
	})
}

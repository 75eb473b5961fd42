package stages

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/cairn-ml/cairn"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with a file.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (run with -update to accept):\n--- got\n%s--- want\n%s", path, got, want)
	}
}

// render shows problems with a mark under their place.
func render(ps []cairn.Problem) string {
	var b strings.Builder
	for _, p := range ps {
		fmt.Fprintf(&b, "%s %s [%s] %s\n", p.Position, p.Severity, p.Code, p.Message)
		if p.Snippet != "" {
			width := max(p.EndColumn-p.Column, 1)
			fmt.Fprintf(&b, "    %s\n    %s%s\n", p.Snippet, strings.Repeat(" ", p.Column-1), strings.Repeat("^", width))
		}
		if p.Hint != "" {
			fmt.Fprintf(&b, "    hint: %s\n", p.Hint)
		}
	}
	return b.String()
}

func TestBroken(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/broken/*.yml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d broken files: %v", len(files), err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			t.Parallel()
			src, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			_, problems := Parse(filepath.Base(f), src)
			if !cairn.HasErrors(problems) {
				t.Error("no error was found")
			}
			golden(t, strings.TrimSuffix(f, ".yml")+".golden", render(problems))
		})
	}
}

func TestAccepted(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("testdata/good/full.yml")
	if err != nil {
		t.Fatal(err)
	}
	f, problems := Parse("stages.yml", src)
	if len(problems) > 0 {
		t.Fatal(render(problems))
	}
	if got := f.Files(); !slices.Equal(got, []string{"samples/7.png"}) || len(f.Files("production")) != 0 {
		t.Errorf("files: %v", got)
	}
	if ps, err := f.Fill(func(string) ([]byte, error) { return []byte("PNG"), nil }); len(ps) > 0 || err != nil {
		t.Fatal(ps, err)
	}
	var all []json.RawMessage
	for _, name := range f.Names() {
		c, ok := f.Stage(strings.ToUpper(name))
		if !ok {
			t.Fatalf("there is no stage %s", name)
		}
		b, d, err := c.Encode()
		if err != nil || d != cairn.SumBytes(b) {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	out, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/good/full.golden", string(out)+"\n")
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	f, problems := Parse("stages.yml", []byte("stages:\n  staging:\n  Production: {}\n"))
	if len(problems) > 0 {
		t.Fatal(render(problems))
	}
	for name, dirty := range map[string]bool{"staging": true, "production": false} {
		c, _ := f.Stage(name)
		want := Default(c.Name)
		got, _, _ := c.Encode()
		expected, _, _ := want.Encode()
		if string(got) != string(expected) || c.Rules.AllowDirty != dirty {
			t.Errorf("%s: %s", name, got)
		}
	}
	if _, ok := f.Stage("live"); ok {
		t.Error("a stage that is not there was found")
	}
}

func TestAnchors(t *testing.T) {
	t.Parallel()
	f, problems := Parse("stages.yml", []byte("stages:\n  staging: &s\n    port: 81\n  production: *s\n"))
	if c, _ := f.Stage("production"); len(problems) > 0 || c.Port != 81 {
		t.Error(render(problems), c)
	}
	// Aliases that multiply are refused, not followed to the end.
	var b strings.Builder
	b.WriteString("stages:\n  a0: &a0 { smoke: { request: /, json: [1,2,3,4,5,6,7,8,9] } }\n  a: { smoke: { request: POST /, json: &j0 [1,2,3,4,5,6,7,8,9] } }\n")
	for i := 1; i < 9; i++ {
		fmt.Fprintf(&b, "  a%d: { smoke: { request: POST /, json: &j%d [%s] } }\n", i, i, strings.Repeat(fmt.Sprintf("*j%d,", i-1), 9))
	}
	if _, problems := Parse("stages.yml", []byte(b.String())); !cairn.HasErrors(problems) || !strings.Contains(render(problems), "stands for more than") {
		t.Error(render(problems))
	}
}

func TestFill(t *testing.T) {
	t.Parallel()
	src := "stages:\n  a: { smoke: { request: POST /p, file: x.png } }\n  b: { smoke: { request: POST /p, file: y.txt, field: 'q\"\u00e4' } }\n"
	f, problems := Parse("stages.yml", []byte(src))
	if len(problems) > 0 {
		t.Fatal(render(problems))
	}
	before, _ := f.Stage("b")
	problems, err := f.Fill(func(p string) ([]byte, error) {
		if p == "x.png" {
			return nil, cairn.Errorf(cairn.CodeNotFound, "no")
		}
		return []byte("text\r\n"), nil
	})
	if err != nil || len(problems) != 1 || problems[0].Line != 2 || !strings.Contains(problems[0].Message, "x.png, which is not there") {
		t.Fatal(problems, err)
	}
	if before.Smoke.Body != nil {
		t.Error("what was given away before changed")
	}
	one, _ := f.Stage("b")
	if _, err := f.Fill(func(string) ([]byte, error) { return []byte("text\r\n"), nil }, "B"); err != nil {
		t.Fatal(err)
	}
	two, _ := f.Stage("b")
	if string(one.Smoke.Body) != string(two.Smoke.Body) || !strings.Contains(string(one.Smoke.Body), `filename=y.txt`) && !strings.Contains(string(one.Smoke.Body), `filename="y.txt"`) {
		t.Errorf("%q", one.Smoke.Body)
	}
	if _, err := f.Fill(func(string) ([]byte, error) { return nil, errors.New("disk") }); err == nil {
		t.Error("a failure to read was lost")
	}
	if ps, _ := f.Fill(func(string) ([]byte, error) { return make([]byte, maxSample+1), nil }, "a"); len(ps) != 1 {
		t.Error(ps)
	}
}

func TestDurationsAndSizes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"500ms": "500ms", "60s": "1m", "1h30m": "1h30m0s", "30d": "30d", "1.5h": "1h30m0s", "0": "0s", "0s": "0s"} {
		if d, err := parseDuration(text); err != nil || showDuration(d) != want && d.String() != want {
			t.Errorf("%s: %s %v", text, d, err)
		}
	}
	for _, text := range []string{"", "5", "-1s", "s", "1w", "1s ", "99999999d", "1h-1m"} {
		if d, err := parseDuration(text); err == nil {
			t.Errorf("%q: %s", text, d)
		}
	}
	for text, want := range map[string]int64{"1": 1, "1k": 1000, "1Ki": 1024, "512Mi": 512 << 20, "1.5Gi": 3 << 29, "2G": 2e9, "1TiB": 1 << 40} {
		if v, ok := parseSize(text); !ok || v != want {
			t.Errorf("%s: %d %v", text, v, ok)
		}
	}
	for _, text := range []string{"", "Mi", "-1", "1Xi", "1i", "9999999Ti", "1 Mi"} {
		if v, ok := parseSize(text); ok {
			t.Errorf("%q: %d", text, v)
		}
	}
}

func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*/*.yml")
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		file, problems := Parse("stages.yml", src)
		for _, p := range problems {
			if p.Message == "" || p.Code == "" || !utf8.ValidString(p.Snippet) || p.Line > 0 && p.Column < 1 {
				t.Errorf("%+v", p)
			}
		}
		if cairn.HasErrors(problems) {
			return
		}
		for _, n := range file.Names() {
			c, ok := file.Stage(n)
			if !ok {
				t.Fatalf("%q is lost", n)
			}
			if _, _, err := c.Encode(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

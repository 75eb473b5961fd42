package workflow

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with a file beside the test.
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

func TestBroken(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/broken/*.yml")
	if err != nil || len(files) < 20 {
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
			for _, p := range problems {
				if p.Line > 0 && p.Snippet == "" && len(src) > 0 && p.Code != "workflow.empty" {
					t.Errorf("%s has no snippet", p.Message)
				}
			}
			golden(t, strings.TrimSuffix(f, ".yml")+".golden", Render(problems, src))
		})
	}
}

func TestAccepted(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/good/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		_, problems := Parse(filepath.Base(f), src)
		golden(t, strings.TrimSuffix(f, ".yml")+".golden", Render(problems, src))
		if cairn.HasErrors(problems) {
			t.Errorf("%s:\n%s", f, Render(problems, src))
		}
	}
}

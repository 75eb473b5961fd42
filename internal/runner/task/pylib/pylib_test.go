package pylib

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestInstall(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := Install(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(first, "mltable", "__init__.py")); err != nil {
		t.Fatal(err)
	}
	second, err := Install(dir)
	if err != nil || second != first {
		t.Fatalf("the second time: %q, %v; want %q", second, err, first)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("left behind: %v, %v", entries, err)
	}
}

// TestMLTable runs the tests of the module itself.
func TestMLTable(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("needs python3")
	}
	out, err := exec.Command(python, "-B", "test_mltable.py").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "OK") {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestYAML(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var out, errs strings.Builder
	file := write("MLTable", "type: mltable\npaths:\n  - pattern: ./*.csv\ntransformations:\n  - read_delimited: {header: all_files_same_headers}\n  - take: 3\n")
	if code := YAMLMain([]string{file}, &out, &errs); code != 0 {
		t.Fatal(code, errs.String())
	}
	const want = `{"paths":[{"pattern":"./*.csv"}],"transformations":[{"read_delimited":{"header":"all_files_same_headers"}},{"take":3}],"type":"mltable"}` + "\n"
	if out.String() != want {
		t.Errorf("got %s", out.String())
	}
	for name, text := range map[string]string{"keys": "{[a]: b}", "broken": "a: [", "large": strings.Repeat("a", maxYAML+1)} {
		errs.Reset()
		if code := YAMLMain([]string{write(name, text)}, &out, &errs); code != 1 || errs.Len() == 0 {
			t.Errorf("%s: code %d, %q", name, code, errs.String())
		}
	}
}

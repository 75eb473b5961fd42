package repo

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
)

func tree(t *testing.T, files map[string]string) (string, []*File) {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	fs, err := Workflows(root)
	if err != nil {
		t.Fatal(err)
	}
	return root, fs
}

func wf(name, on string) string {
	return "name: " + name + "\non: " + on + "\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: 'true'\n"
}

func TestChoose(t *testing.T) {
	t.Parallel()
	root, files := tree(t, map[string]string{
		".github/workflows/mlops.yml":    wf("MLOps", "[push, workflow_dispatch]"),
		".github/workflows/nightly.yaml": wf("Nightly build", "push"),
		".github/workflows/twin1.yml":    wf("Twin", "push"),
		".github/workflows/twin2.yml":    wf("Twin", "push"),
		".github/workflows/README.md":    "not one",
		"ci/own.yml":                     wf("Own", "push"),
	})
	for asked, want := range map[string]string{
		"mlops.yml": ".github/workflows/mlops.yml", "MLOps": ".github/workflows/mlops.yml", "mlops": ".github/workflows/mlops.yml",
		".github/workflows/mlops.yml": ".github/workflows/mlops.yml", "./.github/workflows/mlops.yml": ".github/workflows/mlops.yml",
		"nightly BUILD": ".github/workflows/nightly.yaml", "ci/own.yml": "ci/own.yml", "../ci/own.yml": "ci/own.yml",
		filepath.Join(root, ".github/workflows/mlops.yml"): ".github/workflows/mlops.yml",
		"/home/ana/repo/.github/workflows/mlops.yml":       ".github/workflows/mlops.yml",
		`C:\Users\ana\repo\.github\workflows\nightly.yaml`: ".github/workflows/nightly.yaml",
		"/somewhere/else/workflows/twin2.yml":              ".github/workflows/twin2.yml",
	} {
		dir := root
		if strings.HasPrefix(asked, "../") {
			dir = filepath.Join(root, "ci")
		}
		f, note, err := Choose(root, dir, asked, files)
		if err != nil || f.Path != want {
			t.Errorf("%s: %v, %v", asked, f, err)
			continue
		}
		if foreign := strings.HasPrefix(asked, "/home") || strings.HasPrefix(asked, "C:") || strings.HasPrefix(asked, "/some"); foreign != (note != "") {
			t.Errorf("%s: note %q", asked, note)
		}
	}
	var several *Ambiguous
	if _, _, err := Choose(root, root, "Twin", files); !errors.As(err, &several) || len(several.Files) != 2 {
		t.Errorf("twins: %v", err)
	}
	if _, _, err := Choose(root, root, "", files); !errors.As(err, &several) || len(several.Files) != 4 {
		t.Errorf("none named: %v", err)
	}
	_, _, err := Choose(root, root, "mlop.yml", files)
	if e := cairn.AsError(err); e.Code != cairn.CodeNotFound || !strings.HasPrefix(e.Hint, `did you mean "mlops.yml"?`) {
		t.Errorf("%+v", e)
	}
}

func TestTheOnly(t *testing.T) {
	t.Parallel()
	root, files := tree(t, map[string]string{
		".github/workflows/main.yml":   wf("Main", "push"),
		".github/workflows/called.yml": wf("Called", "workflow_call"),
	})
	f, _, err := Choose(root, root, "", files)
	if err != nil || f.Path != ".github/workflows/main.yml" {
		t.Errorf("%v, %v", f, err)
	}
	if f.DefaultEvent() != "push" {
		t.Error(f.DefaultEvent())
	}
	root, files = tree(t, map[string]string{"a.py": ""})
	if _, _, err := Choose(root, root, "", files); cairn.CodeOf(err) != cairn.CodeNotFound {
		t.Error(err)
	}
}

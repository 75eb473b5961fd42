package runner

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// place is a machine of which only the folders are asked.
type place struct {
	Machine
	dir string
}

func (p place) Dirs() Dirs { return Dirs{Workspace: p.dir} }

func TestHints(t *testing.T) {
	t.Parallel()
	full := t.TempDir()
	for _, f := range []string{"steps/train.py", "steps/prepare.py", ".git/HEAD", "requirements.txt"} {
		p := filepath.Join(full, f)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name, tail string
		code       int
		root, dir  string
		want       string // a part; "": no hint
	}{
		{"near", "python3: can't open file '" + full + "/steps/trian.py': [Errno 2] No such file or directory", 2, full, full, "did you mean steps/train.py?"},
		{"near in dash", "sh: 0: cannot open steps/trian.sh: No such file", 2, full, full, "there is no steps/trian.sh"},
		{"folder", "bash: steps/none-like-it.sh: No such file or directory", 127, full, full, "steps holds prepare.py, train.py"},
		{"top", "cat: data.csv: No such file or directory", 1, full, full, "the workspace holds requirements.txt, steps"},
		{"no folder", "FileNotFoundError: [Errno 2] No such file or directory: 'data/x.csv'", 1, full, full, "there is no folder data"},
		{"other folder", "cat: steps/train.py: No such file or directory", 1, full, filepath.Join(full, "steps"), "runs in another folder"},
		{"ignored", "python3: can't open file 'steps/ignored.py': [Errno 2] No such file or directory", 2, full, full, "git ignores steps/ignored.py"},
		{"empty workspace", "python3: can't open file 'train.py': [Errno 2] No such file or directory", 2, "", "", "actions/checkout"},
		{"outside", "cat: /etc/nothing-here: No such file or directory", 1, full, full, ""},
		{"program", "/home/x/jobs/1.1/files/2/script.sh: line 4: Rscript: command not found", 127, full, full, `no program "Rscript"`},
		{"program in sh", "/home/x/jobs/1.1/files/2/script.sh: 1: quarto: not found", 127, full, full, `no program "quarto"`},
		{"found later", "/home/x/jobs/1.1/files/2/script.sh: line 4: Rscript: command not found\nbut then this", 1, full, full, ""},
		{"syntax", "/home/x/jobs/1.1/files/2/script.sh: line 3: syntax error: unexpected end of file", 2, full, full, "first line under `run`"},
		{"quote", "/home/x/jobs/1.1/files/2/script.sh: line 1: unexpected EOF while looking for matching `\"'", 2, full, full, "first line under `run`"},
		{"module", "ModuleNotFoundError: No module named 'sklearn.svm'", 1, full, full, `brings "sklearn"`},
		{"index of uv", "error: Failed to fetch: http://127.0.0.1:9/simple/x/\n  cause: tcp connect error", 2, full, full, "HTTPS_PROXY"},
		{"index of pip", "ERROR: Could not find a version that satisfies the requirement x (from versions: none)\nERROR: No matching distribution found for x", 1, full, full, "spelling"},
		{"requirements", "uv is not to be had, so pip itself is used: uv could not be fetched with pip: ERROR: No matching distribution found for uv (from versions: none)\n" +
			"ERROR: Could not open requirements file: [Errno 2] No such file or directory: 'requirments.txt'", 1, full, full, "did you mean requirements.txt?"},
		{"only uv", "uv could not be fetched with pip: ERROR: No matching distribution found for uv (from versions: none)\nAssertionError", 1, full, full, ""},
		{"version", "ERROR: Could not find a version that satisfies the requirement x==9 (from versions: 1.0, 1.1)\nERROR: No matching distribution found for x==9", 1, full, full, "not this version"},
		{"disk", "dd: error writing 'big': No space left on device", 1, full, full, "a disk is full"},
		{"memory", "Killed", 137, full, full, "memory"},
		{"nothing known", "AssertionError", 1, full, full, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			root, dir := c.root, c.dir
			if root == "" {
				root = t.TempDir()
				dir = root
			}
			x := &executor{Job: Job{Machine: place{dir: root}, Ignored: func(p string) bool { return p == "steps/ignored.py" }}}
			got := x.scriptHint(c.tail, c.code, dir)
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if strings.Contains(got, ".git,") {
				t.Errorf("%q", got)
			}
		})
	}
}

package ignore

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
)

// lay writes files: "path: text", "path -> target" for a link, "path/" for a folder.
func lay(t testing.TB, dir string, lines ...string) {
	t.Helper()
	for _, l := range lines {
		name, target, link := strings.Cut(l, " -> ")
		name, text, _ := strings.Cut(name, ": ")
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch {
		case link:
			err = os.Symlink(target, full)
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(full, 0o755)
		default:
			err = os.WriteFile(full, []byte(strings.ReplaceAll(text, "|", "\n")), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestWalk(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, below string
		files       []string
		want        string // paths; then notes after " ; "
		err         string
	}{
		{"nothing is ignored", "", []string{"a: x", "d/b: x"}, "a d/b", ""},
		{"git's folder and compiled Python never come", "", []string{"a: x", ".git/HEAD: x", "p/__pycache__/a.pyc: x", "s/.git: gitdir"}, "a", ""},
		{"a .gitignore far above counts", "ml/src", []string{".gitignore: *.bin|/build", "ml/.gitignore: !keep.bin", "ml/src/a.py: x", "ml/src/a.bin: x", "ml/src/keep.bin: x", "ml/src/build/x: x"},
			"a.py build/x keep.bin", ""},
		{"one far below counts too", "", []string{"a/b/.gitignore: secret", "a/b/secret: x", "a/secret: x"}, "a/b/.gitignore a/secret", ""},
		{".amlignore beside the code takes the place of all of git's", "src", []string{".gitignore: *.bin", "src/.amlignore: *.log", "src/.gitignore: *.py", "src/d/.gitignore: x", "src/a.py: x", "src/a.bin: x", "src/a.log: x", "src/d/x: x"},
			".amlignore .gitignore a.bin a.py d/.gitignore d/x", ""},
		{".amlignore further below takes the place of the one beside it", "", []string{".gitignore: *.bin", "d/.amlignore: *.log", "d/.gitignore: *.py", "d/a.py: x", "d/a.log: x", "d/a.bin: x"},
			".gitignore d/.amlignore d/.gitignore d/a.py", ""},
		{"order and negation", "", []string{".amlignore: *|!*.py|!d/", "a.py: x", "a.txt: x", "d/b.py: x", "d/b.txt: x", "e/c.py: x"}, "a.py d/b.py", ""},
		{"a folder that is ignored and named all the same", "out/code", []string{".gitignore: out/|*.py", "out/code/a.py: x"}, "a.py", ""},
		{"links are followed", "src", []string{"shared/u.py: x", "src/u.py -> ../shared/u.py", "src/lib -> ../shared", "src/again -> lib"}, "again/u.py lib/u.py u.py", ""},
		{"a link to a folder is ignored as a folder", "", []string{".gitignore: lib/", "shared/u.py: x", "lib -> shared"}, ".gitignore shared/u.py", ""},
		{"a loop is passed over", "", []string{"a: x", "d/up -> ..", "d/b: x"}, "a d/b ; d/up is left out: the symbolic link leads to a folder that it lies in", ""},
		{"a link to nothing is passed over", "", []string{"a: x", ".#a -> ana@host.123"}, "a ; .#a is left out: it is a symbolic link to something that is not there", ""},
		{"a link out of the repository is refused", "", []string{"a -> /etc/hostname"}, "", "leads to /etc/hostname, outside of"},
		{"unless it is ignored", "", []string{".gitignore: a", "a -> /etc/hostname"}, ".gitignore", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			top := t.TempDir()
			lay(t, top, tc.files...)
			found, err := Walk(t.Context(), filepath.Join(top, tc.below), Options{Top: top})
			if err != nil {
				if tc.err == "" || !strings.Contains(err.Error(), tc.err) || cairn.CodeOf(err) != cairn.CodeInvalid {
					t.Fatal(err)
				}
				return
			}
			var got []string
			for _, f := range found.Files {
				got = append(got, f.Path)
			}
			for _, n := range found.Notes {
				got = append(got, ";", strings.TrimPrefix(n, top+"/"))
			}
			if s := strings.Join(got, " "); s != tc.want || tc.err != "" {
				t.Errorf("%s\nwant %s %s", s, tc.want, tc.err)
			}
		})
	}
}

func TestWalkKnowsSizesAndModes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lay(t, dir, "a.sh: echo", "b: xy")
	if err := os.Chmod(filepath.Join(dir, "a.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	found, err := Walk(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(found.Files) != 2 || !found.Files[0].Exec || found.Files[1].Exec || found.Size != 6 {
		t.Errorf("%+v", found)
	}
}

func TestWalkAll(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lay(t, dir, ".gitignore: *", ".amlignore: *", "a: x", "__pycache__/b: x", ".git/HEAD: x")
	found, err := Walk(t.Context(), dir, Options{All: true})
	if err != nil || len(found.Files) != 4 {
		t.Errorf("%+v %v", found, err)
	}
}

func BenchmarkWalk(b *testing.B) {
	dir := b.TempDir()
	var lines []string
	for i := range 2000 {
		lines = append(lines, fmt.Sprintf("d%d/e%d/f%d.py: x", i%20, i%7, i))
	}
	lay(b, dir, append(lines, ".gitignore: *.log|build/|**/out/**|/d3|!x*.py|data-[0-9]*", "d1/.gitignore: e1/*.tmp")...)
	for b.Loop() {
		if _, err := Walk(b.Context(), dir, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

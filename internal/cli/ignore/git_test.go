package ignore

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// names are few, so that patterns meet them.
var names = []string{"a", "b", "ab", "a.py", "b.py", "data", "x y", "[a]", "a-b", ".env", "B", "1"}

var pieces = []string{"a", "b", "ab", "a.py", "*.py", "data", "*", "**", "***", "?", "a*", "*b", "[ab]", "[!a]", "[^a]", "[a-c]",
	"[[:alpha:]]", "[[:digit:]]", "[[:nope:]]", "[]a]", "[a", `\a`, `\*`, `x\ y`, "x y", "[a]", `\[a]`, "a**", "**b", "a**b", ".env", "a-b", "[a-]", "[[a]", "[[:alpha:]1]", "B", "?*", "*?", "a?"}

func genPattern(t *rapid.T) string {
	var b strings.Builder
	if rapid.IntRange(0, 3).Draw(t, "negative") == 0 {
		b.WriteString("!")
	}
	if rapid.IntRange(0, 3).Draw(t, "rooted") == 0 {
		b.WriteString("/")
	}
	n := rapid.IntRange(1, 3).Draw(t, "parts")
	for i := range n {
		if i > 0 {
			b.WriteString("/")
		}
		b.WriteString(rapid.SampledFrom(pieces).Draw(t, "piece"))
	}
	switch rapid.IntRange(0, 9).Draw(t, "end") {
	case 0, 1, 2:
		b.WriteString("/")
	case 3:
		b.WriteString("  ")
	case 4:
		b.WriteString(`\ `)
	case 5:
		b.WriteString("\r")
	case 6:
		b.WriteString("\t")
	case 7:
		b.WriteString(`\`)
	}
	return b.String()
}

func genIgnore(t *rapid.T) string {
	lines := rapid.SliceOfN(rapid.Custom(genPattern), 0, 5).Draw(t, "lines")
	if rapid.IntRange(0, 4).Draw(t, "comment") == 0 {
		lines = append(lines, "# a*", "", `\#x`, "!", "/")
	}
	text := strings.Join(lines, "\n")
	if rapid.Bool().Draw(t, "newline") {
		text += "\n"
	}
	if rapid.IntRange(0, 9).Draw(t, "mark") == 0 {
		text = "\xef\xbb\xbf" + text
	}
	return text
}

// Whatever the lines are, what git ignores is left out and nothing else.
func TestWalkAgreesWithGit(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not here")
	}
	base := t.TempDir()
	round := 0
	rapid.Check(t, func(t *rapid.T) {
		round++
		dir := filepath.Join(base, "r", strings.Repeat("x", round%7)+string(rune('a'+round%26)))
		must(t, os.RemoveAll(dir))
		must(t, os.MkdirAll(dir, 0o755))
		folders := []string{""}
		for range rapid.IntRange(0, 4).Draw(t, "folders") {
			f := filepath.Join(rapid.SampledFrom(folders).Draw(t, "in"), rapid.SampledFrom(names).Draw(t, "folder"))
			if os.MkdirAll(filepath.Join(dir, f), 0o755) == nil && !slices.Contains(folders, f) {
				folders = append(folders, f)
			}
		}
		var all []string
		for range rapid.IntRange(1, 8).Draw(t, "files") {
			f := filepath.Join(rapid.SampledFrom(folders).Draw(t, "at"), rapid.SampledFrom(names).Draw(t, "file"))
			if fi, err := os.Stat(filepath.Join(dir, f)); err == nil && fi.IsDir() {
				continue
			}
			must(t, os.WriteFile(filepath.Join(dir, f), nil, 0o644))
			if !slices.Contains(all, f) {
				all = append(all, f)
			}
		}
		for _, f := range folders {
			if rapid.Bool().Draw(t, "has") {
				name := filepath.Join(f, gitIgnore)
				must(t, os.WriteFile(filepath.Join(dir, name), []byte(genIgnore(t)), 0o644))
				all = append(all, name)
			}
		}
		if len(all) == 0 {
			return
		}
		git(t, dir, "", "init", "-q", ".")
		out := git(t, dir, strings.Join(all, "\x00")+"\x00", "check-ignore", "--no-index", "--stdin", "-z")
		ignored := strings.Split(out, "\x00")
		var want []string
		for _, f := range all {
			if !slices.Contains(ignored, f) {
				want = append(want, filepath.ToSlash(f))
			}
		}
		slices.Sort(want)
		found, err := Walk(t.Context(), dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range found.Files {
			got = append(got, f.Path)
		}
		if !slices.Equal(got, want) {
			for _, f := range folders {
				if b, err := os.ReadFile(filepath.Join(dir, f, gitIgnore)); err == nil {
					t.Logf("%s: %q", filepath.Join(f, gitIgnore), b)
				}
			}
			t.Fatalf("taken along: %q\ngit would:   %q", got, want)
		}
	})
}

type failer interface {
	Fatal(...any)
	Fatalf(string, ...any)
}

func must(t failer, err error) {
	if err != nil {
		t.Fatal(err)
	}
}

func git(t failer, dir, in string, args ...string) string {
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(in)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if exit, ok := err.(*exec.ExitError); ok && exit.ExitCode() == 1 && args[0] == "check-ignore" {
		err = nil // nothing is ignored
	}
	if err != nil {
		t.Fatalf("git %q: %v\n%s", args, err, said.String())
	}
	return string(out)
}

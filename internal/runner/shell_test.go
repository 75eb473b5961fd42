package runner

import (
	"errors"
	"slices"
	"testing"
)

func TestFindShell(t *testing.T) {
	t.Parallel()
	all := func(string) (string, error) { return "x", nil }
	none := func(string) (string, error) { return "", errors.New("none") }
	for _, c := range []struct {
		name string
		look func(string) (string, error)
		want []string
		ext  string
		err  string
	}{
		{"", all, []string{"bash", "-e", "S"}, ".sh", ""},
		{"", none, []string{"sh", "-e", "S"}, ".sh", ""},
		{"bash", all, []string{"bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "S"}, ".sh", ""},
		{"sh", all, []string{"sh", "-e", "S"}, ".sh", ""},
		{"python", all, []string{"python", "S"}, ".py", ""},
		{"pwsh", all, []string{"pwsh", "-command", ". 'S'"}, ".ps1", ""},
		{"bash -l {0}", all, []string{"bash", "-l", "S"}, ".sh", ""},
		{"python3 -u '{0}' \"a b\"", all, []string{"python3", "-u", "S", "a b"}, ".py", ""},
		{"perl {0}", all, []string{"perl", "S"}, "", ""},
		{"bsh", all, nil, "", `Invalid shell option "bsh". Shell must be a valid built-in (bash, sh, python, pwsh) or a format string containing '{0}'`},
		{"cmd", all, nil, "", `the shell "cmd" is there on Windows only`},
		{"powershell", all, nil, "", `the shell "powershell" is there on Windows only`},
		{"bash '{0}", all, nil, "", `the shell "bash '{0}" has an open quote`},
	} {
		sh, err := findShell(c.name, c.look)
		if errText(err) != c.err {
			t.Errorf("%q: %v", c.name, err)
		}
		if err == nil && (!slices.Equal(sh.command("S"), c.want) || sh.ext != c.ext) {
			t.Errorf("%q: %q %q", c.name, sh.command("S"), sh.ext)
		}
	}
}

package serve

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/clitest"
)

var update = flag.Bool("update", false, "write golden files")

func TestUnit(t *testing.T) {
	t.Parallel()
	for name, u := range map[string]Unit{
		"user.service":   {Exe: "/usr/local/bin/cairn", Home: "/home/ada/.local/share/cairn", Env: []cairn.NamedText{{Name: "PATH", Value: "/usr/local/bin:/usr/bin"}}},
		"system.service": {Exe: "/usr/bin/cairn", Home: "/var/lib/cairn", Listen: "127.0.0.1:8080", System: true, User: "cairn"},
		"odd.service":    {Exe: `/opt/my tools/50% $HOME/cairn`, Home: `/data/a b\c;d`, Listen: "[::1]:80", Env: []cairn.NamedText{{Name: "PATH", Value: "/a b:/50%"}}},
	} {
		text, err := u.Text()
		if err != nil {
			t.Fatal(err)
		}
		clitest.Golden(t, *update, name, text)
	}
	if _, err := (Unit{Exe: "/cairn", Home: "/a\nExecStart=/bin/sh"}).Text(); cairn.CodeOf(err) != cairn.CodeInvalid {
		t.Errorf("a line end in a path: %v", err)
	}
	if _, err := (Unit{Exe: `/a "b"/cairn`, Home: "/a"}).Text(); cairn.CodeOf(err) != cairn.CodeInvalid {
		t.Errorf("a quote in the program's path: %v", err)
	}
}

// systemd itself reads the units without complaint, where it is there.
func TestSystemdTakesTheUnit(t *testing.T) {
	t.Parallel()
	verify, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd-analyze on PATH")
	}
	exe := filepath.Join(t.TempDir(), `a b 5% $x`)
	if err := os.WriteFile(exe, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	text, err := Unit{Exe: exe, Home: `/data/a b\c`, Listen: "127.0.0.1:1"}.Text()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), unitName)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(verify, "verify", "--man=no", file).CombinedOutput()
	if err != nil || strings.Contains(string(out), unitName) {
		t.Errorf("%v: %s", err, out)
	}
}

func TestLoop(t *testing.T) {
	t.Parallel()
	got := Unit{Exe: "/usr/bin/cairn", Home: "/home/it's mine"}.Loop()
	want := "export CAIRN_HOME='/home/it'\\''s mine'\nwhile true; do /usr/bin/cairn serve; sleep 1; done &\n"
	if got != want {
		t.Errorf("got %s", got)
	}
}

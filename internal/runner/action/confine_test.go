package action

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestContainerPaths: in a job whose steps run in a container, artifacts are read and
// written in the folders that both see, whatever links lie there.
func TestContainerPaths(t *testing.T) {
	t.Parallel()
	host := t.TempDir() // what a container must not reach
	files(t, host, "secret")
	base := t.TempDir()
	ws := filepath.Join(base, "work", "digits", "digits")
	files(t, ws, "dist/a.txt", "real/b.txt")
	for name, to := range map[string]string{"out": host, "dist/link": filepath.Join(host, "secret"), "inner": "real"} {
		if err := os.Symlink(to, filepath.Join(ws, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(base, "tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	server := newServer()
	do := func(uses string, with ...string) error {
		t.Helper()
		c, _ := step(t, server, ws, with...)
		c.InContainer = true
		c.Dirs.Files = filepath.Join(base, "files")
		return act(t, uses, Deps{}).Run(t.Context(), c)
	}
	for _, path := range []string{"dist", "out", "out/secret", filepath.Join(host, "secret"), "/etc/hostname"} {
		if err := do("actions/upload-artifact@v4", "name", "a", "path", path); err == nil || strings.Contains(err.Error(), "content of") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if len(server.artifacts) > 0 {
		t.Fatalf("%+v", server.artifacts)
	}
	// A link that stays inside is what it leads to.
	if err := do("actions/upload-artifact@v4", "name", "inner", "path", "inner"); err != nil || server.trees[server.artifacts[0].Digest]["b.txt"] != "content of real/b.txt" {
		t.Errorf("%v %v", err, server.trees)
	}
	for _, path := range []string{"out", "out/deeper", host, "/etc"} {
		if err := do("actions/download-artifact@v4", "name", "inner", "path", path); err == nil {
			t.Errorf("%s was written to", path)
		}
	}
	if es, err := os.ReadDir(host); err != nil || len(es) != 1 {
		t.Errorf("%v %v", es, err)
	}
	if err := do("actions/download-artifact@v4", "name", "inner", "path", "new/place"); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(filepath.Join(ws, "new/place/b.txt")); err != nil || string(b) != "content of real/b.txt" {
		t.Errorf("%q %v", b, err)
	}
	// Nor does a login write, or an action read, through a link.
	c, _ := step(t, server, ws, "registry", "r.example.com", "username", "u", "password", "p-p-p-p")
	c.InContainer = true
	if err := os.Symlink(host, filepath.Join(c.Dirs.Home, ".docker")); err != nil {
		t.Fatal(err)
	}
	if err := act(t, "docker/login-action@v3", Deps{}).Run(t.Context(), c); err == nil {
		t.Error("a login was written to where a link leads")
	}
	if b, err := readJobFile(c, filepath.Join(ws, "dist/link")); err == nil {
		t.Errorf("%q was read", b)
	}
	if es, err := os.ReadDir(host); err != nil || len(es) != 1 {
		t.Errorf("%v %v", es, err)
	}
	// On this host links lead where they lead, as on GitHub.
	c, _ = step(t, server, ws, "name", "free", "path", "dist")
	if err := act(t, "actions/upload-artifact@v4", Deps{}).Run(t.Context(), c); err != nil {
		t.Error(err)
	}
}

package server_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestOctokit drives the dialect with the client that github-script and most
// actions use, unchanged. It needs Node.js and npm: CAIRN_TEST_CLIENTS=1, or make
// test-clients; CAIRN_TEST_CLIENTS_MODULES keeps the packages between runs.
func TestOctokit(t *testing.T) {
	if os.Getenv("CAIRN_TEST_CLIENTS") == "" {
		t.Skip("set CAIRN_TEST_CLIENTS=1 to run the stock clients")
	}
	modules := os.Getenv("CAIRN_TEST_CLIENTS_MODULES")
	if modules == "" {
		modules = t.TempDir()
	}
	modules = filepath.Join(modules, "octokit")
	if err := os.MkdirAll(modules, 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	node := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir = modules
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
		return string(out)
	}
	if _, err := os.Stat(filepath.Join(modules, "node_modules", "@octokit", "rest")); err != nil {
		node("npm", "install", "--no-audit", "--no-fund", "--silent", "@octokit/rest@21")
	}
	script, err := filepath.Abs("testdata/octokit.mjs")
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(script)
	if err == nil {
		err = os.WriteFile(filepath.Join(modules, "octokit.mjs"), b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	home := tempHome(t)
	s := start(t, home)
	dir := repository(t, map[string]string{
		".github/workflows/d.yml": dispatched, ".github/workflows/p.yml": flow("pr", "  pull_request:"), ".github/workflows/r.yml": flow("rel", "  release: {types: [published]}"),
	})
	git(t, dir, "push", pushURL(s, "o/r"), "HEAD:main")
	git(t, dir, "checkout", "-qb", "topic")
	commitFile(t, dir, "b", "2\n", "Second")
	git(t, dir, "push", pushURL(s, "o/r"), "HEAD:topic")
	out := node("node", "octokit.mjs", s.URL()+"/api/v3")
	if !strings.HasSuffix(strings.TrimSpace(out), "all done") {
		t.Errorf("%s", out)
	}
	t.Log(out)
}

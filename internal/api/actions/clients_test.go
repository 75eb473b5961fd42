package actions_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestClients runs the stock npm packages of GitHub against this service, the
// oldest that speaks it, the last of each older line and the newest: it needs
// Node.js, npm and some minutes the first time. CAIRN_TEST_CLIENTS=1, or make
// test-clients; CAIRN_TEST_CLIENTS_MODULES keeps the packages between runs,
// CLIENT_BYTES and CLIENT_FILES say how much the figures are taken of.
func TestClients(t *testing.T) {
	if os.Getenv("CAIRN_TEST_CLIENTS") == "" {
		t.Skip("set CAIRN_TEST_CLIENTS=1 to run the stock clients")
	}
	modules := os.Getenv("CAIRN_TEST_CLIENTS_MODULES")
	if modules == "" {
		modules = t.TempDir()
	}
	for _, c := range []struct{ name, version string }{
		{"artifact", "2.1.9"}, {"artifact", "2.3.2"}, {"artifact", "4.0.0"}, {"artifact", "latest"},
		{"cache", "4.0.0"}, {"cache", "4.1.0"}, {"cache", "5.0.5"}, {"cache", "latest"},
	} {
		t.Run(c.name+"@"+c.version, func(t *testing.T) {
			dir := filepath.Join(modules, c.name+"-"+c.version)
			install(t, dir, "@actions/"+c.name+"@"+c.version)
			w := newWorld(t)
			w.builtin("builtin", map[string]string{"made/by/cairn.txt": "from a tree", "tool.sh*": "#!/bin/sh\n"})
			script, err := filepath.Abs(filepath.Join("testdata", "clients", c.name+".mjs"))
			if err != nil {
				t.Fatal(err)
			}
			work, temp := t.TempDir(), t.TempDir()
			cmd := exec.CommandContext(t.Context(), "node", script)
			cmd.Dir = work
			cmd.Env = append(clean(os.Environ()), "CLIENT_MODULES="+dir, "GITHUB_WORKSPACE="+work, "RUNNER_TEMP="+temp,
				"GITHUB_SERVER_URL=http://cairn.localhost:7077", "ACTIONS_RESULTS_URL="+w.URL+"/", "ACTIONS_RUNTIME_URL="+w.URL+"/",
				"ACTIONS_CACHE_URL="+w.URL+"/", "ACTIONS_CACHE_SERVICE_V2=true", "ACTIONS_RUNTIME_TOKEN="+w.token)
			out, err := cmd.CombinedOutput()
			for line := range strings.Lines(string(out)) {
				if strings.HasPrefix(line, "figure:") || err != nil {
					t.Log(strings.TrimRight(line, "\n"))
				}
			}
			if err != nil || !strings.Contains(string(out), "all is well") {
				t.Fatalf("%v\n%s", err, w.log)
			}
			if c.name == "artifact" {
				if f := w.files(w.artifact("small")); f["a.txt"] != "hello" {
					t.Errorf("the artifact that the client made holds %v", f)
				}
			}
		})
	}
}

// clean leaves out what would lead a client elsewhere.
func clean(env []string) []string {
	var out []string
	for _, kv := range env {
		if !strings.HasPrefix(kv, "ACTIONS_") && !strings.HasPrefix(kv, "GITHUB_") && !strings.HasPrefix(kv, "NODE_") {
			out = append(out, kv)
		}
	}
	return append(out, "NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1")
}

func install(t *testing.T, dir, what string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err == nil && !strings.HasSuffix(what, "@latest") {
		return
	}
	b, err := json.Marshal(map[string]any{"name": "clients", "private": true})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "package.json"), b, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--silent", what)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm install %s: %v\n%s", what, err, out)
	}
}

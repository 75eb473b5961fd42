package action

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
	"github.com/cairn-ml/cairn/internal/runner/node"
	"github.com/cairn-ml/cairn/internal/runner/python"
)

// fakeProgram writes a program that answers a version.
func fakeProgram(t *testing.T, dir, name, version string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\necho "+version+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// nodeStep is a step on a machine with Nodes 20 on PATH, 18 of nvm and 22 in the tool
// cache, and without a network.
func nodeStep(t *testing.T, with ...string) (*runner.StepContext, Deps, func() string) {
	t.Helper()
	machine, home, ws := t.TempDir(), t.TempDir(), t.TempDir()
	fakeProgram(t, machine, "node", "v20.1.0")
	fakeProgram(t, machine, "npm", "10.0.0")
	fakeProgram(t, filepath.Join(home, ".nvm/versions/node/v18.3.0/bin"), "node", "v18.3.0")
	c, log := step(t, nil, ws, with...)
	c.Dirs.ToolCache, c.Dirs.Cache, c.Dirs.Temp = t.TempDir(), t.TempDir(), t.TempDir()
	fakeProgram(t, filepath.Join(c.Dirs.ToolCache, "node/22.5.1", node.Arch(), "bin"), "node", "v22.5.1")
	c.Env = map[string]string{"PATH": machine}
	c.Exec = realExec(c)
	// An npm that reaches nothing, and no network for the rest.
	none := t.TempDir()
	if err := os.WriteFile(filepath.Join(none, "npm"), []byte("#!/bin/sh\necho unreachable >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	d := Deps{Tools: python.Tools{UserHome: home, Environ: []string{"PATH=" + none}}}
	return c, d, log.String
}

func TestSetupNode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		uses  string
		with  []string
		files map[string]string
		want  string // version that comes first on PATH; "" is the machine's
	}{
		{"actions/setup-node@v4", []string{"node-version", "18"}, nil, "18.3.0"},
		{"actions/setup-node@v4", []string{"node-version", ">=18"}, nil, "22.5.1"},
		{"actions/setup-node@v4", []string{"node-version", "lts/*"}, nil, "22.5.1"},
		{"actions/setup-node@v6", []string{"node-version", "lts/iron"}, nil, "20.1.0"},
		{"actions/setup-node@v1", []string{"version", "20.x"}, nil, "20.1.0"},
		{"actions/setup-node@v2", []string{"node-version-file", ".nvmrc"}, map[string]string{".nvmrc": "v18\n"}, "18.3.0"},
		{"actions/setup-node@v3", []string{"node-version-file", "app/package.json"}, map[string]string{"app/package.json": `{"volta":{"extends":"../package.json"}}`, "package.json": `{"engines":{"node":"^20"}}`}, "20.1.0"},
		{"actions/setup-node@v5", []string{"node-version-file", ".tool-versions"}, map[string]string{".tool-versions": "python 3.11\nnodejs 22.5.1\n"}, "22.5.1"},
		{"actions/setup-node@v4", nil, nil, ""},
	} {
		s, d, log := nodeStep(t, c.with...)
		for name, text := range c.files {
			p := filepath.Join(s.Dirs.Workspace, name)
			if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		machine, _, _ := strings.Cut(s.Env["PATH"], ":")
		if err := act(t, c.uses, d).Run(t.Context(), s); err != nil {
			t.Errorf("%s %v: %v\n%s", c.uses, c.with, err, log())
			continue
		}
		want := machine
		if c.want != "" {
			want = filepath.Join(s.Dirs.Temp, "_node", c.want, "bin")
		}
		if first, _, _ := strings.Cut(s.Env["PATH"], ":"); first != want {
			t.Errorf("%s %v: PATH begins with %s, want %s", c.uses, c.with, first, want)
		}
		version := strings.TrimPrefix(s.Outputs["node-version"], "v")
		if wantV := c.want; !slices.Contains([]string{"actions/setup-node@v1", "actions/setup-node@v2"}, c.uses) {
			if wantV == "" {
				wantV = "20.1.0"
			}
			if version != wantV {
				t.Errorf("%s %v: output %q", c.uses, c.with, version)
			}
		} else if version != "" {
			t.Errorf("%s has no output node-version: %q", c.uses, version)
		}
		if c.want != "" && s.Env["npm_config_prefix"] != filepath.Join(s.Dirs.Temp, "_node", "global") {
			t.Errorf("npm installs into %q", s.Env["npm_config_prefix"])
		}
	}
	for _, c := range []struct {
		with []string
		code cairn.Code
		says string
	}{
		{[]string{"node-version", "abc"}, cairn.CodeInvalid, "is not a version"},
		{[]string{"node-version", "20", "architecture", "s390x"}, cairn.CodeUnsupported, "this machine runs"},
		{[]string{"node-version-file", "nope"}, cairn.CodeNotFound, "does not exist"},
		{[]string{"node-version-file", "../x"}, cairn.CodeInvalid, "not under"},
		{[]string{"node-version", "20", "cache", "bun"}, cairn.CodeInvalid, "'bun' is not supported"},
		{[]string{"node-version", "20", "cache", "npm"}, cairn.CodeNotFound, "lock file is not found"},
		{[]string{"registry-url", "npm.example.com"}, cairn.CodeInvalid, "is not an address"},
		{[]string{"registry-url", "https://x/", "scope", "a\nb"}, cairn.CodeInvalid, "spaces"},
	} {
		s, d, _ := nodeStep(t, c.with...)
		if err := act(t, "actions/setup-node@v4", d).Run(t.Context(), s); cairn.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v: %v", c.with, err)
		}
	}
}

// TestSetupNodeMissing: a version that is nowhere is named, with what is here.
func TestSetupNodeMissing(t *testing.T) {
	t.Parallel()
	s, d, log := nodeStep(t, "node-version", "14.2.0", "mirror", "http://127.0.0.1:1")
	err := act(t, "actions/setup-node@v4", d).Run(t.Context(), s)
	if cairn.CodeOf(err) != cairn.CodeNotFound || !strings.Contains(err.Error(), "Node 14.2.0 is not on this machine") || !strings.Contains(err.Error(), "22.5.1 (tool cache") {
		t.Errorf("%v\n%s", err, log())
	}
	// check-latest asks the mirror and takes what is here where it does not answer.
	s, d, log = nodeStep(t, "node-version", "20", "check-latest", "true", "mirror", "http://127.0.0.1:1")
	if err := act(t, "actions/setup-node@v4", d).Run(t.Context(), s); err != nil || !strings.Contains(log(), "Warning: check-latest") {
		t.Errorf("%v\n%s", err, log())
	}
}

func TestSetupNodeRegistry(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		uses, token string
		with        []string
		file        string
		env         string
	}{
		{"actions/setup-node@v4", "", []string{"registry-url", "https://registry.npmjs.org"}, "//registry.npmjs.org/:_authToken=${NODE_AUTH_TOKEN}\nregistry=https://registry.npmjs.org/\nalways-auth=false\n", "XXXXX-XXXXX-XXXXX-XXXXX"},
		{"actions/setup-node@v1", "", []string{"registry-url", "https://npm.example.com/a/", "scope", "Acme", "always-auth", "true"}, "//npm.example.com/a/:_authToken=${NODE_AUTH_TOKEN}\n@acme:registry=https://npm.example.com/a/\nalways-auth=true\n", "XXXXX-XXXXX-XXXXX-XXXXX"},
		{"actions/setup-node@v6", "real", []string{"registry-url", "https://npm.pkg.github.com"}, "//npm.pkg.github.com/:_authToken=${NODE_AUTH_TOKEN}\n@ana:registry=https://npm.pkg.github.com/\n", "real"},
		{"actions/setup-node@v7", "", []string{"registry-url", "https://x"}, "//x/:_authToken=${NODE_AUTH_TOKEN}\nregistry=https://x/\n", ""},
	} {
		s, d, _ := nodeStep(t, c.with...)
		if c.token != "" {
			s.Env["NODE_AUTH_TOKEN"] = c.token
		}
		if err := act(t, c.uses, d).Run(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		path := s.Env["NPM_CONFIG_USERCONFIG"]
		b, err := os.ReadFile(path)
		if err != nil || string(b) != c.file || s.Env["NODE_AUTH_TOKEN"] != c.env {
			t.Errorf("%s: %v %q %q", c.uses, err, b, s.Env["NODE_AUTH_TOKEN"])
		}
		if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
			t.Errorf("%v", err)
		}
	}
}

func TestSetupNodeCache(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		uses  string
		with  []string
		files []string
		env   string // variable that is set; "" is none
	}{
		{"actions/setup-node@v4", []string{"cache", "npm"}, []string{"package-lock.json"}, "npm_config_cache"},
		{"actions/setup-node@v2", []string{"cache", "npm", "cache-dependency-path", "app/*.json"}, []string{"app/package-lock.json"}, "npm_config_cache"},
		{"actions/setup-node@v5", nil, []string{"package.json:pnpm"}, "npm_config_store_dir"},
		{"actions/setup-node@v6", nil, []string{"package.json:pnpm"}, ""},
		{"actions/setup-node@v6", nil, []string{"package.json:npm"}, "npm_config_cache"},
		{"actions/setup-node@v6", []string{"package-manager-cache", "false"}, []string{"package.json:npm"}, ""},
		{"actions/setup-node@v4", nil, []string{"package.json:npm"}, ""},
	} {
		s, d, log := nodeStep(t, c.with...)
		for _, f := range c.files {
			name, manager, ok := strings.Cut(f, ":")
			files(t, s.Dirs.Workspace, name)
			if ok {
				if err := os.WriteFile(filepath.Join(s.Dirs.Workspace, name), []byte(`{"packageManager":"`+manager+`@9.0.0"}`), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, hit := range []string{"false", "true"} {
			s.Env = map[string]string{"PATH": s.Env["PATH"]}
			if err := act(t, c.uses, d).Run(t.Context(), s); err != nil {
				t.Fatalf("%s %v: %v\n%s", c.uses, c.with, err, log())
			}
			if c.env == "" {
				if _, ok := s.Outputs["cache-hit"]; ok || s.Env["npm_config_cache"] != "" {
					t.Errorf("%s %v: %v", c.uses, c.with, s.Outputs)
				}
				continue
			}
			dir := s.Env[c.env]
			if !strings.HasPrefix(dir, s.Dirs.Cache) || !strings.HasSuffix(dir, "ana/digits") || s.Outputs["cache-hit"] != hit {
				t.Errorf("%s %v: %s %v", c.uses, c.with, dir, s.Outputs)
			}
			files(t, dir, "content")
		}
	}
}

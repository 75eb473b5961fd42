package action

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
	"github.com/cairn-ml/cairn/internal/runner/python"
)

// scripted runs a script as a job does and returns its output, log and error.
type scripted struct {
	result string
	env    string
	log    string
	err    error
}

func script(t *testing.T, uses, ws, api string, with ...string) scripted {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("node is not on this machine")
	}
	c, log := step(t, nil, ws, with...)
	c.Uses = uses
	c.Dirs.Temp = t.TempDir()
	event := filepath.Join(c.Dirs.Temp, "event.json")
	if err := os.WriteFile(event, []byte(`{"issue":{"number":7},"repository":{"full_name":"ana/digits"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Env = map[string]string{"PATH": os.Getenv("PATH"), "HOME": c.Dirs.Home, "CAIRN_TOKEN": "cairn_j9e1_secret", "GITHUB_API_URL": api,
		"GITHUB_EVENT_PATH": event, "GITHUB_EVENT_NAME": "issues", "GITHUB_SHA": "abc", "GITHUB_REPOSITORY": "ana/digits", "GITHUB_REF": "refs/heads/main"}
	c.Exec = realExec(c)
	files := map[string]string{}
	c.Command = func(ctx context.Context, p runner.Process) (int, error) {
		for _, n := range []string{"GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_STATE", "GITHUB_PATH", "GITHUB_STEP_SUMMARY"} {
			files[n] = filepath.Join(c.Dirs.Temp, n)
			if err := os.WriteFile(files[n], nil, 0o600); err != nil {
				return 0, err
			}
			p.Env[n] = files[n]
		}
		return c.Exec(ctx, p)
	}
	var s scripted
	s.err = act(t, uses, Deps{Tools: python.Tools{}}).Run(t.Context(), c)
	s.log = log.String()
	read := func(name string) []runner.EnvVar {
		b, err := os.ReadFile(files[name])
		if err != nil {
			return nil
		}
		vars, err := runner.ParseEnvFile(string(b))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		return vars
	}
	for _, v := range read("GITHUB_OUTPUT") {
		if v.Name == "result" {
			s.result = v.Value
		}
	}
	for _, v := range read("GITHUB_ENV") {
		s.env += v.Name + "=" + v.Value
	}
	return s
}

// TestGithubScript: what a script finds and gives back, by version.
func TestGithubScript(t *testing.T) {
	t.Parallel()
	var asked []string
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.Header.Get("Authorization") != "token cairn_j9e1_secret":
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"message":"Bad credentials"}`)
		case r.URL.Path == "/api/v3/repos/ana/digits/issues/7":
			fmt.Fprintf(w, `{"number":7,"title":"It breaks","agent":%q}`, r.UserAgent())
		case r.URL.Path == "/api/v3/repos/ana/digits/issues/8":
			if asked = append(asked, r.URL.Path); len(asked) < 2 {
				w.WriteHeader(http.StatusInternalServerError)
			}
			fmt.Fprint(w, `{"number":8}`)
		default:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"message":"Not Found"}`)
		}
	}))
	t.Cleanup(api.Close)
	url := api.URL + "/api/v3"
	ws := t.TempDir()
	for name, text := range map[string]string{
		"lib/helper.js": "module.exports = ({context}) => 'helped ' + context.sha", "lib/mod.mjs": "export default 42",
		"node_modules/dep/index.js": "module.exports = 'dep of the workspace'", "node_modules/dep/package.json": `{"name":"dep"}`,
	} {
		p := filepath.Join(ws, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	issue := "const {data} = await github.rest.issues.get({...context.repo, issue_number: context.issue.number}); return data.title"
	for _, c := range []struct {
		name, uses, script string
		with               []string
		result             string
		fails              string // in the log
	}{
		{"a value", "actions/github-script@v7", "return {a: [1, 'x'], sha: context.sha}", nil, `{"a":[1,"x"],"sha":"abc"}`, ""},
		{"nothing", "actions/github-script@v7", "console.log('hello')", nil, "", ""},
		{"a string", "actions/github-script@v6", "return 'plain'", []string{"result-encoding", "string"}, "plain", ""},
		{"the client", "actions/github-script@v7", issue, nil, `"It breaks"`, ""},
		{"the client at its root", "actions/github-script@v3", strings.Replace(issue, "github.rest.", "github.", 1), nil, `"It breaks"`, ""},
		{"not at the root any more", "actions/github-script@v5", strings.Replace(issue, "github.rest.", "github.", 1), nil, "", "Cannot read properties of undefined"},
		{"octokit", "actions/github-script@v8", "return octokit === github", nil, "true", ""},
		{"octokit was free", "actions/github-script@v6", "const octokit = 1; return octokit", nil, "1", ""},
		{"exec was free", "actions/github-script@v3", "const exec = 1; return exec", nil, "1", ""},
		{"getOctokit", "actions/github-script@v9", "const g = getOctokit('other'); try { await g.rest.issues.get({...context.repo, issue_number: 7}) } catch (e) { return e.status }", nil, "401", ""},
		{"exec, io, glob", "actions/github-script@v7",
			"const {stdout} = await exec.getExecOutput('echo', ['hi'], {silent: true}); await io.mkdirP('made'); const g = await glob.create('lib/*.js'); return [stdout.trim(), (await g.glob()).length]", nil, `["hi",1]`, ""},
		{"require below the work folder", "actions/github-script@v7", "return require('./lib/helper.js')({context})", nil, `"helped abc"`, ""},
		{"packages of the workspace", "actions/github-script@v7", "return require('dep') + typeof __original_require__ + require('fs').existsSync('lib')", nil, `"dep of the workspacefunctiontrue"`, ""},
		{"the toolkit by name", "actions/github-script@v7", "return typeof require('@actions/core').setOutput", nil, `"function"`, ""},
		{"import", "actions/github-script@v7", "const {default: n} = await import('./lib/mod.mjs'); const fs = await import('node:fs'); return [n, typeof fs.readFileSync]", nil, `[42,"function"]`, ""},
		{"an API that is not there", "actions/github-script@v7", "await github.rest.issues.get({...context.repo, issue_number: 99})", nil, "", "HttpError: Not Found"},
		{"an error says its line", "actions/github-script@v7", "const a = 1\n\nnope()\n", nil, "", "Unhandled error: ReferenceError: nope is not defined (line 3 of the script)"},
		{"a mistake of syntax says its line", "actions/github-script@v7", "const a = 1\nconst = 2\n", nil, "", "(line 2 of the script)"},
		{"a rejection nobody waits for", "actions/github-script@v7", "Promise.reject(new Error('lost')); await new Promise(r => setTimeout(r, 50))", nil, "", "Unhandled error: Error: lost"},
		{"a comment at the end", "actions/github-script@v7", "return 1 // one", nil, "1", ""},
		{"retries", "actions/github-script@v7", "return (await github.rest.issues.get({...context.repo, issue_number: 8})).data.number", []string{"retries", "2"}, "8", ""},
		{"user agent", "actions/github-script@v2", "return (await github.issues.get({...context.repo, issue_number: 7})).data.agent.split(' ')[0]", []string{"user-agent", "mine"}, `"mine"`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := script(t, c.uses, ws, url, append([]string{"script", c.script}, c.with...)...)
			if c.fails != "" {
				if cairn.CodeOf(s.err) != cairn.CodeFailed || !strings.Contains(s.log, c.fails) {
					t.Errorf("%v\n%s", s.err, s.log)
				}
				return
			}
			if s.err != nil || s.result != c.result {
				t.Errorf("%q, want %q: %v\n%s", s.result, c.result, s.err, s.log)
			}
			if strings.Contains(s.log, "cairn_j9e1_secret") {
				t.Error("the token is in the log")
			}
		})
	}
	s := script(t, "actions/github-script@v7", ws, url, "script", "core.exportVariable('NAME', 'a\\nb'); core.setSecret('x'); core.warning('careful')")
	if s.env != "NAME=a\nb" || !strings.Contains(s.log, "::warning::careful") {
		t.Errorf("%q %s", s.env, s.log)
	}
	for _, with := range [][]string{{"script", ""}, {"script", "1", "result-encoding", "xml"}} {
		if s := script(t, "actions/github-script@v7", ws, url, with...); cairn.CodeOf(s.err) != cairn.CodeInvalid {
			t.Errorf("%v: %v", with, s.err)
		}
	}
}

// TestGithubScriptWithoutNode says what is missing.
func TestGithubScriptWithoutNode(t *testing.T) {
	t.Parallel()
	c, _ := step(t, nil, t.TempDir(), "script", "return 1")
	c.Uses, c.Dirs.Temp = "actions/github-script@v7", t.TempDir()
	c.Env["PATH"] = t.TempDir()
	c.Exec = func(context.Context, runner.Process) (int, error) { return 127, nil }
	err := act(t, c.Uses, Deps{}).Run(t.Context(), c)
	if cairn.CodeOf(err) != cairn.CodeUnsupported || !strings.Contains(cairn.AsError(err).Hint, "actions/setup-node") {
		t.Errorf("%v", err)
	}
}

// TestScriptBundle: the bundle is what make github-script wrote, with its licences.
func TestScriptBundle(t *testing.T) {
	t.Parallel()
	if !bytes.HasPrefix(scriptBundle, []byte("// Code generated by make github-script; DO NOT EDIT.")) {
		t.Error("bundle.js is not marked as generated")
	}
	if len(scriptBundle) > 1<<20 {
		t.Errorf("bundle.js has %d bytes", len(scriptBundle))
	}
	notice, err := os.ReadFile("githubscript/NOTICE.md")
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile("githubscript/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	var lock struct {
		Packages map[string]struct {
			Version string `json:"version"`
			Dev     bool   `json:"dev"`
		} `json:"packages"`
	}
	if err := json.Unmarshal(b, &lock); err != nil {
		t.Fatal(err)
	}
	for dir, p := range lock.Packages {
		name := dir[strings.LastIndex(dir, "node_modules/")+1:]
		name = strings.TrimPrefix(name, "ode_modules/")
		if dir != "" && !p.Dev && !strings.Contains(string(notice), "## "+name+" "+p.Version+" ") {
			t.Errorf("NOTICE.md lacks %s %s", name, p.Version)
		}
	}
	if strings.Contains(string(b), `"resolved"`) {
		t.Error("package-lock.json names a registry")
	}
}

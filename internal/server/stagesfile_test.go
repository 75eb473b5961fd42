package server_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
)

const stagesOne = "stages:\n  production:\n    smoke: { request: POST /p, file: number.txt }\n    rules: { reviewers: [ana], wait: 1m, branches: [main] }\n"

// The rules of the default branch are those of the environments; those of other
// branches bring only what is not there.
func TestStageRules(t *testing.T) {
	t.Parallel()
	home := tempHome(t)
	s := start(t, home)
	c := connect(t, home)
	dir := repository(t, map[string]string{".github/workflows/sample.yml": sample, "number.txt": "42\n", ".cairn/stages.yml": stagesOne})
	url := strings.Replace(s.URL(), "http://", "http://:@", 1) + "/git/team/digits.git"
	env := func(name string) cairn.Environment {
		t.Helper()
		all, err := c.Environments(t.Context(), "team/digits")
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range all {
			if e.Name == name {
				return e
			}
		}
		return cairn.Environment{}
	}
	commit := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, ".cairn/stages.yml"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		git(t, dir, "-c", "user.name=Ana", "-c", "user.email=ana@example.com", "commit", "-qam", "Stages")
	}
	git(t, dir, "push", url, "HEAD:main")
	if e := env("production"); e.From != "file" || len(e.Reviewers) != 1 || e.Wait.Minutes() != 1 || e.AllowDirty || e.File == "" {
		t.Errorf("%+v", e)
	}

	git(t, dir, "checkout", "-q", "-b", "loose")
	commit("stages:\n  production: {}\n  try: {}\n")
	out := git(t, dir, "push", url, "HEAD:loose")
	if e := env("production"); len(e.Reviewers) != 1 {
		t.Errorf("another branch loosened the rules: %+v", e)
	}
	if e := env("try"); e.From != "file" || !strings.Contains(out, "environment production keeps its rules: those of .cairn/stages.yml count on main") {
		t.Errorf("%+v %s", e, out)
	}

	commit("stages:\n  production: { imag: x }\n")
	if out := git(t, dir, "push", url, "HEAD:main"); !strings.Contains(out, "no run starts: .cairn/stages.yml is not valid") || !strings.Contains(out, `unknown key "imag"`) {
		t.Errorf("%s", out)
	}
	_, err := c.SubmitRun(t.Context(), client.RunRequest{Repository: "team/digits", Event: "push"})
	if cairn.CodeOf(err) != cairn.CodeInvalid || len(cairn.AsError(err).Problems) != 1 {
		t.Errorf("%v", err)
	}
	pre, err := c.Preflight(t.Context(), client.RunRequest{Repository: "team/digits", Event: "push"})
	if err != nil || !cairn.HasErrors(pre.Problems) {
		t.Errorf("%+v %v", pre, err)
	}

	commit("stages:\n  production: { smoke: { request: POST /p, file: nope.txt } }\n")
	if out := git(t, dir, "push", url, "HEAD:main"); !strings.Contains(out, "sends nope.txt, which is not there") {
		t.Errorf("%s", out)
	}
	commit("stages:\n  production: { rules: { reviewers: [ben] } }\n")
	if out := git(t, dir, "push", url, "HEAD:main"); !strings.Contains(out, "the rules of environment production are now those of .cairn/stages.yml") {
		t.Errorf("%s", out)
	}
	if e := env("production"); e.Reviewers[0] != "ben" || e.Wait != 0 {
		t.Errorf("%+v", e)
	}
}

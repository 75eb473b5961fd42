package server_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/server"
)

const compositeAction = "name: x\ndescription: x\nruns: {using: composite, steps: [{shell: sh, run: echo x}]}\n"

// mirrored makes a folder of repositories with one commit each, tagged v1.
func mirrored(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, n := range names {
		at := repository(t, map[string]string{"action.yml": compositeAction, "sub/action.yml": compositeAction})
		git(t, at, "tag", "v1")
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, n)), 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(n, ".git") {
			git(t, dir, "clone", "-q", "--bare", at, filepath.Join(dir, n))
		} else if err := os.Rename(at, filepath.Join(dir, n)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func withMirrors(t *testing.T, mirrors ...string) (home string) {
	t.Helper()
	home = tempHome(t)
	text := "actions:\n  mirrors:\n"
	for _, m := range mirrors {
		text += "    - " + fmt.Sprintf("%q", m) + "\n"
	}
	if err := os.WriteFile(filepath.Join(home, "config.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return home
}

func wantAction(t *testing.T, err error, code cairn.Code, text string) {
	t.Helper()
	if cairn.CodeOf(err) != code || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v (%s), want %s with %q", err, cairn.CodeOf(err), code, text)
	}
}

func TestActionMirrors(t *testing.T) {
	t.Parallel()
	first, second := mirrored(t, "acme/one", "Acme/two.git"), mirrored(t, "acme/one", "acme/three")
	home := withMirrors(t, first, second)
	s := start(t, home)
	ctx := t.Context()
	for uses, want := range map[string]string{
		"acme/one@v1": filepath.Join(first, "acme/one"), "ACME/Two/sub@main": filepath.Join(first, "ACME/Two"), "acme/three@refs/heads/main": filepath.Join(second, "acme/three"),
	} {
		v, err := s.FetchAction(ctx, uses, "ana")
		if err != nil || v.Source != want || v.Files != 2 || v.Tree == "" {
			t.Errorf("%s: %+v %v", uses, v, err)
		}
	}
	full := strings.TrimSpace(git(t, filepath.Join(first, "acme/one"), "rev-parse", "HEAD"))
	if v, err := s.FetchAction(ctx, "acme/one@"+strings.ToUpper(full), "ana"); err != nil || v.Commit != full {
		t.Errorf("a commit in capitals: %+v %v", v, err)
	}
	for uses, want := range map[string]struct {
		code cairn.Code
		text string
	}{
		"acme/one@v2":                            {cairn.CodeNotFound, "unable to find version `v2`"},
		"acme/on@v1":                             {cairn.CodeNotFound, "repository not found"},
		"acme/one@" + full[:8]:                   {cairn.CodeInvalid, "shortened version of a commit SHA"},
		"acme/one@" + strings.Repeat("0123", 10): {cairn.CodeNotFound, "unable to find version"},
		"acme/one@v1..main":                      {cairn.CodeNotFound, "repository not found"},
		"acme/../../etc@v1":                      {cairn.CodeInvalid, "is not an action"},
		"acme/one@--output=/tmp/x":               {cairn.CodeInvalid, "is not an action"},
	} {
		_, err := s.FetchAction(ctx, uses, "ana")
		wantAction(t, err, want.code, want.text)
	}
	// What is kept is listed with the refs that meant it.
	all, err := s.Actions(ctx)
	if err != nil || len(all) != 3 || all[0].Repository != "acme/one" || strings.Join(all[0].Refs, " ") != "v1" {
		t.Errorf("%+v %v", all, err)
	}
	c := connect(t, home)
	if got, err := c.Action(ctx, "acme/one@"+full[:9]); err != nil || got.Commit != full {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := c.RemoveAction(ctx, "acme/one"); err != nil {
		t.Error(err)
	}
	if _, err := c.Action(ctx, "acme/one"); cairn.CodeOf(err) != cairn.CodeNotFound {
		t.Errorf("after remove: %v", err)
	}
}

// Where a place cannot be reached, what was known last is taken, and no place behind
// it; a full commit asks nobody.
func TestActionOffline(t *testing.T) {
	t.Parallel()
	first, second := mirrored(t, "acme/one"), mirrored(t, "acme/one", "acme/other")
	s := start(t, withMirrors(t, first, "http://127.0.0.1:1/{owner}/{repo}", second))
	ctx := t.Context()
	was, err := s.FetchAction(ctx, "acme/one@v1", "ana")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(first, first+".gone"); err != nil {
		t.Fatal(err)
	}
	now, err := s.FetchAction(ctx, "acme/one@v1", "ana")
	if err != nil || now.Commit != was.Commit || !strings.Contains(now.Note, "is not there; acme/one@v1 is taken as it was on ") {
		t.Errorf("%+v %v", now, err)
	}
	if pinned, err := s.FetchAction(ctx, "acme/one@"+was.Commit, "ana"); err != nil || pinned.Note != "" || pinned.Tree != was.Tree {
		t.Errorf("%+v %v", pinned, err)
	}
	// One that was never asked for is looked for further on.
	if v, err := s.FetchAction(ctx, "acme/other@v1", "ana"); err != nil || v.Source != filepath.Join(second, "acme/other") {
		t.Errorf("%+v %v", v, err)
	}
	_, err = s.FetchAction(ctx, "acme/nowhere@v1", "ana")
	wantAction(t, err, cairn.CodeUnavailable, "Unable to resolve action `acme/nowhere@v1`")
}

// Many at once fetch it once.
func TestActionFetchedOnce(t *testing.T) {
	t.Parallel()
	home := withMirrors(t, mirrored(t, "acme/one"))
	s := start(t, home)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := s.FetchAction(t.Context(), "acme/one@v1", "ana"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	log, err := os.ReadFile(filepath.Join(home, "server.log"))
	if n := strings.Count(string(log), "action fetched"); err != nil || n != 1 {
		t.Errorf("fetched %d times, %v", n, err)
	}
	left, _ := filepath.Glob(filepath.Join(home, "repositories", ".fetch-*"))
	if len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

// A git host is asked over HTTP: here another Cairn. A repository that is hosted by
// this one comes before all mirrors.
func TestActionHosts(t *testing.T) {
	t.Parallel()
	far := start(t, tempHome(t))
	at := repository(t, map[string]string{"action.yml": compositeAction, ".github/workflows/w.yml": "on: workflow_call\njobs: {a: {runs-on: x, steps: [{run: echo}]}}\n"})
	git(t, at, "push", "-q", strings.Replace(far.URL(), "http://", "http://:@", 1)+"/git/acme/one.git", "HEAD:main")
	s := start(t, withMirrors(t, far.URL()+"/git/{owner}/{repo}.git"))
	ctx := t.Context()
	v, err := s.FetchAction(ctx, "acme/one@main", "ana")
	if err != nil || v.Source != far.URL()+"/git/acme/one.git" {
		t.Errorf("%+v %v", v, err)
	}
	if _, err := s.FetchAction(ctx, "acme/one@"+v.Commit, "ana"); err != nil {
		t.Error(err)
	}
	text, sha, err := s.RemoteFile(ctx, "acme/one/.github/workflows/w.yml@main", "ana")
	if err != nil || sha != v.Commit || !strings.Contains(string(text), "workflow_call") {
		t.Errorf("%q %s %v", text, sha, err)
	}
	for _, p := range []string{".github/workflows/x.yml", ".github/workflows", "action.yml/x"} {
		_, _, err = s.RemoteFile(ctx, "acme/one/"+p+"@main", "ana")
		wantAction(t, err, cairn.CodeNotFound, "there is no file")
	}
	git(t, at, "push", "-q", strings.Replace(s.URL(), "http://", "http://:@", 1)+"/git/acme/one.git", "HEAD:own")
	if v, err := s.FetchAction(ctx, "acme/one@own", "ana"); err != nil || v.Commit != sha {
		t.Errorf("hosted: %+v %v", v, err)
	}
}

func TestActionsConfig(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"actions: {mirrors: [gitub]}":                                  "is neither a folder nor the address of a git host",
		"actions: {mirrors: ['ext::sh -c touch% /tmp/x']}":             "is neither a folder nor the address",
		"actions: {mirrors: ['https://me:secret@example.com/{repo}']}": "is neither a folder nor the address",
		"actions: {mirrors: [relative/folder]}":                        "is neither a folder nor the address",
		"actions: {original: [checkout]}":                              "is not the name of an action",
		"actions: {mirors: []}":                                        "there is no setting",
	} {
		p := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := server.LoadConfig(p); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") && !strings.Contains(text, "secret") {
			t.Errorf("%s: %v", text, err)
		}
	}
	p := filepath.Join(t.TempDir(), "config.yaml")
	ok := "actions:\n  mirrors: [github, /srv/actions, 'https://git.example.com/{owner}/{repo}', 'git@git.example.com:{owner}/{repo}.git', 'https://git.example.com']\n  original: [actions/checkout]\n"
	if err := os.WriteFile(p, []byte(ok), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := server.LoadConfig(p); err != nil || len(c.Actions.Mirrors) != 5 {
		t.Errorf("%+v %v", c.Actions, err)
	}
}

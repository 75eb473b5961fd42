package action

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

// fakeServer keeps trees and artifacts in memory.
type fakeServer struct {
	runner.Server
	trees     map[cairn.Digest]map[string]string
	artifacts []cairn.Artifact
	used      []cairn.Ref
	env       string
	lock      []byte
}

func newServer() *fakeServer {
	return &fakeServer{trees: map[cairn.Digest]map[string]string{}}
}

func (f *fakeServer) UploadTree(_ context.Context, dir string, paths []string) (cairn.Digest, int64, int64, error) {
	if len(paths) == 0 {
		err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				rel, _ := filepath.Rel(dir, p)
				paths = append(paths, rel)
			}
			return err
		})
		if err != nil {
			return "", 0, 0, err
		}
	}
	tree, size := map[string]string{}, int64(0)
	var all strings.Builder
	sort.Strings(paths)
	for _, p := range paths {
		b, err := os.ReadFile(filepath.Join(dir, p))
		if err != nil {
			return "", 0, 0, err
		}
		tree[p] = string(b)
		size += int64(len(b))
		all.WriteString(p + "\x00" + string(b) + "\x00")
	}
	d := cairn.SumBytes([]byte(all.String()))
	f.trees[d] = tree
	return d, size, int64(len(paths)), nil
}

func (f *fakeServer) DownloadTree(_ context.Context, root cairn.Digest, dir string) error {
	for p, text := range f.trees[root] {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, p)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, p), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (f *fakeServer) CreateArtifact(_ context.Context, a cairn.Artifact) (cairn.Artifact, error) {
	f.artifacts = append(f.artifacts, a)
	return a, nil
}

func (f *fakeServer) ReplaceArtifact(_ context.Context, a cairn.Artifact) (cairn.Artifact, error) {
	f.artifacts = slices.DeleteFunc(f.artifacts, func(x cairn.Artifact) bool { return x.Name == a.Name && x.Attempt == a.Attempt })
	f.artifacts = append(f.artifacts, a)
	return a, nil
}

func (f *fakeServer) Artifacts(_ context.Context, run cairn.RunID) ([]cairn.Artifact, error) {
	var out []cairn.Artifact
	for _, a := range f.artifacts {
		if a.Run == run {
			out = append(out, a)
		}
	}
	return out, nil
}

func (f *fakeServer) UseArtifact(_ context.Context, ref cairn.Ref) error {
	f.used = append(f.used, ref)
	return nil
}

func (f *fakeServer) RecordEnvironment(_ context.Context, name string, lock []byte, _ map[string]string) (cairn.Ref, error) {
	f.env, f.lock = name, lock
	return cairn.NewRef(cairn.KindEnvironment, name+":1"), nil
}

// step is a context of a step in a job with a workspace; with are its inputs.
func step(t *testing.T, s runner.Server, ws string, with ...string) (*runner.StepContext, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	c := &runner.StepContext{
		Spec:   &cairn.JobSpec{Run: 7, Attempt: 1, Job: 9, Path: "build[3.9]", Code: cairn.CodeRef{Repository: "ana/digits", Ref: "refs/heads/main", Commit: strings.Repeat("a", 40)}},
		Inputs: map[string]string{}, Env: map[string]string{"PATH": "/usr/bin:/bin"}, State: map[string]string{},
		Dirs:   runner.Dirs{Workspace: ws, Home: t.TempDir(), Temp: t.TempDir()},
		Server: s, Log: &log, Now: func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) },
	}
	for i := 0; i < len(with); i += 2 {
		c.Inputs[with[i]] = with[i+1]
	}
	return c, &log
}

func files(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, n := range names {
		p := filepath.Join(dir, n)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte("content of "+n), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func act(t *testing.T, uses string, d Deps) runner.Action {
	t.Helper()
	a, err := New(d).Action(uses)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestRegistry(t *testing.T) {
	t.Parallel()
	for uses, want := range map[string]string{
		"actions/checkout@v4":                             "",
		"actions/checkout@v4.2.1":                         "",
		"Actions/Checkout@v4":                             "",
		"actions/checkout@main":                           "",
		"actions/setup-python@" + strings.Repeat("a", 40): "",
		"actions/checkout@v99":                            "version v99 is not built in",
		"actions/checkout@feature":                        "neither a version nor a commit",
		"actions/chekout@v4":                              "did you mean actions/checkout?",
		"actions/cache@v4":                                "",
		"actions/cache/restore@v2":                        "version v2 is not built in",
		"actions/upload-artifact/merge@v4":                "",
		"docker/build-push-action@v6":                     "",
		"docker/build-push-action@v9":                     "version v9 is not built in",
		"docker/meta-action@v5":                           "did you mean docker/metadata-action?",
		"docker/scout-action@v1":                          "not built in",
		"./.github/actions/own":                           "not the name of a built-in action",
		"docker://alpine:3":                               "not the name of a built-in action",
		"actions/checkout":                                "not the name of a built-in action",
	} {
		err := Supported(uses)
		got := ""
		if err != nil {
			got = err.Error() + " " + cairn.AsError(err).Hint
		}
		if want == "" && err != nil || !strings.Contains(got, want) || want != "" && cairn.CodeOf(err) != cairn.CodeUnsupported {
			t.Errorf("%s: %q", uses, got)
		}
	}
}

// TestFindFiles holds the documented behaviour of upload-artifact: what is
// found, and what names are relative to.
func TestFindFiles(t *testing.T) {
	t.Parallel()
	ws := t.TempDir()
	files(t, ws, "dist/a.txt", "dist/b.md", "dist/sub/c.txt", "dist/sub/deep/d.txt", "dist/.hidden", "dist/.dir/e.txt",
		"logs/one.log", "logs/two.log", "model.joblib", "out/x{1}.txt", "out/x[1].txt", ".env", "path/one/artifact.tgz", "path/two/artifact.tgz")
	if err := os.Symlink("../logs", filepath.Join(ws, "out/linked")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("..", filepath.Join(ws, "out/circle")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(ws, "out/broken")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, path string
		hidden     bool
		root, want string
	}{
		{"one file", "model.joblib", false, "", "model.joblib"},
		{"one file below", "dist/a.txt", false, "dist", "a.txt"},
		{"folder", "dist", false, "dist", "a.txt b.md sub/c.txt sub/deep/d.txt"},
		{"folder with slash", "dist/", false, "dist", "a.txt b.md sub/c.txt sub/deep/d.txt"},
		{"dot slash", "./dist/sub", false, "dist/sub", "c.txt deep/d.txt"},
		{"hidden", "dist", true, "dist", ".dir/e.txt .hidden a.txt b.md sub/c.txt sub/deep/d.txt"},
		{"hidden by name", ".env", false, ".env", ""},
		{"hidden by name, asked for", ".env", true, "", ".env"},
		{"wildcard", "dist/*.txt", false, "dist", "a.txt"},
		{"wildcard matches folders", "dist/*", false, "dist", "a.txt b.md sub/c.txt sub/deep/d.txt"},
		{"globstar", "dist/**/*.txt", false, "dist", "a.txt sub/c.txt sub/deep/d.txt"},
		{"class", "path/**/[abc]rtifac?.t?z", false, "path", "one/artifact.tgz two/artifact.tgz"},
		{"exclude", "dist/**\n!dist/**/*.md", false, "dist", "a.txt sub/c.txt sub/deep/d.txt"},
		{"exclude a folder", "dist\n!dist/sub", false, "dist", "a.txt b.md"},
		{"take in again", "dist/**\n!dist/sub/**\ndist/sub/c.txt", false, "dist", "a.txt b.md sub/c.txt"},
		{"several: least common ancestor", "dist/a.txt\nlogs/one.log", false, "", "dist/a.txt logs/one.log"},
		{"several in one folder", "dist/a.txt\ndist/b.md", false, "dist", "a.txt b.md"},
		{"several that cover each other", "dist\ndist/sub/c.txt", false, "dist", "a.txt b.md sub/c.txt sub/deep/d.txt"},
		{"one of several is missing", "dist/a.txt\nnope/x", false, "", "dist/a.txt"},
		{"comment and empty lines", "# all of it\n\nlogs\n", false, "logs", "one.log two.log"},
		{"no braces", "out/x{1}.txt", false, "out", "x{1}.txt"},
		{"one letter class is a letter", "out/x[[]1].txt", false, "out", "x[1].txt"},
		{"link to a folder", "out/linked", false, "out/linked", "one.log two.log"},
		{"nothing", "nope/**", false, "nope", ""},
		{"only folders", "dist/s*/", false, "dist", "sub/c.txt sub/deep/d.txt"},
		{"globstar inside a word", "di**/a.txt", false, "", "dist/a.txt"},
		{"absolute", ws + "/logs/*.log", false, "logs", "one.log two.log"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, err := findFiles(c.path, ws, "/home/u", c.hidden)
			if err != nil {
				t.Fatal(err)
			}
			if want := filepath.Join(ws, c.root); s.Root != want {
				t.Errorf("root %s, want %s", s.Root, want)
			}
			rels, err := relativeTo(s.Root, s.Files)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(rels, " "); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
	if s, err := findFiles("out", ws, "", false); err != nil || len(s.Files) < 4 {
		t.Errorf("links in a circle end: %v %v", err, s.Files)
	}
	for _, bad := range []string{"../x", "dist/../../x", "# nothing", "!dist", "dist/./a"} {
		if _, err := findFiles(bad, ws, "", false); cairn.CodeOf(err) != cairn.CodeInvalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestUploadDownload(t *testing.T) {
	t.Parallel()
	ws, s := t.TempDir(), newServer()
	files(t, ws, "out/model.joblib", "out/metrics.json")
	ctx := t.Context()
	c, log := step(t, s, ws, "name", "model", "path", "out/", "retention-days", "5", "ovrwrite", "true")
	if err := act(t, "actions/upload-artifact@v4", Deps{}).Run(ctx, c); err != nil {
		t.Fatal(err)
	}
	if len(s.artifacts) != 1 || s.artifacts[0].Files != 2 || s.artifacts[0].ExpiresAt.Format("2006-01-02") != "2026-01-07" || c.Outputs["artifact-digest"] != s.artifacts[0].Digest.Hex() {
		t.Errorf("%+v %v", s.artifacts, c.Outputs)
	}
	if !strings.Contains(log.String(), "Unexpected input(s) 'ovrwrite', valid inputs are [") {
		t.Error(log.String())
	}

	files(t, ws, "out/more.txt")
	c, _ = step(t, s, ws, "name", "model", "path", "out/more.txt")
	if err := act(t, "actions/upload-artifact@v4", Deps{}).Run(ctx, c); cairn.CodeOf(err) != cairn.CodeConflict {
		t.Errorf("the same name twice: %v", err)
	}
	c, _ = step(t, s, ws, "name", "model", "path", "out/more.txt")
	if err := act(t, "actions/upload-artifact@v3", Deps{}).Run(ctx, c); err != nil || len(s.trees[s.artifacts[0].Digest]) != 3 {
		t.Errorf("version 3 adds: %v %v", err, s.trees[s.artifacts[0].Digest])
	}
	c, _ = step(t, s, ws, "name", "model", "path", "out/more.txt", "overwrite", "true")
	if err := act(t, "actions/upload-artifact@v4", Deps{}).Run(ctx, c); err != nil || len(s.artifacts) != 1 || s.artifacts[0].Files != 1 {
		t.Errorf("overwrite: %v %+v", err, s.artifacts)
	}
	if err := os.Symlink("more.txt", filepath.Join(ws, "out/link.txt")); err != nil {
		t.Fatal(err)
	}
	c, _ = step(t, s, ws, "name", "links", "path", "out/link.txt")
	if err := act(t, "actions/upload-artifact@v4", Deps{}).Run(ctx, c); err != nil || s.trees[s.artifacts[1].Digest]["link.txt"] != "content of out/more.txt" {
		t.Errorf("links are followed: %v %v", err, s.trees)
	}

	other := t.TempDir()
	c, _ = step(t, s, other, "name", "model", "path", "in")
	if err := act(t, "actions/download-artifact@v4", Deps{}).Run(ctx, c); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(other, "in/more.txt")); err != nil || string(b) != "content of out/more.txt" {
		t.Errorf("%v %q", err, b)
	}
	if c.Outputs["download-path"] != filepath.Join(other, "in") || len(s.used) != 1 || s.used[0] != "artifact/7.1/model" {
		t.Errorf("%v %v", c.Outputs, s.used)
	}
	c, _ = step(t, s, other, "path", "all")
	if err := act(t, "actions/download-artifact@v4", Deps{}).Run(ctx, c); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"all/model/more.txt", "all/links/link.txt"} {
		if _, err := os.Stat(filepath.Join(other, f)); err != nil {
			t.Error(err)
		}
	}
	c, _ = step(t, s, other, "pattern", "li*", "merge-multiple", "true", "path", "some")
	if err := act(t, "actions/download-artifact@v4", Deps{}).Run(ctx, c); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(other, "some/link.txt")); err != nil {
		t.Error(err)
	}
	c, _ = step(t, s, other, "name", "modle")
	if err := act(t, "actions/download-artifact@v4", Deps{}).Run(ctx, c); cairn.CodeOf(err) != cairn.CodeNotFound || !strings.Contains(cairn.AsError(err).Hint, `did you mean "model"`) {
		t.Errorf("%v", err)
	}
	c, _ = step(t, s, other, "name", "model", "run-id", "8")
	if err := act(t, "actions/download-artifact@v4", Deps{}).Run(ctx, c); cairn.CodeOf(err) != cairn.CodeNotFound {
		t.Errorf("%v", err)
	}
}

func TestUploadNothing(t *testing.T) {
	t.Parallel()
	for mode, fails := range map[string]bool{"": false, "warn": false, "ignore": false, "error": true, "fail": true} {
		s := newServer()
		c, log := step(t, s, t.TempDir(), "path", "nope", "if-no-files-found", mode)
		err := act(t, "actions/upload-artifact@v4", Deps{}).Run(t.Context(), c)
		if (err != nil) != fails || len(s.artifacts) != 0 || (len(c.Annotations) > 0) != (mode == "" || mode == "warn") {
			t.Errorf("%q: %v %s", mode, err, log)
		}
	}
	for input, value := range map[string]string{"name": "a/b", "retention-days": "-1", "overwrite": "yes"} {
		c, _ := step(t, newServer(), t.TempDir(), "path", "x", input, value)
		if err := act(t, "actions/upload-artifact@v4", Deps{}).Run(t.Context(), c); cairn.CodeOf(err) != cairn.CodeInvalid {
			t.Errorf("%s=%s: %v", input, value, err)
		}
	}
}

func TestNewestArtifacts(t *testing.T) {
	t.Parallel()
	got := newest([]cairn.Artifact{{Name: "b", Attempt: 1}, {Name: "a", Attempt: 2}, {Name: "b", Attempt: 3}, {Name: "a", Attempt: 1}})
	if len(got) != 2 || got[0].Attempt != 2 || got[1].Attempt != 3 {
		t.Errorf("%+v", got)
	}
}

func TestEnvironmentName(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{"ai-training": "digits-ai-training", "call[a, 1]/build[3.9]": "digits-call-build"} {
		if got := environmentName(&cairn.JobSpec{Path: path, Code: cairn.CodeRef{Repository: "ana/digits"}}); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
}

func TestOnlySomeHavePost(t *testing.T) {
	t.Parallel()
	for uses, want := range map[string]bool{"actions/checkout@v1": false, "actions/checkout@v4": true, "actions/upload-artifact@v4": false, "actions/setup-python@v5": true} {
		if _, ok := act(t, uses, Deps{}).(runner.PostAction); ok != want {
			t.Errorf("%s has a post step: %v", uses, ok)
		}
	}
}

package asset

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/clitest"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
)

var update = flag.Bool("update", false, "write golden files")

func newKit() (*kit.Kit, *term.Buffers) {
	tm, b := term.Test()
	return &kit.Kit{Term: tm, Env: func(string) string { return "" }, Now: func() time.Time { return time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC) }}, b
}

func TestRefs(t *testing.T) {
	t.Parallel()
	a := &assets{kind: cairn.AssetData, noun: "data"}
	for in, want := range map[string]string{
		"digits": "data/digits@latest", "digits:3": "data/digits:3", "digits@prod": "data/digits@prod", "data/digits:3": "data/digits:3",
		"azureml:digits:3": "azureml:digits:3", "sha256:ab": "sha256:ab", "team/digits": "data/team/digits@latest",
	} {
		if got, err := a.ref(in); err != nil || got != want {
			t.Errorf("%s -> %s, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "model/x:1"} {
		if _, err := a.ref(in); kit.ExitCode(err) != kit.ExitUsage {
			t.Errorf("%q: %v", in, err)
		}
	}
	for in, want := range map[string]string{"digits": "digits", "data/digits:3": "digits", "digits@x": "digits"} {
		if got := a.name(in); got != want {
			t.Errorf("%s -> %s", in, got)
		}
	}
}

func TestMatrix(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`[[5,0],[1,4]]`: "0 1", `{"labels":["cat","dog"],"matrix":[[5,0],[1,4]]}`: "cat dog",
		`{"classes":[0,1],"confusion_matrix":[[0.5,0],[1,4]]}`: "0 1",
	} {
		m := parseMatrix([]byte(in))
		if m == nil || strings.Join(m.labels, " ") != want {
			t.Errorf("%s: %+v", in, m)
		}
	}
	for _, in := range []string{"", "{}", "[]", "[[1,2]]", "[[1,2],[3]]", `{"matrix":"x"}`, "null", "7"} {
		if m := parseMatrix([]byte(in)); m != nil {
			t.Errorf("%s: %+v", in, m)
		}
	}
}

func TestShow(t *testing.T) {
	t.Parallel()
	k, b := newKit()
	v := cairn.AssetVersion{Kind: cairn.AssetModel, Name: "digits", Version: "1", Digest: cairn.SumBytes(nil), Type: "folder", Files: 5, Size: 1_234_567,
		Tags: map[string]string{"team": "vision", "a": "b"}, CreatedAt: k.Now(), By: "job/7", Job: 7}
	d := &client.AssetDetail{Version: v, Labels: []string{"latest", "production"}, MadeBy: "job/7", UsedBy: []cairn.Ref{"job/9", "job/12"}}
	out := detail(k, d, modelFacts{
		metrics: []cairn.TraceFact{{Name: "accuracy", Value: "0.9722"}, {Name: "f1_macro", Value: "0.97"}},
		matrix:  parseMatrix([]byte(`{"labels":["zero","one","two"],"matrix":[[35,0,1],[0,40,0],[2,0,118]]}`)),
	})
	out += "== list\n"
	v.Archived, v.Description = true, "May, checked"
	a := &assets{k, cairn.AssetModel, "model"}
	if err := a.writeList([]cairn.AssetVersion{d.Version, v}); err != nil {
		t.Fatal(err)
	}
	out += b.Out.String() + "== line\n" + line(&d.Version) + "\n"
	clitest.Golden(t, *update, "show.txt", out)
}

func TestFree(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := free(filepath.Join(dir, "none"), "none", false); err != nil {
		t.Error(err)
	}
	if err := free(dir, "dir", false); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "f"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := free(dir, "dir", false); cairn.CodeOf(err) != cairn.CodeConflict {
		t.Error(err)
	}
	if err := free(dir, "dir", true); err != nil {
		t.Error(err)
	}
	if err := free(filepath.Join(dir, "f"), "f", true); cairn.CodeOf(err) != cairn.CodeConflict {
		t.Error(err)
	}
}

package trace

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/clitest"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
)

var update = flag.Bool("update", false, "write golden files")

func facts(kv ...string) []cairn.TraceFact {
	var out []cairn.TraceFact
	for i := 0; i+1 < len(kv); i += 2 {
		group, name, ok := strings.Cut(kv[i], "/")
		if !ok {
			group, name = "", group
		}
		out = append(out, cairn.TraceFact{Group: group, Name: name, Value: kv[i+1]})
	}
	return out
}

// story is the trace of a model whose data was prepared in an earlier run,
// because this run skipped that job.
func story() *cairn.Trace {
	commit := cairn.TraceNode{Ref: cairn.CommitRef("3f2a91c"), Kind: "commit", Relation: cairn.RelRan, Title: "commit 3f2a91c00000",
		Facts: facts("subject", "Train on all classes", "author", "Ana Lee <ana@example.com>, 2026-05-01 11:00:00", "repository", "ana/digits")}
	old := cairn.TraceNode{Ref: cairn.CommitRef("77aa"), Kind: "commit", Relation: cairn.RelRan, Title: "commit 77aa00000000",
		Facts: facts("subject", "Prepare \x1b[2Jdigits", "author", "Ben Ode <ben@example.com>, 2026-04-20 09:00:00")}
	prepare := cairn.TraceNode{Ref: "job/1", Kind: "job", Relation: cairn.RelMade, Inverse: true, Title: "job data-preparing (1) of run 1",
		Facts: facts("workflow", "mlops, push by ben", "ran", "2026-04-20 09:01:00, 2.6s"), Children: []cairn.TraceNode{
			{Ref: "data/digits:1", Kind: "data", Relation: cairn.RelUsed, Note: "as data/digits@latest", Title: "data digits:1",
				Facts: facts("digest", "sha256:aa", "holds", "1797 files, 0.6 MB"), Missing: "no job made it: ben registered it by hand on 2026-04-20"},
			old,
		}}
	train := cairn.TraceNode{Ref: "job/7", Kind: "job", Relation: cairn.RelMade, Inverse: true, Title: "job ai-training (7) of run 3", Dirty: true,
		Facts: facts("workflow", "mlops, workflow_dispatch by ana", "ran", "2026-05-01 12:00:00, 14.2s"), Children: []cairn.TraceNode{
			{Ref: "data/digits-train:1", Kind: "data", Relation: cairn.RelUsed, Note: "as data/digits-train@latest; data-preparing was skipped: output of run 1 taken",
				Title: "data digits-train:1", Facts: facts("digest", "sha256:bb"), Children: []cairn.TraceNode{prepare}},
			{Ref: "data/digits-test:1", Kind: "data", Relation: cairn.RelUsed, Title: "data digits-test:1", Facts: facts("digest", "sha256:cc"), Children: []cairn.TraceNode{
				{Ref: "job/1", Kind: "job", Relation: cairn.RelMade, Inverse: true, Title: "job data-preparing (1) of run 1", Seen: true}}},
			commit,
		}}
	model := cairn.TraceNode{Ref: "model/digits:1", Kind: "model", Title: "model digits:1",
		Facts: facts("digest", "sha256:dd", "holds", "5 files, 1.2 MB", "metric/accuracy", "0.9722", "metric/loss", "0.11", "param/epochs", "20"), Children: []cairn.TraceNode{train}}
	for i := range 12 {
		model.Facts = append(model.Facts, facts(fmt.Sprintf("package/package-number-%d", i), "1.2.3")...)
	}
	return &cairn.Trace{Asked: "model/digits:1", Roots: []cairn.TraceNode{model},
		Gaps: []cairn.TraceGap{{At: "data/digits:1", Reason: "no job made it: ben registered it by hand on 2026-04-20"}}}
}

func TestStory(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		unicode bool
		all     bool
	}{{"story.txt", true, false}, {"story-ascii-all.txt", false, true}} {
		tm, _ := term.Test()
		tm.Unicode = tc.unicode
		var b strings.Builder
		if err := Write(&b, tm, tm.OutStyle(), story(), tc.all); err != nil {
			t.Fatal(err)
		}
		clitest.Golden(t, *update, tc.name, b.String())
	}
}

func TestLocalFiles(t *testing.T) {
	t.Parallel()
	tm, _ := term.Test()
	k := &kit.Kit{Term: tm, Dir: t.TempDir(), Env: func(string) string { return "" }}
	for _, name := range []string{"model.bin", "run/42"} {
		path := filepath.Join(k.Dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	digest := string(cairn.SumBytes([]byte("x")))
	for in, want := range map[string]string{
		"model.bin": digest, "./model.bin": digest, "run/42": "run/42", "./run/42": digest,
		"model/digits:1": "model/digits:1", "abc1234": "abc1234", "digits@latest": "digits@latest",
		"http://127.0.0.1:7081/predict": "http://127.0.0.1:7081/predict", "prediction/x": "prediction/x", "run": "run",
	} {
		if got, _, err := local(k, in); err != nil || got != want {
			t.Errorf("%s -> %s, %v", in, got, err)
		}
	}
	for in, code := range map[string]cairn.Code{"./none": cairn.CodeNotFound, "./run": cairn.CodeInvalid} {
		if _, _, err := local(k, in); cairn.CodeOf(err) != code {
			t.Errorf("%s: %v", in, err)
		}
	}
}

package trace

import (
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/clitest"
	"github.com/cairn-ml/cairn/internal/cli/term"
)

// TestAnswer writes the short form above the tree: with everything that can be
// known, with nothing but the commit, and with a lock and a commit that come twice.
func TestAnswer(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 5, 4, 10, 33, 0, 0, time.UTC)
	training := &cairn.OriginCommit{SHA: "aaaa11111111ffff", Author: "Ana <ana@example.org>", Date: at, Subject: "Prepare the digits"}
	code := &cairn.OriginCommit{SHA: "bbbb22222222ffff", Author: "Wim <wim@example.org>", Date: at, Subject: "Grey \x1b[2Jagain"}
	image := &cairn.OriginThing{Ref: "image/sha256:aa", Digest: cairn.SumBytes([]byte("image")), Note: "ghcr.io/acme/api:main"}
	commit := cairn.TraceNode{Ref: cairn.CommitRef("bbbb22222222ffff"), Kind: "commit", Relation: cairn.RelRan, Again: true,
		Title: "commit bbbb22222222 Wim: Grey again", Facts: facts("subject", "Grey again", "author", "Wim <wim@example.org>")}
	lock := cairn.TraceNode{Ref: "environment/api:1", Kind: "environment", Relation: cairn.RelUsed, Title: "environment api:1",
		Facts: facts("digest", string(image.Digest), "holds", "1 file, 2 kB", "format", "pylock.toml", "hashed", "22", "packages", "23", "python", "3.11.7", "uv", "0.13.9", "made by", "job build (4) of run 2")}
	root := cairn.TraceNode{Ref: "prediction/p", Kind: "prediction", Title: "prediction p", Children: []cairn.TraceNode{lock, commit}}
	full := &cairn.Trace{Asked: "p", Roots: []cairn.TraceNode{root}, Answer: &cairn.Origin{
		Release: "r4 of digits", Stage: "production", State: "live since 2026-05-04 10:33:00", Image: image, Commit: code, Changed: code, Dirty: true,
		Models: []cairn.OriginThing{
			{Ref: "model/digits:1", Metrics: facts("metric/accuracy", "0.97", "metric/f1", "0.96", "metric/loss", "0.1", "metric/more", "1"),
				Note: "app/model, 4 files; train was skipped: output of run 2 taken", MadeBy: "job train (3) of run 2", MadeAt: at, MadeFrom: training},
			{Ref: "artifact/2.1/model", Note: "app/model; ambiguous", MadeBy: "job train (3) of run 2", MadeAt: at, MadeFrom: training},
		},
		Data:     []cairn.OriginThing{{Ref: "data/digits-train:1", Holds: "1347 files, 397.7 kB"}, {Ref: "data/digits-test:1", Holds: "450 files, 132.8 kB", Note: "as data/digits-test@latest"}},
		Approved: "ben: looks good", Checks: facts("check/metrics.accuracy >= 0.9", "passed"), Skipped: []string{"train was skipped: output of run 2 taken"},
	}}
	bare := &cairn.Trace{Asked: "api", Roots: []cairn.TraceNode{{Ref: "image/sha256:aa", Kind: "image", Title: "image api"}},
		Answer: &cairn.Origin{Image: image, Commit: code}, Gaps: []cairn.TraceGap{{At: "image/sha256:aa", Reason: "no file in it is known as a model, data or artifact"}}}
	for name, tr := range map[string]*cairn.Trace{"answer.txt": full, "answer-bare.txt": bare} {
		tm, _ := term.Test()
		var b strings.Builder
		if err := Write(&b, tm, tm.OutStyle(), tr, false); err != nil {
			t.Fatal(err)
		}
		clitest.Golden(t, *update, name, b.String())
	}
}

func TestLiveOnes(t *testing.T) {
	t.Parallel()
	put := func(on, url string) cairn.TraceNode {
		n := cairn.TraceNode{Ref: "deployment/1", Kind: "deployment", Relation: cairn.RelDeployed, Inverse: true, Title: "deployment 1 on " + on}
		if url != "" {
			n.Facts = facts("live at", url)
		}
		return n
	}
	release := cairn.TraceNode{Ref: "release/a", Kind: "release", Relation: cairn.RelReleased, Inverse: true, Title: "release r3 of digits",
		Children: []cairn.TraceNode{put("production of acme/api", "http://127.0.0.1:7081"), put("staging of acme/api", "")}}
	root := cairn.TraceNode{Ref: "data/digits:1", Kind: "data", Title: "data digits:1", Children: []cairn.TraceNode{release}}
	tm, _ := term.Test()
	var b strings.Builder
	if err := Write(&b, tm, tm.OutStyle(), &cairn.Trace{Down: true, Roots: []cairn.TraceNode{root}}, false); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(b.String(), "live on  production of acme/api  http://127.0.0.1:7081  r3 of digits\n\ndata digits:1\n") {
		t.Error(b.String())
	}
}

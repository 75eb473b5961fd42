package trace

import (
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/clitest"
	"github.com/cairn-ml/cairn/internal/cli/term"
)

func TestOrigins(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	commit := &cairn.OriginCommit{SHA: strings.Repeat("a", 40), Author: "Wim <wim@example.org>", Date: at, Subject: "Train \x1b[2Jlonger"}
	list := []cairn.Origin{
		{Repository: "local/digits", Stage: "production", URL: "http://127.0.0.1:7082", Of: "deployment/2", Release: "r1 of digits (v1.2.3)", Since: at, Commit: commit,
			Changed: &cairn.OriginCommit{SHA: strings.Repeat("b", 40), Author: "Ben <ben@example.org>", Date: at.AddDate(0, 0, -3), Subject: "Resize"}, Dirty: true,
			Models: []cairn.OriginThing{{Ref: "model/digits:1", Note: "app/model.joblib", MadeBy: "job ai-training (2) of run 1", Metrics: []cairn.TraceFact{{Name: "accuracy", Value: "0.97"}, {Name: "b", Value: "2"}, {Name: "c", Value: "3"}, {Name: "d", Value: "4"}}}},
			Data:   []cairn.OriginThing{{Ref: "data/digits:1", Holds: "360 files, 1.2 MB", Note: "as data/digits@latest; data-preparing was skipped: output of run 1 taken"}, {Ref: "data/more:1"}}},
		{Repository: "local/other", Stage: "production", Commit: commit, Changed: commit, Models: []cairn.OriginThing{{Ref: "artifact/1.1/model"}}},
		{Repository: "local/digits", Title: "image api:hand", Of: "image/sha256:aa", Note: "nothing is live: this is the newest image",
			Gaps: []cairn.TraceGap{{At: "image/sha256:aa", Reason: "no job made it: ben brought it by hand"}}},
	}
	var b strings.Builder
	tm, _ := term.Test()
	if err := writeOrigins(&b, tm.OutStyle(), list, at.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	clitest.Golden(t, *update, "origins.txt", b.String())
}

package release

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/clitest"
	"github.com/cairn-ml/cairn/internal/cli/term"
)

var update = flag.Bool("update", false, "write golden files")

func TestWriteDiff(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	sha := func(c string) string { return strings.Repeat(c, 40) }
	d := &cairn.ReleaseDiff{
		From: cairn.ReleaseSide{Service: "digits-api", Seq: 3, Commit: sha("a"), CreatedAt: at, Stage: "staging"},
		To:   cairn.ReleaseSide{Service: "digits-api", Seq: 4, Commit: sha("b"), CreatedAt: at.Add(time.Hour), Dirty: true},
		Code: cairn.CodeDiff{Commits: []cairn.Commit{{SHA: sha("b"), Author: "Ben", Date: at, Subject: "Resize \x1b[2Jfaster"}}, Undone: []cairn.Commit{{SHA: sha("c"), Author: "Ana", Subject: "Undone"}}, More: true,
			Files: []cairn.FileChange{{Path: "api/main.py", Added: 3, Removed: 1}, {Path: "a\nb.png", Binary: true}}, FileCount: 5},
		Models: []cairn.ModelDiff{{From: "model/digits:1", To: "model/digits:2", Metrics: []cairn.ValueChange{{Name: "accuracy", From: "0.95", To: "0.97", Delta: "+0.02"}}, Params: []cairn.ValueChange{{Name: "epochs", To: "20"}}},
			{From: "model/other:1", To: "model/other:1", Same: true}},
		Data:     []cairn.DataDiff{{Name: "digits", From: "data/digits:1", To: "data/digits:2", Added: 31, Removed: 1, Changed: 1, AtLeast: true, Examples: []string{"+ 7/", "~ b.png"}}, {From: "data/x:1", To: "data/x:1", Same: true}},
		Packages: []cairn.PackageChange{{Where: "image", Name: "pillow", From: "10.0", To: "11.0"}, {Where: "training", Name: "numpy", From: "1.26"}},
		Config:   []cairn.ConfigChange{{Where: "stage", Name: "memory", To: "1073741824"}},
		Notes:    []string{"uncommitted changes were part of the code: the commits do not tell all"},
	}
	for i := range 15 {
		d.Packages = append(d.Packages, cairn.PackageChange{Where: "image", Name: fmt.Sprint("p", i), From: "1", To: "2"})
	}
	var b strings.Builder
	tm, _ := term.Test()
	if err := writeDiff(&b, tm.OutStyle(), d, false); err != nil {
		t.Fatal(err)
	}
	b.WriteString("---\n")
	same := &cairn.ReleaseDiff{Same: true, From: d.From, To: d.From, Models: []cairn.ModelDiff{{From: "model/a:1", To: "model/a:2", Same: true}}}
	if err := writeDiff(&b, tm.OutStyle(), same, true); err != nil {
		t.Fatal(err)
	}
	clitest.Golden(t, *update, "diff.txt", b.String())
}

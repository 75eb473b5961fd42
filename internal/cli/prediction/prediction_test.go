package prediction

import (
	"flag"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/clitest"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
)

var update = flag.Bool("update", false, "write golden files")

func TestWrite(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	tm, b := term.Test()
	k := &kit.Kit{Term: tm, Now: func() time.Time { return at.Add(time.Hour) }}
	report := &cairn.PredictionReport{Expected: "7 \x1b[2J", Comment: "a clear seven", By: "ana", At: at, Data: "data/wrong:1"}
	whole := cairn.Prediction{ID: "4f2a91c03d17-1-3-64", Deployment: 2, Release: "4f2a91c03d17", Repository: "a/b", Stage: "production", Model: cairn.SumBytes(nil), At: at, Took: 12345, Method: "POST", Path: "/predict?x=1\x07", Status: 200,
		Request: cairn.Exchanged{Type: "image/png", Size: 99, Body: []byte("text")}, Response: cairn.Exchanged{Type: "application/json", Size: 30, Body: []byte(`{"class":"<1>","scores":[1]}`)}, Async: true, Report: report}
	cut := whole
	cut.Report, cut.Open, cut.Error = nil, true, "the client went away"
	cut.Request = cairn.Exchanged{Size: 20000, Body: []byte(strings.Repeat("line \x1b[31m\n", 1200)), Cut: true}
	cut.Response = cairn.Exchanged{Body: []byte{0xff, 0x00}}
	erased := whole
	erased.Deleted, erased.Report = true, nil
	aged := cairn.Prediction{ID: whole.ID, Release: whole.Release, Report: report}
	for _, p := range []cairn.Prediction{whole, cut, erased, aged} {
		if err := write(k, &p); err != nil {
			t.Fatal(err)
		}
		b.Out.WriteString("---\n")
	}
	bad := erased
	bad.Status, bad.Took = 503, 2_000_000
	if err := writeList(k, []cairn.Prediction{whole, bad, aged}); err != nil {
		t.Fatal(err)
	}
	clitest.Golden(t, *update, "show.txt", shorten(b.Out.String()))
}

// shorten leaves the middle of many equal lines out.
func shorten(s string) string {
	var out []string
	for _, l := range strings.Split(s, "\n") {
		if len(out) > 3 && l == "  line " && out[len(out)-1] == l && out[len(out)-2] == l {
			continue
		}
		out = append(out, l)
	}
	return strings.Join(out, "\n")
}

func TestSince(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	for in, want := range map[string]time.Time{"90m": now.Add(-90 * time.Minute), "7d": now.AddDate(0, 0, -7), "2026-05-01": time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC), "2026-05-01T02:00:00+02:00": time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)} {
		if got, err := Since(in, now); err != nil || !got.Equal(want) {
			t.Errorf("%s: %s %v", in, got, err)
		}
	}
	for _, in := range []string{"", "-1h", "0d", "1.5d", "-3d", "yesterday", "99999999d"} {
		if _, err := Since(in, now); cairn.CodeOf(err) != cairn.CodeInvalid {
			t.Errorf("%q: %v", in, err)
		}
	}
}

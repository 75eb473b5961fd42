package store

import (
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
)

func TestReports(t *testing.T) {
	t.Parallel()
	ctx, s := t.Context(), open(t)
	at := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	one := cairn.NewPredictionID("4f2a91c03d17", 1, 0, 0)
	two := cairn.NewPredictionID("aaaa91c03d17", 2, 0, 99)
	for i, r := range []cairn.PredictionReport{
		{Prediction: one, Repository: "a/b", Stage: "production", Expected: "7", Input: cairn.SumBytes(nil), By: "ana", At: at},
		{Prediction: two, Repository: "a/b", Stage: "staging", Expected: "1", By: "ben", At: at.Add(time.Hour)},
		{Prediction: one, Repository: "a/b", Stage: "production", Expected: "9", Comment: "looked again", By: "ben", At: at.Add(2 * time.Hour)},
	} {
		if err := s.PutReport(ctx, r, cairn.Change{By: r.By, Events: []cairn.Event{{Kind: cairn.EvReport, Subject: r.Prediction.Ref()}}}); err != nil {
			t.Fatal(i, err)
		}
	}
	if err := s.PutReport(ctx, cairn.PredictionReport{Prediction: "x"}, cairn.Change{}); cairn.CodeOf(err) != cairn.CodeInvalid {
		t.Error(err)
	}
	got, err := s.Report(ctx, one)
	if err != nil || got.Expected != "9" || got.By != "ben" || got.Data != "" {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := s.Report(ctx, "4f2a91c03d17-1-0-1"); cairn.CodeOf(err) != cairn.CodeNotFound {
		t.Error(err)
	}
	for name, c := range map[string]struct {
		f    cairn.PredictionFilter
		want int
	}{
		"all": {cairn.PredictionFilter{}, 2}, "stage": {cairn.PredictionFilter{Repository: "a/b", Stage: "staging"}, 1},
		"release": {cairn.PredictionFilter{Release: "4f2a"}, 1}, "since": {cairn.PredictionFilter{Since: at.Add(90 * time.Minute)}, 1},
		"until": {cairn.PredictionFilter{Until: at}, 0}, "limit": {cairn.PredictionFilter{Limit: 1}, 1}, "other": {cairn.PredictionFilter{Repository: "a/c"}, 0},
	} {
		rs, err := s.Reports(ctx, c.f)
		if err != nil || len(rs) != c.want {
			t.Errorf("%s: %+v %v", name, rs, err)
		}
	}
	rs, err := s.Reports(ctx, cairn.PredictionFilter{})
	if err != nil || rs[0].Prediction != one {
		t.Errorf("not the newest first: %+v %v", rs, err)
	}
	// The last word brought no input along.
	if err := s.ReportInputs(ctx, func(cairn.PredictionID, cairn.Digest) bool { t.Error("an input is kept"); return true }); err != nil {
		t.Error(err)
	}
	if err := s.PutReport(ctx, cairn.PredictionReport{Prediction: two, Repository: "a/b", Stage: "staging", Input: cairn.SumBytes(nil), At: at.Add(time.Hour)}, cairn.Change{}); err != nil {
		t.Fatal(err)
	}
	kept := 0
	if err := s.ReportInputs(ctx, func(id cairn.PredictionID, d cairn.Digest) bool { kept++; return id == two && d == cairn.SumBytes(nil) }); err != nil || kept != 1 {
		t.Error(kept, err)
	}
	// The version that holds the input is known by its link.
	for i, v := range []cairn.Ref{"data/wrong:1", "data/wrong:2"} {
		if err := s.AddLinks(ctx, cairn.Change{Links: []cairn.Link{{From: v, Relation: cairn.RelDerived, To: one.Ref(), At: at.Add(time.Duration(i) * time.Hour)}}}); err != nil {
			t.Fatal(err)
		}
	}
	of, err := s.ReportsOf(ctx, []cairn.PredictionID{one, two, "4f2a91c03d17-1-0-1"})
	if err != nil || len(of) != 2 || of[one].Data != "data/wrong:2" || of[two].Data != "" {
		t.Errorf("%+v %v", of, err)
	}
	if es, err := s.Events(ctx, 0, 0, 0); err != nil || len(es) != 3 {
		t.Errorf("%d events: each word is kept there (%v)", len(es), err)
	}
}

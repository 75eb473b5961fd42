package store

import (
	"testing"

	"github.com/cairn-ml/cairn"
)

// Rules from a file never take the place of those that somebody set by hand.
func TestPutFileEnvironment(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx := t.Context()
	put := func(reviewer string, replace bool) bool {
		t.Helper()
		e := cairn.Environment{Repository: "ana/digits", Name: "PRODUCTION", Reviewers: []string{reviewer}, File: "sha256:1"}
		changed, err := s.PutFileEnvironment(ctx, e, replace, cairn.Change{By: "ana"})
		if err != nil {
			t.Fatal(err)
		}
		return changed
	}
	has := func(name, reviewer, from string) {
		t.Helper()
		e, err := s.Environment(ctx, "ana/digits", "production")
		if err != nil || e.Name != name || e.Reviewers[0] != reviewer || e.From != from {
			t.Errorf("%+v %v", e, err)
		}
	}
	if !put("ana", false) || put("ben", false) || put("ana", true) {
		t.Error("only what is not there is added, and only what differs is changed")
	}
	has("PRODUCTION", "ana", "file")
	if !put("ben", true) {
		t.Error("the default branch changes the file's own rules")
	}
	has("PRODUCTION", "ben", "file")
	if err := s.PutEnvironment(ctx, cairn.Environment{Repository: "ana/digits", Name: "production", Reviewers: []string{"cleo"}}, cairn.Change{By: "ana"}); err != nil {
		t.Fatal(err)
	}
	if put("eve", true) || put("eve", false) {
		t.Error("rules by hand were changed")
	}
	has("PRODUCTION", "cleo", "")
	if err := s.PutEnvironment(ctx, cairn.Environment{Repository: "ana/digits", Name: "production", Reviewers: []string{"cleo"}, From: cairn.EnvironmentFromDefault}, cairn.Change{By: "ana"}); err != nil {
		t.Fatal(err)
	}
	if put("ana", false) || !put("ana", true) {
		t.Error("defaults give way to the default branch alone")
	}
	events, err := s.Events(ctx, 0, 0, 100)
	if err != nil || len(events) != 5 { // one for each change, none for what stayed
		t.Errorf("%d events: %v", len(events), err)
	}
}

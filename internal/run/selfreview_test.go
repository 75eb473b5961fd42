package run_test

import (
	"context"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner/fake"
)

// Who started a run may stop it, but not approve it, where the environment says so.
func TestNoSelfReview(t *testing.T) {
	t.Parallel()
	x := newBench(t, fake.New(fake.Options{}))
	ctx := context.Background()
	rule := cairn.Environment{Repository: "ana/digits", Name: "production", Reviewers: []string{"ana", "ben"}, AllowDirty: true, NoSelfReview: true}
	if err := x.store.PutEnvironment(ctx, rule, cairn.Change{By: "ana"}); err != nil {
		t.Fatal(err)
	}
	deploy := node("deploy")
	deploy.Environment = &cairn.EnvironmentRef{Name: cairn.Str("production")}
	asks := func(s *cairn.RunSnapshot) bool { return len(s.Approvals) == 1 }
	r := x.submit(planOf(deploy))
	x.until(r.ID, "it asks", asks)
	err := x.engine.Approve(ctx, r.ID, "production", true, strings.ToUpper(r.Actor), "")
	if cairn.CodeOf(err) != cairn.CodeForbidden || !strings.Contains(err.Error(), "lets nobody approve what they started") || cairn.AsError(err).Hint != "it can be approved by ben" {
		t.Errorf("%v %q", err, cairn.AsError(err).Hint)
	}
	if err := x.engine.Approve(ctx, r.ID, "production", true, "ben", ""); err != nil {
		t.Fatal(err)
	}
	if s := x.ended(r.ID); s.Run.Conclusion != cairn.Success {
		t.Errorf("%+v", s.Run)
	}
	r = x.submit(planOf(deploy))
	x.until(r.ID, "it asks", asks)
	if err := x.engine.Approve(ctx, r.ID, "production", false, r.Actor, "not now"); err != nil {
		t.Fatal(err)
	}
	if s := x.ended(r.ID); s.Run.Conclusion != cairn.Failure {
		t.Errorf("%+v", s.Run)
	}
}

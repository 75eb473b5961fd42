package deploy_test

import (
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/deploy"
)

// What stands in the way of a release does not come from the release alone: its
// author wrote that.
func TestTheGateIsThatOfTheDefaultBranch(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.code[":.cairn/stages.yml"] = "stages:\n  staging: {}\n  production:\n    rules:\n      after: staging\n      checks:\n        - {name: good, cel: metrics.accuracy >= 0.9}\n"
	r.code["loose:.cairn/stages.yml"] = "stages:\n  staging: {}\n  production: {health: /up}\n"
	r.model(0.5)
	r.image(1, func(img *cairn.Image) { img.Commit = "loose" })
	r.image(2, func(img *cairn.Image) { img.Commit = "gone" }) // of a commit that has no file
	for _, img := range []string{"api:1", "api:2"} {
		_, err := r.s.Deploy(t.Context(), deploy.Request{Repository: repo, Image: img, Stage: "production"}, ana)
		if err == nil || !strings.Contains(err.Error(), "was never live on staging") {
			t.Errorf("%s: %v", img, err)
		}
	}
	r.live(1, "staging")
	d := r.deploy(1, "production")
	if d.Status != cairn.DeployFailed || !strings.HasPrefix(d.Reason, "check good failed") {
		t.Errorf("%+v", d)
	}
	if c, err := r.store.StageConfig(t.Context(), d.Config); err != nil || c.Health != "/up" { // how it runs is its own
		t.Errorf("%+v %v", c, err)
	}
}

// A branch of the same name in another repository is another branch.
func TestABranchOfAnotherRepository(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.code["*:.cairn/stages.yml"] = "stages:\n  production:\n    rules: {branches: [main]}\n"
	r.addRunOf("eve/api", 1, "refs/heads/main", "")
	r.image(1, func(img *cairn.Image) { img.Run, img.Repository = 1, "eve/api" })
	_, err := r.s.Deploy(t.Context(), deploy.Request{Repository: repo, Image: "api:1", Stage: "production"}, ana)
	if cairn.CodeOf(err) != cairn.CodeForbidden || !strings.Contains(err.Error(), "stage production does not take main of eve/api; allowed: main") {
		t.Error(err)
	}
}

// ſ is an s to strings.EqualFold, and an environment of its own to the engine.
func TestAnEnvironmentThatLooksLikeTheStage(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.code["*:.cairn/stages.yml"] = "stages:\n  staging:\n    rules: {reviewers: [ben]}\n"
	job := r.addRun(1, "refs/heads/main", "ſtaging")
	r.image(1, func(img *cairn.Image) { img.Run = 1 })
	d, err := r.s.Deploy(t.Context(), deploy.Request{Stage: "staging"}, job)
	if err != nil || d.Status != cairn.DeployWaiting || d.ApprovedBy != "" || len(d.Reviewers) != 1 {
		t.Errorf("%+v %v", d, err)
	}
}

// An environment that only a workflow named has no rules of its own: those of the
// file stand.
func TestAnEnvironmentThatNobodyMadeRulesFor(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.code["*:.cairn/stages.yml"] = "stages:\n  staging:\n    rules: {reviewers: [ben]}\n"
	r.environment(cairn.Environment{Repository: repo, Name: "staging", AllowDirty: true, From: cairn.EnvironmentFromDefault})
	r.image(1)
	if d := r.deploy(1, "staging"); d.Status != cairn.DeployWaiting || len(d.Reviewers) != 1 {
		t.Errorf("%+v", d)
	}
}

// Who started the attempt started what its jobs ask for.
func TestWhoRunsItAgainDoesNotApprove(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.code["*:.cairn/stages.yml"] = "stages:\n  production:\n    rules: {reviewers: [ben, cyd], self_review: false}\n"
	job := r.addRun(1, "refs/heads/main", "")
	r.image(1, func(img *cairn.Image) { img.Run = 1 })
	d, err := r.s.Deploy(t.Context(), deploy.Request{Stage: "production"}, job)
	if err != nil {
		t.Fatal(err)
	}
	// addRun's attempt is cyd's, its run ana's.
	if _, err := r.s.Decide(t.Context(), d.ID, true, "", cyd); cairn.CodeOf(err) != cairn.CodeForbidden {
		t.Errorf("%v", err)
	}
	if _, err := r.s.Decide(t.Context(), d.ID, true, "", ben); err != nil {
		t.Error(err)
	}
}

// A tag is for good: a job gives none to a release of somebody else's.
func TestAJobTagsReleasesOfItsRepository(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.image(1)
	r.live(1, "staging")
	r.addRunOf("eve/other", 1, "refs/heads/main", "")
	own := r.addRun(2, "refs/heads/main", "")
	for _, in := range []string{"", repo} {
		if _, err := r.s.TagRelease(t.Context(), in, "r1", "v9.9.9", jobOf(1)); err == nil {
			t.Errorf("%q: %v", in, err)
		}
	}
	if _, err := r.s.TagRelease(t.Context(), "", "r1", "v9.9.9", own); err != nil {
		t.Error(err)
	}
}

package deploy_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/deploy"
)

var update = flag.Bool("update", false, "write the golden files")

func TestDeployGoesLiveAndReplaces(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.image(1)
	r.image(2)
	first := r.live(1, "staging")
	if first.URL != "http://127.0.0.1:9000" || first.Mode != "host" || !slices.Equal(first.Notes, []string{"port 80 is 40001 here"}) || first.Replaces != 0 {
		t.Errorf("%+v", first)
	}
	second := r.live(2, "Staging")
	if second.Replaces != first.ID || second.StageID != first.StageID {
		t.Errorf("%+v", second)
	}
	if old := r.status(first.ID, cairn.DeployReplaced); old.EndedAt.IsZero() {
		t.Error("it has no end")
	}
	other := r.live(2, "production")
	if other.URL != "http://127.0.0.1:9002" { // 9001 is taken by somebody
		t.Errorf("%s", other.URL)
	}
	rel, err := r.s.FindRelease(t.Context(), repo, "r2")
	if err != nil || rel.ID != second.Release || rel.ID != other.Release || !slices.Equal(rel.Tags, []string{"v1.0.2"}) {
		t.Errorf("%+v %v", rel, err)
	}
	if got := r.links(second.Ref()); !slices.Equal(got, []string{"deployed release/" + rel.ID + " (on staging)"}) {
		t.Errorf("%q", got)
	}
	if got := r.links(rel.Ref()); !slices.Equal(got, []string{"released image/" + string(rel.Image) + " (api:2)"}) {
		t.Errorf("%q", got)
	}
	if rel.Packed[0] != "model/digits:1" || rel.Model != cairn.SumBytes([]byte("model")) || rel.Service != "api" {
		t.Errorf("%+v", rel)
	}
	infos, err := r.s.Stages(t.Context(), repo)
	if err != nil || len(infos) != 2 || infos[0].Live.ID != second.ID || !infos[0].Healthy || infos[0].Commit.Author != "Ana" || infos[0].Model != "model/digits:1" {
		t.Errorf("%+v %v", infos, err)
	}
	if n, err := r.s.Active(t.Context()); n != 2 || err != nil {
		t.Errorf("%d active, %v", n, err)
	}
	last := r.target.seen[len(r.target.seen)-1]
	if last.Facts != (deploy.ServiceFacts{APIVersion: "v1.0.2", ModelName: "digits", ModelVersion: "1", Commit: fmt.Sprintf("%040d", 2)}) {
		t.Errorf("%+v", last.Facts)
	}
	if use, err := r.s.ImageInUse(t.Context(), rel.Image); err != nil || !strings.Contains(use, "is live on") {
		t.Errorf("%q %v", use, err)
	}
}

func TestTheSameInputsAreTheSameRelease(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.image(1)
	a, b := r.live(1, "staging"), r.live(1, "staging")
	if a.Release != b.Release || a.ID == b.ID {
		t.Errorf("%s %s", a.Release, b.Release)
	}
	r.code[fmt.Sprintf("%040d:.cairn/stages.yml", 1)] = "stages:\n  staging:\n    variables: {A: b}\n"
	c := r.live(1, "staging")
	if c.Release == a.Release || c.Config == a.Config {
		t.Error("another configuration is another release")
	}
	key := deploy.Request{Image: "api:1", Stage: "staging", Key: "k"}
	d1, err1 := r.s.Deploy(t.Context(), key, ana)
	d2, err2 := r.s.Deploy(t.Context(), key, ana)
	d3, err3 := r.s.Deploy(t.Context(), key, ben)
	if err1 != nil || err2 != nil || err3 != nil || d1.ID != d2.ID || d3.ID == d1.ID {
		t.Errorf("%v %v %v", err1, err2, err3)
	}
}

func TestAFailedDeploymentLeavesWhatIsLive(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.image(1)
	r.image(2)
	good := r.live(1, "production")
	r.target.fail, r.target.log = cairn.Errorf(cairn.CodeFailed, "the program ended with exit code 1").WithHint("see its last lines"), []string{"Traceback", "KeyError"}
	bad := r.status(r.deploy(2, "production").ID, cairn.DeployFailed)
	if bad.Reason != "the program ended with exit code 1 (see its last lines)" || !slices.Equal(bad.Log, []string{"Traceback", "KeyError"}) || bad.EndedAt.IsZero() {
		t.Errorf("%+v", bad)
	}
	infos, err := r.s.Stages(t.Context(), "")
	if err != nil || infos[0].Live.ID != good.ID {
		t.Errorf("%+v %v", infos, err)
	}
}

func TestTwoDeploymentsAtOnceWaitForEachOther(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for i := range 3 {
		r.image(i + 1)
	}
	hold := make(chan struct{})
	r.target.holdAll = hold
	a := r.status(r.deploy(1, "staging").ID, cairn.DeployStarting)
	b, c := r.deploy(2, "staging"), r.deploy(3, "staging")
	want := fmt.Sprintf("deployment %d of staging is under way", a.ID)
	r.until(b.ID, func(d *cairn.Deployment) bool { return d.Reason == want })
	r.until(c.ID, func(d *cairn.Deployment) bool { return d.Reason == want })
	close(hold)
	r.status(c.ID, cairn.DeployLive)
	if !slices.Equal(r.target.calls, []cairn.DeploymentID{a.ID, b.ID, c.ID}) {
		t.Errorf("%v", r.target.calls)
	}
}

func TestAnOwnerThatStartsAgainTakesItUp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.image(1)
	r.target.holdAll = make(chan struct{})
	d := r.status(r.deploy(1, "staging").ID, cairn.DeployStarting)
	for r.target.called() == 0 {
		time.Sleep(time.Millisecond)
	}
	r.stop()
	if now, err := r.store.Deployment(t.Context(), d.ID); err != nil || now.Status != cairn.DeployStarting {
		t.Fatalf("%+v %v", now, err)
	}
	r.target.holdAll = nil
	r.start()
	r.status(d.ID, cairn.DeployLive)
	if len(r.target.calls) != 2 {
		t.Errorf("%v", r.target.calls)
	}
}

func TestAStageThatWasStoppedWhileNobodySawToIt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.image(1)
	d := r.live(1, "staging")
	stopped, err := r.s.Stop(t.Context(), repo, "staging", ben)
	if err != nil || stopped.ID != d.ID || stopped.Status != cairn.DeployStopped || stopped.Reason != "stopped by ben" {
		t.Fatalf("%+v %v", stopped, err)
	}
	r.stop()
	r.target.live[d.StageID] = d.ID // it outlived the owner that was killed
	r.start()
	for i := 0; ; i++ {
		if now, err := r.target.Status(t.Context(), cairn.Stage{ID: d.StageID}); err == nil && now == nil {
			break
		} else if i > 2000 {
			t.Fatal("it still runs")
		}
		time.Sleep(time.Millisecond)
	}
	if n, err := r.s.Active(t.Context()); n != 0 || err != nil {
		t.Errorf("%d %v", n, err)
	}
	_, err = r.s.Stop(t.Context(), repo, "staging", ben)
	golden(t, "stop", []error{err})
}

// A deployment that is asked for while the stage is taken down comes up after that.
func TestNothingStartsWhileAStageIsStopped(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.target.stops = make(chan struct{})
	r.image(1)
	r.live(1, "staging")
	done := make(chan error)
	go func() {
		_, err := r.s.Stop(t.Context(), repo, "staging", ben)
		done <- err
	}()
	<-r.target.stops
	d := r.deploy(1, "staging")
	for range 2 { // by then the loop has looked at it
		r.live(1, "production")
	}
	<-r.target.stops
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	d = r.status(d.ID, cairn.DeployLive)
	if now, err := r.target.Status(t.Context(), cairn.Stage{ID: d.StageID}); err != nil || now == nil || now.Live.Deployment != d.ID {
		t.Errorf("%+v %v", now, err)
	}
}

const gated = `stages:
  staging: {}
  production:
    rules:
      reviewers: [ben, ana]
      self_review: false
      after: staging
      branches: [main]
      checks:
        - metrics.accuracy >= 0.9
`

func TestTheGate(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.code["*:.cairn/stages.yml"] = gated
	r.addRun(1, "refs/heads/main", "")
	r.addRun(2, "refs/heads/dev", "")
	r.model(0.95)
	of := func(id cairn.RunID) func(*cairn.Image) { return func(img *cairn.Image) { img.Run = id } }
	r.image(1, of(1))
	r.image(2, of(2))
	r.image(3, of(1), func(img *cairn.Image) { img.Dirty = true })
	r.image(4, func(img *cairn.Image) { img.Commit = "" })
	ask := func(n int) error {
		_, err := r.s.Deploy(t.Context(), deploy.Request{Image: fmt.Sprintf("api:%d", n), Stage: "production"}, ana)
		return err
	}
	var errs []error
	for i := range 4 {
		errs = append(errs, ask(i+1))
	}
	golden(t, "gate", errs)

	r.live(1, "staging")
	d := r.deploy(1, "production")
	if d.Status != cairn.DeployWaiting || d.Reason != "stage production waits for the approval of ben or ana" || len(d.Checks) != 1 || !d.Checks[0].Passed {
		t.Fatalf("%+v", d)
	}
	if n, err := r.s.Active(t.Context()); n != 1 || err != nil { // staging alone: the other waits for a person
		t.Errorf("%d %v", n, err)
	}
	pending, err := r.s.Pending(t.Context(), ben)
	if err != nil || len(pending) != 1 || !pending[0].Mine || pending[0].What != d.Ref() || pending[0].Title != "r1 (v1.0.1)" {
		t.Errorf("%+v %v", pending, err)
	}
	if pending, err := r.s.Pending(t.Context(), ana); err != nil || pending[0].Mine {
		t.Errorf("%+v %v", pending, err)
	}
	decide := func(p cairn.Principal, yes bool) error {
		_, err := r.s.Decide(t.Context(), d.ID, yes, "checked", p)
		return err
	}
	errs = []error{decide(cyd, true), decide(ana, true), decide(ben, true)}
	live := r.status(d.ID, cairn.DeployLive)
	errs = append(errs, decide(ben, true), decide(cyd, false))
	golden(t, "decide", errs)
	if live.ApprovedBy != "ben" || live.Comment != "checked" {
		t.Errorf("%+v", live)
	}
	if got := r.links(d.Ref()); !slices.Contains(got, "approved user/ben (checked)") {
		t.Errorf("%q", got)
	}

	d = r.deploy(1, "production")
	if err := decide(ana, false); err != nil { // anybody of the reviewers may stop it
		t.Error(err)
	}
	if d := r.status(d.ID, cairn.DeployRejected); d.Reason != "rejected by ana: checked" {
		t.Errorf("%+v", d)
	}
}

// model records a version of a model whose run reached an accuracy.
func (r *rig) model(accuracy float64) {
	r.t.Helper()
	ctx := r.t.Context()
	id := strings.Repeat("a", 32)
	now := time.Now().UTC()
	if err := r.store.CreateMLRun(ctx, cairn.MLRun{ID: id, Experiment: "0", Status: cairn.MLFinished, CreatedAt: now}, cairn.Change{}); err != nil {
		r.t.Fatal(err)
	}
	if err := r.store.LogMetrics(ctx, id, []cairn.Metric{{Key: "accuracy", Value: accuracy, Timestamp: 1}}); err != nil {
		r.t.Fatal(err)
	}
	_, _, err := r.store.CreateAssetVersion(ctx, cairn.AssetVersion{Workspace: "default", Kind: cairn.AssetModel, Name: "digits", Version: "1",
		Type: "folder", Digest: cairn.SumBytes([]byte("version")), SourceRun: id, CreatedAt: now}, false,
		func(cairn.AssetVersion, bool) cairn.Change { return cairn.Change{} })
	if err != nil {
		r.t.Fatal(err)
	}
}

func TestChecksThatFail(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.code["*:.cairn/stages.yml"] = "stages:\n  staging:\n    rules:\n      checks:\n        - {name: good enough, cel: metrics.accuracy >= 0.9}\n"
	r.model(0.5)
	r.image(1)
	d := r.deploy(1, "staging")
	if d.Status != cairn.DeployFailed || !strings.HasPrefix(d.Reason, "check good enough failed: metrics.accuracy = 0.5") || d.EndedAt.IsZero() {
		t.Errorf("%+v", d)
	}
	if len(r.target.calls) != 0 {
		t.Error("it came up")
	}
}

func TestAJobOfTheStageHasPassed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.code["*:.cairn/stages.yml"] = "stages:\n  production:\n    rules: {reviewers: [ben], wait: 1h}\n"
	of := r.addRun(1, "refs/heads/main", "Production")
	other := r.addRun(2, "refs/heads/main", "")
	r.image(1, func(img *cairn.Image) { img.Run = 1 })
	d, err := r.s.Deploy(t.Context(), deploy.Request{Stage: "production"}, of) // the image that the run made
	if err != nil {
		t.Fatal(err)
	}
	d = r.status(d.ID, cairn.DeployLive)
	if d.Job != of.Job || d.Run != 1 || d.ApprovedBy != "ben" || d.By != of.Name {
		t.Errorf("%+v", d)
	}
	if got := r.links(d.Ref()); len(got) != 3 || !slices.Contains(got, "part-of job/101") || !slices.Contains(got, "approved user/ben (looks good)") {
		t.Errorf("%q", got)
	}
	d, err = r.s.Deploy(t.Context(), deploy.Request{Stage: "production", Image: "api:1"}, other)
	if err != nil || d.Status != cairn.DeployWaiting || d.NotBefore.IsZero() {
		t.Errorf("%+v %v", d, err)
	}
	_, err1 := r.s.Deploy(t.Context(), deploy.Request{Stage: "production"}, other)
	_, err2 := r.s.Deploy(t.Context(), deploy.Request{Stage: "production", Image: "api:1", Repository: "else/where"}, other)
	_, err3 := r.s.Rollback(t.Context(), deploy.RollbackRequest{Stage: "production", Repository: repo}, other)
	golden(t, "jobs", []error{err1, err2, err3})
}

func TestRollback(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	back := func(to string) (*cairn.Deployment, error) {
		d, err := r.s.Rollback(t.Context(), deploy.RollbackRequest{Repository: repo, Stage: "production", To: to, Comment: "worse"}, ben)
		if err != nil {
			return nil, err
		}
		return r.s.Await(t.Context(), d.ID)
	}
	_, never := back("")
	for i := range 4 {
		r.image(i + 1)
	}
	one := r.live(1, "production")
	_, first := back("")
	r.live(2, "production")
	r.live(3, "production")
	r.live(4, "staging")
	d, err := back("")
	if err != nil || d.Status != cairn.DeployLive || !d.Rollback || d.Comment != "worse" || d.By != "ben" {
		t.Fatalf("%+v %v", d, err)
	}
	if d, err = back(""); err != nil || d.Release != one.Release {
		t.Fatalf("%+v %v", d, err)
	}
	_, nothing := back("")
	if d, err = back("v1.0.3"); err != nil || d.Status != cairn.DeployLive {
		t.Fatalf("%+v %v", d, err)
	}
	_, same := back("r3")
	_, elsewhere := back("r4")
	_, unknown := back("v1.0.33")
	_, stage := r.s.Rollback(t.Context(), deploy.RollbackRequest{Repository: repo, Stage: "prodction"}, ben)
	golden(t, "rollback", []error{never, first, nothing, same, elsewhere, unknown, stage})
}

func TestRollbackTakesTheConfigurationOfThen(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	file := func(n int, text string) {
		r.code[fmt.Sprintf("%040d:.cairn/stages.yml", n)] = "stages:\n  production:\n    " + text + "\n"
	}
	file(1, "variables: {LEVEL: one}")
	file(2, "variables: {LEVEL: two}")
	r.image(1)
	r.image(2)
	one := r.live(1, "production")
	r.live(2, "production")
	delete(r.code, fmt.Sprintf("%040d:.cairn/stages.yml", 1)) // even when its commit is gone
	d, err := r.s.Rollback(t.Context(), deploy.RollbackRequest{Repository: repo, Stage: "production"}, ben)
	if err != nil {
		t.Fatal(err)
	}
	d = r.status(d.ID, cairn.DeployLive)
	if c := r.target.seen[len(r.target.seen)-1].Config; d.Config != one.Config || c.Variables[0].Value != "one" {
		t.Errorf("%+v", c)
	}
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.image(1)
	r.live(1, "staging")
	ask := func(q deploy.Request) error {
		_, err := r.s.Deploy(t.Context(), q, ana)
		return err
	}
	var errs []error
	for _, q := range []deploy.Request{
		{Image: "api:1", Stage: "stagin"},
		{Image: "api:1", Stage: "a/b"},
		{Image: "api:9", Stage: "staging"},
		{Stage: "staging"},
		{Stage: "staging", Repository: "acme/other"},
		{Stage: "staging", Release: "r9", Repository: repo},
		{Stage: "staging", Release: "r1", Image: "api:1"},
	} {
		errs = append(errs, ask(q))
	}
	r.code["*:.cairn/stages.yml"] = "stages:\n  staging: {}\n  production: {}\n"
	errs = append(errs, ask(deploy.Request{Image: "api:1", Stage: "prodution"}), ask(deploy.Request{Image: "api:1", Stage: "qa"}))
	r.code["*:.cairn/stages.yml"] = "stages:\n  staging: {helth: /x}\n"
	errs = append(errs, ask(deploy.Request{Image: "api:1", Stage: "staging"}))
	for _, tag := range []string{"v1.0.1", "a b", "r7", "cafe"} {
		_, err := r.s.TagRelease(t.Context(), repo, "r1", tag, ana)
		errs = append(errs, err)
	}
	_, err := r.s.Stop(t.Context(), repo, "production", ana)
	_, err2 := r.s.Decide(t.Context(), 1, true, "", ben)
	_, err3 := r.s.Decide(t.Context(), 99, true, "", ben)
	golden(t, "bad", append(errs, err, err2, err3))
}

// golden compares errors, one after another, with a file.
func golden(t *testing.T, name string, errs []error) {
	t.Helper()
	var b strings.Builder
	for _, err := range errs {
		if err == nil {
			b.WriteString("-- fine\n")
			continue
		}
		e := cairn.AsError(err)
		fmt.Fprintf(&b, "-- %s: %s\n", e.Code, e.Message)
		for _, p := range e.Problems {
			fmt.Fprintf(&b, "   %s: %s\n", p.Position, p.Message)
		}
		if e.Hint != "" {
			fmt.Fprintf(&b, "   %s\n", e.Hint)
		}
	}
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.MkdirAll("testdata", 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(b.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || b.String() != string(want) {
		t.Errorf("%s (%v):\n%s", path, err, b.String())
	}
}

package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
)

func testRelease(id, service string, n int) cairn.Release {
	return cairn.Release{Workspace: "default", ID: id, Service: service, Repository: "acme/" + service, Image: cairn.SumBytes([]byte(id)),
		Commit: fmt.Sprintf("%040d", n), CreatedAt: time.Unix(int64(n), 0).UTC()}
}

func nothing(cairn.Release, bool) cairn.Change { return cairn.Change{By: "ana"} }

func TestReleasesAreCountedPerServiceAndNeverChange(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	for i, want := range []int64{1, 1, 2, 3} {
		service := "api"
		if i == 1 {
			service = "web"
		}
		r, err := s.PutRelease(ctx, testRelease(fmt.Sprintf("%012x", i+1), service, i), nothing)
		if err != nil || r.Seq != want {
			t.Fatalf("%d: %+v %v", i, r, err)
		}
	}
	created := true
	again := testRelease("000000000001", "api", 0)
	again.Name = "another name"
	r, err := s.PutRelease(ctx, again, func(_ cairn.Release, c bool) cairn.Change { created = c; return cairn.Change{} })
	if err != nil || created || r.Seq != 1 || r.Name != "" {
		t.Errorf("%+v %v %v", r, created, err)
	}
	tag := cairn.ReleaseTag{Workspace: "default", Service: "api", Tag: "v1.0.0", Release: "000000000001", By: "ana"}
	for range 2 {
		if err := s.PutReleaseTag(ctx, tag, cairn.Change{By: "ana"}); err != nil {
			t.Fatal(err)
		}
	}
	tag.Release = "000000000003"
	if err := s.PutReleaseTag(ctx, tag, cairn.Change{}); cairn.CodeOf(err) != cairn.CodeConflict || !strings.Contains(err.Error(), "000000000001") {
		t.Error(err)
	}
	tag.Service, tag.Release = "web", "000000000002"
	if err := s.PutReleaseTag(ctx, tag, cairn.Change{}); err != nil {
		t.Fatal(err)
	}
	if r, err := s.ReleaseByTag(ctx, "default", "web", "v1.0.0"); err != nil || r.ID != "000000000002" || !slices.Equal(r.Tags, []string{"v1.0.0"}) {
		t.Errorf("%+v %v", r, err)
	}
	if _, err := s.ReleaseByTag(ctx, "default", "", "v1.0.0"); cairn.CodeOf(err) != cairn.CodeConflict {
		t.Error(err)
	}
	if _, err := s.Release(ctx, "default", "00000000000"); cairn.CodeOf(err) != cairn.CodeConflict {
		t.Error(err)
	}
	if _, err := s.Release(ctx, "default", "ff"); cairn.CodeOf(err) != cairn.CodeNotFound {
		t.Error(err)
	}
	rs, err := s.Releases(ctx, cairn.ReleaseFilter{Workspace: "default", Service: "api", Before: 3})
	if err != nil || len(rs) != 2 || rs[0].Seq != 2 {
		t.Errorf("%+v %v", rs, err)
	}
	if rs, err := s.Releases(ctx, cairn.ReleaseFilter{Commit: fmt.Sprintf("%040d", 3)}); err != nil || len(rs) != 1 {
		t.Errorf("%+v %v", rs, err)
	}
}

func testDeployment(t *testing.T, s *Store, st cairn.Stage, key string) cairn.Deployment {
	t.Helper()
	config := []byte(`{"schema":1,"name":"staging"}`)
	d, _, err := s.CreateDeployment(t.Context(), cairn.Deployment{Workspace: "default", Repository: st.Repository, Stage: st.Name, StageID: st.ID,
		Release: "000000000001", Status: cairn.DeployWaiting, Config: cairn.SumBytes(config)}, key, config,
		func(d cairn.Deployment) cairn.Change {
			return cairn.Change{By: "ana", Links: []cairn.Link{{From: d.Ref(), Relation: cairn.RelDeployed, To: "release/000000000001"}}}
		})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func testStage(t *testing.T, s *Store, name string, port int) cairn.Stage {
	t.Helper()
	st, err := s.EnsureStage(t.Context(), cairn.Stage{Workspace: "default", Repository: "acme/api", Name: name, Port: port}, cairn.Change{By: "ana"})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func TestAStageHasOneLiveDeployment(t *testing.T) {
	t.Parallel()
	s, ctx := open(t), t.Context()
	st := testStage(t, s, "staging", 7080)
	if again := testStage(t, s, "Staging", 7099); again.ID != st.ID || again.Port != 7080 || again.Name != "staging" {
		t.Errorf("%+v", again)
	}
	if _, err := s.EnsureStage(ctx, cairn.Stage{Workspace: "default", Repository: "acme/web", Name: "staging", Port: 7080}, cairn.Change{}); cairn.CodeOf(err) != cairn.CodeConflict {
		t.Error(err)
	}
	a, b := testDeployment(t, s, st, "k"), testDeployment(t, s, st, "")
	if again := testDeployment(t, s, st, "k"); again.ID != a.ID {
		t.Errorf("the same key made deployment %d", again.ID)
	}
	put := func(st *cairn.Stage, ds ...*cairn.Deployment) error {
		var rows []cairn.Deployment
		for _, d := range ds {
			rows = append(rows, *d)
		}
		out, err := s.PutDeployments(ctx, rows, st, cairn.Change{By: "ana"})
		for i := range out {
			if err == nil {
				*ds[i] = out[i]
			}
		}
		return err
	}
	a.Status, b.Status = cairn.DeployStarting, cairn.DeployStarting
	if err := put(nil, &a); err != nil {
		t.Fatal(err)
	}
	if err := put(nil, &b); cairn.CodeOf(err) != cairn.CodeConflict {
		t.Error(err)
	}
	stale := a
	a.Status, a.LiveAt, st.Live = cairn.DeployLive, time.Unix(5, 0), a.ID
	if err := put(&st, &a); err != nil {
		t.Fatal(err)
	}
	if err := put(nil, &stale); cairn.CodeOf(err) != cairn.CodeConflict {
		t.Error(err)
	}
	// The stage is not as it was read: nothing of it is written.
	a.Status, b.Status = cairn.DeployReplaced, cairn.DeployLive
	if err := put(&st, &a, &b); cairn.CodeOf(err) != cairn.CodeConflict {
		t.Error(err)
	}
	if now, err := s.Deployment(ctx, a.ID); err != nil || now.Status != cairn.DeployLive {
		t.Errorf("%+v %v", now, err)
	}
	fresh, err := s.StageByPort(ctx, 7080)
	if err != nil || fresh.Live != a.ID {
		t.Fatalf("%+v %v", fresh, err)
	}
	b.LiveAt, fresh.Live = time.Unix(6, 0), b.ID
	if err := put(&fresh, &b, &a); cairn.CodeOf(err) != cairn.CodeConflict { // what leaves stands first
		t.Error(err)
	}
	if err := put(&fresh, &a, &b); err != nil {
		t.Fatal(err)
	}
	ds, err := s.Deployments(ctx, cairn.DeploymentFilter{Stage: "STAGING", WasLive: true})
	if err != nil || len(ds) != 2 || ds[0].ID != b.ID || ds[0].Version != b.Version {
		t.Errorf("%+v %v", ds, err)
	}
	if c, err := s.StageConfig(ctx, b.Config); err != nil || c.Name != "staging" {
		t.Errorf("%+v %v", c, err)
	}
	// The events fold into the rows.
	es, err := s.Events(ctx, 0, 0, 0)
	last := map[cairn.Ref]string{}
	for _, e := range es {
		last[e.Subject] = string(e.Data)
	}
	for _, d := range []*cairn.Deployment{&a, &b} {
		if body, _ := toJSON(d); last[d.Ref()] != body || err != nil {
			t.Errorf("%s %v", last[d.Ref()], err)
		}
	}
}

func TestADeploymentOfAJobNeedsItsLease(t *testing.T) {
	t.Parallel()
	s := open(t)
	st := testStage(t, s, "staging", 7080)
	ctx := cairn.WithLease(t.Context(), cairn.Lease{Job: 9, Epoch: 1})
	_, _, err := s.CreateDeployment(ctx, cairn.Deployment{StageID: st.ID, Config: cairn.SumBytes(nil)}, "", nil,
		func(cairn.Deployment) cairn.Change { return cairn.Change{} })
	if err == nil {
		t.Error("a job that is not there deployed")
	}
}

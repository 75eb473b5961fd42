package run_test

import (
	"context"
	"reflect"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/run"
	"github.com/cairn-ml/cairn/internal/runner/fake"
)

func named(kv ...string) []cairn.NamedValue {
	var out []cairn.NamedValue
	for i := 0; i < len(kv); i += 2 {
		out = append(out, cairn.NamedValue{Name: kv[i], Value: cairn.Expr(kv[i+1])})
	}
	return out
}

// A job of a called workflow sees its own inputs, its own workflow's env, and of
// the secrets what its caller hands down.
func TestSpecOfCalledWorkflow(t *testing.T) {
	t.Parallel()
	b := fake.New(fake.Options{})
	x := &bench{t: t, store: openStore(t, t.TempDir()), backend: b}
	defer x.store.Close()
	x.engine = run.New(run.Options{Store: x.store, Backend: b, Resolver: resolver{
		vars:       map[string]string{"REGION": "eu"},
		secrets:    map[string]string{"A": "one", "B": "two"},
		envSecrets: map[string]string{"A": "one", "B": "two", "ONLY_STAGING": "three"},
	}})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); x.engine.Run(ctx) }()
	defer func() { cancel(); <-done }()

	inner := node("build")
	inner.Env = named("JOB", "j")
	inner.Strategy = genFixedStrategy("x", "y")
	inner.Environment = &cairn.EnvironmentRef{Name: cairn.Str("staging"), URL: cairn.Str("http://127.0.0.1:7080")}
	call := cairn.Node{
		ID: "call", Kind: cairn.NodeCall, Body: []cairn.Node{inner}, Env: named("CALLER", "no"), BodyEnv: named("CALLED", "yes"),
		BodyInputs: []cairn.InputDecl{{Name: "which", Type: "string"}, {Name: "n", Type: "number", Default: cairn.Expr("${{ 3 }}")}},
		With:       named("which", "${{ vars.REGION }}"), Secrets: named("RENAMED", "${{ secrets.A }}"),
	}
	p := planOf(node("plain"), call)
	p.Env = named("ROOT", "r")
	p.Inputs = []cairn.Input{{Name: "data_prep", Type: "boolean", Value: []byte("true")}}
	s := x.ended(x.submit(p, func(r *run.Request) { r.Debug, r.AllowSudo, r.Interactive, r.Untrusted = true, true, true, true }).ID)
	if s.Run.Conclusion != cairn.Success {
		t.Fatalf("%+v", s.Jobs)
	}
	specs := map[string]cairn.JobSpec{}
	for _, spec := range b.Started() {
		specs[spec.Path] = spec
	}
	spec := specs["call/build[y]"]
	for name, want := range map[string]string{
		"inputs": `{"which":"eu","n":3}`, "matrix": `{"v":"y"}`, "needs": `{}`, "vars": `{"REGION":"eu"}`,
		"strategy": `{"fail-fast":true,"job-index":1,"job-total":2,"max-parallel":2}`,
	} {
		if got := string(spec.Contexts[name]); got != want {
			t.Errorf("%s = %s, want %s", name, got, want)
		}
	}
	if want := [][]cairn.NamedValue{named("CALLED", "yes"), named("JOB", "j")}; !reflect.DeepEqual(spec.Env, want) {
		t.Errorf("env %+v", spec.Env)
	}
	if spec.EnvironmentURL.Text == "" || !spec.Debug || !spec.AllowSudo || !spec.Interactive || !spec.Untrusted || spec.TimeoutMinutes != 360 ||
		spec.Name != "call / build (y)" || spec.BaseEnv["CAIRN_URL"] == "" || spec.Epoch != 1 {
		t.Errorf("%+v", spec)
	}
	want := map[string]string{"RENAMED": "one", "ONLY_STAGING": "three", "GITHUB_TOKEN": "token-of-call/build[y]"}
	if got := b.Secrets(spec.Job).Secrets; !reflect.DeepEqual(got, want) {
		t.Errorf("secrets %v, want %v", got, want)
	}
	plain := specs["plain"]
	if got := string(plain.Contexts["inputs"]); got != `{"data_prep":true}` {
		t.Errorf("inputs = %s", got)
	}
	if got := b.Secrets(plain.Job).Secrets["B"]; got != "two" {
		t.Errorf("secrets.B = %q", got)
	}
}

// What a dirty run's jobs ran is linked to the tree, and the tree to its commit.
func TestLinksOfADirtyRun(t *testing.T) {
	t.Parallel()
	rec := &linkStore{}
	b := fake.New(fake.Options{})
	x := &bench{t: t, store: openStore(t, t.TempDir()), backend: b}
	defer x.store.Close()
	rec.Store = x.store
	x.engine = run.New(run.Options{Store: rec, Backend: b, Resolver: resolver{}})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); x.engine.Run(ctx) }()
	const tree = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	s := x.ended(x.submit(planOf(node("a")), func(r *run.Request) { r.Dirty, r.TreeDigest = true, tree }).ID)
	cancel()
	<-done
	job := cairn.JobRef(jobOf(s, "a").ID)
	commit := cairn.CommitRef(s.Run.Commit.SHA)
	for _, want := range []cairn.Link{
		{From: job, Relation: cairn.RelPartOf, To: cairn.RunRef(s.Run.ID)},
		{From: job, Relation: cairn.RelRan, To: commit},
		{From: job, Relation: cairn.RelRan, To: "tree/" + tree, Note: "with uncommitted changes"},
		{From: "tree/" + tree, Relation: cairn.RelPartOf, To: commit, Note: "with uncommitted changes"},
	} {
		found := false
		for _, l := range rec.links {
			found = found || l == want
		}
		if !found {
			t.Errorf("no link %+v among %+v", want, rec.links)
		}
	}
}

type linkStore struct {
	run.Store
	links []cairn.Link
}

func (l *linkStore) ApplyRun(ctx context.Context, b cairn.RunBatch, ch cairn.Change) error {
	l.links = append(l.links, ch.Links...)
	return l.Store.ApplyRun(ctx, b, ch)
}

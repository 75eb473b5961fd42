package auth

import (
	"bytes"
	"context"
	"crypto/rsa"
	"encoding/json"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// keys is a KeyStore in memory.
type keys struct {
	mu  sync.Mutex
	all []cairn.SigningKey
}

func (k *keys) SigningKeys(context.Context) ([]cairn.SigningKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]cairn.SigningKey(nil), k.all...), nil
}

func (k *keys) PutSigningKey(_ context.Context, n cairn.SigningKey, _ cairn.Change) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range k.all {
		if k.all[i].RetiredAt.IsZero() {
			k.all[i].RetiredAt = n.CreatedAt
		}
	}
	k.all = append([]cairn.SigningKey{n}, k.all...)
	return nil
}

func testIssuer(t *testing.T, now *time.Time) (*Issuer, *keys) {
	t.Helper()
	key, err := OpenKey(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	st := &keys{}
	return NewIssuer(st, key, func() string { return "http://127.0.0.1:7077/" }, func() time.Time { return *now }), st
}

// verify does what a cloud does: the key by its id out of the set, the signature,
// issuer, audience and times.
func verify(t *testing.T, i *Issuer, token, audience string, at time.Time) map[string]any {
	t.Helper()
	set, err := i.Keys(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b, []byte(`"d":`)) {
		t.Fatal("the set shows a private key")
	}
	var shown jose.JSONWebKeySet
	if err := json.Unmarshal(b, &shown); err != nil {
		t.Fatal(err)
	}
	tok, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	found := shown.Key(tok.Headers[0].KeyID)
	if len(found) != 1 {
		t.Fatalf("the set has %d keys %s", len(found), tok.Headers[0].KeyID)
	}
	if _, ok := found[0].Key.(*rsa.PublicKey); !ok {
		t.Fatalf("the set holds a %T", found[0].Key)
	}
	var std jwt.Claims
	all := map[string]any{}
	if err := tok.Claims(found[0].Key, &std, &all); err != nil {
		t.Fatal(err)
	}
	if err := std.ValidateWithLeeway(jwt.Expected{Issuer: "http://127.0.0.1:7077", AnyAudience: jwt.Audience{audience}, Time: at}, 0); err != nil {
		t.Fatal(err)
	}
	return all
}

func oidcRun() (*cairn.Run, *cairn.Job) {
	return &cairn.Run{
		ID: 42, Number: 7, Repository: "acme/digits", Path: ".github/workflows/train.yml", Workflow: "train", Event: "push",
		Ref: "refs/heads/main", Commit: cairn.Commit{SHA: strings.Repeat("a", 40)}, Actor: "ana",
	}, &cairn.Job{ID: 3, Run: 42, Attempt: 2, Path: "train", Node: "train"}
}

func TestOIDCToken(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	i, st := testIssuer(t, &now)
	run, job := oidcRun()
	token, err := i.Token(context.Background(), ClaimsOf(run, job, "", ""), "")
	if err != nil {
		t.Fatal(err)
	}
	got := verify(t, i, token, "http://127.0.0.1:7077/acme", now)
	for name, want := range map[string]any{
		"sub": "repo:acme/digits:ref:refs/heads/main", "repository": "acme/digits", "repository_owner": "acme",
		"ref": "refs/heads/main", "ref_type": "branch", "sha": strings.Repeat("a", 40), "run_id": "42", "run_number": "7",
		"run_attempt": "2", "actor": "ana", "event_name": "push", "workflow": "train", "runner_environment": "self-hosted",
		"workflow_ref":     "acme/digits/.github/workflows/train.yml@refs/heads/main",
		"job_workflow_ref": "acme/digits/.github/workflows/train.yml@refs/heads/main",
		"workflow_sha":     strings.Repeat("a", 40),
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	if life := got["exp"].(float64) - got["iat"].(float64); life < 300 || life > 600 {
		t.Errorf("it lives for %v s", life)
	}
	if got["nbf"].(float64) > got["iat"].(float64) || got["jti"] == "" {
		t.Errorf("nbf %v, iat %v, jti %v", got["nbf"], got["iat"], got["jti"])
	}
	if bytes.Contains(st.all[0].Sealed, []byte("PRIVATE")) || len(st.all[0].Sealed) == 0 {
		t.Error("the key is not sealed")
	}
	other, err := i.Token(context.Background(), ClaimsOf(run, job, "", ""), "sts.amazonaws.com")
	if err != nil {
		t.Fatal(err)
	}
	if again := verify(t, i, other, "sts.amazonaws.com", now); again["jti"] == got["jti"] {
		t.Error("two tokens have the same jti")
	}
	for _, bad := range []string{strings.Repeat("x", 1001), "a\nb"} {
		if _, err := i.Token(context.Background(), IDClaims{}, bad); cairn.CodeOf(err) != cairn.CodeInvalid {
			t.Errorf("audience %.10q: %v", bad, err)
		}
	}
}

func TestOIDCSubject(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		edit func(r *cairn.Run, j *cairn.Job)
		want string
	}{
		{"branch", func(*cairn.Run, *cairn.Job) {}, "repo:acme/digits:ref:refs/heads/main"},
		{"tag", func(r *cairn.Run, _ *cairn.Job) { r.Ref = "refs/tags/v1" }, "repo:acme/digits:ref:refs/tags/v1"},
		{"environment", func(_ *cairn.Run, j *cairn.Job) { j.Environment = "production" }, "repo:acme/digits:environment:production"},
		{"colon", func(_ *cairn.Run, j *cairn.Job) { j.Environment = "a:ref:b" }, "repo:acme/digits:environment:a%3Aref%3Ab"},
		{"pull request", func(r *cairn.Run, _ *cairn.Job) { r.Event, r.Ref = "pull_request", "refs/pull/3/merge" }, "repo:acme/digits:pull_request"},
		{"pull request with environment", func(r *cairn.Run, j *cairn.Job) { r.Event, j.Environment = "pull_request", "qa" }, "repo:acme/digits:environment:qa"},
	} {
		run, job := oidcRun()
		c.edit(run, job)
		if got := ClaimsOf(run, job, "", "").Subject; got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	run, job := oidcRun()
	run.Dirty = true
	c := ClaimsOf(run, job, ".github/workflows/called.yml", "")
	if c.JobWorkflowRef != "acme/digits/.github/workflows/called.yml@refs/heads/main" || c.Dirty != "true" {
		t.Errorf("called: %s, dirty %q", c.JobWorkflowRef, c.Dirty)
	}
	if c = ClaimsOf(run, job, "org/shared/.github/workflows/x.yml@v1", "bbb"); c.JobWorkflowRef != "org/shared/.github/workflows/x.yml@v1" || c.JobWorkflowSHA != "bbb" {
		t.Errorf("remote: %s %s", c.JobWorkflowRef, c.JobWorkflowSHA)
	}
}

func TestOIDCRotation(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	i, st := testIssuer(t, &now)
	run, job := oidcRun()
	var wg sync.WaitGroup
	for range 8 { // asked for at the same time, one key is made
		wg.Go(func() {
			if _, err := i.Token(context.Background(), ClaimsOf(run, job, "", ""), "a"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(st.all) != 1 {
		t.Fatalf("%d keys were made", len(st.all))
	}
	old, err := i.Token(context.Background(), ClaimsOf(run, job, "", ""), "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := i.Rotate(context.Background()); err != nil {
		t.Fatal(err)
	}
	verify(t, i, old, "a", now) // still checked
	now = now.Add(25 * time.Hour)
	if set, err := i.Keys(context.Background()); err != nil || len(set.Keys) != 1 {
		t.Fatalf("%d keys are shown a day after (%v)", len(set.Keys), err)
	}
	now = now.Add(91 * 24 * time.Hour)
	token, err := i.Token(context.Background(), ClaimsOf(run, job, "", ""), "a")
	if err != nil {
		t.Fatal(err)
	}
	verify(t, i, token, "a", now)
	if len(st.all) != 3 {
		t.Errorf("%d keys; an old one must give way by itself", len(st.all))
	}
	// Another process of the same home signs with the key that is there.
	again := NewIssuer(st, i.key, i.url, i.now)
	if _, err := again.Token(context.Background(), ClaimsOf(run, job, "", ""), "a"); err != nil || len(st.all) != 3 {
		t.Errorf("%d keys after a restart (%v)", len(st.all), err)
	}
}

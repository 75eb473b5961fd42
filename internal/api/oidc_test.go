package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/auth"
)

// keyRows keeps signing keys in memory.
type keyRows struct {
	mu  sync.Mutex
	all []cairn.SigningKey
}

func (k *keyRows) SigningKeys(context.Context) ([]cairn.SigningKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.all, nil
}

func (k *keyRows) PutSigningKey(_ context.Context, n cairn.SigningKey, _ cairn.Change) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.all = append([]cairn.SigningKey{n}, k.all...)
	return nil
}

// issuer makes tokens for one job.
type issuer struct{ *auth.Issuer }

func (i *issuer) Discovery() any                        { return i.Issuer.Discovery() }
func (i *issuer) Keys(ctx context.Context) (any, error) { return i.Issuer.Keys(ctx) }
func (i *issuer) JobIDToken(ctx context.Context, audience string) (string, error) {
	run := &cairn.Run{ID: 42, Repository: "acme/digits", Path: ".github/workflows/w.yml", Ref: "refs/heads/main", Event: "push"}
	return i.Token(ctx, auth.ClaimsOf(run, &cairn.Job{Attempt: 1, Environment: "production"}, "", ""), audience)
}

// oidcServer answers like the server of Cairn, to tokens that are names of people
// and jobs.
func oidcServer(t *testing.T) *httptest.Server {
	t.Helper()
	key, err := auth.OpenKey(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	var srv *httptest.Server
	i := &issuer{auth.NewIssuer(&keyRows{}, key, func() string { return srv.URL }, nil)}
	who := map[string]cairn.Principal{
		"job":    {Name: "job/1", Role: cairn.RoleJob, Job: 1, Permissions: cairn.Permissions{"id-token": "write"}},
		"other":  {Name: "job/2", Role: cairn.RoleJob, Job: 2, Permissions: cairn.DefaultPermissions()},
		"person": {Name: "ana", Role: cairn.RoleAdmin},
	}
	mux := http.NewServeMux()
	mux.Handle(Prefix+"/", New(Options{Version: "test", IDTokens: i}))
	mux.Handle("/.well-known/", WellKnown(i))
	srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p, ok := who[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]; ok {
			r = r.WithContext(auth.With(r.Context(), p))
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv
}

func claimsOf(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no token", token)
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	var out map[string]any
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestOIDCRequest(t *testing.T) {
	t.Parallel()
	srv := oidcServer(t)
	get := func(path, token string) (int, map[string]any) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		res, err := srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var out map[string]any
		if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		return res.StatusCode, out
	}
	code, out := get(Prefix+IDTokenPath+"&audience=sts.amazonaws.com", "job")
	if code != 200 {
		t.Fatalf("%d %v", code, out)
	}
	c := claimsOf(t, out["value"].(string))
	if c["aud"] != "sts.amazonaws.com" || c["sub"] != "repo:acme/digits:environment:production" || c["iss"] != srv.URL {
		t.Errorf("%v", c)
	}
	for token, want := range map[string]int{"other": 403, "person": 403, "": 401} {
		if code, out := get(Prefix+IDTokenPath, token); code != want {
			t.Errorf("%q: %d %v", token, code, out)
		}
	}
	if code, _ := get(Prefix+IDTokenPath+"&audience="+strings.Repeat("x", 1001), "job"); code != 422 && code != 400 {
		t.Errorf("a long audience: %d", code)
	}
	// What strangers read, without a token.
	code, d := get("/.well-known/openid-configuration", "")
	if code != 200 || d["issuer"] != srv.URL || d["jwks_uri"] != srv.URL+"/.well-known/jwks" {
		t.Errorf("%d %v", code, d)
	}
	if code, set := get("/.well-known/jwks", ""); code != 200 || len(set["keys"].([]any)) != 1 {
		t.Errorf("%d %v", code, set)
	}
}

// TestOIDCClient asks with GitHub's own client: it needs Node.js, npm and a registry.
// CAIRN_TEST_CLIENTS=1, or make test-clients.
func TestOIDCClient(t *testing.T) {
	if os.Getenv("CAIRN_TEST_CLIENTS") == "" {
		t.Skip("set CAIRN_TEST_CLIENTS=1 to run the stock clients")
	}
	srv := oidcServer(t)
	for _, version := range []string{"1.6.0", "1.11.1", "latest"} {
		t.Run(version, func(t *testing.T) {
			dir := t.TempDir()
			npm := exec.CommandContext(t.Context(), "npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", dir, "@actions/core@"+version)
			if out, err := npm.CombinedOutput(); err != nil {
				t.Fatalf("npm: %v\n%s", err, out)
			}
			script := filepath.Join(dir, "ask.mjs")
			src := `import * as all from '@actions/core'
const core = all.getIDToken ? all : all.default
console.log('token=' + await core.getIDToken('https://vault.example.com/?a=b&c'))
`
			if err := os.WriteFile(script, []byte(src), 0o600); err != nil {
				t.Fatal(err)
			}
			node := exec.CommandContext(t.Context(), "node", script)
			node.Dir = dir
			for _, kv := range os.Environ() {
				if !strings.HasPrefix(kv, "ACTIONS_") && !strings.HasPrefix(kv, "GITHUB_") {
					node.Env = append(node.Env, kv)
				}
			}
			node.Env = append(node.Env, "ACTIONS_ID_TOKEN_REQUEST_URL="+srv.URL+Prefix+IDTokenPath, "ACTIONS_ID_TOKEN_REQUEST_TOKEN=job",
				"NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1")
			out, err := node.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			_, token, ok := strings.Cut(string(out), "token=")
			if !ok {
				t.Fatalf("no token in %s", out)
			}
			if c := claimsOf(t, strings.TrimSpace(token)); c["aud"] != "https://vault.example.com/?a=b&c" || c["run_id"] != "42" {
				t.Errorf("%v", c)
			}
		})
	}
}

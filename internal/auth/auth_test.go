package auth

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
)

// memory keeps rows in maps.
type memory struct {
	Store
	people  map[string]cairn.Principal
	tokens  map[string]cairn.Token
	secrets []cairn.Secret
	vars    []cairn.Variable
	jobs    map[cairn.JobID]cairn.Job
	changes []cairn.Change
}

func (m *memory) Principal(_ context.Context, name string) (cairn.Principal, error) {
	p, ok := m.people[name]
	if !ok {
		return p, cairn.Errorf(cairn.CodeNotFound, "no %s", name)
	}
	return p, nil
}
func (m *memory) Principals(context.Context) (out []cairn.Principal, _ error) {
	for _, p := range m.people {
		out = append(out, p)
	}
	return out, nil
}
func (m *memory) PutPrincipal(_ context.Context, p cairn.Principal, _ bool, ch cairn.Change) error {
	m.people[p.Name] = p
	m.changes = append(m.changes, ch)
	return nil
}
func (m *memory) Token(_ context.Context, id string) (cairn.Token, error) {
	t, ok := m.tokens[id]
	if !ok {
		return t, cairn.Errorf(cairn.CodeNotFound, "no token")
	}
	return t, nil
}
func (m *memory) PutToken(_ context.Context, t cairn.Token, ch cairn.Change) error {
	m.tokens[t.ID] = t
	m.changes = append(m.changes, ch)
	return nil
}
func (m *memory) Secrets(_ context.Context, scopes ...cairn.Scope) (out []cairn.Secret, _ error) {
	for _, s := range m.secrets {
		for _, x := range scopes {
			if x == s.Scope {
				out = append(out, s)
			}
		}
	}
	return out, nil
}
func (m *memory) PutSecrets(_ context.Context, xs []cairn.Secret, ch cairn.Change) error {
	m.secrets = append(m.secrets, xs...)
	m.changes = append(m.changes, ch)
	return nil
}
func (m *memory) Variables(context.Context, ...cairn.Scope) ([]cairn.Variable, error) {
	return m.vars, nil
}
func (m *memory) PutVariable(_ context.Context, v cairn.Variable, _ cairn.Change) error {
	m.vars = append(m.vars, v)
	return nil
}
func (m *memory) Job(_ context.Context, id cairn.JobID) (cairn.Job, error) {
	j, ok := m.jobs[id]
	if !ok {
		return j, cairn.Errorf(cairn.CodeNotFound, "no job")
	}
	return j, nil
}

func service(t *testing.T) (*Service, *memory) {
	t.Helper()
	k, err := OpenKey(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	m := &memory{people: map[string]cairn.Principal{
		"ana": {Name: "ana", Role: cairn.RoleAdmin}, "wim": {Name: "wim", Role: cairn.RoleWriter},
		"rea": {Name: "rea", Role: cairn.RoleReader}, "off": {Name: "off", Role: cairn.RoleWriter, Disabled: true},
	}, tokens: map[string]cairn.Token{}, jobs: map[cairn.JobID]cairn.Job{}}
	return New(m, k, nil), m
}

func as(name string, role cairn.Role) context.Context {
	return With(context.Background(), cairn.Principal{Name: name, Role: role})
}

func TestKeyIsKeptAndGuarded(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	k, err := OpenKey(path)
	if err != nil {
		t.Fatal(err)
	}
	if fi, _ := os.Stat(path); fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %o", fi.Mode().Perm())
	}
	again, err := OpenKey(path)
	if err != nil || again.JobToken(1, 1) != k.JobToken(1, 1) {
		t.Errorf("the key changed: %v", err)
	}
	os.Chmod(path, 0o644)
	if _, err := OpenKey(path); cairn.CodeOf(err) != cairn.CodeForbidden {
		t.Errorf("a key that others may read: %v", err)
	}
	os.Chmod(path, 0o600)
	os.WriteFile(path, []byte("nonsense"), 0o600)
	if _, err := OpenKey(path); cairn.CodeOf(err) != cairn.CodeInvalid || strings.Contains(err.Error(), "nonsense") {
		t.Errorf("a damaged key: %v", err)
	}
}

func TestPersonalTokens(t *testing.T) {
	t.Parallel()
	s, m := service(t)
	admin := as("ana", cairn.RoleAdmin)
	tok, text, err := s.CreateToken(admin, "wim", "laptop", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for _, ch := range m.changes {
		for _, e := range ch.Events {
			if strings.Contains(string(e.Data), strings.Split(text, "_")[2]) {
				t.Error("an event holds the token")
			}
		}
	}
	p, err := s.ByToken(context.Background(), text)
	if err != nil || p.Name != "wim" {
		t.Fatalf("%v %v", p, err)
	}
	for _, bad := range []string{"", "x", "cairn_", "cairn_" + tok.ID + "_", "cairn_" + tok.ID + "_wrong", text + "a", "cairn_nobody_abc", strings.Repeat("a", 1000)} {
		if _, err := s.ByToken(context.Background(), bad); cairn.CodeOf(err) != cairn.CodeUnauthenticated {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, _, err := s.CreateToken(as("wim", cairn.RoleWriter), "ana", "x", time.Time{}); cairn.CodeOf(err) != cairn.CodeForbidden {
		t.Errorf("a token for somebody else: %v", err)
	}
	if _, _, err := s.CreateToken(admin, "off", "x", time.Time{}); cairn.CodeOf(err) != cairn.CodeNotFound {
		t.Errorf("a token for a disabled user: %v", err)
	}
	if err := s.RevokeToken(as("rea", cairn.RoleReader), tok.ID); cairn.CodeOf(err) != cairn.CodeForbidden {
		t.Errorf("revoked by somebody else: %v", err)
	}
	if err := s.RevokeToken(as("wim", cairn.RoleWriter), tok.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ByToken(context.Background(), text); cairn.CodeOf(err) != cairn.CodeUnauthenticated {
		t.Errorf("revoked: %v", err)
	}
}

func TestTokenExpires(t *testing.T) {
	t.Parallel()
	s, _ := service(t)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s.now = func() time.Time { return now }
	_, text, err := s.CreateToken(as("wim", cairn.RoleWriter), "", "x", now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.ByToken(context.Background(), text); err != nil {
		t.Error(err)
	}
	now = now.Add(2 * time.Hour)
	if _, err := s.ByToken(context.Background(), text); cairn.CodeOf(err) != cairn.CodeUnauthenticated {
		t.Errorf("expired: %v", err)
	}
}

func TestJobTokenEndsWithItsLease(t *testing.T) {
	t.Parallel()
	s, m := service(t)
	text := s.key.JobToken(7, 2)
	live := cairn.Job{ID: 7, Run: 3, Attempt: 1, Epoch: 2, Status: cairn.StatusRunning}
	for name, c := range map[string]struct {
		job  cairn.Job
		text string
		ok   bool
	}{
		"live":         {live, text, true},
		"next lease":   {cairn.Job{ID: 7, Epoch: 3, Status: cairn.StatusRunning}, text, false},
		"ended":        {cairn.Job{ID: 7, Epoch: 2, Status: cairn.StatusCompleted}, text, false},
		"other job":    {live, strings.Replace(text, "j7e2", "j8e2", 1), false},
		"other epoch":  {cairn.Job{ID: 7, Epoch: 3, Status: cairn.StatusRunning}, strings.Replace(text, "j7e2", "j7e3", 1), false},
		"odd spelling": {live, strings.Replace(text, "j7e2", "j07e2", 1), false},
	} {
		m.jobs[7] = c.job
		p, err := s.ByToken(context.Background(), c.text)
		if (err == nil) != c.ok || c.ok && (p.Name != "job/7" || p.Role != cairn.RoleJob || p.Run != 3 || p.Epoch != 2) {
			t.Errorf("%s: %+v %v", name, p, err)
		}
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		has  cairn.Role
		need Need
		code cairn.Code
	}{
		{cairn.RoleReader, Need{Role: cairn.RoleReader}, ""},
		{cairn.RoleReader, Need{Role: cairn.RoleWriter}, cairn.CodeForbidden},
		{cairn.RoleWriter, Need{Role: cairn.RoleWriter}, ""},
		{cairn.RoleWriter, Need{Role: cairn.RoleAdmin}, cairn.CodeForbidden},
		{cairn.RoleAdmin, Need{Role: cairn.RoleAdmin}, ""},
		{cairn.RoleJob, Need{Role: cairn.RoleReader}, cairn.CodeForbidden},
		{cairn.RoleJob, Need{Role: cairn.RoleAdmin, Jobs: true}, ""},
		{"", Need{Role: cairn.RoleReader}, cairn.CodeForbidden},
	} {
		if got := cairn.CodeOf(Check(as("x", c.has), c.need)); got != c.code {
			t.Errorf("%s for %+v: %q", c.has, c.need, got)
		}
	}
	if got := cairn.CodeOf(Check(context.Background(), Need{Role: cairn.RoleReader})); got != cairn.CodeUnauthenticated {
		t.Errorf("nobody: %q", got)
	}
}

func TestSecretsNarrowestWins(t *testing.T) {
	t.Parallel()
	s, m := service(t)
	ctx := as("ana", cairn.RoleAdmin)
	run := &cairn.Run{ID: 5, Repository: "o/r"}
	for scope, v := range map[cairn.Scope]string{
		cairn.ScopeWorkspace: "w", cairn.ScopeRepo("o/r"): "r", EnvironmentScope("o/r", "Prod"): "e",
	} {
		for _, name := range []string{"all", "w" + v} {
			if err := s.SetSecret(ctx, scope, name, v); err != nil {
				t.Fatal(err)
			}
		}
	}
	get := func(env string) map[string]string {
		got, err := s.RunSecrets(ctx, run, env)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := get("")["ALL"]; got != "r" {
		t.Errorf("repository over workspace: %q", got)
	}
	if got := get("prod")["ALL"]; got != "e" {
		t.Errorf("environment over repository: %q", got)
	}
	if err := s.KeepEnvFile(ctx, 5, map[string]string{"all": "f", "Mixed": "m"}); err != nil {
		t.Fatal(err)
	}
	if got := get("prod"); got["ALL"] != "f" || got["WW"] != "w" || got["MIXED"] != "m" {
		t.Errorf("env file over all: %v", got)
	}
	if got, _ := s.EnvFile(ctx, 5); got["Mixed"] != "m" {
		t.Errorf("an env file keeps its names as written: %v", got)
	}
	for _, x := range m.secrets {
		if strings.Contains(string(x.Sealed), "\"f\"") {
			t.Error("a value is stored in plain")
		}
	}
	// A row copied over another is found out.
	stolen := m.secrets[0]
	stolen.Name = "OTHER"
	if _, err := s.key.Open(stolen); err == nil {
		t.Error("a moved row was opened")
	}
	for _, bad := range []string{"", "1A", "A-B", "GITHUB_TOKEN", strings.Repeat("A", 300)} {
		if err := s.SetSecret(ctx, cairn.ScopeWorkspace, bad, "v"); cairn.CodeOf(err) != cairn.CodeInvalid {
			t.Errorf("name %q: %v", bad, err)
		}
	}
	for _, bad := range []cairn.Scope{"", "repo:", "repo:a", "repo:a/b/c", "env:a/b", "env:a/b:", "run:4", "x:y"} {
		if err := CheckScope(bad); cairn.CodeOf(err) != cairn.CodeInvalid {
			t.Errorf("scope %q: %v", bad, err)
		}
	}
}

func TestLastAdminStays(t *testing.T) {
	t.Parallel()
	s, _ := service(t)
	ctx := as("ana", cairn.RoleAdmin)
	if _, err := s.UpdateUser(ctx, cairn.Principal{Name: "ana", Role: cairn.RoleReader}); cairn.CodeOf(err) != cairn.CodeConflict {
		t.Errorf("demoted: %v", err)
	}
	if _, err := s.UpdateUser(ctx, cairn.Principal{Name: "ana", Role: cairn.RoleAdmin, Disabled: true}); cairn.CodeOf(err) != cairn.CodeConflict {
		t.Errorf("disabled: %v", err)
	}
	if _, err := s.UpdateUser(ctx, cairn.Principal{Name: "wim", Role: cairn.RoleAdmin}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.UpdateUser(ctx, cairn.Principal{Name: "ana", Role: cairn.RoleReader}); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "Ana", "a b", "../x", "job/1", strings.Repeat("a", 61)} {
		if _, err := s.CreateUser(ctx, cairn.Principal{Name: bad}); cairn.CodeOf(err) != cairn.CodeInvalid {
			t.Errorf("name %q: %v", bad, err)
		}
	}
}

func guarded(t *testing.T) (*httptest.Server, *Service) {
	t.Helper()
	s, _ := service(t)
	g := &Guard{Service: s, Local: cairn.Principal{Name: "ana", Role: cairn.RoleAdmin}, Hosts: []string{"cairn.example"},
		Fail: func(w http.ResponseWriter, _ *http.Request, err error) { http.Error(w, err.Error(), 403) }}
	srv := httptest.NewUnstartedServer(g.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, ok := From(r.Context())
		if !ok {
			p.Name = "nobody"
		}
		w.Write([]byte(p.Name))
	})))
	srv.Config.ConnContext = g.ConnContext
	srv.Start()
	t.Cleanup(srv.Close)
	return srv, s
}

func TestGuard(t *testing.T) {
	t.Parallel()
	srv, s := guarded(t)
	_, text, err := s.CreateToken(as("wim", cairn.RoleWriter), "", "x", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	basic := func(r *http.Request) { r.SetBasicAuth("anything", text) }
	header := func(k, v string) func(*http.Request) { return func(r *http.Request) { r.Header.Set(k, v) } }
	both := func(fs ...func(*http.Request)) func(*http.Request) {
		return func(r *http.Request) {
			for _, f := range fs {
				f(r)
			}
		}
	}
	for name, c := range map[string]struct {
		method string
		edit   func(*http.Request)
		status int
		who    string
	}{
		"same user over loopback": {"GET", func(*http.Request) {}, 200, "ana"},
		"bearer":                  {"GET", header("Authorization", "Bearer "+text), 200, "wim"},
		"basic":                   {"GET", basic, 200, "wim"},
		"bad token":               {"GET", header("Authorization", "Bearer cairn_x_y"), 403, ""},
		"rebound name":            {"GET", func(r *http.Request) { r.Host = "evil.example" }, 403, ""},
		"configured name":         {"GET", func(r *http.Request) { r.Host = "cairn.example:1" }, 200, "ana"},
		"localhost name":          {"GET", func(r *http.Request) { r.Host = "api.localhost" }, 200, "ana"},
		"foreign page posts":      {"POST", header("Origin", "http://evil.example"), 403, ""},
		"null origin":             {"POST", header("Origin", "null"), 403, ""},
		"foreign fetch":           {"GET", both(header("Sec-Fetch-Site", "cross-site"), header("Sec-Fetch-Mode", "no-cors")), 403, ""},
		"link on a foreign page":  {"GET", both(header("Sec-Fetch-Site", "cross-site"), header("Sec-Fetch-Mode", "navigate")), 200, "ana"},
		"form on a foreign page":  {"POST", both(header("Sec-Fetch-Site", "cross-site"), header("Sec-Fetch-Mode", "navigate")), 403, ""},
		"own page":                {"POST", header("Origin", srv.URL), 200, "ana"},
	} {
		r, _ := http.NewRequest(c.method, srv.URL, nil)
		c.edit(r)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 200)
		n, _ := resp.Body.Read(b)
		resp.Body.Close()
		if resp.StatusCode != c.status || c.status == 200 && string(b[:n]) != c.who {
			t.Errorf("%s: %d %q, want %d %q", name, resp.StatusCode, b[:n], c.status, c.who)
		}
	}
}

func TestSocketIsTheOwners(t *testing.T) {
	t.Parallel()
	g := &Guard{}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if Trusted(g.ConnContext(context.Background(), a)) {
		t.Error("a connection of an unknown kind is trusted")
	}
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go net.Dial("unix", l.Addr().String())
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if ctx := g.ConnContext(context.Background(), c); !Socket(ctx) || !Trusted(ctx) {
		t.Error("the socket is not trusted")
	}
}

// Somebody who shows a token of their own in a job keeps their rights, and makes what they
// make for the job.
func TestWithinJob(t *testing.T) {
	t.Parallel()
	s, m := service(t)
	m.jobs[7] = cairn.Job{ID: 7, Run: 3, Attempt: 2, Epoch: 1, Status: cairn.StatusRunning}
	job := s.Key().JobToken(7, 1)
	_, own, err := s.CreateToken(as("ana", cairn.RoleAdmin), "wim", "x", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	var got cairn.Principal
	g := &Guard{Service: s, Fail: func(w http.ResponseWriter, _ *http.Request, err error) {
		http.Error(w, err.Error(), http.StatusUnauthorized)
	}}
	h := g.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = Actor(r.Context()) }))
	ask := func(token, within string) int {
		t.Helper()
		got = cairn.Principal{}
		r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		if within != "" {
			r.Header.Set(JobHeader, within)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	if code := ask(own, job); code != http.StatusOK || got.Name != "wim" || got.Role != cairn.RoleWriter || got.Job != 7 || got.Run != 3 {
		t.Errorf("%d %+v", code, got)
	}
	if code := ask(own, own); code != http.StatusOK || got.Name != "wim" || got.Job != 0 {
		t.Errorf("a person's token beside another: %d %+v", code, got)
	}
	if code := ask(own, ""); code != http.StatusOK || got.Job != 0 {
		t.Errorf("alone: %d %+v", code, got)
	}
	if code := ask(own, "cairn_nonsense"); code != http.StatusUnauthorized {
		t.Errorf("nonsense: %d %+v", code, got)
	}
	if code := ask(job, own); code != http.StatusOK || got.Role != cairn.RoleJob {
		t.Errorf("a job's own: %d %+v", code, got)
	}
}

package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
	"github.com/moby/moby/api/pkg/authconfig"
)

// fakeEngine answers as an engine does, from a script, and keeps what it was asked.
type fakeEngine struct {
	mu      sync.Mutex
	asked   []string // "METHOD path"
	auth    []string // user:password of pulls
	created []map[string]any
	images  map[string]bool
	pull    func(name string) (lines []string, code int)
	health  []string // what a service says, one look after the other; the last stays
	exited  int      // exit code of services; -1: they run
}

var version = regexp.MustCompile(`^/v[0-9.]+`)

func (f *fakeEngine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	path := version.ReplaceAllString(r.URL.Path, "")
	f.asked = append(f.asked, r.Method+" "+path)
	answer := func(code int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(v)
	}
	none := func(what string) { answer(404, map[string]string{"message": "No such " + what}) }
	switch {
	case path == "/_ping":
		w.Header().Set("API-Version", "1.47")
		w.Header().Set("OSType", "linux")
	case path == "/info":
		answer(200, map[string]any{"OSType": "linux", "SecurityOptions": []string{"name=rootless"}})
	case path == "/images/create":
		name := r.URL.Query().Get("fromImage") + ":" + r.URL.Query().Get("tag")
		if a, err := authconfig.Decode(r.Header.Get("X-Registry-Auth")); err == nil && a != nil && a.Password != "" {
			f.auth = append(f.auth, a.Username+":"+a.Password)
		}
		lines, code := f.pull(name)
		if code != 200 {
			answer(code, map[string]string{"message": strings.Join(lines, "")})
			return
		}
		f.images[name] = true
		fmt.Fprintln(w, strings.Join(lines, "\n"))
	case strings.HasPrefix(path, "/images/") && strings.HasSuffix(path, "/json"):
		name := strings.TrimSuffix(strings.TrimPrefix(path, "/images/"), "/json")
		for have := range f.images {
			if strings.HasSuffix(have, name) {
				answer(200, map[string]any{"Id": "sha256:" + strings.Repeat("a", 64), "Created": "2026-01-02T03:04:05Z"})
				return
			}
		}
		none("image: " + name)
	case path == "/networks/create":
		answer(201, map[string]any{"Id": "net1"})
	case strings.HasPrefix(path, "/networks/") && r.Method == "GET":
		answer(200, map[string]any{"Id": "net1", "IPAM": map[string]any{"Config": []any{map[string]any{"Subnet": "192.0.2.0/24"}}}})
	case path == "/networks":
		answer(200, []any{map[string]any{"Id": "net1", "Name": "n"}})
	case path == "/volumes":
		answer(200, map[string]any{"Volumes": []any{}})
	case path == "/containers/create":
		var c map[string]any
		_ = json.NewDecoder(r.Body).Decode(&c)
		f.created = append(f.created, c)
		answer(201, map[string]any{"Id": fmt.Sprintf("c%d", len(f.created))})
	case strings.HasSuffix(path, "/start"), r.Method == "DELETE":
		w.WriteHeader(204)
	case path == "/containers/json":
		answer(200, []any{map[string]any{"Id": "c1"}})
	case strings.HasSuffix(path, "/logs"):
		w.Write([]byte("\x01\x00\x00\x00\x00\x00\x00\x06hello\n"))
	case strings.HasPrefix(path, "/containers/") && strings.HasSuffix(path, "/json"):
		state := map[string]any{"Status": "running", "Running": true}
		if f.exited >= 0 {
			state = map[string]any{"Status": "exited", "ExitCode": f.exited}
		}
		if len(f.health) > 0 {
			state["Health"] = map[string]any{"Status": f.health[0], "Log": []any{map[string]any{"Output": "the check's word"}}}
			if len(f.health) > 1 {
				f.health = f.health[1:]
			}
		}
		answer(200, map[string]any{"Id": "c1", "State": state, "Config": map[string]any{}, "NetworkSettings": map[string]any{
			"Ports": map[string]any{"6379/tcp": []any{map[string]any{"HostIp": "127.0.0.1", "HostPort": "32768"}}, "53/udp": []any{map[string]any{"HostIp": "127.0.0.1", "HostPort": "32769"}}, "80/tcp": nil},
		}})
	default:
		none(path)
	}
}

// fake starts a fake engine and a session that uses it.
func fake(t *testing.T, f *fakeEngine) *Session {
	t.Helper()
	if f.images == nil {
		f.images = map[string]bool{}
	}
	if f.pull == nil {
		f.pull = func(string) ([]string, int) { return []string{`{"status":"Pull complete","id":"abc"}`}, 200 }
	}
	h := newHostMachine(t)
	socket := filepath.Join(filepath.Dir(h.dirs.Files), "engine.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: f}}
	s.Start()
	t.Cleanup(s.Close)
	return New(Options{
		Getenv: func(n string) string { return map[string]string{"DOCKER_HOST": "unix://" + socket}[n] },
		Host:   h, Owner: Owner{Home: "/home/x", Job: "3.1"}, Force: make(chan struct{}),
	})
}

func oneService(options string) runner.JobContainers {
	return runner.JobContainers{Services: []runner.ContainerSpec{{
		ID: "cache", Image: "redis:7", Username: "me", Password: "geheim", Env: map[string]string{"A": "b"}, Ports: []string{"6379"}, Options: options,
	}}}
}

func TestServiceOnFakeEngine(t *testing.T) {
	t.Parallel()
	f := &fakeEngine{exited: -1, health: []string{"starting", "starting", "healthy"}}
	s := fake(t, f)
	marked, gone := 0, 0
	s.o.Made = func() error { marked++; return nil }
	s.o.Gone = func() { gone++ }
	var log strings.Builder
	out, err := s.Start(t.Context(), oneService("--cpus 1"), &log)
	if err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	if len(out.Services) != 1 || out.Services[0].Ports["6379"] != "32768" || out.Services[0].Ports["53/udp"] != "32769" || len(out.Services[0].Ports) != 2 || out.Machine != nil {
		t.Errorf("%+v", out)
	}
	if len(f.auth) != 1 || f.auth[0] != "me:geheim" {
		t.Errorf("credentials: %v", f.auth)
	}
	c := f.created[0]
	host, _ := c["HostConfig"].(map[string]any)
	labels, _ := c["Labels"].(map[string]any)
	if host["NanoCpus"] != 1e9 || host["NetworkMode"] != out.Network || labels[labelJob] != "3.1" || labels[labelHome] == "" || host["Privileged"] != false {
		t.Errorf("created: %v", c)
	}
	if strings.Contains(log.String(), "geheim") || !strings.Contains(log.String(), "abc: Pull complete") || !strings.Contains(log.String(), "cache service is healthy.") {
		t.Errorf("log: %s", log.String())
	}
	log.Reset()
	if err := s.Stop(t.Context(), &log); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "hello") || marked != 1 || gone != 1 {
		t.Errorf("stop: %s %d %d", log.String(), marked, gone)
	}
	for _, want := range []string{"DELETE /containers/c1", "DELETE /networks/net1"} {
		if !strings.Contains(strings.Join(f.asked, "\n"), want) {
			t.Errorf("%s was not asked: %v", want, f.asked)
		}
	}
}

func TestServiceFailsOnFakeEngine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		f    *fakeEngine
		opts string
		want string
	}{
		"unhealthy":      {&fakeEngine{exited: -1, health: []string{"unhealthy"}}, "", "One or more containers failed to start"},
		"exited":         {&fakeEngine{exited: 3}, "", "ended with exit code 3"},
		"option":         {&fakeEngine{exited: -1}, "--network host", "service cache: options: --network host"},
		"no such image":  {&fakeEngine{exited: -1, pull: func(string) ([]string, int) { return []string{"manifest unknown"}, 404 }}, "", "redis:7 cannot be fetched"},
		"no credentials": {&fakeEngine{exited: -1, images: map[string]bool{"docker.io/library/redis:7": true}, pull: func(string) ([]string, int) { return []string{"unauthorized"}, 401 }}, "", "cannot be fetched"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := fake(t, c.f)
			var log strings.Builder
			_, err := s.Start(t.Context(), oneService(c.opts), &log)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s\n%s", err, c.want, log.String())
			}
			if err := s.Stop(t.Context(), &log); err != nil {
				t.Error(err)
			}
		})
	}
}

// What is there is used when its registry does not answer, and the log says so.
func TestImageOffline(t *testing.T) {
	t.Parallel()
	f := &fakeEngine{exited: -1, images: map[string]bool{"docker.io/library/redis:7": true}, pull: func(string) ([]string, int) { return []string{"dial tcp: no such host"}, 500 }}
	s := fake(t, f)
	var log strings.Builder
	j := oneService("")
	j.Services[0].Username, j.Services[0].Password = "", ""
	if _, err := s.Start(t.Context(), j, &log); err != nil || !strings.Contains(log.String(), "what is there is used, made 2026-01-02") {
		t.Errorf("%v\n%s", err, log.String())
	}
}

// An image that is not there is asked for again, a few times.
func TestImageTriedAgain(t *testing.T) {
	t.Parallel()
	tries := 0
	f := &fakeEngine{exited: -1, pull: func(string) ([]string, int) {
		if tries++; tries < 3 {
			return []string{"connection reset"}, 500
		}
		return []string{`{"status":"Downloaded"}`}, 200
	}}
	s := fake(t, f)
	e, err := s.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := s.puller(e)
	p.sleep = func(context.Context, time.Duration) {}
	var log strings.Builder
	if _, err := p.fetch(t.Context(), "acme/app:1", "", "", &log); err != nil || tries != 3 {
		t.Errorf("%v after %d\n%s", err, tries, log.String())
	}
	if _, err := p.fetch(t.Context(), "UPPER:1", "", "", &log); cairn.CodeOf(err) != cairn.CodeInvalid {
		t.Errorf("a name that is none: %v", err)
	}
}

func TestNoEngineForJob(t *testing.T) {
	t.Parallel()
	j := newJob(t, func(o *Options) {
		o.Getenv = func(n string) string { return map[string]string{"DOCKER_HOST": "unix:///nowhere/docker.sock"}[n] }
	})
	j.run(t.Context(), spec("redis:7", "", "echo never"))
	if j.end.Conclusion != cairn.Failure || !strings.Contains(j.log(2), "/nowhere/docker.sock (not there)") || !strings.Contains(j.log(2), "DOCKER_HOST") {
		t.Errorf("%s", j.all())
	}
}

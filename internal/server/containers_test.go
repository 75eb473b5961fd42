package server_test

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/server"
)

// On the socket for containers of jobs nobody is trusted for where he comes from.
func TestJobsSocketTakesTokensOnly(t *testing.T) {
	t.Parallel()
	home := tempHome(t)
	start(t, home)
	ask := func(socket, path, token string) int {
		t.Helper()
		h := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(home, socket))
		}, DisableKeepAlives: true}}
		req, err := http.NewRequest(http.MethodGet, "http://172.18.0.1:4000"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		r, err := h.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		_, _ = io.Copy(io.Discard, r.Body)
		return r.StatusCode
	}
	if code := ask("cairn.sock", "/api/v1/runs", ""); code != http.StatusOK {
		t.Errorf("the owner's own socket: %d", code)
	}
	if code := ask("jobs.sock", "/health", ""); code != http.StatusOK {
		t.Errorf("health, addressed by the gateway: %d", code)
	}
	for token, want := range map[string]int{"": http.StatusUnauthorized, "cairn_nonsense": http.StatusUnauthorized} {
		if code := ask("jobs.sock", "/api/v1/runs", token); code != want {
			t.Errorf("token %q: %d, want %d", token, code, want)
		}
	}
	fi, err := os.Stat(filepath.Join(home, "jobs.sock"))
	if err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", fi, err)
	}
}

// dockerEnv is the environment of an owner that knows the engine; the test is
// skipped where there is none.
func dockerEnv(t *testing.T) []string {
	t.Helper()
	if os.Getenv("CAIRN_TEST_DOCKER") != "1" {
		t.Skip("set CAIRN_TEST_DOCKER=1 to use a real engine")
	}
	return append(env(t), "DOCKER_HOST="+os.Getenv("DOCKER_HOST"))
}

func startWith(t *testing.T, home string, env []string) *server.Server {
	t.Helper()
	s, err := server.Start(context.Background(), server.Options{Home: home, Version: "test", Listen: "127.0.0.1:0", Env: env, Exe: exe(t)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func docker(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("docker", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// boxImage makes a small image with busybox.
func boxImage(t *testing.T, name string) {
	t.Helper()
	path, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal("busybox is needed")
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	put := func(h *tar.Header, body []byte) {
		h.Size = int64(len(body))
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write(body)
	}
	put(&tar.Header{Name: "bin/", Typeflag: tar.TypeDir, Mode: 0o755}, nil)
	put(&tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777}, nil)
	put(&tar.Header{Name: "bin/busybox", Mode: 0o755}, program)
	for _, n := range []string{"sh", "sleep", "cat", "ls", "wget", "id", "setsid", "echo"} {
		put(&tar.Header{Name: "bin/" + n, Typeflag: tar.TypeSymlink, Linkname: "busybox"}, nil)
	}
	w.Close()
	cmd := exec.Command("docker", "import", "-c", "ENV PATH=/bin", "-c", `CMD ["sleep", "3600"]`, "-", name)
	cmd.Stdin = &b
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("docker import: %v\n%s", err, out)
	}
}

// ours lists what of a home is at the engine.
func ours(t *testing.T, home string) string {
	t.Helper()
	var out []string
	for _, id := range strings.Fields(docker(t, "ps", "-aq") + "\n" + docker(t, "network", "ls", "-q", "--filter", "label=cairn.home") + "\n" + docker(t, "volume", "ls", "-q", "--filter", "label=cairn.home")) {
		text, _ := exec.Command("docker", "inspect", id).Output()
		// The label hides the home; mounts show it.
		if strings.Contains(string(text), home) {
			out = append(out, id)
		}
	}
	return strings.Join(out, " ")
}

// TestDockerJobKilled kills supervisor and owner of a job in a container: nothing of
// it stays at the engine.
func TestDockerJobKilled(t *testing.T) {
	e := dockerEnv(t)
	boxImage(t, "cairn-test/kill:1")
	home := tempHome(t)
	networks := docker(t, "network", "ls", "-q")
	dir := repository(t, map[string]string{".github/workflows/a.yml": `
on: workflow_dispatch
jobs:
  a:
    runs-on: ubuntu-latest
    container: cairn-test/kill:1
    services:
      side: {image: "cairn-test/kill:1", volumes: ["/data"]}
    steps:
      - run: setsid sleep 7777 & sleep 7777
`})
	for _, owner := range []bool{false, true} {
		s := startWith(t, home, e)
		c := connect(t, home)
		r := submit(t, c, dir, client.RunRequest{})
		var job cairn.Job
		eventually(t, "the step runs", func() bool {
			jobs, err := c.Jobs(context.Background(), r.ID, 0)
			if err != nil || len(jobs) == 0 || len(jobs[0].Steps) < 3 {
				return false
			}
			job = jobs[0]
			return len(marked(t, "7777")) >= 2
		})
		if ours(t, home) == "" {
			t.Fatal("no container of the job was found")
		}
		if owner {
			// An owner that is gone hears of nothing: the next one has to look.
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err := syscall.Kill(job.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		// The container ends with its supervisor, whoever looks.
		eventually(t, "the processes in the container end", func() bool { return len(marked(t, "7777")) == 0 })
		if owner {
			s = startWith(t, home, e)
			c = connect(t, home)
		}
		eventually(t, "the engine has nothing of the job", func() bool {
			return ours(t, home) == "" && docker(t, "network", "ls", "-q") == networks
		})
		if done := finish(t, c, r.ID); done.Conclusion != cairn.Failure {
			t.Errorf("the run ended as %s", done.Conclusion)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// marked finds processes by a word of their command line.
func marked(t *testing.T, word string) []int {
	t.Helper()
	var out []int
	found, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range found {
		b, _ := os.ReadFile(f)
		if args := strings.Split(string(b), "\x00"); len(args) > 1 && args[0] == "sleep" && args[1] == word {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(f)))
			out = append(out, pid)
		}
	}
	return out
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not happen that %s", what)
		}
	}
}

// TestDockerHeldImage runs a job in an image that Cairn's own registry holds, and
// that the engine has never seen.
func TestDockerHeldImage(t *testing.T) {
	e := dockerEnv(t)
	home := tempHome(t)
	s := startWith(t, home, e)
	defer s.Close()
	c := connect(t, home)
	registry := strings.TrimPrefix(s.URL(), "http://")
	boxImage(t, registry+"/acme/box:1")
	docker(t, "push", registry+"/acme/box:1")
	docker(t, "rmi", registry+"/acme/box:1")
	dir := repository(t, map[string]string{".github/workflows/a.yml": `
on: workflow_dispatch
jobs:
  a:
    runs-on: ubuntu-latest
    container: acme/box:1
    steps:
      - run: echo "in the held image"; wget -q -O - "$CAIRN_URL/health"
`})
	r := submit(t, c, dir, client.RunRequest{})
	if done := finish(t, c, r.ID); done.Conclusion != cairn.Success {
		t.Errorf("%s\n%s", done.Conclusion, describe(c, r.ID))
	}
}

// TestDockerSteps runs steps that are images and actions that are built from a
// Dockerfile, in a job in a container and in one on the host.
func TestDockerSteps(t *testing.T) {
	e := dockerEnv(t)
	boxImage(t, "cairn-test/steps:1")
	home := tempHome(t)
	s := startWith(t, home, e)
	defer s.Close()
	c := connect(t, home)
	steps := `
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: docker://cairn-test/steps:1
        with: {entrypoint: sh, args: -c "echo from the image > made; wget -q -O - $CAIRN_URL/health"}
      - {id: act, uses: ./act, with: {who: you}}
      - run: test "$(cat made)" = "from the image" && test "${{ steps.act.outputs.said }}" = "hello you"
`
	dir := repository(t, map[string]string{
		".github/workflows/a.yml": "on: workflow_dispatch\njobs:\n  host:" + steps + "  inside:\n    container: cairn-test/steps:1" + steps,
		"act/action.yml":          "name: act\ninputs: {who: {required: true}}\noutputs: {said: {description: x}}\nruns: {using: docker, image: Dockerfile, args: ['${{ inputs.who }}']}\n",
		"act/Dockerfile":          "FROM cairn-test/steps:1\nCOPY entry.sh /entry.sh\nENTRYPOINT [\"sh\", \"/entry.sh\"]\n",
		"act/entry.sh":            "echo \"said=hello $1\" >> $GITHUB_OUTPUT\n",
	})
	r := submit(t, c, dir, client.RunRequest{})
	if done := finish(t, c, r.ID); done.Conclusion != cairn.Success {
		t.Errorf("%s\n%s", done.Conclusion, describe(c, r.ID))
	}
	if left := ours(t, home); left != "" {
		t.Errorf("left at the engine: %s", left)
	}
}

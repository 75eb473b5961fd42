package server_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/server"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

func hostOf(s *server.Server) string { return strings.TrimPrefix(s.URL(), "http://") }

// sampleImage is an image of this machine's platform with random layers.
func sampleImage(t testing.TB, size int64) v1.Image {
	t.Helper()
	img, err := random.Image(size, 2)
	if err != nil {
		t.Fatal(err)
	}
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c = c.DeepCopy()
	c.OS, c.Architecture = "linux", "amd64"
	if img, err = mutate.ConfigFile(img, c); err != nil {
		t.Fatal(err)
	}
	return img
}

func digest(t testing.TB, img v1.Image) string {
	t.Helper()
	d, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}

// Who pushes is recorded, also where the connection would do without a token; a
// reader pulls, and nobody's token does nothing.
func TestRegistryAccess(t *testing.T) {
	t.Parallel()
	home := tempHome(t)
	s := start(t, home)
	c := connect(t, home)
	ctx := context.Background()
	token := func(name string, role cairn.Role) remote.Option {
		if _, err := c.CreateUser(ctx, cairn.Principal{Name: name, Role: role}); err != nil {
			t.Fatal(err)
		}
		tok, err := c.CreateToken(ctx, name, "docker", time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		return remote.WithAuth(&authn.Basic{Username: "any", Password: tok.Text})
	}
	wes, rea := token("wes", cairn.RoleWriter), token("rea", cairn.RoleReader)
	ref, err := name.ParseReference(hostOf(s) + "/ghcr.io/me/api:v1")
	if err != nil {
		t.Fatal(err)
	}
	img := sampleImage(t, 10_000)
	if err := remote.Write(ref, img, rea); err == nil || !strings.Contains(err.Error(), "DENIED") {
		t.Errorf("a reader pushes: %v", err)
	}
	if err := remote.Write(ref, img, remote.WithAuth(&authn.Basic{Username: "any", Password: "wrong"})); err == nil {
		t.Error("a wrong token pushes")
	}
	if err := remote.Write(ref, img, wes); err != nil {
		t.Fatal(err)
	}
	got, err := c.Image(ctx, "ghcr.io/me/api:v1")
	if err != nil || got.By != "wes" || string(got.Digest) != digest(t, img) {
		t.Errorf("%+v, %v", got, err)
	}
	back, err := remote.Image(ref, rea)
	if err != nil || digest(t, back) != digest(t, img) {
		t.Error(err)
	}
	// A client that has no token is the user of the home.
	other := sampleImage(t, 1000)
	if err := remote.Write(ref.Context().Tag("v2"), other); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Image(ctx, "ghcr.io/me/api:v2"); err != nil || got.By == "wes" || got.By == "unknown" {
		t.Errorf("%+v, %v", got, err)
	}
	// Pages of others cannot reach it.
	req, _ := http.NewRequest("GET", s.URL()+"/v2/_catalog", nil)
	req.Header.Set("Origin", "http://evil.example")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != 403 || !bytes.Contains(b, []byte(`"code":"DENIED"`)) {
		t.Errorf("%d %s", resp.StatusCode, b)
	}
	if rep, err := c.Fsck(ctx, false); err != nil || len(rep.Findings) > 0 {
		t.Errorf("%+v, %v", rep, err)
	}
}

// A kill in the middle of an upload leaves nothing half-visible, and what was
// acknowledged is there to go on with.
func TestUploadKilled(t *testing.T) {
	t.Parallel()
	home := tempHome(t)
	stopOwner(t, home)
	c := auto(t, home)
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	d := cairn.SumBytes(content)
	do := func(method, path string, body io.Reader, head ...string) *http.Response {
		t.Helper()
		st, err := c.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequest(method, st.URL+path, body)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(head); i += 2 {
			r.Header.Set(head[i], head[i+1])
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return nil
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		return resp
	}
	at := do("POST", "/v2/api/blobs/uploads/", nil).Header.Get("Location")
	if resp := do("PATCH", at, bytes.NewReader(content[:1<<19])); resp == nil || resp.StatusCode != 202 {
		t.Fatal(resp)
	}
	for range 3 {
		// Half of the next piece is under way when the owner dies.
		r, w := io.Pipe()
		pid := ownerPID(t, c)
		go func() {
			w.Write(content[1<<19 : 1<<19+1<<17])
			time.Sleep(50 * time.Millisecond)
			syscall.Kill(pid, syscall.SIGKILL)
			w.CloseWithError(io.ErrUnexpectedEOF)
		}()
		if resp := do("PATCH", at, r); resp != nil {
			t.Fatalf("the piece was answered: %s", resp.Status)
		}
		c = auto(t, home)
		if resp := do("HEAD", "/v2/api/blobs/"+string(d), nil); resp == nil || resp.StatusCode != 404 {
			t.Fatal(resp)
		}
		if resp := do("GET", at, nil); resp == nil || resp.StatusCode != 204 || resp.Header.Get("Range") != fmt.Sprintf("0-%d", 1<<19-1) {
			t.Fatalf("%+v", resp)
		}
	}
	if resp := do("PUT", at+"?digest="+string(d), bytes.NewReader(content[1<<19:])); resp == nil || resp.StatusCode != 201 {
		t.Fatalf("%+v", resp)
	}
	if resp := do("HEAD", "/v2/api/blobs/"+string(d), nil); resp == nil || resp.StatusCode != 200 {
		t.Fatalf("%+v", resp)
	}
	if left, err := os.ReadDir(filepath.Join(home, "uploads")); err != nil || len(left) > 0 {
		t.Error(left, err)
	}
	if left, err := filepath.Glob(filepath.Join(home, "blobs", "tmp", "*")); err != nil || len(left) > 0 {
		t.Error(left, err)
	}
}

// The clients that people have; CAIRN_TEST_DOCKER=1.
func TestRegistryClients(t *testing.T) {
	if os.Getenv("CAIRN_TEST_DOCKER") == "" {
		t.Skip("CAIRN_TEST_DOCKER=1 asks docker and skopeo")
	}
	t.Parallel()
	home := tempHome(t)
	s := start(t, home)
	c := connect(t, home)
	dir := t.TempDir()
	img := sampleImage(t, 200_000)
	ref, err := name.ParseReference(hostOf(s) + "/api:v1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img); err != nil {
		t.Fatal(err)
	}
	run := func(t *testing.T, env []string, name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Env = append(os.Environ(), env...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
		return strings.TrimSpace(string(out))
	}
	image := func(t *testing.T, ask string) *cairn.Image {
		t.Helper()
		img, err := c.Image(t.Context(), ask)
		if err != nil {
			t.Fatal(err)
		}
		return img
	}
	tok, err := c.CreateToken(t.Context(), image(t, "api:v1").By, "docker", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	t.Run("skopeo", func(t *testing.T) {
		if _, err := exec.LookPath("skopeo"); err != nil {
			t.Skip("no skopeo")
		}
		at := "docker://" + hostOf(s)
		if got := run(t, nil, "skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", at+"/api:v1"); got != digest(t, img) {
			t.Error(got)
		}
		run(t, nil, "skopeo", "copy", "--preserve-digests", "--src-tls-verify=false", at+"/api:v1", "dir:"+dir+"/skopeo")
		run(t, nil, "skopeo", "copy", "--preserve-digests", "--dest-tls-verify=false", "--dest-creds", "x:"+tok.Text, "dir:"+dir+"/skopeo", at+"/ghcr.io/me/skopeo:v1")
		if got := image(t, "ghcr.io/me/skopeo:v1"); string(got.Digest) != digest(t, img) {
			t.Error(got.Digest)
		}
		run(t, nil, "skopeo", "delete", "--tls-verify=false", at+"/ghcr.io/me/skopeo:v1")
		if _, err := c.Image(t.Context(), "ghcr.io/me/skopeo:v1"); cairn.CodeOf(err) != cairn.CodeNotFound {
			t.Error(err)
		}
	})
	t.Run("docker", func(t *testing.T) {
		if exec.Command("docker", "info").Run() != nil {
			t.Skip("no docker daemon")
		}
		own := []string{"DOCKER_CONFIG=" + dir}
		at := hostOf(s) + "/api:v1"
		run(t, own, "docker", "pull", "-q", at) // without a token
		defer exec.Command("docker", "rmi", "-f", at, hostOf(s)+"/me/docker:v2").Run()
		if got := run(t, own, "docker", "image", "inspect", "--format", "{{.Id}}", at); string(image(t, got).Digest) != digest(t, img) {
			t.Error("the id that docker shows leads elsewhere", got)
		}
		run(t, own, "docker", "tag", at, hostOf(s)+"/me/docker:v2")
		run(t, own, "docker", "push", "-q", hostOf(s)+"/me/docker:v2")
		if got, want := image(t, "me/docker:v2"), image(t, "api:v1"); got.Config != want.Config {
			t.Error(got.Config, want.Config)
		}
		if _, err := c.CreateUser(t.Context(), cairn.Principal{Name: "dora", Role: cairn.RoleWriter}); err != nil {
			t.Fatal(err)
		}
		dora, err := c.CreateToken(t.Context(), "dora", "docker", time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		run(t, own, "docker", "login", "-u", "any", "-p", dora.Text, hostOf(s))
		file := filepath.Join(dir, "Dockerfile")
		if err := os.WriteFile(file, []byte("FROM scratch\nLABEL by=dora\nCOPY Dockerfile /\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		run(t, append(own, "DOCKER_BUILDKIT=0"), "docker", "build", "-q", "-t", hostOf(s)+"/me/docker:v3", dir)
		defer exec.Command("docker", "rmi", "-f", hostOf(s)+"/me/docker:v3").Run()
		run(t, own, "docker", "push", "-q", hostOf(s)+"/me/docker:v3")
		if got := image(t, "me/docker:v3"); got.By != "dora" || got.Labels["by"] != "dora" {
			t.Errorf("%+v", got)
		}
	})
	// A job that logs in pushes as the job.
	t.Run("job", func(t *testing.T) {
		if _, err := exec.LookPath("skopeo"); err != nil {
			t.Skip("no skopeo")
		}
		repo := repository(t, map[string]string{".github/workflows/a.yml": `on: push
jobs:
  push:
    runs-on: ubuntu-latest
    steps:
      - run: skopeo copy --src-tls-verify=false --dest-tls-verify=false --dest-creds "x:$CAIRN_TOKEN" docker://$CAIRN_REGISTRY/api:v1 docker://$CAIRN_REGISTRY/me/job:v1
`})
		r := submit(t, c, repo, client.RunRequest{})
		if done := finish(t, c, r.ID); done.Conclusion != cairn.Success {
			t.Fatal(describe(c, r.ID))
		}
		trace, err := c.Trace(t.Context(), "image/"+string(image(t, "me/job:v1").Digest), false)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		trace.Render(&b)
		if !strings.Contains(b.String(), "job") || !strings.Contains(b.String(), "First commit") {
			t.Errorf("%s", b.String())
		}
	})
}

// BenchmarkRegistry measures what a client waits for.
func BenchmarkRegistry(b *testing.B) {
	home := tempHome(b)
	s := start(b, home)
	content := make([]byte, 10<<20)
	client := &http.Client{}
	send := func(method, path string, body []byte, kind string) {
		r, err := http.NewRequest(method, s.URL()+path, bytes.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		r.Header.Set("Content-Type", kind)
		resp, err := client.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode >= 300 {
			b.Fatal(method, path, resp.Status)
		}
	}
	n := 0
	b.Run("upload10MB", func(b *testing.B) {
		b.SetBytes(int64(len(content)))
		for b.Loop() {
			n++
			copy(content, fmt.Sprintf("upload %d ", n))
			send("POST", "/v2/api/blobs/uploads/?digest="+string(cairn.SumBytes(content)), content, "application/octet-stream")
		}
	})
	send("POST", "/v2/api/blobs/uploads/?digest="+string(cairn.SumBytes(content)), content, "application/octet-stream")
	b.Run("get10MB", func(b *testing.B) {
		b.SetBytes(int64(len(content)))
		for b.Loop() {
			send("GET", "/v2/api/blobs/"+string(cairn.SumBytes(content)), nil, "")
		}
	})
	empty := []byte("{}")
	send("POST", "/v2/api/blobs/uploads/?digest="+string(cairn.SumBytes(empty)), empty, "application/octet-stream")
	b.Run("manifest", func(b *testing.B) {
		for b.Loop() {
			n++
			raw := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":%q,"size":2},"layers":[],"annotations":{"n":"%d"}}`,
				cairn.SumBytes(empty), n)
			send("PUT", fmt.Sprintf("/v2/api/manifests/v%d", n), raw, "application/vnd.oci.image.manifest.v1+json")
		}
	})
}

package remote_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci/ref"
	"github.com/cairn-ml/cairn/internal/oci/remote"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	ggcr "github.com/google/go-containerregistry/pkg/v1/remote"
)

// memory is a Sink and a Source.
type memory struct {
	mu       sync.Mutex
	blobs    map[cairn.Digest][]byte
	recorded []cairn.ImageBuild
	uploads  int
}

func newMemory() *memory { return &memory{blobs: map[cairn.Digest][]byte{}} }

func (m *memory) MissingBlobs(_ context.Context, ds []cairn.Digest) (out []cairn.Digest, _ error) {
	for _, d := range ds {
		if m.blobs[d] == nil {
			out = append(out, d)
		}
	}
	return out, nil
}

func (m *memory) UploadBlobs(_ context.Context, bs []remote.Blob) error {
	for _, b := range bs {
		r, err := b.Open()
		if err != nil {
			return err
		}
		content, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			return err
		}
		if cairn.SumBytes(content) != b.Digest || int64(len(content)) != b.Size {
			return fmt.Errorf("%s came damaged", b.Digest)
		}
		m.blobs[b.Digest] = content
		m.uploads++
	}
	return nil
}

func (m *memory) RecordImage(_ context.Context, b cairn.ImageBuild) (*cairn.Image, error) {
	m.recorded = append(m.recorded, b)
	img := &cairn.Image{Digest: b.Manifest}
	if idx, err := v1.ParseIndexManifest(bytes.NewReader(m.blobs[b.Manifest])); err == nil {
		for _, d := range idx.Manifests {
			img.Manifests = append(img.Manifests, cairn.Digest(d.Digest.String()))
		}
	}
	return img, nil
}

func (m *memory) GetBlob(_ context.Context, d cairn.Digest) (io.ReadCloser, int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.blobs[d]
	if !ok {
		return nil, 0, cairn.Errorf(cairn.CodeNotFound, "%s is not stored here", d)
	}
	return io.NopCloser(bytes.NewReader(b)), int64(len(b)), nil
}

// serve starts a registry; with a password it wants that.
func serve(t *testing.T, password string) string {
	t.Helper()
	h := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, got, _ := r.BasicAuth(); password != "" && got != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// login writes docker's configuration and returns the environment that finds it.
func login(t *testing.T, passwords map[string]string) map[string]string {
	t.Helper()
	dir := t.TempDir()
	var auths []string
	for host, p := range passwords {
		auths = append(auths, fmt.Sprintf("%q:{\"auth\":%q}", host, base64.StdEncoding.EncodeToString([]byte("ana:"+p))))
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"auths":{`+strings.Join(auths, ",")+`}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	return map[string]string{"DOCKER_CONFIG": dir, "PATH": dir}
}

func parse(t *testing.T, s string) ref.Reference {
	t.Helper()
	r, err := ref.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func push(t *testing.T, at string) v1.Image {
	t.Helper()
	n, err := name.ParseReference(at)
	if err != nil {
		t.Fatal(err)
	}
	img, err := random.Image(50_000, 3)
	if err != nil {
		t.Fatal(err)
	}
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c.OS, c.Architecture = "linux", "amd64"
	if img, err = mutate.ConfigFile(img, c); err != nil {
		t.Fatal(err)
	}
	if err := ggcr.Write(n, img); err != nil {
		t.Fatal(err)
	}
	return img
}

func TestPullThenPushToTwo(t *testing.T) {
	t.Parallel()
	from, one, two := serve(t, ""), serve(t, "geheim"), serve(t, "secret")
	img := push(t, from+"/me/api:v1")
	want, _ := img.Digest()
	m := newMemory()
	env := login(t, map[string]string{one: "geheim", "http://" + two: "secret"})
	c := remote.New(remote.Options{Env: env})
	got, err := c.Pull(t.Context(), parse(t, from+"/me/api:v1"), "", m, io.Discard)
	if err != nil || string(got.Digest) != want.String() {
		t.Fatal(got, err)
	}
	if b := m.recorded[0]; b.Builder != "pull" || len(b.Names) != 1 || b.Names[0] != from+"/me/api:v1" {
		t.Errorf("%+v", b)
	}
	uploads := m.uploads
	if _, err := c.Pull(t.Context(), parse(t, from+"/me/api:v1"), "", m, io.Discard); err != nil || m.uploads != uploads+1 {
		t.Errorf("%d uploads again, %v: only the manifest is sent twice", m.uploads-uploads, err)
	}

	dests := []ref.Reference{parse(t, one+"/api:v1"), parse(t, two+"/api:v1"), parse(t, "ghcr.io/me/api:v1")}
	res, err := c.Push(t.Context(), got, dests, m, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if !res[0].Pushed || !res[1].Pushed || res[0].Bytes < 150_000 || res[2].Pushed || res[2].Reason != "no credentials for ghcr.io" {
		t.Errorf("%+v", res)
	}
	again, err := c.Push(t.Context(), got, dests[:1], m, io.Discard)
	if err != nil || again[0].Bytes != 0 || again[0].Skipped != res[0].Bytes {
		t.Errorf("%+v, %v", again, err)
	}
	back := newMemory()
	if got, err := c.Pull(t.Context(), dests[1], "", back, io.Discard); err != nil || string(got.Digest) != want.String() {
		t.Error(got, err)
	}
}

func TestIndex(t *testing.T) {
	t.Parallel()
	host := serve(t, "")
	amd, arm := push(t, host+"/x:a"), push(t, host+"/x:b")
	var idx v1.ImageIndex = mutate.AppendManifests(random0(t),
		mutate.IndexAddendum{Add: amd, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}},
		mutate.IndexAddendum{Add: arm, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm64"}}})
	n, _ := name.ParseReference(host + "/x:all")
	if err := ggcr.WriteIndex(n, idx); err != nil {
		t.Fatal(err)
	}
	c := remote.New(remote.Options{Anonymous: true})
	m := newMemory()
	got, err := c.Pull(t.Context(), parse(t, host+"/x:all"), "linux/arm64", m, io.Discard)
	if d, _ := arm.Digest(); err != nil || string(got.Digest) != d.String() {
		t.Error(got, err)
	}
	if _, err := c.Pull(t.Context(), parse(t, host+"/x:all"), "linux/s390x", m, io.Discard); cairn.CodeOf(err) != cairn.CodeNotFound || !strings.Contains(cairn.AsError(err).Hint, "linux/amd64, linux/arm64") {
		t.Error(err)
	}
	got, err = c.Pull(t.Context(), parse(t, host+"/x:all"), remote.AllPlatforms, m, io.Discard)
	if d, _ := idx.Digest(); err != nil || string(got.Digest) != d.String() {
		t.Fatal(got, err)
	}
	other := serve(t, "")
	if res, err := c.Push(t.Context(), got, []ref.Reference{parse(t, other+"/y:all")}, m, io.Discard); err != nil || !res[0].Pushed || res[0].Bytes < 250_000 {
		t.Errorf("%+v, %v", res, err)
	}
}

func random0(t *testing.T) v1.ImageIndex {
	t.Helper()
	idx, err := random.Index(10, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	return idx
}

func TestErrors(t *testing.T) {
	t.Parallel()
	host := serve(t, "geheim")
	open := serve(t, "")
	push(t, open+"/x:1")
	closed := httptest.NewServer(nil)
	gone := strings.TrimPrefix(closed.URL, "http://")
	closed.Close()
	m := newMemory()
	c := remote.New(remote.Options{Env: login(t, map[string]string{host: "wrong", gone: "x", open: "x"}), JobToken: "own"})
	for at, want := range map[string]struct {
		code cairn.Code
		text string
	}{
		host + "/x:1":          {cairn.CodeForbidden, "does not let us pull"},
		open + "/x:2":          {cairn.CodeNotFound, "has no "},
		gone + "/x:1":          {cairn.CodeUnavailable, "cannot be reached: nobody listens there"},
		"registry.invalid/x:1": {cairn.CodeUnavailable, "the registry registry.invalid cannot be reached: "},
	} {
		_, err := c.Pull(t.Context(), parse(t, at), "", m, io.Discard)
		if cairn.CodeOf(err) != want.code || !strings.Contains(err.Error(), want.text) {
			t.Errorf("%s: %s %v", at, cairn.CodeOf(err), err)
		}
	}
	img, err := c.Pull(t.Context(), parse(t, open+"/x:1"), "", m, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	// One that fails says which; the other is pushed.
	res, err := c.Push(t.Context(), img, []ref.Reference{parse(t, gone+"/x:1"), parse(t, open+"/y:1")}, m, io.Discard)
	if cairn.CodeOf(err) != cairn.CodeUnavailable || !strings.Contains(err.Error(), "pushing "+gone) || res[0].Pushed || !res[1].Pushed {
		t.Errorf("%+v, %v", res, err)
	}
	// The job's own token opens no registry outside.
	c = remote.New(remote.Options{Env: login(t, map[string]string{host: "own"}), JobToken: "own"})
	if res, err := c.Push(t.Context(), img, []ref.Reference{parse(t, host+"/x:1")}, m, io.Discard); err != nil || res[0].Pushed || !strings.Contains(res[0].Reason, "this job's own") {
		t.Errorf("%+v, %v", res, err)
	}
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("docker-credential-test", "#!/bin/sh\nread host\ncase $host in *helped*|*index.docker.io*) echo '{\"Username\":\"ana\",\"Secret\":\"s\"}';; *) exit 1;; esac\n", 0o700)
	write("config.json", `{"auths":{"ghcr.io":{"auth":"YW5hOnM="},"plain.io":{"username":"ana","password":"s"},"https://v.io/v2/":{"auth":"YW5hOnM="},
		"kept.io":{},"pod.io/team":{"auth":"YW5hOnM="}},"credHelpers":{"helped.io":"test","none.io":"absent"},"credsStore":"test"}`, 0o600)
	c := remote.New(remote.Options{Env: map[string]string{"DOCKER_CONFIG": dir, "PATH": dir + ":/bin:/usr/bin"}})
	for at, want := range map[string]bool{"ghcr.io/a/b": true, "plain.io/x": true, "v.io/x": true, "kept.io/x": false, "helped.io/x": true, "none.io/x": false,
		"nginx": true, "pod.io/team/x": true, "pod.io/teams/x": false, "other.io/x": false, "xghcr.io/a": false} {
		missing, err := c.Credentials(t.Context(), parse(t, at))
		if err != nil || (missing == "") != want {
			t.Errorf("%s: %q, %v", at, missing, err)
		}
	}
	write("config.json", `{"auths":{"ghcr.io":{"auth":"c2VjcmV0"}},`, 0o600)
	if _, err := c.Credentials(t.Context(), parse(t, "ghcr.io/a")); cairn.CodeOf(err) != cairn.CodeInvalid || strings.Contains(err.Error(), "c2VjcmV0") {
		t.Error(err)
	}
	c = remote.New(remote.Options{Env: map[string]string{"HOME": dir}})
	if missing, err := c.Credentials(t.Context(), parse(t, "ghcr.io/a")); err != nil || missing == "" {
		t.Error(missing, err)
	}
}

// TestIndexInIndex: what calls an index an image, or hides one in another, is an
// error and no crash.
func TestIndexInIndex(t *testing.T) {
	t.Parallel()
	host := serve(t, "")
	inner, err := random.Index(10, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	outer := mutate.AppendManifests(random0(t), mutate.IndexAddendum{Add: inner, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}})
	n, _ := name.ParseReference(host + "/x:deep")
	if err := ggcr.WriteIndex(n, outer); err != nil {
		t.Fatal(err)
	}
	c := remote.New(remote.Options{Anonymous: true})
	m := newMemory()
	for _, platform := range []string{"linux/amd64", remote.AllPlatforms} {
		if _, err := c.Pull(t.Context(), parse(t, host+"/x:deep"), platform, m, io.Discard); cairn.CodeOf(err) != cairn.CodeUnsupported {
			t.Errorf("%s: %v", platform, err)
		}
	}

	raw, _ := inner.RawManifest()
	d := cairn.SumBytes(raw)
	lie := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":%q,"size":%d}]}`,
		"application/vnd.oci.image.index.v1+json", d, len(raw))
	m.blobs[d], m.blobs[cairn.SumBytes(lie)] = raw, lie
	img := &cairn.Image{Digest: cairn.SumBytes(lie), Manifests: []cairn.Digest{d}}
	if _, err := c.Push(t.Context(), img, []ref.Reference{parse(t, host+"/y:1")}, m, io.Discard); cairn.CodeOf(err) != cairn.CodeInvalid || !strings.Contains(err.Error(), "is an index") {
		t.Error(err)
	}
}

// TestPushDamaged: bytes that the disk lost are not sent on.
func TestPushDamaged(t *testing.T) {
	t.Parallel()
	from, to := serve(t, ""), serve(t, "")
	v := push(t, from+"/x:1")
	m := newMemory()
	c := remote.New(remote.Options{Anonymous: true})
	img, err := c.Pull(t.Context(), parse(t, from+"/x:1"), "", m, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ls, _ := v.Layers()
	h, _ := ls[1].Digest()
	m.blobs[cairn.Digest(h.String())][100] ^= 1
	res, err := c.Push(t.Context(), img, []ref.Reference{parse(t, to+"/x:1")}, m, io.Discard)
	if err == nil || res[0].Pushed || !strings.Contains(err.Error(), h.String()+" is damaged in the store") || !strings.Contains(cairn.AsError(err).Hint, "cairn fsck") {
		t.Errorf("%+v, %v", res, err)
	}
}

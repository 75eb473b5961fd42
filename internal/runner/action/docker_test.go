package action

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

func auths(t *testing.T, home string) map[string]map[string]string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(home, ".docker/config.json"))
	if os.IsNotExist(err) {
		return nil
	}
	var c struct{ Auths map[string]map[string]string }
	if err := errors.Join(err, json.Unmarshal(b, &c)); err != nil {
		t.Fatal(err)
	}
	return c.Auths
}

func TestLogin(t *testing.T) {
	t.Parallel()
	const token = "job-token"
	for name, c := range map[string]struct {
		uses   string
		with   []string
		key    string // in the configuration; "" is nothing kept
		secret string
		warns  string
		fails  string
	}{
		"hub":            {"docker/login-action@v3", []string{"username", "me", "password", "pw"}, hubKey, "bWU6cHc=", "", ""},
		"ghcr":           {"docker/login-action@v1", []string{"registry", "https://GHCR.io/", "username", "me", "password", "pw"}, "ghcr.io", "bWU6cHc=", "", ""},
		"the job's":      {"docker/login-action@v3", []string{"registry", "ghcr.io", "username", "me", "password", token}, "", "", "The job's token is no password for ghcr.io", ""},
		"empty":          {"docker/login-action@v4", []string{"registry", "ghcr.io", "username", "me", "password", ""}, "", "", "No password is given for ghcr.io: images stay in Cairn", ""},
		"own":            {"docker/login-action@v3", []string{"registry", "127.0.0.1:7077", "username", "x", "password", token}, "127.0.0.1:7077", "eDpqb2ItdG9rZW4=", "", ""},
		"own, empty":     {"docker/login-action@v3", []string{"registry", "localhost:7077"}, "localhost:7077", "am9iOmpvYi10b2tlbg==", "", ""},
		"no user":        {"docker/login-action@v2", []string{"registry", "ghcr.io", "password", "pw"}, "", "", "", "Username required"},
		"aws":            {"docker/login-action@v3", []string{"registry", "123456789012.dkr.ecr.eu-west-1.amazonaws.com", "username", "AKIAX", "password", "pw"}, "", "", "AWS is not asked", ""},
		"aws's password": {"docker/login-action@v3", []string{"registry", "123456789012.dkr.ecr.eu-west-1.amazonaws.com", "username", "AWS", "password", "pw"}, "123456789012.dkr.ecr.eu-west-1.amazonaws.com", "QVdTOnB3", "", ""},
		"azure":          {"azure/docker-login@v1", []string{"login-server", "x.azurecr.io", "username", "me", "password", "pw"}, "x.azurecr.io", "bWU6cHc=", "", ""},
		"azure, the hub": {"azure/docker-login@v1", []string{"username", "me", "password", "pw"}, hubKey, "bWU6cHc=", "", ""},
		"several":        {"docker/login-action@v4", []string{"registry-auth", "- registry: ghcr.io\n  username: me\n  password: pw\n"}, "ghcr.io", "bWU6cHc=", "", ""},
		"several, bad":   {"docker/login-action@v4", []string{"registry-auth", "password: pw-that-is-secret"}, "", "", "", "is no list of registries"},
		"no registry":    {"docker/login-action@v3", []string{"registry", "a b", "password", "pw"}, "", "", "", "is no registry"},
		"line break":     {"docker/login-action@v3", []string{"username", "a:b", "password", "pw"}, "", "", "", "colon or line break"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, log := step(t, nil, t.TempDir(), c.with...)
			s.Env["CAIRN_TOKEN"], s.Env["CAIRN_URL"] = token, "http://127.0.0.1:7077"
			var masked []string
			s.Masked = func(v string) { masked = append(masked, v) }
			a := act(t, c.uses, Deps{})
			err := a.Run(t.Context(), s)
			if (err != nil) != (c.fails != "") || err != nil && !strings.Contains(err.Error(), c.fails) {
				t.Fatalf("%v, want %q", err, c.fails)
			}
			if strings.Contains(log.String(), "pw") || err != nil && strings.Contains(err.Error()+cairn.AsError(err).Hint, "secret") {
				t.Errorf("the password is shown: %s %v", log, err)
			}
			got := auths(t, s.Dirs.Home)
			if c.key == "" && len(got) > 0 || c.key != "" && (len(got) != 1 || got[c.key]["auth"] != c.secret) {
				t.Errorf("kept %v", got)
			}
			if (len(s.Annotations) > 0) != (c.warns != "") || c.warns != "" && !strings.Contains(log.String(), c.warns) {
				t.Errorf("%s", log)
			}
			if c.key == "" {
				return
			}
			if !slices.Contains(masked, c.secret) {
				t.Error("what is in the file is not masked")
			}
			fi, err := os.Stat(filepath.Join(s.Dirs.Home, ".docker/config.json"))
			if err != nil || fi.Mode().Perm() != 0o600 {
				t.Errorf("%v %v", fi.Mode(), err)
			}
			if err := a.(runner.PostAction).Post(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			if left := auths(t, s.Dirs.Home); (len(left) == 0) == strings.HasPrefix(c.uses, "azure") {
				t.Errorf("after the end: %v", left)
			}
		})
	}
}

// Other settings of the configuration stay, and so do credentials without logout.
func TestLoginKeeps(t *testing.T) {
	t.Parallel()
	s, _ := step(t, nil, t.TempDir(), "registry", "ghcr.io", "username", "me", "password", "pw", "logout", "false")
	dir := filepath.Join(s.Dirs.Home, "elsewhere")
	s.Env["DOCKER_CONFIG"] = dir
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "config.json")
	if err := os.WriteFile(path, []byte(`{"auths":{"other.io":{"auth":"eA=="}},"detachKeys":"ctrl-e"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	a := act(t, "docker/login-action@v3", Deps{})
	if err := a.Run(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if err := a.(runner.PostAction).Post(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(b), "detachKeys") || !strings.Contains(string(b), "other.io") || !strings.Contains(string(b), "ghcr.io") {
		t.Errorf("%v %s", err, b)
	}
	if fi, _ := os.Stat(path); fi.Mode().Perm() != 0o600 {
		t.Error(fi.Mode())
	}
	if err := os.WriteFile(path, []byte(`{broken`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := a.Run(t.Context(), s); err == nil || !strings.Contains(err.Error(), "cannot be read") {
		t.Error(err)
	}
}

// builder remembers what it was asked for.
type builder struct {
	r     cairn.BuildRequest
	files []string // of the context
	res   cairn.BuildResult
	err   error
}

func (b *builder) deps() Deps {
	return Deps{
		Build: func(_ context.Context, _ runner.Server, r cairn.BuildRequest, _ io.Writer) (*cairn.BuildResult, error) {
			b.r = r
			entries, _ := os.ReadDir(r.Context)
			for _, e := range entries {
				b.files = append(b.files, e.Name())
			}
			if b.res.Image == nil {
				b.res.Image = &cairn.Image{Digest: "sha256:" + cairn.Digest(strings.Repeat("1", 64)), Config: "sha256:" + cairn.Digest(strings.Repeat("2", 64)), MediaType: "application/vnd.oci.image.manifest.v1+json"}
			}
			return &b.res, b.err
		},
		Checkout: func(_ context.Context, _ cairn.CodeRef, dir string, o CheckoutOptions) (cairn.Commit, error) {
			for _, f := range []string{"Dockerfile", "main.py", ".git/HEAD", "sub/Dockerfile"} {
				p := filepath.Join(dir, f)
				if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, nil, 0o644)); err != nil {
					return cairn.Commit{}, err
				}
			}
			return cairn.Commit{SHA: strings.Repeat("a", 40)}, nil
		},
	}
}

// TestBuildContext: without context it is the commit alone, as on GitHub.
func TestBuildContext(t *testing.T) {
	t.Parallel()
	ws := t.TempDir()
	files(t, ws, "model.joblib", "docker/Dockerfile")
	for _, c := range []struct {
		uses  string
		with  []string
		files string
		file  string // "": the default
	}{
		{"docker/build-push-action@v6", nil, "Dockerfile main.py sub", ""},
		{"docker/build-push-action@v2", []string{"file", "sub/Dockerfile"}, "Dockerfile main.py sub", "CONTEXT/sub/Dockerfile"},
		{"docker/build-push-action@v6", []string{"context", "{{defaultContext}}:sub"}, "Dockerfile", ""},
		{"docker/build-push-action@v6", []string{"context", "."}, "docker model.joblib", ""},
		{"docker/build-push-action@v6", []string{"context", "docker", "file", "./docker/Dockerfile"}, "Dockerfile", filepath.Join(ws, "docker/Dockerfile")},
		{"docker/build-push-action@v1", []string{"repository", "me/app"}, "docker model.joblib", ""},
		{"docker/build-push-action@v1", []string{"repository", "me/app", "path", "docker", "dockerfile", "docker/Dockerfile"}, "Dockerfile", filepath.Join(ws, "docker/Dockerfile")},
	} {
		var b builder
		s, _ := step(t, nil, ws, c.with...)
		if err := act(t, c.uses, b.deps()).Run(t.Context(), s); err != nil {
			t.Errorf("%v: %v", c.with, err)
			continue
		}
		want := strings.Replace(c.file, "CONTEXT", b.r.Context, 1)
		if strings.Join(b.files, " ") != c.files || b.r.Dockerfile != want || !filepath.IsAbs(b.r.Context) {
			t.Errorf("%s %v: %v %s", c.uses, c.with, b.files, b.r.Dockerfile)
		}
		if _, err := os.Stat(b.r.Context); (err != nil) != strings.HasPrefix(b.r.Context, s.Dirs.Temp) {
			t.Errorf("%v: a context that was checked out is taken away, others stay: %v", c.with, err)
		}
	}
	for with, want := range map[string]string{
		"context=../..": "not under the workspace", "context=https://github.com/a/b.git": "not a folder of this job", "context={{defaultContext}}:../x": "not under",
		"file=../../etc/passwd": "not under", "outputs=type=tar,dest=x.tar": "type tar is not built in", "call=check": "call: check is not built in",
		"push=maybe": "input 'push'", "labels==x": "no name before =", "secrets=abc": "is not a list of ID=VALUE", "push=true": "tag is needed when pushing",
		"secret-files=a=../x": "not under",
	} {
		k, v, _ := strings.Cut(with, "=")
		s, _ := step(t, nil, ws, k, v)
		if err := act(t, "docker/build-push-action@v6", (&builder{}).deps()).Run(t.Context(), s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", with, err)
		}
	}
}

func TestBuildRequest(t *testing.T) {
	t.Parallel()
	ws := t.TempDir()
	files(t, ws, "key.txt")
	b := builder{res: cairn.BuildResult{
		Warnings: []string{"ghcr.io/me/app:main is kept here and not pushed: no credentials for ghcr.io"},
		Image: &cairn.Image{
			Digest: "sha256:" + cairn.Digest(strings.Repeat("1", 64)), Config: "sha256:" + cairn.Digest(strings.Repeat("2", 64)),
			Packed: []cairn.Packed{{Path: "app/m.joblib", Ref: "model/digits:1", Others: []cairn.Ref{"model/digits:2"}}},
		},
	}}
	s, log := step(t, nil, ws, "context", ".", "push", "true", "tags", "ghcr.io/me/app:main\nx.io/app:1, y.io/app:1",
		"build-args", "A=1\nFROM_ENV\nNOT_THERE\nB=x=y", "labels", "a=b, c\nd=", "annotations", "manifest:k=v\nindex:i=v\nurl=http://x\nindex,manifest:both=1",
		"platforms", "linux/amd64,linux/arm64", "target", "final", "no-cache", "true", "pull", "true", "load", "true",
		"secrets", "token=abc\n\"multi=line one\nline two\"", "secret-envs", "e=FROM_ENV", "secret-files", "f=key.txt",
		"cache-from", "type=gha", "cache-to", "type=gha,mode=max", "outputs", "type=image,name=x", "ssh", "default", "network", "host", "sbom", "true")
	s.Env["FROM_ENV"], s.Env["CAIRN_TOKEN"] = "from env", "job-token"
	if err := act(t, "docker/build-push-action@v5", b.deps()).Run(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	r := b.r
	check := func(what string, got, want any) {
		t.Helper()
		g, _ := json.Marshal(got)
		w, _ := json.Marshal(want)
		if string(g) != string(w) {
			t.Errorf("%s: %s, want %s", what, g, w)
		}
	}
	check("names", r.Names, []string{"ghcr.io/me/app:main", "x.io/app:1", "y.io/app:1"})
	check("build args", r.BuildArgs, map[string]string{"A": "1", "FROM_ENV": "from env", "B": "x=y"})
	check("labels", r.Labels, map[string]string{"a": "b, c", "d": ""})
	check("annotations", r.Annotations, map[string]string{"k": "v", "url": "http://x", "both": "1"})
	check("platforms", r.Platforms, []string{"linux/amd64", "linux/arm64"})
	check("secrets", r.Secrets, map[string]string{"token": "abc", "multi": "line one\nline two", "e": "from env", "f": "content of key.txt"})
	check("extra", r.Extra, []string{"--ssh=default", "--network=host"})
	check("flags", []any{r.Push, r.NoCache, r.Pull, r.Target, r.JobToken, r.Env["HOME"]}, []any{true, true, true, "final", "job-token", s.Dirs.Home})
	if !strings.Contains(log.String(), "model/digits:1 as app/m.joblib (ambiguous: also model/digits:2)") {
		t.Errorf("%s", log)
	}
	if !slices.ContainsFunc(s.Annotations, func(a cairn.Annotation) bool { return strings.Contains(a.Message, "no credentials for ghcr.io") }) {
		t.Errorf("%v", s.Annotations)
	}
	if s.Outputs["digest"] != string(b.res.Image.Digest) || s.Outputs["imageid"] != string(b.res.Image.Config) || !strings.Contains(s.Outputs["metadata"], `"containerimage.digest"`) {
		t.Error(s.Outputs)
	}
	b.err = cairn.Errorf(cairn.CodeFailed, "no base")
	if err := act(t, "docker/build-push-action@v5", b.deps()).Run(t.Context(), s); err == nil || err.Error() != "no base" {
		t.Error(err)
	}
}

// Version 1 named and pushed by itself.
func TestBuildFirst(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ref, with, names string
		push             bool
	}{
		{"refs/heads/master", "tag_with_ref=true", "me/app:latest", true},
		{"refs/heads/feature/x", "tag_with_ref=true;tag_with_sha=true", "me/app:feature-x me/app:sha-aaaaaaa", true},
		{"refs/tags/v1", "tag_with_ref=true;registry=ghcr.io;tags=a,b", "ghcr.io/me/app:a ghcr.io/me/app:b ghcr.io/me/app:v1", true},
		{"refs/pull/3/merge", "tag_with_ref=true;push=false", "me/app:pr-3", false},
		{"refs/heads/x", "", "me/app:latest", true},
	} {
		var b builder
		s, _ := step(t, nil, t.TempDir(), "repository", "Me/App", "username", "me", "password", "pw", "build_args", "A=1,B=2", "add_git_labels", "true")
		for _, kv := range strings.Split(c.with, ";") {
			k, v, _ := strings.Cut(kv, "=")
			s.Inputs[k] = v
		}
		s.Spec.Code.Ref = c.ref
		d := b.deps()
		build := d.Build
		d.Build = func(ctx context.Context, srv runner.Server, r cairn.BuildRequest, log io.Writer) (*cairn.BuildResult, error) {
			if got := auths(t, s.Dirs.Home); (len(got) == 1) != c.push {
				t.Errorf("credentials while it builds: %v", got)
			}
			return build(ctx, srv, r, log)
		}
		if err := act(t, "docker/build-push-action@v1", d).Run(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if strings.Join(b.r.Names, " ") != c.names || b.r.Push != c.push || b.r.BuildArgs["B"] != "2" || b.r.Labels["org.opencontainers.image.revision"] == "" {
			t.Errorf("%s %s: %+v", c.ref, c.with, b.r)
		}
		if got := auths(t, s.Dirs.Home); len(got) > 0 {
			t.Errorf("credentials are left: %v", got)
		}
	}
	s, _ := step(t, nil, t.TempDir())
	if err := act(t, "docker/build-push-action@v1", (&builder{}).deps()).Run(t.Context(), s); err == nil || !strings.Contains(err.Error(), "repository") {
		t.Error(err)
	}
}

func TestSetupDocker(t *testing.T) {
	t.Parallel()
	for uses, outputs := range map[string][]string{
		"docker/setup-buildx-action@v3": {"name", "driver", "platforms", "nodes"}, "docker/setup-qemu-action@v3": {"platforms"},
	} {
		s, log := step(t, nil, t.TempDir(), "platforms", "linux/arm64,linux/amd64")
		if err := act(t, uses, Deps{}).Run(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		for _, o := range outputs {
			if s.Outputs[o] == "" {
				t.Errorf("%s has no output %s: %s", uses, o, log)
			}
		}
	}
}

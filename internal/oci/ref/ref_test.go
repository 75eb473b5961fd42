package ref

import (
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/google/go-containerregistry/pkg/name"
)

const sum = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, name, tag, digest, familiar, registry string }{
		{"nginx", "docker.io/library/nginx", "latest", "", "nginx:latest", "docker.io"},
		{"nginx:1.27", "docker.io/library/nginx", "1.27", "", "nginx:1.27", "docker.io"},
		{"me/api", "docker.io/me/api", "latest", "", "me/api:latest", "docker.io"},
		{"docker.io/nginx", "docker.io/library/nginx", "latest", "", "nginx:latest", "docker.io"},
		{"index.docker.io/me/api", "docker.io/me/api", "latest", "", "me/api:latest", "docker.io"},
		{"ghcr.io/a/b", "ghcr.io/a/b", "latest", "", "ghcr.io/a/b:latest", "ghcr.io"},
		{"ghcr.io/a/b:T_1.x-y", "ghcr.io/a/b", "T_1.x-y", "", "ghcr.io/a/b:T_1.x-y", "ghcr.io"},
		{"localhost/x", "localhost/x", "latest", "", "localhost/x:latest", "localhost"},
		{"localhost:5000/x:y", "localhost:5000/x", "y", "", "localhost:5000/x:y", "localhost:5000"},
		{"[::1]:5000/x", "[::1]:5000/x", "latest", "", "[::1]:5000/x:latest", "[::1]:5000"},
		{"UPPER/x", "UPPER/x", "latest", "", "UPPER/x:latest", "UPPER"},
		{"a__b/c-----d.e", "docker.io/a__b/c-----d.e", "latest", "", "a__b/c-----d.e:latest", "docker.io"},
		{"nginx@" + sum, "docker.io/library/nginx", "", sum, "nginx@" + sum, "docker.io"},
		{"nginx:1@" + sum, "docker.io/library/nginx", "1", sum, "nginx:1@" + sum, "docker.io"},
		{"docker.io/localhost/x", "docker.io/localhost/x", "latest", "", "docker.io/localhost/x:latest", "docker.io"},
	} {
		r, err := Parse(c.in)
		if err != nil {
			t.Errorf("Parse(%q): %v", c.in, err)
			continue
		}
		if r.Name != c.name || r.Tag != c.tag || string(r.Digest) != c.digest || r.Familiar() != c.familiar || r.Registry() != c.registry {
			t.Errorf("Parse(%q) = %+v, familiar %q, registry %q", c.in, r, r.Familiar(), r.Registry())
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, message, hint string }{
		{"", "empty", "looks like"},
		{":tag", "a part of the name is empty", "lower-case"},
		{"Nginx", `"Nginx" cannot be a part`, "names are lower-case: nginx"},
		{"a..b", `"a..b" cannot be`, "single dots"},
		{"a/-b", `"-b" cannot be`, ""},
		{"a//b", "empty", ""},
		{"a/", "empty", ""},
		{"a___b", "cannot be", ""},
		{"nginx:", "the tag is empty", ""},
		{"nginx:.x", `holds '.'`, "starts with no dot"},
		{"nginx:" + strings.Repeat("a", 129), "the tag has 129 bytes", ""},
		{"nginx@sha256:abc", "not a digest", "64"},
		{"nginx@" + sum + "@" + sum, "not a digest", ""},
		{"https://ghcr.io/a/b", "scheme", "ghcr.io/a/b"},
		{strings.Repeat("a", 256), "has 274 bytes", "255"},
		{strings.Repeat("a", 5000), "it has 5000 bytes", ""},
		{strings.Repeat("0", 64), "64 hex digits", ""},
		{"a.b:x/c", `"x" is not a port`, "host name"},
		{"-a.b/c", "not a registry", ""},
		{"[::1/x", "not a registry", "brackets"},
		{"a b", "cannot be", ""},
		{"a\x00b", "cannot be", ""},
		{"../../etc", "cannot be a part", ""},
	} {
		_, err := Parse(c.in)
		if err == nil {
			t.Errorf("Parse(%q) went well", c.in)
			continue
		}
		e := cairn.AsError(err)
		if e.Code != cairn.CodeInvalid || !strings.Contains(e.Message, c.message) || !strings.Contains(e.Hint, c.hint) {
			t.Errorf("Parse(%q): %s: %s (%s)", c.in, e.Code, e.Message, e.Hint)
		}
	}
}

func TestParseLocal(t *testing.T) {
	t.Parallel()
	own := []string{"127.0.0.1:7077"}
	for in, want := range map[string]string{
		"127.0.0.1:7077/api:x":       "api:x",
		"localhost:7077/team/api":    "team/api:latest",
		"[::1]:7077/api":             "api:latest",
		"localhost:7078/api":         "localhost:7078/api:latest",
		"127.0.0.1:7077/ghcr.io/a/b": "ghcr.io/a/b:latest",
		"api":                        "docker.io/library/api:latest",
	} {
		if r, err := ParseLocal(in, own); err != nil || r.String() != want {
			t.Errorf("ParseLocal(%q) = %q, %v; want %q", in, r.String(), err, want)
		}
	}
	if r, err := ParseOwn("api:main"); err != nil || r.String() != "api:main" || r.Registry() != "" {
		t.Errorf("ParseOwn: %v %v", r, err)
	}
}

func TestPath(t *testing.T) {
	t.Parallel()
	r, err := Parse("localhost:5000/a_1/b:x")
	if err != nil || r.Path() != "localhost_5000/a_1/b" || FromPath(r.Path()) != r.Name {
		t.Errorf("%v %q %q", err, r.Path(), FromPath(r.Path()))
	}
	for _, same := range []string{"a_1/b", "a", "ghcr.io/a_1", "x_5000"} {
		if got := FromPath(same); got != same {
			t.Errorf("FromPath(%q) = %q", same, got)
		}
	}
}

// FuzzParse holds that what is accepted reads the same again in both spellings,
// and compares with the library that pulls and pushes.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"nginx", "me/api:x", "ghcr.io/a/b@" + sum, "localhost:5000/x", "[::1]:1/x", "a__b/c--d", "UPPER/x", "127.0.0.1:7077/api", "a_1/b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := Parse(s)
		if err != nil {
			if cairn.CodeOf(err) != cairn.CodeInvalid || len(err.Error()) > 1000 {
				t.Fatalf("Parse(%q): %v", s, err)
			}
			return
		}
		for _, again := range []string{r.String(), r.Familiar()} {
			if b, err := Parse(again); err != nil || b != r {
				t.Fatalf("Parse(%q) = %+v; of %q: %+v, %v", s, r, again, b, err)
			}
		}
		if r.Registry() == "" || FromPath(r.Path()) != r.Name && !strings.HasPrefix(r.Name, "[") && strings.ContainsRune(r.Registry(), '.') {
			t.Fatalf("%+v: path %q, back %q", r, r.Path(), FromPath(r.Path()))
		}
		if _, err := ParseOwn(r.Repository()); err != nil && r.Digest == "" {
			t.Fatalf("ParseOwn(%q): %v", r.Repository(), err)
		}
	})
}

func TestAgreesWithClientLibrary(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"nginx", "nginx:1.27", "me/api:x", "ghcr.io/a/b", "localhost:5000/x/y:z", "ghcr.io/a/b@" + sum, "a..b/../c", "nginx:", "a b", "x@sha256:1"} {
		r, err := Parse(s)
		n, nerr := name.ParseReference(s)
		if (err == nil) != (nerr == nil) {
			// The library leaves separators to the registry; that is all it may differ in.
			if !strings.Contains(s, "..") && s != "nginx:" {
				t.Errorf("%q: we %v, the library %v", s, err, nerr)
			}
			continue
		}
		if err != nil {
			continue
		}
		theirs := strings.Replace(n.Context().Name(), "index.docker.io", "docker.io", 1)
		if theirs != r.Name {
			t.Errorf("%q: we %q, the library %q", s, r.Name, theirs)
		}
	}
}

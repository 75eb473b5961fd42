package host

import (
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner/runnertest"
)

func TestArtifactsFile(t *testing.T) {
	t.Parallel()
	image := "ghcr.io/a/b@sha256:" + strings.Repeat("AB", 32)
	in := run(t, runnertest.Spec(1,
		`cat "$GITHUB_ARTIFACTS_LIST"; printf x > model.bin; printf '# made\n\nmodel.bin\n`+image+`\n' > "$GITHUB_ARTIFACTS"`,
		`cat "$GITHUB_ARTIFACTS_LIST"; echo junk > "$GITHUB_ARTIFACTS_LIST"; echo "$GITHUB_WORKSPACE/model.bin" > "$GITHUB_ARTIFACTS"`,
		`cat "$GITHUB_ARTIFACTS_LIST"`))
	const file = "sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
	list := `{"version":1,"subjects":[{"name":"ghcr.io/a/b","digest":"sha256:` + strings.Repeat("ab", 32) + `","kind":"oci"},{"name":"model.bin","digest":"` + file + `","kind":"file"}]}` + "\n"
	if got := in.printed(2); !strings.HasPrefix(got, `{"version":1,"subjects":[]}`) || !strings.Contains(got, "Captured 2 artifact subject(s) from this step (job total: 2).") {
		t.Errorf("first: %q", got)
	}
	if a, b := in.printed(3), in.printed(4); a != list || b != list {
		t.Errorf("second %q, third %q, want %q", a, b, list)
	}
	if got := in.rows[2].Subjects; len(got) != 2 || got[0] != (cairn.Subject{Name: "model.bin", Digest: file, Kind: "file"}) {
		t.Errorf("%+v", got)
	}
	for line, want := range map[string]string{
		"a=b":                          "reserved",
		"ftp://x":                      "unsupported URI scheme",
		"file://":                      "must include a path",
		"oci://x":                      "must include an @sha",
		"oci://x@sha256:12":            "must be 64 hex characters, got 2",
		"missing":                      "does not exist",
		".":                            "is not a regular file",
		"ok\nmissing":                  "on line 2",
		"/etc/hostname\\n/etc/../nope": "does not exist",
	} {
		in := run(t, runnertest.Spec(1, `touch ok; printf '`+line+`\n' > "$GITHUB_ARTIFACTS"`))
		if in.end.Conclusion != cairn.Failure || !strings.Contains(in.log(2), want) || len(in.rows[2].Subjects) != 0 {
			t.Errorf("%q: %s\n%s", line, in.end.Conclusion, in.log(2))
		}
	}
	in = run(t, runnertest.Spec(1, `printf 1 > a; echo a > "$GITHUB_ARTIFACTS"`, `printf 2 > a; echo a > "$GITHUB_ARTIFACTS"`))
	if in.rows[3].Conclusion != cairn.Failure || !strings.Contains(in.log(3), "artifact 'a' was named before with the digest") {
		t.Errorf("%+v", in.rows[3])
	}
}

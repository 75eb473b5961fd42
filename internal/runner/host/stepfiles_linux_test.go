package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner/runnertest"
)

// The folder of the steps' files is seen in containers: links in it lead to no file of
// this host, neither to read it nor to write it.
func TestStepFilesStayInTheirFolder(t *testing.T) {
	t.Parallel()
	out := t.TempDir()
	secret := filepath.Join(out, "secret")
	if err := os.WriteFile(secret, []byte("SECRET=of-the-host\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	spec := runnertest.Spec(1, `for f in "$GITHUB_STEP_SUMMARY" "$GITHUB_ENV"; do rm "$f"; ln -s `+secret+` "$f"; done
ln -s `+out+` "$(dirname "$GITHUB_ENV")/../3"`, `echo "[$SECRET]"`)
	spec.Steps[1].If = "always()"
	in := run(t, spec)
	if in.end.Conclusion != cairn.Failure || strings.Contains(in.rows[2].Summary, "of-the-host") || strings.Contains(in.log(3), "of-the-host") {
		t.Errorf("%s: %q\n%s", in.end.Conclusion, in.rows[2].Summary, in.log(3))
	}
	entries, err := os.ReadDir(out)
	if err != nil || len(entries) != 1 {
		t.Errorf("%v %v", entries, err)
	}
	if b, err := os.ReadFile(secret); err != nil || string(b) != "SECRET=of-the-host\n" {
		t.Errorf("%q %v", b, err)
	}
}

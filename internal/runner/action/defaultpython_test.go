package action

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn/internal/runner/python"
)

func TestDefaultPython(t *testing.T) {
	t.Parallel()
	tools := fakeTools(t)
	bin := filepath.Join(tools.UserHome, "bin")
	if err := os.Symlink("python3.11", filepath.Join(bin, "python3")); err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	tools.Exe = exe
	r := New(Deps{Tools: tools})
	s := newServer()
	c, log := step(t, s, t.TempDir())
	c.Env["PATH"] = bin + ":/usr/bin:/bin"
	var masked []string
	c.Masked = func(v string) { masked = append(masked, v) }
	if err := r.Prepare(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if len(c.PathsAdded) != 2 || strings.Join(masked, "") != "s3cret-pass" || log.Len() != 0 {
		t.Errorf("%v %v %s", c.PathsAdded, masked, log)
	}
	if a, _ := r.Complete(c); a != nil {
		t.Fatal("there is nothing to record for a job that never called pip")
	}
	link := filepath.Join(c.Dirs.Temp, "_python", "default")
	cmd := exec.Command(exe, "_pip", "--make", link)
	cmd.Env = []string{"PATH=" + c.Env["PATH"]}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "Python 3.11.7") {
		t.Fatalf("%v %s", err, out)
	}
	if dir, _, ok := python.Default(link); !ok || filepath.Base(dir) != "default-3.11.7" {
		t.Fatal(dir)
	}
	a, name := r.Complete(c)
	if a == nil || name == "" {
		t.Fatal("nothing to record")
	}
	if err := a.Post(t.Context(), c); err != nil || s.env != "digits-build" || !strings.Contains(string(s.lock), `name = "six"`) {
		t.Errorf("%v %s %s", err, s.env, s.lock)
	}
}

package docker

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

// asUser runs this very test again as a user without root's rights who may use the
// engine, and reports whether this process is that one.
func asUser(t *testing.T) bool {
	t.Helper()
	if os.Getuid() != 0 {
		return true
	}
	e := real(t)
	socket := strings.TrimPrefix(e.Address, "unix://")
	fi, err := os.Stat(socket)
	if err != nil {
		t.Skip("the engine has no socket")
	}
	gid := fi.Sys().(*syscall.Stat_t).Gid
	dir, err := os.MkdirTemp("", "cairn-user")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chown(dir, 4321, 4321); err != nil {
		t.Fatal(err)
	}
	exe, _ := os.Executable()
	b, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "test")
	if err := os.WriteFile(program, b, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, "HOME="+dir, "DOCKER_HOST=unix://"+lend(t, dir, socket))
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 4321, Gid: 4321, Groups: []uint32{gid}}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("as another user: %v\n%s", err, out)
	}
	return false
}

// lend gives the other user a socket to the engine, whose own may lie where only
// root comes.
func lend(t *testing.T, dir, engine string) string {
	t.Helper()
	path := filepath.Join(dir, "engine.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if err := os.Chown(path, 4321, 4321); err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer in.Close()
				out, err := net.Dial("unix", engine)
				if err != nil {
					return
				}
				defer out.Close()
				done := make(chan struct{})
				go func() {
					_, _ = io.Copy(out, in)
					_ = out.(*net.UnixConn).CloseWrite()
					close(done)
				}()
				_, _ = io.Copy(in, out)
				_ = in.(*net.UnixConn).CloseWrite()
				<-done
			}()
		}
	}()
	return path
}

// foreignFiles lists what somebody else owns.
func foreignFiles(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	_ = filepath.Walk(dir, func(p string, fi os.FileInfo, err error) error {
		if err != nil {
			out = append(out, err.Error())
		} else if st := fi.Sys().(*syscall.Stat_t); int(st.Uid) != os.Getuid() {
			out = append(out, fmt.Sprintf("%s (%d)", p, st.Uid))
		}
		return nil
	})
	return out
}

// What containers make belongs to the user who runs the job.
func TestDockerFilesAreGivenBack(t *testing.T) {
	real(t)
	if !asUser(t) {
		return
	}
	e := real(t)
	image := box(t, e)
	t.Run("root", func(t *testing.T) {
		j := newJob(t)
		s := spec(image, "", `mkdir -p a/b; echo 1 > a/b/c; echo x=1 >> $GITHUB_OUTPUT; touch $HOME/h $RUNNER_TEMP/t; ln -s /etc/passwd a/link; id -u`, `cat a/b/c; echo ${{ steps.a.outputs.x }}`)
		s.Steps[0].ID = "a"
		j.run(t.Context(), s)
		if got := j.log(3) + j.log(4); j.end.Conclusion != cairn.Success || !strings.Contains(got, "\n0\n") || !strings.Contains(got, "\n1\n1\n") {
			t.Error(j.all())
		}
		if files := foreignFiles(t, j.owner.Home); len(files) > 0 {
			t.Errorf("not given back: %v", files)
		}
	})
	t.Run("user of the image", func(t *testing.T) {
		j := newJob(t)
		s := spec("", "", `echo hi > made; mkdir d; echo x=1 >> $GITHUB_OUTPUT; echo "A=b" >> $GITHUB_ENV; touch $HOME/h; id -u`, `echo "out ${{ steps.a.outputs.x }} $A $(cat made)"`)
		s.Container = cairn.Expr(`${{ fromJSON('{"image":"` + image + `","options":"--user 1234:1234"}') }}`)
		s.Steps[0].ID = "a"
		j.run(t.Context(), s)
		if got := j.log(3) + j.log(4); j.end.Conclusion != cairn.Success || !strings.Contains(got, "\n1234\n") || !strings.Contains(got, "out 1 b hi") {
			t.Error(j.all())
		}
		if files := foreignFiles(t, j.owner.Home); len(files) > 0 {
			t.Errorf("not given back: %v", files)
		}
	})
	t.Run("action", func(t *testing.T) {
		j := newJob(t)
		if err := os.WriteFile(filepath.Join(j.host.dirs.Files, "event.json"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		code, err := j.session.RunContainer(t.Context(), runner.ContainerProcess{
			Image: image, Entrypoint: "sh", Args: []string{"-c", "id -u; mkdir x; echo 1 > x/y"}, Stdout: &out, Stderr: &out,
		})
		if err != nil || code != 0 || out.String() != "0\n" {
			t.Errorf("%d %v %s", code, err, out.String())
		}
		if files := foreignFiles(t, j.owner.Home); len(files) > 0 {
			t.Errorf("not given back: %v", files)
		}
		if err := j.session.Stop(t.Context(), &out); err != nil {
			t.Error(err)
		}
	})
}

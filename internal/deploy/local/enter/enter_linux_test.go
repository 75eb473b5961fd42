package enter

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestMain lets the test binary be cairn and the program of the image too.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) > 1 && os.Args[1] == "_enter":
		os.Exit(Main(context.Background(), os.Args[2:], os.Environ(), os.Stderr))
	case filepath.Base(os.Args[0]) == "prog":
		prog()
	}
	os.Exit(m.Run())
}

// said is what the program in the image finds.
type said struct {
	UID, GID  int
	Groups    []int
	Dir, Home string
	Data      string
	Args      []string
	Errors    map[string]string
	Caps      string
	NewPrivs  string
	Root      []string
}

func prog() {
	if len(os.Args) > 1 && os.Args[1] == "kill" {
		_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
	}
	if len(os.Args) > 1 && os.Args[1] == "exit" {
		os.Exit(7)
	}
	if len(os.Args) > 1 && os.Args[1] == "import" {
		imports(os.Args[2:])
		os.Exit(0)
	}
	s := said{UID: os.Getuid(), GID: os.Getgid(), Home: os.Getenv("HOME"), Args: os.Args, Errors: map[string]string{}}
	s.Groups, _ = os.Getgroups()
	s.Dir, _ = os.Getwd()
	try := func(name string, err error) {
		s.Errors[name] = fmt.Sprint(err)
	}
	data, _ := os.ReadFile("/app/data.txt")
	s.Data = string(data)
	try("write", os.WriteFile("/app/data.txt", []byte("changed"), 0o644))
	try("remove", os.Remove("/app/gone.txt"))
	try("tmp", os.WriteFile("/tmp/x", []byte("x"), 0o644))
	try("null", os.WriteFile("/dev/null", []byte("x"), 0))
	try("shm", os.WriteFile("/dev/shm/x", []byte("x"), 0o600))
	try("sysctl", os.WriteFile("/proc/sys/vm/swappiness", []byte("60"), 0))
	try("mount", syscall.Mount("/app", "/etc", "", syscall.MS_BIND, ""))
	_, err := os.Stat("/etc/resolv.conf")
	try("resolv", err)
	f, err := os.Open("/dev/urandom")
	if err == nil {
		_, err = io.ReadFull(f, make([]byte, 8))
	}
	try("urandom", err)
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if v, ok := strings.CutPrefix(line, "CapEff:"); ok {
			s.Caps = strings.TrimSpace(v)
		}
		if v, ok := strings.CutPrefix(line, "NoNewPrivs:"); ok {
			s.NewPrivs = strings.TrimSpace(v)
		}
	}
	es, _ := os.ReadDir("/")
	for _, e := range es {
		s.Root = append(s.Root, e.Name())
	}
	_ = json.NewEncoder(os.Stdout).Encode(s)
	os.Exit(0)
}

const nobody = 65534

// world is a root to enter, a folder to write to, and a user to do it as.
type world struct {
	t    *testing.T
	dir  string
	uid  int
	spec Spec
}

// newWorld makes a tiny root; uid is who enters it.
func newWorld(t *testing.T, uid int) *world {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if f, err := elf.Open(self); err != nil {
		t.Fatal(err)
	} else {
		defer f.Close()
		for _, p := range f.Progs {
			if p.Type == elf.PT_INTERP {
				t.Skip("this test binary is linked dynamically: it cannot run in an empty root")
			}
		}
	}
	if uid != os.Geteuid() && os.Geteuid() != 0 {
		t.Skip("only root can be somebody else")
	}
	dir, err := os.MkdirTemp("", "cairn enter,:")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = RemoveAll(dir) })
	w := &world{t: t, dir: dir, uid: uid, spec: Spec{Roots: []string{filepath.Join(dir, "image")}, Scratch: filepath.Join(dir, "scratch"), Dir: "/app"}}
	b, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	w.file("bin/prog", string(b))
	w.file("bin/plain", "no program")
	if err := os.WriteFile(filepath.Join(dir, "cairn"), b, 0o755); err != nil {
		t.Fatal(err)
	}
	w.file("app/data.txt", "shared")
	w.file("app/gone.txt", "shared")
	w.file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\napi:x:1000:1001:API:/home/api:/bin/sh\n")
	w.file("etc/group", "root:x:0:\napi:x:1001:\nmodels:x:2000:api,other\n")
	w.file("bin/script", "#!/no/such/interpreter\n")
	w.file("bin/foreign", "\x7fELF no program of this machine")
	for _, p := range []string{"bin/prog", "bin/script", "bin/foreign"} {
		if err := os.Chmod(filepath.Join(w.spec.Roots[0], p), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// A link that leads outside, as base images have them.
	if err := os.Symlink("/run/systemd/resolve/stub-resolv.conf", filepath.Join(w.spec.Roots[0], "etc/resolv.conf")); err != nil {
		t.Fatal(err)
	}
	w.own()
	return w
}

func (w *world) file(name, text string) {
	w.t.Helper()
	p := filepath.Join(w.spec.Roots[0], name)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) own() {
	w.t.Helper()
	if w.uid == os.Geteuid() {
		return
	}
	err := filepath.WalkDir(w.dir, func(p string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(p, w.uid, w.uid)
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) text() []byte {
	w.t.Helper()
	b, err := json.Marshal(w.spec)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

func (w *world) enter(flags []string, env []string, argv ...string) (stdout, stderr string, code int) {
	w.t.Helper()
	file := filepath.Join(w.dir, "spec.json")
	w.record(file)
	args := append(append([]string{"_enter"}, flags...), file)
	if len(argv) > 0 {
		args = append(append(args, "--"), argv...)
	}
	cmd := exec.Command(filepath.Join(w.dir, "cairn"), args...)
	cmd.Dir = "/"
	cmd.Env = append([]string{"PATH=/usr/bin:/bin"}, env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if w.uid != os.Geteuid() {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(w.uid), Gid: uint32(w.uid)}}
	}
	_ = cmd.Run()
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// need skips where this machine does not let the user do it.
func (w *world) need() {
	w.t.Helper()
	if _, errs, code := w.enter([]string{"--probe"}, nil); code != 0 {
		if w.uid != 0 && strings.Contains(errs, "namespace") {
			w.t.Skip("user namespaces are off here: " + errs)
		}
		w.t.Fatal(errs)
	}
}

func users(t *testing.T, run func(t *testing.T, uid int)) {
	t.Helper()
	for _, uid := range []int{0, nobody} {
		t.Run(fmt.Sprint("uid ", uid), func(t *testing.T) {
			t.Parallel()
			run(t, uid)
		})
	}
}

func TestThePackedRootNeverChanges(t *testing.T) {
	t.Parallel()
	for _, write := range []string{"", "overlay", "copy"} {
		t.Run("write="+write, func(t *testing.T) {
			t.Parallel()
			users(t, func(t *testing.T, uid int) {
				w := newWorld(t, uid)
				w.spec.Write = write
				w.need()
				for range 2 { // a second start finds nothing of the first one
					out, errs, code := w.enter(nil, nil, "prog", "a b", "{}")
					if code != 0 {
						t.Fatalf("exit %d: %s", code, errs)
					}
					var s said
					if err := json.Unmarshal([]byte(out), &s); err != nil {
						t.Fatal(err, out)
					}
					for _, ok := range []string{"write", "remove", "tmp", "null", "shm", "resolv", "urandom"} {
						if s.Errors[ok] != "<nil>" {
							t.Errorf("%s: %s", ok, s.Errors[ok])
						}
					}
					for _, no := range []string{"sysctl", "mount"} {
						if s.Errors[no] == "<nil>" {
							t.Errorf("%s is possible", no)
						}
					}
					if s.UID != 0 || s.GID != 0 || s.Home != "/root" || s.Dir != "/app" || s.NewPrivs != "1" || len(s.Args) != 3 {
						t.Errorf("%+v", s)
					}
					if got := strings.Join(s.Root, " "); got != "app bin dev etc proc sys tmp" {
						t.Errorf("the root holds %s", got)
					}
				}
				for name, want := range map[string]string{"app/data.txt": "shared", "app/gone.txt": "shared"} {
					if b, err := os.ReadFile(filepath.Join(w.spec.Roots[0], name)); err != nil || string(b) != want {
						t.Errorf("%s of the shared root: %q, %v", name, b, err)
					}
				}
				if es, _ := os.ReadDir(w.spec.Roots[0]); len(es) != 3 {
					t.Errorf("the shared root holds %v", es)
				}
			})
		})
	}
}

func TestUserOfTheImage(t *testing.T) {
	t.Parallel()
	users(t, func(t *testing.T, uid int) {
		for _, c := range []struct {
			user     string
			uid, gid int
			home     string
		}{{"api", 1000, 1001, "/home/api"}, {"1000", 1000, 1001, "/home/api"}, {"1234", 1234, 0, "/"}, {"api:models", 1000, 2000, "/home/api"}, {"7:8", 7, 8, "/"}} {
			w := newWorld(t, uid)
			w.spec.User = c.user
			w.spec.Dir = "/srv/made here"
			w.need()
			out, errs, code := w.enter(nil, nil, "/bin/prog")
			if code != 0 {
				t.Fatalf("exit %d: %s", code, errs)
			}
			var s said
			if err := json.Unmarshal([]byte(out), &s); err != nil {
				t.Fatal(err)
			}
			if s.UID != c.uid || s.GID != c.gid || s.Home != c.home || s.Dir != "/srv/made here" || strings.Trim(s.Caps, "0") != "" {
				t.Errorf("%s: %+v", c.user, s)
			}
			if uid == 0 && c.user == "api" && (len(s.Groups) == 0 || s.Groups[len(s.Groups)-1] != 2000) {
				t.Errorf("groups of api: %v", s.Groups)
			}
		}
	})
}

func TestProgramsThatCannotStart(t *testing.T) {
	t.Parallel()
	users(t, func(t *testing.T, uid int) {
		w := newWorld(t, uid)
		w.need()
		for _, c := range []struct {
			argv []string
			code int
			want string
		}{
			{[]string{"uvicorn"}, 127, "uvicorn is not in the image: looked for in /usr/bin:/bin"},
			{[]string{"/no/such"}, 127, "/no/such is not in the image"},
			{[]string{"script"}, 127, "the interpreter or loader that it names is not in the image"},
			{[]string{"foreign"}, 126, "of another architecture"},
			{[]string{"plain"}, 126, "/bin/plain may not be executed by the image's user"},
			{[]string{"prog", "exit"}, 7, ""},
		} {
			_, errs, code := w.enter(nil, nil, c.argv...)
			if code != c.code || !strings.Contains(errs, c.want) {
				t.Errorf("%v: exit %d, %s", c.argv, code, errs)
			}
		}
		w.spec.User = "nobody-here"
		if _, errs, code := w.enter(nil, nil, "prog"); code != 125 || !strings.Contains(errs, `user "nobody-here" is not in its /etc/passwd`) {
			t.Errorf("exit %d, %s", code, errs)
		}
	})
}

// What lies above hides what lies below, and folders are merged, in both ways.
func TestFoldersAreLaidOverEachOther(t *testing.T) {
	t.Parallel()
	for _, write := range []string{"overlay", "copy"} {
		t.Run(write, func(t *testing.T) {
			t.Parallel()
			users(t, func(t *testing.T, uid int) {
				w := newWorld(t, uid)
				w.spec.Write = write
				top := filepath.Join(w.dir, "top")
				w.spec.Roots = []string{top, w.spec.Roots[0]}
				for name, text := range map[string]string{"app/data.txt": "above", "etc/passwd": "root:x:0:0::/above:\n"} {
					p := filepath.Join(top, name)
					if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				w.own()
				w.need()
				out, errs, code := w.enter(nil, nil, "/bin/prog")
				var s said
				if err := json.Unmarshal([]byte(out), &s); err != nil || code != 0 {
					t.Fatal(err, out, errs)
				}
				if s.Home != "/above" || s.Data != "above" || s.Errors["remove"] != "<nil>" {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

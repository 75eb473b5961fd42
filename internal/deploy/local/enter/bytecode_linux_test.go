package enter

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// imports does what Python does with compiled modules: one that says the time and
// size of its source is taken, else the source is compiled. It prints how each one
// was had, and what it says.
func imports(sources []string) {
	for _, source := range sources {
		name, text, written := strings.Cut(source, "=")
		if written { // by the program itself, with the time that all files have
			_ = os.WriteFile(name, []byte(text), 0o644)
			_ = os.Chtimes(name, time.Unix(0, 0), time.Unix(0, 0))
		}
		fi, err := os.Stat(name)
		if err != nil {
			fmt.Println(err)
			continue
		}
		module := BytecodeDir + strings.TrimSuffix(name, ".py") + ".cpython-311.pyc"
		head := binary.LittleEndian.AppendUint32([]byte("magc\x00\x00\x00\x00"), uint32(fi.ModTime().Unix()))
		head = binary.LittleEndian.AppendUint32(head, uint32(fi.Size()))
		if b, err := os.ReadFile(module); err == nil && string(b[:16]) == string(head) {
			fmt.Printf("%s taken %s\n", name, b[16:])
			continue
		}
		b, _ := os.ReadFile(name)
		err = os.MkdirAll(filepath.Dir(module), 0o755)
		if err == nil {
			err = os.WriteFile(module, append(head, b...), 0o644)
		}
		fmt.Printf("%s compiled %s %v\n", name, b, err)
	}
}

// oldest gives all files of a root the time that files of images have.
func (w *world) oldest() {
	w.t.Helper()
	for _, r := range w.spec.Roots {
		err := filepath.WalkDir(r, func(p string, d os.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				err = os.Chtimes(p, time.Unix(0, 0), time.Unix(0, 0))
			}
			return err
		})
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

// layer puts a folder with files over the root; "@" makes a link.
func (w *world) layer(name string, files map[string]string) string {
	w.t.Helper()
	dir := filepath.Join(w.dir, name)
	for f, text := range files {
		p := filepath.Join(dir, strings.TrimSuffix(f, "@"))
		err := os.MkdirAll(filepath.Dir(p), 0o755)
		if err == nil && strings.HasSuffix(f, "@") {
			err = os.Symlink(text, p)
		} else if err == nil {
			err = os.WriteFile(p, []byte(text), 0o644)
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
	return dir
}

func TestCompiledModulesOfEarlierStarts(t *testing.T) {
	t.Parallel()
	users(t, func(t *testing.T, uid int) {
		for _, user := range []string{"", "api"} {
			w := newWorld(t, uid)
			w.spec.User, w.spec.Bytecode = user, true
			base := w.spec.Roots[0]
			deps := w.layer("deps", map[string]string{"usr/lib/np.py": "np", "usr/lib/pd.py": "pd", "lib@": "usr/lib"})
			// The same size and time everywhere: only the content tells them apart.
			images := map[string][]string{
				"one": {w.layer("code1", map[string]string{"app/main.py": "x=1"}), deps, base},
				"two": {w.layer("code2", map[string]string{"app/main.py": "x=2", "usr/lib/pd.py": "PD"}), deps, base},
			}
			if err := os.Chmod(filepath.Join(base, "app"), 0o777); err != nil {
				t.Fatal(err)
			}
			stage := filepath.Join(w.dir, "stage")
			if err := os.Mkdir(stage, 0o777); err != nil {
				t.Fatal(err)
			}
			start := func(image, own string) string {
				t.Helper()
				w.spec.Roots, w.spec.Scratch = images[image], filepath.Join(stage, image)
				w.oldest()
				w.own()
				w.record(filepath.Join(stage, image+".json"))
				out, errs, code := w.enter(nil, nil, "/bin/prog", "import", "/app/main.py", "/lib/np.py", "/lib/pd.py", "/tmp/own.py="+own)
				if code != 0 {
					t.Fatalf("exit %d: %s", code, errs)
				}
				return out
			}
			w.need()
			for _, c := range []struct{ image, want string }{
				{"one", "/app/main.py compiled x=1 <nil>\n/lib/np.py compiled np <nil>\n/lib/pd.py compiled pd <nil>\n"},
				{"one", "/app/main.py taken x=1\n/lib/np.py taken np\n/lib/pd.py taken pd\n"},
				// What lies over a package, by another name of its folder, is seen too.
				{"two", "/app/main.py compiled x=2 <nil>\n/lib/np.py taken np\n/lib/pd.py compiled PD <nil>\n"},
				{"two", "/app/main.py taken x=2\n/lib/np.py taken np\n/lib/pd.py taken PD\n"},
				{"one", "/app/main.py taken x=1\n/lib/np.py taken np\n/lib/pd.py taken pd\n"},
			} {
				for _, own := range []string{"a", "b"} { // the first start of an image fills, the second finds
					want := c.want
					if own == "b" {
						want = strings.ReplaceAll(strings.ReplaceAll(want, "compiled", "taken"), " <nil>", "")
					}
					if got := start(c.image, own); got != want+"/tmp/own.py compiled "+own+" <nil>\n" {
						t.Fatalf("user %q: %s\nnot %s", user, got, want)
					}
				}
			}
		}
	})
}

// record writes the spec where those of a stage lie.
func (w *world) record(file string) {
	w.t.Helper()
	if err := os.WriteFile(file, w.text(), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// What a program left is never believed, followed or waited for.
func TestCompiledModulesThatAreNone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := &world{t: t, dir: dir}
	root := w.layer("root", map[string]string{"lib/a.py": "aa", "lib/b.py": "bb", "lib/c.py": "cc", "lib/d.py": "dd", "lib/e.py": "ee", "lib/f.py": "ff", "lib/g.py@": "a.py"})
	w.spec.Roots = []string{root}
	w.oldest()
	head := func(flags, at, size byte) string {
		return "magc" + string([]byte{flags, 0, 0, 0, at, 0, 0, 0, size, 0, 0, 0}) + "code"
	}
	secret := filepath.Join(dir, "secret")
	from := w.layer("from", map[string]string{
		"lib/a.cpython-311.pyc":           head(0, 0, 2),
		"lib/b.cpython-311.opt-1.pyc":     head(0, 0, 2),
		"lib/b.pypy310.pyc":               head(0, 0, 2),
		"lib/c.cpython-311.pyc":           head(1, 0, 2), // by its hash
		"lib/d.cpython-311.pyc":           head(0, 9, 2), // another time
		"lib/e.cpython-311.pyc":           head(0, 0, 3), // another size
		"lib/f.cpython-311.pyc@":          secret,
		"lib/g.cpython-311.pyc":           head(0, 0, 2), // its source is a link
		"lib/h.cpython-311.pyc":           head(0, 0, 2), // there is no source
		"lib/a.cpython-312.pyc":           "short",
		"lib/a.cpython-311.pyc.140737":    head(0, 0, 2),
		"lib/notes.txt":                   "x",
		"linked@":                         dir,
		"lib/../../from/x.cpython-38.pyc": head(0, 0, 2),
	})
	if err := os.WriteFile(secret, []byte(head(0, 0, 2)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(from, "lib/d.cpython-312.pyc"), 0o600); err != nil {
		t.Fatal(err)
	}
	to := w.layer("to", map[string]string{"mark": ""})
	m := modules{uid: -1, gid: -1, left: 1000}
	for at, r := range map[string]**os.Root{from: &m.from, to: &m.to} {
		var err error
		if *r, err = os.OpenRoot(at); err != nil {
			t.Fatal(err)
		}
		defer (*r).Close()
	}
	var err error
	if m.is, err = (Stack{root}).Open(); err != nil {
		t.Fatal(err)
	}
	defer m.is.Close()
	m.was = m.is
	if err := m.folder(".", 0); err != nil {
		t.Fatal(err)
	}
	var got []string
	_ = filepath.WalkDir(to, func(p string, d os.DirEntry, _ error) error {
		if !d.IsDir() {
			got = append(got, d.Name())
		}
		return nil
	})
	if want := "a.cpython-311.pyc b.cpython-311.opt-1.pyc b.pypy310.pyc mark"; strings.Join(got, " ") != want {
		t.Errorf("taken: %v, not %s", got, want)
	}
	m.left = 3
	if err := m.folder(".", 0); err != errEnough {
		t.Errorf("more than is looked at: %v", err)
	}
	if fi, err := os.Stat(filepath.Join(to, "lib")); err != nil || fi.Sys().(*syscall.Stat_t).Uid != uint32(os.Geteuid()) {
		t.Errorf("%v, %v", fi, err)
	}
}

package enter

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn/internal/proc"
	"golang.org/x/sys/unix"
)

// Images hold no compiled modules, so that their layers are the same wherever they
// are built, and for a program with many packages compiling is most of its start.
// So each start has a folder for compiled modules of its own, and gets what an
// earlier one on its stage left. Python tells by time and size whether a module was
// compiled from the source that is there, which says nothing here: all files of an
// image have the same time. A module is therefore taken only where both images have
// the very same file of the same unpacked layers as its source, and it says that it
// was compiled from that. Sources that a program wrote itself have no part in this.

// The bounds of what is taken: a program may have written anything.
const (
	maxModules    = 50_000 // entries that are looked at
	maxModuleDeep = 64
)

// compiled makes the folder for compiled modules of this start and fills it.
func (s *Spec) compiled(own string, user Account, rootless bool) error {
	dir := s.bytecode(own)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	m := modules{uid: -1, gid: -1, left: maxModules}
	if !rootless {
		m.uid, m.gid = user.UID, user.GID
	}
	var err error
	if m.to, err = os.OpenRoot(dir); err != nil {
		return err
	}
	defer m.to.Close()
	if err := m.owned("."); err != nil {
		return err
	}
	old, from := s.earlier(own)
	if from == "" {
		return nil
	}
	if m.from, err = os.OpenRoot(from); err != nil {
		return nil // it was of a start that ended, and is cleaned up
	}
	defer m.from.Close()
	if m.is, err = Stack(s.Roots).Open(); err != nil {
		return err
	}
	defer m.is.Close()
	if m.was, err = old.Open(); err != nil {
		return err
	}
	defer m.was.Close()
	_ = m.folder(".", 0) // without them, or some, the program starts later, and that is all
	return nil
}

// bytecode is the folder in that of a start. It has the name of the machine's run:
// Python does not wait for the disk, and what a crash cut short it cannot read.
func (s *Spec) bytecode(own string) string {
	id := proc.BootID()
	if len(id) < 8 {
		return filepath.Join(own, "bytecode")
	}
	return filepath.Join(own, "bytecode-"+id[:8])
}

// earlier finds the start on the same stage that has the most layers in common with
// this one, of those the newest, and the image that it was of.
func (s *Spec) earlier(own string) (old Stack, dir string) {
	files, _ := filepath.Glob(filepath.Join(filepath.Dir(s.Scratch), "*.json"))
	var shared int
	var newest int64
	for _, file := range files {
		o, err := readSpec(file)
		if err != nil || !o.Bytecode {
			continue // of another way to serve
		}
		n := 0
		for _, r := range o.Roots {
			if slices.Contains(s.Roots, r) {
				n++
			}
		}
		starts, _ := os.ReadDir(o.Scratch)
		for _, e := range starts {
			at := filepath.Join(o.Scratch, e.Name())
			fi, err := os.Lstat(o.bytecode(at))
			if at == own || err != nil || !fi.IsDir() || n == 0 {
				continue
			}
			start, err := e.Info()
			if err != nil {
				continue
			}
			when := start.ModTime().UnixNano()
			if cmp.Or(cmp.Compare(n, shared), cmp.Compare(when, newest)) > 0 {
				old, dir, shared, newest = o.Roots, o.bytecode(at), n, when
			}
		}
	}
	return old, dir
}

// modules takes compiled modules from one folder to another.
type modules struct {
	from, to *os.Root
	was, is  View // the images that they are of
	uid, gid int  // of what is made; -1: as it is
	left     int
}

var errEnough = errors.New("there is too much of it")

// folder takes what is in a folder, which stands for one with sources.
func (m *modules) folder(dir string, deep int) error {
	// The program may still run and change what is here: nothing of it is followed
	// or waited for.
	d, err := m.from.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil
	}
	defer d.Close()
	var source *sources
	for {
		es, err := d.ReadDir(256)
		for _, e := range es {
			name := path.Join(dir, e.Name())
			if m.left--; m.left < 0 || deep > maxModuleDeep {
				return errEnough
			}
			if e.IsDir() {
				if err := m.folder(name, deep+1); err != nil {
					return err
				}
				continue
			}
			of, ok := sourceOf(e.Name())
			if !ok || !e.Type().IsRegular() {
				continue
			}
			if source == nil {
				source = m.sources(dir)
				defer source.close()
				if err := m.make(dir); err != nil {
					return err
				}
			}
			if fi := source.same(of); fi != nil {
				if err := m.take(name, fi); err != nil {
					return err
				}
			}
		}
		if err != nil {
			return nil
		}
	}
}

var moduleRE = regexp.MustCompile(`^([^.]+)\.[a-z]+-?[0-9]+[a-z0-9_-]*(\.opt-[12])?\.pyc$`)

// sourceOf names the source of main.cpython-311.pyc: main.py.
func sourceOf(name string) (string, bool) {
	p := moduleRE.FindStringSubmatch(name)
	if p == nil {
		return "", false
	}
	return p[1] + ".py", true
}

// take links a module that was compiled from a source as it is in the image. Python
// never changes one: it puts another in its place.
func (m *modules) take(name string, source fs.FileInfo) error {
	f, err := m.from.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil || !fi.Mode().IsRegular() {
		return nil
	}
	var b [16]byte // magic 4, flags 4 (0: by time and size), time 4, size 4
	if _, err := io.ReadFull(f, b[:]); err != nil || binary.LittleEndian.Uint32(b[4:]) != 0 ||
		binary.LittleEndian.Uint32(b[8:]) != uint32(source.ModTime().Unix()) || binary.LittleEndian.Uint32(b[12:]) != uint32(source.Size()) {
		return nil
	}
	// By its descriptor: what has its name may be another file by now. Nobody else
	// is in the new folder yet.
	return unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", f.Fd()), unix.AT_FDCWD, filepath.Join(m.to.Name(), name), unix.AT_SYMLINK_FOLLOW)
}

// make makes a folder and those above it.
func (m *modules) make(dir string) error {
	if err := m.to.Mkdir(dir, 0o755); dir == "." || errors.Is(err, fs.ErrExist) {
		return nil
	} else if errors.Is(err, fs.ErrNotExist) {
		if err := m.make(path.Dir(dir)); err != nil {
			return err
		}
		if err := m.to.Mkdir(dir, 0o755); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	return m.owned(dir)
}

func (m *modules) owned(name string) error {
	if m.uid < 0 {
		return nil
	}
	return m.to.Lchown(name, m.uid, m.gid)
}

// sources are the folders of both images in which the sources of one folder of
// compiled modules lie, the topmost first.
type sources struct{ was, is []*os.Root }

func (m *modules) sources(dir string) *sources {
	at, err := m.is.Resolve(dir)
	before, err2 := m.was.Resolve(dir)
	if err != nil || err2 != nil || at != before {
		return &sources{}
	}
	open := func(v View) (out []*os.Root) {
		for _, r := range v {
			if sub, err := r.OpenRoot(at); err == nil {
				out = append(out, sub)
			}
		}
		return out
	}
	return &sources{was: open(m.was), is: open(m.is)}
}

func (s *sources) close() {
	View(s.was).Close()
	View(s.is).Close()
}

// same is a source that is the same file in both images; nil where it is not.
func (s *sources) same(name string) fs.FileInfo {
	is, _, err := View(s.is).Lstat(name)
	was, _, err2 := View(s.was).Lstat(name)
	if err != nil || err2 != nil || !is.Mode().IsRegular() || !os.SameFile(is, was) {
		return nil
	}
	return is
}

// mountBytecode puts the folder for compiled modules where the program looks for it.
func (s *Spec) mountBytecode(own, root string) error {
	at := filepath.Join(root, strings.TrimPrefix(BytecodeDir, "/"))
	if err := unix.Mount(s.bytecode(own), at, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("no %s: %w", BytecodeDir, err)
	}
	// Not possible everywhere for a user, and what is there is the program's own.
	_ = unix.Mount("", at, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_NODEV|unix.MS_NOSUID|unix.MS_NOEXEC, "")
	return nil
}

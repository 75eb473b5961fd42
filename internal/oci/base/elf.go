package base

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// resolver finds shared libraries as the dynamic loader does, without running
// anything: a program that is asked with ldd runs.
type resolver struct {
	machine elf.Machine
	class   elf.Class
	cache   map[string][]string // of /etc/ld.so.cache
	// defaults are the folders that the loader knows without a cache, resolved.
	defaults []string
	// home is the folder of the C library: the loader looks there in the image too.
	home string
	// mainPaths are the program's own RPATH, which its libraries inherit.
	mainPaths []string
	interp    string
}

func newResolver(py *interpreter) (*resolver, error) {
	f, err := elf.Open(py.Executable)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeFailed, "%s is no program of this machine: %w", py.Executable, err)
	}
	defer f.Close()
	r := &resolver{machine: f.Machine, class: f.Class}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP && p.Filesz < 4096 {
			b, err := io.ReadAll(p.Open())
			if err != nil {
				return nil, cairn.Errorf(cairn.CodeFailed, "%s cannot be read: %w", py.Executable, err)
			}
			r.interp = string(bytes.TrimRight(b, "\x00"))
		}
	}
	r.cache = readCache("/etc/ld.so.cache")
	dirs := []string{"/lib", "/usr/lib", "/lib64", "/usr/lib64"}
	if py.MultiArch != "" {
		dirs = append([]string{"/lib/" + py.MultiArch, "/usr/lib/" + py.MultiArch}, dirs...)
	}
	for _, d := range dirs {
		if real, err := filepath.EvalSymlinks(d); err == nil && !slices.Contains(r.defaults, real) {
			r.defaults = append(r.defaults, real)
		}
	}
	if r.interp != "" {
		libc, err := r.find("libc.so.6", nil)
		if err != nil {
			if libc, err = filepath.EvalSymlinks(r.interp); err != nil { // musl's loader is its library
				return nil, cairn.Errorf(cairn.CodeFailed, "the C library of this machine is not found: %w", err)
			}
		}
		if real, err := filepath.EvalSymlinks(filepath.Dir(libc)); err == nil {
			r.home = real
		}
	}
	return r, nil
}

// needs are what a library names, and where it says they are.
type needs struct {
	names          []string
	rpath, runpath []string
}

func (r *resolver) read(file string) (needs, error) {
	f, err := elf.Open(file)
	if err != nil {
		return needs{}, cairn.Errorf(cairn.CodeFailed, "%s cannot be read as a library: %w", file, err)
	}
	defer f.Close()
	var n needs
	if n.names, err = f.ImportedLibraries(); err != nil {
		return needs{}, cairn.Errorf(cairn.CodeFailed, "%s cannot be read as a library: %w", file, err)
	}
	real, err := filepath.EvalSymlinks(file)
	if err != nil {
		real = file
	}
	for tag, to := range map[elf.DynTag]*[]string{elf.DT_RPATH: &n.rpath, elf.DT_RUNPATH: &n.runpath} {
		vs, err := f.DynString(tag)
		if err != nil {
			continue // no dynamic section: a static program
		}
		for _, v := range vs {
			for d := range strings.SplitSeq(v, ":") {
				d = strings.NewReplacer("${ORIGIN}", filepath.Dir(real), "$ORIGIN", filepath.Dir(real), "${LIB}", "lib", "$LIB", "lib").Replace(d)
				if filepath.IsAbs(d) {
					*to = append(*to, filepath.Clean(d))
				}
			}
		}
	}
	return n, nil
}

var errNotFound = errors.New("not found")

// find looks in the folders that the library names, then in the cache, then in
// the usual folders. A library for another machine is passed over.
func (r *resolver) find(name string, dirs []string) (string, error) {
	if strings.Contains(name, "/") {
		if r.fits(name) {
			return name, nil
		}
		return "", errNotFound
	}
	for _, d := range dirs {
		if p := filepath.Join(d, name); r.fits(p) {
			return p, nil
		}
	}
	for _, p := range r.cache[name] {
		if r.fits(p) {
			return p, nil
		}
	}
	for _, d := range r.defaults {
		if p := filepath.Join(d, name); r.fits(p) {
			return p, nil
		}
	}
	return "", errNotFound
}

func (r *resolver) fits(p string) bool {
	f, err := elf.Open(p)
	if err != nil {
		return false
	}
	defer f.Close()
	return f.Machine == r.machine && f.Class == r.class
}

// libraries adds what a program or library loads, and what that loads.
// inherited is the RPATH of whoever loads it.
func (c *capture) libraries(file string, inherited []string) error {
	n, err := c.elf.read(file)
	if err != nil {
		return err
	}
	// RUNPATH is for the library itself; RPATH, where there is none, for all below.
	dirs := n.runpath
	if len(n.runpath) == 0 {
		inherited = append(slices.Clone(n.rpath), inherited...)
		dirs = inherited
	}
	if file == c.py.Executable {
		c.elf.mainPaths = inherited
	}
	for _, name := range n.names {
		p, err := c.elf.find(name, dirs)
		if err != nil {
			if file == c.py.Executable {
				return cairn.Errorf(cairn.CodeFailed, "%s needs the library %s, which is not on this machine", file, name)
			}
			c.note("%s needs %s, which is not on this machine", filepath.Base(file), name)
			continue
		}
		if err := c.addLibrary(p, name, inherited); err != nil {
			return err
		}
	}
	return nil
}

// addLibrary puts a library where the loader finds it in the image, which has no
// cache: one of the usual folders stays there, one of the interpreter's own moves
// with it, any other goes beside the C library.
func (c *capture) addLibrary(p, name string, inherited []string) error {
	if _, done := c.host[p]; done {
		return nil
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(p))
	if err != nil {
		return cairn.Errorf(cairn.CodeFailed, "%s cannot be captured: %w", p, err)
	}
	inside, ok := c.py.below(filepath.Join(dir, filepath.Base(p)))
	switch {
	case slices.Contains(c.elf.defaults, dir):
		c.host[p] = strings.TrimPrefix(p, "/")
		err = c.asIs(p)
	case ok && c.py.moved() && c.elf.relative(c.py.Executable):
		c.host[p] = inside
		err = c.file(inside, p)
	default:
		at := path.Join(strings.TrimPrefix(c.elf.home, "/"), path.Base(name))
		c.host[p] = at
		if _, there := c.files[at]; !there {
			err = c.file(at, p)
		}
	}
	if err != nil {
		return err
	}
	return c.libraries(p, inherited)
}

// relative reports whether a program finds its libraries relative to itself, so
// that they are found wherever both are put.
func (r *resolver) relative(program string) bool {
	f, err := elf.Open(program)
	if err != nil {
		return false
	}
	defer f.Close()
	for _, tag := range []elf.DynTag{elf.DT_RPATH, elf.DT_RUNPATH} {
		vs, err := f.DynString(tag)
		if err == nil && strings.Contains(strings.Join(vs, ":"), "ORIGIN") {
			return true
		}
	}
	return false
}

// The format of ld.so.cache since glibc 2.2; an older part may stand before it.
const (
	cacheMagic    = "glibc-ld.so.cache1.1"
	oldCacheMagic = "ld.so-1.7.0\x00"
	maxCache      = 64 << 20
)

// readCache reads which file serves a name. A cache that cannot be read is taken
// for an empty one: the usual folders are looked through anyway.
func readCache(file string) map[string][]string {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxCache))
	if err != nil {
		return nil
	}
	return parseCache(b)
}

func parseCache(b []byte) map[string][]string {
	if bytes.HasPrefix(b, []byte(oldCacheMagic)) {
		i := bytes.Index(b, []byte(cacheMagic))
		if i < 0 {
			return nil
		}
		b = b[i:]
	}
	const head, entry = 48, 24
	if !bytes.HasPrefix(b, []byte(cacheMagic)) || len(b) < head {
		return nil
	}
	n := int(binary.NativeEndian.Uint32(b[20:]))
	if n > (len(b)-head)/entry {
		return nil
	}
	text := func(off uint32) string {
		if int64(off) >= int64(len(b)) {
			return ""
		}
		s := b[off:]
		if i := bytes.IndexByte(s, 0); i >= 0 && i < 4096 {
			return string(s[:i])
		}
		return ""
	}
	out := make(map[string][]string, n)
	for i := range n {
		e := b[head+i*entry:]
		if binary.NativeEndian.Uint64(e[16:]) != 0 {
			continue // for newer processors than the image may run on
		}
		name, p := text(binary.NativeEndian.Uint32(e[4:])), text(binary.NativeEndian.Uint32(e[8:]))
		if name != "" && filepath.IsAbs(p) {
			out[name] = append(out[name], p)
		}
	}
	return out
}

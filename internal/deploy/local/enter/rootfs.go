package enter

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
)

const maxLinks = 40

// Stack are the folders of an unpacked image that are laid over each other, the
// topmost first.
type Stack []string

// View is a Stack that is looked into.
type View []*os.Root

// Open opens the folders; Close lets go of them.
func (s Stack) Open() (View, error) {
	var v View
	for _, dir := range s {
		r, err := os.OpenRoot(dir)
		if err != nil {
			v.Close()
			return nil, err
		}
		v = append(v, r)
	}
	return v, nil
}

// Close closes the folders.
func (v View) Close() {
	for _, r := range v {
		r.Close()
	}
}

// Lstat looks at what lies topmost, and in which folder.
func (v View) Lstat(name string) (fs.FileInfo, *os.Root, error) {
	err := error(fs.ErrNotExist)
	for _, r := range v {
		var fi fs.FileInfo
		if fi, err = r.Lstat(name); err == nil {
			return fi, r, nil
		}
	}
	return nil, nil, err
}

// Resolve follows a path in an unpacked image as a process inside would: links
// that begin with a slash start at the image's root, and none leads out. What it
// returns is relative to the root and holds no link.
func (v View) Resolve(name string) (string, error) {
	at := "."
	rest := strings.Split(path.Clean("/"+name), "/")
	for links := 0; len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			at = path.Dir(at)
			continue
		}
		next := path.Join(at, part)
		fi, r, err := v.Lstat(next)
		if err != nil {
			return "", err
		}
		if fi.Mode()&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		if links++; links > maxLinks {
			return "", errors.New("too many links")
		}
		to, err := r.Readlink(next)
		if err != nil {
			return "", err
		}
		if strings.HasPrefix(to, "/") {
			at = "."
		}
		rest = append(strings.Split(to, "/"), rest...)
	}
	return at, nil
}

// List are the entries of a folder.
func (v View) List(dir string) []fs.DirEntry {
	var out []fs.DirEntry
	for _, r := range v {
		es, _ := fs.ReadDir(r.FS(), dir) // mostly it is in one of them
		out = append(out, es...)
	}
	return out
}

// Executable reports whether a path of an image is a program.
func (s Stack) Executable(name string) bool {
	v, err := s.Open()
	if err != nil {
		return false
	}
	defer v.Close()
	p, err := v.Resolve(name)
	if err != nil {
		return false
	}
	fi, _, err := v.Lstat(p)
	return err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0
}

// Programs lists what lies on a PATH of an image.
func (s Stack) Programs(list string) []string {
	v, err := s.Open()
	if err != nil {
		return nil
	}
	defer v.Close()
	var out []string
	for dir := range strings.SplitSeq(list, ":") {
		p, err := v.Resolve(dir)
		if err != nil {
			continue
		}
		for _, e := range v.List(p) {
			out = append(out, e.Name())
		}
	}
	return out
}

package local

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
)

const maxLinks = 40

// stack are the folders of an image that are laid over each other, the topmost
// first.
type stack []string

// view is a stack that is looked into.
type view []*os.Root

func (s stack) open() (view, error) {
	var v view
	for _, dir := range s {
		r, err := os.OpenRoot(dir)
		if err != nil {
			v.close()
			return nil, err
		}
		v = append(v, r)
	}
	return v, nil
}

func (v view) close() {
	for _, r := range v {
		r.Close()
	}
}

// lstat looks at what lies topmost, and in which folder.
func (v view) lstat(name string) (fs.FileInfo, *os.Root, error) {
	err := error(fs.ErrNotExist)
	for _, r := range v {
		var fi fs.FileInfo
		if fi, err = r.Lstat(name); err == nil {
			return fi, r, nil
		}
	}
	return nil, nil, err
}

// resolve follows a path in an unpacked image as a process inside would: links
// that begin with a slash start at the image's root, and none leads out. What it
// returns is relative to the root and holds no link.
func (v view) resolve(name string) (string, error) {
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
		fi, r, err := v.lstat(next)
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

// list are the entries of a folder.
func (v view) list(dir string) []fs.DirEntry {
	var out []fs.DirEntry
	for _, r := range v {
		es, _ := fs.ReadDir(r.FS(), dir) // mostly it is in one of them
		out = append(out, es...)
	}
	return out
}

// executable reports whether a path of an image is a program.
func (s stack) executable(name string) bool {
	v, err := s.open()
	if err != nil {
		return false
	}
	defer v.close()
	p, err := v.resolve(name)
	if err != nil {
		return false
	}
	fi, _, err := v.lstat(p)
	return err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0
}

// programs lists what lies on a PATH of an image.
func (s stack) programs(list string) []string {
	v, err := s.open()
	if err != nil {
		return nil
	}
	defer v.close()
	var out []string
	for dir := range strings.SplitSeq(list, ":") {
		p, err := v.resolve(dir)
		if err != nil {
			continue
		}
		for _, e := range v.list(p) {
			out = append(out, e.Name())
		}
	}
	return out
}

package local

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
)

const maxLinks = 40

// resolve follows a path in an unpacked image as a process inside would: links
// that begin with a slash start at the image's root, and none leads out. What it
// returns is relative to the root and holds no link.
func resolve(root *os.Root, name string) (string, error) {
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
		fi, err := root.Lstat(next)
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
		to, err := root.Readlink(next)
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

// executable reports whether a path of an image is a program.
func executable(root, name string) bool {
	r, err := os.OpenRoot(root)
	if err != nil {
		return false
	}
	defer r.Close()
	p, err := resolve(r, name)
	if err != nil {
		return false
	}
	fi, err := r.Lstat(p)
	return err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0
}

// programs lists what lies on a PATH of an image.
func programs(root, list string) []string {
	r, err := os.OpenRoot(root)
	if err != nil {
		return nil
	}
	defer r.Close()
	var out []string
	for dir := range strings.SplitSeq(list, ":") {
		p, err := resolve(r, dir)
		if err != nil {
			continue
		}
		es, _ := fs.ReadDir(r.FS(), p)
		for _, e := range es {
			out = append(out, e.Name())
		}
	}
	return out
}

package layer

import (
	"errors"
	"io/fs"
	"path"
	"strings"
)

// resolve follows the links on the way to a folder inside the root. Parts that
// are not there are made, or the result is missing.
func (a *applier) resolve(dir string, make bool) (string, error) {
	if dir == "" {
		return "", nil
	}
	todo := strings.Split(dir, "/")
	var done []string
	links := 0
	for len(todo) > 0 {
		part := todo[0]
		todo = todo[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			if len(done) > 0 { // above the root is the root
				done = done[:len(done)-1]
			}
			continue
		}
		p := strings.Join(append(done[:len(done):len(done)], part), "/")
		fi, err := a.root.Lstat(p)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if !make {
				return missing, nil
			}
			if err := a.root.Mkdir(p, 0o755); err != nil {
				return "", applyError(dir, err)
			}
			a.mark(p)
			done = append(done, part)
		case err != nil:
			return "", applyError(dir, err)
		case fi.IsDir():
			done = append(done, part)
		case fi.Mode()&fs.ModeSymlink != 0:
			if links++; links > maxLinks {
				return "", badLayer("the links on the way to %q go round in a circle", clip(dir))
			}
			target, err := a.root.Readlink(p)
			if err != nil {
				return "", applyError(dir, err)
			}
			if path.IsAbs(target) {
				done = done[:0]
			}
			todo = append(strings.Split(target, "/"), todo...)
			if len(todo) > maxPath {
				return "", badLayer("the links on the way to %q lead nowhere", clip(dir))
			}
		default:
			if !make {
				return missing, nil
			}
			// A lower layer's file where this layer has a folder without an entry of its own.
			if err := a.root.RemoveAll(p); err != nil {
				return "", applyError(dir, err)
			}
			todo = append([]string{part}, todo...)
		}
	}
	return strings.Join(done, "/"), nil
}

// whiteout removes what layers below put there.
func (a *applier) whiteout(dir, base string) error {
	opaque := base == whiteoutOpaque
	if strings.HasPrefix(base, whiteoutMetaPrefix) && !opaque {
		return nil
	}
	there, err := a.enter(dir, false)
	if err != nil || !there {
		return err
	}
	if opaque {
		err = a.removeLower(a.dir)
	} else {
		target := strings.TrimPrefix(base, whiteoutPrefix)
		if target == "" || target == "." || target == ".." {
			return badLayer("%q removes nothing that has a name", clip(join(dir, base)))
		}
		err = a.removeOne(join(a.dir, target))
	}
	a.leave()
	if err != nil {
		return applyError(dir, err)
	}
	return nil
}

// removeOne removes a path, but not what this layer made below it.
func (a *applier) removeOne(p string) error {
	fi, err := a.root.Lstat(p)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if a.made[p] {
		if fi.IsDir() {
			return a.removeLower(p)
		}
		return nil
	}
	if fi.IsDir() {
		a.folders.forget(p)
	}
	return a.root.RemoveAll(p)
}

// removeLower empties a folder of what this layer did not make.
func (a *applier) removeLower(dir string) error {
	name := dir
	if name == "" {
		name = "."
	}
	f, err := a.root.Open(name)
	if err != nil {
		return err
	}
	names, err := f.Readdirnames(-1)
	f.Close()
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := a.removeOne(join(dir, n)); err != nil {
			return err
		}
	}
	return nil
}

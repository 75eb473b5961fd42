// Package modules writes Python modules that this binary holds to where jobs find them.
package modules

import (
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/cairn-ml/cairn"
)

// Set is modules by their slash-separated path.
type Set map[string][]byte

// Read takes the .py files below a folder; what an interpreter left beside them is not taken.
func Read(files fs.FS, root string) (Set, error) {
	below, err := fs.Sub(files, root)
	if err != nil {
		return nil, err
	}
	out := Set{}
	err = fs.WalkDir(below, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(p) != ".py" {
			return err
		}
		b, err := fs.ReadFile(below, p)
		out[p] = b
		return err
	})
	return out, err
}

// Digest names what the modules are.
func (s Set) Digest() cairn.Digest {
	var all []byte
	for _, name := range slices.Sorted(maps.Keys(s)) {
		all = append(append(append(append(all, name...), 0), s[name]...), 0)
	}
	return cairn.SumBytes(all)
}

// Write writes them into a folder.
func (s Set) Write(dir string) error {
	for name, b := range s {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(p, b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Install writes them below dir, unless they are there already, and returns the folder for
// the import path. Its name carries their digest, so that jobs of another Cairn keep their
// own.
func (s Set) Install(dir, prefix string) (string, error) {
	target := filepath.Join(dir, prefix+"-"+s.Digest().Short())
	if _, err := os.Stat(target); err == nil {
		return target, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	temp, err := os.MkdirTemp(dir, prefix+"-new-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp)
	if err := s.Write(temp); err != nil {
		return "", err
	}
	if err := os.Chmod(temp, 0o755); err != nil {
		return "", err
	}
	// Somebody else may have been quicker: what they wrote is the same.
	if err := os.Rename(temp, target); err != nil {
		if _, serr := os.Stat(target); serr != nil {
			return "", err
		}
	}
	return target, nil
}

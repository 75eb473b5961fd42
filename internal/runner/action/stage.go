package action

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

// relativeTo makes absolute files relative to root, with slashes.
func relativeTo(root string, files []string) ([]string, error) {
	out := make([]string, len(files))
	for i, f := range files {
		rel, err := filepath.Rel(root, f)
		if err != nil {
			return nil, cairn.Errorf(cairn.CodeInternal, "%s is not below %s: %w", f, root, err)
		}
		out[i] = filepath.ToSlash(rel)
	}
	return out, nil
}

// throughLink reports whether a file is a link or lies in a linked folder
// below root.
func throughLink(root, rel string) bool {
	for p := rel; p != "." && p != "/"; p = filepath.Dir(p) {
		if fi, err := os.Lstat(filepath.Join(root, p)); err == nil && fi.Mode()&os.ModeSymlink != 0 {
			return true
		}
	}
	return false
}

// stage copies files into a folder, so that links become what they point to.
func stage(c *runner.StepContext, root string, rels []string, dir string) error {
	for _, rel := range rels {
		from, to := filepath.Join(root, rel), filepath.Join(dir, rel)
		if c.InContainer {
			if err := copyShared(c, from, to); err != nil {
				return err
			}
			continue
		}
		if err := copyFile(from, to); err != nil {
			return cairn.Errorf(cairn.CodeFailed, "%s cannot be copied: %w", rel, err)
		}
	}
	return nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	return copyOpen(in, to)
}

func copyOpen(in *os.File, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	if fi, err := in.Stat(); err == nil && fi.Mode()&0o111 != 0 {
		mode = 0o755
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in) // a reflink where the file system has them
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	return err
}

// replaceFile writes a whole file, whatever was there.
func replaceFile(path string, b []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // made for its owner alone
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Chmod(mode), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

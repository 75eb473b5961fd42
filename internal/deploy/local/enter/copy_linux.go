package enter

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// copyTree copies a tree over what is there, by sharing blocks where the file system can do that.
func copyTree(from, to string) error {
	owners := os.Geteuid() == 0
	type folder struct {
		path string
		mode fs.FileMode
	}
	var folders []folder
	err := filepath.WalkDir(from, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, p)
		if err != nil {
			return err
		}
		dst := filepath.Join(to, rel)
		fi, err := d.Info()
		if err != nil {
			return err
		}
		// What lies above replaces what lies below; folders are merged.
		if old, err := os.Lstat(dst); err == nil && rel != "." && !(old.IsDir() && d.IsDir()) {
			if err := RemoveAll(dst); err != nil {
				return err
			}
		}
		switch {
		case d.IsDir():
			if err := os.Mkdir(dst, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
			if err := os.Chmod(dst, 0o700); err != nil {
				return err // the one below may be read-only
			}
			folders = append(folders, folder{dst, fi.Mode()})
		case fi.Mode()&fs.ModeSymlink != 0:
			text, err := os.Readlink(p)
			if err != nil {
				return err
			}
			if err := os.Symlink(text, dst); err != nil {
				return err
			}
		case fi.Mode().IsRegular():
			if err := copyFile(p, dst); err != nil {
				return err
			}
		default:
			return nil // sockets, pipes, devices: an image does not need them
		}
		if st, ok := fi.Sys().(*syscall.Stat_t); ok && owners {
			if err := os.Lchown(dst, int(st.Uid), int(st.Gid)); err != nil && !errors.Is(err, unix.EINVAL) {
				return err // EINVAL: not a user of this namespace
			}
		}
		if fi.Mode().IsRegular() {
			return os.Chmod(dst, fi.Mode()) // after the owner, which takes the set-id bits
		}
		return nil
	})
	for i := len(folders) - 1; i >= 0 && err == nil; i-- {
		err = os.Chmod(folders[i].path, folders[i].mode)
	}
	return err
}

func copyFile(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if unix.IoctlFileClone(int(dst.Fd()), int(src.Fd())) != nil {
		_, err = io.Copy(dst, src)
	}
	return errors.Join(err, dst.Close())
}

package inside

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Apply gives the files to their new owner. Links are changed themselves, never
// what they point to. What vanishes meanwhile is no error.
func (o Own) Apply() error {
	var errs []error
	for _, dir := range o.Dirs {
		root, err := os.Lstat(dir)
		if err != nil {
			continue
		}
		device := deviceOf(root)
		err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return nil // gone, or no longer readable: what can be given is given
			}
			fi, err := d.Info()
			if err != nil {
				return nil
			}
			st, ok := fi.Sys().(*syscall.Stat_t)
			if !ok {
				return nil
			}
			// A file system that is mounted below is somebody else's.
			if d.IsDir() && uint64(st.Dev) != device {
				return fs.SkipDir
			}
			uid, gid := int(st.Uid), int(st.Gid)
			if uid == o.UID && gid == o.GID || o.Root && uid != 0 {
				return nil
			}
			if err := os.Lchown(p, o.UID, o.GID); err != nil && !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, err)
				if len(errs) > 20 {
					return fs.SkipAll
				}
			}
			return nil
		})
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func deviceOf(fi fs.FileInfo) uint64 {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Dev)
	}
	return 0
}

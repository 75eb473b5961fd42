package cas

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncFS makes everything written to f's file system durable. false means that
// it cannot be done here.
func syncFS(f *os.File) (bool, error) {
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return false, err
	}
	return true, nil
}

// clone makes dst share src's extents. An error means that it has to be copied.
func clone(dst, src *os.File) error {
	return unix.IoctlFileClone(int(dst.Fd()), int(src.Fd()))
}

// notCloneable tells that the store's own file system has no reflinks; EXDEV
// would only say that the target lies elsewhere.
func notCloneable(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.ENOSYS)
}

package predlog

import (
	"os"

	"golang.org/x/sys/unix"
)

// allocate gives a file its next size before it is written, so that a sync has
// no new size to write down.
func allocate(f *os.File, from, to int64) error {
	return unix.Fallocate(int(f.Fd()), 0, from, to-from)
}

func datasync(f *os.File) error { return unix.Fdatasync(int(f.Fd())) }

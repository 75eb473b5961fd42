//go:build unix

package host

import (
	"os"

	"golang.org/x/sys/unix"
)

// flock takes an exclusive lock that ends with the process.
func flock(f *os.File) error {
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
}

func mkfifo(path string) error { return unix.Mkfifo(path, 0o600) }

package layer

import (
	"archive/tar"
	"os"

	"golang.org/x/sys/unix"
)

// makeNode makes a device node or a named pipe in an open folder.
func makeNode(at *os.Root, base string, h *tar.Header) error {
	d, err := at.Open(".")
	if err != nil {
		return err
	}
	defer d.Close()
	mode := uint32(0o600)
	dev := 0
	switch h.Typeflag {
	case tar.TypeFifo:
		mode |= unix.S_IFIFO
	case tar.TypeChar:
		mode |= unix.S_IFCHR
		dev = int(unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor)))
	case tar.TypeBlock:
		mode |= unix.S_IFBLK
		dev = int(unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor)))
	}
	return unix.Mknodat(int(d.Fd()), base, mode, dev)
}

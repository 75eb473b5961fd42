//go:build !linux

package layer

import (
	"archive/tar"
	"errors"
	"os"
)

func makeNode(*os.Root, string, *tar.Header) error { return errors.ErrUnsupported }

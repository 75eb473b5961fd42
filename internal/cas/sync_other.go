//go:build !linux

package cas

import (
	"errors"
	"os"
)

func syncFS(*os.File) (bool, error) { return false, nil }

func clone(_, _ *os.File) error { return errors.ErrUnsupported }

func notCloneable(error) bool { return true }

package client

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/cairn-ml/cairn"
)

// MakeHome makes the folder of a home, and keeps it out of a repository that it
// may lie in: it holds a key, and the code of a run is all that git does not
// ignore.
func MakeHome(home string) error {
	if err := os.MkdirAll(home, 0o700); err != nil {
		return HomeError(home, cairn.Errorf(cairn.CodeUnavailable, "cannot make the home of Cairn: %w", err))
	}
	f, err := os.OpenFile(filepath.Join(home, ".gitignore"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	} else if err != nil {
		return HomeError(home, cairn.Errorf(cairn.CodeUnavailable, "cannot write to the home of Cairn: %w", err))
	}
	_, err = f.WriteString("*\n")
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		// An empty one would ignore nothing, for ever.
		return HomeError(home, errors.Join(cairn.Errorf(cairn.CodeUnavailable, "cannot write to the home of Cairn: %w", err), os.Remove(f.Name())))
	}
	return nil
}

// HomeError adds to an error of the home what can be done about it. An error
// that says so itself, and one of something else, stay as they are.
func HomeError(home string, err error) error {
	full := errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
	var known *cairn.Error
	if err == nil || errors.As(err, &known) && known.Hint != "" {
		return err
	}
	e := cairn.AsError(err)
	switch {
	case full:
		return &cairn.Error{Code: cairn.CodeUnavailable, Message: "the disk that holds " + home + " is full: " + err.Error(),
			Hint: "free some space and try again, or set CAIRN_HOME to a folder on another disk", Err: err}
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS), errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrNotExist):
		return &cairn.Error{Code: cairn.CodeUnavailable, Message: e.Message, Hint: "set CAIRN_HOME to a folder that can be written", Err: err}
	}
	return err
}

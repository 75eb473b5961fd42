// Package pylib holds Python modules that tasks may import where their environment
// lacks them: they come last on the import path, so that an installed package of the
// same name wins.
package pylib

import (
	"embed"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cairn-ml/cairn"
)

//go:embed mltable/*.py
var files embed.FS

// Install writes the modules below dir, unless they are there already, and returns the
// folder for the import path. Its name carries the digest of the modules, so that jobs
// of another Cairn keep their own.
func Install(dir string) (string, error) {
	digest, err := sum()
	if err != nil {
		return "", err
	}
	target := filepath.Join(dir, "pylib-"+digest.Short())
	if _, err := os.Stat(target); err == nil {
		return target, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	temp, err := os.MkdirTemp(dir, "pylib-new-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp)
	if err := os.CopyFS(temp, files); err != nil {
		return "", err
	}
	if err := os.Chmod(temp, 0o755); err != nil {
		return "", err
	}
	// Somebody else may have been quicker: what they wrote is the same.
	if err := os.Rename(temp, target); err != nil {
		if _, serr := os.Stat(target); serr != nil {
			return "", err
		}
	}
	return target, nil
}

func sum() (cairn.Digest, error) {
	var all []byte
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := files.ReadFile(path)
		all = append(append(append(all, path...), 0), b...)
		return err
	})
	return cairn.SumBytes(all), err
}

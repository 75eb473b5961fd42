// Package pylib holds Python modules that tasks may import where their environment
// lacks them: they come last on the import path, so that an installed package of the
// same name wins.
package pylib

import (
	"embed"

	"github.com/cairn-ml/cairn/internal/runner/modules"
)

//go:embed mltable/*.py
var files embed.FS

// Install writes the modules below dir, unless they are there already, and returns the
// folder for the import path.
func Install(dir string) (string, error) {
	mods, err := modules.Read(files, ".")
	if err != nil {
		return "", err
	}
	return mods.Install(dir, "pylib")
}

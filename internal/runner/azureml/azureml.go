// Package azureml holds the Python package that stands in for the first SDK of Azure
// Machine Learning, whose service has been retired: it comes first on the import path of
// jobs, and the SDK's packages are satisfied by wheels of it.
package azureml

import (
	"embed"
	"os"
	"strings"

	"github.com/cairn-ml/cairn/internal/runner/modules"
)

//go:embed all:lib/azureml
var files embed.FS

// read gives the modules of the package.
func read() (modules.Set, error) { return modules.Read(files, "lib") }

// Install writes the package below dir, unless it is there, and returns the folder for the
// import path.
func Install(dir string) (string, error) {
	mods, err := read()
	if err != nil {
		return "", err
	}
	return mods.Install(dir, "azureml")
}

// Write writes the package into a folder.
func Write(dir string) error {
	mods, err := read()
	if err != nil {
		return err
	}
	return mods.Write(dir)
}

// First puts the package before what else is on an import path, unless the job leaves
// azureml alone.
func First(dir string, env map[string]string) string {
	old := env["PYTHONPATH"]
	if dir == "" || env["CAIRN_AZURE"] == "original" || strings.HasPrefix(old, dir) {
		return old
	}
	if old == "" {
		return dir
	}
	return dir + string(os.PathListSeparator) + old
}

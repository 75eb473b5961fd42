// Package azureml holds the Python package that stands in for the first SDK of Azure
// Machine Learning, whose service has been retired: it comes first on the import path of
// jobs, and the SDK's packages are satisfied by wheels of it.
package azureml

import (
	"embed"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/cairn-ml/cairn"
)

//go:embed all:lib/azureml
var files embed.FS

// modules lists the files of the package below lib, with their bytes.
func modules() (map[string][]byte, error) {
	out := map[string][]byte{}
	err := fs.WalkDir(files, "lib", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(p) != ".py" {
			return err // what an interpreter left while it was tried does not count
		}
		b, err := files.ReadFile(p)
		out[strings.TrimPrefix(p, "lib/")] = b
		return err
	})
	return out, err
}

// digest names the modules.
func digest(mods map[string][]byte) cairn.Digest {
	var all []byte
	for _, name := range sorted(mods) {
		all = append(append(append(append(all, name...), 0), mods[name]...), 0)
	}
	return cairn.SumBytes(all)
}

// Install writes the package below dir, unless it is there, and returns the folder for the
// import path. Its name carries the digest of the modules, so that jobs of another Cairn
// keep their own.
func Install(dir string) (string, error) {
	mods, err := modules()
	if err != nil {
		return "", err
	}
	target := filepath.Join(dir, "azureml-"+digest(mods).Short())
	if _, err := os.Stat(target); err == nil {
		return target, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	temp, err := os.MkdirTemp(dir, "azureml-new-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp)
	if err := write(temp, mods); err != nil {
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

// Write writes the package into a folder.
func Write(dir string) error {
	mods, err := modules()
	if err != nil {
		return err
	}
	return write(dir, mods)
}

func write(dir string, mods map[string][]byte) error {
	for name, b := range mods {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(p, b, 0o644); err != nil {
			return err
		}
	}
	return nil
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

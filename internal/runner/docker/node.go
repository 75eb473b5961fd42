package docker

import (
	"debug/elf"
	"path/filepath"
	"strings"
)

// lendable returns the program of node that can be lent to a container: one that
// needs nothing but the C and C++ libraries, which most images have. Node as a
// distribution packs it needs its other libraries too.
func lendable(node string) string {
	if node == "" {
		return ""
	}
	path, err := filepath.EvalSymlinks(node)
	if err != nil {
		return ""
	}
	f, err := elf.Open(path)
	if err != nil {
		return "" // a script
	}
	defer f.Close()
	libs, err := f.ImportedLibraries()
	if err != nil {
		return ""
	}
	for _, l := range libs {
		name, _, _ := strings.Cut(l, ".so")
		switch name {
		case "libc", "libm", "libdl", "libpthread", "librt", "libstdc++", "libgcc_s", "ld-linux-x86-64", "ld-linux-aarch64", "libatomic":
		default:
			return ""
		}
	}
	return path
}

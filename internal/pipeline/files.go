package pipeline

import (
	"io/fs"
	"path"
	"strings"
)

// MapFiles are files in memory: those of a request. Paths without bytes are there too, as
// files (false) or folders (true): they were sent by other ways.
type MapFiles struct {
	Files map[string][]byte
	Paths map[string]bool
}

// ReadFile reads a file of the map.
func (m MapFiles) ReadFile(name string) ([]byte, error) {
	if b, ok := m.Files[path.Clean(name)]; ok {
		return b, nil
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// Stat looks for a path, also as the folder of another one.
func (m MapFiles) Stat(name string) (dir bool, err error) {
	name = path.Clean(name)
	if dir, ok := m.Paths[name]; ok {
		return dir, nil
	}
	if _, ok := m.Files[name]; ok {
		return false, nil
	}
	prefix := name + "/"
	if name == "." {
		prefix = ""
	}
	for k := range m.Files {
		if strings.HasPrefix(k, prefix) {
			return true, nil
		}
	}
	for k := range m.Paths {
		if strings.HasPrefix(k, prefix) {
			return true, nil
		}
	}
	return false, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
}

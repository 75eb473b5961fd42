package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Containers of the job see the folder of the steps' files, and may put links in the
// way. So everything in it is done below a root that no link leads out of: nothing of
// this host is read or written for a step in a container.

// inFiles does something to a path below that folder.
func (x *executor) inFiles(path string, do func(root *os.Root, name string) error) error {
	dir := x.Machine.Dirs().Files
	name, err := filepath.Rel(dir, path)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return do(root, name)
}

// makeFiles makes the folder of a step's script and environment files.
func (st *step) makeFiles() (string, error) {
	dir := filepath.Join(st.x.Machine.Dirs().Files, st.number)
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return "", err
	}
	return dir, st.x.inFiles(dir, func(root *os.Root, name string) error { return root.MkdirAll(name, 0o700) })
}

// writeStepFile makes a file anew, whatever was there.
func (x *executor) writeStepFile(path string, text []byte, mode fs.FileMode) error {
	return x.inFiles(path, func(root *os.Root, name string) error {
		if err := root.RemoveAll(name); err != nil {
			return err
		}
		f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
		if err != nil {
			return err
		}
		_, err = f.Write(text)
		return errors.Join(err, f.Close())
	})
}

// readStepFile is readEnvFile for a file of a step.
func (x *executor) readStepFile(path string, limit int64) (text []byte, err error) {
	if path == "" {
		return nil, nil // none was made
	}
	err = x.inFiles(path, func(root *os.Root, name string) error {
		f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		text, err = readPlain(f, limit)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, err
}

// makeEnvFiles makes the empty environment files of a step.
func (st *step) makeEnvFiles(dir string) error {
	list, err := st.x.subjectList()
	if err != nil {
		return err
	}
	files := map[string]string{}
	for _, name := range append(envFiles(), fileAllMade) {
		path := filepath.Join(dir, strings.ToLower(strings.TrimPrefix(name, "GITHUB_")))
		var text []byte
		if name == fileAllMade {
			text = list
		}
		if err := st.x.writeStepFile(path, text, 0o600); err != nil {
			return fmt.Errorf("the step's files cannot be made: %w", err)
		}
		files[name] = path
	}
	files["GITHUB_ACTION"] = st.action
	st.files = files
	return nil
}

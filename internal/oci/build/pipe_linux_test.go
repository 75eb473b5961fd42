package build

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cairn-ml/cairn"
)

// TestPipe: a pipe that nobody writes into does not hold a build for ever.
func TestPipe(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Dockerfile", ".dockerignore"} {
		w := newWorld(t)
		files := map[string]string{"Dockerfile": "FROM python:3.11-slim\n", "a": "x"}
		delete(files, name)
		dir := write(t, files)
		if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
			t.Skip(err)
		}
		_, _, err := w.build(t, cairn.BuildRequest{Context: dir})
		if cairn.CodeOf(err) != cairn.CodeInvalid || !strings.Contains(err.Error(), name+" cannot be read: it is no regular file") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
